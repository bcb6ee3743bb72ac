//! What the storage layer says of an operation before the operation has its place in the journal.
//!
//! A draft goes through the journal next to the rows it speaks of, and is sealed when the order is
//! known. Its form is nobody else's business: it is never hashed and never leaves the server.
//!
//! ```text
//! 1 | kind u8 | t_ms u64 | op: u16, text | account: u16, text | 12 x (u32, value)     big-endian
//! ```

use bytes::Bytes;

use crate::entry::Kind;
use crate::group::{ABSENT, GROUPS, Group};

/// The version of the form.
const VERSION: u8 = 1;

/// What an operation will say in the log, with borrowed parts: reading one copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<'a> {
    /// What kind of operation it is.
    pub kind: Kind,
    /// The name of the operation, as `PutBlob`; at most 65,535 bytes are kept.
    pub op: &'a str,
    /// The name of the account that it belongs to.
    pub account: &'a str,
    /// When it happened, in milliseconds since 1970.
    pub t_ms: u64,
    /// The values of the groups, each one item of CBOR; [`ABSENT`] where there is nothing to say.
    pub values: [&'a [u8]; GROUPS],
}

impl<'a> Draft<'a> {
    /// A draft with nothing in its groups yet.
    pub const fn new(kind: Kind, op: &'a str, account: &'a str, t_ms: u64) -> Self {
        Self { kind, op, account, t_ms, values: [ABSENT; GROUPS] }
    }

    /// The same draft with a value in a group.
    #[must_use]
    pub const fn with(mut self, group: Group, value: &'a [u8]) -> Self {
        self.values[group.place()] = value;
        self
    }

    /// The bytes that [`decode`](Self::decode) reads.
    pub fn encode(&self) -> Bytes {
        let lengths: usize = self.values.iter().map(|value| 4 + value.len()).sum();
        let mut out = Vec::with_capacity(14 + self.op.len() + self.account.len() + lengths);
        out.extend_from_slice(&[VERSION, self.kind.number()]);
        out.extend_from_slice(&self.t_ms.to_be_bytes());
        for text in [self.op, self.account] {
            let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
            out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        for value in self.values {
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            out.extend_from_slice(value);
        }
        Bytes::from(out)
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` if the bytes are something else.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[VERSION, kind], rest) = bytes.split_first_chunk()? else { return None };
        let kind = Kind::from_number(u64::from(kind))?;
        let (t_ms, mut rest) = rest.split_first_chunk()?;
        let t_ms = u64::from_be_bytes(*t_ms);
        let (op, account) = (text(&mut rest)?, text(&mut rest)?);
        let mut values = [ABSENT; GROUPS];
        for value in &mut values {
            let (length, after) = rest.split_first_chunk()?;
            (*value, rest) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        }
        rest.is_empty().then_some(Self { kind, op, account, t_ms, values })
    }
}

/// Takes a text off the front.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_comes_back_as_it_was_and_nothing_shorter_or_longer_does() {
        let draft = Draft::new(Kind::Write, "PutBlob", "alpha", 1_760_000_000_123)
            .with(Group::Object, b"\x63abc")
            .with(Group::Case, b"");
        let bytes = draft.encode();
        assert_eq!(Draft::decode(&bytes), Some(draft));
        for length in 0..bytes.len() {
            assert_eq!(Draft::decode(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Draft::decode(&[&bytes, b"x".as_slice()].concat()), None);
        let mut other = bytes.to_vec();
        other[1] = 9;
        assert_eq!(Draft::decode(&other), None);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let long = "ä".repeat(40_000);
        let bytes = Draft::new(Kind::Read, &long, "a", 0).encode();
        assert_eq!(Draft::decode(&bytes).map(|draft| draft.op.len()), Some(65_534));
    }
}
