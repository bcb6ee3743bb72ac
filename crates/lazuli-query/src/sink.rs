//! Where records go: through the condition into the answer.

use crate::avro::Frames;
use crate::expr::{Expr, Row};
use crate::plan::Select;
use crate::value::{Fault, Value};
use crate::writer::Writer;

/// The most records whose errors are told one by one.
const FAULTS_MAX: u64 = 1_000;

/// Results on their way into frames.
pub(crate) struct Sink {
    filter: Option<Expr>,
    select: Select,
    limit: u64,
    writer: Writer,
    frames: Frames,
    /// Records of the answer that are not yet in a frame.
    result: Vec<u8>,
    /// Frames that are not yet taken.
    pub(crate) out: Vec<u8>,
    rows: u64,
    faults: u64,
    headed: bool,
    total: u64,
    /// Whether a frame was written.
    framed: bool,
}

impl Sink {
    pub(crate) fn new(
        (filter, select, limit): (Option<Expr>, Select, Option<u64>),
        writer: Writer,
        frames: Frames,
    ) -> Self {
        Self {
            filter,
            select,
            limit: limit.unwrap_or(u64::MAX),
            writer,
            frames,
            result: Vec::new(),
            out: Vec::new(),
            rows: 0,
            faults: 0,
            headed: false,
            total: 0,
            framed: false,
        }
    }

    /// Writes what stands before the first frame of an answer about `total` bytes.
    pub(crate) fn begin(&mut self, total: u64) {
        self.total = total;
        self.frames.header(&mut self.out);
        let names: Vec<String> = match &self.select {
            Select::Items(items) => items.iter().map(|item| item.name.clone()).collect(),
            Select::Aggregates(list) => list.iter().map(|(_, name)| name.clone()).collect(),
            Select::All | Select::Split(_) => return,
        };
        self.head(&names);
    }

    /// Writes the names of the columns, where they are asked for and were not written.
    pub(crate) fn head(&mut self, names: &[String]) {
        if self.headed || names.is_empty() || !self.writer.has_headers() {
            return;
        }
        self.headed = true;
        self.row(names, names.iter().map(|name| Value::text(name.as_str())));
    }

    fn row<'v>(&mut self, names: &[String], values: impl Iterator<Item = Value<'v>>) {
        self.writer.begin(&mut self.result);
        for (name, value) in names.iter().zip(values) {
            self.writer.field(name, &value, &mut self.result);
        }
        self.writer.end(&mut self.result);
    }

    /// What is selected.
    pub(crate) fn select(&self) -> &Select {
        &self.select
    }

    /// How the answer is written.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Whether the answer has all records that were asked for.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.limit && matches!(self.select, Select::All | Select::Items(_))
    }

    /// The bytes of the answer that are not yet in a frame.
    pub(crate) fn pending(&self) -> usize {
        self.result.len()
    }

    /// Takes a record. `whole` writes it as it is, and `position` is where it begins in the blob.
    pub(crate) fn record<R: Row>(
        &mut self,
        row: &R,
        position: u64,
        whole: impl FnOnce(&mut Writer, &mut Vec<u8>),
    ) {
        let before = self.result.len();
        if let Err(fault) = self.take(row, whole) {
            self.result.truncate(before);
            self.faults += 1;
            if self.faults <= FAULTS_MAX {
                self.error(false, (fault.name, &fault.description), position);
            }
        }
    }

    fn take<R: Row>(
        &mut self,
        row: &R,
        whole: impl FnOnce(&mut Writer, &mut Vec<u8>),
    ) -> Result<(), Fault> {
        if let Some(filter) = &self.filter
            && !filter.holds(row)?
        {
            return Ok(());
        }
        match &mut self.select {
            Select::All => whole(&mut self.writer, &mut self.result),
            Select::Items(items) => {
                self.writer.begin(&mut self.result);
                for item in items {
                    let value = item.expr.eval(row)?;
                    self.writer.field(&item.name, &value, &mut self.result);
                }
                self.writer.end(&mut self.result);
            }
            Select::Aggregates(list) => {
                for (aggregate, _) in list {
                    aggregate.add(row)?;
                }
            }
            Select::Split(_) => {}
        }
        self.rows += 1;
        Ok(())
    }

    /// Tells the size of a piece.
    pub(crate) fn piece(&mut self, size: u64) {
        let size = Value::Int(i64::try_from(size).unwrap_or(i64::MAX));
        self.row(&["_1".to_owned()], std::iter::once(size));
    }

    /// Puts what there is into a frame.
    pub(crate) fn flush(&mut self) {
        if self.result.is_empty() {
            return;
        }
        self.frames.data(&self.result, &mut self.out);
        self.framed = true;
        self.result.clear();
    }

    fn error(&mut self, fatal: bool, told: (&str, &str), position: u64) {
        // The Python SDK fails on an answer whose first record is an error.
        if !self.framed {
            self.progress(0);
        }
        self.frames.error(fatal, told, position, &mut self.out);
    }

    /// Tells how much of the blob has been read.
    pub(crate) fn progress(&mut self, scanned: u64) {
        self.frames.progress(scanned, self.total, &mut self.out);
        self.framed = true;
    }

    /// Ends the answer, with an error if the rest could not be read. Clients wait for the end even
    /// after an error.
    pub(crate) fn end(&mut self, scanned: u64, broken: Option<(u64, &str)>) {
        let values: Option<Vec<Value<'static>>> = match &self.select {
            Select::Aggregates(list) if broken.is_none() && self.limit > 0 => {
                Some(list.iter().map(|(aggregate, _)| aggregate.value()).collect())
            }
            _ => None,
        };
        if let (Some(values), Select::Aggregates(list)) = (values, &self.select) {
            let names: Vec<String> = list.iter().map(|(_, name)| name.clone()).collect();
            self.row(&names, values.into_iter());
        }
        self.flush();
        if let Some(more) = self.faults.checked_sub(FAULTS_MAX).filter(|more| *more > 0) {
            let why = format!("{more} further records have errors.");
            self.error(false, ("TooManyErrors", &why), scanned);
        }
        if let Some((at, why)) = broken {
            self.error(true, ("ParseError", why), at);
        }
        self.progress(scanned);
        self.frames.end(self.total, &mut self.out);
    }
}
