//! The steps every request takes: address, version, route, authenticate, authorise, handle, encode.
//!
//! The body is not touched before the handler polls it, so a large upload with a bad signature
//! costs one round trip of headers. A refusal leaves any step as one type and is rendered here.

use http::header::{HeaderMap, HeaderName, HeaderValue, SERVER};
use http::{Method, StatusCode};
use lazuli_auth::{AccessContext, AnonymousAccess, AuthRequest, Granted, authenticate, authorise};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};
use lazuli_store::Store;
use lazuli_wire::query::Query;
use lazuli_wire::{error_body, headers};

use crate::access::Opened;
use crate::accountable::Caller;
use crate::address::{self, Resource};
use crate::call::{Call, Head};
use crate::cors;
use crate::message::{Body, BodyError, Observation, Request, RequestBody, Response};
use crate::operations::{self, Operation};
use crate::reply::Reply;
use crate::spec::{CONDITIONS, Level, Spec, Status};
use crate::{Api, Spelling, UnknownVersions, since, table};

/// The first version whose SAS tokens decide the behaviour of requests that name no version.
const SAS_VERSION_DECIDES: ApiVersion = ApiVersion::new(2014, 2, 14);

/// What a request without any version is served as.
const UNVERSIONED: ApiVersion = ApiVersion::new(2019, 7, 7);

/// The longest `x-ms-client-request-id`, in characters.
const CLIENT_REQUEST_ID_MAX: usize = 1024;

/// The version that decides behaviour, and how it was found.
#[derive(Clone, Copy, Debug)]
struct Versions {
    served: ApiVersion,
    requested: Option<ApiVersion>,
    newer_than_known: bool,
}

/// Why a request was not admitted.
struct Denied {
    refusal: Refusal,
    /// Who sent it, if his signature is right and only his permission is missing.
    caller: Option<Caller>,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, caller: None }
    }
}

/// A body that counts what is read of it.
struct Counted<'a> {
    inner: &'a mut dyn RequestBody,
    bytes: u64,
}

impl RequestBody for Counted<'_> {
    fn announced(&self) -> Option<u64> {
        self.inner.announced()
    }

    fn next(&mut self) -> lazuli_engine::BoxFuture<'_, Option<Result<bytes::Bytes, BodyError>>> {
        Box::pin(async move {
            let part = self.inner.next().await;
            if let Some(Ok(bytes)) = &part {
                self.bytes += bytes.len() as u64;
            }
            part
        })
    }
}

impl Api {
    /// Answers a request.
    pub async fn serve(&self, mut request: Request) -> (Response, Observation) {
        let request_id = self.entropy.uuid();
        let mut observation = Observation {
            operation: "Unknown",
            account: None,
            request_id,
            status: 0,
            error: None,
            cause: None,
            bytes_in: 0,
        };
        let mut versions =
            Versions { served: ApiVersion::NEWEST, requested: None, newer_than_known: false };
        let outcome = self.try_serve(&mut request, None, &mut versions, &mut observation).await;
        let response = self.encode(&request, outcome, versions, &mut observation);
        observation.status = response.status;
        (response, observation)
    }

    async fn try_serve(
        &self,
        request: &mut Request,
        inherited: Option<ApiVersion>,
        versions: &mut Versions,
        observation: &mut Observation,
    ) -> Result<Reply, Refusal> {
        let host = headers::text(&request.headers, "host")?;
        let is_account = |name: &str| self.accounts.contains(name);
        let address = address::resolve(&request.target, host, request.secure, is_account)?;
        observation.account = Some(address.account.clone());
        let query = Query::parse(address.query)?;
        *versions = self
            .versions_of((request.service, &address.account, inherited), &query, &request.headers)
            .await?;
        check_client_request_id(&request.headers)?;
        let restype = query.get_non_empty("restype");
        let resource = Resource::of(request.service, &address, restype)?;
        let method = table::method(request.service, &request.method, &request.headers)?;
        let head = Head {
            service: request.service,
            method: &method,
            sent: &request.method,
            address,
            resource,
            query,
            headers: &request.headers,
            spelling: &request.spelling,
            version: versions.served,
            requested_version: versions.requested,
            remote: request.remote,
            secure: request.secure,
            request_id: &observation.request_id,
            now: self.clock.now(),
        };
        let cors = cors::Actual::of(self, &head).await?;
        let mut body = Counted { inner: &mut *request.body, bytes: 0 };
        let outcome = self.dispatch(&head, &mut body, &mut observation.operation).await;
        observation.bytes_in = body.bytes;
        match outcome {
            Ok(mut reply) => {
                cors.add_to(&mut reply.headers);
                Ok(reply)
            }
            Err(refusal) => Err(cors.add_to_refusal(refusal)),
        }
    }

    /// Answers a part of a batch: one of the two operations a batch may have, the same for all.
    pub(crate) async fn serve_part(
        &self,
        batch: &Call<'_>,
        mut part: Request,
        first: &mut Option<&'static str>,
    ) -> Response {
        let mut observation = Observation {
            operation: "Unknown",
            account: None,
            request_id: self.entropy.uuid(),
            status: 0,
            error: None,
            cause: None,
            bytes_in: 0,
        };
        let served = batch.head.version;
        let mut versions = Versions { served, requested: None, newer_than_known: false };
        let outcome = match check_part(&part, first) {
            Err(refusal) => Err(refusal),
            Ok(()) => {
                self.try_serve(&mut part, Some(served), &mut versions, &mut observation).await
            }
        };
        self.encode(&part, outcome, versions, &mut observation)
    }

    /// Routes, authorises and handles a request whose head is taken apart.
    pub(crate) async fn dispatch(
        &self,
        head: &Head<'_>,
        body: &mut dyn RequestBody,
        name: &mut &'static str,
    ) -> Result<Reply, Refusal> {
        if *head.method == Method::OPTIONS {
            *name = cors::preflight_name(head.service);
            return cors::preflight(self, head).await;
        }
        let place = (head.service, head.resource.level());
        let operation = operations::route(place, head.method, &head.query, head.headers)?;
        *name = operation.spec.name;
        let announced = body.announced();
        let (granted, caller) = match self.admit(head, operation).await {
            Ok(admitted) => admitted,
            Err(Denied { refusal, caller: None }) => {
                self.count_refused(&refusal, head.remote);
                return Err(refusal);
            }
            Err(Denied { refusal, caller: Some(caller) }) => {
                let store = self.store_for(head, operation.spec, &caller, announced);
                return Err(self.account_for_refusal(head, operation.spec, &store, refusal).await);
            }
        };
        let store = self.store_for(head, operation.spec, &caller, announced);
        match self.handle(head, operation, (granted, &store), body).await {
            Ok(reply) => Ok(reply),
            Err(refusal) => {
                Err(self.account_for_refusal(head, operation.spec, &store, refusal).await)
            }
        }
    }

    /// Handles an admitted request and accounts for it.
    async fn handle(
        &self,
        head: &Head<'_>,
        operation: &Operation,
        (granted, store): (Granted, &Store),
        body: &mut dyn RequestBody,
    ) -> Result<Reply, Refusal> {
        let reads = operation.spec.is_read() && matches!(*head.method, Method::GET | Method::HEAD);
        if head.address.secondary && !reads {
            return Err(Refusal::new(ErrorCode::InsufficientAccountPermissions)
                .with_message("Write operations are not allowed."));
        }
        check_timeout(&head.query)?;
        since::check(operation.spec, head.version)?;
        refuse_unsupported(operation.spec, head)?;
        refuse_snapshot(operation.spec, head)?;
        refuse_conditions(operation.spec, head)?;
        let call = Call::new(self, operation.spec, head, (granted, store), body);
        let mut reply = (operation.handle)(call).await?;
        since::hide_newer(operation.spec, head.version, &mut reply.headers);
        self.account_for(head, operation.spec, store, &mut reply).await?;
        debug_assert!(
            reply.headers.keys().all(|name| operation.spec.sets_header(name.as_str())),
            "{} sets a header it does not declare: {:?}",
            operation.spec.name,
            reply.headers.keys().find(|name| !operation.spec.sets_header(name.as_str()))
        );
        Ok(reply)
    }

    /// Steps 4 and 6: who calls, and whether they may.
    async fn admit(
        &self,
        head: &Head<'_>,
        operation: &Operation,
    ) -> Result<(Granted, Caller), Denied> {
        let (container, blob) = head.resource.names();
        let auth = AuthRequest {
            method: head.sent.as_str(),
            path: head.address.path,
            query: head.address.query,
            headers: head.headers,
            service: head.service,
            account: &head.address.account,
            container,
            blob,
            secure: head.secure,
            remote: head.remote,
            version: head.version,
            now: head.now,
        };
        let spec = &operation.spec.access;
        let principal = authenticate(&auth, &*self.accounts, self.identities.as_deref())?;
        let anonymous = matches!(principal, lazuli_auth::Principal::Anonymous);
        let needs_container = principal.policy_id().is_some()
            || (anonymous && spec.anonymous != AnonymousAccess::Never);
        // A transaction's address names no table, but a token for one does.
        let place = container.or(principal.table());
        let opened = match place.filter(|_| needs_container) {
            Some(name) => self.opened(head, name).await?,
            None => Opened::default(),
        };
        let policy = principal.policy_id().and_then(|id| opened.policy(id));
        let policy = policy.map(crate::access::policy);
        let caller = Caller::of(&principal);
        let principal = principal.into_effective(policy.as_ref(), &auth)?;
        let context = AccessContext {
            service: head.service,
            requested_version: head.requested_version,
            public_access: opened.public,
            version: head.version,
            tenant: self.tenant(),
        };
        match authorise(spec, &principal, &context) {
            Ok(granted) => Ok((granted, caller)),
            Err(refusal) => Err(Denied { refusal, caller: (!anonymous).then_some(caller) }),
        }
    }

    /// What the addressed container, or what another service has in its place, opens to others.
    async fn opened(&self, head: &Head<'_>, name: &str) -> Result<Opened, Refusal> {
        let account = &head.address.account;
        match head.service {
            Service::Blob | Service::Dfs => {
                let row = self.store.find_container(account, name).await?;
                let public = crate::access::public(row.as_ref());
                Ok(Opened { public, policies: row.map(|row| row.policies).unwrap_or_default() })
            }
            Service::Table => {
                let row = self.store.find_table(account, name).await?;
                let policies = row.map(|row| row.policies).unwrap_or_default();
                Ok(Opened { policies, ..Opened::default() })
            }
            Service::Queue => {
                let row = self.store.find_queue(account, name).await?;
                let policies = row.map(|row| row.policies).unwrap_or_default();
                Ok(Opened { policies, ..Opened::default() })
            }
        }
    }

    /// Step 2: the version that decides behaviour. A part of a batch inherits the batch's.
    ///
    /// <https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services>
    async fn versions_of(
        &self,
        (service, account, inherited): (Service, &str, Option<ApiVersion>),
        query: &Query<'_>,
        request: &HeaderMap,
    ) -> Result<Versions, Refusal> {
        let malformed = |text: &str| Refusal::header_value("x-ms-version", text);
        let given = match headers::non_empty(request, "x-ms-version")? {
            Some(text) => Some(ApiVersion::parse(text).ok_or_else(|| malformed(text))?),
            None => inherited,
        };
        let parameter = || query.get_non_empty("api-version").and_then(ApiVersion::parse);
        let token = || {
            let version = query.get_non_empty("sv").and_then(ApiVersion::parse);
            version.filter(|version| *version >= SAS_VERSION_DECIDES)
        };
        let named = match given.or_else(parameter).or_else(token) {
            Some(version) => version,
            None => self.store.default_version(service, account).await?.unwrap_or(UNVERSIONED),
        };
        let newer_than_known = named > ApiVersion::NEWEST;
        if named < ApiVersion::OLDEST
            || (newer_than_known && self.versions == UnknownVersions::Refuse)
        {
            return Err(malformed(&named.to_string()));
        }
        let served = named.min(ApiVersion::NEWEST);
        Ok(Versions { served, requested: given, newer_than_known })
    }

    /// Step 9: status, headers, body.
    fn encode(
        &self,
        request: &Request,
        outcome: Result<Reply, Refusal>,
        versions: Versions,
        observation: &mut Observation,
    ) -> Response {
        let copy_source = outcome.as_ref().err().map(copy_source_headers).unwrap_or_default();
        let mut response = match outcome {
            Ok(reply) => {
                let Reply { status, headers, spelling, body, .. } = reply;
                Response { status, headers, spelling, body }
            }
            Err(refusal) => {
                observation.error = Some(refusal.code().name());
                observation.cause = refusal.cause().map(str::to_owned);
                let about = (&*observation.request_id, versions.served);
                self.encode_refusal(request, &refusal, about)
            }
        };
        let own = &mut response.headers;
        since::write_etag(request.service, versions.served, own);
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                own.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-ms-request-id", &observation.request_id);
        set("x-ms-version", &versions.served.to_string());
        if versions.newer_than_known {
            let known = versions.served;
            set("warning", &format!("299 - \"served as version {known}, the newest known\""));
        }
        if versions.served >= COPY_SOURCE_HEADERS {
            for (name, value) in &copy_source {
                set(name, value);
            }
        }
        own.insert(SERVER, HeaderValue::from_static(server_name(request.service)));
        if let Some(id) = headers::first(&request.headers, "x-ms-client-request-id")
            && id.len() <= CLIENT_REQUEST_ID_MAX
        {
            own.insert("x-ms-client-request-id", id.clone());
        }
        response
    }

    fn encode_refusal(
        &self,
        request: &Request,
        refusal: &Refusal,
        (request_id, version): (&str, ApiVersion),
    ) -> Response {
        let now = self.clock.now();
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert("x-ms-error-code", HeaderValue::from_static(refusal.code().name()));
        if request.service == Service::Table {
            headers.insert("cache-control", HeaderValue::from_static("no-cache"));
            headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        }
        for (name, value) in refusal.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        let status = refusal.status();
        let bodiless = request.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        let (kind, body) = match request.service {
            Service::Table => table::error_body(request, refusal, (request_id, version), now),
            _ => ("application/xml", error_body::xml(refusal, request_id, now)),
        };
        let body = if bodiless {
            Body::Empty
        } else {
            headers.insert("content-type", HeaderValue::from_static(kind));
            Body::Full(body.into())
        };
        Response { status, headers, spelling: Spelling::default(), body }
    }
}

/// The version since which what is wrong with a copy source is told in headers, too.
const COPY_SOURCE_HEADERS: ApiVersion = ApiVersion::new(2025, 11, 5);

/// What a refusal tells of a copy source, as headers.
fn copy_source_headers(refusal: &Refusal) -> Vec<(&'static str, String)> {
    let header = |element: &str| match element {
        "CopySourceStatusCode" => Some("x-ms-copy-source-status-code"),
        "CopySourceErrorCode" => Some("x-ms-copy-source-error-code"),
        _ => None,
    };
    let details = refusal.details().iter();
    details.filter_map(|(element, text)| Some((header(element)?, text.clone()))).collect()
}

/// A batch has deletes or tier changes, not both and nothing else: no batch in a batch.
fn check_part(part: &Request, first: &mut Option<&'static str>) -> Result<(), Refusal> {
    let (_, query) = part.target.split_once('?').unwrap_or((&part.target, ""));
    let query = Query::parse(query)?;
    let level = if query.contains("restype") { Level::Container } else { Level::Blob };
    let name =
        operations::route((Service::Blob, level), &part.method, &query, &part.headers)?.spec.name;
    let allowed = matches!(name, "DeleteBlob" | "SetBlobTier");
    if allowed && *first.get_or_insert(name) == name {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidInput)
        .with_message("A batch has deletes or tier changes, all of one kind."))
}

fn server_name(service: Service) -> &'static str {
    match service {
        Service::Blob => "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
        Service::Dfs => "Windows-Azure-HDFS/1.0 Microsoft-HTTPAPI/2.0",
        Service::Queue => "Windows-Azure-Queue/1.0 Microsoft-HTTPAPI/2.0",
        Service::Table => "Windows-Azure-Table/1.0 Microsoft-HTTPAPI/2.0",
    }
}

fn check_client_request_id(request: &HeaderMap) -> Result<(), Refusal> {
    match request.get("x-ms-client-request-id") {
        Some(id) if id.len() > CLIENT_REQUEST_ID_MAX => {
            let shown = String::from_utf8_lossy(id.as_bytes()).chars().take(64).collect::<String>();
            Err(Refusal::header_value("x-ms-client-request-id", shown))
        }
        _ => Ok(()),
    }
}

/// Refuses a `timeout` that is no number of seconds. One that is only bounds what the service
/// bounds itself.
///
/// <https://learn.microsoft.com/rest/api/storageservices/setting-timeouts-for-blob-service-operations>
fn check_timeout(query: &Query<'_>) -> Result<(), Refusal> {
    match query.number("timeout")? {
        Some(seconds) if seconds < 0 => {
            let reason = "The value is not a number of seconds.";
            Err(Refusal::query_value("timeout", seconds.to_string(), reason))
        }
        _ => Ok(()),
    }
}

/// Features that headers ask for and that are not built.
const UNSUPPORTED_HEADERS: &[(&str, &str)] = &[
    ("x-ms-encryption-key", "Customer-provided keys"),
    ("x-ms-source-encryption-key", "Customer-provided keys"),
    ("x-ms-encryption-scope", "Encryption scopes"),
    ("x-ms-default-encryption-scope", "Encryption scopes"),
    ("x-ms-deny-encryption-scope-override", "Encryption scopes"),
    ("x-ms-immutability-policy-until-date", "Immutability policies"),
    ("x-ms-immutability-policy-mode", "Immutability policies"),
    ("x-ms-legal-hold", "Legal holds"),
];

/// Features that query parameters ask for and that are not built.
const UNSUPPORTED_QUERY: &[(&str, &str)] =
    &[("versionid", "Blob versioning"), ("deletetype", "Soft delete")];

/// Refuses what would be a false success: a request for a feature that is not there.
fn refuse_unsupported(spec: &Spec, head: &Head<'_>) -> Result<(), Refusal> {
    if matches!(spec.status, Status::NotYet(_)) || head.service != Service::Blob {
        return Ok(());
    }
    let sent = head.headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-ms-"));
    let headers =
        sent.filter_map(|sent| UNSUPPORTED_HEADERS.iter().find(|(name, _)| *name == sent));
    let query =
        UNSUPPORTED_QUERY.iter().filter(|(name, _)| head.query.get_non_empty(name).is_some());
    match headers.chain(query).next() {
        Some((name, feature)) => Err(not_implemented(feature, &format!("asked for by `{name}`"))),
        None => Ok(()),
    }
}

/// Refuses an operation that snapshots do not have when a snapshot is named: it would act on the
/// blob the snapshot was taken of.
fn refuse_snapshot(spec: &Spec, head: &Head<'_>) -> Result<(), Refusal> {
    match head.query.get_non_empty("snapshot") {
        Some(moment) if spec.level == Level::Blob && !spec.reads_query("snapshot") => {
            let reason = "This operation is only allowed on the root blob. \
                          Snapshot should not be provided.";
            Err(Refusal::query_value("snapshot", moment, reason))
        }
        _ => Ok(()),
    }
}

/// Refuses to change a container on a condition that the operation does not hold: what a client
/// guards is not changed, still less deleted, as if it had asked for nothing.
fn refuse_conditions(spec: &Spec, head: &Head<'_>) -> Result<(), Refusal> {
    let changes = spec.level == Level::Container && !spec.is_read();
    if !changes || matches!(spec.status, Status::NotYet(_)) {
        return Ok(());
    }
    let unheld = |name: &&&str| !spec.reads_header(name) && head.headers.contains_key(**name);
    match CONDITIONS.iter().find(unheld) {
        Some(name) => {
            Err(Refusal::new(ErrorCode::ConditionHeadersNotSupported)
                .with_detail("HeaderName", *name))
        }
        None => Ok(()),
    }
}

/// The answer to a request for what is not built.
pub(crate) fn not_implemented(title: &str, reason: &str) -> Refusal {
    Refusal::new(ErrorCode::NotImplemented)
        .with_message(format!("{title} is not implemented on this server: {reason}."))
}
