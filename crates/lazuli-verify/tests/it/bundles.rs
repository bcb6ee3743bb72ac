//! Bundles: complete ones verify, and what was left out, swapped or altered is named.

use std::fs;
use std::path::Path;

use lazuli_evidence::heads::Head;
use lazuli_evidence::{Digest, Kind};
use lazuli_verify::cbor::hex;
use lazuli_verify::report::{Exit, Report};

use crate::builder::{Log, START_MS, files, label, segment_tree};
use crate::bundle_builder::{Bundle, entry_item, push, seal};
use crate::bundle_report;

/// A log with heads before, between and after the entries of an account: 2 to 7 lie between.
fn log() -> Log {
    let mut log = Log::new();
    for round in 0..12 {
        log.add("beta", Kind::Read, "GetBlob");
        if (2..10).contains(&round) {
            log.add("alpha", if round == 5 { Kind::Delete } else { Kind::Write }, "PutBlob");
        }
        log.close();
        if [0, 6, 11].contains(&round) {
            log.log_heads();
        }
    }
    log
}

fn written(bundle: &Bundle<'_>) -> Report {
    let place = tempfile::tempdir().unwrap();
    bundle.write(place.path());
    bundle_report(place.path())
}

#[track_caller]
fn expect(report: &Report, exit: Exit, finding: &str) {
    let text = report.to_string();
    assert_eq!(report.exit(), exit, "{text}");
    assert!(text.contains(finding), "{finding}: {text}");
}

#[test]
fn a_complete_bundle_verifies_and_says_what_is_sealed() {
    let log = log();
    let report = written(&Bundle::new(&log, label("alpha")));
    expect(&report, Exit::Verified, "numbers 1 to 8 are all there: proved");
    expect(&report, Exit::Verified, "  write: 7 entries, seq ");
    expect(&report, Exit::Verified, "  delete: 1 entry, seq ");
    expect(&report, Exit::Verified, "  read: none\n  operator access: none\n");
    expect(
        &report,
        Exit::Verified,
        "  object: \"object01\"\n  result: [201, \"abc\"]\n  10 groups sealed\n",
    );
    expect(&report, Exit::Verified, "16 groups opened, 80 groups sealed");
    expect(&report, Exit::Verified, "Not proved by this evidence\n- ");
}

#[test]
fn a_sealed_bundle_and_an_absent_account_verify() {
    let log = log();
    let mut bundle = Bundle::new(&log, label("nobody"));
    let report = written(&bundle);
    expect(&report, Exit::Verified, "has no entries up to segment 11: proved");
    bundle.labels.insert(label("alpha"));
    bundle.opened.clear();
    expect(&written(&bundle), Exit::Verified, "0 groups opened, 96 groups sealed");
}

#[test]
fn every_entry_left_out_is_named() {
    let log = log();
    for seq in 1..=8 {
        let mut bundle = Bundle::new(&log, label("alpha"));
        bundle.left_out.push(seq);
        expect(&written(&bundle), Exit::Contradiction, &format!(": seq gap {seq}\n"));
    }
    let mut bundle = Bundle::new(&log, label("alpha"));
    bundle.left_out.extend(1..=8);
    expect(&written(&bundle), Exit::Contradiction, ": seq gap 1\n");
}

#[test]
fn a_bundle_begins_where_it_claims() {
    // As the first bundle of an account: it has no map of heads from before the entries.
    let mut log = Log::new();
    for round in 0..6 {
        log.add("alpha", Kind::Write, "PutBlob");
        log.close();
        if [2, 5].contains(&round) {
            log.log_heads();
        }
    }
    let claim = |seq: u64| format!("from {} {seq}\n", hex(&label("alpha")));
    for maps in [1, 2] {
        let mut log = log.clone();
        log.heads.drain(..2 - maps);
        let mut bundle = Bundle::new(&log, label("alpha"));
        bundle.claims = claim(1);
        expect(&written(&bundle), Exit::Verified, ": begins with number 1, as claimed\n");
        expect(&written(&bundle), Exit::Verified, ": number 1 is its first entry\n");
        for seq in 1..=6 {
            bundle.left_out = vec![seq];
            expect(&written(&bundle), Exit::Contradiction, &format!(": seq gap {seq}"));
        }
        bundle.left_out = (1..=6).collect();
        expect(&written(&bundle), Exit::Contradiction, ": seq gap 1: claimed to be there\n");
        // Without the claim nothing says that it is all from the beginning.
        bundle.claims.clear();
        bundle.left_out = vec![1];
        let report = written(&bundle);
        expect(&report, Exit::Verified, "numbers 2 to 6 are all there: proved");
        expect(&report, Exit::Verified, "\n- where the entries of account 3cfb");
    }
    // An account that has done nothing since a head has no number 7 yet.
    let without_entries = |maps: usize| {
        let mut log = log.clone();
        log.heads.drain(..2 - maps);
        let mut bundle = Bundle::new(&log, label("alpha"));
        bundle.claims = claim(7);
        bundle.left_out = (1..=6).collect();
        written(&bundle)
    };
    expect(&without_entries(1), Exit::Verified, ": begins with number 7, as claimed\n");
    expect(&without_entries(0), Exit::Missing, "whether there is a number 7\n");
}

/// The entries of `alpha` behind its newest head, of which there are `heads`.
fn behind_the_heads(heads: usize) -> Report {
    let mut log = Log::new();
    for round in 0..6 {
        log.add("alpha", Kind::Write, "PutBlob");
        log.close();
        if round == 2 {
            for _ in 0..heads {
                log.log_heads();
            }
        }
    }
    let mut bundle = Bundle::new(&log, label("alpha"));
    bundle.left_out.extend([1, 2, 3]);
    written(&bundle)
}

#[test]
fn entries_that_no_head_covers_are_not_proved_to_be_all() {
    let report = behind_the_heads(1);
    expect(&report, Exit::Missing, ": its newest head is number 3, and no head covers more\n");
    expect(&report, Exit::Missing, "\n- that numbers 4 to 6 of account ");
    let report = behind_the_heads(2);
    expect(&report, Exit::Verified, ": no entries between heads at number 3: proved\n");
    expect(&report, Exit::Verified, "\n- that numbers 4 to 6 of account ");
    let text = behind_the_heads(1).to_string();
    assert!(!text.contains("all there") && !text.contains("write: none"), "{text}");
}

#[test]
fn the_entry_behind_a_head_names_it() {
    let mut log = Log::new();
    log.add("alpha", Kind::Write, "PutBlob");
    log.close();
    log.log_heads();
    let other = Head { seq: 1, hash: [5; 32] };
    log.add_at(label("alpha"), other, Kind::Write, "PutBlob");
    log.close();
    log.log_heads();
    let mut bundle = Bundle::new(&log, label("alpha"));
    bundle.left_out.push(1);
    expect(&written(&bundle), Exit::Contradiction, "head mismatch before number 2\n");
}

/// A log that shows an account a chain without its deletion, while its heads are of the real one.
pub(crate) fn two_chains() -> (Log, Log) {
    let (honest, mut other) = (log(), Log::new());
    for round in 0..12 {
        other.add("beta", Kind::Read, "GetBlob");
        if (2..10).contains(&round) && round != 5 {
            other.add("alpha", Kind::Write, "PutBlob");
        }
        if round == 11 {
            other.add("alpha", Kind::Write, "PutBlob");
        }
        other.close();
        if [0, 6, 11].contains(&round) {
            let real = honest.heads[other.heads.len()].1.clone();
            let shown = std::mem::replace(&mut other.accounts, real);
            other.log_heads();
            other.accounts = shown;
        }
    }
    (honest, other)
}

#[test]
fn another_chain_does_not_end_at_the_heads() {
    let (_, other) = two_chains();
    let report = written(&Bundle::new(&other, label("alpha")));
    expect(&report, Exit::Contradiction, "head mismatch at number 5");
}

#[test]
fn answers_that_something_did_not_happen_hold_or_flip() {
    let operator = |log: &Log, label: Digest| {
        let mut bundle = Bundle::new(log, label);
        let (from, to) = (START_MS + 1500, START_MS + 11_000);
        bundle.claims = format!("absent operator {} {from} {to}\n", hex(&label));
        written(&bundle)
    };
    let log = log();
    expect(&operator(&log, label("alpha")), Exit::Verified, ": no operator between 2025-10-09");
    expect(&operator(&log, label("nobody")), Exit::Verified, "Z: proved");
    let mut seen = Log::new();
    for round in 0..12 {
        let kind = if round == 5 { Kind::Operator } else { Kind::Write };
        seen.add("alpha", kind, "Access");
        seen.close();
        if [0, 6, 11].contains(&round) {
            seen.log_heads();
        }
    }
    expect(&operator(&seen, label("alpha")), Exit::Contradiction, "number 6 is one");
    // Without heads from after the time nothing is proved.
    let mut bundle = Bundle::new(&log, label("alpha"));
    let (from, to) = (START_MS, START_MS + 99_000);
    bundle.claims = format!("absent operator {} {from} {to}\n", hex(&label("alpha")));
    expect(&written(&bundle), Exit::Missing, "no head from after that time");
}

#[test]
fn altered_values_and_swapped_salts_are_named() {
    let log = log();
    let place = tempfile::tempdir().unwrap();
    Bundle::new(&log, label("alpha")).write(place.path());
    let tree = segment_tree(&log.segments[3]);
    let path = tree.inclusion_proof(1, tree.size()).unwrap();
    let with = |change: &dyn Fn(&mut crate::builder::Logged)| {
        let mut logged = log.segments[3][1].clone();
        change(&mut logged);
        let mut items = Vec::new();
        push(&mut items, &entry_item(&logged, (3, 1, 2), &path, &[4, 6]));
        fs::write(place.path().join("data/entries"), &items).unwrap();
        seal(place.path());
        bundle_report(place.path())
    };
    let other = &log.segments[4][1];
    let changed = with(&|logged| logged.values[3] = b"\x61x".to_vec());
    expect(&changed, Exit::Contradiction, "the group object is not what was committed to");
    let swapped = with(&|logged| logged.salts = other.salts);
    expect(&swapped, Exit::Contradiction, "the group object is not what was committed to");
    let carried = with(&|logged| logged.commitments = other.commitments);
    expect(&carried, Exit::Contradiction, "the commitments are not those of the entry");
    let moved = with(&|logged| logged.bytes.clone_from(&other.bytes));
    expect(&moved, Exit::Contradiction, "segment 3 index 1: not in its segment");
}

/// Flips every byte of every file of a bundle, of the large ones every seventh.
fn flip_all(folder: &Path, mut check: impl FnMut(&str, usize, &Report)) {
    for path in files(folder) {
        let file = folder.join(&path);
        let good = fs::read(&file).unwrap();
        for at in (0..good.len()).step_by(if good.len() > 1000 { 7 } else { 1 }) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            check(&path, at, &bundle_report(folder));
        }
        fs::write(&file, &good).unwrap();
    }
}

#[test]
fn every_altered_byte_of_a_bundle_is_named() {
    let place = tempfile::tempdir().unwrap();
    Bundle::new(&log(), label("alpha")).write(place.path());
    flip_all(place.path(), |path, at, report| {
        assert_eq!(report.exit(), Exit::Contradiction, "{path} byte {at}: {report}");
        assert!(report.to_string().contains(path), "{path} byte {at}: {report}");
    });
    assert_eq!(bundle_report(place.path()).exit(), Exit::Verified);
}

#[test]
fn bytes_altered_together_with_the_manifest_are_caught_too() {
    let place = tempfile::tempdir().unwrap();
    Bundle::new(&log(), label("alpha")).write(place.path());
    for path in ["data/entries", "data/heads", "data/log/tile/entries/000.p/16"] {
        let file = place.path().join(path);
        let good = fs::read(&file).unwrap();
        // The first head proves an absence, and so it would of an account with another label.
        let first = if path == "data/heads" { 4 + usize::from(good[3]) } else { 0 };
        for at in (first..good.len()).step_by(5) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            seal(place.path());
            let report = bundle_report(place.path());
            assert_ne!(report.exit(), Exit::Verified, "{path} byte {at}: {report}");
        }
        fs::write(&file, &good).unwrap();
    }
}

#[test]
fn a_bundle_holds_itself_and_nothing_leads_out() {
    let log = log();
    let with = |change: &dyn Fn(&Path)| {
        let place = tempfile::tempdir().unwrap();
        Bundle::new(&log, label("alpha")).write(place.path());
        change(place.path());
        bundle_report(place.path())
    };
    let fetched = with(&|place| fs::write(place.join("fetch.txt"), "x").unwrap());
    expect(&fetched, Exit::Contradiction, "fetch.txt: a bundle holds everything itself");
    let extra = with(&|place| fs::write(place.join("data/extra"), "x").unwrap());
    expect(&extra, Exit::Contradiction, "data/extra: manifest-sha256.txt does not list it");
    let manifest = |line: &str| {
        let line = format!("{}  {line}\n", "0".repeat(64));
        with(&|place| {
            let path = place.join("manifest-sha256.txt");
            let text = fs::read_to_string(&path).unwrap() + &line;
            fs::write(path, text).unwrap();
        })
    };
    for path in ["../outside", "/etc/passwd", "data/../../x", "data/a\\b", "data//x"] {
        expect(&manifest(path), Exit::Contradiction, "not a hash and a path");
    }
    expect(&manifest("bagit.txt"), Exit::Contradiction, "bagit.txt is no payload");
    expect(&manifest("data/entries"), Exit::Contradiction, "a path for a second time");
    expect(&manifest("data/gone"), Exit::Missing, "missing: data/gone: there is no such file");
    let gone = with(&|place| fs::remove_file(place.join("data/entries")).unwrap());
    expect(&gone, Exit::Missing, "missing: data/entries");
    let without = with(&|place| fs::remove_file(place.join("manifest-sha256.txt")).unwrap());
    expect(&without, Exit::Missing, "missing: manifest-sha256.txt");
    #[cfg(unix)]
    {
        let linked = with(&|place| {
            std::os::unix::fs::symlink("/etc", place.join("data/link")).unwrap();
        });
        expect(&linked, Exit::Contradiction, "data/link: not a plain file");
    }
}

#[test]
fn a_large_bundle_verifies() {
    // As large as the promise where the compiler makes it fast.
    let rounds = if cfg!(debug_assertions) { 3 } else { 100 };
    let mut log = Log::new();
    for round in 0..rounds {
        for _ in 0..1000 {
            log.add("alpha", Kind::Write, "PutBlob");
        }
        log.close();
        if round == rounds - 1 {
            log.log_heads();
        }
    }
    let bundle = Bundle::new(&log, label("alpha"));
    let begun = std::time::Instant::now();
    let report = written(&bundle);
    let last = rounds * 1000;
    println!("{last} entries written and verified in {:.1} s", begun.elapsed().as_secs_f64());
    expect(&report, Exit::Verified, &format!("numbers 1 to {last} are all there: proved"));
}
