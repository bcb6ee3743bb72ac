//! A client that keeps its receipts: checks each at once by what it says alone, and later holds the
//! log to it.
//!
//! The layouts are those of `docs/internals/journal.md`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_evidence::spine::Leaf;
use lazuli_evidence::{
    Group, OPENING_HEADER, Opening, RECEIPT_HEADER, Receipt, Upgrade, leaf_hash, receipt_text,
};
use lazuli_tlog::{Hash, Policy, TlogProof, inclusion_root};

use crate::Response;

/// A receipt that held when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The segment that the entry was put into.
    pub segment: u64,
    /// The entry's place in the segment.
    pub index: u64,
    /// The operation that the entry is of.
    pub op: String,
    /// The entry's number among those of its account.
    pub seq: u64,
    leaf: Hash,
}

/// Whom a client trusts.
#[derive(Debug)]
pub struct Trust {
    policy: Policy,
    origin: String,
}

impl Trust {
    /// Trusts the keys of a policy as the server hands it out.
    pub fn new(policy: &[u8]) -> Result<Self, String> {
        let policy = Policy::parse(policy).map_err(|error| error.to_string())?;
        let log = policy.logs().first().ok_or("the policy names no log")?;
        let origin = log.name().as_str().to_owned();
        Ok(Self { policy, origin })
    }

    /// The receipt of an answer, if it holds: the entry that its opening gives is under the root
    /// that is signed. `object` is what was written.
    pub fn keep(&self, answer: &Response, object: &str) -> Result<Kept, String> {
        let receipt = Receipt::from_header(answer.header(RECEIPT_HEADER)).ok_or("no receipt")?;
        let opening = URL_SAFE_NO_PAD.decode(answer.header(OPENING_HEADER));
        let opening = opening.map_err(|error| format!("the opening: {error}"))?;
        let opening = Opening::decode(&opening).ok_or("no opening")?;
        let said = opening.value(Group::Object).ok_or("the opening does not tell the object")?;
        if !said.windows(object.len()).any(|part| part == object.as_bytes()) {
            return Err(format!("the entry is not about {object}: {said:02x?}"));
        }
        let leaf = Hash(leaf_hash(&opening.entry().encode()));
        let path: Vec<Hash> = receipt.path.iter().copied().map(Hash).collect();
        let root = inclusion_root(&path, leaf, receipt.index, receipt.size)
            .map_err(|error| format!("the path: {error:?}"))?;
        let Receipt { seg, size, t_ms, .. } = receipt;
        let text = receipt_text(&self.origin, seg, size, &root.0, t_ms);
        let key = self.policy.logs().iter().find(|key| key.id().0 == receipt.key_id);
        let verified = key.ok_or("signed by another key")?.verify(&text, &receipt.signature);
        verified.map_err(|_| "the signature does not hold")?;
        let (op, seq) = (opening.op.to_owned(), opening.seq);
        Ok(Kept { segment: seg, index: receipt.index, op, seq, leaf })
    }

    /// The path at which the proof of a receipt is served.
    pub fn proof_path(kept: &Kept) -> String {
        let mut path = format!("/.lazuli/log/proof/{}/{}/", kept.segment, kept.index);
        for byte in kept.leaf.0 {
            // Writing to a string cannot fail.
            let _ = write!(path, "{byte:02x}");
        }
        path
    }

    /// Holds the log to a receipt: `proof` must lead from its entry to a signed checkpoint.
    pub fn upgrade(&self, kept: &Kept, proof: &[u8]) -> Result<(), String> {
        let proof = TlogProof::parse(proof).map_err(|error| format!("the proof: {error}"))?;
        let extra = proof.extra.clone().ok_or("the proof says nothing of the entry")?;
        let Upgrade { leaf, entry, index, size, path } =
            Upgrade::decode(&extra).ok_or("another kind of proof")?;
        let path: Vec<Hash> = path.into_iter().map(Hash).collect();
        if index != kept.index || Hash(leaf_hash(entry)) != kept.leaf {
            return Err("the proof of another entry".to_owned());
        }
        let root = inclusion_root(&path, kept.leaf, kept.index, size)
            .map_err(|error| format!("the path in the segment: {error:?}"))?;
        match Leaf::decode(leaf) {
            Some(Leaf::Segment(found)) if found.n == kept.segment && Hash(found.root) == root => {}
            other => return Err(format!("the receipt is not included: {other:?}")),
        }
        let verified = proof.verify(lazuli_tlog::leaf_hash(leaf), &self.policy);
        verified.map(drop).map_err(|error| format!("the path in the spine: {error}"))
    }
}
