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
