//! Get Account Information: what kind of account this is.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-account-information>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Get Account Information, of an account.
pub static ACCOUNT: Spec = Spec {
    name: "GetAccountInformation",
    title: "Get Account Information",
    rows: &["Service_GetAccountInfo"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-account-information",
    level: Level::Account,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "account"), Selector::Query("comp", "properties")],
    access: access::ACCOUNT_INFORMATION,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["x-ms-sku-name", "x-ms-account-kind", "x-ms-is-hns-enabled"]],
    status: Status::Built,
};

/// Get Account Information, of a container.
pub static CONTAINER: Spec = Spec {
    name: "GetAccountInformation",
    title: "Get Account Information",
    rows: &["Container_GetAccountInfo"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-account-information",
    level: Level::Container,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "account"), Selector::Query("comp", "properties")],
    access: access::ACCOUNT_INFORMATION,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["x-ms-sku-name", "x-ms-account-kind", "x-ms-is-hns-enabled"]],
    status: Status::Built,
};

/// Get Account Information, of a blob.
pub static BLOB: Spec = Spec {
    name: "GetAccountInformation",
    title: "Get Account Information",
    rows: &["Blob_GetAccountInfo"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-account-information",
    level: Level::Blob,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "account"), Selector::Query("comp", "properties")],
    access: access::ACCOUNT_INFORMATION,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["x-ms-sku-name", "x-ms-account-kind", "x-ms-is-hns-enabled"]],
    status: Status::Built,
};

/// Answers it, whatever level it was asked at.
#[allow(clippy::unused_async, reason = "every handler is awaited alike")]
pub async fn handle(_call: Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::new(200)
        .fixed("x-ms-sku-name", "Standard_LRS")
        .fixed("x-ms-account-kind", "StorageV2")
        .fixed("x-ms-is-hns-enabled", "false"))
}
