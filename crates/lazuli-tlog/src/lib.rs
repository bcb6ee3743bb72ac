//! Transparency logs: trees, proofs, tiles, notes, checkpoints, cosignatures and policies.
//!
//! Everything here is pure: no file, no socket, no clock, and no randomness but the keys that a
//! caller brings. What comes from outside is bounded before it is looked at, and nothing in it can
//! make this crate panic. One module a specification:
//!
//! - [`hash`], [`node`], [`tree`], [`prove`], [`verify`]: the Merkle tree of
//!   [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1) and its proofs;
//! - [`tile`], [`tiles`], [`bundle`]: the tree as files, [tlog-tiles](https://c2sp.org/tlog-tiles);
//! - [`key`], [`note`]: [signed-note](https://c2sp.org/signed-note);
//! - [`checkpoint`], [tlog-checkpoint](https://c2sp.org/tlog-checkpoint);
//! - [`cosignature`], [tlog-cosignature](https://c2sp.org/tlog-cosignature);
//! - [`proof`], [tlog-proof](https://c2sp.org/tlog-proof);
//! - [`policy`], [tlog-policy](https://c2sp.org/tlog-policy).

#![forbid(unsafe_code)]

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
mod decimal;
pub mod hash;
pub mod key;
pub mod node;
pub mod note;
pub mod policy;
pub mod proof;
pub mod prove;
pub mod tile;
pub mod tiles;
pub mod tree;
pub mod verify;

pub use bundle::{BundleError, append_entry, entries};
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use cosignature::Cosigner;
pub use hash::{Hash, leaf_hash, node_hash};
pub use key::{KeyError, KeyId, KeyName, NoteSigner, UnsupportedKey, VerifierKey};
pub use node::{HashReader, Node};
pub use note::{NoteError, NoteSignature, SignedNote, VerifiedSignature};
pub use policy::{Evaluation, Policy, PolicyError};
pub use proof::{ProofError, TlogProof};
pub use prove::{ProveError, consistency_proof, inclusion_proof, root_at};
pub use tile::{Tile, TileKind, TilePathError, new_tiles, tiles_of};
pub use tiles::{TileBuilder, TileError, TileHashes, TileReadError, tile_bytes};
pub use tree::{Frontier, MemoryTree};
pub use verify::{Mismatch, TreeHead, inclusion_root, verify_consistency, verify_inclusion};

/// The most leaves that a tree may have: sizes are signed 64-bit numbers in other implementations.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;
