//! The table of operations: every REST operation is one line here and one file beside.

use http::{HeaderMap, Method};
use lazuli_engine::BoxFuture;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_wire::query::Query;

use crate::blob;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Level, Selector, Spec};

/// An operation: what it is, and what answers it.
pub struct Operation {
    /// What it is.
    pub spec: &'static Spec,
    /// What answers it.
    pub handle: for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Reply, Refusal>>,
}

macro_rules! operations {
    ($($module:ident)*) => {
        /// The operations of the Blob service, in the order of the reference.
        pub static BLOB: &[Operation] = &[$(Operation {
            spec: &blob::$module::SPEC,
            handle: |call| Box::pin(blob::$module::handle(call)),
        },)*];
    };
}

operations! {
    create_container
}

/// The operation that answers a request.
///
/// `InvalidQueryParameterValue` for an unknown `comp` or `restype`, `UnsupportedHttpVerb` for a
/// method the resource does not know, `InvalidHttpVerb` for no method at all.
pub fn route(
    level: Level,
    method: &Method,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<&'static Operation, Refusal> {
    let candidates = || BLOB.iter().filter(|operation| operation.spec.level == level);
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
    let allowed = allowed_methods(level, query);
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
fn allowed_methods(level: Level, query: &Query<'_>) -> Vec<String> {
    let mut allowed = Vec::new();
    let empty = HeaderMap::new();
    for operation in BLOB.iter().filter(|operation| operation.spec.level == level) {
        let named = operation.spec.selectors.iter().all(|selector| {
            !matches!(selector, Selector::Query(..) | Selector::NoQuery(_))
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
        for (index, a) in BLOB.iter().enumerate() {
            for b in &BLOB[index + 1..] {
                assert!(
                    a.spec.excludes(b.spec),
                    "a request can be both {} and {}",
                    a.spec.name,
                    b.spec.name
                );
            }
        }
    }
}
