//! Honest evidence of which a part is left out is incomplete, and never a contradiction.

use std::fs;
use std::path::Path;

use lazuli_evidence::Kind;
use lazuli_evidence::spine::What;
use lazuli_tlog::policy::Policy;
use lazuli_verify::cbor::hex;
use lazuli_verify::folder::Folder;
use lazuli_verify::report::{Exit, Report};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::builder::{Log, files, label};
use crate::bundle_builder::{Bundle, seal};
use crate::{bundle_report, log_report};

/// A log of a few tiles in which every kind of leaf comes to stand first in one.
fn log(steps: &[u8]) -> Log {
    let mut log = Log::new();
    // Maps of heads are of closed segments.
    let (mut is_closed, mut has_segments) = (true, false);
    while log.tree.size() < 520 {
        for step in steps.iter().chain([&5]) {
            match step {
                0 => log.event(What::Heartbeat),
                1 if is_closed && has_segments => _ = log.log_heads(),
                1 | 2 => drop(log.add("alpha", Kind::Write, "PutBlob")),
                3 => drop(log.add("beta", Kind::Read, "GetBlob")),
                _ => log.close(),
            }
            is_closed = *step > 3 || *step == 0 && is_closed;
            has_segments |= *step > 3;
        }
    }
    log.log_heads();
    log
}

/// Removes the files at some places among those of which `is_free` says that they may be missing.
fn remove(folder: &Path, places: &[prop::sample::Index], is_free: impl Fn(&str) -> bool) {
    let mut free: Vec<String> = files(folder).into_iter().filter(|path| is_free(path)).collect();
    for place in places {
        if !free.is_empty() {
            fs::remove_file(folder.join(free.swap_remove(place.index(free.len())))).unwrap();
        }
    }
}

#[test]
fn tiles_left_out_of_honest_evidence_contradict_nothing() {
    let seed = RngSeed::Fixed(20);
    let mut runner = TestRunner::new(Config {
        cases: 24,
        rng_seed: seed,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = prop::collection::vec(0..6_u8, 3..12);
    let places = || prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    let cases = (steps, places(), places());
    let tested = runner.run(&cases, |(steps, from_bundle, from_log)| {
        let log = log(&steps);
        let told = |report: &Report| match report.exit() {
            Exit::Verified | Exit::Missing => Ok(()),
            _ => Err(TestCaseError::fail(report.to_string())),
        };
        let folder = tempfile::tempdir().unwrap();
        let mut bundle = Bundle::new(&log, label("alpha"));
        bundle.claims = format!("from {} 1\n", hex(&label("alpha")));
        bundle.write(folder.path());
        told(&bundle_report(folder.path()))?;
        remove(folder.path(), &from_bundle, |path| path.starts_with("data/log/tile/"));
        seal(folder.path());
        told(&bundle_report(folder.path()))?;
        let folder = tempfile::tempdir().unwrap();
        log.write(folder.path());
        told(&log_report(folder.path()))?;
        remove(folder.path(), &from_log, |path| path != "checkpoint");
        told(&log_report(folder.path()))
    });
    tested.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_tile_that_begins_with_a_heartbeat_is_no_contradiction_behind_tiles_left_out() {
    // As `lazuli log entries` wrote it after an hour in which the account did nothing.
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let policy = Policy::parse(&fs::read(recorded.join("policy")).unwrap()).unwrap();
    let mut report = Report::new();
    let folder = Folder::new(recorded.join("skipped-tiles"));
    lazuli_verify::bundle::check(&folder, &policy, &mut report);
    let text = report.to_string();
    assert_eq!(report.exit(), Exit::Verified, "{text}");
    assert!(text.contains("are all there: proved"), "{text}");
}

#[test]
fn a_partial_tile_beside_the_full_one_is_read_once() {
    let log = log(&[2, 4]);
    let folder = tempfile::tempdir().unwrap();
    Bundle::new(&log, label("alpha")).write(folder.path());
    let tiles = folder.path().join("data/log/tile/entries");
    let full = fs::read(tiles.join("000")).unwrap();
    let length = |at: usize| usize::from(u16::from_be_bytes([full[at], full[at + 1]]));
    let ten = (0..10).fold(0, |end, _| end + 2 + length(end));
    crate::builder::write(&tiles.join("000.p/10"), &full[..ten]);
    seal(folder.path());
    let report = bundle_report(folder.path());
    assert_eq!(report.exit(), Exit::Verified, "{report}");
}
