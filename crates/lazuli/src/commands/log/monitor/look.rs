//! One look at a log.

use std::fmt;

use lazuli_base::{Clock as _, SystemClock};
use lazuli_tlog::policy::EvaluationError;
use lazuli_tlog::tile::new_bundles;
use lazuli_tlog::{
    Frontier, Policy, SignedCheckpoint, Tile, TileHashes, TreeHead, consistency_proof, leaf_hash,
    verify_consistency,
};

use super::rules::Rules;
use super::state::State;
use crate::commands::log::remote::Remote;
use crate::failure::Failure;

/// Leaves that a quorum of witnesses may be behind without an alarm: they answer within seconds, and
/// about one leaf a second comes.
const YOUNG_LEAVES: u64 = 10;

/// Why a look did not end well.
pub(super) enum Trouble {
    /// The log contradicts itself, or what was seen of it.
    Contradiction(String),
    /// Nothing is known: the log cannot be reached, or shows nothing that can be believed.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What was seen, as it is told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    size: u64,
    new: u64,
    witnesses: (usize, usize),
    segment: Option<u64>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, new, witnesses: (have, all), segment } = self;
        write!(f, "{size} leaves, {new} new, {have} of {all} witnesses")?;
        segment.map_or(Ok(()), |n| write!(f, ", segments to {n}"))
    }
}

/// A look at a log.
pub(super) struct Look<'a> {
    remote: &'a Remote,
    policy: &'a Policy,
    /// What people should know, though it is no contradiction.
    pub(super) notices: Vec<String>,
    pub(super) seen: Seen,
    /// The checkpoint that was looked at, once it is known to be the log's.
    pub(super) signed: Option<SignedCheckpoint>,
}

impl<'a> Look<'a> {
    pub(super) fn new(remote: &'a Remote, policy: &'a Policy) -> Self {
        Self { remote, policy, notices: Vec::new(), seen: Seen::default(), signed: None }
    }

    /// How many of the notices are alarms.
    pub(super) fn alarms(&self) -> usize {
        self.notices.iter().filter(|notice| notice.starts_with("alarm: ")).count()
    }

    /// Looks, and notes in `state` what was seen.
    pub(super) fn take(&mut self, state: &mut State) -> Result<(), Trouble> {
        let signed = self.remote.checkpoint("checkpoint")?;
        let signed = signed.ok_or_else(|| Failure::new("the log has no checkpoint"))?;
        let found = match self.policy.evaluate(&signed) {
            Ok(found) => found,
            Err(EvaluationError::UnknownLog) => {
                let what = "the policy does not list the log of the checkpoint";
                return Err(Failure::new(what).into());
            }
            Err(error) => return Err(Failure::new(format!("the checkpoint: {error}")).into()),
        };
        let head = *signed.checkpoint().head();
        self.seen.witnesses = (found.cosigned.len(), self.policy.witnesses().len());
        if !found.has_quorum {
            self.below_quorum(&head)?;
        }
        self.signed = Some(signed.clone());
        let before = state.tree.size();
        self.advance(state, &signed)?;
        self.seen = Seen {
            size: head.size,
            new: head.size - before,
            segment: state.rules.last_segment(),
            ..self.seen
        };
        let now_ms = SystemClock.now().unix_seconds().max(0) as u64 * 1000;
        self.notices.extend(state.rules.silence(now_ms));
        state.signed = Some(signed);
        Ok(())
    }

    /// A checkpoint is young until the witnesses have answered: says how far the last one is that
    /// they vouched for, where the log tells.
    fn below_quorum(&mut self, head: &TreeHead) -> Result<(), Trouble> {
        let witnessed = self.remote.checkpoint("witnessed")?;
        let witnessed = witnessed
            .filter(|signed| self.policy.evaluate(signed).is_ok_and(|found| found.has_quorum));
        let size = witnessed.map(|signed| signed.checkpoint().head().size);
        self.notices.push(match size {
            Some(size) => {
                let behind = head.size.saturating_sub(size);
                let word = if behind > YOUNG_LEAVES { "alarm" } else { "note" };
                format!("{word}: the witnesses are {behind} leaves behind: {size} are witnessed")
            }
            None => {
                "alarm: UNWITNESSED, no quorum of witnesses vouches for the checkpoint".to_owned()
            }
        });
        Ok(())
    }

    /// Brings the tree that was seen to a newer checkpoint.
    fn advance(&mut self, state: &mut State, signed: &SignedCheckpoint) -> Result<(), Trouble> {
        let (old, new) = (state.tree.head(), *signed.checkpoint().head());
        if let Some(seen) = &state.signed
            && seen.checkpoint().origin() != signed.checkpoint().origin()
        {
            let what = "the file that keeps what was seen is of another log";
            return Err(Failure::usage(what).hint("`--state` names a file for this log").into());
        }
        if new.size < old.size {
            let what = format!("the log had {} leaves and has {}", old.size, new.size);
            return Err(Trouble::Contradiction(what));
        }
        if new.size == old.size {
            let what = format!("two roots for {} leaves", new.size);
            return if new.root == old.root { Ok(()) } else { Err(Trouble::Contradiction(what)) };
        }
        let (mut tree, mut rules) = (state.tree.clone(), state.rules.clone());
        if self.leaves(&mut tree, &mut rules, new.size)? {
            if tree.head() != new {
                let what = format!(
                    "its leaves do not lead from the {} that were seen to the root of {}",
                    old.size, new.size
                );
                return Err(Trouble::Contradiction(what));
            }
        } else {
            tree = self.hashes(&old, &new)?;
        }
        (state.tree, state.rules) = (tree, rules);
        Ok(())
    }

    /// Takes the leaves up to `size`; `false` if the log does not show its entries.
    fn leaves(
        &mut self,
        tree: &mut Frontier,
        rules: &mut Rules,
        size: u64,
    ) -> Result<bool, Trouble> {
        for tile in new_bundles(tree.size(), size) {
            let Some(bundle) = self.remote.tile(tile)? else { return Ok(false) };
            let entries = lazuli_tlog::entries(&bundle, tile.width());
            let entries =
                entries.map_err(|error| Trouble::Contradiction(format!("{tile}: {error}")))?;
            for (index, entry) in (tile.first()..).zip(entries) {
                if index < tree.size() {
                    continue;
                }
                tree.append(leaf_hash(entry));
                let followed = rules.next(entry, &mut self.notices);
                followed.map_err(|what| Trouble::Contradiction(format!("leaf {index}: {what}")))?;
            }
        }
        Ok(true)
    }

    /// The tree at a newer checkpoint by its tiles of hashes alone, proved to continue the old one.
    fn hashes(&self, old: &TreeHead, new: &TreeHead) -> Result<Frontier, Trouble> {
        let fetch = |tile: Tile| {
            let bytes = self.remote.tile(tile)?;
            bytes.ok_or_else(|| Failure::new(format!("the log does not show {tile}")))
        };
        let mut hashes = TileHashes::new(new.size, fetch);
        let tree = Frontier::read(&mut hashes, new.size);
        let proof = consistency_proof(&mut hashes, old.size, new.size);
        let unread = |error: &dyn fmt::Display| Trouble::Failed(Failure::new(error));
        let tree = tree.map_err(|error| unread(&error))?;
        let proof = proof.map_err(|error| unread(&error))?;
        if tree.head() != *new {
            return Err(Trouble::Contradiction(
                "its tiles do not have the root that it signed".to_owned(),
            ));
        }
        verify_consistency(&proof, old, new).map_err(|_| {
            let what = format!("it does not continue the {} leaves that were seen", old.size);
            Trouble::Contradiction(what)
        })?;
        Ok(tree)
    }
}
