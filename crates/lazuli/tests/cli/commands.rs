//! Commands that end by themselves.

use std::fs;

use crate::program::run;

#[test]
fn explain_names_values_and_origins_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lazuli.toml"), "# ours\nhost = \"::1\"\n").unwrap();
    let arguments = ["config", "explain", "--config", "lazuli.toml", "--account", "one:c2VjcmV0"];
    let done = run(folder.path(), &arguments);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""));
    let words: Vec<Vec<&str>> =
        done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for want in [
        ["host", "::1", "lazuli.toml:2"],
        ["accounts", "one:***", "--account"],
        ["blob-port", "10000", "default"],
    ] {
        assert!(words.iter().any(|have| have == &want), "{want:?} is not in {}", done.stdout);
    }
    assert!(!done.stdout.contains("c2VjcmV0"), "{}", done.stdout);
}

#[test]
fn an_unknown_key_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lazuli.toml"), "durabilty = \"sync\"\n").unwrap();
    for command in [&["serve"][..], &["config", "explain"]] {
        let done = run(folder.path(), &[command, &["--config", "lazuli.toml"]].concat());
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""));
        assert_eq!(
            done.stderr,
            "error: lazuli.toml:1: unknown key `durabilty`\nhint: did you mean `durability`?\n"
        );
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["serve", "--durability", "perhaps"][..],
        &["serve", "--account", "nokey"],
        &["serve", "--data", "d", "--in-memory"],
        &["serve", "--log", "xml"],
        &["nonsense"],
        &[],
    ] {
        let done = run(folder.path(), arguments);
        assert_eq!(done.status, Some(2), "{arguments:?} {done:?}");
        assert_eq!(done.stdout, "", "{arguments:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn version_completions_and_man_are_data_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, want) in [
        (&["version"][..], concat!("lazuli ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["completions", "bash"], "complete -F _lazuli"),
        (&["completions", "zsh"], "#compdef lazuli"),
        (&["man"], ".TH lazuli 1"),
    ] {
        let done = run(folder.path(), arguments);
        assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(done.stdout.contains(want), "{arguments:?}: {}", done.stdout);
    }
    let done = run(folder.path(), &["man", "pages"]);
    assert_eq!((done.status, done.stdout.as_str()), (Some(0), ""));
    assert!(folder.path().join("pages/lazuli-serve.1").exists());
}

#[test]
fn fsck_refuses_what_is_no_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &["fsck", "--data", "."]);
    assert_eq!(done.status, Some(1));
    assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
}
