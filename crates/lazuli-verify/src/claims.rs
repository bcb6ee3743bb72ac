//! The answers of a bundle: claims that something did not happen, each held against the entries.
//!
//! The file has a line for each: `absent KIND LABEL FROM TO`, with the account's label in
//! hexadecimal and the times in milliseconds since 1970.

use lazuli_tlog::Hash;

use crate::accounts::{Held, ProvedHead, account};
use crate::entry::KIND_NAMES;
use crate::report::Report;

/// The most claims of a bundle.
const CLAIMS_MAX: usize = 10_000;

/// A claim that an account has no entries of a kind between two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The kind, 1 to 8.
    pub kind: u8,
    /// The account.
    pub label: Hash,
    /// The times, in milliseconds since 1970; both belong to it.
    pub span_ms: (u64, u64),
}

impl Absent {
    /// Reads a line; `None` if it is no claim.
    pub fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["absent", kind, label, from, to] = words.as_slice() else { return None };
        let kind = KIND_NAMES.iter().position(|name| name == kind)? as u8 + 1;
        let mut hash = [0; 32];
        if label.len() != 64 || !label.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(label.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number)
        };
        Some(Self { kind, label: Hash(hash), span_ms: (number(from)?, number(to)?) })
    }
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
        match Absent::parse(line) {
            Some(Absent { kind, label, span_ms }) => {
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
        let claim = Absent::parse(&format!("absent operator {label} 5 10")).unwrap();
        assert_eq!(claim, Absent { kind: 5, label: Hash([10; 32]), span_ms: (5, 10) });
        for line in [
            "",
            "absent",
            "absent operator 0a 5 10",
            &format!("absent x {label} 5 10"),
            &format!("absent operator {label} +5 10"),
            &format!("present operator {label} 5 10"),
            &format!("absent operator {} 5 10", "ä".repeat(32)),
        ] {
            assert_eq!(Absent::parse(line), None, "{line}");
        }
    }
}
