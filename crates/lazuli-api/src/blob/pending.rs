//! Operations that are not built: each answers 501 and says why, never a false success.
//!
//! To build one, move its declaration into a file of its own and give it a handler.

use http::Method;

use crate::access;
use crate::spec::{ENTITY, Effect, Level, Selector, Spec, Status};

/// Restore Container.
pub static RESTORE_CONTAINER: Spec = Spec {
    name: "RestoreContainer",
    title: "Restore Container",
    rows: &["Container_Restore"],
    page: "https://learn.microsoft.com/rest/api/storageservices/restore-container",
    level: Level::Container,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "undelete")],
    access: access::CONTAINER_WRITE,
    query: &["timeout"],
    headers: &[&["x-ms-deleted-container-name", "x-ms-deleted-container-version"]],
    success: &[201],
    response: &[],
    status: Status::NotYet("containers are not soft-deleted"),
};

/// Rename Container.
pub static RENAME_CONTAINER: Spec = Spec {
    name: "RenameContainer",
    title: "Rename Container",
    rows: &["Container_Rename"],
    page: "https://learn.microsoft.com/rest/api/storageservices/operations-on-containers",
    level: Level::Container,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "rename")],
    access: access::CONTAINER_WRITE,
    query: &["timeout"],
    headers: &[&["x-ms-source-container-name", "x-ms-source-lease-id"]],
    success: &[200],
    response: &[],
    status: Status::NotYet("Azure does not offer it publicly"),
};

/// Undelete Blob.
pub static UNDELETE_BLOB: Spec = Spec {
    name: "UndeleteBlob",
    title: "Undelete Blob",
    rows: &["Blob_Undelete"],
    page: "https://learn.microsoft.com/rest/api/storageservices/undelete-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "undelete")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[],
    status: Status::NotYet("blobs are not soft-deleted"),
};

/// Set Blob Expiry.
pub static SET_BLOB_EXPIRY: Spec = Spec {
    name: "SetBlobExpiry",
    title: "Set Blob Expiry",
    rows: &["Blob_SetExpiry"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-expiry",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "expiry")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[&["x-ms-expiry-option", "x-ms-expiry-time"]],
    success: &[200],
    response: &[ENTITY],
    status: Status::NotYet("it belongs to hierarchical namespaces"),
};

/// Set Blob Immutability Policy.
pub static SET_BLOB_IMMUTABILITY_POLICY: Spec = Spec {
    name: "SetBlobImmutabilityPolicy",
    title: "Set Blob Immutability Policy",
    rows: &["Blob_SetImmutabilityPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-immutability-policy",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "immutabilityPolicies")],
    access: access::BLOB_IMMUTABILITY,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[&[
        "if-unmodified-since",
        "x-ms-immutability-policy-until-date",
        "x-ms-immutability-policy-mode",
    ]],
    success: &[200],
    response: &[&["x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode"]],
    status: Status::NotYet("immutability policies come in a later release"),
};

/// Delete Blob Immutability Policy.
pub static DELETE_BLOB_IMMUTABILITY_POLICY: Spec = Spec {
    name: "DeleteBlobImmutabilityPolicy",
    title: "Delete Blob Immutability Policy",
    rows: &["Blob_DeleteImmutabilityPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-blob-immutability-policy",
    level: Level::Blob,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "immutabilityPolicies")],
    access: access::BLOB_IMMUTABILITY,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[],
    success: &[200],
    response: &[],
    status: Status::NotYet("immutability policies come in a later release"),
};

/// Set Blob Legal Hold.
pub static SET_BLOB_LEGAL_HOLD: Spec = Spec {
    name: "SetBlobLegalHold",
    title: "Set Blob Legal Hold",
    rows: &["Blob_SetLegalHold"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-legal-hold",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "legalhold")],
    access: access::BLOB_IMMUTABILITY,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[&["x-ms-legal-hold"]],
    success: &[200],
    response: &[&["x-ms-legal-hold"]],
    status: Status::NotYet("legal holds come in a later release"),
};
