//! Parquet: columns in chunks of pages, read row by row as a query needs them.
//!
//! <https://parquet.apache.org/docs/file-format/>. The reader asks for ranges of the blob: its end,
//! where the footer is, and then pages of the columns that the query names. It is our own and not
//! that of the `parquet` crate, because that one makes room for as many values as a page claims to
//! have, and a claim can be larger than memory; here a claim costs nothing until its values are
//! there. The crate writes the files of the tests.
//!
//! What is held is bounded by [`MEMORY_MAX`]; a file that needs more, or that is damaged, ends the
//! answer with an error.

mod bits;
mod column;
mod decode;
mod footer;
mod meaning;
mod page;
mod thrift;

use lazuli_model::Refusal;

use self::column::{Cursor, Need};
use self::footer::Footer;
use self::thrift::Trouble;
use crate::delimited::RECORD_BYTES_MAX;
use crate::expr::Row;
use crate::plan::{Select, Step};
use crate::sink::Sink;
use crate::source::{Stepped, TOKEN_COST};
use crate::sql::refused;
use crate::value::{CONVERSION, Fault, Value};

/// What a file ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// The length of the footer and the magic.
const TAIL_BYTES: u64 = 8;

/// How much of the end of the blob is read at first: most footers are in it.
const END_BYTES: u64 = 64 * 1024;

/// The most bytes of a footer.
const FOOTER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The most bytes of footer, pages, dictionaries and what is read ahead, all columns together.
const MEMORY_MAX: usize = 64 * 1024 * 1024;

/// The bytes that columns ask for at a time, all together and each at least.
const AHEAD_BYTES: usize = 4 * 1024 * 1024;
const AHEAD_BYTES_MIN: usize = 16 * 1024;
const AHEAD_BYTES_MAX: usize = 256 * 1024;

/// A Parquet file and how the query's columns lie in it.
pub(crate) struct Table {
    total: u64,
    /// The bytes that were asked for last, as they come.
    given: Vec<u8>,
    state: State,
    /// The columns that are read, by their numbers in the file.
    read: Vec<usize>,
    /// Which of them each column of the query is.
    bound: Vec<usize>,
    /// The names of the columns that are read.
    names: Vec<String>,
    cursors: Vec<Cursor>,
    /// Rows left of the row group.
    rows: u64,
    /// How far the blob has been read.
    scanned: u64,
    /// What a row costs at least.
    cost: u64,
}

enum State {
    /// Nothing has been read.
    Begun,
    /// The end of the blob has been asked for.
    End,
    /// The footer has been asked for, which begins at this byte.
    Footer(u64),
    /// Rows are read.
    Rows(Footer),
    /// The column of this number waits for bytes.
    Waits(Footer, usize),
}

/// A row as expressions see it.
struct TableRow<'t> {
    cursors: &'t [Cursor],
    bound: &'t [usize],
}

impl Row for TableRow<'_> {
    fn column(&self, column: usize) -> Result<Value<'_>, Fault> {
        let cursor = self.bound.get(column).and_then(|index| self.cursors.get(*index));
        value(cursor.ok_or(CONVERSION)?)
    }
}

fn value(cursor: &Cursor) -> Result<Value<'_>, Fault> {
    meaning::to_value(cursor.cell(), &cursor.column)
}

impl Table {
    /// The table of a blob of `total` bytes, for a query of so many words and signs.
    pub(crate) fn new(total: u64, tokens: usize) -> Self {
        Self {
            total,
            given: Vec::new(),
            state: State::Begun,
            read: Vec::new(),
            bound: Vec::new(),
            names: Vec::new(),
            cursors: Vec::new(),
            rows: 0,
            scanned: 0,
            cost: TOKEN_COST * tokens as u64 + 1,
        }
    }

    /// Takes bytes that were asked for.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.given.extend_from_slice(bytes);
    }

    /// Works off one row, or what has to be read before it.
    ///
    /// `ErrorProcessingQueryExpression` for columns that the file does not have.
    pub(crate) fn step(
        &mut self,
        columns: &[Vec<Step>],
        sink: &mut Sink,
    ) -> Result<Stepped, Refusal> {
        let given = std::mem::take(&mut self.given);
        let stepped = match std::mem::replace(&mut self.state, State::Begun) {
            State::Begun => Ok(self.begin()),
            State::End => self.end_of_file(given),
            State::Footer(at) => match Footer::read(given, at) {
                Ok(footer) => {
                    self.bind(&footer.columns, columns, sink)?;
                    self.state = State::Rows(footer);
                    Ok(Stepped::Worked(self.cost, 0))
                }
                Err(trouble) => Err(trouble),
            },
            State::Rows(footer) => self.row(footer, sink),
            State::Waits(footer, index) => {
                if let Some(cursor) = self.cursors.get_mut(index) {
                    cursor.give(&given);
                }
                // Asking again for what did not come would never end.
                if given.is_empty() { Err(Trouble::Short) } else { self.row(footer, sink) }
            }
        };
        Ok(stepped.unwrap_or_else(|trouble| self.broken(trouble)))
    }

    fn broken(&self, trouble: Trouble) -> Stepped {
        let why = match trouble {
            Trouble::Short => "a header ends too early",
            Trouble::Damaged(why) => why,
        };
        Stepped::Broken(self.scanned, format!("The blob cannot be read as Parquet: {why}."))
    }

    fn begin(&mut self) -> Stepped {
        if self.total < MAGIC.len() as u64 + TAIL_BYTES {
            return self.broken(Trouble::Damaged("it is too short"));
        }
        self.state = State::End;
        Stepped::Wanted(self.total - END_BYTES.min(self.total)..self.total)
    }

    fn end_of_file(&mut self, mut end: Vec<u8>) -> Result<Stepped, Trouble> {
        let tail = end.last_chunk::<8>().ok_or(Trouble::Short)?;
        let [a, b, c, d, magic @ ..] = *tail;
        if magic == *b"PARE" {
            return Err(Trouble::Damaged("it is encrypted"));
        }
        if magic != *MAGIC {
            return Err(Trouble::Damaged("it does not end as such a file does"));
        }
        let len = u64::from(u32::from_le_bytes([a, b, c, d]));
        let data_end = (self.total - TAIL_BYTES).checked_sub(len);
        let data_end = data_end.ok_or(Trouble::Damaged("the footer is longer than the blob"))?;
        if len > FOOTER_BYTES_MAX {
            return Err(Trouble::Damaged("the footer is longer than 16 MiB"));
        }
        self.state = State::Footer(data_end);
        let start = (len + TAIL_BYTES) as usize;
        match end.len().checked_sub(start) {
            Some(before) => {
                end.drain(..before);
                end.truncate(len as usize);
                self.given = end;
                Ok(Stepped::Worked(self.cost, 0))
            }
            None => Ok(Stepped::Wanted(data_end..data_end + len)),
        }
    }

    /// Finds the columns that the query names.
    fn bind(
        &mut self,
        all: &[footer::Column],
        columns: &[Vec<Step>],
        sink: &mut Sink,
    ) -> Result<(), Refusal> {
        let is_nested = |column: &footer::Column| column.is_repeated || column.path.len() > 1;
        if matches!(sink.select(), Select::All) {
            if all.iter().any(is_nested) {
                return Err(refused("A blob with nested columns cannot be selected as a whole."));
            }
            self.read = (0..all.len()).collect();
        }
        for steps in columns {
            let named = all.iter().position(|column| column.is_meant(steps));
            let ordinal = || match steps.as_slice() {
                [step] => {
                    step.ordinal().filter(|index| all.get(*index).is_some_and(|c| !is_nested(c)))
                }
                _ => None,
            };
            let Some(number) = named.or_else(ordinal) else {
                return Err(refused("A column is not in the blob, or it is not of plain values."));
            };
            if all.get(number).is_none_or(|column| column.is_repeated) {
                return Err(refused("A column with many values in a record cannot be read."));
            }
            let place = self.read.iter().position(|read| *read == number);
            self.bound.push(place.unwrap_or(self.read.len()));
            if place.is_none() {
                self.read.push(number);
            }
        }
        let name = |number: &usize| all.get(*number).map(|column| column.path.join("."));
        self.names = self.read.iter().filter_map(name).collect();
        if matches!(sink.select(), Select::All) {
            sink.head(&self.names);
        }
        Ok(())
    }

    /// Opens the next row group, if there is one.
    fn open(&mut self, footer: &mut Footer) -> Result<bool, Trouble> {
        let Some(group) = footer.group(&self.read)? else { return Ok(false) };
        self.rows = group.rows;
        let step = AHEAD_BYTES / self.read.len().max(1);
        let step = step.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        self.cursors.clear();
        for (number, chunk) in self.read.iter().zip(group.chunks) {
            let column = footer.columns.get(*number).ok_or(Trouble::Short)?.clone();
            self.cursors.push(Cursor::new(column, chunk, step));
        }
        Ok(true)
    }

    fn row(&mut self, mut footer: Footer, sink: &mut Sink) -> Result<Stepped, Trouble> {
        if self.rows == 0 {
            if !self.open(&mut footer)? {
                return Ok(Stepped::End);
            }
            self.state = State::Rows(footer);
            return Ok(Stepped::Worked(self.cost, self.scanned));
        }
        let mut unpacked = 0;
        for index in 0..self.cursors.len() {
            let Some(cursor) = self.cursors.get_mut(index) else { break };
            let before = cursor.unpacked;
            let need = cursor.prepare()?;
            let position = cursor.position();
            if cursor.unpacked != before {
                unpacked += cursor.unpacked - before;
                self.scanned = self.scanned.max(position);
            }
            if unpacked > 0 || need != Need::Nothing {
                let held: usize = self.cursors.iter().map(Cursor::held).sum();
                if held + footer.len() > MEMORY_MAX {
                    return Err(Trouble::Damaged("its pages are too large to be read together"));
                }
            }
            if let Need::Bytes(range) = need {
                self.state = State::Waits(footer, index);
                return Ok(Stepped::Wanted(range));
            }
        }
        let mut bytes = 0;
        for cursor in &mut self.cursors {
            bytes += cursor.advance()?;
        }
        if bytes > RECORD_BYTES_MAX {
            return Err(Trouble::Damaged("a record is longer than 1 MiB"));
        }
        self.rows -= 1;
        self.tell(sink);
        self.state = State::Rows(footer);
        Ok(Stepped::Worked(bytes as u64 + unpacked + self.cost, self.scanned))
    }

    /// Gives the row to the query.
    fn tell(&self, sink: &mut Sink) {
        let row = TableRow { cursors: &self.cursors, bound: &self.bound };
        let position = self.cursors.first().map_or(self.scanned, Cursor::position);
        sink.record(&row, position, |writer, out| {
            writer.begin(out);
            for (name, cursor) in self.names.iter().zip(&self.cursors) {
                writer.field(name, &value(cursor)?, out)?;
            }
            writer.end(out)
        });
    }
}
