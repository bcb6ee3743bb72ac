//! Entity tags: a moment in hexadecimal, as the service prints them.

use std::fmt;

use lazuli_base::Timestamp;
use serde::{Deserialize, Serialize};

/// An entity tag. It prints quoted (`"0x8DB4473EB8E472D"`); listings of blobs print it bare.
///
/// Two states of one resource never have the same tag: see [`ETag::after`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ETag(pub u64);

impl ETag {
    /// The tag of a state made `now` that replaces one with the tag `previous`: later than both.
    pub fn after(now: Timestamp, previous: Option<Self>) -> Self {
        Self(now.ticks().max(previous.map_or(0, |previous| previous.0 + 1)))
    }

    /// The tag without quotation marks.
    pub fn unquoted(self) -> impl fmt::Display {
        struct Unquoted(u64);
        impl fmt::Display for Unquoted {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{:X}", self.0)
            }
        }
        Unquoted(self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"0x{:X}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_look_like_the_services_and_never_repeat() {
        let now = Timestamp::from_ticks(0x8_DB44_73EB_8E47);
        let tag = ETag::after(now, None);
        assert_eq!(tag.to_string(), "\"0x8DB4473EB8E47\"");
        assert_eq!(tag.unquoted().to_string(), "0x8DB4473EB8E47");
        assert!(ETag::after(now, Some(tag)) > tag);
    }
}
