//! What tests of a running server need: the server as a process, a client that signs, and bytes
//! that a seed brings back. For tests only; nothing that ships may depend on this crate.

mod client;
mod crash;
mod random;
mod receipts;
mod server;
mod view;

pub use client::{ACCOUNT, Client, Request, Response};
pub use crash::{check_directory, kill_under_load};
pub use random::{Random, fill, is_filled};
pub use receipts::{Kept, Trust};
pub use server::{Server, binary, workspace_root};
pub use view::{Seen, View, view};
