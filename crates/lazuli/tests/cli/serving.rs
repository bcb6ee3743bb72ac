//! `lazuli serve` from start to end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::program::{Server, run};

/// Sends a request and reads up to the end of the connection.
fn ask(authority: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_serves_says_so_and_stops_when_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let ready_file = folder.path().join("ready.json");
        fs::write(&ready_file, "left by a server that was killed").unwrap();
        let mut server = Server::start(folder.path(), &["--ready-file", "ready.json"]);
        let blob = server.authority("blob").to_owned();
        assert!(ask(&blob, "/devstoreaccount1/c?restype=container").starts_with("HTTP/1.1 404 "));
        let admin = server.authority("admin").to_owned();
        assert!(ask(&admin, "/health/ready").ends_with("\r\n\r\nready\n"));
        let metrics = ask(&admin, "/metrics");
        assert!(metrics.contains("\nlazuli_commits_total "), "{metrics}");
        assert!(server.stdout.contains("data in ./lazuli-data, durability sync"));
        server.signal(signal);
        assert_eq!(server.end().0, Some(0));
        assert!(!ready_file.exists());
        assert!(TcpStream::connect(&blob).is_err());
        let fsck = run(folder.path(), &["fsck", "--data", "lazuli-data"]);
        assert_eq!(fsck.status, Some(0), "{fsck:?}");
        assert!(fsck.stdout.ends_with("closed in good order: yes\nclean\n"), "{}", fsck.stdout);
    }
}

#[test]
fn the_ready_file_names_what_listens() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--ready-file", "ready.json", "--in-memory", "--account", "mine:c2VjcmV0"];
    let mut server = Server::start(folder.path(), &arguments);
    assert!(server.stdout.contains("AccountName=mine;AccountKey=KEY;"), "{}", server.stdout);
    let ready = fs::read_to_string(folder.path().join("ready.json")).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["blob"], format!("http://{}/mine", server.authority("blob")));
    assert_eq!(ready["queue"], format!("http://{}/mine", server.authority("queue")));
    assert_eq!(ready["table"], format!("http://{}/mine", server.authority("table")));
    assert_eq!(ready["admin"], format!("http://{}", server.authority("admin")));
    assert_eq!(ready["account"], "mine");
    assert!(ready["dfs"].is_null(), "{ready}");
    assert_eq!(ready["pid"], server.id());
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--in-memory"]);
    // A refused upload whose client goes on sending keeps its connection for a while.
    let mut upload = TcpStream::connect(server.authority("blob")).unwrap();
    let head = "PUT /devstoreaccount1/c/b HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
    upload.write_all(head.as_bytes()).unwrap();
    upload.read_exact(&mut [0; 9]).unwrap();
    server.signal(Signal::TERM);
    server.wait_for_log("stopping");
    server.signal(Signal::TERM);
    let (status, stderr) = server.end();
    assert_eq!(status, Some(1));
    assert!(stderr.contains("error: SIGTERM while stopping: "), "{stderr}");
}

#[test]
fn a_directory_or_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--data", "shared"]);
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
    let second = run(folder.path(), &[&ports[..], &["--data", "shared"]].concat());
    assert_eq!(second.status, Some(1));
    assert_eq!(
        second.stderr,
        "error: data directory shared is in use by another process\n\
         hint: stop that process, or choose another directory with `--data`\n"
    );
    let checked = run(folder.path(), &["fsck", "--data", "shared"]);
    assert_eq!(checked.status, Some(1));
    assert!(checked.stderr.contains("shared is in use"), "{}", checked.stderr);
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let third = run(folder.path(), &["serve", "--blob-port", &port, "--data", "other"]);
    assert_eq!(third.status, Some(1));
    let want = format!("error: cannot listen on 127.0.0.1:{port} for blob: ");
    assert!(third.stderr.starts_with(&want), "{}", third.stderr);
    assert!(third.stderr.contains("\nhint: another server has the port; `--blob-port N`"));
    assert!(!folder.path().join("other").exists());
}

#[test]
fn damage_is_named_and_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--data", "d"]);
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    let manifest = folder.path().join("d/meta/rows/current");
    let mut bytes = fs::read(&manifest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let checked = run(folder.path(), &["fsck", "--data", "d"]);
    assert_eq!(checked.status, Some(1));
    assert!(checked.stdout.starts_with("damaged: meta/rows/current"), "{checked:?}");
    assert_eq!(checked.stderr, "error: 1 damage in d\n");
    let refused = run(
        folder.path(),
        &[
            "serve",
            "--data",
            "d",
            "--blob-port",
            "0",
            "--queue-port",
            "0",
            "--table-port",
            "0",
            "--admin-port",
            "0",
        ],
    );
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("d/meta/rows/current"), "{}", refused.stderr);
}
