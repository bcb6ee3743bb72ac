//! Whether entries are all: numbered without a gap, each naming the one before, from one proved head
//! of the account to another.

use std::fmt;

use lazuli_evidence::heads::Head;
use lazuli_evidence::{Digest, Entry, NO_PREVIOUS};

/// A chain of entries between heads.
pub(super) struct Chain {
    /// The last entry so far; number 0 before the first.
    last: Head,
    /// The number before the first entry.
    before: u64,
    /// The heads that are yet to be reached, with the last segment that they cover.
    heads: Vec<(u64, Head)>,
    /// The number up to which a head proves that the entries are all.
    proved: Option<u64>,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    before: u64,
    last: u64,
    proved: Option<u64>,
}

impl Chain {
    /// A chain that begins with segment `first`; `heads` are those of the maps up to a segment.
    pub(super) fn new(first: u64, mut heads: Vec<(u64, Option<Head>)>) -> Self {
        heads.sort_unstable_by_key(|(n, _)| *n);
        let none = Head { seq: 0, hash: NO_PREVIOUS };
        let mut heads: Vec<_> =
            heads.into_iter().map(|(n, head)| (n, head.unwrap_or(none))).collect();
        let is_before = |(n, _): &(u64, Head)| *n < first;
        let earlier = heads.iter().rposition(is_before).map(|place| heads.remove(place).1);
        let last = earlier.unwrap_or(none);
        Self { last, before: last.seq, heads, proved: None }
    }

    /// Takes the next entry; the error says what is wrong.
    pub(super) fn next(&mut self, seg: u64, entry: &Entry<'_>, hash: Digest) -> Result<(), String> {
        self.reach(seg)?;
        let wanted = self.last.seq + 1;
        if entry.seq != wanted {
            return Err(format!("number {wanted} of the account is missing"));
        }
        if entry.prev != self.last.hash {
            return Err(format!("number {wanted} does not name the entry before it"));
        }
        self.last = Head { seq: wanted, hash };
        Ok(())
    }

    /// Holds the chain against the heads of maps before segment `seg`.
    fn reach(&mut self, seg: u64) -> Result<(), String> {
        while let Some((n, head)) = self.heads.first().copied().filter(|(n, _)| *n < seg) {
            if head != self.last {
                return Err(format!(
                    "the head as of segment {n} is number {}, and the last entry is {}",
                    head.seq, self.last.seq
                ));
            }
            self.proved = Some(head.seq);
            self.heads.remove(0);
        }
        Ok(())
    }

    /// Ends the chain.
    pub(super) fn finish(mut self) -> Result<Verdict, String> {
        self.reach(u64::MAX)?;
        Ok(Verdict { before: self.before, last: self.last.seq, proved: self.proved })
    }
}

impl Verdict {
    /// The number that the entries begin with.
    pub(super) const fn first(&self) -> u64 {
        self.before + 1
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, last, proved } = *self;
        let first = self.first();
        match proved {
            Some(proved) if proved > before => {
                write!(f, "complete: numbers {first} to {proved} are all there")?;
            }
            Some(_) => f.write_str("complete: no entries up to the last map of heads")?,
            None => f.write_str("not proved complete yet: heads are logged once a minute")?,
        }
        let open = proved.unwrap_or(before) + 1;
        if open <= last {
            write!(f, "; numbers {open} to {last} came after")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lazuli_evidence::Kind;

    use super::*;

    fn entry(seq: u64, prev: Digest) -> Entry<'static> {
        let (kind, op, label, fields_root) = (Kind::Write, "op", [1; 32], [2; 32]);
        Entry { kind, op, site: 1, boot: 1, t_ms: 0, label, seq, prev, fields_root }
    }

    /// A map of heads as of segment `n` in which the account's last entry is number `seq`.
    fn head(n: u64, seq: u64) -> (u64, Option<Head>) {
        (n, Some(Head { seq, hash: [seq as u8; 32] }))
    }

    /// Takes entries, each a segment and a number, whose hash is their number.
    fn run(
        first: u64,
        heads: Vec<(u64, Option<Head>)>,
        entries: &[(u64, u64)],
    ) -> Result<String, String> {
        let mut chain = Chain::new(first, heads);
        for (seg, seq) in entries {
            let prev = [*seq as u8 - 1; 32];
            chain.next(*seg, &entry(*seq, prev), [*seq as u8; 32])?;
        }
        chain.finish().map(|verdict| verdict.to_string())
    }

    #[test]
    fn chains_are_complete_from_head_to_head() {
        let ok = |text: &str| Ok(text.to_owned());
        let all = run(0, vec![head(9, 2)], &[(3, 1), (5, 2), (11, 3)]);
        assert_eq!(all, ok("complete: numbers 1 to 2 are all there; numbers 3 to 3 came after"));
        let part = run(5, vec![head(4, 2), head(9, 4)], &[(5, 3), (9, 4)]);
        assert_eq!(part, ok("complete: numbers 3 to 4 are all there"));
        let none = run(5, vec![head(4, 2), head(9, 2)], &[]);
        assert_eq!(none, ok("complete: no entries up to the last map of heads"));
        let early = run(0, vec![], &[(0, 1)]);
        let text = "not proved complete yet: heads are logged once a minute; numbers 1 to 1";
        assert!(early.unwrap().starts_with(text));
    }

    #[test]
    fn what_is_missing_is_named() {
        let wrong = |result: Result<String, String>, text: &str| {
            assert!(result.unwrap_err().contains(text), "{text}");
        };
        wrong(run(0, vec![], &[(0, 2)]), "number 1 of the account is missing");
        wrong(run(0, vec![], &[(0, 1), (1, 3)]), "number 2 of the account is missing");
        wrong(run(0, vec![head(9, 2)], &[(3, 1)]), "number 2, and the last entry is 1");
        wrong(run(5, vec![head(4, 2), head(9, 3)], &[]), "number 3, and the last entry is 2");
        let mut chain = Chain::new(0, vec![]);
        let named = chain.next(0, &entry(1, [5; 32]), [1; 32]);
        assert!(named.unwrap_err().contains("does not name"));
    }
}
