//! Reads content from other hosts over HTTP/1.1: what the caller of a server names and the server
//! fetches.
//!
//! Whoever may name a URL could make the server reach where he cannot himself, and whoever answers
//! could keep it busy for ever. So each host is held against a [`Guard`], each address it has is
//! held against it again and connected to as it is, redirects are not followed, and time, size and
//! number of everything is bounded. Nothing of Azure is known here but names of headers that the
//! caller brings.

mod connection;
mod content;
mod error;
mod fetcher;
mod guard;
mod head;
mod pool;
mod target;
mod tls;
mod whole;

pub use content::Content;
pub use error::{Answered, FetchError};
pub use fetcher::{Ask, Bounds, Fetcher, Names, Resolving, SystemNames};
pub use guard::{Guard, HostPattern, Network};
pub use head::Headers;
pub use target::Target;
pub use tls::{CaFileError, Roots};
pub use whole::Whole;
