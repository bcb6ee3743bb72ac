//! FlatBuffers, written from the end to the beginning: what refers stands before what it refers to.
//!
//! <https://flatbuffers.dev/internals/>
//!
//! The bytes are kept last first and turned round once, at the end. A place is told by its distance
//! from the end of the buffer, which does not change while bytes are added before it.

/// A place: how many bytes there are from its first byte to the end of the buffer.
pub(super) type At = usize;

/// A field of a table, in the order of the schema.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// It has its default.
    Absent,
    /// One byte: a number, a truth value or the type of a union.
    U8(u8),
    /// Two bytes.
    I16(i16),
    /// Four bytes.
    I32(i32),
    /// Eight bytes.
    I64(i64),
    /// What stands at a place.
    Offset(At),
}

impl Slot {
    fn bytes(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::U8(_) => 1,
            Self::I16(_) => 2,
            Self::I32(_) | Self::Offset(_) => 4,
            Self::I64(_) => 8,
        }
    }
}

/// The largest alignment of anything here.
const ALIGNMENT: usize = 8;

/// A buffer in the making.
#[derive(Default)]
pub(super) struct Flat {
    /// The bytes so far, last first.
    reversed: Vec<u8>,
}

impl Flat {
    fn len(&self) -> usize {
        self.reversed.len()
    }

    /// Adds zeros until what is put before the next `bytes` bytes is aligned.
    fn align(&mut self, bytes: usize, alignment: usize) {
        let len = (self.len() + bytes).next_multiple_of(alignment) - bytes;
        self.reversed.resize(len, 0);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.reversed.extend(bytes.iter().rev());
    }

    fn put_offset(&mut self, to: At) {
        let distance = self.len() + 4 - to;
        self.put(&(distance as u32).to_le_bytes());
    }

    /// A text, which ends with a zero that does not count.
    pub(super) fn text(&mut self, text: &str) -> At {
        self.align(text.len() + 1, 4);
        self.put(&[0]);
        self.put(text.as_bytes());
        self.put(&(text.len() as u32).to_le_bytes());
        self.len()
    }

    /// A vector of references.
    pub(super) fn offsets(&mut self, items: &[At]) -> At {
        self.align(4 * items.len(), 4);
        for item in items.iter().rev() {
            self.put_offset(*item);
        }
        self.put(&(items.len() as u32).to_le_bytes());
        self.len()
    }

    /// A vector of structures of two 64-bit numbers each.
    pub(super) fn pairs(&mut self, items: &[(u64, u64)]) -> At {
        self.align(16 * items.len(), 8);
        for (first, second) in items.iter().rev() {
            self.put(&second.to_le_bytes());
            self.put(&first.to_le_bytes());
        }
        self.put(&(items.len() as u32).to_le_bytes());
        self.len()
    }

    /// A table and, before it, the offsets of its fields.
    pub(super) fn table(&mut self, slots: &[Slot]) -> At {
        let end = self.len();
        let mut places = vec![0; slots.len()];
        for bytes in [8, 4, 2, 1] {
            for (place, slot) in places.iter_mut().zip(slots) {
                if slot.bytes() != bytes {
                    continue;
                }
                self.align(bytes, bytes);
                match *slot {
                    Slot::Absent => {}
                    Slot::U8(number) => self.put(&[number]),
                    Slot::I16(number) => self.put(&number.to_le_bytes()),
                    Slot::I32(number) => self.put(&number.to_le_bytes()),
                    Slot::I64(number) => self.put(&number.to_le_bytes()),
                    Slot::Offset(to) => self.put_offset(to),
                }
                *place = self.len();
            }
        }
        self.align(4, 4);
        let offsets_bytes = 4 + 2 * slots.len();
        self.put(&(offsets_bytes as i32).to_le_bytes());
        let table = self.len();
        for place in places.iter().rev() {
            let offset = if *place == 0 { 0 } else { table - place };
            self.put(&(offset as u16).to_le_bytes());
        }
        self.put(&((table - end) as u16).to_le_bytes());
        self.put(&(offsets_bytes as u16).to_le_bytes());
        table
    }

    /// The buffer, whose root is the table at `root`.
    pub(super) fn finish(mut self, root: At) -> Vec<u8> {
        self.align(4, ALIGNMENT);
        self.put_offset(root);
        self.reversed.reverse();
        self.reversed
    }
}
