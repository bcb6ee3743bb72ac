//! The program against a log that shows two views, and against strangers that want its memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use lazuli_tlog::{MemoryTree, leaf_hash};

use crate::log::{body, connect, content, exchange, post, signer, status, tree};
use crate::process::{Running, keygen};

/// The most memory that the program may ever have had, in KiB: far more than it needs, and far less
/// than what is sent to it.
#[cfg(target_os = "linux")]
const MEMORY_KIB_MAX: u64 = 48 * 1024;

/// The most bytes that are sent on one connection before it must have ended.
const SENT_BYTES_MAX: usize = 64 * 1024 * 1024;

fn running() -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]);
    (Running::start(folder.path()), folder)
}

/// A tree of this size that begins as the log's and has `salt` for its last leaf.
fn forked(size: u32, salt: &str) -> MemoryTree {
    let mut tree = tree(size - 1);
    tree.append(leaf_hash(salt.as_bytes()));
    tree
}

#[test]
fn the_program_answers_with_each_status() {
    let (running, _folder) = running();
    let tree = tree(20);
    let good = body(&tree, 7, 9);
    let stranger = good.replace("log.example\n9\n", "other.example\n9\n");
    let unknown_key = good.replace("\u{2014} log.example ", "\u{2014} log.example/2 ");
    let cases = [
        ("first", body(&tree, 0, 7), 200),
        ("not a request", "old 7\n".to_owned(), 400),
        ("a size of 2^63", good.replace("\n9\n", "\n9223372036854775808\n"), 400),
        ("an old size of 2^63", good.replace("old 7\n", "old 9223372036854775808\n"), 400),
        ("10,000 short signatures", good.clone() + &"\u{2014} a AAAAAAAA\n".repeat(10_000), 400),
        ("old above new", body(&tree, 9, 8), 400),
        ("unknown origin", stranger, 404),
        ("wrong signature", good.replace("\n9\n", "\n10\n"), 403),
        ("unknown key", unknown_key, 403),
        ("old below newest", body(&tree, 6, 9), 409),
        ("old above newest", body(&tree, 8, 9), 409),
        ("another tree of the same size", body(&forked(7, "x"), 7, 7), 409),
        ("another tree", body(&forked(7, "x"), 7, 7).replace("old 7", "old 3"), 409),
        ("no proof", format!("old 7\n\n{}", good.split_once("\n\n").unwrap().1), 422),
        ("good", good, 200),
    ];
    for (what, body, expected) in cases {
        let answer = running.ask(&body);
        assert_eq!(status(&answer), expected, "{what}: {answer}");
        if expected == 409 {
            assert!(answer.contains("\r\nContent-Type: text/x.tlog.size\r\n"), "{what}");
            assert_eq!(content(&answer), "7\n", "{what}");
        }
    }
    running.kill();
}

#[test]
fn of_many_views_at_once_one_is_cosigned() {
    let (running, _folder) = running();
    let address = running.address;
    for size in 1..6 {
        let view = |salt: usize| match salt {
            0 => body(&tree(size), u64::from(size) - 1, u64::from(size)),
            salt => body(&forked(size, &format!("{salt}")), u64::from(size) - 1, u64::from(size)),
        };
        let ask = |salt: usize| status(&exchange(address, post(&view(salt)).as_bytes()));
        let statuses = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12).map(|salt| scope.spawn(move || ask(salt))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(409)), (1, 11), "{statuses:?}");
        if statuses[0] != 200 {
            // The log is now one of the other views: begin again where it is the real one.
            break;
        }
    }
    running.kill();
}

/// What the state says is the size of the newest checkpoint.
fn kept(folder: &Path) -> Option<u32> {
    let state = fs::read_to_string(folder.join("state")).ok()?;
    state.lines().skip_while(|line| *line != "log.example").nth(1)?.parse().ok()
}

/// Kills the program around the moment at which a checkpoint becomes durable, and then shows it
/// another view of what was asked for.
#[test]
fn a_killed_witness_never_cosigns_two_views() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]);
    let (mut newest, mut moved) = (0, 0);
    for round in 0..40 {
        let running = Running::start(folder.path());
        let next = newest + 1;
        let honest = tree(next);
        let mut stream = connect(running.address);
        let message = post(&body(&honest, u64::from(newest), u64::from(next)));
        stream.write_all(message.as_bytes()).unwrap();
        // The answer is not read. In every other round the file beside the state is enough.
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_soon = round % 2 == 0;
        while kept(folder.path()) != Some(next)
            && !(is_soon && folder.path().join("state.new").exists())
        {
            assert!(Instant::now() < deadline, "round {round}: nothing is kept");
            std::thread::yield_now();
        }
        running.kill();
        let known = kept(folder.path()).unwrap_or(0);
        assert!(known == newest || known == next, "round {round}: {known} after {newest}");
        moved += u32::from(known == next);
        newest = known;
        let running = Running::start(folder.path());
        if known == next {
            // The cosignature may be out: a second tree of this size is never cosigned.
            let fork = forked(next, "fork");
            for old in [next - 1, next] {
                let answer = running.ask(&body(&fork, u64::from(old), u64::from(next)));
                assert_eq!(status(&answer), 409, "round {round}: {answer}");
            }
            let mut longer = fork;
            longer.append(leaf_hash(b"more"));
            let answer = running.ask(&body(&longer, u64::from(next), u64::from(next) + 1));
            assert_eq!(status(&answer), 422, "round {round}: {answer}");
        }
        running.kill();
    }
    assert!(moved >= 20, "{moved}");
}

/// Sends `head`, waits for the status, and goes on sending until the connection ends.
fn flood(address: SocketAddr, head: &[u8], more: &[u8]) -> u16 {
    let mut stream = connect(address);
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(head).unwrap();
    let mut answer = [0; 12];
    let found = stream.read_exact(&mut answer).map(|()| String::from_utf8_lossy(&answer));
    let found = found.map_or(0, |answer| status(&answer));
    let block = more.repeat(65_536 / more.len());
    let mut sent = 0;
    while sent < SENT_BYTES_MAX && stream.write_all(&block).is_ok() {
        sent += block.len();
    }
    assert!(sent < SENT_BYTES_MAX, "the connection never ends");
    found
}

#[test]
fn floods_end_with_an_error_and_take_no_memory() {
    let (running, _folder) = running();
    let address = running.address;
    let signed = body(&tree(3), 0, 3);
    let line = signed.lines().last().unwrap();
    let line = format!("{line}\n");
    let many = format!("Content-Length: {}", signed.len() + line.len() * 10_000);
    let head = |length: &str| format!("POST /add-checkpoint HTTP/1.1\r\n{length}\r\n\r\n");
    let attacks = [
        ("10,000 signatures", head(&many), line.as_str(), 413),
        ("a body over the limit", head("Content-Length: 9000000"), "x", 413),
        ("a body of 2^63 bytes", head("Content-Length: 9223372036854775808"), "x", 413),
        ("a body without an end", head("Transfer-Encoding: chunked"), "1\r\nx\r\n", 501),
        ("headers", format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(65)), "A: b\r\n", 431),
        ("a long header", format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(25_000)), "b", 431),
        ("junk behind a request", post("old 1\n"), "\0junk", 400),
        ("requests without an end", post("old 1\n"), "GET / HTTP/1.1\r\n\r\n", 400),
    ];
    std::thread::scope(|scope| {
        for (what, head, more, expected) in &attacks {
            // Several at a time, for what one takes is not much.
            for _ in 0..6 {
                scope.spawn(move || {
                    let found = flood(address, head.as_bytes(), more.as_bytes());
                    assert_eq!(found, *expected, "{what}");
                });
            }
        }
    });
    let good = running.ask(&body(&tree(3), 0, 3));
    assert_eq!(status(&good), 200, "it lives on, for {}", signer().verifier().name());
    #[cfg(target_os = "linux")]
    {
        let path = format!("/proc/{}/status", running.child.id());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let most: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(most < MEMORY_KIB_MAX, "{most} KiB");
    }
    running.kill();
}
