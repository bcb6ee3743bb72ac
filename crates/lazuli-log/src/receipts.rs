//! Receipts: one signature over the open segment's root for all commits of a group, and each entry's
//! own path to it. Both are made by whoever sends the receipt, not by the committer.
//!
//! Who needs a signature signs what is durable by then. Where groups become durable faster than
//! their receipts are sent, one signature serves several of them.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use lazuli_engine::Proof;
use lazuli_evidence::{
    Digest, Draft, Entry, GROUPS, Group as Fields, Opening, Receipt, Salt, receipt_text,
};
use lazuli_tlog::{Hash, MemoryTree, TreeHead};

use crate::ledger::{Identity, millis};
use crate::principals;

/// An open or closed segment: its number and the tree over its durable entries.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) n: u64,
    tree: RwLock<MemoryTree>,
    /// The newest signature over a root of it.
    signed: Mutex<Option<Signed>>,
}

/// A signature over the root of a segment.
#[derive(Clone, Copy, Debug)]
struct Signed {
    /// How many entries the segment had.
    size: u64,
    /// When it was signed, in milliseconds since 1970.
    t_ms: u64,
    signature: [u8; 64],
}

/// What an entry's receipt and opening are made of.
#[derive(Debug)]
pub(crate) struct EntryProof {
    pub(crate) index: u64,
    pub(crate) t_ms: u64,
    pub(crate) label: Digest,
    pub(crate) seq: u64,
    pub(crate) prev: Digest,
    pub(crate) salts: [Salt; GROUPS],
    /// What stands in place of the principal's id.
    pub(crate) principal: Option<principals::Value>,
    pub(crate) draft: Bytes,
}

/// What proves the entries of one commit.
#[derive(Debug)]
pub(crate) struct CommitProof {
    pub(crate) identity: Arc<Identity>,
    pub(crate) segment: Arc<Segment>,
    pub(crate) entries: Vec<EntryProof>,
}

impl Segment {
    pub(crate) fn new(n: u64) -> Self {
        Self { n, ..Self::default() }
    }

    /// The segment as it would be with these entries behind those that are durable.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn forked(&self, leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = self.tree.read().unwrap_or_else(PoisonError::into_inner).clone();
        tree.extend(leaves);
        Self { n: self.n, tree: RwLock::new(tree), signed: Mutex::default() }
    }

    /// Appends durable entries.
    pub(crate) fn append(&self, leaves: impl IntoIterator<Item = Hash>) {
        self.tree.write().unwrap_or_else(PoisonError::into_inner).extend(leaves);
    }

    /// Size and root.
    pub(crate) fn head(&self) -> TreeHead {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).head()
    }

    pub(crate) fn size(&self) -> u64 {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).size()
    }

    /// A signature over a root with the entry at `index` below it; `None` before that is durable.
    fn signed(&self, identity: &Identity, index: u64) -> Option<Signed> {
        let mut newest = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = newest.filter(|signed| index < signed.size) {
            return Some(signed);
        }
        // The tree is not locked while the signature is made: the committer appends to it.
        let TreeHead { size, root } = self.head();
        if size <= index {
            return None;
        }
        let (keys, t_ms) = (&identity.keys, millis(&*identity.clock));
        let text = receipt_text(keys.origin(), self.n, size, &root.0, t_ms);
        let signature = keys.sign_receipt(&text)?;
        *newest = Some(Signed { size, t_ms, signature });
        *newest
    }

    /// The receipt of the entry at `index`; `None` before it is durable.
    fn receipt(&self, identity: &Identity, index: u64) -> Option<Receipt> {
        let Signed { size, t_ms, signature } = self.signed(identity, index)?;
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let path = tree.inclusion_proof(index, size)?;
        drop(tree);
        Some(Receipt {
            site: identity.site,
            seg: self.n,
            index,
            size,
            t_ms,
            path: path.into_iter().map(|hash| hash.0).collect(),
            key_id: identity.keys.receipts.verifier().id().0,
            signature,
        })
    }
}

impl EntryProof {
    /// The opening that goes with a receipt of `receipt` characters.
    fn opening(&self, identity: &Identity, receipt: usize) -> Option<String> {
        let mut draft = Draft::decode(&self.draft)?;
        if let Some(value) = &self.principal {
            draft.values[Fields::Principal.place()] = value;
        }
        let entry = Entry {
            kind: draft.kind,
            op: draft.op,
            site: identity.site,
            boot: identity.boot,
            t_ms: self.t_ms,
            label: self.label,
            seq: self.seq,
            prev: self.prev,
            fields_root: [0; 32],
        };
        // The opening does not carry the root over the fields: it follows from them.
        let opening = Opening::new(&entry, &self.salts, draft.values);
        Some(opening.fitted(receipt)?.to_header())
    }
}

impl Proof for CommitProof {
    fn receipts(&self) -> Vec<lazuli_engine::Receipt> {
        (0..self.entries.len()).filter_map(|index| self.receipt(index)).collect()
    }

    fn receipt(&self, index: usize) -> Option<lazuli_engine::Receipt> {
        let entry = self.entries.get(index)?;
        let receipt = self.segment.receipt(&self.identity, entry.index)?.to_header();
        let opening = entry.opening(&self.identity, receipt.len());
        Some(lazuli_engine::Receipt { receipt, opening })
    }
}
