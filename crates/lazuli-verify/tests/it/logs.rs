//! Logs: an honest one verifies, and every altered byte of it is named.

use std::fs;

use lazuli_evidence::heads::Head;
use lazuli_evidence::{Kind, segment};
use lazuli_verify::report::Exit;

use crate::builder::{Log, files, label, small, write};
use crate::log_report;

#[test]
fn a_log_of_the_server_verifies() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    let report = log_report(place.path());
    let text = report.to_string();
    assert_eq!(report.exit(), Exit::Verified, "{text}");
    assert!(text.contains("segments: 12 entries of 3 accounts, in chains"), "{text}");
    assert!(text.contains("heads: 1 maps are those of the entries"), "{text}");
    assert!(text.contains("witness w1 vouched at"), "{text}");
    assert_eq!(text.matches("note: ").count(), 1, "only the start: {text}");
}

#[test]
fn the_witnessed_checkpoint_is_taken_where_the_newest_lacks_a_quorum() {
    let place = tempfile::tempdir().unwrap();
    let mut log = small();
    let old = log.checkpoint(&[1, 2]).to_string();
    let size = log.tree.size();
    log.add("alpha", Kind::Write, "PutBlob");
    log.close();
    log.write(place.path());
    let [newest, witnessed] = ["checkpoint", "witnessed"].map(|name| place.path().join(name));
    fs::write(&newest, log.checkpoint(&[1]).to_string()).unwrap();
    assert_eq!(log_report(place.path()).exit(), Exit::BelowQuorum);
    fs::write(&witnessed, &old).unwrap();
    let report = log_report(place.path());
    let text = report.to_string();
    assert_eq!(report.exit(), Exit::Verified, "{text}");
    let all = log.tree.size();
    let fact = format!("witnessed: enough witnesses vouch for the first {size} leaves of {all}\n");
    assert!(text.contains(&fact), "{text}");
    assert!(text.contains(&format!("\n- that others were shown the leaves from {size} on")));
    // It has to be of this log, of these leaves, and to have the quorum itself.
    let mut other = Log::new();
    other.add("beta", Kind::Read, "GetBlob");
    other.close();
    for (wrong, exit, finding) in [
        (small().checkpoint(&[2]).to_string(), Exit::BelowQuorum, "no quorum of witnesses either"),
        (other.checkpoint(&[1, 2]).to_string(), Exit::Contradiction, "contradiction: witnessed: "),
        (old.replace("witness", "w1tness"), Exit::Contradiction, "contradiction: witnessed: "),
        ("nonsense".to_owned(), Exit::Contradiction, "contradiction: witnessed: not a checkpoint"),
    ] {
        fs::write(&witnessed, wrong).unwrap();
        let report = log_report(place.path());
        assert_eq!(report.exit(), exit, "{report}");
        assert!(report.to_string().contains(finding), "{finding}: {report}");
    }
    fs::write(&newest, log.checkpoint(&[1, 2]).to_string()).unwrap();
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::Verified, "it is not needed here: {report}");
}

#[test]
fn logs_of_many_sizes_verify_with_full_and_partial_tiles() {
    let mut log = Log::new();
    for round in 0..600_u32 {
        log.add(if round % 2 == 0 { "alpha" } else { "beta" }, Kind::Read, "GetBlob");
        log.close();
        if [1, 254, 255, 256, 599].contains(&round) {
            let place = tempfile::tempdir().unwrap();
            log.write(place.path());
            let report = log_report(place.path());
            assert_eq!(report.exit(), Exit::Verified, "{round}: {report}");
        }
        if round % 60 == 59 {
            log.log_heads();
        }
    }
    let place = tempfile::tempdir().unwrap();
    log.write(place.path());
    assert!(log_report(place.path()).to_string().contains("heads: 10 maps are those"));
    // A full tile may stand for a partial one, and a wrong upper tile is named.
    let upper = place.path().join("tile/1/000.p/2");
    let mut bytes = fs::read(&upper).unwrap();
    bytes[40] ^= 1;
    fs::write(&upper, bytes).unwrap();
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::Contradiction);
    assert!(report.to_string().contains("contradiction: tile/1/000.p/2: its hashes"), "{report}");
}

#[test]
fn every_altered_byte_is_named() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    for path in files(place.path()) {
        let file = place.path().join(&path);
        let good = fs::read(&file).unwrap();
        for at in 0..good.len() {
            for bit in [1, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                fs::write(&file, &bad).unwrap();
                let report = log_report(place.path());
                let text = report.to_string();
                assert!(text.contains(&path), "{path} byte {at}: not named in {text}");
                assert_eq!(
                    report.exit(),
                    Exit::Contradiction,
                    "{path} byte {at} bit {bit}: {text}"
                );
            }
        }
        fs::write(&file, &good).unwrap();
    }
    assert_eq!(log_report(place.path()).exit(), Exit::Verified);
}

#[test]
fn cut_and_deleted_files_are_named() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    for path in files(place.path()) {
        let file = place.path().join(&path);
        let good = fs::read(&file).unwrap();
        for length in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(&file, &good[..length]).unwrap();
            let report = log_report(place.path());
            assert_eq!(report.exit(), Exit::Contradiction, "{path} cut to {length}: {report}");
            assert!(report.to_string().contains(&path), "{path}: {report}");
        }
        fs::remove_file(&file).unwrap();
        let report = log_report(place.path());
        let is_empty_segment = path == "seg/0000000000" || path == "seg/0000000004";
        let expected = if is_empty_segment { Exit::Verified } else { Exit::Missing };
        assert_eq!(report.exit(), expected, "{path} deleted: {report}");
        fs::write(&file, &good).unwrap();
    }
}

#[test]
fn a_missing_segment_is_counted_and_the_chains_go_on_after_it() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    fs::remove_file(place.path().join("seg/0000000002")).unwrap();
    let report = log_report(place.path());
    let text = report.to_string();
    assert_eq!(report.exit(), Exit::Missing, "{text}");
    assert!(text.contains("missing: seg/0000000002: missing segment 2\n"), "{text}");
    fs::remove_dir_all(place.path().join("seg")).unwrap();
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::Verified, "{report}");
    assert!(report.to_string().contains("- that the entries of the segments are"), "{report}");
}

#[test]
fn what_is_no_segment_says_nothing_of_the_heads_behind_it() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    let path = place.path().join("seg/0000000002");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let text = log_report(place.path()).to_string();
    assert!(
        text.contains("contradiction: seg/0000000002: segment 2: not a plain file\n"),
        "{text}"
    );
    assert_eq!(text.matches("contradiction: ").count(), 1, "{text}");
    assert!(text.contains("1 maps of heads could not be computed"), "{text}");
}

#[test]
fn an_altered_entry_is_named_with_segment_and_index() {
    let place = tempfile::tempdir().unwrap();
    let log = small();
    log.write(place.path());
    let mut entries: Vec<Vec<u8>> =
        log.segments[2].iter().map(|logged| logged.bytes.clone()).collect();
    let last = entries[1].len() - 1;
    entries[1][last] ^= 1;
    write(&place.path().join("seg/0000000002"), &segment::encode(2, &entries));
    let text = log_report(place.path()).to_string();
    assert!(text.contains("segment 2: its entries do not have the root"), "{text}");
    assert!(text.contains("does not name the entry before it, segment 2 index 1"), "{text}");
}

#[test]
fn a_server_that_signs_a_broken_chain_is_caught() {
    let place = tempfile::tempdir().unwrap();
    let mut log = small();
    let head = log.accounts[&label("alpha")];
    log.add_at(label("alpha"), Head { seq: head.seq + 1, ..head }, Kind::Write, "PutBlob");
    log.close();
    log.write(place.path());
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::Contradiction);
    let finding = "contradiction: seg/0000000005: segment 5 index 0: seq gap 7 of account";
    assert!(report.to_string().contains(finding), "{report}");
    // Heads that are not those of the entries.
    let mut log = small();
    log.accounts.insert([7; 32], head);
    log.log_heads();
    log.write(place.path());
    let text = log_report(place.path()).to_string();
    assert!(text.contains("heads that are not those of the entries to segment 4"), "{text}");
}

#[test]
fn too_few_witnesses_are_told_and_not_a_contradiction() {
    let place = tempfile::tempdir().unwrap();
    let log = small();
    log.write(place.path());
    let checkpoint = log.checkpoint(&[1]).to_string();
    write(&place.path().join("checkpoint"), checkpoint.as_bytes());
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::BelowQuorum, "{report}");
    assert!(report.to_string().contains("UNWITNESSED"), "{report}");
}
