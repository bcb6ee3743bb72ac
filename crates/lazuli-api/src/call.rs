//! One request on its way through the pipeline, and what a handler reads from it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use lazuli_auth::Granted;
use lazuli_base::Timestamp;
use lazuli_model::entity::EntityKey;
use lazuli_model::message::MessageId;
use lazuli_model::names::{BlobName, ContainerName, QueueName, TableName};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};
use lazuli_store::Store;
use lazuli_wire::query::Query;
use lazuli_wire::{date, headers};

use crate::address::{Address, Resource};
use crate::message::{BodyError, RequestBody};
use crate::spec::Spec;
use crate::{Api, Spelling};

/// The head of a request, taken apart.
#[derive(Clone)]
pub struct Head<'a> {
    /// The listener it came in by.
    pub service: Service,
    /// The HTTP method that decides what is asked for.
    pub method: &'a Method,
    /// The HTTP method as sent, which is signed: `POST` may stand for another one.
    pub sent: &'a Method,
    /// What the target names.
    pub address: Address<'a>,
    /// The container or blob among it.
    pub resource: Resource,
    /// The query.
    pub query: Query<'a>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// How the metadata names among the headers are written.
    pub spelling: &'a Spelling,
    /// The version that decides behaviour.
    pub version: ApiVersion,
    /// The version the request named in `x-ms-version`, if it named one.
    pub requested_version: Option<ApiVersion>,
    /// The peer's address.
    pub remote: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The request's id.
    pub request_id: &'a str,
    /// When it arrived.
    pub now: Timestamp,
}

/// An authorised request and what its handler needs.
pub struct Call<'a> {
    /// The API.
    pub api: &'a Api,
    /// The operation.
    pub spec: &'static Spec,
    /// The head.
    pub head: &'a Head<'a>,
    /// What the caller may do beyond calling the operation.
    pub granted: Granted,
    /// The body, not yet read. The mutex is never locked: it lets a handler share the call with
    /// the futures it awaits, while only who has the call to himself can read the body.
    body: Mutex<&'a mut dyn RequestBody>,
    announced: Option<u64>,
    store: &'a Store,
}

/// Blobs in this container are addressed without naming it.
const ROOT_CONTAINER: &str = "$root";

impl<'a> Call<'a> {
    /// A call whose body has not been read, of a caller with what he is granted and the store as it
    /// works for him.
    pub fn new(
        api: &'a Api,
        spec: &'static Spec,
        head: &'a Head<'a>,
        (granted, store): (Granted, &'a Store),
        body: &'a mut dyn RequestBody,
    ) -> Self {
        // A head that says nothing has no body, and announces none.
        let announced = body.announced().filter(|_| head.headers.contains_key(CONTENT_LENGTH));
        Self { api, spec, head, granted, body: Mutex::new(body), announced, store }
    }

    /// The length of the body as the caller announced it; `None` for a chunked body, and
    /// where nothing was announced.
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next bytes of the body; `None` at its end.
    pub async fn next_part(&mut self) -> Option<Result<Bytes, BodyError>> {
        self.body.get_mut().unwrap_or_else(PoisonError::into_inner).next().await
    }

    /// The store, as it works for this request.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// The account.
    pub fn account(&self) -> &'a str {
        &self.head.address.account
    }

    /// The version that decides behaviour.
    pub fn version(&self) -> ApiVersion {
        self.head.version
    }

    /// The addressed container, its name checked.
    pub fn container(&self) -> Result<ContainerName, Refusal> {
        match &self.head.resource {
            Resource::Container(container) | Resource::Blob(container, _) => {
                ContainerName::parse(container)
            }
            _ => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// The addressed blob, its name checked.
    pub fn blob(&self) -> Result<BlobName, Refusal> {
        match &self.head.resource {
            Resource::Blob(container, blob) => BlobName::parse(blob, container == ROOT_CONTAINER),
            _ => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// The addressed table, its name checked.
    pub fn table(&self) -> Result<TableName, Refusal> {
        match &self.head.resource {
            Resource::NamedTable(table) | Resource::Table(table) => TableName::parse(table),
            Resource::Entity(entity) => TableName::parse(&entity.table),
            _ => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// The addressed queue, its name checked.
    pub fn queue(&self) -> Result<QueueName, Refusal> {
        match &self.head.resource {
            Resource::Queue(queue) | Resource::Messages(queue) | Resource::Message(queue, _) => {
                QueueName::parse(queue)
            }
            _ => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// The identifier of the addressed message. `MessageNotFound` for what identifies none.
    pub fn message_id(&self) -> Result<MessageId, Refusal> {
        match &self.head.resource {
            Resource::Message(_, id) => MessageId::parse(id),
            _ => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// The key of the addressed entity, which the caller's token must reach.
    pub fn entity_key(&self) -> Result<&'a EntityKey, Refusal> {
        match &self.head.resource {
            Resource::Entity(entity) => {
                self.granted.require_entity(&entity.table, &entity.key)?;
                Ok(&entity.key)
            }
            _ => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// A header's text; an absent or empty one is `None`.
    pub fn header(&self, name: &'static str) -> Result<Option<&'a str>, Refusal> {
        self.assert_declared(name);
        headers::non_empty(self.head.headers, name)
    }

    /// A header that must be there.
    pub fn required_header(&self, name: &'static str) -> Result<&'a str, Refusal> {
        self.assert_declared(name);
        headers::required(self.head.headers, name)
    }

    /// A header that holds a non-negative number.
    pub fn number_header(&self, name: &'static str) -> Result<Option<u64>, Refusal> {
        self.assert_declared(name);
        headers::unsigned(self.head.headers, name)
    }

    /// A header that holds `true` or `false`; absent is `false`.
    pub fn flag_header(&self, name: &'static str) -> Result<bool, Refusal> {
        self.assert_declared(name);
        Ok(headers::boolean(self.head.headers, name)?.unwrap_or(false))
    }

    /// A header that holds a date.
    pub fn date_header(&self, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
        self.assert_declared(name);
        headers::date(self.head.headers, name)
    }

    /// A query parameter; an absent or empty one is `None`.
    pub fn query(&self, name: &'static str) -> Option<&'a str> {
        debug_assert!(self.spec.reads_query(name), "{} does not declare {name}", self.spec.name);
        self.head.query.get_non_empty(name)
    }

    /// A query parameter that must be there.
    ///
    /// `MissingRequiredQueryParameter` if it is absent or empty.
    pub fn required_query(&self, name: &'static str) -> Result<&'a str, Refusal> {
        self.query(name).ok_or_else(|| {
            Refusal::new(ErrorCode::MissingRequiredQueryParameter)
                .with_detail("QueryParameterName", name)
        })
    }

    /// The items of a list-valued query parameter, joined by commas.
    pub fn query_list(&self, name: &'static str) -> String {
        debug_assert!(self.spec.reads_query(name), "{} does not declare {name}", self.spec.name);
        self.head.query.list(name).collect::<Vec<_>>().join(",")
    }

    /// The `snapshot` query parameter.
    pub fn snapshot(&self) -> Result<Option<Timestamp>, Refusal> {
        self.query("snapshot")
            .map(|text| {
                date::parse_iso7(text)
                    .ok_or_else(|| Refusal::query_value("snapshot", text, "Not a valid snapshot."))
            })
            .transpose()
    }

    /// Reads a body of at most `max` bytes whose length is announced, or which comes in chunks.
    ///
    /// `MissingContentLengthHeader` if neither is so; else as [`Self::read_body`].
    pub async fn read_announced_body(&mut self, max: u64) -> Result<Bytes, Refusal> {
        self.announced_content(None)?;
        self.read_body(max).await
    }

    /// Reads a body of at most `max` bytes.
    ///
    /// `RequestBodyTooLarge` for a longer one; `InvalidInput` for one that ends early.
    pub async fn read_body(&mut self, max: u64) -> Result<Bytes, Refusal> {
        if self.announced().is_some_and(|announced| announced > max) {
            return Err(too_large(max));
        }
        let mut whole = BytesMut::new();
        while let Some(part) = self.next_part().await {
            let part = part.map_err(incomplete)?;
            if (whole.len() + part.len()) as u64 > max {
                return Err(too_large(max));
            }
            if whole.is_empty() && self.announced() == Some(part.len() as u64) {
                return Ok(part);
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    fn assert_declared(&self, name: &str) {
        debug_assert!(self.spec.reads_header(name), "{} does not declare {name}", self.spec.name);
    }
}

/// The refusal of a body over a limit.
pub fn too_large(max: u64) -> Refusal {
    Refusal::new(ErrorCode::RequestBodyTooLarge).with_detail("MaxLimit", max.to_string())
}

/// The refusal of a body that ended early. The peer is often gone and will not read it.
pub fn incomplete(error: BodyError) -> Refusal {
    match error {
        BodyError::TimedOut => Refusal::new(ErrorCode::OperationTimedOut),
        BodyError::Incomplete => Refusal::new(ErrorCode::InvalidInput)
            .with_message("The request body ended before its announced length."),
        BodyError::Malformed => Refusal::new(ErrorCode::InvalidInput)
            .with_message("The transfer coding of the request body is malformed."),
    }
}
