//! Thrift's compact protocol, as far as Parquet's headers need it.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>. What is
//! read is never trusted: nothing is allocated by a count that the file tells, and depth is bounded.

/// Why something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The bytes end too early.
    Short,
    /// The bytes are not what they should be; the text says how.
    Damaged(&'static str),
}

/// The most levels of structures within structures.
const DEPTH_MAX: usize = 32;

/// The kinds of values, as fields and lists tell them.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Reads values one after the other.
#[derive(Clone)]
pub(crate) struct Thrift<'b> {
    bytes: &'b [u8],
    at: usize,
    depth: usize,
}

/// A field of a structure: its number and what kind of value follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: i64,
    kind: u8,
}

impl<'b> Thrift<'b> {
    /// A reader of `bytes` from the place `at` on.
    pub(crate) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at, depth: 0 }
    }

    /// The place of what is read next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Trouble> {
        let byte = *self.bytes.get(self.at).ok_or(Trouble::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, Trouble> {
        varint(self.bytes, &mut self.at)
    }

    fn signed(&mut self) -> Result<i64, Trouble> {
        self.unsigned().map(zigzag)
    }

    fn take(&mut self, bytes: usize) -> Result<&'b [u8], Trouble> {
        let end = self.at.checked_add(bytes).ok_or(Trouble::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(Trouble::Short)?;
        self.at = end;
        Ok(taken)
    }

    /// Reads a structure: `each` is called for every field, and says whether it has read the value.
    pub(crate) fn structure(
        &mut self,
        each: &mut dyn FnMut(&mut Self, Field) -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        self.deeper()?;
        let mut number = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                self.depth -= 1;
                return Ok(());
            }
            number = match head >> 4 {
                0 => self.signed()?,
                step => number.wrapping_add(i64::from(step)),
            };
            let field = Field { number, kind: head & 0x0f };
            if !each(self, field)? {
                self.skip(field.kind)?;
            }
        }
    }

    fn deeper(&mut self) -> Result<(), Trouble> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Trouble::Damaged("a header has too many levels"));
        }
        Ok(())
    }

    /// The value of a field that is a whole number.
    pub(crate) fn number(&mut self, field: Field) -> Result<i64, Trouble> {
        match field.kind {
            BYTE => self.byte().map(|byte| i64::from(byte as i8)),
            I16 | I32 | I64 => self.signed(),
            _ => Err(Trouble::Damaged("a field of a header is no number")),
        }
    }

    /// The value of a field that is true or false: it stands in the field itself.
    pub(crate) fn flag(field: Field) -> Result<bool, Trouble> {
        match field.kind {
            TRUE => Ok(true),
            FALSE => Ok(false),
            _ => Err(Trouble::Damaged("a field of a header is no truth value")),
        }
    }

    /// The value of a field that is bytes.
    pub(crate) fn bytes(&mut self, field: Field) -> Result<&'b [u8], Trouble> {
        if field.kind != BINARY {
            return Err(Trouble::Damaged("a field of a header is no text"));
        }
        self.binary()
    }

    fn binary(&mut self) -> Result<&'b [u8], Trouble> {
        let len = self.unsigned()?;
        self.take(usize::try_from(len).map_err(|_| Trouble::Short)?)
    }

    /// The value of a field that is a structure.
    pub(crate) fn nested(
        &mut self,
        field: Field,
        each: &mut dyn FnMut(&mut Self, Field) -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        if field.kind != STRUCT {
            return Err(Trouble::Damaged("a field of a header is no structure"));
        }
        self.structure(each)
    }

    /// The number of structures in the list that a field is; they follow.
    pub(crate) fn list(&mut self, field: Field) -> Result<usize, Trouble> {
        if field.kind != LIST {
            return Err(Trouble::Damaged("a field of a header is no list"));
        }
        let (kind, count) = self.list_head()?;
        if kind != STRUCT && count > 0 {
            return Err(Trouble::Damaged("a list of a header has no structures"));
        }
        Ok(count)
    }

    fn list_head(&mut self) -> Result<(u8, usize), Trouble> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.unsigned()?).map_err(|_| Trouble::Short)?,
            count => usize::from(count),
        };
        // Each item takes a byte at least.
        if count > self.bytes.len() - self.at {
            return Err(Trouble::Short);
        }
        Ok((head & 0x0f, count))
    }

    /// Reads over the value of a field.
    pub(crate) fn skip_field(&mut self, field: Field) -> Result<(), Trouble> {
        self.skip(field.kind)
    }

    fn skip(&mut self, kind: u8) -> Result<(), Trouble> {
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.byte().map(drop),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.take(8).map(drop),
            BINARY => self.binary().map(drop),
            STRUCT => self.structure(&mut |_, _| Ok(false)),
            LIST | SET => {
                let (kind, count) = self.list_head()?;
                self.items(&[kind], count)
            }
            MAP => {
                let count = usize::try_from(self.unsigned()?).map_err(|_| Trouble::Short)?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                if count > self.bytes.len() - self.at {
                    return Err(Trouble::Short);
                }
                self.items(&[kinds >> 4, kinds & 0x0f], count)
            }
            _ => Err(Trouble::Damaged("a header has a value of no known kind")),
        }
    }

    /// Reads over `count` items of values of some kinds each.
    fn items(&mut self, kinds: &[u8], count: usize) -> Result<(), Trouble> {
        self.deeper()?;
        for _ in 0..count {
            for kind in kinds {
                match *kind {
                    // In a field it is one with its kind, in a list it is a byte of its own.
                    TRUE | FALSE => self.byte().map(drop)?,
                    kind => self.skip(kind)?,
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

/// A number in groups of seven bits, the lowest first, from the place `at` on.
pub(crate) fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Trouble> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Trouble::Short)?;
        *at += 1;
        // Bits above the 64th are not looked at: no number here has any.
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Trouble::Damaged("a number of a header is too long"))
}

/// The signed number that an unsigned one stands for.
pub(crate) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_the_rest_is_read_over() {
        // 1: i32 -3, 2: "ab", 3: list of two i64, 4: true, 5: {1: false}, 300: byte 7.
        let bytes = [
            0x15, 5, 0x18, 2, b'a', b'b', 0x19, 0x26, 2, 4, 0x11, 0x1c, 0x12, 0, 0x03, 0xd8, 4, 7,
            0,
        ];
        let mut thrift = Thrift::new(&bytes, 0);
        let mut found = Vec::new();
        let read = thrift.structure(&mut |thrift, field| {
            match field.number {
                1 => assert_eq!(thrift.number(field), Ok(-3)),
                4 => assert_eq!(Thrift::flag(field), Ok(true)),
                300 => assert_eq!(thrift.number(field), Ok(7)),
                _ => return Ok(false),
            }
            found.push(field.number);
            Ok(true)
        });
        assert_eq!((read, thrift.at(), found), (Ok(()), bytes.len(), vec![1, 4, 300]));
        for end in 0..bytes.len() {
            let mut thrift = Thrift::new(&bytes[..end], 0);
            assert_eq!(thrift.structure(&mut |_, _| Ok(false)), Err(Trouble::Short), "{end}");
        }
    }

    #[test]
    fn depth_and_counts_are_bounded() {
        let deep = [0x1c; 10_000];
        let mut thrift = Thrift::new(&deep, 0);
        let read = thrift.structure(&mut |_, _| Ok(false));
        assert_eq!(read, Err(Trouble::Damaged("a header has too many levels")));
        let deep = [0x19; 10_000];
        let mut thrift = Thrift::new(&deep, 0);
        let read = thrift.structure(&mut |_, _| Ok(false));
        assert_eq!(read, Err(Trouble::Damaged("a header has too many levels")));
        let many = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        let mut thrift = Thrift::new(&many, 0);
        assert_eq!(thrift.structure(&mut |_, _| Ok(false)), Err(Trouble::Short));
        // The number of a field may be any; what follows it must not overflow.
        let last = [0x01, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x11, 0];
        let mut thrift = Thrift::new(&last, 0);
        assert_eq!(thrift.structure(&mut |_, _| Ok(false)), Ok(()));
        let long = [0x15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
        let mut thrift = Thrift::new(&long, 0);
        let read = thrift.structure(&mut |_, _| Ok(false));
        assert_eq!(read, Err(Trouble::Damaged("a number of a header is too long")));
    }
}
