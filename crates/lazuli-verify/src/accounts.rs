//! The entries of a bundle by account: whether they are all, one chain, and end at proved heads.

use lazuli_tlog::Hash;

use crate::cbor::hex;
use crate::entry::kind_name;
use crate::heads::Head;
use crate::report::{Report, time};

/// The most numbers of entries of a kind that are shown.
const NUMBERS_MAX: usize = 8;

/// The kinds of accesses by others than the account's own users: operators and investigators.
const OUTSIDERS: [u8; 2] = [5, 6];

/// An entry of a bundle, as far as completeness depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The account.
    pub label: Hash,
    /// Its place among the account's entries.
    pub seq: u64,
    /// Its leaf hash.
    pub hash: Hash,
    /// The leaf hash of the entry before it.
    pub prev: Hash,
    /// What kind of operation it is about.
    pub kind: u8,
    /// When it happened, in milliseconds since 1970.
    pub t_ms: u64,
    /// Its segment.
    pub seg: u64,
}

/// What a proved map of heads says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvedHead {
    /// The account.
    pub label: Hash,
    /// The last segment that the map covers.
    pub seg: u64,
    /// When that segment was closed, if its leaf is in the bundle.
    pub t_ms: Option<u64>,
    /// The account's last entry, or that it had none.
    pub head: Option<Head>,
}

/// An account with its entries, in order, and its heads, in order.
pub struct Account<'a> {
    /// Its label.
    pub label: Hash,
    /// Its entries by sequence number.
    pub entries: &'a [Held],
    /// Its heads by segment.
    pub heads: &'a [ProvedHead],
}

/// Puts entries and heads in order by account.
pub fn sort(entries: &mut [Held], heads: &mut [ProvedHead]) {
    entries.sort_unstable_by_key(|entry| (entry.label, entry.seq));
    heads.sort_unstable_by_key(|head| (head.label, head.seg));
}

/// The accounts of sorted entries and heads.
pub fn accounts<'a>(entries: &'a [Held], heads: &'a [ProvedHead]) -> Vec<Account<'a>> {
    let mut labels: Vec<Hash> = entries.iter().map(|entry| entry.label).collect();
    labels.extend(heads.iter().map(|head| head.label));
    labels.sort_unstable();
    labels.dedup();
    labels.into_iter().map(|label| account(label, entries, heads)).collect()
}

/// One account of sorted entries and heads.
pub fn account<'a>(label: Hash, entries: &'a [Held], heads: &'a [ProvedHead]) -> Account<'a> {
    let start = entries.partition_point(|entry| entry.label < label);
    let end = entries.partition_point(|entry| entry.label <= label);
    let first = heads.partition_point(|head| head.label < label);
    let last = heads.partition_point(|head| head.label <= label);
    Account {
        label,
        entries: entries.get(start..end).unwrap_or_default(),
        heads: heads.get(first..last).unwrap_or_default(),
    }
}

/// How a kind is shown where its entries are counted.
fn kind_shown(kind: u8) -> String {
    let name = kind_name(kind);
    if OUTSIDERS.contains(&kind) { format!("{name} access") } else { name.to_owned() }
}

/// Entries by their numbers, of which the first few are shown.
fn numbers(found: &[u64]) -> String {
    let noun = if found.len() == 1 { "entry" } else { "entries" };
    let shown: Vec<String> = found.iter().take(NUMBERS_MAX).map(u64::to_string).collect();
    match (found.len(), found.len().saturating_sub(NUMBERS_MAX)) {
        (0, _) => "none".to_owned(),
        (count, 0) => format!("{count} {noun}, seq {}", shown.join(", ")),
        (count, more) => format!("{count} {noun}, seq {} and {more} more", shown.join(", ")),
    }
}

impl Account<'_> {
    /// How the account is named.
    fn name(&self) -> String {
        format!("account {}", hex(self.label.as_bytes()))
    }

    /// The entry with a sequence number.
    fn entry(&self, seq: u64) -> Option<&Held> {
        let place = self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        self.entries.get(place)
    }

    /// Holds the entries against each other and against the heads.
    pub fn check(&self, report: &mut Report) {
        let name = self.name();
        self.chain(&name, report);
        let mut newest: Option<Head> = None;
        for proved in self.heads {
            let Some(head) = proved.head else {
                self.absence(&name, proved, newest.is_some(), report);
                continue;
            };
            if newest.is_some_and(|newest| head.seq < newest.seq) {
                let what = format_args!("head mismatch: number {} after a later one", head.seq);
                report.contradiction(&name, what);
            }
            newest = Some(head);
            if self.entry(head.seq).is_some_and(|entry| entry.hash != head.hash) {
                let what = format_args!("head mismatch at number {}", head.seq);
                report.contradiction(&name, what);
            }
            let behind = head.seq.checked_add(1).and_then(|seq| self.entry(seq));
            if behind.is_some_and(|behind| behind.prev != head.hash) {
                let what = format_args!("head mismatch before number {}", head.seq + 1);
                report.contradiction(&name, what);
            }
            // Entries in an earlier segment than the one before were told by the chain.
            let end = self.entries.partition_point(|entry| entry.seg <= proved.seg);
            let covered = self.entries.get(..end).unwrap_or_default();
            if covered.last().is_some_and(|entry| entry.seq > head.seq) {
                let (seg, seq) = (proved.seg, head.seq);
                let what = format_args!("head mismatch: segment {seg} has more than number {seq}");
                report.contradiction(&name, what);
            }
        }
        self.completeness(&name, newest, report);
    }

    /// The entries follow each other without a gap, each naming the one before.
    fn chain(&self, name: &str, report: &mut Report) {
        for pair in self.entries.windows(2) {
            let [before, after] = pair else { continue };
            let wanted = before.seq.saturating_add(1);
            if after.seq == before.seq {
                report.contradiction(name, format_args!("number {} twice", after.seq));
            } else if after.seq != wanted {
                report.contradiction(name, format_args!("seq gap {wanted}"));
            } else if after.prev != before.hash {
                let what = format_args!("number {wanted} does not name the entry before it");
                report.contradiction(name, what);
            } else if after.seg < before.seg {
                let what = format_args!("number {wanted} is in an earlier segment than the last");
                report.contradiction(name, what);
            }
        }
        if let Some(first) = self.entries.first()
            && first.seq == 1
            && first.prev != Hash([0; 32])
        {
            report.contradiction(name, "number 1 names an entry before it");
        }
    }

    /// A map without the account.
    fn absence(&self, name: &str, proved: &ProvedHead, was_there: bool, report: &mut Report) {
        let seg = proved.seg;
        if was_there || self.entries.iter().any(|entry| entry.seg <= seg) {
            let what = format_args!("head mismatch: the map of segment {seg} denies the account");
            report.contradiction(name, what);
        } else {
            report.fact(format!("{name}: has no entries up to segment {seg}: proved"));
        }
    }

    /// Says which entries are proved to be all.
    fn completeness(&self, name: &str, newest: Option<Head>, report: &mut Report) {
        let (first, last) = (self.entries.first(), self.entries.last());
        let Some(newest) = newest else {
            if last.is_some() {
                report.missing(name, "no head proves which entry is the last");
            }
            return;
        };
        // Between two maps of heads every entry is wanted; before the only one, those that are there.
        let is_bracketed = self.heads.len() > 1;
        let oldest = self.heads.first().and_then(|proved| proved.head).map_or(0, |head| head.seq);
        let gap = oldest.saturating_add(1);
        let Some((first, last)) = first.zip(last) else {
            if is_bracketed && oldest < newest.seq {
                report.contradiction(name, format_args!("seq gap {gap}"));
            } else if is_bracketed {
                report.fact(format!("{name}: no entries between its heads: proved"));
                self.kinds(newest.seq, report);
            } else {
                report.fact(format!("{name}: its last entry is number {}: proved", newest.seq));
                report.not_proved(format!("what {name} did: none of its entries is there"));
            }
            return;
        };
        if last.seq < newest.seq {
            let gap = last.seq.saturating_add(1);
            return report.contradiction(name, format_args!("seq gap {gap}"));
        }
        if is_bracketed && oldest < newest.seq && first.seq > gap {
            return report.contradiction(name, format_args!("seq gap {gap}"));
        }
        if first.seq > newest.seq {
            return self.behind(name, (first.seq, last.seq), (newest.seq, is_bracketed), report);
        }
        let (from, to) = (first.seq, newest.seq);
        report.fact(format!("{name}: numbers {from} to {to} are all there: proved"));
        self.kinds(to, report);
        self.beginning(name, from, report);
        if last.seq > to {
            report.not_proved(format!("that number {} of {name} is its last", last.seq));
        }
    }

    /// Says what is not proved of the time before the first entry that is there.
    fn beginning(&self, name: &str, first: u64, report: &mut Report) {
        let is_before = |head: Head| head.seq < first;
        if first == 1 {
            report.fact(format!("{name}: number 1 is its first entry"));
        } else if self.heads.iter().filter_map(|proved| proved.head).any(is_before) {
            report.not_proved(format!("what {name} did before number {first}"));
        } else {
            let why = format!("no head is from before number {first}");
            report.not_proved(format!("where the entries of {name} begin: {why}"));
        }
    }

    /// All entries that are there came after the newest head.
    fn behind(
        &self,
        name: &str,
        (first, last): (u64, u64),
        (newest, is_bracketed): (u64, bool),
        report: &mut Report,
    ) {
        if is_bracketed {
            report.fact(format!("{name}: no entries between heads at number {newest}: proved"));
            self.kinds(newest, report);
        } else {
            let what = format_args!("its newest head is number {newest}, and no head covers more");
            report.missing(name, what);
        }
        let what = format!("that numbers {first} to {last} of {name} are all after {newest}");
        report.not_proved(what);
    }

    /// Says which entries of each kind there are up to number `last`, where they are proved to be all:
    /// of a kind that is not there, that it is not.
    fn kinds(&self, last: u64, report: &mut Report) {
        for kind in 1..=8 {
            let is_of_kind = |entry: &&Held| entry.kind == kind && entry.seq <= last;
            let found = self.entries.iter().filter(is_of_kind).map(|entry| entry.seq);
            let found: Vec<u64> = found.collect();
            report.fact(format!("  {}: {}", kind_shown(kind), numbers(&found)));
        }
    }

    /// Holds the claim that the entries from number `from` on are there against the entries.
    pub fn from(&self, from: u64, report: &mut Report) {
        let name = self.name();
        let head = self.heads.iter().map(|proved| proved.head.map_or(0, |head| head.seq)).max();
        let last = self.entries.last().map(|entry| entry.seq);
        let Some(last) = last.max(head) else {
            let what = format_args!("no head proves whether there is a number {from}");
            return report.missing(name, what);
        };
        let first = self.entries.first().map(|entry| entry.seq);
        // Without entries the number is of one that came after all heads.
        if first.map_or(last >= from, |first| first > from) {
            report.contradiction(name, format_args!("seq gap {from}: claimed to be there"));
        } else {
            report.fact(format!("{name}: begins with number {from}, as claimed"));
        }
    }

    /// Holds the claim that no entry of `kind` falls between two times against the entries.
    pub fn absent(&self, kind: u8, (from_ms, to_ms): (u64, u64), report: &mut Report) {
        let (name, kind_name) = (self.name(), kind_name(kind));
        let claim = format!("no {kind_name} between {} and {}", time(from_ms), time(to_ms));
        let falls_in = |entry: &&Held| (from_ms..=to_ms).contains(&entry.t_ms);
        let found = self.entries.iter().filter(falls_in).find(|entry| entry.kind == kind);
        if let Some(entry) = found {
            let what = format_args!("claimed: {claim}; number {} is one", entry.seq);
            return report.contradiction(name, what);
        }
        let is_before = |proved: &&ProvedHead| proved.t_ms.is_some_and(|t_ms| t_ms <= from_ms);
        let is_after = |proved: &&ProvedHead| proved.t_ms.is_some_and(|t_ms| t_ms >= to_ms);
        let seq = |proved: &ProvedHead| proved.head.map_or(0, |head| head.seq);
        let first = self.heads.iter().rfind(is_before).map_or(0, seq);
        let Some(last) = self.heads.iter().find(is_after).map(seq) else {
            return report.missing(name, format_args!("{claim}: no head from after that time"));
        };
        let is_wanted = |entry: &&Held| entry.seq > first && entry.seq <= last;
        let have = self.entries.iter().filter(is_wanted).count() as u64;
        if have == last.saturating_sub(first) {
            report.fact(format!("{name}: {claim}: proved"));
        } else {
            report.missing(name, format_args!("{claim}: not all entries of that time are there"));
        }
        report.not_proved("that an entry was logged within the time that it states");
    }
}
