//! The stored form of rows and journal entries.
//!
//! ```text
//! user row     key = 0x01 ‖ user key              value = crc(4) ‖ version(8) ‖ payload
//! journal row  key = 0x00 ‖ sequence number (BE)  value = crc(4) ‖ version(8) ‖ entries
//! entries      count(4), then per entry: length(4) ‖ bytes
//! ```
//! `crc` is the CRC32C of the stored key, the version and the payload; numbers are little-endian
//! but for the journal's key. The checksum binds a value to its key, so a value that turns up under
//! another key is not served.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::checksum::crc32c_parts;
use crate::frame::Fields;
use crate::meta::{MetaError, Row, Version};

/// First byte of the keys of journal rows.
pub(crate) const JOURNAL: u8 = 0;
/// First byte of the keys of user rows.
pub(crate) const USER: u8 = 1;
/// Longest user key in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 32 * 1024;
/// Longest value in bytes.
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 20;

const HEAD_BYTES: usize = 12;

/// The stored key of a user key.
pub(crate) fn user_key(key: &[u8]) -> Bytes {
    let mut stored = BytesMut::with_capacity(key.len() + 1);
    stored.put_u8(USER);
    stored.put_slice(key);
    stored.freeze()
}

/// The stored key of a commit's journal row.
pub(crate) fn journal_key(version: Version) -> Bytes {
    let mut stored = BytesMut::with_capacity(9);
    stored.put_u8(JOURNAL);
    stored.put_u64(version.0);
    stored.freeze()
}

/// The stored value for `payload` under the stored `key`.
pub(crate) fn encode(key: &[u8], version: Version, payload: &[u8]) -> Bytes {
    encode_with(key, version, payload.len(), |value| value.put_slice(payload))
}

/// The stored value for a payload of `len` bytes that `write` appends.
fn encode_with(
    key: &[u8],
    version: Version,
    len: usize,
    write: impl FnOnce(&mut BytesMut),
) -> Bytes {
    let mut value = BytesMut::with_capacity(HEAD_BYTES + len);
    value.put_u32_le(0);
    value.put_u64_le(version.0);
    write(&mut value);
    if let Some((crc, covered)) = value.split_first_chunk_mut::<4>() {
        *crc = crc32c_parts(&[key, covered]).to_le_bytes();
    }
    value.freeze()
}

/// Verifies a stored value; returns its version and payload.
pub(crate) fn decode(key: &[u8], value: &Bytes) -> Result<(Version, Bytes), MetaError> {
    let damaged = || MetaError::Damaged(format!("row {} does not match its checksum", name(key)));
    let mut fields = Fields(value);
    let crc = fields.u32().ok_or_else(damaged)?;
    let covered = fields.0;
    let version = fields.u64().ok_or_else(damaged)?;
    if crc32c_parts(&[key, covered]) != crc {
        return Err(damaged());
    }
    Ok((Version(version), value.slice(HEAD_BYTES..)))
}

/// A stored user row as its reader sees it.
pub(crate) fn user_row(key: &Bytes, value: &Bytes) -> Result<Row, MetaError> {
    let (version, value) = decode(key, value)?;
    Ok(Row { key: key.slice(key.len().min(1)..), value, version })
}

/// The stored value of a journal row under its stored `key`.
pub(crate) fn encode_entries(key: &[u8], version: Version, entries: &[Bytes]) -> Bytes {
    let len = entries.iter().map(|entry| entry.len() + 4).sum::<usize>() + 4;
    encode_with(key, version, len, |value| {
        value.put_u32_le(entries.len() as u32);
        for entry in entries {
            value.put_u32_le(entry.len() as u32);
            value.put_slice(entry);
        }
    })
}

/// A stored journal row: the commit's number and its entries.
pub(crate) fn journal_row(key: &Bytes, value: &Bytes) -> Result<(Version, Vec<Bytes>), MetaError> {
    let damaged = || MetaError::Damaged(format!("journal row {} is malformed", name(key)));
    let (version, payload) = decode(key, value)?;
    if *key != journal_key(version) {
        return Err(damaged());
    }
    let mut fields = Fields(&payload);
    let count = fields.u32().ok_or_else(damaged)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let len = fields.u32().ok_or_else(damaged)? as usize;
        entries.push(payload.slice_ref(fields.take(len).ok_or_else(damaged)?));
    }
    if !fields.0.is_empty() {
        return Err(damaged());
    }
    Ok((version, entries))
}

/// A key as an operator can read it.
pub(crate) fn name(key: &[u8]) -> String {
    let mut name = String::from_utf8_lossy(key).escape_debug().take(200).collect::<String>();
    if key.len() > name.len() {
        name.push('…');
    }
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_notice_every_flipped_byte() {
        let key = user_key(b"name");
        let value = encode(&key, Version(9), b"payload");
        let row = user_row(&key, &value).unwrap();
        assert_eq!(
            (&row.key[..], &row.value[..], row.version.0),
            (&b"name"[..], &b"payload"[..], 9)
        );
        for index in 0..value.len() {
            let mut flipped = value.to_vec();
            flipped[index] ^= 0x40;
            assert!(user_row(&key, &flipped.into()).is_err(), "byte {index}");
        }
        assert!(user_row(&user_key(b"other"), &value).is_err());
    }

    #[test]
    fn journal_rows_round_trip() {
        for entries in [vec![], vec![Bytes::from("a"), Bytes::new(), Bytes::from("ccc")]] {
            let key = journal_key(Version(7));
            let value = encode_entries(&key, Version(7), &entries);
            assert_eq!(journal_row(&key, &value), Ok((Version(7), entries)));
        }
    }
}
