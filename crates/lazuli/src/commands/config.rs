//! Commands about the configuration.

pub(crate) mod explain;
