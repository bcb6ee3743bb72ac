//! Reads of long bodies: a second entry, once the body has ended, says how many bytes were handed to
//! the connection and whether these were all. The first one was written before anything was sent.

use bytes::Bytes;
use http::Method;
use lazuli_base::Timestamp;
use lazuli_engine::BoxFuture;
use lazuli_model::Refusal;
use lazuli_model::etag::ETag;
use lazuli_store::Store;
use lazuli_store::journal::{Ending, Entry, Kind, Object};

use crate::accountable::{etag, object};
use crate::call::Head;
use crate::message::{Body, ResponseBody};
use crate::reply::Reply;
use crate::spec::Spec;

/// The least length of a body whose end is entered, in bytes.
const LONG_BYTES_MIN: u64 = 1024 * 1024;

/// A body whose end is entered.
struct Followed {
    body: Box<dyn ResponseBody>,
    /// Works for the request, so that the entry tells the same of it as the first one.
    store: Store,
    operation: &'static str,
    account: String,
    object: Option<Named>,
    etag: Option<ETag>,
    status: u16,
    /// What was handed on so far.
    bytes: u64,
    is_told: bool,
}

/// What is read.
struct Named {
    container: String,
    blob: Option<String>,
    snapshot: Option<Timestamp>,
}

/// Has the end of the body of an answer entered, if it is streamed and long. `bytes` is how many it
/// has, if that is known.
pub(crate) fn follow(
    head: &Head<'_>,
    spec: &Spec,
    (store, bytes): (&Store, Option<u64>),
    reply: &mut Reply,
) {
    if *head.method == Method::HEAD || bytes.is_some_and(|bytes| bytes < LONG_BYTES_MIN) {
        return;
    }
    let body = match std::mem::replace(&mut reply.body, Body::Empty) {
        Body::Stream(body) => body,
        other => {
            reply.body = other;
            return;
        }
    };
    let named = |object: Object<'_>| Named {
        container: object.container.to_owned(),
        blob: object.blob.map(str::to_owned),
        snapshot: object.snapshot,
    };
    reply.body = Body::Stream(Box::new(Followed {
        body,
        store: store.clone(),
        operation: spec.name,
        account: head.address.account.clone(),
        object: object(head).map(named),
        etag: etag(&reply.headers),
        status: reply.status,
        bytes: 0,
        is_told: false,
    }));
}

impl Followed {
    /// Queues the entry, once.
    fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let object = self.object.as_ref().map(|named| Object {
            container: &named.container,
            blob: named.blob.as_deref(),
            snapshot: named.snapshot,
        });
        let entry = Entry::new(Kind::Read, self.operation, &self.account)
            .object(object)
            .bytes(Some(self.bytes))
            .etag(self.etag)
            .status(Some(self.status))
            .ended(ending);
        self.store.queue_end(&entry);
    }
}

impl ResponseBody for Followed {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>> {
        Box::pin(async move {
            let part = self.body.next().await;
            match &part {
                Some(Ok(bytes)) => self.bytes += bytes.len() as u64,
                Some(Err(_)) => self.end(Ending::Aborted),
                // Asked for only after the last part was taken.
                None => self.end(Ending::Complete),
            }
            part
        })
    }
}

impl Drop for Followed {
    /// Nobody asked for the end: the client is gone, or the server stops.
    fn drop(&mut self) {
        self.end(Ending::Aborted);
    }
}
