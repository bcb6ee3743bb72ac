//! Create Session: a short-lived key for reading the blobs of a container.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-session>
//!
//! In Azure a bearer token makes a session, so that its many reads need not be authorised one by
//! one. Here an account's key does.

use std::time::Duration;

use http::Method;
use lazuli_auth::{AccountKeys as _, NONCE_BYTES, create_session};
use lazuli_model::{ErrorCode, Refusal};
use lazuli_wire::body::session;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Create Session.
pub static SPEC: Spec = Spec {
    name: "CreateSession",
    title: "Create Session",
    // The description of 2026-10-06 does not have it yet.
    rows: &[],
    page: "https://learn.microsoft.com/rest/api/storageservices/create-session",
    level: Level::Container,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "session")],
    access: access::KEY_ONLY,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[201],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// How long a session may be used.
const VALID: Duration = Duration::from_hours(1);

/// Makes a session.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let body = call.read_announced_body(session::BODY_BYTES_MAX as u64).await?;
    session::read(&body)?;
    call.store().note_session(call.account(), container.as_str()).await?;
    let keys = call.api.accounts.keys(call.account()).unwrap_or_default();
    let key = keys.first().ok_or_else(|| Refusal::new(ErrorCode::InternalError))?;
    let mut nonce = [0; NONCE_BYTES];
    call.api.entropy.fill(&mut nonce);
    // To the second, as it is told.
    let expiration = call.head.now.saturating_add(VALID).truncate_to_second();
    let made = create_session(key, (call.account(), container.as_str()), expiration, nonce);
    let id = call.api.entropy.uuid();
    Ok(Reply::new(201).xml(session::write(&session::SessionResult {
        id: &id,
        expiration,
        token: &made.token,
        key: &made.key,
    })))
}
