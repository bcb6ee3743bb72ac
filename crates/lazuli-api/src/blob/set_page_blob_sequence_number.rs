//! Set Blob Properties (sequence number): numbers the states of a page blob for its writers.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-properties>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::pages::{PageChange, SequenceAction};

use crate::access;
use crate::blob::put_page_blob::sequence_number;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Set Blob Properties (sequence number).
pub static SPEC: Spec = Spec {
    name: "SetPageBlobSequenceNumber",
    title: "Set Blob Properties (sequence number)",
    rows: &["PageBlob_UpdateSequenceNumber"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-properties",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::Query("comp", "properties"),
        Selector::NoHeader("x-ms-blob-content-length"),
        Selector::HasHeader("x-ms-sequence-number-action"),
    ],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, LEASE, &["x-ms-blob-sequence-number"]],
    success: &[200],
    response: &[ENTITY, &["x-ms-blob-sequence-number"]],
    status: Status::Built,
};

/// Changes the sequence number.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let change = PageChange { length: None, sequence: sequence_action(&call)? };
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let changed = call.store().change_page_blob(SPEC.name, &path, &terms, change).await?;
    Ok(Reply::new(200).pages_put(&changed))
}

/// The change of the sequence number that a request asks for. A number goes with `max` and `update`
/// and with nothing else.
pub(crate) fn sequence_action(call: &Call<'_>) -> Result<Option<SequenceAction>, Refusal> {
    let number = sequence_number(call)?;
    let stray =
        |number: u64| Err(Refusal::header_value("x-ms-blob-sequence-number", number.to_string()));
    let Some(action) = call.header("x-ms-sequence-number-action")? else {
        return number.map_or(Ok(None), stray);
    };
    if action.eq_ignore_ascii_case("increment") {
        return number.map_or(Ok(Some(SequenceAction::Increment)), stray);
    }
    let with_number: fn(u64) -> SequenceAction = if action.eq_ignore_ascii_case("max") {
        SequenceAction::Max
    } else if action.eq_ignore_ascii_case("update") {
        SequenceAction::Update
    } else {
        return Err(Refusal::header_value("x-ms-sequence-number-action", action));
    };
    let number = number.ok_or_else(|| Refusal::missing_header("x-ms-blob-sequence-number"))?;
    Ok(Some(with_number(number)))
}
