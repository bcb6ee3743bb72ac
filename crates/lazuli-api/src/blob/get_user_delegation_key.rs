//! Get User Delegation Key.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use http::Method;
use lazuli_model::Refusal;

use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::{access, delegation_key};

/// Get User Delegation Key.
pub static SPEC: Spec = Spec {
    name: "GetUserDelegationKey",
    title: "Get User Delegation Key",
    rows: &["Service_GetUserDelegationKey"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key",
    level: Level::Account,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[
        Selector::Query("restype", "service"),
        Selector::Query("comp", "userdelegationkey"),
    ],
    access: access::BLOB_DELEGATION_KEY,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Makes a key.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    delegation_key::get(call).await
}
