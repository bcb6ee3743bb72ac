//! The decision: cosign a checkpoint, or say why not.
//!
//! <https://c2sp.org/tlog-witness@v1.0.0#add-checkpoint>. Checking the newest size, making the new
//! one durable and answering happen under one lock, for all logs together: requests are few, the
//! file is one, and a race here would be a fork cosigned.

use std::fmt;
use std::sync::Mutex;

use lazuli_tlog::{Cosigner, Hash, NoteSignature, SignedCheckpoint, TreeHead, verify_consistency};

use crate::config::Logs;
use crate::request::AddCheckpoint;
use crate::store::Store;

/// Tells the time, in seconds since 1970; `None` if it cannot be told.
pub type Clock = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: the lines of its cosignatures, or a checkpoint that was asked for.
    Good(String),
    /// 400: the request is malformed, for this reason.
    Malformed(&'static str),
    /// 403: no trusted key signed the checkpoint, or a signature of one is wrong.
    Forbidden,
    /// 404: the log, or the path, is not known.
    Unknown,
    /// 409: the newest cosigned checkpoint has this size, or this size and another root.
    Conflict(u64),
    /// 422: the checkpoint does not continue the newest one.
    Inconsistent,
    /// 500: the checkpoint could not be made durable, or the time is not known.
    Failed(&'static str),
}

impl Answer {
    /// The status code of HTTP.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Good(_) => 200,
            Self::Malformed(_) => 400,
            Self::Forbidden => 403,
            Self::Unknown => 404,
            Self::Conflict(_) => 409,
            Self::Inconsistent => 422,
            Self::Failed(_) => 500,
        }
    }

    /// The type of the body.
    pub(crate) const fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }
}

impl fmt::Display for Answer {
    /// Writes the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(lines) => f.write_str(lines),
            Self::Malformed(reason) | Self::Failed(reason) => writeln!(f, "{reason}"),
            Self::Forbidden => f.write_str("no trusted key signed the checkpoint\n"),
            Self::Unknown => f.write_str("not known here\n"),
            Self::Conflict(size) => writeln!(f, "{size}"),
            Self::Inconsistent => {
                f.write_str("the checkpoint is not consistent with the newest one\n")
            }
        }
    }
}

/// A witness of some logs.
pub struct Witness {
    logs: Logs,
    keys: Vec<Cosigner>,
    clock: Clock,
    store: Mutex<Store>,
}

impl Witness {
    /// A witness of `logs` that cosigns with all of `keys`.
    pub fn new(logs: Logs, keys: Vec<Cosigner>, store: Store, clock: Clock) -> Self {
        Self { logs, keys, clock, store: Mutex::new(store) }
    }

    /// Answers a request to cosign. What it answers with cosignatures is durable.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(reason) => return Answer::Malformed(reason),
        };
        let checkpoint = request.signed.checkpoint();
        if !self.logs.contains(checkpoint.origin()) {
            return Answer::Unknown;
        }
        let Some(signatures) = self.logs.verified(&request.signed) else {
            return Answer::Forbidden;
        };
        if request.old > checkpoint.head().size {
            return Answer::Malformed("the old size is above the size of the checkpoint");
        }
        // A thread that panicked while it held the lock may have left anything behind.
        let Ok(mut store) = self.store.lock() else {
            return Answer::Failed("an earlier request failed");
        };
        let newest = newest(&store, checkpoint.origin());
        if let Some(refusal) = refusal(&request, &newest) {
            return refusal;
        }
        let Some(cosignatures) = self.cosign(&request.signed) else {
            return Answer::Failed("the time is not known");
        };
        let lines: Vec<String> = cosignatures.iter().map(ToString::to_string).collect();
        let kept = checkpoint.clone().with_signatures([signatures, cosignatures].concat());
        match kept.map(|kept| store.replace(kept)) {
            Ok(Ok(())) => Answer::Good(lines.join("\n") + "\n"),
            Ok(Err(_)) => Answer::Failed("the checkpoint could not be made durable"),
            Err(_) => Answer::Malformed("the checkpoint has too many signatures"),
        }
    }

    /// The newest cosigned checkpoint of the log whose origin has this SHA-256 hash, in lowercase
    /// hexadecimal digits.
    pub fn checkpoint(&self, origin_hash: &str) -> Answer {
        let Some(hash) = unhex(origin_hash) else { return Answer::Unknown };
        let Ok(store) = self.store.lock() else {
            return Answer::Failed("an earlier request failed");
        };
        match store.by_origin_hash(&hash) {
            Some(signed) => Answer::Good(signed.to_string()),
            None => Answer::Unknown,
        }
    }

    /// The cosignatures of all keys; `None` if the time is not known.
    fn cosign(&self, signed: &SignedCheckpoint) -> Option<Vec<NoteSignature>> {
        // A time of zero would state nothing.
        let now = (self.clock)().filter(|now| *now > 0)?;
        self.keys.iter().map(|key| key.cosign(signed.checkpoint(), now).ok()).collect()
    }
}

/// The newest cosigned tree of a log: the empty one if there is none.
fn newest(store: &Store, origin: &str) -> TreeHead {
    let empty = TreeHead { size: 0, root: Hash::of_empty_tree() };
    store.newest(origin).map_or(empty, |signed| *signed.checkpoint().head())
}

/// Why the checkpoint does not follow the newest tree, if it does not.
fn refusal(request: &AddCheckpoint, newest: &TreeHead) -> Option<Answer> {
    let head = request.signed.checkpoint().head();
    if request.old != newest.size {
        return Some(Answer::Conflict(newest.size));
    }
    // Two trees of one size: version 1.0.0 answers 409 where later drafts answer 422. The empty
    // tree is not one that was cosigned, and has no second root.
    if newest.size > 0 && head.size == newest.size && head.root != newest.root {
        return Some(Answer::Conflict(newest.size));
    }
    verify_consistency(&request.proof, newest, head).err().map(|_| Answer::Inconsistent)
}

/// A hash in lowercase hexadecimal digits.
fn unhex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let digits = text.as_bytes().as_chunks::<2>().0.iter();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.map(byte).collect();
    bytes?.try_into().ok().map(Hash)
}

#[cfg(test)]
mod tests;
