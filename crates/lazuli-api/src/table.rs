//! The operations of the Table service, one file each, and what they have in common.

mod answer;
mod change;
pub mod create_table;
pub mod delete_entity;
pub mod delete_table;
pub mod entity_group_transaction;
pub mod get_table_acl;
pub mod get_table_service_properties;
pub mod get_table_service_stats;
pub mod get_user_delegation_key;
pub mod insert_entity;
pub mod insert_or_merge_entity;
pub mod insert_or_replace_entity;
pub mod merge_entity;
pub mod query_entities;
pub mod query_tables;
pub mod set_table_acl;
pub mod set_table_service_properties;
pub mod update_entity;

use http::{HeaderMap, Method};
use lazuli_base::Timestamp;
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};
use lazuli_wire::error_body as bodies;
use lazuli_wire::headers::first;
use lazuli_wire::odata::format::{self as formats, Format};

use crate::message::Request;

/// The method that decides what is asked for. Of the Table service, `X-HTTP-Method` lets `POST`
/// stand for another one, and `MERGE` is `PATCH`.
///
/// `XMethodNotUsingPost`, `XMethodIncorrectCount`, `XMethodIncorrectValue`.
pub(crate) fn method(
    service: Service,
    sent: &Method,
    headers: &HeaderMap,
) -> Result<Method, Refusal> {
    if service != Service::Table {
        return Ok(sent.clone());
    }
    let mut named = headers.get_all("x-http-method").iter();
    let name = match (named.next(), named.next()) {
        (None, _) => sent.as_str(),
        (Some(_), _) if *sent != Method::POST => return Err(ErrorCode::XMethodNotUsingPost.into()),
        (Some(_), Some(_)) => return Err(ErrorCode::XMethodIncorrectCount.into()),
        (Some(name), None) => name.to_str().unwrap_or_default(),
    };
    match name {
        "MERGE" | "PATCH" => Ok(Method::PATCH),
        "PUT" => Ok(Method::PUT),
        "DELETE" => Ok(Method::DELETE),
        _ if first(headers, "x-http-method").is_some() => {
            Err(ErrorCode::XMethodIncorrectValue.into())
        }
        _ => Ok(sent.clone()),
    }
}

/// The body of a refusal, and its type: XML for access policies and settings, and otherwise as the
/// request asks for answers.
pub(crate) fn error_body(
    request: &Request,
    refusal: &Refusal,
    (request_id, version): (&str, ApiVersion),
    now: Timestamp,
) -> (&'static str, String) {
    let (_, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    if query.split('&').any(|pair| pair.starts_with("comp=")) {
        return (bodies::XML_CONTENT_TYPE, bodies::xml(refusal, request_id, now));
    }
    let accept = first(&request.headers, "accept").and_then(|value| value.to_str().ok());
    // What the request asked for, or what it would have been answered in.
    let in_atom = match formats::negotiate(accept, None, version) {
        Ok(format) => format == Format::Atom,
        Err(refusal) => refusal.code() == ErrorCode::JsonFormatNotSupported,
    };
    let accept = accept.unwrap_or_default();
    if in_atom || (accept.contains("xml") && !accept.contains("json")) {
        return (bodies::XML_CONTENT_TYPE, bodies::odata_xml(refusal, request_id, now));
    }
    let kind = if accept.contains("odata=nometadata") {
        "application/json;odata=nometadata;streaming=true;charset=utf-8"
    } else if accept.contains("odata=fullmetadata") {
        "application/json;odata=fullmetadata;streaming=true;charset=utf-8"
    } else {
        "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
    };
    (kind, bodies::odata_json(refusal, request_id, now))
}
