//! The leaves of the spine, read one by one and held against those before them.

use lazuli_tlog::{Hash, leaf_hash};

use crate::cbor::{CborError, Flaw, Reader};
use crate::report::{Report, time};

/// The longest time without any leaf that needs no mention: ten seconds of a heartbeat, and slack.
const SILENCE_MS: u64 = 15_000;

/// How many gaps are told one by one.
const GAPS_SHOWN_MAX: u64 = 100;

/// A closed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The site.
    pub site: u64,
    /// Its number.
    pub n: u64,
    /// The number of the server's start.
    pub boot: u32,
    /// When it was opened, in milliseconds since 1970.
    pub t0_ms: u64,
    /// When it was closed.
    pub t1_ms: u64,
    /// The root of the tree over its entries.
    pub root: Hash,
    /// The leaf hash of the previous segment's leaf.
    pub prev: Hash,
}

/// The heads of all accounts, as of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The site.
    pub site: u64,
    /// The last segment that they cover.
    pub n: u64,
    /// When they were taken, in milliseconds since 1970.
    pub t_ms: u64,
    /// The root of the map.
    pub root: Hash,
}

/// A leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// A segment was closed.
    Segment(Segment),
    /// The heads of all accounts.
    Heads(Heads),
    /// Somebody signed a statement.
    Statement {
        /// The site.
        site: u64,
        /// When it was logged, in milliseconds since 1970.
        t_ms: u64,
        /// What it is.
        kind: &'a str,
        /// The SHA-256 of the signed envelope.
        digest: Hash,
    },
    /// Something happened to the log itself.
    Event {
        /// The site.
        site: u64,
        /// The number of the server's start.
        boot: u32,
        /// When it was logged, in milliseconds since 1970.
        t_ms: u64,
        /// `heartbeat`, `boot`, `gap` or `shutdown`.
        what: &'a str,
        /// The beginning and the end of the time that it is about.
        span_ms: (u64, u64),
    },
}

impl<'a> Leaf<'a> {
    /// Reads bytes that are exactly one leaf.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let count = reader.array_up_to(10)?;
        reader.version(1)?;
        let unknown = reader.error(Flaw::Version);
        let leaf = match (reader.uint()?, count) {
            (1, 10) => Self::Segment(segment(&mut reader)?),
            (2, 6) => Self::Heads(Heads {
                site: reader.uint()?,
                n: reader.uint()?,
                t_ms: reader.uint()?,
                root: reader.hash()?,
            }),
            (4, 6) => Self::Statement {
                site: reader.uint()?,
                t_ms: reader.uint()?,
                kind: reader.text()?,
                digest: reader.hash()?,
            },
            (5, 10) => event(&mut reader)?,
            _ => return Err(unknown),
        };
        reader.end()?;
        Ok(leaf)
    }
}

fn segment(reader: &mut Reader<'_>) -> Result<Segment, CborError> {
    let (site, n, boot) = (reader.uint()?, reader.uint()?, reader.uint32()?);
    let (t0_ms, t1_ms, root) = (reader.uint()?, reader.uint()?, reader.hash()?);
    // The commitment to the count can be opened by nobody but the server.
    let (_count, prev) = (reader.hash()?, reader.hash()?);
    Ok(Segment { site, n, boot, t0_ms, t1_ms, root, prev })
}

fn event<'a>(reader: &mut Reader<'a>) -> Result<Leaf<'a>, CborError> {
    let (site, boot, t_ms) = (reader.uint()?, reader.uint32()?, reader.uint()?);
    let unknown = reader.error(Flaw::Version);
    let what = reader.text()?;
    if !matches!(what, "heartbeat" | "boot" | "gap" | "shutdown") {
        return Err(unknown);
    }
    let (_binary, _configuration) = (reader.hash()?, reader.hash()?);
    Ok(Leaf::Event { site, boot, t_ms, what, span_ms: (reader.uint()?, reader.uint()?) })
}

/// What the leaves so far said, against which the next one is held.
#[derive(Debug, Default)]
pub struct Rules {
    site: Option<u64>,
    boot: u32,
    /// Number, leaf hash and end of the last segment.
    segment: Option<(u64, Hash, u64)>,
    heads: Option<(u64, u64)>,
    event_ms: u64,
    newest_ms: u64,
    /// Whether leaves were left out before the next one.
    skipped: bool,
    /// Whether leaves were left out since the last segment, among which others may have been.
    segments_skipped: bool,
    counts: Counts,
}

/// How many leaves of each type there were.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    segments: u64,
    heads: u64,
    statements: u64,
    heartbeats: u64,
    boots: u64,
    gaps: u64,
    shutdowns: u64,
}

impl Rules {
    /// Says that the leaves before the next one are not known.
    pub fn skip(&mut self) {
        self.skipped = true;
        self.segments_skipped = true;
    }

    /// The number and the end of the last segment.
    pub fn last_segment(&self) -> Option<(u64, u64)> {
        self.segment.map(|(n, _, t1_ms)| (n, t1_ms))
    }

    /// Reads the next leaf and holds it against those before; `place` names it.
    pub fn next<'a>(
        &mut self,
        place: &str,
        bytes: &'a [u8],
        report: &mut Report,
    ) -> Option<Leaf<'a>> {
        let leaf = match Leaf::parse(bytes) {
            Ok(leaf) => leaf,
            Err(error) => {
                report.contradiction(place, format_args!("not a leaf of the spine: {error}"));
                return None;
            }
        };
        let (site, t_ms) = match &leaf {
            Leaf::Segment(segment) => (segment.site, segment.t1_ms),
            Leaf::Heads(heads) => (heads.site, heads.t_ms),
            Leaf::Statement { site, t_ms, .. } | Leaf::Event { site, t_ms, .. } => (*site, *t_ms),
        };
        if *self.site.get_or_insert(site) != site {
            report.contradiction(place, format_args!("site {site} in the log of another site"));
        }
        let silence = t_ms.saturating_sub(self.newest_ms);
        if silence > SILENCE_MS && self.newest_ms > 0 && !self.skipped {
            let (from, to) = (time(self.newest_ms), time(t_ms));
            report.note(format!("{place}: no leaf between {from} and {to}"));
        }
        match &leaf {
            Leaf::Segment(segment) => self.segment(place, segment, leaf_hash(bytes), report),
            Leaf::Heads(heads) => self.heads(place, heads, report),
            Leaf::Statement { .. } => self.counts.statements += 1,
            Leaf::Event { boot, t_ms, what, span_ms, .. } => {
                self.count_event(what);
                self.boot(place, *boot, report);
                self.event(place, (*t_ms, what, *span_ms), report);
            }
        }
        self.newest_ms = self.newest_ms.max(t_ms);
        self.skipped = false;
        Some(leaf)
    }

    /// A segment follows the one before: in number, hash and time.
    fn segment(&mut self, place: &str, segment: &Segment, hash: Hash, report: &mut Report) {
        let Segment { n, t0_ms, t1_ms, .. } = *segment;
        self.counts.segments += 1;
        self.boot(place, segment.boot, report);
        if t0_ms > t1_ms {
            report.contradiction(place, format_args!("segment {n} ends before it begins"));
        }
        match self.segment {
            None if !self.segments_skipped && segment.prev != Hash([0; 32]) => {
                report.contradiction(place, format_args!("segment {n} is first and names another"));
            }
            Some((last, last_hash, last_ms)) => {
                let follows = last.checked_add(1) == Some(n);
                if !(follows || self.segments_skipped && n > last) {
                    report.contradiction(place, format_args!("segment {n} after segment {last}"));
                }
                if follows && segment.prev != last_hash {
                    report
                        .contradiction(place, format_args!("segment {n} names another before it"));
                }
                if t0_ms < last_ms {
                    let what = format_args!("segment {n} begins before segment {last} ends");
                    report.contradiction(place, what);
                }
            }
            None => {}
        }
        // What heads behind leaves that were left out cover is known only now.
        if let Some((covered, _)) = self.heads.filter(|(covered, _)| *covered >= n)
            && self.segments_skipped
        {
            let what = format_args!("segment {n} after heads of segment {covered}");
            report.contradiction(place, what);
        }
        self.segment = Some((n, hash, t1_ms));
        self.segments_skipped = false;
    }

    /// Heads cover segments that were closed before, and go forward.
    fn heads(&mut self, place: &str, heads: &Heads, report: &mut Report) {
        self.counts.heads += 1;
        let last = self.segment.map(|(n, ..)| n);
        if !self.segments_skipped && last.is_none_or(|last| heads.n > last) {
            let what = format_args!("heads of segment {}, which is not closed yet", heads.n);
            report.contradiction(place, what);
        }
        if self.heads.is_some_and(|(n, t_ms)| heads.n < n || heads.t_ms < t_ms) {
            report.contradiction(place, "heads that are older than the heads before");
        }
        self.heads = Some((heads.n, heads.t_ms));
    }

    /// Events go forward in time; gaps are told.
    fn event(&mut self, place: &str, event: (u64, &str, (u64, u64)), report: &mut Report) {
        let (t_ms, what, (from, to)) = event;
        if t_ms < self.event_ms || from > to {
            report.contradiction(place, format_args!("a {what} that goes back in time"));
        }
        self.event_ms = self.event_ms.max(t_ms);
        let (from, to) = (time(from), time(to));
        match what {
            "gap" => {
                let reads = format!("reads between {from} and {to} may have no entry");
                report.note(format!("{place}: gap: {reads}"));
                if self.counts.gaps <= GAPS_SHOWN_MAX {
                    report.not_proved(format!("that the log has all reads: {reads}"));
                }
            }
            "boot" | "shutdown" => report.note(format!("{place}: {what} at {}", time(t_ms))),
            _ => {}
        }
    }

    fn count_event(&mut self, what: &str) {
        match what {
            "heartbeat" => self.counts.heartbeats += 1,
            "boot" => self.counts.boots += 1,
            "gap" => self.counts.gaps += 1,
            _ => self.counts.shutdowns += 1,
        }
    }

    /// The numbers of starts go up.
    fn boot(&mut self, place: &str, boot: u32, report: &mut Report) {
        if boot < self.boot {
            report.contradiction(place, format_args!("start {boot} after start {}", self.boot));
        }
        self.boot = self.boot.max(boot);
    }

    /// Says what there was.
    pub fn summarise(&self, report: &mut Report) {
        let Counts { segments, heads, statements, heartbeats, boots, gaps, shutdowns } =
            self.counts;
        if let Some(more @ 1..) = gaps.checked_sub(GAPS_SHOWN_MAX) {
            report.not_proved(format!("that the log has all reads: there are {more} more gaps"));
        }
        report.fact(format!(
            "spine: {segments} segments, {heads} maps of heads, {statements} statements, \
             {heartbeats} heartbeats, {boots} starts, {gaps} gaps, {shutdowns} shutdowns"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_evidence::spine as written;

    fn segment(n: u64, prev: [u8; 32]) -> written::Leaf<'static> {
        written::Leaf::Segment(written::Segment {
            site: 1,
            n,
            boot: 1,
            t0_ms: n * 1000,
            t1_ms: n * 1000 + 1000,
            root: [3; 32],
            count_commitment: [4; 32],
            prev,
        })
    }

    fn event(t_ms: u64, what: written::What, from_ms: u64) -> written::Leaf<'static> {
        written::Leaf::Event(written::Event {
            site: 1,
            boot: 1,
            t_ms,
            what,
            binary_digest: [1; 32],
            config_digest: [2; 32],
            from_ms,
            to_ms: t_ms,
        })
    }

    /// The report on leaves in a row.
    fn report(leaves: &[written::Leaf<'_>]) -> String {
        let (mut rules, mut report) = (Rules::default(), Report::new());
        for (index, leaf) in leaves.iter().enumerate() {
            rules.next(&format!("leaf {index}"), &leaf.encode(), &mut report);
        }
        rules.summarise(&mut report);
        report.to_string()
    }

    fn heads(n: u64, t_ms: u64) -> written::Leaf<'static> {
        written::Leaf::Heads(written::Heads { site: 1, n, t_ms, root: [0; 32] })
    }

    #[test]
    fn a_spine_of_the_server_has_no_contradictions() {
        let (boot, first) = (event(0, written::What::Boot, 0), segment(0, [0; 32]));
        let second = segment(1, first.leaf_hash());
        let statement =
            written::Statement { site: 1, t_ms: 2500, kind: "location", digest: [0; 32] };
        let gap = event(3000, written::What::Gap, 2500);
        let leaves =
            [boot, first, second, heads(1, 2400), written::Leaf::Statement(statement), gap];
        let text = report(&leaves);
        assert!(text.contains("verdict: verified\n"), "{text}");
        assert!(text.contains("2 segments, 1 maps of heads, 1 statements, 0 heartbeats, 1 starts"));
        assert!(text.contains("leaf 5: gap: reads between 1970-01-01T00:00:02.500Z and"), "{text}");
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let (first, beat) = (segment(0, [0; 32]), written::What::Heartbeat);
        let cases: [(&[written::Leaf<'_>], &str); 8] = [
            (&[segment(0, [1; 32])], "leaf 0: segment 0 is first and names another"),
            (&[first, segment(2, first.leaf_hash())], "leaf 1: segment 2 after segment 0"),
            (&[first, first], "leaf 1: segment 0 after segment 0"),
            (&[first, segment(1, [9; 32])], "leaf 1: segment 1 names another before it"),
            (&[first, heads(1, 5)], "leaf 1: heads of segment 1, which is not closed yet"),
            (&[first, heads(0, 9), heads(0, 8)], "leaf 2: heads that are older"),
            (&[event(9, beat, 9), event(8, beat, 8)], "leaf 1: a heartbeat that goes back in time"),
            (&[event(9, beat, 10)], "leaf 0: a heartbeat that goes back in time"),
        ];
        for (leaves, finding) in cases {
            let text = report(leaves);
            assert!(text.contains(&format!("contradiction: {finding}")), "{finding}: {text}");
        }
        let torn = report(&vec![event(9, written::What::Gap, 1); 150]);
        assert_eq!(torn.matches("\n- that the log has all reads: reads between").count(), 1);
        assert!(
            torn.contains("\n- that the log has all reads: there are 50 more gaps\n"),
            "{torn}"
        );
        let silent = report(&[event(1000, beat, 0), event(99_000, beat, 0)]);
        assert!(silent.contains("note: leaf 1: no leaf between"), "{silent}");
    }

    /// The report on leaves in a row of which those at some places are left out.
    fn report_without(leaves: &[written::Leaf<'_>], left_out: &[usize]) -> String {
        let (mut rules, mut report) = (Rules::default(), Report::new());
        for (index, leaf) in leaves.iter().enumerate() {
            if left_out.contains(&index) {
                rules.skip();
            } else {
                rules.next(&format!("leaf {index}"), &leaf.encode(), &mut report);
            }
        }
        report.to_string()
    }

    #[test]
    fn whatever_is_left_out_of_an_honest_spine_contradicts_nothing() {
        let beat = |t_ms| event(t_ms, written::What::Heartbeat, t_ms);
        let first = segment(0, [0; 32]);
        let second = segment(1, first.leaf_hash());
        let third = segment(2, second.leaf_hash());
        let fourth = segment(3, third.leaf_hash());
        let leaves = [
            event(0, written::What::Boot, 0),
            first,
            beat(1500),
            second,
            heads(1, 2100),
            beat(2500),
            third,
            heads(2, 3100),
            fourth,
        ];
        for left_out in 0..1_u32 << leaves.len() {
            let places: Vec<usize> =
                (0..leaves.len()).filter(|place| left_out >> place & 1 == 1).collect();
            let text = report_without(&leaves, &places);
            assert!(text.contains("verdict: verified\n"), "without {places:?}: {text}");
        }
        // What cannot be among the leaves that were left out is found all the same.
        let lies = [first, beat(1500), heads(2, 1600), third];
        let text = report_without(&lies, &[1]);
        assert!(text.contains("leaf 3: segment 2 after heads of segment 2"), "{text}");
        let text = report_without(&[third, beat(3500), beat(3600), second], &[1]);
        assert!(text.contains("leaf 3: segment 1 after segment 2"), "{text}");
    }

    #[test]
    fn other_bytes_are_refused() {
        let leaves = [segment(5, [1; 32]), event(5, written::What::Gap, 1), heads(1, 1)];
        for leaf in leaves {
            let bytes = leaf.encode();
            assert!(Leaf::parse(&bytes).is_ok());
            for length in 0..bytes.len() {
                assert!(Leaf::parse(&bytes[..length]).is_err());
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(Leaf::parse(&longer).unwrap_err().flaw, Flaw::Trailing);
            let mut other = bytes;
            other[2] = 3;
            assert_eq!(Leaf::parse(&other).unwrap_err(), CborError { at: 2, flaw: Flaw::Version });
        }
    }
}
