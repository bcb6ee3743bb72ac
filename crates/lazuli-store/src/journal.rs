//! Journal entries: what each commit was, in the order of the history.
//!
//! The engine stores them with the commit's sequence number and gives them back in order; sealing
//! them into a public log is the transparency log's work.

use bytes::Bytes;
use lazuli_base::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of change an entry tells of; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// Service properties, containers, access policies.
    Control = 1,
    /// A blob or block came into being or changed.
    Write = 2,
    /// A blob, snapshot or container went.
    Delete = 3,
    /// The store's own work: collection, relocation, start and stop.
    System = 8,
}

/// An entry about to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// What kind of change it is.
    pub kind: Kind,
    /// The operation's official name.
    pub operation: &'a str,
    /// The account it happened in; empty for the store's own work.
    pub account: &'a str,
    /// The resource: `container` or `container/blob`.
    pub resource: &'a str,
    /// Content bytes the change names, if it names any.
    pub bytes: u64,
}

/// An entry as it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was decided, in [`Timestamp`] ticks.
    pub ticks: u64,
    /// What kind of change it is.
    pub kind: Kind,
    /// The operation's official name.
    pub operation: String,
    /// The account it happened in.
    pub account: String,
    /// The resource.
    pub resource: String,
    /// Content bytes the change names.
    pub bytes: u64,
}

const FORMAT: u8 = 1;

impl Entry<'_> {
    /// The entry's bytes, at time `now`.
    pub fn encode(&self, now: Timestamp) -> Bytes {
        // Writing plain strings and numbers into memory cannot fail; an empty entry would be told
        // by its missing format byte.
        postcard::to_extend(&(now.ticks(), self), vec![FORMAT]).unwrap_or_default().into()
    }
}

impl Recorded {
    /// The entry in `bytes`; `None` if it is none that this version knows.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        (format == FORMAT).then(|| postcard::from_bytes(rest).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back() {
        let entry = Entry {
            kind: Kind::Write,
            operation: "PutBlob",
            account: "a",
            resource: "c/b",
            bytes: 5,
        };
        let recorded = Recorded::decode(&entry.encode(Timestamp::from_ticks(9))).unwrap();
        assert_eq!((recorded.ticks, recorded.kind), (9, Kind::Write));
        assert_eq!(recorded.resource, "c/b");
        assert_eq!(Recorded::decode(&[]), None);
    }
}
