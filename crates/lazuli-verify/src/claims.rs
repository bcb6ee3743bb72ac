//! The claims of a bundle, each held against its entries: where the entries of an account begin, and
//! what did not happen.
//!
//! The file has a line for each, with the account's label in hexadecimal and times in milliseconds
//! since 1970: `from LABEL NUMBER` and `absent KIND LABEL FROM TO`.

use lazuli_tlog::Hash;

use crate::accounts::{Held, ProvedHead, account};
use crate::entry::KIND_NAMES;
use crate::report::Report;

/// The most claims of a bundle.
const CLAIMS_MAX: usize = 10_000;

/// A claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The bundle has the entries of an account from a number on.
    From {
        /// The account.
        label: Hash,
        /// The number; 1 is the account's beginning.
        seq: u64,
    },
    /// An account has no entries of a kind between two times.
    Absent {
        /// The kind, 1 to 8.
        kind: u8,
        /// The account.
        label: Hash,
        /// The times, in milliseconds since 1970; both belong to it.
        span_ms: (u64, u64),
    },
}

impl Claim {
    /// Reads a line; `None` if it is no claim.
    pub fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["from", label, seq] => {
                let seq = number(seq).filter(|seq| *seq > 0)?;
                Some(Self::From { label: hash(label)?, seq })
            }
            ["absent", kind, label, from, to] => {
                let kind = KIND_NAMES.iter().position(|name| name == kind)? as u8 + 1;
                let span_ms = (number(from)?, number(to)?);
                Some(Self::Absent { kind, label: hash(label)?, span_ms })
            }
            _ => None,
        }
    }
}

/// A label in hexadecimal digits.
fn hash(digits: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(Hash(hash))
}

/// A number in decimal digits.
fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Holds all claims in a file against sorted entries and heads; `place` names the file.
pub fn check(
    place: &str,
    bytes: &[u8],
    (entries, heads): (&[Held], &[ProvedHead]),
    report: &mut Report,
) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return report.contradiction(place, "not UTF-8");
    };
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("{place} line {number}");
        if number > CLAIMS_MAX {
            return report.missing(place, "more claims than this program reads");
        }
        match Claim::parse(line) {
            Some(Claim::From { label, seq }) => account(label, entries, heads).from(seq, report),
            Some(Claim::Absent { kind, label, span_ms }) => {
                account(label, entries, heads).absent(kind, span_ms, report);
            }
            None => report.contradiction(place, "not a claim that is known here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_in_one_form() {
        let label = "0a".repeat(32);
        let claim = Claim::parse(&format!("absent operator {label} 5 10"));
        let hash = Hash([10; 32]);
        assert_eq!(claim, Some(Claim::Absent { kind: 5, label: hash, span_ms: (5, 10) }));
        let claim = Claim::parse(&format!("from {label} 7"));
        assert_eq!(claim, Some(Claim::From { label: hash, seq: 7 }));
        for line in [
            "",
            "absent",
            "absent operator 0a 5 10",
            &format!("absent x {label} 5 10"),
            &format!("absent operator {label} +5 10"),
            &format!("present operator {label} 5 10"),
            &format!("from {label} 0"),
            &format!("from {label}"),
            &format!("from {label} 1 "),
            &format!("absent operator {} 5 10", "ä".repeat(32)),
        ] {
            assert_eq!(Claim::parse(line), None, "{line}");
        }
    }
}
