//! A witness for transparency logs: it cosigns what continues what it cosigned before.
//!
//! [tlog-witness v1.0.0](https://c2sp.org/tlog-witness@v1.0.0), for any log, ours or another's:
//!
//! - [`Witness`] decides, one request at a time, and is given its clock;
//! - [`Store`] keeps the newest checkpoint of each log in one file, which is durable before a
//!   cosignature leaves;
//! - [`Server`] speaks HTTP/1.1 to strangers, within [`Limits`].
//!
//! The one thing that must never happen is two cosignatures on trees of one log of which neither
//! continues the other. Whatever is in doubt, a file that is damaged or a disk that fails, ends in
//! a refusal.

#![forbid(unsafe_code)]

mod config;
mod keys;
mod request;
mod server;
mod store;
mod witness;

pub use config::{ConfigError, Logs};
pub use keys::{KeyFileError, generate, read_keys};
pub use server::{Limits, Server};
pub use store::{Store, StoreError};
pub use witness::{Answer, Clock, Witness};
