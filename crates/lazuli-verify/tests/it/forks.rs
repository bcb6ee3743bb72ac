//! Forks: two checkpoints of one log that cannot both be true.

use lazuli_evidence::Kind;
use lazuli_verify::arguments::{Arguments, Command};
use lazuli_verify::fork;
use lazuli_verify::report::{Exit, Report};

use crate::builder::{Log, START_MS, policy_text, small, write};
use crate::policy;

/// The small log with another last leaf.
fn other() -> Log {
    let mut log = small();
    log.add("alpha", Kind::Write, "PutBlob");
    log.close();
    log
}

fn compare(a: &Log, b: &Log, with_tiles: bool) -> Report {
    let place = tempfile::tempdir().unwrap();
    let (left, right) = (place.path().join("a"), place.path().join("b"));
    for (log, path) in [(a, &left), (b, &right)] {
        if with_tiles {
            log.write(path);
        } else {
            write(path, log.checkpoint(&[1, 2]).to_string().as_bytes());
        }
    }
    let mut report = Report::new();
    fork::check(&left, &right, &policy(), &mut report);
    report
}

#[test]
fn two_roots_at_one_size_are_a_proof() {
    let (mut a, mut b) = (small(), small());
    assert_eq!(compare(&a, &b, false).exit(), Exit::Verified);
    a.close();
    b.add("alpha", Kind::Read, "GetBlob");
    b.close();
    for with_tiles in [false, true] {
        let report = compare(&a, &b, with_tiles);
        assert_eq!(report.exit(), Exit::Contradiction, "{report}");
        assert!(report.to_string().contains("contradiction: fork proof: log.example/site1: both"));
        assert!(report.to_string().contains("  \u{2014} log.example/site1 "), "{report}");
    }
}

#[test]
fn two_sizes_are_compared_by_the_tiles_of_the_larger() {
    let (a, b) = (small(), other());
    let report = compare(&a, &b, true);
    assert_eq!(report.exit(), Exit::Verified, "{report}");
    assert!(report.to_string().contains("the larger tree begins with the smaller one"));
    assert_eq!(compare(&b, &a, true).exit(), Exit::Verified);
    assert_eq!(compare(&a, &b, false).exit(), Exit::Missing);
    let mut longer = other();
    longer.close();
    let mut forked = small();
    forked.close();
    let report = compare(&longer, &forked, true);
    assert_eq!(report.exit(), Exit::Contradiction, "{report}");
    assert!(report.to_string().contains("fork proof"), "{report}");
}

#[test]
fn a_checkpoint_that_nobody_signed_proves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (left, right) = (place.path().join("a"), place.path().join("b"));
    let text = small().checkpoint(&[]).to_string();
    write(&left, text.as_bytes());
    write(&right, text.replace("\n8\n", "\n9\n").as_bytes());
    let mut report = Report::new();
    fork::check(&left, &right, &policy(), &mut report);
    assert_eq!(report.exit(), Exit::Contradiction);
    assert!(!report.to_string().contains("fork proof"), "{report}");
}

/// The report on a log of `shown` segments against a checkpoint of 400 that was kept. The witnesses
/// vouched at these times, in seconds since the start.
fn seen(shown: u64, (log_at, kept_at): (u64, u64), witnesses: &[u8]) -> Report {
    let mut log = Log::new();
    let place = tempfile::tempdir().unwrap();
    let [folder, kept] = ["log", "kept"].map(|name| place.path().join(name));
    for n in 1..=400 {
        log.close();
        if n == shown {
            log.write_spine(&folder);
            let checkpoint = log.checkpoint_at(&[1, 2], START_MS / 1000 + log_at);
            write(&folder.join("checkpoint"), checkpoint.to_string().as_bytes());
        }
    }
    let checkpoint = log.checkpoint_at(witnesses, START_MS / 1000 + kept_at);
    write(&kept, checkpoint.to_string().as_bytes());
    let policy = place.path().join("policy");
    write(&policy, policy_text().as_bytes());
    let command = Command::Log { folder, seen: Some(kept) };
    lazuli_verify::run(&Arguments { command, policy }).unwrap()
}

#[test]
fn a_log_that_is_smaller_than_what_was_seen_of_it_was_cut() {
    let told = |report: &Report, exit: Exit, finding: &str| {
        assert_eq!(report.exit(), exit, "{report}");
        assert!(report.to_string().contains(finding), "{finding}: {report}");
    };
    // Nothing in the folder tells it from a copy that is only older, which the report says.
    let cut = seen(300, (300, 400), &[1, 2]);
    let finding = "contradiction: checkpoint: 401 leaves were vouched for at 2025-10-09T09:00:00.000Z, \
                   and the log shows 301 only: it was cut\n";
    told(&cut, Exit::Contradiction, finding);
    told(&cut, Exit::Contradiction, "- that the folder is not a copy from before the checkpoint");
    // Too few vouch for the kept one: it takes the larger log.
    told(&seen(300, (300, 400), &[1]), Exit::Missing, "compare the folder of the larger log");
    // What no older copy has: a later cosignature of the same witness, or later leaves.
    let told_again = seen(300, (800, 400), &[1, 2]);
    told(&told_again, Exit::Contradiction, "the log was cut: w1 vouched for 301 leaves at");
    assert!(!told_again.to_string().contains("an older copy"), "{told_again}");
    let other = seen(399, (80, 80), &[1]);
    told(&other, Exit::Contradiction, "of 400 the last is of 2025-10-09T08:59:59.000Z: cut\n");
    assert!(!other.to_string().contains("an older copy"), "{other}");
    // Clocks are not exact.
    told(&seen(300, (500, 400), &[1]), Exit::Missing, "compare the folder of the larger log");
    told(&seen(400, (400, 400), &[1, 2]), Exit::Verified, "both checkpoints are of the same tree");
}
