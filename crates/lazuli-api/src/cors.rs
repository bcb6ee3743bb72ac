//! Requests from browsers: preflight, and the headers of answers to actual requests.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/preflight-blob-request>

use http::header::{HeaderMap, HeaderName, HeaderValue};
use lazuli_model::cors::{CorsRule, matching};
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::headers;

use crate::Api;
use crate::call::Head;
use crate::reply::Reply;

/// What the answer to an actual request says to a browser.
#[derive(Debug, Default)]
pub(crate) struct Actual(Vec<(&'static str, String)>);

impl Actual {
    /// What the answer says; nothing for a request without `Origin`.
    pub(crate) async fn of(api: &Api, head: &Head<'_>) -> Result<Self, Refusal> {
        let Some(origin) = headers::non_empty(head.headers, "origin")? else {
            return Ok(Self::default());
        };
        if *head.method == http::Method::OPTIONS {
            return Ok(Self::default());
        }
        let rules = api.store.service_properties(head.service, &head.address.account).await?.cors;
        let mut says = Vec::new();
        if let Some(rule) = matching(&rules, origin, head.method.as_str()) {
            allow_origin(rule, origin, &mut says);
            if !rule.exposed_headers.is_empty() {
                let exposed = rule.exposed_headers.join(",");
                says.push(("access-control-expose-headers", exposed));
            }
        }
        if rules.iter().any(|rule| !rule.any_origin()) {
            says.push(("vary", "Origin".to_owned()));
        }
        Ok(Self(says))
    }

    /// Adds it to a response's headers.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// Adds it to a refusal: a script may read why it was refused.
    pub(crate) fn add_to_refusal(self, refusal: Refusal) -> Refusal {
        self.0.into_iter().fold(refusal, |refusal, (name, value)| refusal.with_header(name, value))
    }
}

fn allow_origin(rule: &CorsRule, origin: &str, says: &mut Vec<(&'static str, String)>) {
    if rule.any_origin() {
        says.push(("access-control-allow-origin", "*".to_owned()));
    } else {
        says.push(("access-control-allow-origin", origin.to_owned()));
        says.push(("access-control-allow-credentials", "true".to_owned()));
    }
}

/// The name of the preflight operation of a service.
pub(crate) fn preflight_name(service: Service) -> &'static str {
    match service {
        Service::Blob | Service::Dfs => "PreflightBlobRequest",
        Service::Queue => "PreflightQueueRequest",
        Service::Table => "PreflightTableRequest",
    }
}

/// Answers a preflight request.
///
/// `InvalidHeaderValue` without `Origin` or method, `CorsPreflightFailure` if no rule allows it.
pub(crate) async fn preflight(api: &Api, head: &Head<'_>) -> Result<Reply, Refusal> {
    let required = |name: &'static str| {
        headers::non_empty(head.headers, name)?.ok_or_else(|| {
            Refusal::new(ErrorCode::InvalidHeaderValue)
                .with_message("A required CORS header is not present.")
                .with_detail("HeaderName", name)
        })
    };
    let origin = required("origin")?;
    let method = required("access-control-request-method")?;
    let asked = headers::non_empty(head.headers, "access-control-request-headers")?;
    let names =
        || asked.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let rules = api.store.service_properties(head.service, &head.address.account).await?.cors;
    let rule = matching(&rules, origin, method)
        .filter(|rule| rule.allows_headers(names()))
        .ok_or_else(|| Refusal::new(ErrorCode::CorsPreflightFailure))?;
    let mut says = Vec::new();
    allow_origin(rule, origin, &mut says);
    says.push(("access-control-allow-methods", method.to_owned()));
    if let Some(asked) = asked {
        says.push(("access-control-allow-headers", asked.to_owned()));
    }
    says.push(("access-control-max-age", rule.max_age_seconds.to_string()));
    if !rule.any_origin() {
        says.push(("vary", "Origin".to_owned()));
    }
    let mut reply = Reply::new(200);
    Actual(says).add_to(&mut reply.headers);
    Ok(reply)
}
