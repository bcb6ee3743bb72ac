//! A query at work: bytes of the blob in, frames of the answer out, with bounded memory.

use lazuli_model::{ErrorCode, Refusal};

use crate::avro::Frames;
use crate::moment::Moment;
use crate::plan::{Select, Step};
use crate::request::{InputFormat, Request};
use crate::sink::Sink;
use crate::source::{Stepped, Text, Values};
use crate::sql::{self, refused};
use crate::writer::Writer;

/// A query over one blob.
///
/// Its caller gives the blob's bytes with [`Query::push`] and takes the answer with
/// [`Query::advance`], which works for a few milliseconds, about, between two returns.
pub struct Query {
    source: Source,
    sink: Sink,
    columns: Vec<Vec<Step>>,
    total: u64,
    scanned: u64,
    told: u64,
    begun: bool,
    done: bool,
}

/// What a query needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes of the blob, or to be told that there are none.
    Starved,
    /// To be called again.
    Busy,
    /// Nothing: the answer is complete.
    Done,
}

/// Where records come from.
enum Source {
    Text(Box<Text>),
    Values(Box<Values>),
}

/// The work between two returns, in bytes touched.
const COST_MAX: u64 = 4 * 1024 * 1024;

/// The bytes of an answer in one frame, about, and between two returns.
const RESULT_BYTES: usize = 256 * 1024;

/// How often progress is told, in bytes of the blob.
const PROGRESS_BYTES: u64 = 4 * 1024 * 1024;

impl Query {
    /// A query over a blob of `total` bytes. `now` is what UTCNOW tells, and `sync` 16 random bytes
    /// that separate the frames.
    ///
    /// `ErrorProcessingQueryExpression` for what is not of the dialect; `NotImplemented` for formats
    /// that cannot be read or written.
    pub fn new(
        request: &Request,
        total: u64,
        now: lazuli_base::Timestamp,
        sync: [u8; 16],
    ) -> Result<Self, Refusal> {
        let plan = sql::parse(&request.expression, Moment::new(now))?;
        let writer = Writer::new(&request.output)
            .ok_or_else(|| not_built("Answers in Arrow are not implemented on this server."))?;
        let chosen = (plan.filter, plan.select, plan.limit);
        let sink = Sink::new(chosen, writer, Frames::new(sync));
        let source = match &request.input {
            InputFormat::Delimited(_) if !plan.table.is_empty() => {
                return Err(refused("The table of delimited text must be BlobStorage."));
            }
            InputFormat::Delimited(form) => {
                Source::Text(Box::new(Text::new(form, &plan.columns, (&sink, plan.tokens))?))
            }
            InputFormat::Json(_) if matches!(sink.select(), Select::Split(_)) => {
                return Err(refused("sys.split needs delimited text."));
            }
            InputFormat::Json(form) => {
                Source::Values(Box::new(Values::new(&form.record, plan.table, plan.tokens)))
            }
            InputFormat::Parquet => {
                return Err(not_built("Queries of Parquet are not implemented on this server."));
            }
        };
        Ok(Self {
            source,
            sink,
            columns: plan.columns,
            total,
            scanned: 0,
            told: 0,
            begun: false,
            done: false,
        })
    }

    /// Gives the next bytes of the blob: after [`Progress::Starved`], and no more than a few MiB.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.source {
            Source::Text(text) => text.reader.push(bytes),
            Source::Values(values) => values.reader.push(bytes),
        }
    }

    /// Tells that all bytes of the blob were given.
    pub fn finish(&mut self) {
        match &mut self.source {
            Source::Text(text) => text.reader.finish(),
            Source::Values(values) => values.reader.finish(),
        }
    }

    /// Works on, and adds to `out` what there is of the answer.
    ///
    /// `ErrorProcessingQueryExpression` when the first record does not have the columns that the
    /// query names; nothing of `out` is of use then.
    pub fn advance(&mut self, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        self.sink.out = std::mem::take(out);
        let progress = self.work();
        *out = std::mem::take(&mut self.sink.out);
        progress
    }

    fn work(&mut self) -> Result<Progress, Refusal> {
        if !self.begun {
            self.begun = true;
            self.sink.begin(self.total);
        }
        let mut left = COST_MAX;
        while !self.done {
            if self.sink.is_full() {
                self.end(None);
                break;
            }
            let stepped = match &mut self.source {
                Source::Text(text) => text.step(&self.columns, &mut self.sink)?,
                Source::Values(values) => values.step(&self.columns, &mut self.sink),
            };
            match stepped {
                Stepped::Worked(cost, scanned) => {
                    self.scanned = scanned;
                    left = left.saturating_sub(cost);
                }
                Stepped::Starved => {
                    self.pause();
                    return Ok(Progress::Starved);
                }
                Stepped::End => {
                    self.scanned = self.total;
                    if let Source::Text(text) = &self.source {
                        text.end(self.total, &mut self.sink);
                    }
                    self.end(None);
                }
                Stepped::Broken(at, why) => self.end(Some((at, &why))),
            }
            let held = self.sink.pending() + self.sink.out.len();
            if !self.done && (left == 0 || held >= RESULT_BYTES) {
                self.pause();
                return Ok(Progress::Busy);
            }
        }
        Ok(Progress::Done)
    }

    /// Frames what there is, and tells how far it goes.
    fn pause(&mut self) {
        self.sink.flush();
        if self.scanned.saturating_sub(self.told) >= PROGRESS_BYTES {
            self.told = self.scanned;
            self.sink.progress(self.scanned);
        }
    }

    fn end(&mut self, broken: Option<(u64, &str)>) {
        self.done = true;
        self.sink.end(self.scanned, broken);
    }
}

fn not_built(why: &'static str) -> Refusal {
    Refusal::new(ErrorCode::NotImplemented).with_message(why)
}
