//! The program itself: exit codes, and where its output goes.

use std::process::{Command, Output};

use lazuli_evidence::Kind;

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
