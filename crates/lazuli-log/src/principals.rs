//! Who acted, as an account's entries name them: by a pseudonym of the month instead of an id.

use lazuli_evidence::cbor::{Reader, Writer};
use lazuli_evidence::{MonthKey, PSEUDONYM_BYTES, Pseudonym};

use crate::admin::OPERATOR;

/// The ids that principals have, as far as they can be told back from a pseudonym.
pub(crate) const IDS: [&str; 4] = ["key1", "key2", "anonymous", OPERATOR];

/// The most ids whose pseudonyms are kept: there are few, and more are computed each time.
const KNOWN_MAX: usize = 16;

/// The value of an entry's group: the pseudonym as CBOR.
pub(crate) type Value = [u8; PSEUDONYM_BYTES + 1];

/// The pseudonyms of one account's principals in the month of its last entry.
#[derive(Debug)]
pub(crate) struct Principals {
    key: MonthKey,
    known: Vec<(Box<[u8]>, Value)>,
}

impl Principals {
    pub(crate) fn new(log_key: &[u8; 32]) -> Self {
        Self { key: MonthKey::derive(log_key, 0), known: Vec::new() }
    }

    /// What stands in an entry of the time `t_ms` for the principal whose id is in `value`; `None` if
    /// there is no id in it.
    pub(crate) fn value(&mut self, log_key: &[u8; 32], t_ms: u64, value: &[u8]) -> Option<Value> {
        if !self.key.month().has(t_ms) {
            self.key = MonthKey::derive(log_key, t_ms);
            self.known.clear();
        }
        if let Some((_, known)) = self.known.iter().find(|(id, _)| **id == *value) {
            return Some(*known);
        }
        let found = encoded(&self.key.pseudonym(Reader::new(value).text()?))?;
        if self.known.len() < KNOWN_MAX {
            self.known.push((value.into(), found));
        }
        Some(found)
    }

    /// Tells an id back from what stands in an entry of the time `t_ms`.
    pub(crate) fn id_of(
        &mut self,
        log_key: &[u8; 32],
        t_ms: u64,
        value: &[u8],
    ) -> Option<(Pseudonym, &'static str)> {
        let pseudonym = Reader::new(value).bytes_of()?;
        if !self.key.month().has(t_ms) {
            self.key = MonthKey::derive(log_key, t_ms);
        }
        let id = IDS.into_iter().find(|id| self.key.pseudonym(id) == pseudonym)?;
        Some((pseudonym, id))
    }
}

fn encoded(pseudonym: &Pseudonym) -> Option<Value> {
    let mut value = Vec::with_capacity(PSEUDONYM_BYTES + 1);
    Writer::new(&mut value).bytes(pseudonym);
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG_KEY: [u8; 32] = [5; 32];
    const KEY1: &[u8] = b"\x64key1";

    #[test]
    fn a_principal_has_one_pseudonym_a_month_and_can_be_told_back() {
        let mut principals = Principals::new(&LOG_KEY);
        let mut of = |t_ms| principals.value(&LOG_KEY, t_ms, KEY1).unwrap();
        let (january, later, february) = (of(5), of(2_678_399_999), of(2_678_400_000));
        assert_eq!((january, of(5)), (later, january));
        assert_ne!(january, february);
        assert_eq!(january[..1], [0x50]);
        let pseudonym = MonthKey::derive(&LOG_KEY, 0).pseudonym("key1");
        assert_eq!(january[1..], pseudonym);
        let mut reader = Principals::new(&LOG_KEY);
        assert_eq!(reader.id_of(&LOG_KEY, 7, &january), Some((pseudonym, "key1")));
        assert_eq!(reader.id_of(&LOG_KEY, 7, &february), None, "of another month");
        assert_eq!(reader.id_of(&[6; 32], 2_678_400_000, &february), None, "another account");
        assert_eq!(reader.id_of(&LOG_KEY, 7, KEY1), None, "no pseudonym");
    }

    #[test]
    fn what_is_no_id_stays_and_many_ids_are_not_kept() {
        let mut principals = Principals::new(&LOG_KEY);
        assert_eq!(principals.value(&LOG_KEY, 0, b"\xf6"), None);
        let values: Vec<_> = (0..100_u8)
            .map(|n| principals.value(&LOG_KEY, 0, &[0x62, b'a' + n / 10, b'0' + n % 10]).unwrap())
            .collect();
        assert_eq!(principals.known.len(), KNOWN_MAX);
        for (place, value) in values.iter().enumerate() {
            assert!(!values[..place].contains(value), "{place}");
        }
    }
}
