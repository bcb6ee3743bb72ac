//! The checkpoints that were published last, and the cosignatures that come for them one by one.
//!
//! A checkpoint is published at once; a witness answers when it can, and by then there may be a newer
//! checkpoint. The last few are therefore kept, and a cosignature goes to the one that it is for.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lazuli_tlog::{NoteSignature, Policy, SignedCheckpoint, VerifierKey};
use tokio::sync::watch;

use crate::spine::{CHECKPOINT, Files, WITNESSED};
use crate::stats::{LogStats, WitnessStats};

/// The checkpoints that cosignatures are taken for: a witness answers in fewer seconds, or is late.
const RECENT_MAX: usize = 16;

/// The published checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    files: Arc<Files>,
    policy: Policy,
    stats: Arc<LogStats>,
    newest: watch::Sender<Option<SignedCheckpoint>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last ones, the oldest first.
    recent: VecDeque<SignedCheckpoint>,
    /// The largest one with a quorum.
    witnessed: Option<SignedCheckpoint>,
}

impl Checkpoints {
    /// The checkpoints that the files have from before, if the log signed them: what was shown is
    /// shown until there is more, also by a log that does not sign any more.
    pub(crate) fn new(files: Arc<Files>, policy: Policy, stats: Arc<LogStats>) -> io::Result<Self> {
        let read = |name: &str| {
            let bytes = files.get(name)?;
            Ok::<_, io::Error>(bytes.and_then(|bytes| SignedCheckpoint::parse(&bytes).ok()))
        };
        let (witnessed, newest) = (read(WITNESSED)?, read(CHECKPOINT)?);
        let newest_ms = files.written_ms(CHECKPOINT);
        let checkpoints = Self {
            files,
            policy,
            stats,
            newest: watch::Sender::default(),
            state: Mutex::default(),
        };
        let witnessed = witnessed.filter(|signed| checkpoints.has_quorum(signed));
        let newest = newest.filter(|signed| checkpoints.policy.evaluate(signed).is_ok());
        for signed in witnessed.iter().chain(&newest) {
            checkpoints.count_cosignatures(signed);
        }
        let mut state = checkpoints.state();
        checkpoints.set_witnessed(&mut state, witnessed);
        if let Some(signed) = newest {
            checkpoints.stats.checkpoint_ms.store(newest_ms.unwrap_or(0), Ordering::Relaxed);
            checkpoints.set_newest(&mut state, signed);
        }
        drop(state);
        Ok(checkpoints)
    }

    /// Notes which witnesses are known to have vouched for a checkpoint from before the start.
    fn count_cosignatures(&self, signed: &SignedCheckpoint) {
        let size = signed.checkpoint().head().size;
        for found in self.policy.cosigned(signed).unwrap_or_default() {
            let Some(witness) = self.policy.witnesses().get(found.witness) else { continue };
            let is_it = |stats: &&WitnessStats| stats.name.as_bytes() == witness.name;
            if let Some(stats) = self.stats.witnesses.iter().find(is_it) {
                stats.cosigned(size, found.timestamp.saturating_mul(1000));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_quorum(&self, signed: &SignedCheckpoint) -> bool {
        self.policy.evaluate(signed).is_ok_and(|found| found.has_quorum)
    }

    fn set_witnessed(&self, state: &mut State, signed: Option<SignedCheckpoint>) {
        let size = signed.as_ref().map_or(0, |signed| signed.checkpoint().head().size);
        self.stats.witnessed_size.store(size, Ordering::Relaxed);
        state.witnessed = signed;
    }

    /// The keys of the log.
    pub(crate) fn log_keys(&self) -> &[VerifierKey] {
        self.policy.logs()
    }

    /// The last checkpoint, with the cosignatures that are there by now.
    pub(crate) fn newest(&self) -> Option<SignedCheckpoint> {
        self.newest.borrow().clone()
    }

    /// The largest checkpoint that a quorum of witnesses vouches for.
    pub(crate) fn witnessed(&self) -> Option<SignedCheckpoint> {
        self.state().witnessed.clone()
    }

    /// Tells of each new checkpoint and cosignature.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<SignedCheckpoint>> {
        self.newest.subscribe()
    }

    /// Shows a checkpoint that the files have as the last one.
    fn set_newest(&self, state: &mut State, signed: SignedCheckpoint) {
        state.recent.push_back(signed.clone());
        let size = signed.checkpoint().head().size;
        self.stats.checkpoint_size.store(size, Ordering::Relaxed);
        self.newest.send_replace(Some(signed));
    }

    /// Makes a checkpoint the last one.
    pub(crate) fn publish(&self, signed: SignedCheckpoint) -> io::Result<()> {
        let mut state = self.state();
        if state.recent.len() == RECENT_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back(signed.clone());
        self.show(&mut state, signed, true)
    }

    /// Adds a cosignature, which must have been verified, to the checkpoint with this text. Nothing
    /// happens if the checkpoint is too old or has one of the same key.
    pub(crate) fn add(&self, text: &str, signature: NoteSignature) -> io::Result<()> {
        let mut state = self.state();
        let places = state.recent.iter().rposition(|signed| signed.note().text() == text);
        let last = state.recent.len().saturating_sub(1);
        let Some(place) = places else { return Ok(()) };
        let Some(signed) = state.recent.get_mut(place) else { return Ok(()) };
        let is_there = |known: &NoteSignature| {
            known.id() == signature.id() && known.name() == signature.name()
        };
        if signed.note().signatures().iter().any(is_there) {
            return Ok(());
        }
        signed.add(signature).map_err(io::Error::other)?;
        let signed = signed.clone();
        self.show(&mut state, signed, place == last)
    }

    /// Shows a checkpoint that changed, as the last one or the witnessed one or both.
    fn show(&self, state: &mut State, signed: SignedCheckpoint, is_last: bool) -> io::Result<()> {
        let size = |signed: &SignedCheckpoint| signed.checkpoint().head().size;
        let before = state.witnessed.as_ref().map_or(0, size);
        if size(&signed) >= before && self.has_quorum(&signed) {
            self.set_witnessed(state, Some(signed.clone()));
            if !self.policy.witnesses().is_empty() {
                self.files.put(WITNESSED, signed.to_string().as_bytes(), false)?;
            }
        }
        if is_last {
            self.files.put(CHECKPOINT, signed.to_string().as_bytes(), false)?;
            self.stats.checkpoint_size.store(size(&signed), Ordering::Relaxed);
            self.newest.send_replace(Some(signed));
        }
        Ok(())
    }
}
