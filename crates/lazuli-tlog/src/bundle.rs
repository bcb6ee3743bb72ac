//! Entry bundles: the entries of the log, each behind its length.
//!
//! <https://c2sp.org/tlog-tiles#log-entries>: a bundle holds up to 256 entries, each a big-endian
//! `u16` with the number of its bytes, and then the bytes.

use std::fmt;

use crate::tile::TILE_WIDTH;

/// The most bytes that an entry may have.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Why bytes are not a bundle, or an entry does not fit into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// The entry has more than 65,535 bytes.
    EntryTooLong,
    /// The bundle ends within the entry at this place.
    Truncated(usize),
    /// The bundle goes on after the number of entries that its width says.
    TooLong,
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntryTooLong => write!(f, "an entry has more than {ENTRY_BYTES_MAX} bytes"),
            Self::Truncated(place) => write!(f, "the bundle ends within its entry {place}"),
            Self::TooLong => f.write_str("the bundle goes on after its last entry"),
        }
    }
}

impl std::error::Error for BundleError {}

/// Adds an entry to a bundle. The bundle is as it was if the entry is too long.
pub fn append_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle of `width` entries, exactly; `width` is 256 at most, or is taken for it.
pub fn entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let width = usize::from(width.min(TILE_WIDTH));
    let mut rest = bundle;
    let mut entries = Vec::with_capacity(width);
    for place in 0..width {
        let truncated = BundleError::Truncated(place);
        let (length, after) = rest.split_first_chunk().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(truncated)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::TooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_went_in() {
        let long = vec![7; ENTRY_BYTES_MAX];
        let mut bundle = Vec::new();
        for entry in [b"one".as_slice(), b"", &long] {
            append_entry(&mut bundle, entry).unwrap();
        }
        assert!(bundle.starts_with(b"\0\x03one\0\0\xff\xff"));
        assert_eq!(entries(&bundle, 3), Ok(vec![b"one".as_slice(), b"", &long]));
        assert_eq!(entries(&bundle, 2), Err(BundleError::TooLong));
        assert_eq!(entries(&bundle, 4), Err(BundleError::Truncated(3)));
        assert_eq!(entries(&bundle[..4], 1), Err(BundleError::Truncated(0)));
        assert_eq!(entries(&bundle[..1], 1), Err(BundleError::Truncated(0)));
        let before = bundle.clone();
        let too_long = append_entry(&mut bundle, &vec![0; ENTRY_BYTES_MAX + 1]);
        assert_eq!((too_long, bundle), (Err(BundleError::EntryTooLong), before));
    }
}
