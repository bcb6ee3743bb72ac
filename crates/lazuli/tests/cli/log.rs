//! `lazuli log` against a server that runs, and against one that lies.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lazuli_tlog::key::Algorithm;
use lazuli_tlog::{
    Checkpoint, Cosigner, Frontier, Hash, NoteSigner, TreeHead, append_entry, leaf_hash,
};

use crate::program::{Done, Server, run};
use crate::raw::{call, send};

/// Starts a server with a log.
pub(crate) fn start(folder: &Path, more: &[&str]) -> Server {
    let arguments = ["--transparency-log", "on", "--log-origin", "log.test"];
    Server::start(folder, &[&arguments, more].concat())
}

/// Runs `lazuli log VERB` against a server.
fn log(folder: &Path, server: &Server, verb: &str, more: &[&str]) -> Done {
    let admin = format!("http://{}", server.authority("admin"));
    run(folder, &[&["log", verb, "--admin", &admin], more].concat())
}

/// Puts blobs and waits until their segment is under a checkpoint.
pub(crate) fn put_blobs(folder: &Path, server: &Server) {
    let blob = server.authority("blob");
    assert_eq!(send(blob, &call("PUT", "/box?restype=container")).status(), 201);
    let mut last = String::new();
    for name in ["one", "two"] {
        let put = call("PUT", &format!("/box/{name}")).header("x-ms-blob-type", "BlockBlob");
        let answer = send(blob, &put.body("hello"));
        assert_eq!(answer.status(), 201);
        answer.header("x-lz-receipt").clone_into(&mut last);
    }
    assert!(!last.is_empty());
    let size = |done: &Done| {
        let status: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let open = status["open_segment"]["n"].as_u64().unwrap();
        (open, status["checkpoint"]["size"].as_u64().unwrap_or(0), status["waiting"] == 0)
    };
    let (open, before, _) = size(&log(folder, server, "status", &["--json"]));
    loop {
        let (now, checkpoint, is_done) = size(&log(folder, server, "status", &["--json"]));
        if now > open + 1 && checkpoint > before && is_done {
            return;
        }
    }
}

#[test]
fn a_running_log_is_shown_exported_and_opened_for_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = start(folder, &[]);
    put_blobs(folder, &server);

    let status = log(folder, &server, "status", &[]);
    assert_eq!((status.status, status.stderr.as_str()), (Some(0), ""));
    assert!(status.stdout.starts_with("origin      log.test\n"), "{}", status.stdout);

    let shown = log(folder, &server, "show", &[]);
    assert!(shown.stdout.starts_with("log.test\n"), "{shown:?}");
    assert!(shown.stdout.contains("Z  segment "), "{shown:?}");
    let leaf = log(folder, &server, "show", &["--leaf", "0"]);
    assert!(leaf.stdout.contains("  boot of start 1, program "), "{leaf:?}");
    let beyond = log(folder, &server, "show", &["--leaf", "99999"]);
    assert_eq!(beyond.stderr, "error: the log has no leaf 99999\n");

    let exported = log(folder, &server, "export", &["exported", "--segments"]);
    assert_eq!(exported.status, Some(0), "{exported:?}");
    assert!(
        fs::read_to_string(folder.join("exported/policy")).unwrap().starts_with("log log.test")
    );
    let witnessed = fs::read_to_string(folder.join("exported/witnessed")).unwrap();
    assert!(witnessed.starts_with("log.test\n"), "{witnessed}");
    let segments = fs::read_dir(folder.join("exported/seg")).unwrap();
    let is_created = segments.into_iter().any(|file| {
        let name = file.unwrap().file_name();
        let n = name.to_str().unwrap().parse::<u64>().unwrap().to_string();
        let segment = log(folder, &server, "show", &["--segment", &n]);
        assert_eq!(segment.status, Some(0), "{segment:?}");
        segment.stdout.contains("  control  CreateContainer ")
    });
    assert!(is_created);
    let again = log(folder, &server, "export", &["exported", "--segments"]);
    assert_eq!(again.status, Some(0), "{again:?}");

    let arguments = ["--account", "devstoreaccount1", "--out", "bundle"];
    let entries = log(folder, &server, "entries", &arguments);
    assert_eq!((entries.status, entries.stderr.as_str()), (Some(0), ""), "{entries:?}");
    let lines: Vec<&str> = entries.stdout.lines().collect();
    let has = |number: &str, op: &str, object: &str| {
        lines.iter().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.len() == 7 && words[1..] == [number, words[2], op, "201", "key1", object]
        })
    };
    assert!(has("1", "CreateContainer", "box"), "{}", entries.stdout);
    assert!(has("2", "PutBlob", "box/one"), "{}", entries.stdout);
    assert!(has("3", "PutBlob", "box/two"), "{}", entries.stdout);
    let verdict = lines.last().unwrap();
    assert!(verdict.contains("complete") && verdict.contains(" 1 to 3"), "{verdict}");
    let bag = fs::read_to_string(folder.join("bundle/bagit.txt")).unwrap();
    assert!(bag.starts_with("BagIt-Version: 1.0\n"));
    let claims = fs::read_to_string(folder.join("bundle/data/claims")).unwrap();
    assert!(claims.starts_with("from ") && claims.ends_with(" 1\n"), "{claims}");
    for (arguments, error) in [
        (&arguments[..], "error: bundle holds a bundle already\n"),
        (&["--account", "nobody", "--out", "other"], "error: the log has nothing of account"),
        (&["--account", "a/b", "--out", "other"], "error: `a/b` cannot be an account"),
        (&["--account", "a", "--from", "x", "--out", "other"], "error: `x` is no time"),
        (
            &["--account", "devstoreaccount1", "--from", "2", "--to", "1", "--out", "other"],
            "error: `--from` is later than `--to`",
        ),
    ] {
        let done = log(folder, &server, "entries", arguments);
        assert!(done.stderr.starts_with(error), "{done:?}");
        assert!(matches!(done.status, Some(1 | 2)) && done.stdout.lines().count() <= 4);
    }

    let url = format!("http://{}/.lazuli/log", server.authority("blob"));
    let arguments = ["log", "monitor", &url, "--policy", "exported/policy", "--once"];
    for _ in 0..2 {
        let seen = run(folder, &arguments);
        assert_eq!(seen.status, Some(0), "{seen:?}");
        assert!(seen.stdout.contains(" leaves, "), "{seen:?}");
    }
    assert!(folder.join("lazuli-monitor.json").exists());
}

#[test]
fn without_a_log_or_a_server_the_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--in-memory", "--transparency-log", "off"]);
    let done = log(folder.path(), &server, "status", &[]);
    assert_eq!(done.status, Some(1));
    let hint = "\nhint: a server has a log unless it runs with `--transparency-log off`\n";
    assert!(done.stderr.ends_with(hint), "{done:?}");
    let nowhere = ["log", "status", "--admin", "http://127.0.0.1:1"];
    let done = run(folder.path(), &nowhere);
    assert!(done.stderr.starts_with("error: cannot ask http://127.0.0.1:1/log/status: "));
    let other = run(folder.path(), &["log", "status", "--admin", "ftp://a"]);
    assert_eq!(other.status, Some(2));
    let reason = "begins neither with `http://` nor with `https://`";
    assert!(other.stderr.contains(reason), "{other:?}");
}

/// A log of ten leaves or more whose leaves depend on who tells of them.
fn other_log(seed: u8, size: u8) -> (String, String, Vec<u8>) {
    let signer = NoteSigner::from_seed("other.test".parse().unwrap(), &[1; 32]).unwrap();
    let (mut tree, mut bundle) = (Frontier::new(), Vec::new());
    for n in 0..size {
        let leaf = [seed, n];
        tree.append(leaf_hash(&leaf));
        append_entry(&mut bundle, &leaf).unwrap();
    }
    let checkpoint = Checkpoint::new("other.test", tree.head()).unwrap();
    let signed = checkpoint.sign(&[&signer]).unwrap().to_string();
    (format!("log {}\nquorum none\n", signer.verifier()), signed, bundle)
}

/// Shows some files of a log for as long as the test runs, and nothing else. Gives the address and
/// what was asked for.
fn serve(files: BTreeMap<String, Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/any", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let questions = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut request, mut part) = (Vec::new(), [0; 1024]);
            while !request.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut part).unwrap();
                request.extend_from_slice(part.get(..count).unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap().strip_prefix("/any/").unwrap().to_owned();
            let answer = files.get(&path).map_or_else(
                || b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
                |body| [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), body].concat(),
            );
            questions.lock().unwrap().push(path);
            stream.write_all(&answer).unwrap();
        }
    });
    (url, asked)
}

#[test]
fn a_mirror_of_a_log_that_claims_too_much_or_lies_ends_early() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let signer = NoteSigner::from_seed("other.test".parse().unwrap(), &[1; 32]).unwrap();
    let signed = |size| {
        let head = TreeHead { size, root: Hash([7; 32]) };
        Checkpoint::new("other.test", head).unwrap().sign(&[&signer]).unwrap().to_string()
    };
    let endless = signed((1 << 63) - 1).into_bytes();
    let (url, asked) = serve(BTreeMap::from([("checkpoint".to_owned(), endless)]));
    let done = run(folder, &["log", "export", "--url", &url, "endless"]);
    let error = "error: the log claims 9223372036854775807 leaves, more than 17179869184 bytes hold\n\
                 hint: `--bytes-max` allows for more\n";
    assert_eq!((done.status, done.stderr.as_str()), (Some(1), error));
    assert_eq!(*asked.lock().unwrap(), ["witnessed", "checkpoint", "policy"]);
    assert!(!folder.join("endless").exists());

    // Of a hundred thousand leaves the first ones do not have the hashes that are shown for them.
    let mut bundle = Vec::new();
    (0..256).for_each(|_| append_entry(&mut bundle, b"leaf").unwrap());
    let hashes = leaf_hash(b"leaf").0.repeat(255);
    let files = BTreeMap::from([
        ("checkpoint".to_owned(), signed(100_000).into_bytes()),
        ("tile/entries/000".to_owned(), bundle),
        ("tile/0/000".to_owned(), [hashes.as_slice(), &[1; 32]].concat()),
    ]);
    let (url, asked) = serve(files);
    let done = run(folder, &["log", "export", "--url", &url, "lie"]);
    assert_eq!(done.status, Some(1));
    assert!(done.stderr.ends_with("\nhint: keep the folder: it is evidence\n"), "{done:?}");
    let tiles = ["tile/entries/000", "tile/0/000"];
    assert_eq!(asked.lock().unwrap()[3..], tiles);
    for name in tiles.iter().chain(&["checkpoint"]) {
        assert!(folder.join("lie").join(name).exists(), "{name}");
    }
    // Few leaves, but longer ones than the mirror may hold.
    let long = vec![b'l'; 60_000];
    let (mut bundle, mut tree) = (Vec::new(), Frontier::new());
    append_entry(&mut bundle, &long).unwrap();
    tree.append(leaf_hash(&long));
    let head = Checkpoint::new("other.test", tree.head()).unwrap();
    let signed = head.sign(&[&signer]).unwrap().to_string().into_bytes();
    let files = [("checkpoint", signed), ("tile/entries/000.p/1", bundle)];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes));
    let (url, _) = serve(BTreeMap::from(files));
    let done = run(folder, &["log", "export", "--url", &url, "--bytes-max", "50000", "long"]);
    assert!(done.stderr.starts_with("error: the log is longer than a mirror may be\n"), "{done:?}");
}

/// Shows a log until its one bundle was asked for, or its checkpoint if there is no need for more.
fn show(listener: &TcpListener, signed: &str, bundle: &[u8], questions: usize) {
    for _ in 0..questions {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut part) = (Vec::new(), [0; 1024]);
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut part).unwrap();
            request.extend_from_slice(part.get(..count).unwrap());
        }
        if request.starts_with(b"GET /any/witnessed HTTP/1.1\r\n") {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
            continue;
        }
        let is_checkpoint = request.starts_with(b"GET /any/checkpoint HTTP/1.1\r\n");
        assert!(is_checkpoint || request.starts_with(b"GET /any/tile/entries/000.p/"));
        let body = if is_checkpoint { signed.as_bytes() } else { bundle };
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
    }
}

#[test]
fn a_log_of_another_kind_is_followed_until_it_contradicts_itself() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/any", listener.local_addr().unwrap());
    let arguments = ["log", "monitor", &url, "--policy", "p", "--state", "s.json", "--once"];
    let look = |seed, size, questions| {
        let (policy, signed, bundle) = other_log(seed, size);
        fs::write(folder.join("p"), policy).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| show(&listener, &signed, &bundle, questions));
            run(folder, &arguments)
        })
    };
    let first = look(1, 10, 2);
    assert_eq!(
        (first.status, first.stdout.as_str()),
        (Some(0), "10 leaves, 10 new, 0 of 0 witnesses\n")
    );
    let grown = look(1, 15, 2);
    assert_eq!(grown.stdout, "15 leaves, 5 new, 0 of 0 witnesses\n");
    let cases = [
        (2, 20, 2, "error: contradiction: its leaves do not lead from the 15"),
        (2, 15, 1, "error: contradiction: two roots for 15 leaves\n"),
        (1, 10, 1, "error: contradiction: the log had 15 leaves and has 10\n"),
    ];
    for (seed, size, questions, error) in cases {
        let lied = look(seed, size, questions);
        assert_eq!((lied.status, lied.stdout.as_str()), (Some(1), ""), "{lied:?}");
        assert!(lied.stderr.starts_with(error), "{lied:?}");
        assert!(lied.stderr.ends_with("kept in s.seen and s.now\n"), "{lied:?}");
    }
    assert_eq!(fs::read_to_string(folder.join("s.now")).unwrap(), other_log(1, 10).1);
    assert_eq!(look(1, 15, 1).stdout, "15 leaves, 0 new, 0 of 0 witnesses\n");
    fs::write(folder.join("p"), "nonsense\n").unwrap();
    let done = run(folder, &arguments);
    assert_eq!(done.status, Some(2));
    assert!(done.stderr.starts_with("error: cannot use the policy p: line 1"), "{done:?}");
}

#[test]
fn a_single_look_that_raises_an_alarm_has_a_status_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/any", listener.local_addr().unwrap());
    let (policy, signed, bundle) = other_log(1, 10);
    let name = "witness.test".parse().unwrap();
    let witness = Cosigner::from_seed(name, Algorithm::CosignatureV1, &[9; 32]).unwrap();
    let log = policy.lines().next().unwrap();
    let policy = format!("{log}\nwitness w {}\nquorum w\n", witness.verifier());
    fs::write(folder.join("p"), policy).unwrap();
    let arguments = ["log", "monitor", &url, "--policy", "p", "--state", "s.json", "--once"];
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| show(&listener, &signed, &bundle, 3));
        run(folder, &arguments)
    });
    assert_eq!(seen.status, Some(3), "{seen:?}");
    assert_eq!(seen.stdout, "10 leaves, 10 new, 0 of 1 witnesses\n");
    assert!(seen.stderr.starts_with("alarm: UNWITNESSED, "), "{seen:?}");
    assert!(seen.stderr.contains("\nerror: 1 alarms\nhint: "), "{seen:?}");
}
