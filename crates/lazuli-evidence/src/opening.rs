//! Openings: what a client needs to rebuild its own entry, in the header `x-lz-opening`.
//!
//! Where receipt and opening together would be too long for a response, some groups stand in the
//! opening as their commitments only. It still leads to the entry; what those groups say is in the
//! account holder's view.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cbor::{NULL_LENGTH, Reader, Writer, head_length};
use crate::digest::Digest;
use crate::entry::{Entry, Kind};
use crate::group::{GROUPS, Group};
use crate::receipt::headers_fit;
use crate::sealed::{SALT_BYTES, Salt, field_commitment, fields_root};

/// The version of the layout that opens all groups.
const WHOLE: u64 = 1;

/// The version of the layout in which some groups are sealed.
const PARTLY: u64 = 2;

/// What is given up first where there is no room: what a client knows of itself or does not need
/// to see that the log says what it asked.
const DISPENSABLE: [Group; 7] = [
    Group::Client,
    Group::Source,
    Group::Auth,
    Group::Principal,
    Group::Correlation,
    Group::Content,
    Group::Request,
];

/// A group in an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// It can be read.
    Value {
        /// The salt it is committed to with.
        salt: Salt,
        /// One item of CBOR.
        value: &'a [u8],
    },
    /// Only the commitment to it is given.
    Sealed(Digest),
}

/// All that an entry commits to, readable. With it and its receipt a client sees at once that the
/// log says of its request what it asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening<'a> {
    /// What kind of operation it is about.
    pub kind: Kind,
    /// The name of the operation.
    pub op: &'a str,
    /// The site that logged it.
    pub site: u64,
    /// The number of the server's start.
    pub boot: u32,
    /// When it happened, in milliseconds since 1970.
    pub t_ms: u64,
    /// The label of the account.
    pub label: Digest,
    /// The entry's place among the account's entries, from 1.
    pub seq: u64,
    /// The leaf hash of the account's previous entry.
    pub prev: Digest,
    /// The groups.
    pub groups: [Opened<'a>; GROUPS],
}

impl<'a> Opening<'a> {
    /// The opening of an entry, with the salts and the values that were sealed for it.
    pub fn new(entry: &Entry<'a>, salts: &[Salt; GROUPS], values: [&'a [u8]; GROUPS]) -> Self {
        let group = |place: usize| Opened::Value { salt: salts[place], value: values[place] };
        Self {
            kind: entry.kind,
            op: entry.op,
            site: entry.site,
            boot: entry.boot,
            t_ms: entry.t_ms,
            label: entry.label,
            seq: entry.seq,
            prev: entry.prev,
            groups: std::array::from_fn(group),
        }
    }

    /// The value of a group; `None` if it is sealed.
    pub const fn value(&self, group: Group) -> Option<&'a [u8]> {
        match self.groups[group.place()] {
            Opened::Value { value, .. } => Some(value),
            Opened::Sealed(_) => None,
        }
    }

    /// The commitment to the group at a place, 0 to 11.
    fn commitment(&self, place: usize) -> Digest {
        match &self.groups[place] {
            Opened::Value { salt, value } => {
                field_commitment(place as u8 + 1, &self.label, self.seq, salt, value)
            }
            Opened::Sealed(commitment) => *commitment,
        }
    }

    /// The entry that it opens.
    pub fn entry(&self) -> Entry<'a> {
        let commitments = std::array::from_fn(|place| self.commitment(place));
        Entry {
            kind: self.kind,
            op: self.op,
            site: self.site,
            boot: self.boot,
            t_ms: self.t_ms,
            label: self.label,
            seq: self.seq,
            prev: self.prev,
            fields_root: fields_root(&commitments),
        }
    }

    /// The same opening with as few groups sealed as make it fit into one response with a receipt
    /// of `receipt` characters; `None` if it does not fit at all.
    ///
    /// What a client can do without is sealed first, one group after the other; if that is not
    /// enough, the object is sealed, whose name may be long, and of the others as few as it takes;
    /// the result comes last.
    #[must_use]
    pub fn fitted(self, receipt: usize) -> Option<Self> {
        let fits = |opening: &Self| headers_fit(receipt, opening.header_length());
        if fits(&self) {
            return Some(self);
        }
        let with_object = [Group::Object].into_iter().chain(DISPENSABLE).chain([Group::Result]);
        let orders = [DISPENSABLE.to_vec(), with_object.collect()];
        orders.into_iter().find_map(|order| {
            let mut opening = self.clone();
            order.into_iter().any(|group| {
                opening.seal(group);
                fits(&opening)
            });
            Some(opening).filter(fits)
        })
    }

    /// Puts the commitment to a group in its place, if that is shorter.
    fn seal(&mut self, group: Group) {
        let place = group.place();
        if let Opened::Value { value, .. } = self.groups[place]
            && value.len() > SALT_BYTES
        {
            self.groups[place] = Opened::Sealed(self.commitment(place));
        }
    }

    /// How many characters the header has.
    fn header_length(&self) -> usize {
        // Without padding, 3 bytes are 4 characters, and what is left over as many as it needs.
        (self.encoded_length() * 4).div_ceil(3)
    }

    /// How many bytes it has.
    fn encoded_length(&self) -> usize {
        let string = |length: usize| head_length(length as u64) + length;
        let (mut salts, mut commitments, mut groups) = (0, 0, head_length(GROUPS as u64));
        for group in &self.groups {
            match group {
                Opened::Value { salt, value } => {
                    salts += salt.len();
                    groups += string(value.len());
                }
                Opened::Sealed(commitment) => {
                    commitments += commitment.len();
                    groups += NULL_LENGTH;
                }
            }
        }
        // The array, the version and the kind: one byte each.
        let numbers = [self.site, u64::from(self.boot), self.t_ms, self.seq];
        let numbers = numbers.into_iter().map(head_length).sum::<usize>() + 3;
        let strings = [self.op.len(), self.label.len(), self.prev.len(), salts];
        let strings = strings.into_iter().map(string).sum::<usize>();
        let sealed = if commitments == 0 { 0 } else { string(commitments) };
        numbers + strings + sealed + groups
    }

    /// The bytes of the opening.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        let (mut salts, mut commitments) = (Vec::with_capacity(GROUPS * SALT_BYTES), Vec::new());
        for group in &self.groups {
            match group {
                Opened::Value { salt, .. } => salts.extend_from_slice(salt),
                Opened::Sealed(commitment) => commitments.extend_from_slice(commitment),
            }
        }
        let is_whole = commitments.is_empty();
        let mut writer = Writer::new(&mut out);
        writer
            .array(if is_whole { 11 } else { 12 })
            .uint(if is_whole { WHOLE } else { PARTLY })
            .uint(u64::from(self.kind.number()))
            .text(self.op)
            .uint(self.site)
            .uint(u64::from(self.boot))
            .uint(self.t_ms)
            .bytes(&self.label)
            .uint(self.seq)
            .bytes(&self.prev)
            .bytes(&salts);
        if !is_whole {
            writer.bytes(&commitments);
        }
        writer.array(GROUPS);
        for group in &self.groups {
            match group {
                Opened::Value { value, .. } => writer.bytes(value),
                Opened::Sealed(_) => writer.null(),
            };
        }
        out
    }

    /// Reads an opening; `None` if the bytes are not exactly one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let is_whole = match (reader.list()?, reader.uint()?) {
            (11, WHOLE) => true,
            (12, PARTLY) => false,
            _ => return None,
        };
        let (kind, op) = (Kind::from_number(reader.uint()?)?, reader.text()?);
        let (site, boot) = (reader.uint()?, u32::try_from(reader.uint()?).ok()?);
        let (t_ms, label) = (reader.uint()?, reader.bytes_of()?);
        let (seq, prev) = (reader.uint()?, reader.bytes_of()?);
        let (salts, []) = reader.bytes()?.as_chunks::<SALT_BYTES>() else { return None };
        let commitments = if is_whole { &[] } else { reader.bytes()? };
        let (commitments, []) = commitments.as_chunks::<32>() else { return None };
        // With nothing sealed there is one layout only.
        if is_whole != commitments.is_empty() {
            return None;
        }
        let (mut salts, mut commitments) = (salts.iter(), commitments.iter());
        reader.array(GROUPS)?;
        let mut groups = [Opened::Sealed([0; 32]); GROUPS];
        for group in &mut groups {
            *group = if reader.null() {
                Opened::Sealed(*commitments.next()?)
            } else {
                let (salt, value) = (*salts.next()?, reader.bytes()?);
                Opened::Value { salt, value }
            };
        }
        reader.end()?;
        let is_used_up = salts.next().is_none() && commitments.next().is_none();
        is_used_up.then_some(Self { kind, op, site, boot, t_ms, label, seq, prev, groups })
    }

    /// The value of the header.
    pub fn to_header(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::ABSENT;
    use crate::keys::DayKeys;
    use crate::sealed::{Place, Sealed};

    /// An entry with an object of `object` bytes and its opening.
    fn sealed(object: &[u8], check: impl FnOnce(&Entry<'_>, Opening<'_>)) {
        let mut values = [ABSENT; GROUPS];
        values[Group::Object.place()] = object;
        values[Group::Client.place()] = b"\x78\x18a client with a long name";
        let place = Place { label: [3; 32], boot: 2, seq: 9 };
        let mut sealed = Sealed::new();
        sealed.seal(&DayKeys::derive(&[1; 32], 20_000), &place, &values);
        let entry = Entry {
            kind: Kind::Delete,
            op: "DeleteBlob",
            site: 1,
            boot: place.boot,
            t_ms: 20_000 * 86_400_000,
            label: place.label,
            seq: place.seq,
            prev: [4; 32],
            fields_root: sealed.fields_root(),
        };
        check(&entry, Opening::new(&entry, sealed.salts(), values));
    }

    fn comes_back(opening: &Opening<'_>) {
        let bytes = opening.encode();
        assert_eq!(Opening::decode(&bytes).as_ref(), Some(opening));
        assert_eq!(opening.header_length(), opening.to_header().len());
        for length in 0..bytes.len() {
            assert_eq!(Opening::decode(&bytes[..length]), None);
        }
        assert_eq!(Opening::decode(&[&bytes, b"\0".as_slice()].concat()), None);
    }

    #[test]
    fn an_opening_rebuilds_the_entry_that_was_sealed() {
        sealed(b"\x66object", |entry, opening| {
            comes_back(&opening);
            assert_eq!(opening.entry(), *entry);
            let other = Opening { op: "GetBlob", ..opening.clone() };
            assert_ne!(other.entry(), *entry);
            assert_eq!(opening.clone().fitted(640), Some(opening));
        });
    }

    #[test]
    fn what_has_no_room_is_sealed_and_leads_to_the_same_entry() {
        let name = [b"\x79\x01\x00".as_slice(), &[b'n'; 256]].concat();
        sealed(&name, |entry, opening| {
            let room = 1536 - 32 - opening.header_length();
            assert!(opening.clone().fitted(room).is_some_and(|fitted| fitted == opening));
            let less = opening.clone().fitted(room + 1).unwrap();
            assert_eq!(less.value(Group::Client), None);
            assert_eq!(less.value(Group::Object), Some(name.as_slice()));
            let least = opening.clone().fitted(860).unwrap();
            assert_eq!(least.value(Group::Object), None);
            assert!(least.value(Group::Client).is_some(), "one is enough");
            for opening in [less, least] {
                comes_back(&opening);
                assert_eq!(opening.entry(), *entry);
            }
            assert_eq!(opening.fitted(1500), None);
        });
    }
}
