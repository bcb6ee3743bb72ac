//! The table of operations: every REST operation is one line here and one file beside.

use http::{HeaderMap, Method};
use lazuli_engine::BoxFuture;
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::query::Query;

use crate::blob as service;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Level, Selector, Spec, Status};

/// An operation of the `service` that the place of its use names.
macro_rules! operation {
    ($module:ident::$spec:ident, $_:ident::$handle:ident) => {
        Operation {
            spec: &service::$module::$spec,
            handle: |call| Box::pin(service::$module::$handle(call)),
        }
    };
}

mod queue;
mod table;

pub use queue::QUEUE;
pub use table::TABLE;

/// An operation: what it is, and what answers it.
pub struct Operation {
    /// What it is.
    pub spec: &'static Spec,
    /// What answers it.
    pub handle: for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Reply, Refusal>>,
}

macro_rules! pending {
    ($spec:ident) => {
        Operation {
            spec: &service::pending::$spec,
            handle: |call| Box::pin(std::future::ready(Err(not_built(call.spec)))),
        }
    };
}

/// The operations of the Blob service, in the order of the reference; those not built last.
pub static BLOB: &[Operation] = &[
    operation!(list_containers::SPEC, list_containers::handle),
    operation!(get_blob_service_properties::SPEC, get_blob_service_properties::handle),
    operation!(set_blob_service_properties::SPEC, set_blob_service_properties::handle),
    operation!(get_blob_service_stats::SPEC, get_blob_service_stats::handle),
    operation!(get_user_delegation_key::SPEC, get_user_delegation_key::handle),
    operation!(get_account_information::ACCOUNT, get_account_information::handle),
    operation!(get_account_information::CONTAINER, get_account_information::handle),
    operation!(get_account_information::BLOB, get_account_information::handle),
    operation!(find_blobs_by_tags::ACCOUNT, find_blobs_by_tags::handle),
    operation!(find_blobs_by_tags::CONTAINER, find_blobs_by_tags::handle),
    operation!(blob_batch::ACCOUNT, blob_batch::handle),
    operation!(blob_batch::CONTAINER, blob_batch::handle),
    operation!(create_container::SPEC, create_container::handle),
    operation!(get_container_properties::SPEC, get_container_properties::handle),
    operation!(get_container_metadata::SPEC, get_container_metadata::handle),
    operation!(set_container_metadata::SPEC, set_container_metadata::handle),
    operation!(delete_container::SPEC, delete_container::handle),
    operation!(get_container_acl::SPEC, get_container_acl::handle),
    operation!(set_container_acl::SPEC, set_container_acl::handle),
    operation!(create_session::SPEC, create_session::handle),
    operation!(lease_container::ACQUIRE, lease_container::acquire),
    operation!(lease_container::RENEW, lease_container::renew),
    operation!(lease_container::CHANGE, lease_container::change),
    operation!(lease_container::RELEASE, lease_container::release),
    operation!(lease_container::BREAK, lease_container::break_lease),
    operation!(list_blobs::SPEC, list_blobs::handle),
    operation!(put_blob::SPEC, put_blob::handle),
    operation!(put_blob_from_url::SPEC, put_blob_from_url::handle),
    operation!(get_blob::SPEC, get_blob::handle),
    operation!(query_blob_contents::SPEC, query_blob_contents::handle),
    operation!(get_blob_properties::SPEC, get_blob_properties::handle),
    operation!(set_blob_properties::SPEC, set_blob_properties::handle),
    operation!(get_blob_metadata::SPEC, get_blob_metadata::handle),
    operation!(set_blob_metadata::SPEC, set_blob_metadata::handle),
    operation!(get_blob_tags::SPEC, get_blob_tags::handle),
    operation!(set_blob_tags::SPEC, set_blob_tags::handle),
    operation!(delete_blob::SPEC, delete_blob::handle),
    operation!(snapshot_blob::SPEC, snapshot_blob::handle),
    operation!(lease_blob::ACQUIRE, lease_blob::acquire),
    operation!(lease_blob::RENEW, lease_blob::renew),
    operation!(lease_blob::CHANGE, lease_blob::change),
    operation!(lease_blob::RELEASE, lease_blob::release),
    operation!(lease_blob::BREAK, lease_blob::break_lease),
    operation!(set_blob_tier::SPEC, set_blob_tier::handle),
    operation!(copy_blob::SPEC, copy_blob::handle),
    operation!(copy_blob_from_url::SPEC, copy_blob_from_url::handle),
    operation!(abort_copy_blob::SPEC, abort_copy_blob::handle),
    operation!(put_block::SPEC, put_block::handle),
    operation!(put_block_from_url::SPEC, put_block_from_url::handle),
    operation!(put_block_list::SPEC, put_block_list::handle),
    operation!(get_block_list::SPEC, get_block_list::handle),
    operation!(put_append_blob::SPEC, put_append_blob::handle),
    operation!(append_block::SPEC, append_block::handle),
    operation!(append_block_from_url::SPEC, append_block_from_url::handle),
    operation!(append_blob_seal::SPEC, append_blob_seal::handle),
    operation!(put_page_blob::SPEC, put_page_blob::handle),
    operation!(put_page::SPEC, put_page::handle),
    operation!(put_page_from_url::SPEC, put_page_from_url::handle),
    operation!(get_page_ranges::SPEC, get_page_ranges::handle),
    operation!(resize_page_blob::SPEC, resize_page_blob::handle),
    operation!(set_page_blob_sequence_number::SPEC, set_page_blob_sequence_number::handle),
    operation!(incremental_copy_blob::SPEC, incremental_copy_blob::handle),
    pending!(RESTORE_CONTAINER),
    pending!(RENAME_CONTAINER),
    pending!(UNDELETE_BLOB),
    pending!(SET_BLOB_EXPIRY),
    pending!(SET_BLOB_IMMUTABILITY_POLICY),
    pending!(DELETE_BLOB_IMMUTABILITY_POLICY),
    pending!(SET_BLOB_LEGAL_HOLD),
];

/// The operations of a service.
pub fn of(service: Service) -> &'static [Operation] {
    match service {
        Service::Blob => BLOB,
        Service::Queue => QUEUE,
        Service::Table => TABLE,
        Service::Dfs => &[],
    }
}

/// The answer of an operation that is declared and not built.
fn not_built(spec: &Spec) -> Refusal {
    let reason = match spec.status {
        Status::NotYet(reason) => reason,
        Status::Built => "it is not built",
    };
    Refusal::new(ErrorCode::NotImplemented)
        .with_message(format!("{} is not implemented on this server: {reason}.", spec.title))
}

/// The operation that answers a request.
///
/// `InvalidQueryParameterValue` for an unknown `comp` or `restype`, `UnsupportedHttpVerb` for a
/// method the resource does not know, `InvalidHttpVerb` for no method at all.
pub fn route(
    (service, level): (Service, Level),
    method: &Method,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<&'static Operation, Refusal> {
    let candidates = || of(service).iter().filter(|operation| operation.spec.level == level);
    let matching = |operation: &&Operation| {
        operation.spec.methods.contains(method)
            && operation.spec.selectors.iter().all(|selector| selector.matches(query, headers))
    };
    if let Some(operation) = candidates().find(matching) {
        return Ok(operation);
    }
    if !KNOWN_METHODS.contains(method) {
        return Err(ErrorCode::InvalidHttpVerb.into());
    }
    for name in ["comp", "restype"] {
        let Some(given) = query.get_non_empty(name) else { continue };
        let known = candidates().any(|operation| {
            operation.spec.selectors.iter().any(|selector| {
                matches!(selector, Selector::Query(n, value)
                    if *n == name && value.eq_ignore_ascii_case(given))
            })
        });
        if !known {
            return Err(Refusal::query_value(name, given, "The value is not supported."));
        }
    }
    let allowed = allowed_methods((service, level), query);
    if allowed.iter().any(|allowed| allowed == method.as_str()) || allowed.is_empty() {
        let comp = query.get("comp").unwrap_or_default();
        return Err(Refusal::query_value("comp", comp, "No operation has these parameters."));
    }
    Err(Refusal::new(ErrorCode::UnsupportedHttpVerb).with_header("allow", allowed.join(", ")))
}

const KNOWN_METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
    Method::PATCH,
    Method::TRACE,
];

/// The methods of the operations that share the request's `comp` and `restype`.
fn allowed_methods((service, level): (Service, Level), query: &Query<'_>) -> Vec<String> {
    let mut allowed = Vec::new();
    let empty = HeaderMap::new();
    for operation in of(service).iter().filter(|operation| operation.spec.level == level) {
        let named = operation.spec.selectors.iter().all(|selector| {
            !matches!(selector, Selector::Query(..) | Selector::QueryNot(..) | Selector::NoQuery(_))
                || selector.matches(query, &empty)
        });
        for method in operation.spec.methods.iter().filter(|_| named) {
            if !allowed.iter().any(|name| name == method.as_str()) {
                allowed.push(method.as_str().to_owned());
            }
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_is_two_operations() {
        for service in [Service::Blob, Service::Queue, Service::Table] {
            let operations = of(service);
            for (index, a) in operations.iter().enumerate() {
                for b in &operations[index + 1..] {
                    let names = (a.spec.name, b.spec.name);
                    assert!(a.spec.excludes(b.spec), "a request can be both of {names:?}");
                }
            }
        }
    }
}
