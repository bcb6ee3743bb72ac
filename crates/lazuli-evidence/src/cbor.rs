//! A small part of CBOR in its deterministic form: numbers, bytes, texts, arrays and null.
//!
//! <https://www.rfc-editor.org/rfc/rfc8949.html#section-4.2.1>: every length and number in its
//! shortest form, every length stated first. There are no maps, no negative numbers, no floats and
//! no tags, so that a value has exactly one form. [`Reader`] takes that form and no other.

/// What [`Writer::null`] writes.
const NULL: u8 = 0xf6;

/// How many bytes [`Writer::null`] writes.
pub const NULL_LENGTH: usize = 1;

/// The types of items, as the upper three bits of their first byte say.
const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

/// Writes items behind each other into a buffer that the caller owns.
pub struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// Writes to the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    /// The beginning of an array of `count` items, which must follow.
    pub fn array(&mut self, count: usize) -> &mut Self {
        self.head(ARRAY, count as u64)
    }

    /// A number.
    pub fn uint(&mut self, number: u64) -> &mut Self {
        self.head(UINT, number)
    }

    /// A string of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// The value that says that there is none.
    pub fn null(&mut self) -> &mut Self {
        self.0.push(NULL);
        self
    }

    /// The first bytes of an item: its type, and a number in the shortest form.
    fn head(&mut self, kind: u8, number: u64) -> &mut Self {
        let kind = kind << 5;
        let be = number.to_be_bytes();
        match number {
            0..=0x17 => self.0.push(kind | number as u8),
            0x18..=0xff => self.0.extend_from_slice(&[kind | 0x18, number as u8]),
            0x100..=0xffff => {
                self.0.push(kind | 0x19);
                self.0.extend_from_slice(&be[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(kind | 0x1a);
                self.0.extend_from_slice(&be[4..]);
            }
            _ => {
                self.0.push(kind | 0x1b);
                self.0.extend_from_slice(&be);
            }
        }
        self
    }
}

/// How many bytes the head of an item has: of a number, or of anything of that length.
pub const fn head_length(number: u64) -> usize {
    match number {
        0..=0x17 => 1,
        0x18..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Reads what a [`Writer`] wrote; each step gives `None` where something else stands.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The beginning of an array of exactly `count` items.
    pub fn array(&mut self, count: usize) -> Option<()> {
        (self.head(ARRAY)? == count as u64).then_some(())
    }

    /// The beginning of an array: how many items it says to have.
    pub fn list(&mut self) -> Option<u64> {
        self.head(ARRAY)
    }

    /// A number.
    pub fn uint(&mut self) -> Option<u64> {
        self.head(UINT)
    }

    /// A string of bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    /// A string of exactly `N` bytes.
    pub fn bytes_of<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.head(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// Whether null stands here; if so it is read.
    pub fn null(&mut self) -> bool {
        let found = self.0.first() == Some(&NULL);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// The end of the bytes.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// What is left to read.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The number in the first bytes of an item of this type.
    fn head(&mut self, kind: u8) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first >> 5 != kind {
            return None;
        }
        let (bytes, least) = match first & 0x1f {
            small @ 0..=0x17 => return Some(u64::from(small)),
            0x18 => (1, 0x18),
            0x19 => (2, 0x100),
            0x1a => (4, 0x1_0000),
            0x1b => (8, 0x1_0000_0000),
            _ => return None,
        };
        let number = self.take(bytes)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        (number >= least).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out));
        out
    }

    #[test]
    fn numbers_have_the_forms_of_the_rfc() {
        // <https://www.rfc-editor.org/rfc/rfc8949.html#appendix-A>
        let cases: [(u64, &[u8]); 10] = [
            (0, &[0x00]),
            (10, &[0x0a]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (100, &[0x18, 0x64]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
            (0xffff_ffff, &[0x1a, 0xff, 0xff, 0xff, 0xff]),
            (u64::MAX, &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (number, bytes) in cases {
            assert_eq!(written(|writer| _ = writer.uint(number)), bytes);
            assert_eq!(head_length(number), bytes.len());
            assert_eq!(Reader::new(bytes).uint(), Some(number));
        }
    }

    #[test]
    fn other_items_have_the_forms_of_the_rfc() {
        let bytes = written(|writer| {
            writer.array(4).bytes(&[1, 2, 3, 4]).text("IETF").null().array(0);
        });
        assert_eq!(bytes, b"\x84\x44\x01\x02\x03\x04\x64IETF\xf6\x80");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.array(4), Some(()));
        assert_eq!(reader.bytes_of(), Some([1, 2, 3, 4]));
        assert_eq!(reader.text(), Some("IETF"));
        assert!(reader.null() && !reader.null());
        assert_eq!(reader.array(0), Some(()));
        assert_eq!(reader.end(), Some(()));
    }

    #[test]
    fn other_forms_are_refused() {
        let numbers: [&[u8]; 8] = [
            b"\x18\x17",
            b"\x19\x00\xff",
            b"\x1a\x00\x00\xff\xff",
            b"\x1b\0\0\0\0\xff\xff\xff\xff",
            b"\x1c",
            b"\x1f",
            b"\x20",
            b"\x19\x01",
        ];
        for bytes in numbers {
            assert_eq!(Reader::new(bytes).uint(), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(b"\x5f\x41\x00\xff").bytes(), None);
        assert_eq!(Reader::new(b"\x42\x00").bytes(), None);
        assert_eq!(Reader::new(b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff").bytes(), None);
        assert_eq!(Reader::new(b"\x61\xff").text(), None);
        assert_eq!(Reader::new(b"\x82").array(1), None);
        assert_eq!(Reader::new(b"").uint(), None);
        assert_eq!(Reader::new(b"\x00").end(), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Some(number) = Reader::new(&bytes).uint() {
                let out = written(|writer| _ = writer.uint(number));
                prop_assert!(bytes.starts_with(&out));
            }
        }
    }
}
