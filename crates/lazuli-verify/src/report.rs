//! What a verification found, how it is printed, and the code that the program ends with.

use std::fmt;

/// The most findings of one kind that are printed; the rest is counted.
const PRINTED_MAX: usize = 1000;

/// How a verification ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that is there fits together.
    Verified,
    /// Something contradicts something else.
    Contradiction,
    /// Nothing contradicts, but something that is needed is not there.
    Missing,
    /// Everything fits together, but too few witnesses vouch for it.
    BelowQuorum,
    /// The program was called wrongly.
    Usage,
}

impl Exit {
    /// The exit code of the program.
    pub const fn code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Contradiction => 1,
            Self::Missing => 2,
            Self::BelowQuorum => 3,
            Self::Usage => 64,
        }
    }

    /// The word for it.
    const fn verdict(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Contradiction => "contradiction",
            Self::Missing => "evidence missing",
            Self::BelowQuorum => "verified, but UNWITNESSED: below the quorum of the policy",
            Self::Usage => "not verified: the program was called wrongly",
        }
    }
}

/// The most bytes of a finding that are printed.
const FINDING_BYTES_MAX: usize = 4096;

/// Findings of one kind.
#[derive(Clone, Debug, Default)]
struct Findings {
    printed: Vec<String>,
    count: usize,
}

impl Findings {
    fn add(&mut self, mut finding: String) {
        finding.truncate(finding.floor_char_boundary(FINDING_BYTES_MAX));
        // Two checks may come upon the same thing, one after the other.
        if self.printed.last() == Some(&finding) {
            return;
        }
        self.count += 1;
        if self.printed.len() < PRINTED_MAX {
            self.printed.push(finding);
        }
    }

    fn print(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.printed.iter().try_for_each(|finding| writeln!(f, "{kind}{finding}"))?;
        match self.count - self.printed.len() {
            0 => Ok(()),
            more => writeln!(f, "{kind}and {more} more"),
        }
    }
}

/// A report. Its `Display` is what the program prints.
#[derive(Clone, Debug, Default)]
pub struct Report {
    facts: Findings,
    notes: Findings,
    contradictions: Findings,
    missing: Findings,
    below_quorum: Option<String>,
    not_proved: Findings,
    is_of_wrong_call: bool,
}

impl Report {
    /// A report of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The report of a program that was called wrongly and verified nothing.
    pub fn of_wrong_call() -> Self {
        let mut report = Self { is_of_wrong_call: true, ..Self::default() };
        report.not_proved("anything: nothing was verified");
        report
    }

    /// Something that was verified.
    pub fn fact(&mut self, fact: impl Into<String>) {
        self.facts.add(fact.into());
    }

    /// Something worth knowing that changes nothing.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.add(note.into());
    }

    /// Something that cannot be true together with the rest; `place` says where it stands.
    pub fn contradiction(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        self.contradictions.add(format!("{place}: {what}"));
    }

    /// Something that is needed and not there.
    pub fn missing(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        self.missing.add(format!("{place}: {what}"));
    }

    /// The witnesses that vouch are too few.
    pub fn below_quorum(&mut self, what: impl Into<String>) {
        self.below_quorum = Some(what.into());
    }

    /// Something that this evidence cannot show, however well it fits together.
    pub fn not_proved(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.not_proved.printed.contains(&what) {
            self.not_proved.add(what);
        }
    }

    /// How many contradictions there are.
    pub const fn contradictions(&self) -> usize {
        self.contradictions.count
    }

    /// Whether nothing contradicts and nothing is missing.
    pub const fn is_clean(&self) -> bool {
        self.contradictions.count == 0 && self.missing.count == 0
    }

    /// How the verification ends: the worst that was found.
    pub const fn exit(&self) -> Exit {
        if self.is_of_wrong_call {
            Exit::Usage
        } else if self.contradictions.count > 0 {
            Exit::Contradiction
        } else if self.missing.count > 0 {
            Exit::Missing
        } else if self.below_quorum.is_some() {
            Exit::BelowQuorum
        } else {
            Exit::Verified
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.print("", f)?;
        self.notes.print("note: ", f)?;
        self.missing.print("missing: ", f)?;
        self.contradictions.print("contradiction: ", f)?;
        if let Some(what) = &self.below_quorum {
            writeln!(f, "unwitnessed: {what}")?;
        }
        writeln!(f, "\nverdict: {}\n\nNot proved by this evidence", self.exit().verdict())?;
        self.not_proved.print("- ", f)?;
        writeln!(f, "- that no other server, disk or copy of a key exists beside what is shown")
    }
}

/// A time in milliseconds since 1970 as people read it, in UTC.
///
/// The days are counted as in <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
pub fn time(t_ms: u64) -> String {
    let (days, ms) = (t_ms / 86_400_000, t_ms % 86_400_000);
    // Days are counted in eras of 400 years from 1 March of the year 0, so that leap days are last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_the_block_always_stands_last() {
        let mut report = Report::new();
        assert_eq!(report.exit(), Exit::Verified);
        report.below_quorum("1 of 2");
        assert_eq!(report.exit(), Exit::BelowQuorum);
        report.missing("seg/1", "not there");
        assert_eq!(report.exit(), Exit::Missing);
        report.contradiction("seg/2", "wrong");
        assert_eq!((report.exit(), report.exit().code()), (Exit::Contradiction, 1));
        report.not_proved("that it rains");
        let text = report.to_string();
        assert!(text.contains("contradiction: seg/2: wrong\n"), "{text}");
        let (_, block) = text.split_once("\nNot proved by this evidence\n").unwrap();
        assert!(block.lines().all(|line| line.starts_with("- ")) && block.lines().count() == 2);
    }

    #[test]
    fn a_wrong_call_proves_nothing() {
        let report = Report::of_wrong_call();
        assert_eq!(report.exit(), Exit::Usage);
        let text = report.to_string();
        assert!(text.starts_with("\nverdict: not verified: "), "{text}");
        assert!(text.contains("\nNot proved by this evidence\n- anything: "), "{text}");
    }

    #[test]
    fn a_flood_of_findings_is_counted_and_not_kept() {
        let mut report = Report::new();
        (0..1_000_000).for_each(|n| report.contradiction(n, "wrong"));
        assert!(report.to_string().contains("contradiction: and 999000 more\n"));
        assert!(report.to_string().len() < 100_000);
        (0..100_000).for_each(|n| report.not_proved(format!("that it rains on day {n}")));
        assert!(report.to_string().contains("\n- and 99000 more\n"));
    }

    #[test]
    fn times_are_civil() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(time(1_760_000_000_123), "2025-10-09T08:53:20.123Z");
        assert!(!time(u64::MAX).is_empty());
    }
}
