//! Sealing: commitments to the values of an entry's groups, and the values made unreadable.
//!
//! Nothing here is drawn at random: salt and pad of a group are the keystream of its key at the
//! entry's place, so that a replay of the journal gives the same bytes. A key and a nonce meet only
//! once, for a sequence number is used once within a boot, and a boot number once for ever.

use crate::digest::{Digest, sha256, sha256_of};
use crate::group::GROUPS;
use crate::keys::DayKeys;
use crate::keystream::Keystreams;

/// How many bytes a salt has.
pub const SALT_BYTES: usize = 16;

/// What is mixed into a commitment, so that a value cannot be guessed from it.
pub type Salt = [u8; SALT_BYTES];

/// What a commitment begins with.
const FIELD: &[u8; 10] = b"lz/field/1";

/// What the hash over all commitments begins with.
const FIELDS: &[u8] = b"lz/fields/1";

/// Where an entry stands, as far as its sealing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The label of the account.
    pub label: Digest,
    /// The number of the server's start.
    pub boot: u32,
    /// The entry's place among the account's entries, from 1.
    pub seq: u64,
}

impl Place {
    /// The nonce of the keystreams.
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.boot.to_be_bytes());
        nonce[4..].copy_from_slice(&self.seq.to_be_bytes());
        nonce
    }
}

/// The commitment to the value of the group `number` of the entry at a place.
pub fn field_commitment(number: u8, label: &Digest, seq: u64, salt: &Salt, value: &[u8]) -> Digest {
    sha256(&[FIELD, &[number], label, &seq.to_be_bytes(), salt, value])
}

/// The hash over the commitments to all groups.
pub fn fields_root(commitments: &[Digest; GROUPS]) -> Digest {
    sha256(&[FIELDS, commitments.as_flattened()])
}

/// The result of sealing one draft. It is made once and used again: after the first entries it
/// allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    commitments: [Digest; GROUPS],
    salts: [Salt; GROUPS],
    /// The sealed values behind each other, each ending where `ends` says.
    values: Vec<u8>,
    ends: [usize; GROUPS],
    fields_root: Digest,
    streams: Keystreams,
    /// The bytes that a commitment hashes.
    hashed: Vec<u8>,
}

impl Sealed {
    /// An empty result, to be filled by [`seal`](Self::seal).
    pub fn new() -> Self {
        Self::default()
    }

    /// Seals the values of the entry at `place`, in place of what was sealed before.
    pub fn seal(&mut self, keys: &DayKeys, place: &Place, values: &[&[u8]; GROUPS]) {
        let lengths = values.map(|value| SALT_BYTES + value.len());
        self.streams.fill(keys.keys(), &place.nonce(), &lengths);
        self.values.clear();
        self.hashed.clear();
        self.hashed.extend_from_slice(FIELD);
        self.hashed.push(0);
        self.hashed.extend_from_slice(&place.label);
        self.hashed.extend_from_slice(&place.seq.to_be_bytes());
        let prefix = self.hashed.len();
        for (group, value) in values.iter().enumerate() {
            let (salt, pad) = self.streams.at(group).split_at(SALT_BYTES);
            self.salts[group].copy_from_slice(salt);
            self.values.extend(value.iter().zip(pad).map(|(value, pad)| value ^ pad));
            self.ends[group] = self.values.len();
            self.hashed.truncate(prefix);
            self.hashed[FIELD.len()] = group as u8 + 1;
            self.hashed.extend_from_slice(salt);
            self.hashed.extend_from_slice(value);
            self.commitments[group] = sha256_of(&mut self.hashed);
        }
        self.fields_root = fields_root(&self.commitments);
    }

    /// Opens sealed values: the other direction of [`seal`](Self::seal). The salts and commitments
    /// are those of the values found, so that the entry's `fields_root` tells whether they are the
    /// values that were sealed. Gives the values.
    pub fn open(
        &mut self,
        keys: &DayKeys,
        place: &Place,
        sealed: &[&[u8]; GROUPS],
    ) -> [Vec<u8>; GROUPS] {
        let lengths = sealed.map(|value| SALT_BYTES + value.len());
        self.streams.fill(keys.keys(), &place.nonce(), &lengths);
        let mut values = [const { Vec::new() }; GROUPS];
        for (group, (sealed, value)) in sealed.iter().zip(&mut values).enumerate() {
            let pad = self.streams.at(group).iter().skip(SALT_BYTES);
            value.extend(sealed.iter().zip(pad).map(|(sealed, pad)| sealed ^ pad));
        }
        self.seal(keys, place, &values.each_ref().map(Vec::as_slice));
        values
    }

    /// The commitments to the groups.
    pub const fn commitments(&self) -> &[Digest; GROUPS] {
        &self.commitments
    }

    /// The salts of the groups. They are as secret as the values.
    pub const fn salts(&self) -> &[Salt; GROUPS] {
        &self.salts
    }

    /// The hash over the commitments, which the entry carries.
    pub const fn fields_root(&self) -> Digest {
        self.fields_root
    }

    /// The sealed values in the order of the groups.
    pub fn values(&self) -> [&[u8]; GROUPS] {
        let mut start = 0;
        self.ends.map(|end| {
            let value = self.values.get(start..end).unwrap_or_default();
            start = end;
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::ABSENT;

    const PLACE: Place = Place { label: [3; 32], boot: 2, seq: 9 };

    fn values() -> [&'static [u8]; GROUPS] {
        let mut values = [ABSENT; GROUPS];
        values[3] = b"\x78\x20a name that is longer than a hash";
        values[11] = &[0x40; 200];
        values
    }

    #[test]
    fn commitments_are_those_of_the_salts_and_values() {
        let keys = DayKeys::derive(&[1; 32], 20_000);
        let mut sealed = Sealed::new();
        sealed.seal(&keys, &PLACE, &values());
        for (place, value) in values().iter().enumerate() {
            let number = place as u8 + 1;
            let (salt, commitment) = (sealed.salts()[place], sealed.commitments()[place]);
            assert_eq!(field_commitment(number, &[3; 32], 9, &salt, value), commitment);
        }
        assert_eq!(sealed.fields_root(), fields_root(sealed.commitments()));
    }

    #[test]
    fn a_used_sealer_gives_what_a_new_one_gives_and_values_open_again() {
        let keys = DayKeys::derive(&[1; 32], 20_000);
        let mut used = Sealed::new();
        used.seal(&keys, &Place { seq: 8, ..PLACE }, &[&[0x41; 99]; GROUPS]);
        used.seal(&keys, &PLACE, &values());
        let mut new = Sealed::new();
        new.seal(&keys, &PLACE, &values());
        assert_eq!(used.values(), new.values());
        assert_eq!(used.fields_root(), new.fields_root());
        assert!(used.values().iter().zip(values()).all(|(sealed, value)| *sealed != value));
        let stored = used.values().map(<[u8]>::to_vec);
        let stored = stored.each_ref().map(Vec::as_slice);
        assert_eq!(new.open(&keys, &PLACE, &stored), values().map(<[u8]>::to_vec));
        assert_eq!(new.fields_root(), used.fields_root());
        new.open(&DayKeys::derive(&[1; 32], 20_001), &PLACE, &stored);
        assert_ne!(new.fields_root(), used.fields_root(), "another day's keys open nothing");
    }

    #[test]
    fn every_part_of_the_place_changes_every_commitment() {
        let keys = DayKeys::derive(&[1; 32], 20_000);
        let seal = |place: Place| {
            let mut sealed = Sealed::new();
            sealed.seal(&keys, &place, &values());
            *sealed.commitments()
        };
        let base = seal(PLACE);
        for other in [
            Place { label: [4; 32], ..PLACE },
            Place { boot: 3, ..PLACE },
            Place { seq: 10, ..PLACE },
        ] {
            assert!(seal(other).iter().zip(&base).all(|(one, other)| one != other));
        }
    }
}
