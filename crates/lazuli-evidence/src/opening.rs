//! Openings: what a client needs to rebuild its own entry, in the header `x-lz-opening`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cbor::{Reader, Writer};
use crate::digest::Digest;
use crate::entry::{Entry, Kind};
use crate::group::GROUPS;
use crate::sealed::{SALT_BYTES, Salt, field_commitment, fields_root};

/// The version of the layout.
const VERSION: u64 = 1;

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
    /// The salts of the groups.
    pub salts: [Salt; GROUPS],
    /// The values of the groups, each one item of CBOR.
    pub values: [&'a [u8]; GROUPS],
}

impl<'a> Opening<'a> {
    /// The opening of an entry, with the salts and the values that were sealed for it.
    pub const fn new(
        entry: &Entry<'a>,
        salts: &[Salt; GROUPS],
        values: [&'a [u8]; GROUPS],
    ) -> Self {
        Self {
            kind: entry.kind,
            op: entry.op,
            site: entry.site,
            boot: entry.boot,
            t_ms: entry.t_ms,
            label: entry.label,
            seq: entry.seq,
            prev: entry.prev,
            salts: *salts,
            values,
        }
    }

    /// The entry that it opens.
    pub fn entry(&self) -> Entry<'a> {
        let mut commitments = [[0; 32]; GROUPS];
        for (place, commitment) in commitments.iter_mut().enumerate() {
            let (salt, value) = (&self.salts[place], self.values[place]);
            *commitment = field_commitment(place as u8 + 1, &self.label, self.seq, salt, value);
        }
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

    /// The bytes of the opening.
    pub fn encode(&self) -> Vec<u8> {
        let values: usize = self.values.iter().map(|value| 9 + value.len()).sum();
        let mut out = Vec::with_capacity(320 + self.op.len() + values);
        let mut writer = Writer::new(&mut out);
        writer
            .array(11)
            .uint(VERSION)
            .uint(u64::from(self.kind.number()))
            .text(self.op)
            .uint(self.site)
            .uint(u64::from(self.boot))
            .uint(self.t_ms)
            .bytes(&self.label)
            .uint(self.seq)
            .bytes(&self.prev)
            .bytes(self.salts.as_flattened())
            .array(GROUPS);
        for value in self.values {
            writer.bytes(value);
        }
        out
    }

    /// Reads an opening; `None` if the bytes are not exactly one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(11)?;
        if reader.uint()? != VERSION {
            return None;
        }
        let (kind, op) = (Kind::from_number(reader.uint()?)?, reader.text()?);
        let (site, boot) = (reader.uint()?, u32::try_from(reader.uint()?).ok()?);
        let (t_ms, label) = (reader.uint()?, reader.bytes_of()?);
        let (seq, prev) = (reader.uint()?, reader.bytes_of()?);
        let (salts, rest) = reader.bytes()?.as_chunks::<SALT_BYTES>();
        let salts = salts.try_into().ok().filter(|_| rest.is_empty())?;
        reader.array(GROUPS)?;
        let mut values = [[].as_slice(); GROUPS];
        for value in &mut values {
            *value = reader.bytes()?;
        }
        reader.end()?;
        Some(Self { kind, op, site, boot, t_ms, label, seq, prev, salts, values })
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
    use crate::receipt::headers_fit;
    use crate::sealed::{Place, Sealed};

    #[test]
    fn an_opening_rebuilds_the_entry_that_was_sealed() {
        let mut values = [ABSENT; GROUPS];
        values[3] = b"\x66object";
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
        let opening = Opening::new(&entry, sealed.salts(), values);
        let bytes = opening.encode();
        assert_eq!(Opening::decode(&bytes), Some(opening.clone()));
        assert_eq!(opening.entry(), entry);
        let other = Opening { op: "GetBlob", ..opening.clone() };
        assert_ne!(other.entry(), entry);
        for length in 0..bytes.len() {
            assert_eq!(Opening::decode(&bytes[..length]), None);
        }
        assert!(headers_fit(640, opening.to_header().len()));
    }
}
