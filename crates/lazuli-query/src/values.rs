//! JSON text, cut into values as it arrives.
//!
//! A blob holds one value after the other, with white space or the separator between them. A blob
//! that is one list is read as the items of the list, so that its size does not matter.

use crate::delimited::{Found, RECORD_BYTES_MAX};
use crate::expr::Row;
use crate::json::Json;
use crate::plan::Step;
use crate::value::{Fault, Number, Value, parse_number};

/// Where a value stands in the reader's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValuePlace {
    start: usize,
    end: usize,
    /// The byte of the blob it begins with.
    pub(crate) position: u64,
}

impl ValuePlace {
    /// How many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Cuts JSON text into values.
pub(crate) struct ValueReader {
    separator: Vec<u8>,
    buffer: Vec<u8>,
    base: u64,
    /// Where what is read next begins.
    start: usize,
    scan: usize,
    /// The brackets and braces that are open in the value.
    depth: usize,
    in_text: bool,
    /// Whether the blob is a list, and inside of it whether a value stands before.
    list: Option<bool>,
    is_first: bool,
    ended: bool,
}

impl ValueReader {
    pub(crate) fn new(separator: &[u8]) -> Self {
        Self {
            separator: separator.to_vec(),
            buffer: Vec::new(),
            base: 0,
            start: 0,
            scan: 0,
            depth: 0,
            in_text: false,
            list: None,
            is_first: true,
            ended: false,
        }
    }

    /// Adds input.
    pub(crate) fn push(&mut self, input: &[u8]) {
        self.buffer.drain(..self.start);
        self.base += self.start as u64;
        self.scan -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(input);
    }

    /// Tells that no more input comes.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
    }

    /// The bytes of a value.
    pub(crate) fn bytes(&self, place: &ValuePlace) -> &[u8] {
        &self.buffer[place.start..place.end]
    }

    /// The next value. What is between its first and last byte is not looked at closely.
    pub(crate) fn next(&mut self) -> Found<ValuePlace> {
        if self.scan == self.start
            && let Some(found) = self.begin()
        {
            return found;
        }
        match self.end_of_value() {
            Some(end) => {
                let place =
                    ValuePlace { start: self.start, end, position: self.base + self.start as u64 };
                self.start = end;
                self.scan = end;
                Found::Record(place)
            }
            None if self.ended => {
                let at = self.base + self.buffer.len() as u64;
                Found::Broken(at, format!("Unexpected end at [byte: {at}]."))
            }
            None => self.starved(),
        }
    }

    fn starved(&self) -> Found<ValuePlace> {
        if self.buffer.len() - self.start > RECORD_BYTES_MAX {
            let why = format!("A record is longer than {RECORD_BYTES_MAX} bytes.");
            return Found::Broken(self.base + self.start as u64, why);
        }
        Found::Starved
    }

    /// Goes to the first byte of the next value; something if there is none.
    fn begin(&mut self) -> Option<Found<ValuePlace>> {
        loop {
            let rest = &self.buffer[self.start..];
            let Some(byte) = rest.first().copied() else {
                return Some(match self.ended {
                    true if self.list.is_none() => Found::End,
                    true => self.unexpected("']'"),
                    false => Found::Starved,
                });
            };
            let skipped = match (byte, self.list) {
                (b' ' | b'\t' | b'\n' | b'\r', _) => 1,
                (b',', Some(true)) => {
                    self.list = Some(false);
                    1
                }
                (b']', Some(_)) => {
                    self.list = None;
                    1
                }
                (b'[', None) if self.is_first => {
                    self.list = Some(false);
                    1
                }
                (_, Some(true)) => return Some(self.unexpected("',' or ']'")),
                (_, Some(false)) => {
                    self.list = Some(true);
                    return None;
                }
                (b'{' | b'[', None) => {
                    self.is_first = false;
                    return None;
                }
                (_, None) => {
                    let length = self.separator.len();
                    if rest.starts_with(&self.separator) {
                        length
                    } else if self.separator.starts_with(rest) && !self.ended {
                        return Some(Found::Starved);
                    } else {
                        return Some(self.unexpected("'{', or '['"));
                    }
                }
            };
            self.is_first = self.is_first && byte != b'[';
            self.start += skipped;
            self.scan = self.start;
        }
    }

    fn unexpected(&self, expected: &str) -> Found<ValuePlace> {
        let at = self.base + self.start as u64;
        let found = match self.buffer.get(self.start) {
            Some(byte) => format!("token '{}'", char::from(*byte).escape_default()),
            None => "end".to_owned(),
        };
        let why = format!("Unexpected {found} at [byte: {at}]. Expecting tokens {expected}.");
        Found::Broken(at, why)
    }

    /// Where the value that is being read ends.
    fn end_of_value(&mut self) -> Option<usize> {
        while let Some(byte) = self.buffer.get(self.scan).copied() {
            if self.in_text {
                match byte {
                    b'\\' if self.scan + 1 >= self.buffer.len() => return None,
                    b'\\' => self.scan += 1,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return Some(self.scan + 1);
                        }
                    }
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_text = true,
                    b'{' | b'[' => self.depth += 1,
                    // A number or a word of a list ends where something else begins.
                    b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 => {
                        return Some(self.scan);
                    }
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Some(self.scan + 1);
                        }
                    }
                    _ => {}
                }
            }
            self.scan += 1;
        }
        None
    }
}

/// Calls `each` for every record that a table descriptor finds in a value, until it answers false.
pub(crate) fn records<'j>(
    value: &'j Json<'j>,
    table: &[Step],
    each: &mut dyn FnMut(&'j Json<'j>) -> bool,
) -> bool {
    let Some((step, rest)) = table.split_first() else { return each(value) };
    match (step, value) {
        (Step::Each, Json::List(items)) => items.iter().all(|item| records(item, rest, each)),
        _ => match walk(value, step) {
            Some(inner) => records(inner, rest, each),
            None => true,
        },
    }
}

fn walk<'j>(value: &'j Json<'j>, step: &Step) -> Option<&'j Json<'j>> {
    match (step, value) {
        (Step::Index(index), Json::List(items)) => items.get(*index),
        (Step::Name { .. }, Json::Object(members)) => {
            members.iter().find(|(name, _)| step.names(name)).map(|(_, value)| value)
        }
        _ => None,
    }
}

/// A value as expressions see it.
pub(crate) fn to_value<'j>(value: &'j Json<'j>) -> Value<'j> {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(text) => match parse_number(text.as_bytes()) {
            Some(Number::Int(value)) => Value::Int(value),
            Some(Number::Float(value)) => Value::Float(value),
            None => Value::Text(text.as_bytes().into()),
        },
        Json::Text(text) => Value::Text(text.as_bytes().into()),
        Json::List(_) | Json::Object(_) => Value::Json(value),
    }
}

/// A record of which expressions read columns.
pub(crate) struct ValueRow<'a> {
    pub(crate) value: &'a Json<'a>,
    pub(crate) columns: &'a [Vec<Step>],
}

impl Row for ValueRow<'_> {
    fn column(&self, column: usize) -> Result<Value<'_>, Fault> {
        let Some(path) = self.columns.get(column) else { return Ok(Value::Missing) };
        let found = path.iter().try_fold(self.value, |value, step| walk(value, step));
        Ok(found.map_or(Value::Missing, to_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All values, their input given in pieces of `size` bytes, and what is broken at the end.
    fn read(input: &[u8], separator: &[u8], size: usize) -> (Vec<String>, Option<u64>) {
        let mut reader = ValueReader::new(separator);
        let mut found = Vec::new();
        let mut pieces = input.chunks(size);
        loop {
            match reader.next() {
                Found::Record(place) => {
                    let text = String::from_utf8_lossy(reader.bytes(&place)).into_owned();
                    assert_eq!(reader.bytes(&place).len(), place.len());
                    found.push(text);
                }
                Found::Starved => match pieces.next() {
                    Some(piece) => reader.push(piece),
                    None => reader.finish(),
                },
                Found::End => return (found, None),
                Found::Broken(at, _) => return (found, Some(at)),
            }
        }
    }

    #[test]
    fn values_are_cut_where_they_end() {
        let cases: &[(&str, &str, &[&str], Option<u64>)] = &[
            ("", "\n", &[], None),
            ("{\"a\":1}\n{\"b\":\"}\\\"\"}\n", "\n", &["{\"a\":1}", "{\"b\":\"}\\\"\"}"], None),
            ("{\"a\":{\n}} {}", "\n", &["{\"a\":{\n}}", "{}"], None),
            ("{};{};", ";", &["{}", "{}"], None),
            ("[1, {\"a\":[]},\"x\" ,null]", "\n", &["1", "{\"a\":[]}", "\"x\"", "null"], None),
            ("[]", "\n", &[], None),
            ("{}\n[1]", "\n", &["{}", "[1]"], None),
            ("{name: owner}\n", "\n", &["{name: owner}"], None),
            ("1,2", "\n", &[], Some(0)),
            ("{} x", "\n", &["{}"], Some(3)),
            ("{\"a\":1", "\n", &[], Some(6)),
            ("[1 2]", "\n", &["1"], Some(3)),
            ("[1", "\n", &[], Some(2)),
            ("[1,", "\n", &["1"], Some(3)),
        ];
        for (input, separator, values, broken) in cases {
            for size in [1, 2, 100] {
                let found = read(input.as_bytes(), separator.as_bytes(), size);
                assert_eq!(
                    (found.0.as_slice(), found.1),
                    (
                        &values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()[..],
                        *broken
                    ),
                    "{input} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn table_descriptors_find_records() {
        let name = |name: &str| Step::Name { name: name.to_owned(), quoted: false };
        let text = r#"{"Size":{"length":3},"houses":[{"a":1},{"a":2}],"none":null}"#;
        let value = Json::parse(text).unwrap();
        for (table, expected) in [
            (vec![], 1),
            (vec![name("size")], 1),
            (vec![name("houses"), Step::Each], 2),
            (vec![name("houses"), Step::Index(1), name("a")], 1),
            (vec![name("houses"), Step::Index(2)], 0),
            (vec![name("absent")], 0),
            (vec![name("size"), Step::Each], 0),
        ] {
            let mut count = 0;
            records(&value, &table, &mut |_| {
                count += 1;
                true
            });
            assert_eq!(count, expected, "{table:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(near in "[\\[\\]{}\":,0 \\\\;a]{0,40}", size in 1_usize..9) {
            let _ = read(near.as_bytes(), b";", size);
            prop_assert_eq!(read(near.as_bytes(), b";", size), read(near.as_bytes(), b";", 99));
        }
    }
}
