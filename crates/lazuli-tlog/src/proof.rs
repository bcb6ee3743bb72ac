//! Proofs of inclusion as text, with the checkpoint they lead to.
//!
//! <https://c2sp.org/tlog-proof>: a line that names the format, possibly extra data, the index, the
//! hashes of the proof, an empty line, and the signed checkpoint as it is.

use std::fmt;
use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::decimal;
use crate::hash::Hash;
use crate::note::NOTE_BYTES_MAX;
use crate::policy::{Evaluation, EvaluationError, Policy};
use crate::verify::{Mismatch, verify_inclusion};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes: as many as a proof in the largest tree has.
const PATH_HASHES_MAX: usize = 63;

/// The most bytes of extra data.
pub const EXTRA_BYTES_MAX: usize = 64 * 1024;

/// The most bytes of everything before the checkpoint.
const HEAD_BYTES_MAX: usize = 2 * EXTRA_BYTES_MAX;

/// Why bytes are not a proof, or a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// It has more bytes than any proof needs.
    TooLong,
    /// It is not UTF-8 text.
    NotText,
    /// The first line names another format.
    Format,
    /// A line is missing, in the wrong place or malformed; counted from 1.
    Line(usize),
    /// The checkpoint is at fault.
    Checkpoint(CheckpointError),
    /// The policy does not let the checkpoint pass.
    Policy(EvaluationError),
    /// The hashes do not lead from the leaf to the checkpoint's root.
    Mismatch(Mismatch),
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the proof is too long"),
            Self::NotText => f.write_str("the proof is not UTF-8"),
            Self::Format => write!(f, "the first line is not `{HEADER}`"),
            Self::Line(line) => write!(f, "line {line} of the proof is malformed"),
            Self::Checkpoint(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::Mismatch(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProofError {}

/// A proof that an entry is in a log. Its `Display` is the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Data that the application needs and nothing vouches for.
    pub extra: Option<Vec<u8>>,
    /// The index of the entry.
    pub index: u64,
    /// The hashes from the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The checkpoint of the tree, with its signatures.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Reads a proof. Nothing is verified yet.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > HEAD_BYTES_MAX + NOTE_BYTES_MAX {
            return Err(ProofError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::NotText)?;
        let is_ours = text.split('\n').next() == Some(HEADER);
        if !is_ours {
            return Err(ProofError::Format);
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Line(2))?;
        let mut lines = (1..).zip(head.split('\n')).skip(1).peekable();
        let extra = match lines.next_if(|(_, line)| line.starts_with("extra ")) {
            Some((number, line)) => Some(extra(line).ok_or(ProofError::Line(number))?),
            None => None,
        };
        let (number, line) = lines.next().ok_or(ProofError::Line(2))?;
        let index = line.strip_prefix("index ").and_then(decimal::parse);
        let index = index.ok_or(ProofError::Line(number))?;
        let mut path = Vec::new();
        for (number, line) in lines {
            let hash = Hash::from_str(line).ok().filter(|_| path.len() < PATH_HASHES_MAX);
            path.push(hash.ok_or(ProofError::Line(number))?);
        }
        let checkpoint =
            SignedCheckpoint::parse(checkpoint.as_bytes()).map_err(ProofError::Checkpoint)?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Verifies that the entry whose leaf hash is `leaf` is in a log that the policy lists, and
    /// tells which witnesses vouch for it. **Without a quorum this is no error**: see
    /// [`Evaluation::has_quorum`].
    pub fn verify(&self, leaf: Hash, policy: &Policy) -> Result<Evaluation, ProofError> {
        let evaluation = policy.evaluate(&self.checkpoint).map_err(ProofError::Policy)?;
        let head = self.checkpoint.checkpoint().head();
        verify_inclusion(&self.path, leaf, self.index, head).map_err(ProofError::Mismatch)?;
        Ok(evaluation)
    }
}

/// The data of a line of extra data.
fn extra(line: &str) -> Option<Vec<u8>> {
    let data = STANDARD.decode(line.strip_prefix("extra ")?).ok()?;
    (data.len() <= EXTRA_BYTES_MAX).then_some(data)
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::cosignature::Cosigner;
    use crate::hash::leaf_hash;
    use crate::key::{Algorithm, NoteSigner};
    use crate::tree::MemoryTree;

    fn log() -> NoteSigner {
        NoteSigner::from_seed("log.example".parse().unwrap(), &[1; 32]).unwrap()
    }

    fn witness() -> Cosigner {
        let name = "witness.example".parse().unwrap();
        Cosigner::from_seed(name, Algorithm::CosignatureV1, &[2; 32]).unwrap()
    }

    fn proof(extra: Option<Vec<u8>>) -> TlogProof {
        let mut tree = MemoryTree::new();
        tree.extend((0..100_u8).map(|n| leaf_hash(&[n])));
        let checkpoint = Checkpoint::new("log.example", tree.head()).unwrap();
        let mut signed = checkpoint.clone().sign(&[&log()]).unwrap();
        signed.add(witness().cosign(&checkpoint, 1).unwrap()).unwrap();
        let path = tree.inclusion_proof(42, 100).unwrap();
        TlogProof { extra, index: 42, path, checkpoint: signed }
    }

    fn policy(quorum: &str) -> Policy {
        let (log, witness) = (log(), witness());
        let text =
            format!("log {}\nwitness w {}\nquorum {quorum}\n", log.verifier(), witness.verifier());
        Policy::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn proofs_are_read_back_and_verify() {
        for extra in [None, Some(Vec::new()), Some(b"data".to_vec())] {
            let proof = proof(extra);
            let text = proof.to_string();
            assert_eq!(TlogProof::parse(text.as_bytes()).as_ref(), Ok(&proof));
            let evaluation = proof.verify(leaf_hash(&[42]), &policy("w")).unwrap();
            assert!(evaluation.has_quorum);
            let other = proof.verify(leaf_hash(&[43]), &policy("w"));
            assert_eq!(other, Err(ProofError::Mismatch(Mismatch::Root)));
        }
    }

    #[test]
    fn a_proof_without_its_witness_is_below_the_quorum() {
        let mut proof = proof(None);
        let text = proof.checkpoint.to_string();
        let unwitnessed = text.lines().filter(|line| !line.contains("witness"));
        let text: String = unwitnessed.flat_map(|line| [line, "\n"]).collect();
        proof.checkpoint = SignedCheckpoint::parse(text.as_bytes()).unwrap();
        let has_quorum =
            |quorum| proof.verify(leaf_hash(&[42]), &policy(quorum)).unwrap().has_quorum;
        assert!(!has_quorum("w"));
        assert!(has_quorum("none"));
    }

    #[test]
    fn what_is_not_a_proof_is_refused() {
        let text = proof(Some(b"data".to_vec())).to_string();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from));
            TlogProof::parse(text.replacen(from, to, 1).as_bytes())
        };
        let cases = [
            (with("proof@v1", "proof@v2"), ProofError::Format),
            (with("extra ZGF0YQ==", "extra ZGF0YQ"), ProofError::Line(2)),
            (with("index 42", "index 042"), ProofError::Line(3)),
            (with("index 42\n", ""), ProofError::Line(3)),
            (with("index 42\n", "index 42\nindex 42\n"), ProofError::Line(4)),
            (with("index 42", "index 18446744073709551615"), ProofError::Line(3)),
            (with("index 42\n", &format!("index 42\n{}", "A".repeat(43))), ProofError::Line(4)),
            (
                with(
                    "index 42\n",
                    &format!("index 42\n{}", format!("{}\n", Hash([0; 32])).repeat(57)),
                ),
                ProofError::Line(67),
            ),
            (TlogProof::parse(b""), ProofError::Format),
            (TlogProof::parse(HEADER.as_bytes()), ProofError::Line(2)),
            (TlogProof::parse(&vec![b'a'; 1 << 20]), ProofError::TooLong),
            (TlogProof::parse(b"\xff"), ProofError::NotText),
            (with("\nlog.example\n", "\n\n"), ProofError::Checkpoint(CheckpointError::Malformed)),
        ];
        for (place, (result, error)) in cases.into_iter().enumerate() {
            assert_eq!(result, Err(error), "case {place}");
        }
    }
}
