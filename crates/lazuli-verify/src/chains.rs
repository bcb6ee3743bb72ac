//! The chains of the accounts: every entry names the one before it, and none is left out.

use std::collections::BTreeMap;
use std::fmt;

use lazuli_tlog::Hash;

use crate::cbor::hex;
use crate::entry::Entry;
use crate::heads::{self, Head};
use crate::report::Report;

/// The most accounts that are followed. Labels may come in the order that fills the nodes of the map
/// least: then an account takes 200 bytes of it, and all of them 50 MiB beside the largest segment.
pub const ACCOUNTS_MAX: usize = 1 << 18;

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
pub struct EntryPlace<'a> {
    /// The file that it stands in, as it is shown.
    pub file: &'a str,
    /// Its segment.
    pub seg: u64,
    /// Its place in the segment.
    pub index: usize,
}

impl fmt::Display for EntryPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: segment {} index {}", self.file, self.seg, self.index)
    }
}

/// The last entry of an account, and where it stands.
#[derive(Clone, Copy, Debug)]
struct Link {
    head: Head,
    seg: u64,
    index: usize,
    /// How often segments were missing before it.
    gaps: u32,
}

/// The chains of all accounts, segment after segment.
#[derive(Debug, Default)]
pub struct Chains {
    accounts: BTreeMap<Hash, Link>,
    gaps: u32,
    entries: u64,
    overflow: bool,
}

impl Chains {
    /// Says that segments before the next entry are not known.
    pub fn skip(&mut self) {
        self.gaps += 1;
    }

    /// Whether every segment so far is known, and every account followed.
    pub const fn is_complete(&self) -> bool {
        self.gaps == 0 && !self.overflow
    }

    /// How many entries and accounts there were.
    pub fn counts(&self) -> (u64, usize) {
        (self.entries, self.accounts.len())
    }

    /// The root of the map of heads.
    pub fn heads_root(&self) -> Hash {
        heads::root(self.accounts.iter().map(|(label, link)| (label, link.head)))
    }

    /// Holds the next entry, whose leaf hash is `hash`, against the one before it.
    pub fn next(
        &mut self,
        place: &EntryPlace<'_>,
        entry: &Entry<'_>,
        hash: Hash,
        report: &mut Report,
    ) {
        self.entries += 1;
        let account = || hex(entry.label.as_bytes());
        let last = self.accounts.get(&entry.label).copied();
        match last {
            Some(last) => self.follows(place, entry, last, report),
            None if self.accounts.len() >= ACCOUNTS_MAX => {
                if !self.overflow {
                    report.missing(place, format_args!("more than {ACCOUNTS_MAX} accounts"));
                }
                self.overflow = true;
                return;
            }
            None if self.is_complete() => {
                if entry.seq != 1 {
                    let what = format_args!("seq gap 1: account {} begins later", account());
                    report.contradiction(place, what);
                } else if entry.prev != Hash([0; 32]) {
                    let what = format_args!("the first entry of account {} names one", account());
                    report.contradiction(place, what);
                }
            }
            None => {}
        }
        let head = Head { seq: entry.seq, hash };
        let link = Link { head, seg: place.seg, index: place.index, gaps: self.gaps };
        self.accounts.insert(entry.label, link);
    }

    /// Holds an entry against the account's last one.
    fn follows(&self, place: &EntryPlace<'_>, entry: &Entry<'_>, last: Link, report: &mut Report) {
        let (account, Link { head, seg, index, .. }) = (hex(entry.label.as_bytes()), last);
        let wanted = head.seq.saturating_add(1);
        if entry.seq == wanted {
            if entry.prev != head.hash {
                let what = format_args!(
                    "number {wanted} of account {account} does not name the entry before it, \
                     segment {seg} index {index}"
                );
                report.contradiction(place, what);
            }
        } else if entry.seq < wanted {
            let what = format_args!("number {} of account {account} again", entry.seq);
            report.contradiction(place, what);
        } else if last.gaps == self.gaps {
            let what = format_args!("seq gap {wanted} of account {account}");
            report.contradiction(place, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, prev: Hash) -> Entry<'static> {
        let (label, fields_root) = (Hash([1; 32]), Hash([2; 32]));
        Entry { kind: 2, op: "op", site: 1, boot: 1, t_ms: 0, label, seq, prev, fields_root }
    }

    fn report(entries: &[Option<Entry<'_>>]) -> String {
        let (mut chains, mut report) = (Chains::default(), Report::new());
        for (index, entry) in entries.iter().enumerate() {
            let place = EntryPlace { file: "seg/0", seg: 0, index };
            match entry {
                Some(entry) => chains.next(&place, entry, entry.leaf_hash(), &mut report),
                None => chains.skip(),
            }
        }
        report.to_string()
    }

    #[test]
    fn chains_are_dense_and_linked() {
        let (zero, first) = (Hash([0; 32]), entry(1, Hash([0; 32])));
        let second = entry(2, first.leaf_hash());
        assert!(report(&[Some(first), Some(second)]).contains("verdict: verified"));
        let cases = [
            (vec![Some(second)], "seg/0: segment 0 index 0: seq gap 1"),
            (vec![Some(entry(1, first.leaf_hash()))], "index 0: the first entry of account 0101"),
            (vec![Some(first), Some(entry(2, zero))], "index 1: number 2 of account 0101"),
            (vec![Some(first), Some(first)], "index 1: number 1 of account 0101"),
            (vec![Some(first), Some(entry(3, zero))], "index 1: seq gap 2 of account 0101"),
        ];
        for (entries, finding) in cases {
            let text = report(&entries);
            assert!(text.contains("contradiction: seg/0: segment 0") && text.contains(finding));
        }
        let after_a_gap = [Some(first), None, Some(entry(5, zero)), Some(entry(7, zero))];
        let text = report(&after_a_gap);
        assert_eq!(text.matches("contradiction: ").count(), 1, "{text}");
        assert!(text.contains("index 3: seq gap 6"), "{text}");
    }
}
