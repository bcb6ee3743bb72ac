//! The program itself: keys, restarts, and `kill -9`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use lazuli_tlog::note::parse_signatures;
use lazuli_tlog::{SignedNote, VerifierKey};

use crate::log::{body, connect, content, exchange, post, signer, status, tree};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lazuli-witness"))
}

pub(crate) fn keygen(folder: &Path, more: &[&str]) -> Output {
    let mut command = program();
    command.args(["keygen", "--name", "witness.example/w1", "--out"]).arg(folder.join("key"));
    command.args(more).output().unwrap()
}

/// The program, serving.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(folder.join("state"));
        command.arg("--key").arg(folder.join("key"));
        command.args(["--log", &signer().verifier().to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("listening on http://").and_then(|address| address.parse().ok())
        });
        Self { child, address: address.expect("the program says where it listens") }
    }

    pub(crate) fn ask(&self, body: &str) -> String {
        exchange(self.address, post(body).as_bytes())
    }

    /// `kill -9`, and the end of it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn keys_cosign_under_the_name_they_were_made_with() {
    let folder = tempfile::tempdir().unwrap();
    let count = if cfg!(feature = "ml-dsa") { 2 } else { 1 };
    let arguments: &[&str] = if count == 2 { &["--ml-dsa"] } else { &[] };
    let made = keygen(folder.path(), arguments);
    let printed = String::from_utf8(made.stdout).unwrap();
    let keys: Vec<VerifierKey> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(keys.len(), count);
    let second = keygen(folder.path(), &[]);
    assert!(!second.status.success() && second.stdout.is_empty());
    let running = Running::start(folder.path());
    let body = body(&tree(7), 0, 7);
    let answer = running.ask(&body);
    let text = body.split_once("\n\n").unwrap().1.split_once("\n\n").unwrap().0;
    let cosignatures = parse_signatures(content(&answer).as_bytes()).unwrap();
    let note = SignedNote::new(&format!("{text}\n"), cosignatures).unwrap();
    let verified = note.verify(&keys).unwrap();
    assert_eq!(verified.len(), count);
    assert!(verified.iter().all(|found| found.timestamp.is_some_and(|time| time > 1_700_000_000)));
    running.kill();
}

#[cfg(not(feature = "ml-dsa"))]
#[test]
fn a_build_without_ml_dsa_says_so_and_makes_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let made = keygen(folder.path(), &["--ml-dsa"]);
    assert_eq!(made.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&made.stderr).contains("--features ml-dsa"));
    assert!(!folder.path().join("key").exists());
}

#[test]
fn wrong_settings_end_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]);
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let log = signer().verifier().to_string();
    std::fs::write(path("damaged"), "lazuli-witness/state/v1\n").unwrap();
    std::fs::write(path("empty"), "# no log\n").unwrap();
    let (key, state) = (path("key"), path("state"));
    let cases: [(&[&str], &str); 6] = [
        (&["--key", "/nowhere/key", "--state", &state, "--log", &log], "`/nowhere/key`: "),
        (&["--key", &state, "--state", &state, "--log", &log], "error: "),
        (&["--key", &key, "--state", &path("damaged"), "--log", &log], "the state is damaged"),
        (&["--key", &key, "--state", &state, "--log", "log"], "log `log`: "),
        (&["--key", &key, "--state", &state], "no log is named"),
        (&["--key", &key, "--state", &state, "--log-list", &path("empty")], "no log is named"),
    ];
    for (arguments, message) in cases {
        let output = program().arg("serve").args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}

#[test]
fn two_witnesses_never_share_a_state() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]);
    let running = Running::start(folder.path());
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(folder.path().join("state"));
    command.arg("--key").arg(folder.path().join("key"));
    command.args(["--log", &signer().verifier().to_string()]);
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("another witness uses the state"));
    running.kill();
}

/// Whatever was answered before a kill is known after it; and what was on its way is either whole
/// or not there.
#[test]
fn a_killed_witness_is_never_behind_what_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]);
    let tree = tree(400);
    let mut newest = 0;
    for round in 0..25 {
        let running = Running::start(folder.path());
        // This old size is never the newest, so that the answer is a conflict.
        let known = content(&running.ask(&body(&tree, 399, 400))).trim().to_owned();
        let known: u64 = known.parse().expect("a conflict names the newest size");
        // The request that was on its way when the last process was killed may have been kept.
        assert!(known == newest || known == newest + 1, "round {round}: {known} after {newest}");
        newest = known;
        for _ in 0..round % 4 {
            let answer = running.ask(&body(&tree, newest, newest + 1));
            assert_eq!(status(&answer), 200, "round {round}");
            newest += 1;
        }
        // One more, killed at another moment in each round: after a part of the request, or after
        // all of it without waiting for the answer.
        let message = post(&body(&tree, newest, newest + 1));
        let part = message.len() * (round as usize % 6 + 5) / 10;
        let mut stream = connect(running.address);
        stream.write_all(&message.as_bytes()[..part.min(message.len())]).unwrap();
        running.kill();
    }
    assert!(newest >= 36);
}
