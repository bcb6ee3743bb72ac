//! Parses and verifies user delegation SAS: tokens that are signed with a key somebody was given in
//! place of an account's, and that permit what they say as far as his roles do.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas>

use lazuli_model::{ApiVersion, Refusal, Service};
use percent_encoding::percent_decode_str;

use crate::authenticate::AuthRequest;
use crate::date::{parse_iso8601, rfc1123};
use crate::delegation::{DelegationKey, delegation_service, is_valid};
use crate::grant::{Delegation, SasGrant, SasKind, SasResource};
use crate::guid::Guid;
use crate::identity::{Bearer, Identities};
use crate::key::{AccountKey, AccountKeys, decode_signature, matching_key};
use crate::query::Query;
use crate::refusal::{failed, malformed_field, missing_field};
use crate::sas::{
    addressed_queue, canonical_resource, grant, overrides, required, signed_resource, signed_table,
};
use crate::sas_layout as layout;

/// Fields that no token of a delegation key has.
const FOREIGN: [&str; 3] = ["ss", "srt", "si"];

/// Fields, and the first version whose tokens sign them.
const SINCE: [(&str, ApiVersion); 7] = [
    ("saoid", layout::AGENTS),
    ("suoid", layout::AGENTS),
    ("scid", layout::AGENTS),
    ("skdutid", layout::DELEGATED_USER),
    ("sduoid", layout::DELEGATED_USER),
    ("srh", layout::SIGNED_REQUEST),
    ("srq", layout::SIGNED_REQUEST),
];

/// Parses the token and verifies its signature, the time of its key and whom it is bound to.
pub(crate) fn verify(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
    (keys, identities, user): (&dyn AccountKeys, Option<&Identities>, Option<&Bearer>),
) -> Result<SasGrant, Refusal> {
    let identities = identities.ok_or_else(|| {
        failed("User delegation shared access signatures are not supported by this server.")
    })?;
    refuse_unsigned(request.service, query, version)?;
    let object_id: Guid = required(query, "skoid", |text| text.parse().ok())?;
    let tenant: Guid = required(query, "sktid", |text| text.parse().ok())?;
    let (start, expiry) =
        (required(query, "skt", parse_iso8601)?, required(query, "ske", parse_iso8601)?);
    required(query, "skv", ApiVersion::parse)?;
    let key = DelegationKey {
        object_id: query.get("skoid"),
        tenant: query.get("sktid"),
        start: query.get("skt"),
        expiry: query.get("ske"),
        service: query.get("sks"),
        version: query.get("skv"),
        user_tenant: query.get("skdutid"),
    };
    if key.service != delegation_service(request.service) {
        return Err(failed("The user delegation key is not for this service."));
    }
    if tenant != *identities.tenant() {
        return Err(failed("The user delegation key is of another tenant."));
    }
    let (kind, text) = signed(request, query, version)?;
    let scope = match &kind {
        SasResource::Table { table, .. } => Some(table.clone()),
        _ => request.container.map(str::to_owned),
    };
    check_signature(request, query, (&key, &text), keys)?;
    refuse_agents(query)?;
    if !is_valid(start, expiry, request.now) {
        return Err(failed(format!(
            "Signature not valid in the specified key time frame: Key start [{}] - Key expiry \
             [{}] - Current [{}]",
            rfc1123(start),
            rfc1123(expiry),
            rfc1123(request.now)
        )));
    }
    let mut grant = grant(query, version, SasKind::Service(kind))?;
    if grant.permissions.is_none() {
        return Err(missing_field("sp"));
    }
    let end = grant.expiry.ok_or_else(|| missing_field("se"))?;
    if end > expiry || grant.start.is_some_and(|begin| begin < start) {
        return Err(failed("The signed start and expiry are not within those of the key."));
    }
    check_user(query, user)?;
    if request.service != Service::Table && request.service != Service::Queue {
        grant.overrides = overrides(query);
    }
    let principal = std::slice::from_ref(&object_id);
    let roles = identities.roles(principal, request.account, request.service);
    grant.delegation = Some(Delegation { here: roles.on(scope.as_deref()), object_id });
    Ok(grant)
}

/// Refuses what the layout of the token does not sign.
fn refuse_unsigned(
    service: Service,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<(), Refusal> {
    let of_blobs = matches!(service, Service::Blob | Service::Dfs);
    let first = if of_blobs { layout::SIGNED_RESOURCE } else { layout::DELEGATED_USER };
    if version < first {
        return Err(malformed_field("sv", query.get("sv")));
    }
    let unsigned = |name: &str, since: ApiVersion| {
        version < since || (!of_blobs && name != "skdutid" && name != "sduoid")
    };
    let newer = SINCE.iter().filter(|(name, since)| unsigned(name, *since)).map(|(name, _)| *name);
    if let Some(name) = FOREIGN.into_iter().chain(newer).find(|name| query.contains(name)) {
        return Err(malformed_field(name, query.get(name)));
    }
    Ok(())
}

/// Refuses what names somebody in a hierarchical namespace, which no account has.
fn refuse_agents(query: &Query<'_>) -> Result<(), Refusal> {
    match ["saoid", "suoid"].into_iter().find(|name| query.value(name).is_some()) {
        Some(name) => Err(failed(format!(
            "{name} is for accounts with a hierarchical namespace, which this is not."
        ))),
        None => Ok(()),
    }
}

/// The resource that the token is for, and its string-to-sign.
fn signed(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<(SasResource, String), Refusal> {
    let only = |letter: &str| match query.value("sr") {
        None => Ok(()),
        Some(resource) if resource == letter => Ok(()),
        Some(other) => Err(malformed_field("sr", other)),
    };
    match request.service {
        Service::Queue => {
            only("q")?;
            let queue = addressed_queue(request)?;
            let text = layout::delegated_queue(request.account, queue, query);
            Ok((SasResource::Queue { queue: queue.to_owned() }, text))
        }
        Service::Table => {
            only("t")?;
            let (table, span) = signed_table(request, query)?;
            let text = layout::delegated_table(request.account, &table, query);
            Ok((SasResource::Table { table, span }, text))
        }
        Service::Blob | Service::Dfs => {
            let resource = signed_resource(request, query, version)?;
            let (canonical, moment) = canonical_resource(request, version, &resource);
            let parts = (signed_headers(request, query)?, signed_parameters(query)?);
            let parts = (parts.0.as_str(), parts.1.as_str());
            let text = layout::delegated_blob(version, (&canonical, moment), query, parts);
            Ok((resource, text))
        }
    }
}

/// What the request has in the headers that `srh` lists: a line each.
fn signed_headers(request: &AuthRequest<'_>, query: &Query<'_>) -> Result<String, Refusal> {
    let mut lines = String::new();
    for name in listed(query, "srh") {
        let mut values = request.headers.get_all(name.as_str()).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| unlike("header", &name))?;
        lines.extend([&name, ":", value, "\n"]);
    }
    Ok(lines)
}

/// What the request has in the query parameters that `srq` lists: a line each.
fn signed_parameters(query: &Query<'_>) -> Result<String, Refusal> {
    let mut lines = String::new();
    for name in listed(query, "srq") {
        // Else one parameter could stand for the lines of several.
        if name.contains(|c: char| c == ':' || c.is_control()) {
            return Err(malformed_field("srq", &name));
        }
        let lower = name.to_ascii_lowercase();
        let mut values = query.iter().filter(|(given, _)| *given == lower);
        let value = match (values.next(), values.next()) {
            (Some((_, value)), None) if !value.contains(char::is_control) => value,
            _ => return Err(unlike("query parameter", &name)),
        };
        lines.extend(["\n", &name, ":", value]);
    }
    Ok(lines)
}

/// The names in a list, each of which may be percent-encoded once more.
fn listed(query: &Query<'_>, field: &str) -> Vec<String> {
    let names = query.get(field).split(',').filter(|name| !name.is_empty());
    names.map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned()).collect()
}

fn unlike(what: &str, name: &str) -> Refusal {
    failed(format!("The request does not have the {what} '{name}' once, as its signature says."))
}

/// Derives the key's value anew and holds the signature against it.
fn check_signature(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    (key, text): (&DelegationKey<'_>, &str),
    keys: &dyn AccountKeys,
) -> Result<(), Refusal> {
    let account_key = keys.keys(request.account).and_then(<[AccountKey]>::first);
    let derived =
        account_key.map(|first| AccountKey::from_base64(&key.value(first, request.account)));
    let signature = decode_signature(&query.get("sig").replace(' ', "+"));
    let verifies = match derived {
        Some(Ok(derived)) => matching_key(&[derived], text.as_bytes(), &signature).is_some(),
        _ => false,
    };
    if verifies {
        return Ok(());
    }
    Err(failed(format!("Signature did not match. String to sign used was {text}")))
}

/// A token that is bound to somebody is nothing without his bearer token.
fn check_user(query: &Query<'_>, user: Option<&Bearer>) -> Result<(), Refusal> {
    let (object_id, tenant) = (query.value("sduoid"), query.value("skdutid"));
    let Some(object_id) = object_id else {
        // A key for the users of a tenant signs tokens for one of them.
        return if tenant.is_some() { Err(missing_field("sduoid")) } else { Ok(()) };
    };
    let user = user.ok_or_else(|| {
        failed("The signature is for an identity whose bearer token the request does not have.")
    })?;
    let is = |text: &str, guid: &Guid| text.parse::<Guid>().is_ok_and(|given| given == *guid);
    if is(object_id, &user.object_id) && tenant.is_none_or(|tenant| is(tenant, &user.tenant)) {
        return Ok(());
    }
    Err(failed("The signature is for another identity than that of the bearer token."))
}
