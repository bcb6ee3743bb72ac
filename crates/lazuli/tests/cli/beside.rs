//! What the transparency log keeps beside the data directory: it follows the directory, and there is
//! nothing beside a store in memory.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::program::{Server, run};
use crate::raw::{call, send};

const LOGGED: [&str; 4] = ["--transparency-log", "on", "--data", "data"];

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Starts a server, writes, and stops it; gives the name of its log.
fn serve_once(folder: &Path) -> String {
    let mut server = Server::start(folder, &LOGGED);
    let made = send(server.authority("blob"), &call("PUT", "/box?restype=container"));
    assert_eq!(made.status(), 201);
    assert!(!made.header("x-lz-receipt").is_empty());
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    let checkpoint = fs::read_to_string(folder.join("data.log/checkpoint")).unwrap();
    checkpoint.lines().next().unwrap().to_owned()
}

#[test]
fn a_deleted_data_directory_is_no_reason_to_refuse_writes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = serve_once(folder);
    fs::remove_dir_all(folder.join("data")).unwrap();
    let mut server = Server::start(folder, &LOGGED);
    server.wait_for_log("the one that lay there is kept");
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert_ne!(serve_once(folder), first);
    assert_eq!(names(folder).len(), 7, "{:?}", names(folder));
}

#[test]
fn a_log_without_its_keys_is_not_served_and_the_way_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    serve_once(folder);
    fs::rename(folder.join("data.keys"), folder.join("elsewhere")).unwrap();
    let ports = [
        "serve",
        "--blob-port",
        "0",
        "--queue-port",
        "0",
        "--table-port",
        "0",
        "--admin-port",
        "0",
    ];
    let done = run(folder, &[&ports, &LOGGED[..]].concat());
    assert_eq!(done.status, Some(1));
    let error = "error: cannot open the transparency log: there is a log already, and its keys are \
                 not in data.keys\nhint: put the keys back";
    assert!(done.stderr.contains(error), "{}", done.stderr);
}

#[test]
fn nothing_of_the_log_may_lie_in_the_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::os::unix::fs::symlink("data", folder.join("link")).unwrap();
    let inside = "it must lie outside the data directory `data`, which is copied and restored without \
                  it\n";
    let public = "it must lie outside the log directory, which may be handed to anybody\n";
    let around = "it may be handed to anybody, and must not hold the data directory\n";
    for (flag, path, what) in [
        ("--head-store", "data/heads", inside),
        ("--log-keys", "data/new/../keys", inside),
        ("--log-directory", "./data", inside),
        ("--head-store", "data.log/heads", public),
        ("--log-keys", "data.log/keys", public),
        ("--log-directory", ".", around),
    ] {
        let key = flag.trim_start_matches('-');
        let error = format!("error: {flag}: `{path}` is no value for `{key}`: {what}");
        for command in [&["serve"][..], &["config", "explain"]] {
            let done = run(folder, &[command, &LOGGED, &[flag, path]].concat());
            assert_eq!((done.status, done.stderr.as_str()), (Some(2), error.as_str()));
        }
    }
    assert_eq!(names(folder), ["link"], "nothing was made");
    fs::create_dir(folder.join("data")).unwrap();
    let done = run(folder, &[&["serve"], &LOGGED[..], &["--log-keys", "link/keys"]].concat());
    assert!(done.status == Some(2) && done.stderr.ends_with(inside), "{done:?}");
}

#[test]
fn the_defaults_are_told_and_lie_beside_a_directory_without_a_name_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    for (at, argument, beside) in
        [(&folder, "data", "data".to_owned()), (&data, ".", data.display().to_string())]
    {
        let done = run(at, &["config", "explain", "--data", argument]);
        for (key, extension) in
            [("head-store", "heads"), ("log-keys", "keys"), ("log-directory", "log")]
        {
            let want = format!("{beside}.{extension}");
            let line = done.stdout.lines().find(|line| line.starts_with(key)).unwrap();
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(words, [key, &want, "default:", "beside", "`data`"]);
        }
    }
    let mut server = Server::start(&data, &["--transparency-log", "on", "--data", "."]);
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert_eq!(names(&folder), ["data", "data.heads", "data.keys", "data.log"]);
}

#[test]
fn a_store_in_memory_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut server = Server::start(folder, &["--transparency-log", "on", "--in-memory"]);
    let made = send(server.authority("blob"), &call("PUT", "/box?restype=container"));
    assert!(made.status() == 201 && !made.header("x-lz-receipt").is_empty());
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert_eq!(names(folder), Vec::<String>::new());
}
