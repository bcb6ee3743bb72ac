//! The order in which the service sorts header names before they are signed.
//!
//! It is not byte order but the .NET en-US culture order: at the first level `'` and `-` do not
//! count, punctuation sorts before digits and digits before letters; only names that tie there are
//! told apart by where their `'` and `-` stand. Found in the official SDKs, not in the documents:
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key#constructing-the-canonicalized-headers-string>

use std::cmp::Ordering;
use std::iter::once;

/// The characters of header names that count at the first level, lightest first.
const ASCENDING: &[u8; 48] = b"!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxy";

/// First-level weights; 0 does not count.
const WEIGHTS: [u8; 256] = weights();

const fn weights() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < ASCENDING.len() {
        table[ASCENDING[i] as usize] = i as u8 + 1;
        i += 1;
    }
    table[b'z' as usize] = ASCENDING.len() as u8 + 1;
    let mut letter = b'a';
    while letter <= b'z' {
        table[letter.to_ascii_uppercase() as usize] = table[letter as usize];
        letter += 1;
    }
    table
}

/// Compares two header names in the order the service signs them in; case does not count.
pub fn compare_header_names(left: &str, right: &str) -> Ordering {
    counting(left).cmp(counting(right)).then_with(|| marks(left).cmp(marks(right)))
}

fn counting(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| WEIGHTS[byte as usize]).filter(|weight| *weight != 0)
}

/// The last level: at the first place where only one name has a mark, the one without comes first.
fn marks(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .map(|byte| match byte {
            b'\'' => 2,
            b'-' => 3,
            _ => 0,
        })
        .chain(once(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_ascending_order() {
        let ascending = [
            "x-ms-meta-_a",
            "x-ms-meta-0",
            "x-ms-meta-a",
            "x-ms-meta-a_b",
            "x-ms-meta-a1",
            "x-ms-meta-ab",
            "x-ms-meta-a'b",
            "x-ms-meta-a-b",
            "x-ms-meta-abc",
            "x-ms-meta-a-bd",
            "x-ms-meta-b",
            "x-ms-meta-z",
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(compare_header_names(left, right), i.cmp(&j), "{left} {right}");
            }
        }
    }

    #[test]
    fn the_first_level_ascends_as_published() {
        let published = "!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz";
        let mut sorted: Vec<String> = published.chars().rev().map(String::from).collect();
        sorted.sort_by(|left, right| compare_header_names(left, right));
        assert_eq!(sorted.concat(), published);
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(compare_header_names("X-MS-Date", "x-ms-date"), Ordering::Equal);
    }
}
