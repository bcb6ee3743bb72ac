//! Where records come from: the two kinds of text, each with what the query needs of it.

use lazuli_model::Refusal;

use crate::delimited::{DelimitedReader, DelimitedRow, Fields, Found, Place};
use crate::json::Json;
use crate::plan::{Select, Step};
use crate::request::Delimited;
use crate::sink::Sink;
use crate::sql::refused;
use crate::value::Value;
use crate::values::{ValuePlace, ValueReader, ValueRow, records};

/// What one step found.
pub(crate) enum Stepped {
    /// Work of this cost, in bytes touched, up to this byte of the blob.
    Worked(u64, u64),
    /// Nothing: more input is needed.
    Starved,
    /// The end of the blob.
    End,
    /// Something at this byte that cannot be read over.
    Broken(u64, String),
}

/// What looking at one word of the query for one record costs, in bytes that could be touched.
const TOKEN_COST: u64 = 8;

/// The most that a single value of JSON text may give or cost: it is worked off in one go.
const VALUE_COST_MAX: u64 = 64 * 1024 * 1024;

/// Delimited text and how the query's columns lie in it.
pub(crate) struct Text {
    pub(crate) reader: DelimitedReader,
    fields: Fields,
    /// The field of each column, once it is known.
    bound: Option<Vec<usize>>,
    /// How many fields are needed of each record.
    most: usize,
    /// Whether records are passed on as they are.
    is_raw: bool,
    /// The names of the columns.
    names: Vec<String>,
    /// Where the piece begins that `sys.split` measures.
    piece: u64,
    cost: u64,
}

impl Text {
    /// Text of a form. Columns are bound here unless the first record names them.
    ///
    /// `ErrorProcessingQueryExpression` for columns that text of this form does not have.
    pub(crate) fn new(
        form: &Delimited,
        columns: &[Vec<Step>],
        (sink, tokens): (&Sink, usize),
    ) -> Result<Self, Refusal> {
        let mut text = Self {
            reader: DelimitedReader::new(form),
            fields: Fields::default(),
            bound: None,
            most: 0,
            is_raw: sink.writer().is_same(form),
            names: Vec::new(),
            piece: 0,
            cost: TOKEN_COST * tokens as u64,
        };
        for path in columns {
            let [step] = path.as_slice() else {
                return Err(refused("Delimited text has no nested columns."));
            };
            if !form.headers && step.ordinal().is_none() {
                return Err(refused(
                    "Column names can be used only if 'hasHeader' is set in the config and there \
                     is a header row.",
                ));
            }
        }
        if !form.headers {
            text.bind(columns, sink)?;
        }
        Ok(text)
    }

    /// Finds the field of each column.
    fn bind(&mut self, columns: &[Vec<Step>], sink: &Sink) -> Result<(), Refusal> {
        let find = |path: &Vec<Step>| {
            let step = path.last()?;
            let named = self.names.iter().position(|name| step.names(name));
            named.or_else(|| step.ordinal())
        };
        let bound: Option<Vec<usize>> = columns.iter().map(find).collect();
        let bound = bound.ok_or_else(|| refused("A column is not in the header row."))?;
        self.most = bound.iter().max().map_or(0, |last| last + 1);
        if matches!(sink.select(), Select::All) && !self.is_raw {
            self.most = usize::MAX;
        }
        self.bound = Some(bound);
        Ok(())
    }

    /// Reads the names of the columns from the first record.
    fn head(&mut self, place: &Place) {
        self.fields.cut(&self.reader, place, usize::MAX);
        let record = self.reader.bytes(place);
        let field = |index| self.fields.get(record, index).unwrap_or_default();
        let name = |index| String::from_utf8_lossy(field(index)).into_owned();
        self.names = (0..self.fields.len()).map(name).collect();
        if let Some(first) = self.names.first_mut()
            && let Some(plain) = first.strip_prefix('\u{feff}')
        {
            *first = plain.to_owned();
        }
    }

    /// Works off one record.
    pub(crate) fn step(
        &mut self,
        columns: &[Vec<Step>],
        sink: &mut Sink,
    ) -> Result<Stepped, Refusal> {
        let place = match self.reader.next() {
            Found::Record(place) => place,
            Found::Starved => return Ok(Stepped::Starved),
            Found::End => return Ok(Stepped::End),
            Found::Broken(at, why) => return Ok(Stepped::Broken(at, why)),
        };
        let end = place.position + place.taken as u64;
        if let Select::Split(size) = sink.select() {
            if end - self.piece >= *size {
                sink.piece(end - self.piece);
                self.piece = end;
            }
        } else if self.bound.is_none() {
            self.head(&place);
            self.bind(columns, sink)?;
            if matches!(sink.select(), Select::All) {
                sink.head(&self.names);
            }
        } else {
            self.record(&place, sink);
        }
        Ok(Stepped::Worked(place.taken as u64 + self.cost, end))
    }

    fn record(&mut self, place: &Place, sink: &mut Sink) {
        if self.most > 0 {
            self.fields.cut(&self.reader, place, self.most);
        }
        if self.most == usize::MAX {
            for number in self.names.len()..self.fields.len() {
                self.names.push(format!("_{}", number + 1));
            }
        }
        let record = self.reader.bytes(place);
        let bound = self.bound.as_deref().unwrap_or_default();
        let fields = &self.fields;
        let row = DelimitedRow { record, fields, bound };
        let (is_raw, names) = (self.is_raw, &self.names);
        sink.record(&row, place.position, |writer, out| {
            if is_raw {
                writer.raw(record, out);
                return;
            }
            writer.begin(out);
            for (index, name) in names.iter().enumerate().take(fields.len()) {
                let field = fields.get(record, index).unwrap_or_default();
                writer.field(name, &Value::Text(field.into()), out);
            }
            writer.end(out);
        });
    }

    /// Tells the size of the last piece of a blob that was read to its end.
    pub(crate) fn end(&self, total: u64, sink: &mut Sink) {
        if matches!(sink.select(), Select::Split(_)) && total > self.piece {
            sink.piece(total - self.piece);
        }
    }
}

/// JSON text and where its records are.
pub(crate) struct Values {
    pub(crate) reader: ValueReader,
    table: Vec<Step>,
    cost: u64,
}

impl Values {
    pub(crate) fn new(separator: &[u8], table: Vec<Step>, tokens: usize) -> Self {
        let cost = TOKEN_COST * tokens as u64;
        Self { reader: ValueReader::new(separator), table, cost }
    }

    /// Works off one value, which may hold many records.
    pub(crate) fn step(&mut self, columns: &[Vec<Step>], sink: &mut Sink) -> Stepped {
        let place = match self.reader.next() {
            Found::Record(place) => place,
            Found::Starved => return Stepped::Starved,
            Found::End => return Stepped::End,
            Found::Broken(at, why) => return Stepped::Broken(at, why),
        };
        let value = match read(self.reader.bytes(&place), &place) {
            Ok(value) => value,
            Err((at, why)) => return Stepped::Broken(at, why),
        };
        let mut cost = place.len() as u64;
        let is_whole = records(&value, &self.table, &mut |item| {
            let row = ValueRow { value: item, columns };
            let before = sink.pending();
            sink.record(&row, place.position, |writer, out| writer.value(item, out));
            cost += self.cost + sink.pending().saturating_sub(before) as u64;
            cost <= VALUE_COST_MAX && !sink.is_full()
        });
        if !is_whole && !sink.is_full() {
            let why = "A value gives more records than can be computed at once.";
            return Stepped::Broken(place.position, why.to_owned());
        }
        Stepped::Worked(cost, place.position + place.len() as u64)
    }
}

/// A value, or the byte at which it cannot be read and why.
fn read<'j>(bytes: &'j [u8], place: &ValuePlace) -> Result<Json<'j>, (u64, String)> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let at = place.position + error.valid_up_to() as u64;
        (at, format!("Unexpected byte at [byte: {at}]. Expecting UTF-8."))
    })?;
    Json::parse(text).map_err(|error| {
        let at = place.position + error.at as u64;
        let found = text.get(error.at..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| "end".to_owned(), |c| format!("token '{c}'"));
        (at, format!("Unexpected {found} at [byte: {at}]. Expecting tokens {}.", error.expected))
    })
}
