//! The running log: entries become segments, segments become leaves of the spine, and the spine's
//! checkpoints are signed for anybody to see.
//!
//! - [`ledger`]: the scribe of the store. In the order of the commits it gives each entry its number,
//!   its predecessor and its place in the open segment, and each commit its receipts.
//! - [`sealer`]: once a second it closes the open segment, whatever the load, and writes its leaf.
//! - [`spine`]: the public log in tiles, and its checkpoint.
//! - [`head_store`]: the last head that was signed, kept where no backup of the data reaches it: a
//!   log that was set back does not sign.
//! - [`belonging`]: whether head store and keys are those of the data directory they lie beside.
//! - [`keys`]: the keys of the log and of the accounts, kept apart from the data.
//! - [`public`]: what outsiders may ask for, and the proofs that receipts are upgraded to.
//! - [`witness`]: those who cosign checkpoints are asked to, and never waited for; [`http1`] is what
//!   is spoken with them, in plain or through [`tls`].
//! - [`admin`]: what the one who runs the server may ask for; [`account`] is the evidence about one
//!   account, with all its fields opened.
//! - [`stats`]: what the log counts.
//!
//! Rows, tiles and checkpoint follow from the journal: after a crash the same segments come out of
//! it, for each stored entry tells its segment and its place. The layouts are drawn in
//! `docs/internals/journal.md`.

pub mod account;
pub mod admin;
pub mod belonging;
mod checkpoints;
mod files;
pub mod head_store;
pub mod http1;
pub mod keys;
pub mod ledger;
#[cfg(feature = "test-hooks")]
mod lie;
pub mod log;
mod pause;
mod principals;
pub mod public;
mod receipts;
pub mod recover;
mod reread;
mod rows;
pub mod sealer;
pub mod spine;
pub mod stats;
mod stored;
pub mod tls;
pub mod witness;

pub use log::{Log, OpenError, Parts, Running};
