//! Delimited text, cut into records and fields as it arrives.
//!
//! A record is found by looking for the few bytes that mean something, and its fields only as far
//! as the query needs them. A quote opens a field only at its start, as everywhere; an escape
//! takes the meaning from the byte that follows.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

use crate::expr::Row;
use crate::request::Delimited;
use crate::value::{Fault, Value};

/// The longest record, in bytes: what a reader keeps of its input.
pub(crate) const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// What a reader found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// A record.
    Record(T),
    /// Nothing until there is more input.
    Starved,
    /// The end of the input.
    End,
    /// Something that cannot be read over, at this byte of the blob.
    Broken(u64, String),
}

/// Where a record stands in the reader's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    range: Range<usize>,
    /// Whether quotes or escapes are in it.
    special: bool,
    /// The byte of the blob it begins with.
    pub(crate) position: u64,
    /// How many bytes it takes, its end included.
    pub(crate) taken: usize,
}

/// Cuts delimited text into records.
pub(crate) struct DelimitedReader {
    form: Delimited,
    end: u8,
    buffer: Vec<u8>,
    /// The byte of the blob that the buffer begins with.
    base: u64,
    start: usize,
    scan: usize,
    quoted: bool,
    special: bool,
    ended: bool,
}

impl DelimitedReader {
    pub(crate) fn new(form: &Delimited) -> Self {
        Self {
            end: form.record.last().copied().unwrap_or(b'\n'),
            form: form.clone(),
            buffer: Vec::new(),
            base: 0,
            start: 0,
            scan: 0,
            quoted: false,
            special: false,
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

    /// The bytes of a record, without its end.
    pub(crate) fn bytes(&self, place: &Place) -> &[u8] {
        &self.buffer[place.range.clone()]
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Found<Place> {
        loop {
            let rest = &self.buffer[self.scan..];
            let found = if self.quoted { self.find_quoted(rest) } else { self.find(rest) };
            let Some(found) = found else {
                self.scan = self.buffer.len();
                return self.last();
            };
            let at = self.scan + found;
            let byte = self.buffer[at];
            let next = self.buffer.get(at + 1).copied();
            let is_quote = Some(byte) == self.form.quote;
            if Some(byte) == self.form.escape || (is_quote && self.quoted) {
                // What a quote or an escape means is told by the byte that follows it.
                if next.is_none() && !self.ended {
                    self.scan = at;
                    return self.starved();
                }
                self.special = true;
                let pair = !is_quote || next == self.form.quote;
                self.quoted = self.quoted && pair;
                self.scan = (at + if pair { 2 } else { 1 }).min(self.buffer.len());
            } else if is_quote {
                let first = at == self.start || self.buffer[at - 1] == self.form.column;
                self.quoted = first;
                self.special |= first;
                self.scan = at + 1;
            } else {
                self.scan = at + 1;
                let lead = self.form.record.len().saturating_sub(1);
                let begins = at.checked_sub(lead).filter(|begins| *begins >= self.start);
                if let Some(end) = begins
                    && self.buffer[end..].starts_with(&self.form.record)
                    && let Some(place) = self.place(end, at + 1)
                {
                    return Found::Record(place);
                }
            }
        }
    }

    fn find(&self, rest: &[u8]) -> Option<usize> {
        match (self.form.quote, self.form.escape) {
            (None, None) => memchr(self.end, rest),
            (Some(byte), None) | (None, Some(byte)) => memchr2(self.end, byte, rest),
            (Some(quote), Some(escape)) => memchr3(self.end, quote, escape, rest),
        }
    }

    fn find_quoted(&self, rest: &[u8]) -> Option<usize> {
        match (self.form.quote, self.form.escape) {
            (Some(quote), Some(escape)) => memchr2(quote, escape, rest),
            (Some(quote), None) => memchr(quote, rest),
            (None, _) => None,
        }
    }

    /// What there is when the buffer holds no further end of a record.
    fn last(&mut self) -> Found<Place> {
        let length = self.buffer.len();
        if !self.ended {
            return self.starved();
        }
        if self.start == length {
            return Found::End;
        }
        self.place(length, length).map_or(Found::End, Found::Record)
    }

    fn starved(&self) -> Found<Place> {
        if self.buffer.len() - self.start > RECORD_BYTES_MAX {
            let why = format!("A record is longer than {RECORD_BYTES_MAX} bytes.");
            return Found::Broken(self.base + self.start as u64, why);
        }
        Found::Starved
    }

    /// The record that ends at `end`, and the start of the next one. A line without a byte is no
    /// record.
    fn place(&mut self, end: usize, next: usize) -> Option<Place> {
        let mut range = self.start..end;
        if self.end == b'\n' && range.end > range.start && self.buffer[range.end - 1] == b'\r' {
            range.end -= 1;
        }
        let place = Place {
            special: self.special,
            position: self.base + self.start as u64,
            taken: next - self.start,
            range,
        };
        self.start = next;
        self.scan = next;
        self.special = false;
        self.quoted = false;
        (!place.range.is_empty()).then_some(place)
    }
}

/// The fields of one record. Kept from record to record, so that none costs an allocation.
#[derive(Default)]
pub(crate) struct Fields {
    spans: Vec<Range<usize>>,
    /// The fields without quotes and escapes, where there were any.
    plain: Vec<u8>,
    is_plain: bool,
}

impl Fields {
    /// Cuts a record into fields: at most the first `most` of them.
    pub(crate) fn cut(&mut self, reader: &DelimitedReader, place: &Place, most: usize) {
        self.spans.clear();
        self.plain.clear();
        self.is_plain = place.special;
        let record = reader.bytes(place);
        if place.special {
            self.cut_special(&reader.form, record, most);
            return;
        }
        let mut start = 0;
        while self.spans.len() < most {
            let Some(length) = memchr(reader.form.column, &record[start..]) else {
                self.spans.push(start..record.len());
                return;
            };
            self.spans.push(start..start + length);
            start += length + 1;
        }
    }

    fn cut_special(&mut self, form: &Delimited, record: &[u8], most: usize) {
        let mut at = 0;
        while self.spans.len() < most {
            let start = self.plain.len();
            let mut quoted = form.quote.is_some() && record.get(at).copied() == form.quote;
            at += usize::from(quoted);
            let mut closed = false;
            while let Some(byte) = record.get(at).copied() {
                at += 1;
                if Some(byte) == form.escape {
                    // An escape before nothing stands for itself.
                    self.plain.push(record.get(at).copied().unwrap_or(byte));
                    at += 1;
                } else if quoted && Some(byte) == form.quote {
                    if record.get(at).copied() == form.quote {
                        self.plain.push(byte);
                        at += 1;
                    } else {
                        quoted = false;
                    }
                } else if !quoted && byte == form.column {
                    closed = true;
                    break;
                } else {
                    self.plain.push(byte);
                }
            }
            self.spans.push(start..self.plain.len());
            if !closed {
                return;
            }
        }
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// A field of the record that was cut.
    pub(crate) fn get<'a>(&'a self, record: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let from = if self.is_plain { self.plain.as_slice() } else { record };
        from.get(self.spans.get(index)?.clone())
    }
}

/// A record of which expressions read columns.
pub(crate) struct DelimitedRow<'a> {
    pub(crate) record: &'a [u8],
    pub(crate) fields: &'a Fields,
    /// The field of each column that the query names.
    pub(crate) bound: &'a [usize],
}

/// A record has fewer fields than the query asks for.
const ORDINAL: Fault =
    Fault::new("InvalidColumnOrdinal", "The record does not have all columns of the query.");

impl Row for DelimitedRow<'_> {
    fn column(&self, column: usize) -> Result<Value<'_>, Fault> {
        let field = self.bound.get(column).and_then(|index| self.fields.get(self.record, *index));
        field.map(|field| Value::Text(Cow::Borrowed(field))).ok_or(ORDINAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All records, their input given in pieces of `size` bytes.
    fn read(form: &Delimited, input: &[u8], size: usize) -> Vec<Vec<Vec<u8>>> {
        let mut reader = DelimitedReader::new(form);
        let mut fields = Fields::default();
        let mut records = Vec::new();
        let mut pieces = input.chunks(size);
        loop {
            match reader.next() {
                Found::Record(place) => {
                    fields.cut(&reader, &place, usize::MAX);
                    let record = reader.bytes(&place);
                    let all = (0..fields.len()).map(|index| fields.get(record, index).unwrap());
                    records.push(all.map(<[u8]>::to_vec).collect());
                }
                Found::Starved => match pieces.next() {
                    Some(piece) => reader.push(piece),
                    None => reader.finish(),
                },
                Found::End => return records,
                Found::Broken(..) => panic!("a short record is broken"),
            }
        }
    }

    fn texts(form: &Delimited, input: &str) -> Vec<Vec<String>> {
        let record = |record: Vec<Vec<u8>>| {
            record.into_iter().map(|field| String::from_utf8(field).unwrap()).collect()
        };
        read(form, input.as_bytes(), 3).into_iter().map(record).collect()
    }

    #[test]
    fn quotes_escapes_and_ends() {
        let form = Delimited::default();
        let escaped = Delimited { escape: Some(b'\\'), ..form.clone() };
        let other = Delimited { column: b'|', quote: None, record: b"<>".to_vec(), ..form.clone() };
        let cases: &[(&Delimited, &str, &[&[&str]])] = &[
            (&form, "", &[]),
            (&form, "a,b\r\nc\n\n,\n", &[&["a", "b"], &["c"], &["", ""]]),
            (&form, "\"a,\n\"\"b\"\"\",c\nd", &[&["a,\n\"b\"", "c"], &["d"]]),
            (&form, "5\" disk,x\ny", &[&["5\" disk", "x"], &["y"]]),
            (&form, "\"a\"b,c", &[&["ab", "c"]]),
            (&form, "\"open,\nx", &[&["open,\nx"]]),
            (&escaped, "a\\,b,\\\"c\\\n,d\n", &[&["a,b", "\"c\n", "d"]]),
            (&escaped, "\"a\\\"b\",c\\", &[&["a\"b", "c\\"]]),
            (&other, "a|b<>>c\n<d<>e", &[&["a", "b"], &[">c\n<d"], &["e"]]),
        ];
        for (form, input, records) in cases {
            assert_eq!(&texts(form, input), records, "{input:?}");
        }
    }

    #[test]
    fn an_endless_record_is_broken_and_not_kept() {
        let mut reader = DelimitedReader::new(&Delimited::default());
        reader.push(b"x\n");
        assert!(matches!(reader.next(), Found::Record(_)));
        let piece = vec![b'y'; RECORD_BYTES_MAX / 2 + 1];
        reader.push(&piece);
        assert_eq!(reader.next(), Found::Starved);
        reader.push(&piece);
        assert!(matches!(reader.next(), Found::Broken(2, _)));
    }

    proptest! {
        #[test]
        fn it_agrees_with_another_reader(input in "[ab,\"\n]{0,40}", size in 1_usize..9) {
            // Records end with line feeds alone: the other reader takes carriage returns as well.
            let other = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .terminator(csv::Terminator::Any(b'\n'))
                .from_reader(input.as_bytes())
                .into_byte_records()
                .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect::<Vec<Vec<Vec<u8>>>>();
            prop_assert_eq!(read(&Delimited::default(), input.as_bytes(), size), other);
        }

        #[test]
        fn no_bytes_panic(input in any::<Vec<u8>>(), size in 1_usize..9) {
            let form = Delimited {
                column: 1,
                quote: Some(2),
                escape: Some(3),
                record: vec![4, 5],
                headers: false,
            };
            let _ = read(&form, &input, size);
            let near: Vec<u8> = input.iter().map(|byte| byte % 7).collect();
            let _ = read(&form, &near, size);
        }
    }
}
