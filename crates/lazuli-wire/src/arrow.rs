//! Apache Arrow's streaming format, as far as a listing needs it: one schema, one record batch.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>
//!
//! Columns are filled row by row, in the order of their fields, straight into the buffers that are
//! sent. Every column may be null, and no column has a dictionary.

mod flat;

use self::flat::{At, Flat, Slot};
use crate::body::Pairs;

/// The media type of such a stream.
pub const CONTENT_TYPE: &str = "application/vnd.apache.arrow.stream";

/// `MetadataVersion.V5`.
const VERSION: i16 = 4;
/// `MessageHeader.Schema`.
const SCHEMA: u8 = 1;
/// `MessageHeader.RecordBatch`.
const RECORD_BATCH: u8 = 3;
/// What stands before the length of a message; the length 0 after it ends the stream.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Buffers and messages begin at multiples of this many bytes.
const ALIGNMENT: usize = 8;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A whole number that is not negative, of 64 bits.
    Number,
    /// A moment, in seconds since 1970, in UTC.
    Moment,
    /// True or false.
    Flag,
    /// Texts by texts.
    Map,
}

/// A column's name and kind.
pub type Field = (&'static str, Kind);

/// A table in the making.
pub struct Table {
    columns: Vec<Column>,
    /// The column that the next value is for.
    next: usize,
    rows: usize,
}

impl Table {
    /// A table without rows.
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        let columns = fields.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
        Self { columns, next: 0, rows: 0 }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The next value of the row, of a column of texts.
    pub fn text(&mut self, value: Option<&str>) {
        self.put(value.is_some(), |data| match data {
            Data::Text(texts) => texts.push(value.unwrap_or_default()),
            other => other.push_nothing(),
        });
    }

    /// The next value of the row, of a column of numbers.
    pub fn number(&mut self, value: Option<u64>) {
        self.put(value.is_some(), |data| match data {
            Data::Number(numbers) => numbers.extend(value.unwrap_or_default().to_le_bytes()),
            other => other.push_nothing(),
        });
    }

    /// The next value of the row, of a column of moments, in seconds since 1970.
    pub fn moment(&mut self, value: Option<i64>) {
        self.put(value.is_some(), |data| match data {
            Data::Moment(moments) => moments.extend(value.unwrap_or_default().to_le_bytes()),
            other => other.push_nothing(),
        });
    }

    /// The next value of the row, of a column of flags.
    pub fn flag(&mut self, value: Option<bool>) {
        self.put(value.is_some(), |data| match data {
            Data::Flag(bits) => bits.push(value.unwrap_or_default()),
            other => other.push_nothing(),
        });
    }

    /// The next value of the row, of a column of maps.
    pub fn map(&mut self, pairs: Option<&dyn Pairs>) {
        self.put(pairs.is_some(), |data| match data {
            Data::Map { ends, keys, values } => {
                if let Some(pairs) = pairs {
                    pairs.each(&mut |key, value| {
                        keys.push(key);
                        values.push(value);
                    });
                }
                ends.extend((keys.len() as i32).to_le_bytes());
            }
            other => other.push_nothing(),
        });
    }

    /// Ends the row; values it has not got are null.
    pub fn end_row(&mut self) {
        while self.next < self.columns.len() {
            self.put(false, Data::push_nothing);
        }
        self.next = 0;
        self.rows += 1;
    }

    fn put(&mut self, is_there: bool, push: impl FnOnce(&mut Data)) {
        if let Some(column) = self.columns.get_mut(self.next) {
            column.validity.push(is_there);
            column.nulls += u64::from(!is_there);
            push(&mut column.data);
        }
        self.next += 1;
    }

    /// The stream: the schema with `metadata`, and the rows.
    pub fn finish(self, metadata: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        message(&mut out, &schema(&self.columns, metadata), &[]);
        let (head, body) = record_batch(&self.columns, self.rows);
        message(&mut out, &head, &body);
        out.extend(CONTINUATION);
        out.extend([0; 4]);
        out
    }
}

struct Column {
    name: &'static str,
    kind: Kind,
    validity: Bits,
    nulls: u64,
    data: Data,
}

impl Column {
    fn new(name: &'static str, kind: Kind) -> Self {
        let data = match kind {
            Kind::Text => Data::Text(Texts::default()),
            Kind::Number => Data::Number(Vec::new()),
            Kind::Moment => Data::Moment(Vec::new()),
            Kind::Flag => Data::Flag(Bits::default()),
            Kind::Map => {
                let ends = 0_i32.to_le_bytes().to_vec();
                Data::Map { ends, keys: Texts::default(), values: Texts::default() }
            }
        };
        Self { name, kind, validity: Bits::default(), nulls: 0, data }
    }
}

/// A column's values, as the buffers that are sent.
enum Data {
    Text(Texts),
    Number(Vec<u8>),
    Moment(Vec<u8>),
    Flag(Bits),
    Map { ends: Vec<u8>, keys: Texts, values: Texts },
}

impl Data {
    /// What stands for null.
    fn push_nothing(&mut self) {
        match self {
            Self::Text(texts) => texts.push(""),
            Self::Number(bytes) | Self::Moment(bytes) => bytes.extend([0; 8]),
            Self::Flag(bits) => bits.push(false),
            Self::Map { ends, keys, .. } => ends.extend((keys.len() as i32).to_le_bytes()),
        }
    }
}

/// Texts, one after the other, and where each ends.
struct Texts {
    ends: Vec<u8>,
    bytes: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { ends: 0_i32.to_le_bytes().to_vec(), bytes: Vec::new() }
    }
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        // A page of a listing is far from 2 GiB.
        self.ends.extend((self.bytes.len() as i32).to_le_bytes());
    }

    fn len(&self) -> usize {
        self.ends.len() / 4 - 1
    }
}

/// Bits, the least significant of each byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.len % 8);
        }
        self.len += 1;
    }
}

/// Adds an encapsulated message.
fn message(out: &mut Vec<u8>, head: &[u8], body: &[u8]) {
    let padded = head.len().next_multiple_of(ALIGNMENT);
    out.extend(CONTINUATION);
    out.extend((padded as u32).to_le_bytes());
    out.extend_from_slice(head);
    out.resize(out.len() + padded - head.len(), 0);
    out.extend_from_slice(body);
}

/// A `Message` around a header.
fn finish_message(mut flat: Flat, (kind, header): (u8, At), body_bytes: usize) -> Vec<u8> {
    let root = flat.table(&[
        Slot::I16(VERSION),
        Slot::U8(kind),
        Slot::Offset(header),
        Slot::I64(body_bytes as i64),
    ]);
    flat.finish(root)
}

fn schema(columns: &[Column], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut flat = Flat::default();
    let fields: Vec<At> =
        columns.iter().map(|column| field(&mut flat, column.name, column.kind, true)).collect();
    let fields = flat.offsets(&fields);
    let pairs: Vec<At> = metadata
        .iter()
        .map(|(key, value)| {
            let (key, value) = (flat.text(key), flat.text(value));
            flat.table(&[Slot::Offset(key), Slot::Offset(value)])
        })
        .collect();
    let pairs = flat.offsets(&pairs);
    let header = flat.table(&[Slot::Absent, Slot::Offset(fields), Slot::Offset(pairs)]);
    finish_message(flat, (SCHEMA, header), 0)
}

/// A `Field`; see `Schema.fbs` for the numbers of the types.
fn field(flat: &mut Flat, name: &str, kind: Kind, nullable: bool) -> At {
    let (number, of_type, children) = match kind {
        Kind::Text => (5, flat.table(&[]), Vec::new()),
        Kind::Number => (2, flat.table(&[Slot::I32(64), Slot::U8(0)]), Vec::new()),
        Kind::Moment => {
            let zone = flat.text("UTC");
            (10, flat.table(&[Slot::I16(0), Slot::Offset(zone)]), Vec::new())
        }
        Kind::Flag => (6, flat.table(&[]), Vec::new()),
        Kind::Map => {
            let key = field(flat, "key", Kind::Text, false);
            let value = field(flat, "value", Kind::Text, true);
            let pair = flat.offsets(&[key, value]);
            let (entries, of_pair) = (flat.text("entries"), flat.table(&[]));
            let pair = flat.table(&[
                Slot::Offset(entries),
                Slot::U8(0),
                Slot::U8(13),
                Slot::Offset(of_pair),
                Slot::Absent,
                Slot::Offset(pair),
            ]);
            (17, flat.table(&[Slot::U8(0)]), vec![pair])
        }
    };
    let (name, children) = (flat.text(name), flat.offsets(&children));
    flat.table(&[
        Slot::Offset(name),
        Slot::U8(u8::from(nullable)),
        Slot::U8(number),
        Slot::Offset(of_type),
        Slot::Absent,
        Slot::Offset(children),
    ])
}

/// Head and body of the batch with all rows.
fn record_batch(columns: &[Column], rows: usize) -> (Vec<u8>, Vec<u8>) {
    let mut batch = Batch::default();
    for column in columns {
        batch.node(rows, column.nulls);
        batch.buffer(&column.validity.bytes);
        match &column.data {
            Data::Text(texts) => batch.texts(texts),
            Data::Number(bytes) | Data::Moment(bytes) => batch.buffer(bytes),
            Data::Flag(bits) => batch.buffer(&bits.bytes),
            Data::Map { ends, keys, values } => {
                batch.buffer(ends);
                // The pairs, then their two parts; none is null, which needs no validity.
                batch.node(keys.len(), 0);
                batch.buffer(&[]);
                for texts in [keys, values] {
                    batch.node(texts.len(), 0);
                    batch.buffer(&[]);
                    batch.texts(texts);
                }
            }
        }
    }
    let mut flat = Flat::default();
    let nodes = flat.pairs(&batch.nodes);
    let buffers = flat.pairs(&batch.buffers);
    let header = flat.table(&[Slot::I64(rows as i64), Slot::Offset(nodes), Slot::Offset(buffers)]);
    (finish_message(flat, (RECORD_BATCH, header), batch.body.len()), batch.body)
}

/// The body of a batch and what its head says of it.
#[derive(Default)]
struct Batch {
    /// Length and number of nulls of each array.
    nodes: Vec<(u64, u64)>,
    /// Offset and length of each buffer.
    buffers: Vec<(u64, u64)>,
    body: Vec<u8>,
}

impl Batch {
    fn node(&mut self, len: usize, nulls: u64) {
        self.nodes.push((len as u64, nulls));
    }

    fn texts(&mut self, texts: &Texts) {
        self.buffer(&texts.ends);
        self.buffer(&texts.bytes);
    }

    fn buffer(&mut self, bytes: &[u8]) {
        self.buffers.push((self.body.len() as u64, bytes.len() as u64));
        self.body.extend_from_slice(bytes);
        self.body.resize(self.body.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests;
