//! The program itself: exit codes, and where its output goes.

use std::process::{Command, Output};

use lazuli_evidence::Kind;
use lazuli_tlog::key::Algorithm;

use crate::builder::{policy_text, small, write};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lazuli-verify")).args(arguments).output().unwrap()
}

#[test]
fn each_command_ends_with_its_code_and_the_block() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (policy, log, receipt, kept) = (path("policy"), path("log"), path("receipt"), path("kept"));
    write(policy.as_ref(), policy_text().as_bytes());
    let mut grown = small();
    write(kept.as_ref(), grown.checkpoint(&[1, 2]).to_string().as_bytes());
    let logged = grown.add("alpha", Kind::Write, "PutBlob");
    let headers = format!(
        "x-lz-receipt: {}\nx-lz-opening: {}\n",
        grown.receipt(0).to_header(),
        logged.opening()
    );
    write(receipt.as_ref(), headers.as_bytes());
    grown.close();
    grown.write(log.as_ref());
    let cases: [(&[&str], i32); 7] = [
        (&["log", &log, "--policy", &policy], 0),
        (&["log", &log, "--policy", &policy, "--seen", &kept], 0),
        (&["receipt", &receipt, "--policy", &policy], 0),
        (&["receipt", &receipt, "--policy", &policy, "--log", &log], 0),
        (&["fork", &kept, &log, "--policy", &policy], 0),
        (&["bundle", &log, "--policy", &policy], 2),
        (&["receipt", &policy, "--policy", &policy], 2),
    ];
    for (arguments, code) in cases {
        let output = run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains("\n\nNot proved by this evidence\n- "), "{arguments:?}: {text}");
    }
}

#[test]
fn wrong_calls_end_with_64_and_say_why() {
    let place = tempfile::tempdir().unwrap();
    let policy = place.path().join("policy");
    write(&policy, b"quorum nobody\n");
    let (folder, policy) = (place.path().to_str().unwrap(), policy.to_str().unwrap());
    let cases: [(&[&str], &str); 5] = [
        (&[], "usage: lazuli-verify"),
        (&["log", folder], "--policy POLICY is missing"),
        (&["log", folder, "--policy", "/nowhere"], "/nowhere: there is no such file"),
        (&["log", folder, "--policy", policy], "line 1 of the policy"),
        (&["log", "/nowhere", "--policy", policy], "policy"),
    ];
    for (arguments, message) in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with("error: ") && text.contains(message), "{arguments:?}: {text}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\n\nNot proved by this evidence\n- anything: "), "{text}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_killed_process_left_is_removed_by_the_next_one() {
    let place = tempfile::tempdir().unwrap();
    let policy = place.path().join("policy");
    write(&policy, policy_text().as_bytes());
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let folder = |id: u32| place.path().join(format!("lazuli-verify-{id}-5"));
    let (left, used) = (folder(gone.id()), folder(std::process::id()));
    write(&left.join("tile/0/000"), b"hashes");
    write(&used.join("tile/0/000"), b"hashes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazuli-verify"));
    command.args(["log", "http://127.0.0.1:1/log", "--policy"]).arg(&policy);
    let output = command.env("TMPDIR", place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!left.exists() && used.exists());
    let kept = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(kept, 2, "its own folder is gone, too");
}

#[test]
fn a_witness_with_ml_dsa_counts_where_the_build_has_it_and_is_skipped_where_not() {
    let place = tempfile::tempdir().unwrap();
    let [policy, folder] = ["policy", "log"].map(|name| place.path().join(name));
    small().write(&folder);
    let vectors = include_str!("../../../lazuli-tlog/tests/vectors_ml_dsa.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    // The checkpoint of the vectors is cosigned by the witness of its second key.
    let vector = &vectors["notes"][0];
    let [of_vectors, witness] = [0, 1].map(|key| vector["keys"][key].as_str().unwrap());
    let of_vectors = format!("log {of_vectors}\n");
    let note = place.path().join("note");
    write(&note, vector["note"].as_str().unwrap().as_bytes());
    let text = policy_text();
    let (logs, rest) = text.split_at(text.find("witness").unwrap());
    let (witnesses, _) = rest.split_once("group").unwrap();
    let run_with = |quorum: &str, command: &[&str]| {
        let logs = if command[0] == "log" { logs } else { &of_vectors };
        let group = format!("group g {quorum} w1 w2 pq\nquorum g\n");
        let text = format!("{logs}{witnesses}witness pq {witness}\n{group}");
        write(&policy, text.as_bytes());
        let output = run(&[command, &["--policy", policy.to_str().unwrap()]].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let log = ["log", folder.to_str().unwrap()];
    let is_supported = Algorithm::MlDsa44.is_supported();
    let skipped = "\nnote: the policy: the key witness.example/w7+e531a9ef is skipped: ";
    let (code, text) = run_with("2", &log);
    assert_eq!((code, text.contains(skipped)), (Some(0), !is_supported), "{text}");
    assert_eq!(run_with("all", &log).0, Some(3), "it does not vouch for this log");
    let note = note.to_str().unwrap();
    let (code, text) = run_with("any", &["fork", note, note]);
    assert_eq!(code, Some(if is_supported { 0 } else { 3 }), "{text}");
    assert_eq!(text.contains(": witness pq vouched at "), is_supported, "{text}");
    let unverified = ": the signature of witness.example/w7+e531a9ef is not verified here\n";
    assert_eq!(text.contains(unverified), !is_supported, "{text}");
}
