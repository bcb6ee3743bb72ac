//! A strict reader of the part of CBOR that evidence is written in.
//!
//! <https://www.rfc-editor.org/rfc/rfc8949.html#section-4.2.1>: numbers, bytes, texts, arrays and
//! null, each in its one shortest form, with every length stated first. What else CBOR has is
//! refused, for two forms of one value would be two hashes of one statement. Nothing is copied, and
//! no length is believed before its bytes are there.

use std::fmt::{self, Write as _};

use lazuli_tlog::Hash;

/// How deep arrays may stand in one another in a value.
const DEPTH_MAX: usize = 8;

/// What is wrong with bytes that should be an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The bytes end within the item.
    Truncated,
    /// A number or length is not in its shortest form.
    NotShortest,
    /// The length is not stated first.
    Indefinite,
    /// A type that evidence has not: a map, a tag, a float or a negative number.
    Unsupported,
    /// An item of another type than belongs here.
    WrongType,
    /// A string or an array of another length than belongs here, or a number out of its range.
    OutOfRange,
    /// A text that is not UTF-8.
    NotText,
    /// A version that is not known here.
    Version,
    /// Arrays stand too deep in one another.
    TooDeep,
    /// There are more bytes after the item.
    Trailing,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the bytes end too early",
            Self::NotShortest => "a number or length is not in its shortest form",
            Self::Indefinite => "an indefinite length",
            Self::Unsupported => "a type of item that evidence has not",
            Self::WrongType => "an item of the wrong type",
            Self::OutOfRange => "a length or number out of its range",
            Self::NotText => "a text that is not UTF-8",
            Self::Version => "an unknown version or type",
            Self::TooDeep => "arrays too deep in one another",
            Self::Trailing => "more bytes than belong here",
        })
    }
}

/// What is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CborError {
    /// How many bytes were read before.
    pub at: usize,
    /// What is wrong there.
    pub flaw: Flaw,
}

impl fmt::Display for CborError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.flaw, self.at)
    }
}

impl std::error::Error for CborError {}

/// The types of items that are read.
const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

/// The byte of null.
const NULL: u8 = 0xf6;

/// Reads items one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The error `flaw` where the reader stands.
    pub const fn error(&self, flaw: Flaw) -> CborError {
        CborError { at: self.at, flaw }
    }

    /// The beginning of an array of exactly `count` items.
    pub fn array(&mut self, count: u64) -> Result<(), CborError> {
        let error = self.error(Flaw::OutOfRange);
        if self.head(ARRAY)? == count { Ok(()) } else { Err(error) }
    }

    /// The beginning of an array of at most `most` items; gives their number.
    pub fn array_up_to(&mut self, most: u64) -> Result<u64, CborError> {
        let error = self.error(Flaw::OutOfRange);
        let count = self.head(ARRAY)?;
        if count <= most { Ok(count) } else { Err(error) }
    }

    /// A number.
    pub fn uint(&mut self) -> Result<u64, CborError> {
        self.head(UINT)
    }

    /// A number of at most 32 bits.
    pub fn uint32(&mut self) -> Result<u32, CborError> {
        let error = self.error(Flaw::OutOfRange);
        u32::try_from(self.uint()?).map_err(|_| error)
    }

    /// The number `version`.
    pub fn version(&mut self, version: u64) -> Result<(), CborError> {
        let error = self.error(Flaw::Version);
        if self.uint()? == version { Ok(()) } else { Err(error) }
    }

    /// A string of bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    /// A string of exactly `N` bytes.
    pub fn bytes_of<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let error = self.error(Flaw::OutOfRange);
        self.bytes()?.try_into().map_err(|_| error)
    }

    /// A hash, as a string of 32 bytes.
    pub fn hash(&mut self) -> Result<Hash, CborError> {
        self.bytes_of().map(Hash)
    }

    /// At most `most` hashes behind each other in one string.
    pub fn hashes(&mut self, most: usize) -> Result<Vec<Hash>, CborError> {
        let error = self.error(Flaw::OutOfRange);
        let bytes = self.bytes()?;
        Hash::read_all(bytes).filter(|hashes| hashes.len() <= most).ok_or(error)
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        let error = self.error(Flaw::NotText);
        let length = self.head(TEXT)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| error)
    }

    /// Whether null stands here; if so it is read.
    pub fn null(&mut self) -> bool {
        let found = self.bytes.get(self.at) == Some(&NULL);
        self.at += usize::from(found);
        found
    }

    /// The end of the bytes.
    pub fn end(&self) -> Result<(), CborError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error(Flaw::Trailing)) }
    }

    /// What is left to read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let error = self.error(Flaw::Truncated);
        let length = usize::try_from(length).map_err(|_| error)?;
        let end = self.at.checked_add(length).ok_or(error)?;
        let taken = self.bytes.get(self.at..end).ok_or(error)?;
        self.at = end;
        Ok(taken)
    }

    /// The number in the first bytes of an item of type `kind`.
    fn head(&mut self, kind: u8) -> Result<u64, CborError> {
        let at = *self;
        let (found, number) = self.any_head()?;
        if found == kind { Ok(number) } else { Err(at.error(Flaw::WrongType)) }
    }

    /// Type and number of the first bytes of an item.
    fn any_head(&mut self) -> Result<(u8, u64), CborError> {
        let at = *self;
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let kind = first >> 5;
        let (length, least) = match first & 0x1f {
            small @ 0..=0x17 => return Ok((kind, u64::from(small))),
            0x18 => (1, 0x18),
            0x19 => (2, 0x100),
            0x1a => (4, 0x1_0000),
            0x1b => (8, 0x1_0000_0000),
            0x1f => return Err(at.error(Flaw::Indefinite)),
            _ => return Err(at.error(Flaw::Unsupported)),
        };
        let number = self.take(length)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if number < least {
            return Err(at.error(Flaw::NotShortest));
        }
        Ok((kind, number))
    }
}

/// Reads bytes that are exactly one value and writes it as people read it: texts in quotation
/// marks, bytes in hexadecimal, arrays in brackets.
pub fn show(bytes: &[u8]) -> Result<String, CborError> {
    let mut reader = Reader::new(bytes);
    let mut shown = String::new();
    show_item(&mut reader, &mut shown, 0)?;
    reader.end()?;
    Ok(shown)
}

/// Adds one value to `shown`. The recursion ends at [`DEPTH_MAX`].
fn show_item(reader: &mut Reader<'_>, shown: &mut String, depth: usize) -> Result<(), CborError> {
    let at = *reader;
    if reader.null() {
        shown.push_str("null");
        return Ok(());
    }
    let (kind, number) = reader.any_head()?;
    match kind {
        UINT => shown.push_str(&number.to_string()),
        BYTES => {
            shown.push_str("h'");
            shown.push_str(&hex(reader.take(number)?));
            shown.push('\'');
        }
        TEXT => {
            let text = std::str::from_utf8(reader.take(number)?);
            let text = text.map_err(|_| at.error(Flaw::NotText))?;
            shown.push('"');
            shown.extend(text.escape_debug());
            shown.push('"');
        }
        ARRAY if depth == DEPTH_MAX => return Err(at.error(Flaw::TooDeep)),
        ARRAY => {
            shown.push('[');
            for place in 0..number {
                if place > 0 {
                    shown.push_str(", ");
                }
                // Each item has at least one byte, so that a false count ends here.
                show_item(reader, shown, depth + 1)?;
            }
            shown.push(']');
        }
        _ => return Err(at.error(Flaw::Unsupported)),
    }
    Ok(())
}

/// The bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_other_form_is_named() {
        let cases: [(&[u8], Flaw); 12] = [
            (b"", Flaw::Truncated),
            (b"\x19\x01", Flaw::Truncated),
            (b"\x18\x17", Flaw::NotShortest),
            (b"\x19\x00\xff", Flaw::NotShortest),
            (b"\x1b\0\0\0\0\xff\xff\xff\xff", Flaw::NotShortest),
            (b"\x9f\xff", Flaw::Indefinite),
            (b"\x1c", Flaw::Unsupported),
            (b"\xa0", Flaw::Unsupported),
            (b"\x20", Flaw::Unsupported),
            (b"\xf5", Flaw::Unsupported),
            (b"\x61\xff", Flaw::NotText),
            (b"\x00\x00", Flaw::Trailing),
        ];
        for (bytes, flaw) in cases {
            assert_eq!(show(bytes).unwrap_err().flaw, flaw, "{bytes:?}");
        }
        assert_eq!(Reader::new(b"\x41\x00").uint().unwrap_err().flaw, Flaw::WrongType);
        assert_eq!(
            Reader::new(b"\x1b\x01\0\0\0\0\0\0\0").uint32().unwrap_err().flaw,
            Flaw::OutOfRange
        );
        assert_eq!(Reader::new(b"\x02").version(1).unwrap_err().flaw, Flaw::Version);
        assert_eq!(Reader::new(b"\x83").array(2).unwrap_err().flaw, Flaw::OutOfRange);
        assert_eq!(Reader::new(b"\x41\0").hashes(9).unwrap_err().flaw, Flaw::OutOfRange);
    }

    #[test]
    fn values_are_shown_and_escaped() {
        let shown = show(b"\x84\x18\x2a\x63a\"\n\x42\x00\xff\x81\xf6");
        assert_eq!(shown.as_deref(), Ok("[42, \"a\\\"\\n\", h'00ff', [null]]"));
    }

    #[test]
    fn lengths_without_their_bytes_and_deep_arrays_end_soon() {
        let long = b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(show(long).unwrap_err().flaw, Flaw::Truncated);
        let many = b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(show(many).unwrap_err().flaw, Flaw::Truncated);
        assert_eq!(show(&vec![0x81; 100_000]).unwrap_err().flaw, Flaw::TooDeep);
    }
}
