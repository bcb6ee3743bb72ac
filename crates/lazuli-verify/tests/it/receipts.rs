//! Receipts: kept promises, broken ones, and files that were tampered with.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_evidence::{Group, Kind, Upgrade};
use lazuli_tlog::TlogProof;
use lazuli_verify::folder::Folder;
use lazuli_verify::promise;
use lazuli_verify::report::{Exit, Report};

use crate::builder::{Log, Logged, segment_tree, small};
use crate::policy;

/// Two entries of a segment, the second with the headers that its client got.
struct Client {
    log: Log,
    logged: Logged,
    receipt: String,
    opening: String,
}

fn client() -> Client {
    let mut log = small();
    log.add("beta", Kind::Read, "GetBlob");
    let logged = log.add("alpha", Kind::Delete, "DeleteBlob");
    let receipt = format!("x-lz-receipt: {}\n", log.receipt(1).to_header());
    let opening = format!("X-Lz-Opening: {}\r\n", logged.opening());
    log.add("gamma", Kind::Write, "PutBlob");
    Client { log, logged, receipt, opening }
}

fn report(text: &str, log: Option<&Log>) -> Report {
    let mut report = Report::new();
    match log {
        Some(log) => {
            let place = tempfile::tempdir().unwrap();
            log.write(place.path());
            let folder = Folder::new(place.path());
            promise::check(text, &policy(), Some(&folder), &mut report);
        }
        None => promise::check(text, &policy(), None, &mut report),
    }
    report
}

#[track_caller]
fn expect(report: &Report, exit: Exit, finding: &str) {
    let text = report.to_string();
    assert_eq!(report.exit(), exit, "{text}");
    assert!(text.contains(finding), "{finding}: {text}");
    assert!(text.contains("\nNot proved by this evidence\n- "), "{text}");
}

#[test]
fn an_opening_may_seal_groups_and_the_report_says_which() {
    let Client { receipt, logged, .. } = client();
    let opening = logged.opening_without(&[Group::Object, Group::Client]);
    let report = report(&format!("{receipt}x-lz-opening: {opening}\n"), None);
    expect(&report, Exit::Verified, "\n  object: sealed\n");
    expect(
        &report,
        Exit::Verified,
        "\n- what the entry says of its client: the opening seals it\n",
    );
    assert!(!report.to_string().contains("object07"), "{report}");
    assert_eq!(logged.opening_without(&[]), logged.opening());
    let all = logged.opening_without(&Group::ALL);
    expect(
        &self::report(&format!("{receipt}x-lz-opening: {all}\n"), None),
        Exit::Verified,
        "\n  result: sealed\n",
    );
}

#[test]
fn a_receipt_with_its_opening_verifies_offline_and_says_what_was_logged() {
    let Client { receipt, opening, .. } = client();
    let text = format!("HTTP/1.1 202 Accepted\nDate: today\n{receipt}{opening}\n");
    let report = report(&text, None);
    expect(&report, Exit::Verified, "entry: delete DeleteBlob at 2025-10-09T08:53:25.000Z");
    expect(&report, Exit::Verified, "  object: \"object07\"\n");
    expect(&report, Exit::Verified, "promised at");
    expect(&report, Exit::Verified, "- that the log kept the promise");
}

#[test]
fn a_receipt_alone_needs_the_log() {
    let Client { mut log, receipt, .. } = client();
    expect(&report(&receipt, None), Exit::Missing, "missing: x-lz-opening: ");
    log.close();
    let with_log = report(&receipt, Some(&log));
    expect(&with_log, Exit::Verified, "included: segment 5 of the log has the entry at index 1");
    expect(&report("Date: today\n", None), Exit::Missing, "neither a receipt nor a proof");
}

#[test]
fn a_kept_promise_verifies_against_the_log() {
    let Client { mut log, receipt, opening, .. } = client();
    let text = receipt + &opening;
    expect(&report(&text, Some(&log)), Exit::Missing, "it does not reach segment 5 yet");
    log.close();
    expect(&report(&text, Some(&log)), Exit::Verified, "included: segment 5");
}

#[test]
fn a_dropped_entry_is_proved_by_its_receipt() {
    let Client { mut log, receipt, opening, .. } = client();
    log.drop_open(1);
    log.close();
    let report = report(&(receipt + &opening), Some(&log));
    expect(&report, Exit::Contradiction, "segment 5 index 1: receipt not included: another entry");
    expect(
        &report,
        Exit::Contradiction,
        "transferable evidence: signed by log.example/site1/receipts",
    );
    expect(&report, Exit::Contradiction, "  log.example/site1/seg/5\n  2\n  ");
}

#[test]
fn a_changed_segment_is_proved_by_a_receipt_of_another_entry() {
    let Client { mut log, receipt, opening, .. } = client();
    log.drop_open(0);
    log.close();
    let text = receipt + &opening;
    expect(&report(&text, Some(&log)), Exit::Contradiction, "receipt not included: ");
    // The log went on without it: its segment is there, and empty.
    let mut other = small();
    for _ in 0..130 {
        other.close();
    }
    let report = report(&text, Some(&other));
    expect(&report, Exit::Contradiction, "receipt not included: its segment ends before");
}

#[test]
fn a_log_that_says_something_else_is_named_by_the_field() {
    let mut log = small();
    let head = log.accounts.get(&crate::builder::label("alpha")).copied().unwrap();
    let told = log.add("alpha", Kind::Delete, "DeleteBlob");
    let receipt = format!("x-lz-receipt: {}\n", log.receipt(0).to_header());
    log.drop_open(0);
    log.add_at(crate::builder::label("alpha"), head, Kind::Read, "GetBlob");
    log.close();
    let text = format!("{receipt}x-lz-opening: {}\n", told.opening());
    let report = report(&text, Some(&log));
    expect(&report, Exit::Contradiction, "op: the log says GetBlob, the opening DeleteBlob");
    expect(&report, Exit::Contradiction, "kind: the log says 4, the opening 3");
}

#[test]
fn every_altered_letter_of_the_headers_is_caught() {
    let Client { receipt, opening, .. } = client();
    let text = receipt.clone() + &opening;
    for at in 0..text.len() {
        let mut bad = text.clone().into_bytes();
        // Another letter of the alphabet, so that the base64 stays readable.
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).unwrap();
        let report = report(&bad, None);
        let is_end = at + 2 >= text.len() || at == receipt.len() - 1;
        assert!(report.exit() != Exit::Verified || is_end, "byte {at}: {report}");
    }
}

#[test]
fn an_upgraded_receipt_verifies_up_to_the_witnessed_checkpoint() {
    let Client { mut log, logged, receipt, opening } = client();
    log.close();
    let proof = |log: &Log, entry: &[u8]| {
        let leaf = log.segment_leaf[5];
        let segment = segment_tree(&log.segments[5]);
        let path = segment.inclusion_proof(1, segment.size()).unwrap();
        let path = path.into_iter().map(|hash| hash.0).collect();
        let upgrade =
            Upgrade { leaf: &log.leaves[leaf], entry, index: 1, size: segment.size(), path };
        let path = log.tree.inclusion_proof(leaf as u64, log.tree.size()).unwrap();
        let (extra, checkpoint) = (Some(upgrade.encode()), log.checkpoint(&[1, 2]));
        TlogProof { extra, index: leaf as u64, path, checkpoint }.to_string()
    };
    let good = proof(&log, &logged.bytes);
    let alone = report(&good, None);
    expect(&alone, Exit::Verified, "proof: the entry is index 1 of segment 5, leaf 8 of the log");
    let together = report(&format!("{receipt}{opening}{good}"), None);
    expect(&together, Exit::Verified, "promised at");
    let without_opening = report(&format!("{receipt}{good}"), None);
    expect(&without_opening, Exit::Verified, "promised at");
    let wrong = proof(&log, &log.segments[5][0].bytes);
    expect(&report(&wrong, None), Exit::Contradiction, "does not lead to the root of its segment");
    // With the headers before it, which verify alone, damage to its beginning is told as well.
    let all = format!("HTTP/1.1 202 Accepted\r\nDate: today\r\n{receipt}{opening}\n{good}");
    expect(&report(&all, None), Exit::Verified, "proof: the entry is index 1 of segment 5");
    let of_server = all.find("x-lz").unwrap();
    for (whole, from) in [(&good, 0), (&all, of_server)] {
        for at in from..whole.len() {
            let mut bad = whole.clone().into_bytes();
            bad[at] ^= 1;
            let Ok(bad) = String::from_utf8(bad) else { continue };
            // A header may end in other white space, and its name begin in capital letters.
            let report = report(&bad, None);
            let is_same = report.to_string().contains("proof: the entry is index 1 of segment 5")
                && whole.as_bytes()[at].is_ascii_whitespace();
            assert!(report.exit() != Exit::Verified || is_same, "byte {at}: {report}");
        }
    }
    let later = all.replace("tlog-proof@v1", "tlog-proof@v2");
    let finding = "missing: line 6: not a proof of a version that is known here\n";
    expect(&report(&later, None), Exit::Missing, finding);
    for (name, what) in [
        ("x-lz-receipu", "line 1: no header that is known here"),
        ("y-lz-receipt", "line 1: a receipt or an opening without the name of its header"),
    ] {
        let bad = format!("{}{opening}{good}", receipt.replace("x-lz-receipt", name));
        expect(&report(&bad, None), Exit::Missing, what);
    }
}

#[test]
fn wrong_keys_and_doubled_headers_are_told() {
    let Client { log, receipt, opening, .. } = client();
    let mut other = log.receipt(1);
    other.key_id = [0; 4];
    let text = format!("x-lz-receipt: {}\n{opening}", other.to_header());
    expect(&report(&text, None), Exit::Contradiction, "no receipts key of the policy has the id");
    let twice = format!("{receipt}{receipt}{opening}");
    expect(&report(&twice, None), Exit::Contradiction, "the file has two of them");
    let junk = format!("x-lz-receipt: {}\n", URL_SAFE_NO_PAD.encode([0x8a; 400]));
    expect(&report(&junk, None), Exit::Contradiction, "x-lz-receipt: ");
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("empty")).unwrap();
    let folder = Folder::new(place.path().join("empty"));
    let mut report = Report::new();
    promise::check(&(receipt + &opening), &policy(), Some(&folder), &mut report);
    expect(&report, Exit::Missing, "missing: checkpoint: there is no such file");
}
