//! A log that asks for cosignatures, over raw HTTP.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use lazuli_tlog::{Checkpoint, MemoryTree, NoteSigner, TreeHead, leaf_hash};

/// The name and origin of the log.
pub(crate) const ORIGIN: &str = "log.example";

/// The key of the log.
pub(crate) fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[1; 32]).unwrap()
}

/// A tree of the log with this many leaves.
pub(crate) fn tree(size: u32) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend((0..size).map(|n| leaf_hash(&n.to_be_bytes())));
    tree
}

/// A body that leads from `old` to `new`.
pub(crate) fn body(tree: &MemoryTree, old: u64, new: u64) -> String {
    let head = TreeHead { size: new, root: tree.root_at(new).unwrap() };
    let signed = Checkpoint::new(ORIGIN, head).unwrap().sign(&[&signer()]).unwrap();
    let proof = tree.consistency_proof(old, new).unwrap_or_default();
    let proof: Vec<String> = proof.iter().map(|hash| format!("{hash}\n")).collect();
    format!("old {old}\n{}\n{signed}", proof.concat())
}

/// The message that posts a body.
pub(crate) fn post(body: &str) -> String {
    let length = body.len();
    format!("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A connection that gives up after a while.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends bytes, ends the sending half, and gives all that comes back.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // The other side may refuse before everything is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What stands behind the head of an answer.
pub(crate) fn content(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, content)| content)
}
