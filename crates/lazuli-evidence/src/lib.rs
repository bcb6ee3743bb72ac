//! What the log commits to, byte for byte: entries, their sealed fields, leaves, receipts.
//!
//! Everything here is pure: no file, no clock, no randomness. The layouts are drawn in
//! `docs/internals/journal.md`; they are binding, since hashes over them are published. What is
//! hashed is deterministic CBOR, written by [`cbor`], in arrays whose order a version fixes.
//!
//! The way of one operation:
//!
//! 1. the storage layer says what was done in a [`Draft`], before the operation has its place;
//! 2. [`Sealed::seal`] commits to each of the twelve groups of fields and hides their values under
//!    the [`DayKeys`] of the account;
//! 3. an [`Entry`] carries the commitment into a segment, and a [`Record`] is what is stored;
//! 4. a [`Receipt`] promises the entry's place, an [`Opening`] lets its holder rebuild the entry;
//! 5. each segment, and the map of the heads of all accounts ([`heads`]), goes into the public log
//!    as a leaf ([`spine`]).

#![forbid(unsafe_code)]

pub mod cbor;
mod digest;
mod draft;
mod entry;
mod group;
pub mod heads;
mod keys;
mod keystream;
mod opening;
mod pseudonym;
mod receipt;
mod record;
mod sealed;
pub mod segment;
pub mod spine;
mod upgrade;

pub use digest::{Digest, NO_PREVIOUS, account_label, leaf_hash};
pub use draft::Draft;
pub use entry::{Entry, Kind};
pub use group::{ABSENT, GROUPS, Group};
pub use keys::{DayKeys, day_of};
pub use opening::{Opened, Opening};
pub use pseudonym::{Month, MonthKey, PSEUDONYM_BYTES, Pseudonym};
pub use receipt::{
    HEADER_BYTES_MAX, OPENING_HEADER, RECEIPT_HEADER, Receipt, headers_fit, receipt_key_id,
    receipt_key_name, receipt_text, segment_origin,
};
pub use record::Record;
pub use sealed::{Place, SALT_BYTES, Salt, Sealed, field_commitment, fields_root};
pub use upgrade::Upgrade;
