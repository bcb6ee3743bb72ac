//! The items of a bundle: entries with their proofs, and heads of accounts with theirs.
//!
//! A file of items is read one item at a time, each a length of 32 bits and then one array.

use std::fmt;
use std::io::{self, Read};

use lazuli_tlog::Hash;

use crate::cbor::{CborError, Flaw, Reader};
use crate::entry::{self, Entry, GROUPS};
use crate::heads::{Head, Proof};
use crate::receipt::PATH_MAX;

/// The most bytes of an item.
pub const ITEM_BYTES_MAX: usize = 1024 * 1024;

/// Why the next item of a file cannot be read.
#[derive(Debug)]
pub enum ItemError {
    /// The file ends within it.
    Truncated,
    /// It has more bytes than an item can have.
    TooLong,
    /// The system does not let it be read.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the file ends within it"),
            Self::TooLong => write!(f, "it has more than {ITEM_BYTES_MAX} bytes"),
            Self::Unreadable(kind) => write!(f, "cannot be read: {kind}"),
        }
    }
}

impl std::error::Error for ItemError {}

/// Reads the next item into `buffer`; `false` at the end of the file.
pub fn next_item(file: &mut impl Read, buffer: &mut Vec<u8>) -> Result<bool, ItemError> {
    let (mut length, mut read) = ([0; 4], 0);
    while let Some(rest) = length.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) if read == 0 => return Ok(false),
            Ok(0) => return Err(ItemError::Truncated),
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ItemError::Unreadable(error.kind())),
        }
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > ITEM_BYTES_MAX {
        return Err(ItemError::TooLong);
    }
    buffer.resize(length, 0);
    file.read_exact(buffer).map(|()| true).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ItemError::Truncated,
        kind => ItemError::Unreadable(kind),
    })
}

/// A group that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The number of the group, 1 to 12.
    pub group: u8,
    /// Its salt.
    pub salt: [u8; 16],
    /// Its value.
    pub value: &'a [u8],
}

/// An entry with the way to its segment's root, and the groups that are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryItem<'a> {
    /// The segment.
    pub seg: u64,
    /// The entry's place in the segment.
    pub index: u64,
    /// How many entries the segment has.
    pub count: u64,
    /// The hashes from the entry to the segment's root.
    pub path: Vec<Hash>,
    /// The bytes of the entry.
    pub bytes: &'a [u8],
    /// The entry.
    pub entry: Entry<'a>,
    /// The commitments to all groups, if any group is opened.
    pub commitments: Option<[Hash; GROUPS]>,
    /// The groups that are opened, in order.
    pub opened: Vec<Opened<'a>>,
}

impl<'a> EntryItem<'a> {
    /// Reads bytes that are exactly one item.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        reader.array(7)?;
        let (seg, index, count) = (reader.uint()?, reader.uint()?, reader.uint()?);
        let path = reader.hashes(PATH_MAX)?;
        let wrong_entry = reader.error(Flaw::OutOfRange);
        let bytes = reader.bytes()?;
        let entry =
            Entry::parse(bytes).map_err(|error| CborError { flaw: error.flaw, ..wrong_entry })?;
        let commitments = if reader.null() { None } else { Some(commitments(&mut reader)?) };
        let opened = opened(&mut reader)?;
        reader.end()?;
        Ok(Self { seg, index, count, path, bytes, entry, commitments, opened })
    }

    /// Whether the commitments are those of the entry, and the opened groups those committed to.
    /// Gives what is wrong.
    pub fn check_opened(&self) -> Result<(), String> {
        let (label, seq) = (&self.entry.label, self.entry.seq);
        let Some(commitments) = &self.commitments else {
            let is_sealed = self.opened.is_empty();
            return if is_sealed { Ok(()) } else { Err("opened without commitments".to_owned()) };
        };
        if entry::fields_root(commitments) != self.entry.fields_root {
            return Err("the commitments are not those of the entry".to_owned());
        }
        for Opened { group, salt, value } in &self.opened {
            let place = usize::from(*group).checked_sub(1);
            let committed = place.and_then(|place| commitments.get(place));
            if committed != Some(&entry::commitment(*group, label, seq, salt, value)) {
                let name = place.and_then(|place| entry::GROUP_NAMES.get(place)).unwrap_or(&"?");
                return Err(format!("the group {name} is not what was committed to"));
            }
            if let Err(error) = crate::cbor::show(value) {
                return Err(format!("the value of group {group}: {error}"));
            }
        }
        Ok(())
    }
}

fn commitments(reader: &mut Reader<'_>) -> Result<[Hash; GROUPS], CborError> {
    let wrong = reader.error(Flaw::OutOfRange);
    reader.hashes(GROUPS)?.try_into().map_err(|_| wrong)
}

/// The opened groups, each once and in order.
fn opened<'a>(reader: &mut Reader<'a>) -> Result<Vec<Opened<'a>>, CborError> {
    let count = reader.array_up_to(GROUPS as u64)?;
    let mut opened: Vec<Opened<'a>> = Vec::new();
    for _ in 0..count {
        reader.array(3)?;
        let wrong = reader.error(Flaw::OutOfRange);
        let group = u8::try_from(reader.uint()?).map_err(|_| wrong)?;
        let last = opened.last().map_or(0, |last| last.group);
        if group <= last || usize::from(group) > GROUPS {
            return Err(wrong);
        }
        opened.push(Opened { group, salt: reader.bytes_of()?, value: reader.bytes()? });
    }
    Ok(opened)
}

/// What a map of heads says of an account, with the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadItem {
    /// The index of the map's leaf in the spine.
    pub leaf: u64,
    /// The account.
    pub label: Hash,
    /// Its last entry, or that it has none.
    pub head: Option<Head>,
    /// The way from the root of the map.
    pub proof: Proof,
}

impl HeadItem {
    /// Reads bytes that are exactly one item.
    pub fn parse(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        reader.array(5)?;
        let (leaf, label) = (reader.uint()?, reader.hash()?);
        let head = if reader.null() {
            let wrong = reader.error(Flaw::WrongType);
            if !reader.null() {
                return Err(wrong);
            }
            None
        } else {
            Some(Head { seq: entry::sequence(&mut reader)?, hash: reader.hash()? })
        };
        let proof = Proof::read(&mut reader)?;
        reader.end()?;
        Ok(Self { leaf, label, head, proof })
    }
}
