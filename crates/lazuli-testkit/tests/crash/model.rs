//! What a client knows of its blobs: what was acknowledged, and what was asked and not answered.

use std::collections::{BTreeMap, BTreeSet};

use lazuli_testkit::{fill, is_filled};

/// Metadata or tags.
pub(crate) type Pairs = BTreeMap<String, String>;

/// Bytes that a seed brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) seed: u64,
    pub(crate) len: usize,
}

impl Content {
    pub(crate) fn bytes(self) -> Vec<u8> {
        fill(self.seed, self.len)
    }

    pub(crate) fn is(self, bytes: &[u8]) -> bool {
        is_filled(bytes, self.seed, self.len)
    }
}

/// A blob, without its snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) content: Content,
    pub(crate) metadata: Pairs,
    pub(crate) tags: Pairs,
}

/// A snapshot. The identifier is empty while its request is unanswered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) content: Content,
    pub(crate) metadata: Pairs,
}

/// Everything under one name; the default is a name that was never used or is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) base: Option<Base>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// The acknowledged uncommitted blocks.
    pub(crate) staged: Option<Staged>,
}

/// Uncommitted blocks of equal length: those from 0 on to `count`, of the content of `seed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) seed: u64,
    pub(crate) block_len: usize,
    pub(crate) count: usize,
}

impl Staged {
    /// What a commit of the blocks makes.
    pub(crate) const fn content(self) -> Content {
        Content { seed: self.seed, len: self.block_len * self.count }
    }

    /// The identifier of a block, in Base64 and safe in a query: digits and no padding.
    pub(crate) fn block_id(index: usize) -> String {
        format!("{index:08}")
    }
}

/// What the server says of one name.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) base: Option<Read>,
    /// In ascending order of their identifiers.
    pub(crate) snapshots: Vec<(String, Read)>,
    /// The identifiers and lengths of the uncommitted blocks.
    pub(crate) blocks: BTreeMap<String, usize>,
}

/// What the server says of a blob or a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) length: usize,
    pub(crate) metadata: Pairs,
    pub(crate) tags: Pairs,
}

impl Read {
    /// Whether this is `content`; only the length is looked at where no bytes were read.
    fn is(&self, content: Content) -> bool {
        self.length == content.len && self.bytes.as_ref().is_none_or(|bytes| content.is(bytes))
    }
}

impl State {
    /// What in `observed` is not as this state has it; empty if it is this state whole.
    pub(crate) fn differences(&self, observed: &Observed) -> Vec<String> {
        let mut found = Vec::new();
        match (&self.base, &observed.base) {
            (None, None) => {}
            (Some(_), None) => found.push("the blob is missing".to_owned()),
            (None, Some(_)) => found.push("there is a blob".to_owned()),
            (Some(base), Some(read)) => {
                if !read.is(base.content) {
                    found.push(format!("its content ({} bytes) is another", read.length));
                }
                if read.metadata != base.metadata {
                    found.push(format!("its metadata is {:?}", read.metadata));
                }
                if read.tags != base.tags {
                    found.push(format!("its tags are {:?}", read.tags));
                }
            }
        }
        if self.snapshots.len() != observed.snapshots.len() {
            let ids: Vec<&String> = observed.snapshots.iter().map(|(id, _)| id).collect();
            found.push(format!("its snapshots are {ids:?}"));
        }
        for (known, (id, read)) in self.snapshots.iter().zip(&observed.snapshots) {
            let is_named = known.id.is_empty() || known.id == *id;
            if !is_named || !read.is(known.content) || read.metadata != known.metadata {
                found.push(format!("its snapshot {id} is another than {known:?}"));
            }
        }
        if let Some(staged) = self.staged {
            let kept = |index: &usize| {
                observed.blocks.get(&Staged::block_id(*index)) == Some(&staged.block_len)
            };
            let lost: Vec<usize> = (0..staged.count).filter(|index| !kept(index)).collect();
            if !lost.is_empty() {
                found.push(format!("uncommitted blocks are missing: {lost:?}"));
            }
        }
        found
    }

    /// Takes the identifiers of snapshots over from what was read.
    pub(crate) fn adopt(&mut self, observed: &Observed) {
        for (known, (id, _)) in self.snapshots.iter_mut().zip(&observed.snapshots) {
            known.id.clone_from(id);
        }
    }
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The name it is about.
    pub(crate) name: String,
    /// What was asked.
    pub(crate) asked: &'static str,
    /// What the client calls the request.
    pub(crate) id: String,
    /// The state it would make.
    pub(crate) new: State,
}

/// What one client knows: it alone writes the names in it.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) names: BTreeMap<String, State>,
    /// The one request without an answer.
    pub(crate) pending: Option<Pending>,
    /// The names written to since the last verification.
    pub(crate) touched: BTreeSet<String>,
}

/// How requests without an answer were found to have ended.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    pub(crate) old: u64,
    pub(crate) new: u64,
    /// Both states are the same, for instance after a deletion of nothing.
    pub(crate) either: u64,
    /// What the clients called the requests that had no effect.
    pub(crate) without_effect: Vec<String>,
    /// And those that had theirs.
    pub(crate) with_effect: Vec<String>,
}

impl Endings {
    /// Notes how the request `id` ended, given whether the state is the one before it and whether
    /// it is the one after it.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn settle(&mut self, (is_old, is_new): (bool, bool), id: String) -> Result<(), ()> {
        match (is_old, is_new) {
            (true, true) => self.either += 1,
            (true, false) => {
                self.old += 1;
                self.without_effect.push(id);
            }
            (false, true) => {
                self.new += 1;
                self.with_effect.push(id);
            }
            (false, false) => return Err(()),
        }
        Ok(())
    }
}

impl Model {
    /// Holds one name against what was read, and settles it if a request for it is unanswered.
    pub(crate) fn settle(
        &mut self,
        name: &str,
        observed: &Observed,
        endings: &mut Endings,
    ) -> Result<(), String> {
        let old = self.names.entry(name.to_owned()).or_default();
        let against_old = old.differences(observed);
        let pending = self.pending.take_if(|pending| pending.name == name);
        let Some(Pending { asked, id, mut new, .. }) = pending else {
            return if against_old.is_empty() {
                Ok(())
            } else {
                Err(format!("{name}: {against_old:?}\n  acknowledged: {old:?}"))
            };
        };
        let against_new = new.differences(observed);
        let states = (against_old.is_empty(), against_new.is_empty());
        endings.settle(states, id).map_err(|()| {
            format!(
                "{name}: neither before nor after an unanswered {asked}\n  \
                 before: {old:?}: {against_old:?}\n  after: {new:?}: {against_new:?}"
            )
        })?;
        if states == (false, true) {
            new.adopt(observed);
            *old = new;
        }
        Ok(())
    }
}
