//! The checkpoint of a bundle, beside witnesses that are late and witnesses that are away.
//!
//! Between the command and the server stands a listener that answers for the witnesses.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazuli_tlog::key::Algorithm;
use lazuli_tlog::{Cosigner, Policy, SignedCheckpoint};

use crate::between::{answering, forwarded};
use crate::log::{put_blobs, start};
use crate::program::{Done, run};

/// What a log tells of its witnesses.
struct Told<'a> {
    witness: Cosigner,
    /// There is no witnessed checkpoint before it was asked so often how the witnesses are.
    late: usize,
    /// How often it was.
    asked: AtomicUsize,
    status: &'a str,
}

impl Told<'_> {
    /// The server's answer to a question, or another one.
    fn answer(&self, admin: &str, request: &[u8]) -> Vec<u8> {
        let target = std::str::from_utf8(request).unwrap().split(' ').nth(1).unwrap();
        let reply = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .into_bytes()
        };
        match target {
            "/log/status" => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                reply("200 OK", self.status)
            }
            "/log/witnessed" if self.asked.load(Ordering::Relaxed) < self.late => {
                reply("404 Not Found", "")
            }
            "/log/witnessed" => {
                let answer = forwarded(admin, request);
                let head = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                let mut signed = SignedCheckpoint::parse(&answer[head..]).unwrap();
                let cosignature = self.witness.cosign(signed.checkpoint(), 7).unwrap();
                signed.add(cosignature).unwrap();
                reply("200 OK", &signed.to_string())
            }
            _ => forwarded(admin, request),
        }
    }
}

/// Runs `lazuli log entries` against a server whose log tells this of its witnesses; what it printed,
/// and whether the bundle has the quorum.
fn bundle(folder: &Path, admin: &str, told: &Told<'_>) -> (Done, bool) {
    let out = format!("bundle-{}-{}", told.late, told.status.len());
    let done = answering(
        |request| told.answer(admin, request),
        |url| {
            let account = ["--account", "devstoreaccount1", "--out", &out];
            run(folder, &[&["log", "entries", "--admin", url][..], &account].concat())
        },
    );
    let signed = fs::read(folder.join(out).join("data/log/checkpoint")).unwrap();
    let signed = SignedCheckpoint::parse(&signed).unwrap();
    let log = signed.note().signatures()[0].name();
    assert_eq!(log.as_str(), "log.test");
    let own = fs::read_to_string(folder.join("lazuli-data.log/policy")).unwrap();
    let own = own.lines().filter(|line| line.starts_with("log "));
    let own: String = own.flat_map(|line| [line, "\n"]).collect();
    let policy = format!("{own}witness w {}\nquorum w\n", told.witness.verifier());
    let found = Policy::parse(policy.as_bytes()).unwrap().evaluate(&signed).unwrap();
    (done, found.has_quorum)
}

#[test]
fn a_bundle_waits_for_witnesses_that_are_well_and_for_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = start(folder, &[]);
    put_blobs(folder, &server);
    let admin = server.authority("admin");
    let told = |late, status| Told {
        witness: Cosigner::from_seed("w".parse().unwrap(), Algorithm::CosignatureV1, &[9; 32])
            .unwrap(),
        late,
        asked: AtomicUsize::new(0),
        status,
    };
    let well = r#"{ "witnesses": [{ "name": "w" }], "unwitnessed": false }"#;
    let late = told(3, well);
    let (done, has_quorum) = bundle(folder, admin, &late);
    assert_eq!((done.status, has_quorum), (Some(0), true), "{done:?}");
    let note = "note: waiting up to 20 s until witnesses vouch for the newest entry\n";
    assert_eq!(done.stderr.matches(note).count(), 1, "{done:?}");
    assert!(!done.stderr.contains("UNWITNESSED"), "{done:?}");

    let away = r#"{ "witnesses": [{ "name": "w" }], "unwitnessed": true }"#;
    let none = r#"{ "witnesses": [], "unwitnessed": true }"#;
    for status in [away, none] {
        let (done, has_quorum) = bundle(folder, admin, &told(usize::MAX, status));
        assert_eq!((done.status, has_quorum), (Some(0), false), "{done:?}");
        assert!(done.stderr.starts_with("note: no quorum of witnesses "), "{done:?}");
        assert_eq!(done.stderr.lines().count(), 1, "nothing is waited for: {done:?}");
    }
}
