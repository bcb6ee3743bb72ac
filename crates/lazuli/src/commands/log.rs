//! Commands about a transparency log, asked over HTTP.

mod bag;
mod describe;
pub(crate) mod entries;
pub(crate) mod export;
pub(crate) mod monitor;
mod remote;
pub(crate) mod show;
pub(crate) mod status;
mod tree;
