//! Receipts: one signature over the open segment's root for all commits of a group, and each entry's
//! own path to it. Both are made by whoever sends the receipt, not by the committer.

use std::sync::{Arc, OnceLock, PoisonError};

use bytes::Bytes;
use lazuli_engine::Proof;
use lazuli_evidence::{
    Digest, Draft, Entry, GROUPS, Group as Fields, Opening, Receipt, Salt, headers_fit,
    receipt_text,
};

use crate::ledger::{Identity, Segment};
use crate::principals;

/// What the commits of one group have in common.
#[derive(Debug)]
pub(crate) struct Group {
    identity: Arc<Identity>,
    segment: Arc<Segment>,
    /// The size of the segment with the group, and when it was durable.
    closed: OnceLock<(u64, u64)>,
    signature: OnceLock<Option<[u8; 64]>>,
}

/// What an entry's receipt and opening are made of.
#[derive(Debug)]
pub(crate) struct EntryProof {
    pub(crate) index: u64,
    pub(crate) t_ms: u64,
    pub(crate) label: Digest,
    pub(crate) seq: u64,
    pub(crate) prev: Digest,
    pub(crate) salts: Box<[Salt; GROUPS]>,
    /// What stands in place of the principal's id.
    pub(crate) principal: Option<principals::Value>,
    pub(crate) draft: Bytes,
}

/// What proves the entries of one commit.
#[derive(Debug)]
pub(crate) struct CommitProof {
    pub(crate) group: Arc<Group>,
    pub(crate) entries: Vec<EntryProof>,
}

impl Group {
    pub(crate) fn new(identity: Arc<Identity>, segment: Arc<Segment>) -> Self {
        Self { identity, segment, closed: OnceLock::new(), signature: OnceLock::new() }
    }

    /// The group is durable: the segment has `size` entries with it.
    pub(crate) fn close(&self, size: u64, t_ms: u64) {
        let _ = self.closed.set((size, t_ms));
    }

    /// The receipt of the entry at `index`; `None` before the group is durable.
    fn receipt(&self, index: u64) -> Option<Receipt> {
        let (size, t_ms) = *self.closed.get()?;
        let tree = self.segment.tree.read().unwrap_or_else(PoisonError::into_inner);
        let path = tree.inclusion_proof(index, size)?.into_iter().map(|hash| hash.0).collect();
        let Identity { keys, site, .. } = &*self.identity;
        let key_id = keys.receipts.verifier().id().0;
        // The first that sends a receipt signs for the whole group.
        let signed = self.signature.get_or_init(|| {
            let root = tree.root_at(size)?.0;
            let text = receipt_text(keys.origin(), self.segment.n, size, &root, t_ms);
            keys.sign_receipt(&text)
        });
        let signature = (*signed)?;
        Some(Receipt {
            site: *site,
            seg: self.segment.n,
            index,
            size,
            t_ms,
            path,
            key_id,
            signature,
        })
    }
}

impl EntryProof {
    fn opening(&self, identity: &Identity) -> Option<String> {
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
        Some(Opening::new(&entry, &self.salts, draft.values).to_header())
    }
}

impl Proof for CommitProof {
    fn receipts(&self) -> Vec<lazuli_engine::Receipt> {
        let one = |entry: &EntryProof| {
            let receipt = self.group.receipt(entry.index)?.to_header();
            let opening = entry.opening(&self.group.identity);
            let opening = opening.filter(|opening| headers_fit(receipt.len(), opening.len()));
            Some(lazuli_engine::Receipt { receipt, opening })
        };
        self.entries.iter().filter_map(one).collect()
    }
}
