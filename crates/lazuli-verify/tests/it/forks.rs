//! Forks: two checkpoints of one log that cannot both be true.

use lazuli_evidence::Kind;
use lazuli_verify::fork;
use lazuli_verify::report::{Exit, Report};

use crate::builder::{Log, small, write};
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
