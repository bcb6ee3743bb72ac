//! Get User Delegation Key.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use http::Method;

use crate::access;
use crate::spec::{Effect, Level, Selector, Spec, Status};

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
    access: access::KEY_ONLY,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[200],
    response: &[],
    status: Status::NotYet("there are no bearer identities yet"),
};
