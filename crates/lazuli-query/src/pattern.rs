//! Patterns of LIKE: `%` stands for any text, `_` for one character.

use std::ops::Range;

use memchr::memmem;

/// A pattern, taken apart at its `%`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// What stands between the `%`, in order; the first is bound to the start of a text and the
    /// last to its end.
    parts: Vec<Vec<Item>>,
}

#[derive(Clone, Debug)]
enum Item {
    /// These bytes.
    Literal(Vec<u8>),
    /// Any one character.
    Any,
}

impl Pattern {
    /// Takes a pattern apart; `None` if it ends with `escape`.
    pub(crate) fn new(text: &[u8], escape: Option<u8>) -> Option<Self> {
        let mut parts = vec![Vec::new()];
        let mut bytes = text.iter().copied();
        while let Some(byte) = bytes.next() {
            let part: &mut Vec<Item> = parts.last_mut()?;
            let literal = match byte {
                _ if Some(byte) == escape => bytes.next()?,
                b'%' => {
                    parts.push(Vec::new());
                    continue;
                }
                b'_' => {
                    part.push(Item::Any);
                    continue;
                }
                _ => byte,
            };
            match part.last_mut() {
                Some(Item::Literal(bytes)) => bytes.push(literal),
                _ => part.push(Item::Literal(vec![literal])),
            }
        }
        Some(Self { parts })
    }

    /// Whether the whole of `text` is as the pattern says.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        let Some(mut at) = prefix(first, text) else { return false };
        let Some((last, middle)) = rest.split_last() else { return at == text.len() };
        for part in middle {
            // The leftmost place leaves the most for what follows, so it is always a right one.
            match find(part, &text[at..]) {
                Some(found) => at += found.end,
                None => return false,
            }
        }
        suffix(last, &text[at..])
    }
}

/// How many bytes the character at the start of `text` has.
fn character(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let length = match first {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    };
    Some(length.min(text.len()))
}

/// Where a part that begins with `text` ends.
fn prefix(part: &[Item], text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for item in part {
        at += match item {
            Item::Literal(bytes) => text[at..].starts_with(bytes).then_some(bytes.len())?,
            Item::Any => character(&text[at..])?,
        };
    }
    Some(at)
}

/// The first place of a part.
fn find(part: &[Item], text: &[u8]) -> Option<Range<usize>> {
    match part {
        [] => Some(0..0),
        [Item::Literal(bytes)] => memmem::find(text, bytes).map(|start| start..start + bytes.len()),
        _ => {
            let mut start = 0;
            loop {
                if let Some(length) = prefix(part, &text[start..]) {
                    return Some(start..start + length);
                }
                start += character(&text[start..])?;
            }
        }
    }
}

/// Whether `text` ends with a part.
fn suffix(part: &[Item], text: &[u8]) -> bool {
    if let [Item::Literal(bytes)] = part {
        return text.ends_with(bytes);
    }
    let mut at = text.len();
    for item in part.iter().rev() {
        match item {
            Item::Literal(bytes) if text[..at].ends_with(bytes) => at -= bytes.len(),
            Item::Literal(_) => return false,
            Item::Any => {
                let Some(start) = (0..at).rev().find(|start| text[*start] & 0xc0 != 0x80) else {
                    return false;
                };
                at = start;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The meaning of a pattern, without any cleverness.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, _) => text.is_empty(),
            (Some('%'), _) => {
                naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..]))
            }
            (Some('_'), Some(_)) => naive(&pattern[1..], &text[1..]),
            (Some(p), Some(c)) => p == c && naive(&pattern[1..], &text[1..]),
            (Some(_), None) => false,
        }
    }

    #[test]
    fn escapes_take_the_meaning_from_what_follows() {
        let pattern = Pattern::new(b"100!%_", Some(b'!')).unwrap();
        assert!(pattern.matches(b"100%x") && !pattern.matches(b"1000x"));
        assert!(Pattern::new(b"100!", Some(b'!')).is_none());
        assert!(Pattern::new("é_".as_bytes(), None).unwrap().matches("éü".as_bytes()));
    }

    proptest! {
        #[test]
        fn it_means_what_the_naive_matcher_says(pattern in "[ab%_é]{0,8}", text in "[abé]{0,10}") {
            let found = Pattern::new(pattern.as_bytes(), None).unwrap().matches(text.as_bytes());
            let pattern: Vec<char> = pattern.chars().collect();
            let text: Vec<char> = text.chars().collect();
            prop_assert_eq!(found, naive(&pattern, &text));
        }

        #[test]
        fn no_bytes_panic(pattern in any::<Vec<u8>>(), text in any::<Vec<u8>>()) {
            if let Some(pattern) = Pattern::new(&pattern, Some(b'\\')) {
                pattern.matches(&text);
            }
        }
    }
}
