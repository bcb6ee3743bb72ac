//! One file per command.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod fsck;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod serve;
pub(crate) mod version;
