//! The server over HTTP: each status, keep-alive, and what hostile clients send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use lazuli_tlog::Cosigner;
use lazuli_tlog::key::Algorithm;
use lazuli_witness::{Limits, Logs, Server, Store, Witness};
use tempfile::TempDir;

use crate::log::{body, connect, content, exchange, post, signer, status, tree};

/// A witness in a thread that ends with the tests.
fn start(limits: Limits) -> (SocketAddr, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state")).unwrap();
    let logs = Logs::parse([signer().verifier().to_string().as_str()]).unwrap();
    let name = "witness.example".parse().unwrap();
    let key = Cosigner::from_seed(name, Algorithm::CosignatureV1, &[2; 32]).unwrap();
    let witness = Witness::new(logs, vec![key], store, Box::new(|| Some(1_700_000_000)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || Server::new(listener, witness, limits).run());
    (address, folder)
}

#[test]
fn every_status_reaches_the_log() {
    let (address, _folder) = start(Limits::default());
    let tree = tree(20);
    let fork = {
        let mut fork = lazuli_tlog::MemoryTree::new();
        fork.extend((0..20_u8).map(|n| lazuli_tlog::leaf_hash(&[n])));
        fork
    };
    let cases = [
        (body(&tree, 0, 7), 200),
        (body(&tree, 7, 9).replace("log.example\n9\n", "other.example\n9\n"), 404),
        (body(&tree, 7, 9).replace("\n9\n", "\n10\n"), 403),
        (body(&tree, 9, 7), 400),
        ("what".to_owned(), 400),
        (body(&tree, 3, 9), 409),
        (body(&fork, 7, 7), 409),
        (body(&fork, 7, 9), 422),
        (body(&tree, 7, 9), 200),
    ];
    for (body, expected) in cases {
        let answer = exchange(address, post(&body).as_bytes());
        assert_eq!(status(&answer), expected, "{body}");
        match expected {
            200 => assert!(content(&answer).starts_with("\u{2014} witness.example ")),
            409 => {
                assert!(answer.contains("\r\nContent-Type: text/x.tlog.size\r\n"));
                assert_eq!(content(&answer), "7\n");
            }
            _ => {}
        }
    }
}

#[test]
fn a_connection_serves_many_requests_also_sent_ahead() {
    let (address, _folder) = start(Limits::default());
    let tree = tree(20);
    let messages: String = (0..20).map(|size| post(&body(&tree, size, size + 1))).collect();
    let answers = exchange(address, messages.as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 20);
    let mut stream = connect(address);
    let message = post(&body(&tree, 0, 1)).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let (head, rest) = message.split_at(message.find("\r\n\r\n").unwrap() + 4);
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 409");
}

#[test]
fn the_newest_checkpoint_is_served() {
    let (address, _folder) = start(Limits::default());
    // The SHA-256 of `log.example`.
    let hash = lazuli_tlog::Hash::of(&[b"log.example"]);
    let hex = hash.0.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let get = format!("GET /{hex}/checkpoint HTTP/1.1\r\nHost: w\r\n\r\n");
    assert_eq!(status(&exchange(address, get.as_bytes())), 404);
    exchange(address, post(&body(&tree(7), 0, 7)).as_bytes());
    let answer = exchange(address, get.as_bytes());
    assert_eq!(status(&answer), 200);
    assert!(content(&answer).starts_with("log.example\n7\n"));
    assert!(content(&answer).contains("\n\u{2014} witness.example "));
}

#[test]
fn hostile_messages_are_refused_and_the_server_lives_on() {
    let (address, _folder) = start(Limits::default());
    let huge = "9".repeat(40);
    let messages: Vec<(String, u16)> = vec![
        ("GET / HTTP/1.1\r\n\r\n".into(), 404),
        ("GET /add-checkpoint HTTP/1.1\r\n\r\n".into(), 405),
        ("DELETE /x/checkpoint HTTP/1.1\r\n\r\n".into(), 404),
        ("GET /../../etc/passwd/checkpoint HTTP/1.1\r\n\r\n".into(), 404),
        ("POST /add-checkpoint HTTP/1.1\r\n\r\n".into(), 411),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 5\r\n\r\nold".into(), 400),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: -5\r\n\r\nold".into(), 400),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nold".into(), 400),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length:\r\n\r\nold".into(), 400),
        (format!("POST /add-checkpoint HTTP/1.1\r\nContent-Length: {huge}\r\n\r\n"), 413),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n".into(), 413),
        (
            "POST /add-checkpoint HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nold"
                .into(),
            400,
        ),
        (
            "POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n"
                .into(),
            501,
        ),
        ("POST /add-checkpoint HTTP/1.1\r\nExpect: magic\r\nContent-Length: 0\r\n\r\n".into(), 417),
        ("POST /add-checkpoint HTTP/2.0\r\nContent-Length: 0\r\n\r\n".into(), 505),
        ("\u{0}\u{1}\u{2}\r\n\r\n".into(), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65)), 431),
        ("GET / HTT".into(), 400),
        (post(&"\n".repeat(1000)), 400),
        (post(&format!("old 0\n\n{}", "\u{2014} a AAAAAAAA\n".repeat(10_000))), 400),
        (post(&"old 18446744073709551615\n\n".repeat(3)), 400),
    ];
    for (message, expected) in &messages {
        let answer = exchange(address, message.as_bytes());
        let shown: String = message.chars().take(90).collect();
        assert_eq!(status(&answer), *expected, "{shown:?}");
    }
    let random: Vec<u8> =
        (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    exchange(address, &random);
    let good = exchange(address, post(&body(&tree(3), 0, 3)).as_bytes());
    assert_eq!(status(&good), 200);
}

#[test]
fn slow_and_silent_clients_lose_their_place() {
    let limits = Limits {
        connections_max: 2,
        request_time_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let (address, _folder) = start(limits);
    let mut slow = [connect(address), connect(address)];
    slow[0].write_all(b"POST /add-ch").unwrap();
    // One more is told so, as long as the two hold their places; then there is room again.
    let mut answers = Vec::new();
    loop {
        answers.push(status(&exchange(address, post(&body(&tree(3), 0, 3)).as_bytes())));
        if answers.last() == Some(&200) {
            break;
        }
    }
    assert!(answers.iter().all(|status| matches!(status, 0 | 200 | 503)), "{answers:?}");
    let rests = slow.each_mut().map(|stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    });
    assert_eq!(status(&rests[0]), 408, "who began is told");
    assert_eq!(rests[1], "", "who said nothing waits for nothing");
}

#[test]
fn a_body_that_trickles_is_cut_off() {
    let limits = Limits { request_time_max: Duration::from_millis(200), ..Limits::default() };
    let (address, _folder) = start(limits);
    let mut stream = connect(address);
    stream.write_all(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9999\r\n\r\n").unwrap();
    // A byte now and then buys no more time than none.
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let begun = std::time::Instant::now();
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while begun.elapsed() < Duration::from_secs(20) {
        let _ = stream.write(b"o");
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    assert_eq!(status(&String::from_utf8_lossy(&answer)), 408);
}
