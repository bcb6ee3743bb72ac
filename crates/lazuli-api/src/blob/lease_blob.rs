//! Lease Blob: acquire, renew, change, release, break.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob>

use http::Method;
use lazuli_base::Timestamp;
use lazuli_model::lease::{BREAK_SECONDS_MAX, Lease, LeaseDuration, LeaseId};
use lazuli_model::{ApiVersion, Refusal};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Lease Blob (acquire).
pub static ACQUIRE: Spec = Spec {
    name: "LeaseBlobAcquire",
    title: "Lease Blob (acquire)",
    rows: &["Blob_AcquireLease"],
    page: "https://learn.microsoft.com/rest/api/storageservices/lease-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::Query("comp", "lease"),
        Selector::HeaderNot("x-ms-lease-action", &["renew", "change", "release", "break"]),
    ],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, &["x-ms-lease-duration", "x-ms-proposed-lease-id"]],
    success: &[201],
    response: &[ENTITY, &["x-ms-lease-id"]],
    status: Status::Built,
};

/// Lease Blob (renew).
pub static RENEW: Spec = Spec {
    name: "LeaseBlobRenew",
    title: "Lease Blob (renew)",
    rows: &["Blob_RenewLease"],
    page: "https://learn.microsoft.com/rest/api/storageservices/lease-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "lease"), Selector::Header("x-ms-lease-action", "renew")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, LEASE],
    success: &[200],
    response: &[ENTITY, &["x-ms-lease-id"]],
    status: Status::Built,
};

/// Lease Blob (change).
pub static CHANGE: Spec = Spec {
    name: "LeaseBlobChange",
    title: "Lease Blob (change)",
    rows: &["Blob_ChangeLease"],
    page: "https://learn.microsoft.com/rest/api/storageservices/lease-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "lease"), Selector::Header("x-ms-lease-action", "change")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, LEASE, &["x-ms-proposed-lease-id"]],
    success: &[200],
    response: &[ENTITY, &["x-ms-lease-id"]],
    status: Status::Built,
};

/// Lease Blob (release).
pub static RELEASE: Spec = Spec {
    name: "LeaseBlobRelease",
    title: "Lease Blob (release)",
    rows: &["Blob_ReleaseLease"],
    page: "https://learn.microsoft.com/rest/api/storageservices/lease-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::Query("comp", "lease"),
        Selector::Header("x-ms-lease-action", "release"),
    ],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, LEASE],
    success: &[200],
    response: &[ENTITY],
    status: Status::Built,
};

/// Lease Blob (break).
pub static BREAK: Spec = Spec {
    name: "LeaseBlobBreak",
    title: "Lease Blob (break)",
    rows: &["Blob_BreakLease"],
    page: "https://learn.microsoft.com/rest/api/storageservices/lease-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "lease"), Selector::Header("x-ms-lease-action", "break")],
    access: access::BLOB_BREAK_LEASE,
    query: &["timeout"],
    headers: &[CONDITIONS, &["x-ms-lease-break-period"]],
    success: &[202],
    response: &[ENTITY, &["x-ms-lease-time"]],
    status: Status::Built,
};

/// Since this version a lease has the duration that is asked for.
const DURATIONS: ApiVersion = ApiVersion::new(2012, 2, 12);

/// How long a lease lasted before that.
const OLD_SECONDS: &str = "60";

/// The duration that is asked for, or that all leases of the version have.
fn duration(call: &Call<'_>) -> Result<LeaseDuration, Refusal> {
    if call.version() < DURATIONS {
        return LeaseDuration::parse(OLD_SECONDS);
    }
    LeaseDuration::parse(call.required_header("x-ms-lease-duration")?)
}

/// Acquires a lease. The action defaults to nothing: a missing or unknown one is refused here.
pub async fn acquire(call: Call<'_>) -> Result<Reply, Refusal> {
    let action = call.required_header("x-ms-lease-action")?;
    if !action.eq_ignore_ascii_case("acquire") {
        return Err(Refusal::header_value("x-ms-lease-action", action));
    }
    let (container, blob) = (call.container()?, call.blob()?);
    let path = call.path(container.as_str(), blob.as_str());
    let asked = call.asked()?;
    let duration = duration(&call)?;
    let id = proposed(&call)?;
    let (written, ()) = call
        .store()
        .lease_blob(&path, (call.spec.name, &asked.conditions), |row, now| {
            Ok((row.lease.acquire(now, id.clone(), duration)?, ()))
        })
        .await?;
    Ok(Reply::new(201).entity(written.etag, written.modified).header("x-ms-lease-id", id))
}

/// Renews a lease.
pub async fn renew(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let path = call.path(container.as_str(), blob.as_str());
    let asked = call.asked()?;
    let id = named(&call)?;
    let (written, ()) = call
        .store()
        .lease_blob(&path, (call.spec.name, &asked.conditions), |row, now| {
            Ok((row.lease.renew(now, &id, row.modified <= expired_at(&row.lease))?, ()))
        })
        .await?;
    Ok(Reply::new(200).entity(written.etag, written.modified).header("x-ms-lease-id", id))
}

/// Changes a lease's id.
pub async fn change(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let path = call.path(container.as_str(), blob.as_str());
    let asked = call.asked()?;
    let id = named(&call)?;
    let header = "x-ms-proposed-lease-id";
    let proposed = LeaseId::parse(header, call.required_header(header)?)?;
    let (written, ()) = call
        .store()
        .lease_blob(&path, (call.spec.name, &asked.conditions), |row, now| {
            Ok((row.lease.change(now, &id, proposed.clone())?, ()))
        })
        .await?;
    let reply = Reply::new(200).entity(written.etag, written.modified);
    Ok(reply.header("x-ms-lease-id", proposed))
}

/// Releases a lease.
pub async fn release(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let path = call.path(container.as_str(), blob.as_str());
    let asked = call.asked()?;
    let id = named(&call)?;
    let (written, ()) = call
        .store()
        .lease_blob(&path, (call.spec.name, &asked.conditions), |row, now| {
            Ok((row.lease.release(now, &id)?, ()))
        })
        .await?;
    Ok(Reply::new(200).entity(written.etag, written.modified))
}

/// Breaks a lease.
pub async fn break_lease(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let path = call.path(container.as_str(), blob.as_str());
    let asked = call.asked()?;
    let period = match call.number_header("x-ms-lease-break-period")? {
        None => None,
        Some(seconds) if seconds <= u64::from(BREAK_SECONDS_MAX) => Some(seconds as u8),
        Some(seconds) => {
            return Err(Refusal::header_value("x-ms-lease-break-period", seconds.to_string()));
        }
    };
    let (written, seconds) = call
        .store()
        .lease_blob(&path, (call.spec.name, &asked.conditions), |row, now| {
            row.lease.break_lease(now, period)
        })
        .await?;
    let reply = Reply::new(202).entity(written.etag, written.modified);
    Ok(reply.header("x-ms-lease-time", seconds))
}

/// The id a new lease gets if the caller proposes none.
fn proposed(call: &Call<'_>) -> Result<LeaseId, Refusal> {
    match call.header("x-ms-proposed-lease-id")? {
        Some(text) => LeaseId::parse("x-ms-proposed-lease-id", text),
        None => LeaseId::parse("x-ms-proposed-lease-id", &call.api.entropy.uuid()),
    }
}

/// The lease the caller names, which this action needs.
fn named(call: &Call<'_>) -> Result<LeaseId, Refusal> {
    LeaseId::parse("x-ms-lease-id", call.required_header("x-ms-lease-id")?)
}

/// When a lease that expired did: a blob changed later cannot have it renewed.
fn expired_at(lease: &Lease) -> Timestamp {
    match lease {
        Lease::Leased { expires: Some(expires), .. } => *expires,
        _ => Timestamp::from_ticks(u64::MAX),
    }
}
