//! Counting: what a step of the tests found, and what other programs' closing lines say.

use std::path::PathBuf;

/// What one step found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Tests (or checks) that passed.
    pub(crate) passed: u64,
    /// Tests (or checks) that failed.
    pub(crate) failed: u64,
    /// What a reader should know: each failure, and what was left out and why.
    pub(crate) notes: Vec<String>,
    /// Where the whole output is.
    pub(crate) log: Option<PathBuf>,
}

impl Outcome {
    /// One check that passed.
    pub(crate) fn passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One check that failed, and why.
    pub(crate) fn failed(note: impl Into<String>) -> Self {
        Self { failed: 1, notes: vec![note.into()], ..Self::default() }
    }

    /// Nothing was run, and why.
    pub(crate) fn skipped(note: impl Into<String>) -> Self {
        Self { notes: vec![format!("left out: {}", note.into())], ..Self::default() }
    }

    /// Adds what another part found.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.notes.extend(other.notes);
        self.log = other.log.or(self.log.take());
    }
}

/// The sums of the closing lines in the output of `cargo test`
/// (`test result: ok. 5 passed; 0 failed; …`).
pub(crate) fn cargo_test_counts(output: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("test result:") {
            sums.0 += number_before(rest, "passed").unwrap_or(0);
            sums.1 += number_before(rest, "failed").unwrap_or(0);
        }
    }
    sums
}

/// The counts in the summary of `cargo nextest`
/// (`Summary [ 1.2s] 10 tests run: 9 passed (1 slow), 1 failed, 2 skipped`).
pub(crate) fn nextest_counts(output: &str) -> Option<(u64, u64)> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.contains("tests run:") || line.contains("test run:"))?;
    let passed = number_before(line, "passed")?;
    let failed = number_before(line, "failed").unwrap_or(0);
    let timed_out = number_before(line, "timed out").unwrap_or(0);
    Some((passed, failed + timed_out))
}

/// The counts in the last plain closing line, `N passed, N failed`.
pub(crate) fn plain_counts(output: &str) -> Option<(u64, u64)> {
    output.lines().rev().find_map(|line| {
        let (passed, rest) = line.trim().split_once(" passed, ")?;
        let (failed, _) = rest.split_once(" failed")?;
        Some((passed.parse().ok()?, failed.parse().ok()?))
    })
}

/// The counts in the closing lines of Node's test runner (`# pass 5`, `# fail 0`; the `spec`
/// reporter prints `ℹ pass 5`).
pub(crate) fn node_counts(output: &str) -> Option<(u64, u64)> {
    let count = |word: &str| {
        output.lines().rev().find_map(|line| {
            let mut words = line.split_whitespace();
            let mark = words.next()?;
            ((mark == "#" || mark == "ℹ") && words.next()? == word)
                .then(|| words.next()?.parse().ok())
                .flatten()
        })
    };
    Some((count("pass")?, count("fail")?))
}

/// The number that stands before `word`, as in `9 passed`.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let position = text.find(word)?;
    text.get(..position)?.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{cargo_test_counts, nextest_counts, node_counts, plain_counts};

    #[test]
    fn counts_of_cargo_test_are_summed() {
        let output = "test result: ok. 5 passed; 0 failed; 1 ignored\nnoise\n\
                      test result: FAILED. 7 passed; 2 failed; 0 ignored\n";
        assert_eq!(cargo_test_counts(output), (12, 2));
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let line = "     Summary [   1.2s] 10 tests run: 9 passed (1 slow), 1 failed, 2 skipped";
        assert_eq!(nextest_counts(line), Some((9, 1)));
        assert_eq!(nextest_counts("Summary [ 0s] 1 test run: 1 passed, 0 skipped"), Some((1, 0)));
        assert_eq!(nextest_counts("nothing"), None);
    }

    #[test]
    fn plain_and_node_lines_are_read() {
        assert_eq!(plain_counts("x\n3 passed, 1 failed\n"), Some((3, 1)));
        assert_eq!(plain_counts("passed"), None);
        assert_eq!(node_counts("# tests 6\n# pass 5\n# fail 1\n"), Some((5, 1)));
        assert_eq!(node_counts("ℹ pass 5\nℹ fail 0\n"), Some((5, 0)));
    }
}
