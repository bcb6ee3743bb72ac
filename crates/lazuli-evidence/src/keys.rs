//! The keys under which an account's fields are sealed: one for each day and group.
//!
//! Whoever is given one of them can open that group of that day's entries, and nothing else.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::group::GROUPS;

/// How many milliseconds a day has.
const DAY_MS: u64 = 86_400_000;

/// The block of SHA-256, to which HMAC extends a key with zeros.
const BLOCK_BYTES: usize = 64;

/// The day of a time in milliseconds since 1970.
pub const fn day_of(t_ms: u64) -> u32 {
    (t_ms / DAY_MS) as u32
}

/// The keys of one account for one day. Deriving them costs almost as much as sealing an entry, so
/// they are kept while the day lasts.
#[derive(Clone, PartialEq, Eq)]
pub struct DayKeys {
    day: u32,
    keys: [[u8; 32]; GROUPS],
}

impl DayKeys {
    /// Derives the keys of a day from the account's log key.
    ///
    /// HKDF-SHA-256 without a salt: <https://www.rfc-editor.org/rfc/rfc5869.html#section-2>. Each
    /// key has the length of one hash, so that expanding is one HMAC.
    pub fn derive(log_key: &[u8; 32], day: u32) -> Self {
        let extracted = hmac(&[0; 32], &[log_key]);
        let mut keys = [[0; 32]; GROUPS];
        for (number, key) in (1_u8..).zip(&mut keys) {
            *key = hmac(&extracted, &[b"lz/log/1", &day.to_be_bytes(), &[number], &[1]]);
        }
        Self { day, keys }
    }

    /// The day that they are for.
    pub const fn day(&self) -> u32 {
        self.day
    }

    /// The keys in the order of the groups. They are secrets.
    pub const fn keys(&self) -> &[[u8; 32]; GROUPS] {
        &self.keys
    }
}

impl fmt::Debug for DayKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DayKeys(day {}, ..)", self.day)
    }
}

/// HMAC-SHA-256 of `parts` put together, with a key of 32 bytes.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0; BLOCK_BYTES];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hkdf::Hkdf;

    #[test]
    fn the_keys_are_those_of_hkdf() {
        let log_key = [7; 32];
        let day = day_of(1_760_000_000_123);
        assert_eq!(day, 20_370);
        let keys = DayKeys::derive(&log_key, day);
        let hkdf = Hkdf::<Sha256>::new(None, &log_key);
        for (number, key) in (1_u8..).zip(keys.keys()) {
            let mut expected = [0; 32];
            let info = [b"lz/log/1".as_slice(), &[0, 0, 0x4f, 0x92], &[number]].concat();
            hkdf.expand(&info, &mut expected).unwrap();
            assert_eq!(key, &expected);
        }
    }

    #[test]
    fn days_and_accounts_share_no_key() {
        let keys = [
            DayKeys::derive(&[1; 32], 1),
            DayKeys::derive(&[1; 32], 2),
            DayKeys::derive(&[2; 32], 1),
        ];
        let mut all: Vec<_> = keys.iter().flat_map(DayKeys::keys).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3 * GROUPS);
        assert_eq!(format!("{:?}", keys[0]), "DayKeys(day 1, ..)");
    }
}
