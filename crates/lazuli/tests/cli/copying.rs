//! Copies over a crash, from other servers: what was copied stays, and the rest follows. Copies from
//! this server, by all its names.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::program::{Server, run};
use crate::raw::{ACCOUNT, Answer, call, send};

/// A block of a copy.
const BLOCK: usize = 8 * 1024 * 1024;

/// Two blocks and a half.
const LENGTH: usize = BLOCK * 5 / 2;

/// What a source gives up to before it falls silent, the first time it is asked for everything.
const SILENT_AFTER: usize = BLOCK * 3 / 2;

/// Longer than any wait of a passing test.
const PATIENCE: Duration = Duration::from_mins(1);

fn content() -> Vec<u8> {
    (0..LENGTH).map(|at| b'a' + (at % 23) as u8).collect()
}

/// Answers requests on a connection; what they were goes to `asked`.
fn serve(mut stream: TcpStream, asked: &Sender<String>) -> std::io::Result<()> {
    let content = content();
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let range = request
            .split_once("Range: bytes=")
            .and_then(|(_, rest)| rest.split_once("\r\n")?.0.split_once('-'));
        let first: usize = range.and_then(|(first, _)| first.parse().ok()).unwrap_or(0);
        let last = range.and_then(|(_, last)| last.parse().ok()).unwrap_or(LENGTH - 1);
        let (status, placed) = match range {
            None => ("200 OK", String::new()),
            Some(_) => ("206 X", format!("Content-Range: bytes {first}-{last}/{LENGTH}\r\n")),
        };
        let length = last - first + 1;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{placed}ETag: \"1\"\r\n\r\n"
        )?;
        let _ = asked.send(request.clone());
        if range.is_none() {
            stream.write_all(&content[..SILENT_AFTER])?;
            // Until the other side is gone.
            while stream.read(&mut [0])? > 0 {}
            return Ok(());
        }
        stream.write_all(&content[first..=last])?;
    }
}

/// Asks for the properties of the copy until they are as a test waits for.
fn wait_for(authority: &str, done: impl Fn(&Answer) -> bool) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = send(authority, &call("HEAD", "/box/to"));
        if done(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_copy_from_elsewhere_goes_on_after_a_crash() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = asked.clone();
            thread::spawn(move || serve(stream, &asked));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let hosts = format!("127.0.0.1:{port}");
    let arguments =
        ["--data", "data", "--copy-source-hosts", &hosts, "--copy-source-networks", "127.0.0.0/8"];
    let mut server = Server::start(folder.path(), &arguments);
    let blob = server.authority("blob").to_owned();
    assert_eq!(send(&blob, &call("PUT", "/box?restype=container")).status(), 201);
    let url = format!("http://127.0.0.1:{port}/c/b?sig=secret");
    let begun = send(&blob, &call("PUT", "/box/to").header("x-ms-copy-source", &url));
    assert_eq!((begun.status(), begun.header("x-ms-copy-status")), (202, "pending"));
    let one_block = format!("{BLOCK}/{LENGTH}");
    wait_for(&blob, |found| found.header("x-ms-copy-progress") == one_block);
    server.signal(Signal::KILL);
    server.end();
    let fsck = run(folder.path(), &["fsck", "--data", "data"]);
    assert!(fsck.stdout.ends_with("clean\n"), "{fsck:?}");

    let mut server = Server::start(folder.path(), &arguments);
    let blob = server.authority("blob").to_owned();
    let done = wait_for(&blob, |found| found.header("x-ms-copy-status") != "pending");
    assert_eq!(done.header("x-ms-copy-status"), "success", "{done:?}");
    assert_eq!(done.header("x-ms-copy-id"), begun.header("x-ms-copy-id"));
    let last = requests.try_iter().last().unwrap();
    assert!(last.contains(&format!("Range: bytes={BLOCK}-\r\n")), "{last}");
    assert!(last.contains("If-Match: \"1\"\r\n"), "{last}");
    let copy = send(&blob, &call("GET", "/box/to"));
    assert!(copy.body().as_bytes() == content(), "the copy has other content than its source");
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    let fsck = run(folder.path(), &["fsck", "--data", "data"]);
    assert!(fsck.stdout.ends_with("clean\n"), "{fsck:?}");
}

#[test]
fn a_source_is_here_by_every_name_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--in-memory"]);
    let blob = server.authority("blob").to_owned();
    let (_, port) = blob.rsplit_once(':').unwrap();
    assert_eq!(send(&blob, &call("PUT", "/box?restype=container")).status(), 201);
    let from = call("PUT", "/box/from").header("x-ms-blob-type", "BlockBlob").body("content");
    assert_eq!(send(&blob, &from).status(), 201);
    let copy = |host: &str, source: &str| {
        let url = format!("http://{source}/{ACCOUNT}/box/from");
        let call = call("PUT", "/box/to").header("host", host).header("x-ms-copy-source", &url);
        send(&blob, &call)
    };
    let names = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
    for host in names.iter().map(String::as_str).chain(["storage.example"]) {
        for source in &names {
            let copied = copy(host, source);
            assert_eq!(copied.status(), 202, "{host} from {source}: {copied:?}");
            assert_eq!(copied.header("x-ms-copy-status"), "success");
        }
        for (service, other) in [("admin", "127.0.0.1"), ("queue", "localhost")] {
            let (_, port) = server.authority(service).rsplit_once(':').unwrap();
            let refused = copy(host, &format!("{other}:{port}"));
            assert_eq!(refused.status(), 403, "{host} from {service}: {refused:?}");
        }
    }
}
