//! Under which name a principal stands in an account's entries: another one each month and in each
//! account, so that only who has the account's log key can tell that two of them are one.

use std::fmt;

use crate::keys::hmac;

/// How many bytes a pseudonym has: the first half of a MAC.
pub const PSEUDONYM_BYTES: usize = 16;

/// A principal's name for a month.
pub type Pseudonym = [u8; PSEUDONYM_BYTES];

/// What the derivation of a month's key begins with.
const LABEL: &[u8] = b"lz/principal/1";

/// How many milliseconds a day has.
const DAY_MS: u64 = 86_400_000;

/// After so many years the calendar repeats, which are so many days.
const CYCLE: (u64, u64) = (400, 146_097);

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// The year.
    pub year: u32,
    /// The month, 1 to 12.
    pub month: u8,
    /// Its first and last millisecond since 1970.
    span_ms: (u64, u64),
}

impl Month {
    /// The month of a time in milliseconds since 1970.
    pub fn of(t_ms: u64) -> Self {
        let day = t_ms / DAY_MS;
        let (cycles, mut left) = (day / CYCLE.1, day % CYCLE.1);
        let mut year = 1970;
        while left >= days_of_year(year) {
            left -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while left >= days_of_month(year, month) {
            left -= days_of_month(year, month);
            month += 1;
        }
        let first_ms = (day - left) * DAY_MS;
        let last_ms = first_ms.saturating_add(days_of_month(year, month) * DAY_MS - 1);
        // A 64-bit time has fewer days than a 32-bit year could count.
        let year = (year + cycles * CYCLE.0) as u32;
        Self { year, month, span_ms: (first_ms, last_ms) }
    }

    /// Whether a time in milliseconds since 1970 falls into it.
    pub fn has(&self, t_ms: u64) -> bool {
        (self.span_ms.0..=self.span_ms.1).contains(&t_ms)
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: u8) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The key under which principals of one account stand in one month.
#[derive(Clone, PartialEq, Eq)]
pub struct MonthKey {
    month: Month,
    key: [u8; 32],
}

impl MonthKey {
    /// Derives the key of the month that a time in milliseconds since 1970 falls into, from the
    /// account's log key.
    ///
    /// HKDF-SHA-256 without a salt: <https://www.rfc-editor.org/rfc/rfc5869.html#section-2>
    pub fn derive(log_key: &[u8; 32], t_ms: u64) -> Self {
        let month = Month::of(t_ms);
        let extracted = hmac(&[0; 32], &[log_key]);
        let info: [&[u8]; 4] = [LABEL, &month.year.to_be_bytes(), &[month.month], &[1]];
        Self { month, key: hmac(&extracted, &info) }
    }

    /// The month that it is for.
    pub const fn month(&self) -> &Month {
        &self.month
    }

    /// The pseudonym of the principal with an id.
    pub fn pseudonym(&self, id: &str) -> Pseudonym {
        let mac = hmac(&self.key, &[id.as_bytes()]);
        let mut pseudonym = [0; PSEUDONYM_BYTES];
        pseudonym.copy_from_slice(&mac[..PSEUDONYM_BYTES]);
        pseudonym
    }
}

impl fmt::Debug for MonthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MonthKey({}-{:02}, ..)", self.month.year, self.month.month)
    }
}

#[cfg(test)]
mod tests {
    use hkdf::Hkdf;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::Sha256;

    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let month = |t_ms| {
            let Month { year, month, .. } = Month::of(t_ms);
            (year, month)
        };
        // Seconds as `date -u -d ... +%s` gives them.
        for (seconds, year, number) in [
            (0, 1970, 1),
            (2_678_399, 1970, 1),
            (2_678_400, 1970, 2),
            (951_782_400, 2000, 2),
            (951_868_800, 2000, 3),
            (1_709_164_800, 2024, 2),
            (1_709_251_200, 2024, 3),
            (1_767_225_599, 2025, 12),
            (1_767_225_600, 2026, 1),
            (4_107_542_400, 2100, 3),
            (4_107_542_399, 2100, 2),
            (14_573_606_400, 2431, 10),
        ] {
            assert_eq!(month(seconds * 1000), (year, number), "{seconds}");
        }
        assert!(month(u64::MAX).0 > 500_000_000);
    }

    #[test]
    fn a_month_has_its_first_and_last_moment() {
        let march = Month::of(951_868_800_000);
        let next = march.span_ms.1 + 1;
        assert!(march.has(951_868_800_000) && march.has(march.span_ms.1));
        assert!(!march.has(951_868_799_999) && !march.has(next));
        assert_eq!((Month::of(next).year, Month::of(next).month), (2000, 4));
    }

    #[test]
    fn pseudonyms_are_macs_under_a_key_of_hkdf() {
        let key = MonthKey::derive(&[7; 32], 1_767_225_600_000);
        let info = [b"lz/principal/1".as_slice(), &2026_u32.to_be_bytes(), &[1]].concat();
        let mut expected = [0; 32];
        Hkdf::<Sha256>::new(None, &[7; 32]).expand(&info, &mut expected).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&expected).unwrap();
        mac.update(b"key1");
        let mac = mac.finalize().into_bytes();
        assert_eq!(key.pseudonym("key1"), mac[..16]);
        assert_eq!(format!("{key:?}"), "MonthKey(2026-01, ..)");
    }

    #[test]
    fn months_accounts_and_principals_have_pseudonyms_of_their_own() {
        let pseudonyms = [
            MonthKey::derive(&[1; 32], 0).pseudonym("key1"),
            MonthKey::derive(&[1; 32], 0).pseudonym("key2"),
            MonthKey::derive(&[2; 32], 0).pseudonym("key1"),
            MonthKey::derive(&[1; 32], 2_678_400_000).pseudonym("key1"),
        ];
        for (place, pseudonym) in pseudonyms.iter().enumerate() {
            assert!(!pseudonyms[..place].contains(pseudonym), "{place}");
        }
        let again = MonthKey::derive(&[1; 32], 2_678_399_999).pseudonym("key1");
        assert_eq!(again, pseudonyms[0], "the last moment of the month");
    }
}
