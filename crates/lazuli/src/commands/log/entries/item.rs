//! The items of a page: entries with their proofs and opened groups, and heads with theirs.

use std::collections::BTreeMap;

use lazuli_evidence::cbor::Reader;
use lazuli_evidence::heads::{Finding, Head, Proof};
use lazuli_evidence::{
    Digest, Entry, GROUPS, Group, Pseudonym, Salt, field_commitment, fields_root, leaf_hash,
};
use lazuli_tlog::{Hash, inclusion_root};

use crate::commands::log::describe::hex;

/// An entry with all its groups opened.
pub(super) struct EntryItem<'a> {
    pub(super) seg: u64,
    index: u64,
    count: u64,
    path: Vec<Hash>,
    bytes: &'a [u8],
    pub(super) entry: Entry<'a>,
    salts: [Salt; GROUPS],
    values: [&'a [u8]; GROUPS],
}

impl<'a> EntryItem<'a> {
    /// Reads an item in which every group is opened; `None` if it is something else.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(7)?;
        let (seg, index, count) = (reader.uint()?, reader.uint()?, reader.uint()?);
        let path = Hash::read_all(reader.bytes()?)?;
        let bytes = reader.bytes()?;
        let entry = Entry::decode(bytes)?;
        // The commitments follow from the salts and values.
        reader.bytes()?;
        reader.array(GROUPS)?;
        let (mut salts, mut values) = ([[0; 16]; GROUPS], [[].as_slice(); GROUPS]);
        for (place, (salt, value)) in salts.iter_mut().zip(&mut values).enumerate() {
            reader.array(3)?;
            (reader.uint()? == place as u64 + 1).then_some(())?;
            (*salt, *value) = (reader.bytes_of()?, reader.bytes()?);
        }
        reader.end()?;
        Some(Self { seg, index, count, path, bytes, entry, salts, values })
    }

    /// The entry's leaf hash.
    pub(super) fn hash(&self) -> Digest {
        leaf_hash(self.bytes)
    }

    /// Whether the entry is in the segment with this root.
    pub(super) fn is_in(&self, root: &Digest) -> bool {
        let found = inclusion_root(&self.path, Hash(self.hash()), self.index, self.count);
        found.is_ok_and(|found| found.0 == *root)
    }

    /// Whether the values are those that the entry commits to.
    pub(super) fn is_opened(&self) -> bool {
        let mut commitments = [[0; 32]; GROUPS];
        for (place, commitment) in commitments.iter_mut().enumerate() {
            let (label, seq) = (&self.entry.label, self.entry.seq);
            let (salt, value) = (&self.salts[place], self.values[place]);
            *commitment = field_commitment(place as u8 + 1, label, seq, salt, value);
        }
        fields_root(&commitments) == self.entry.fields_root
    }

    /// The status that was answered, if it is told.
    pub(super) fn status(&self) -> Option<u64> {
        let mut reader = Reader::new(self.values[Group::Result.place()]);
        // The end of a long read says one thing more.
        (reader.list()? >= 3).then_some(())?;
        reader.uint()
    }

    /// Who it was: his id, if the server told it back, or else the first digits of his pseudonym; `-`
    /// for nobody.
    pub(super) fn principal(&self, known: &BTreeMap<Pseudonym, String>) -> String {
        let said = Reader::new(self.values[Group::Principal.place()]).bytes_of();
        let Some(pseudonym) = said else { return "-".to_owned() };
        let known = known.get(&pseudonym).map(|id| id.escape_debug().to_string());
        known.unwrap_or_else(|| hex(&pseudonym[..4]))
    }

    /// The container and blob, as far as they are told; empty without any.
    pub(super) fn object(&self) -> String {
        let mut reader = Reader::new(self.values[Group::Object.place()]);
        if reader.array(3).is_none() {
            return String::new();
        }
        let mut names = Vec::new();
        for _ in 0..2 {
            let mut hashed = reader;
            match (reader.text(), hashed.bytes()) {
                (Some(name), _) => names.push(name.escape_debug().to_string()),
                (None, Some(hash)) => {
                    names.push(format!("sha256:{}", hex(hash)));
                    reader = hashed;
                }
                (None, None) => break,
            }
        }
        names.join("/")
    }
}

/// What a map of heads says of an account.
pub(super) struct HeadItem {
    pub(super) leaf: u64,
    pub(super) label: Digest,
    pub(super) head: Option<Head>,
    proof: Proof,
}

impl HeadItem {
    /// Reads an item; `None` if it is something else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(5)?;
        let (leaf, label) = (reader.uint()?, reader.bytes_of()?);
        let head = if reader.null() {
            reader.null().then_some(())?;
            None
        } else {
            Some(Head { seq: reader.uint()?, hash: reader.bytes_of()? })
        };
        let proof = Proof::decode(&mut reader)?;
        reader.end()?;
        Some(Self { leaf, label, head, proof })
    }

    /// Whether the map with this root says so.
    pub(super) fn is_proved(&self, root: &Digest) -> bool {
        let found = self.proof.check(root, &self.label, self.head.as_ref());
        matches!(found, Finding::Present | Finding::Absent)
    }
}
