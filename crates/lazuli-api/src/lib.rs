//! The operations of the storage services, one file each, and the pipeline every request takes.

pub mod message;

pub use message::{Body, BodyError, FullBody, Observation, Request, RequestBody, Response, ResponseBody};

use lazuli_engine::BoxFuture;

/// What a listener serves requests with.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; never fails, for a failure is a response too.
    fn handle(&self, request: Request) -> BoxFuture<'_, (Response, Observation)>;
}
