//! How a request is accounted for: what the journal is told of it, the entry of a read, and the
//! receipt its answer carries.

use std::net::IpAddr;

use http::Method;
use http::header::{CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue};
use lazuli_auth::{Guid, Principal, SasKind};
use lazuli_base::Timestamp;
use lazuli_engine::Receipt;
use lazuli_evidence::{OPENING_HEADER, RECEIPT_HEADER, headers_fit};
use lazuli_model::etag::ETag;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ApiVersion, Refusal};
use lazuli_store::Store;
use lazuli_store::blob::BlobPath;
use lazuli_store::journal::{Entry, Kind, Object};
use lazuli_store::origin::{Facts, Origin};
use lazuli_wire::date;
use lazuli_wire::headers::first;

use crate::Api;
use crate::address::Resource;
use crate::call::{Call, Head};
use crate::client;
use crate::long_read;
use crate::message::Body;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, SOURCE_CONDITIONS, Spec};

/// The most conditional headers of a request.
const CONDITIONS_MAX: usize = CONDITIONS.len() + SOURCE_CONDITIONS.len();

/// Who sent a request, as the journal names him.
#[derive(Debug)]
pub(crate) struct Caller {
    scheme: &'static str,
    key: Option<usize>,
    identity: Option<Guid>,
    policy: Option<String>,
}

impl Caller {
    /// The caller that a signature tells.
    pub(crate) fn of(principal: &Principal) -> Self {
        let scheme = match principal {
            Principal::AccountKey { .. } => "shared-key",
            Principal::Sas(grant) if grant.delegation.is_some() => "user-delegation-sas",
            Principal::Sas(grant) => match grant.kind {
                SasKind::Account { .. } => "account-sas",
                SasKind::Service(_) => "service-sas",
            },
            Principal::Session { .. } => "session",
            Principal::Bearer(_) => "bearer",
            Principal::Anonymous => "anonymous",
        };
        let policy = principal.policy_id().map(str::to_owned);
        let identity = principal.object_id().cloned();
        Self { scheme, key: principal.key_index(), identity, policy }
    }
}

/// What the journal is told of an admitted request.
pub(crate) fn origin_of(
    head: &Head<'_>,
    spec: &Spec,
    caller: &Caller,
    announced: Option<u64>,
) -> Origin {
    let text = |name: &str| first(head.headers, name).and_then(|value| value.to_str().ok());
    let mut conditions = [""; CONDITIONS_MAX];
    let mut count = 0;
    for name in head.headers.keys().map(HeaderName::as_str).filter(|name| is_condition(name)) {
        if let Some(place) = conditions.get_mut(count) {
            *place = name;
            count += 1;
        }
    }
    Origin::new(&Facts {
        scheme: caller.scheme,
        key: caller.key,
        identity: caller.identity.as_ref().map(Guid::as_str),
        policy: caller.policy.as_deref(),
        remote: head.remote,
        secure: head.secure,
        content_length: announced,
        conditions: conditions.get(..count).unwrap_or_default(),
        tier: text("x-ms-access-tier")
            .and_then(|text| AccessTier::parse(text, ApiVersion::NEWEST).ok()),
        version: head.version,
        client: text("user-agent").and_then(client::library),
        request_id: head.request_id,
        client_request_id: text("x-ms-client-request-id"),
        status: spec.success.first().copied().unwrap_or_default(),
    })
}

impl Api {
    /// Counts an authentication that was refused.
    pub(crate) fn count_refused(&self, refusal: &Refusal, remote: IpAddr) {
        // What the server is at fault for says nothing of who called.
        if refusal.status() < 500 {
            self.store.count_failed_authentication(remote);
        }
    }

    /// Queues the entry of a request of a known caller that is about to be refused, and gives the
    /// refusal. It waits in the queue of the reads, in strict accounts too: a client that is refused
    /// costs no commit of its own.
    ///
    /// What the server is at fault for has none: it may be that nothing can be logged at all. If
    /// the entry cannot be queued, the request is refused with `ServerBusy` instead.
    pub(crate) async fn account_for_refusal(
        &self,
        head: &Head<'_>,
        spec: &Spec,
        store: &Store,
        refusal: Refusal,
    ) -> Refusal {
        if refusal.status() >= 500 || !store.logs_reads() {
            return refusal;
        }
        let entry = Entry::new(Kind::Read, spec.name, &head.address.account)
            .object(object(head))
            .refused(refusal.status(), refusal.code().name());
        store.queue_read(&entry).await.err().unwrap_or(refusal)
    }

    /// The store as it works for an admitted request.
    ///
    /// Where nobody keeps a log it is not written down who sent a request, and costs nothing.
    pub(crate) fn store_for(
        &self,
        head: &Head<'_>,
        spec: &Spec,
        caller: &Caller,
        announced: Option<u64>,
    ) -> Store {
        if !self.store.logs_reads() {
            return self.store.clone();
        }
        self.store.on_behalf_of(origin_of(head, spec, caller, announced))
    }

    /// Logs a read that is about to be answered, and adds the receipt of what the request did.
    ///
    /// `ServerBusy` if it cannot be logged: then it is not answered either.
    pub(crate) async fn account_for(
        &self,
        head: &Head<'_>,
        spec: &Spec,
        store: &Store,
        reply: &mut Reply,
    ) -> Result<(), Refusal> {
        if (spec.is_read() || reply.changed_nothing) && store.logs_reads() {
            let account = &*head.address.account;
            let asks = first(head.headers, RECEIPT_HEADER).is_some_and(|value| value == "1");
            let bytes = bytes(head, reply);
            let entry = Entry::new(Kind::Read, spec.name, account)
                .object(object(head))
                .bytes(bytes)
                .etag(etag(&reply.headers))
                .status(Some(reply.status));
            if asks || self.strict_reads.contains(account) {
                store.commit_read(&entry).await?;
            } else {
                store.queue_read(&entry).await?;
            }
            long_read::follow(head, spec, (store, bytes), reply);
        }
        if let Some(receipt) = store.origin().and_then(Origin::receipt) {
            add(&receipt, &mut reply.headers);
        }
        Ok(())
    }
}

impl Call<'_> {
    /// Tells the journal that the change of this request copies from a blob, and who is allowed to
    /// read that; nobody else than the caller if `caller` is `None`.
    pub(crate) fn copies_from(
        &self,
        (path, snapshot): (&BlobPath<'_>, Option<Timestamp>),
        caller: Option<&Caller>,
    ) {
        let Some(own) = self.store().origin() else { return };
        let of = |caller| origin_of(self.head, self.spec, caller, self.announced());
        let other = caller.map(of);
        let entry = Entry::new(Kind::Read, self.spec.name, path.account).blob(path, snapshot);
        own.copies_from(entry.encode(self.head.now, other.as_ref().or(Some(own))));
    }
}

fn is_condition(name: &str) -> bool {
    // Few headers begin so, and only those are looked up.
    (name.starts_with("if-") || name.starts_with("x-ms-if-") || name.starts_with("x-ms-source-if-"))
        && (CONDITIONS.contains(&name) || SOURCE_CONDITIONS.contains(&name))
}

/// What a read was of.
pub(crate) fn object<'a>(head: &'a Head<'_>) -> Option<Object<'a>> {
    let snapshot = || head.query.get_non_empty("snapshot").and_then(date::parse_iso7);
    match &head.resource {
        Resource::Account | Resource::Tables | Resource::Batch => None,
        Resource::NamedTable(table) | Resource::Table(table) => {
            Some(Object { container: table, blob: None, snapshot: None })
        }
        Resource::Entity(entity) => {
            Some(Object { container: &entity.table, blob: Some(&entity.predicate), snapshot: None })
        }
        Resource::Container(container)
        | Resource::Queue(container)
        | Resource::Messages(container) => Some(Object { container, blob: None, snapshot: None }),
        Resource::Message(queue, id) => {
            Some(Object { container: queue, blob: Some(id), snapshot: None })
        }
        Resource::Blob(container, blob) => {
            Some(Object { container, blob: Some(blob), snapshot: snapshot() })
        }
    }
}

/// How many bytes a read gives.
fn bytes(head: &Head<'_>, reply: &Reply) -> Option<u64> {
    if *head.method == Method::HEAD {
        return None;
    }
    match &reply.body {
        Body::Empty => Some(0),
        Body::Full(bytes) => Some(bytes.len() as u64),
        Body::Stream(_) => {
            let length = reply.headers.get(CONTENT_LENGTH)?;
            length.to_str().ok()?.parse().ok()
        }
    }
}

/// The entity tag that an answer tells.
pub(crate) fn etag(headers: &HeaderMap) -> Option<ETag> {
    let text = headers.get(ETAG)?.to_str().ok()?;
    let digits = text.trim_matches('"').strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok().map(ETag)
}

/// Adds a receipt, and its opening if there is room for both.
fn add(receipt: &Receipt, headers: &mut HeaderMap) {
    let Ok(value) = HeaderValue::from_str(&receipt.receipt) else { return };
    headers.insert(HeaderName::from_static(RECEIPT_HEADER), value);
    let fits = |opening: &&String| headers_fit(receipt.receipt.len(), opening.len());
    if let Some(opening) = receipt.opening.as_ref().filter(fits)
        && let Ok(value) = HeaderValue::from_str(opening)
    {
        headers.insert(HeaderName::from_static(OPENING_HEADER), value);
    }
}
