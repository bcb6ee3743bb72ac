//! Parses and verifies shared access signatures: account SAS, and service SAS of blobs,
//! queues and tables.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature>

use lazuli_base::Timestamp;
use lazuli_model::entity::KeySpan;
use lazuli_model::{ApiVersion, Refusal, Service};

use crate::authenticate::AuthRequest;
use crate::date::parse_iso8601;
use crate::grant::{
    AddressRange, Protocols, ResourceTypes, ResponseOverrides, SasGrant, SasKind, SasResource,
    Services,
};
use crate::identity::{Bearer, Identities};
use crate::key::{AccountKeys, decode_signature, matching_key};
use crate::permission::SasPermissions;
use crate::query::Query;
use crate::refusal::{failed, malformed_field, missing_field};
use crate::sas_delegated as delegated;
use crate::sas_layout as layout;

/// Every parameter a token consists of, and the two that name what it is used on.
const FIELDS: [&str; 37] = [
    "sv",
    "ss",
    "srt",
    "spr",
    "st",
    "se",
    "sip",
    "si",
    "ses",
    "sr",
    "sp",
    "rscc",
    "rscd",
    "rsce",
    "rscl",
    "rsct",
    "sdd",
    "snapshot",
    "versionid",
    "tn",
    "spk",
    "srk",
    "epk",
    "erk",
    "skoid",
    "sktid",
    "skt",
    "ske",
    "sks",
    "skv",
    "skdutid",
    "sduoid",
    "saoid",
    "suoid",
    "scid",
    "srh",
    "srq",
];

/// A version each for tokens of blob versions and of directories.
const VERSION_TOKENS: ApiVersion = ApiVersion::new(2019, 10, 10);
const DIRECTORY_TOKENS: ApiVersion = ApiVersion::new(2020, 2, 10);

/// Parses the token and verifies its signature. `user` is whom a bearer token beside it names.
pub(crate) fn verify(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    keys: &dyn AccountKeys,
    (identities, user): (Option<&Identities>, Option<&Bearer>),
) -> Result<SasGrant, Refusal> {
    refuse_ambiguous(query)?;
    let text = query.value("sv").ok_or_else(|| missing_field("sv"))?;
    let version = ApiVersion::parse(text)
        .filter(|version| *version >= layout::OLDEST)
        .ok_or_else(|| malformed_field("sv", text))?;
    if query.contains("skoid") {
        return delegated::verify(request, query, version, (keys, identities, user));
    }
    let of_account = query.contains("ss") || query.contains("srt");
    let (mut grant, text) = match (of_account, query.contains("sr")) {
        (true, false) => account_sas(request, query, version)?,
        (false, false) if request.service == Service::Table => table_sas(request, query, version)?,
        (false, false) if request.service == Service::Queue => queue_sas(request, query, version)?,
        (false, true) => service_sas(request, query, version)?,
        (true, true) => return Err(malformed_field("sr", query.get("sr"))),
        (false, false) => return Err(missing_field("sr")),
    };
    // A `+` that was not encoded has become a space, which base64 does not have.
    let signature = decode_signature(&query.get("sig").replace(' ', "+"));
    let keys = keys.keys(request.account).unwrap_or_default();
    grant.key_index = matching_key(keys, text.as_bytes(), &signature).ok_or_else(|| {
        failed(format!("Signature did not match. String to sign used was {text}"))
    })?;
    Ok(grant)
}

/// Refuses fields sent twice, and control characters: a line break would let the holder of a token
/// move text from one field of the string-to-sign to another.
fn refuse_ambiguous(query: &Query<'_>) -> Result<(), Refusal> {
    for (i, (name, value)) in query.iter().enumerate() {
        if !FIELDS.contains(&name) && name != "sig" {
            continue;
        }
        if value.contains(char::is_control) || query.iter().skip(i + 1).any(|it| it.0 == name) {
            return Err(malformed_field(name, value));
        }
    }
    Ok(())
}

fn account_sas(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<(SasGrant, String), Refusal> {
    if version < layout::ACCOUNT_SAS {
        return Err(malformed_field("sv", query.get("sv")));
    }
    if query.contains("si") {
        return Err(malformed_field("si", query.get("si")));
    }
    let kind = SasKind::Account {
        services: required(query, "ss", Services::parse)?,
        resource_types: required(query, "srt", ResourceTypes::parse)?,
    };
    let grant = grant(query, version, kind)?;
    if grant.permissions.is_none() {
        return Err(missing_field("sp"));
    }
    if grant.expiry.is_none() {
        return Err(missing_field("se"));
    }
    Ok((grant, layout::account(request.account, version, query)))
}

fn service_sas(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<(SasGrant, String), Refusal> {
    if matches!(request.service, Service::Queue | Service::Table) {
        return Err(failed("Shared access signatures of blobs are not supported by this service."));
    }
    let resource = signed_resource(request, query, version)?;
    let (canonical, moment) = canonical_resource(request, version, &resource);
    let text = layout::blob(version, &canonical, moment, query);
    let mut grant = grant(query, version, SasKind::Service(resource))?;
    grant.policy_id = query.value("si").map(str::to_owned);
    if version >= layout::RESPONSE_HEADERS {
        grant.overrides = overrides(query);
    }
    Ok((grant, text))
}

/// The canonical resource of a container or blob, and the snapshot or version that is signed beside
/// it.
pub(crate) fn canonical_resource<'a>(
    request: &AuthRequest<'_>,
    version: ApiVersion,
    resource: &'a SasResource,
) -> (String, &'a str) {
    let (container, name, moment) = match resource {
        SasResource::Container { container } => (container, "", ""),
        SasResource::Blob { container, blob } => (container, blob.as_str(), ""),
        SasResource::Snapshot { container, blob, snapshot: moment }
        | SasResource::Version { container, blob, version_id: moment } => {
            (container, blob.as_str(), moment.as_str())
        }
        SasResource::Directory { container, path } => (container, path.as_str(), ""),
        SasResource::Queue { queue: name } | SasResource::Table { table: name, .. } => {
            (name, "", "")
        }
    };
    (layout::blob_resource(version, request.account, container, name), moment)
}

/// A service SAS of the queue service. It is for the addressed queue: its signature tells whether it
/// was made for that one.
///
/// <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>
fn queue_sas(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<(SasGrant, String), Refusal> {
    let queue = addressed_queue(request)?;
    let text = layout::queue(version, request.account, queue, query);
    let kind = SasKind::Service(SasResource::Queue { queue: queue.to_owned() });
    let mut grant = grant(query, version, kind)?;
    grant.policy_id = query.value("si").map(str::to_owned);
    Ok((grant, text))
}

/// The queue that a token is used on.
pub(crate) fn addressed_queue<'a>(request: &AuthRequest<'a>) -> Result<&'a str, Refusal> {
    request.container.ok_or_else(|| {
        failed("The shared access signature is for a queue, and the address names none.")
    })
}

/// A service SAS of the table service. It names its table itself, for a transaction's address does
/// not.
///
/// <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>
fn table_sas(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<(SasGrant, String), Refusal> {
    let (table, span) = signed_table(request, query)?;
    let text = layout::table(version, request.account, &table, query);
    let kind = SasKind::Service(SasResource::Table { table, span });
    let mut grant = grant(query, version, kind)?;
    grant.policy_id = query.value("si").map(str::to_owned);
    Ok((grant, text))
}

/// The table that a token names, in lower case, and the keys of it that it reaches.
pub(crate) fn signed_table(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
) -> Result<(String, KeySpan), Refusal> {
    let table = query.value("tn").ok_or_else(|| missing_field("tn"))?.to_ascii_lowercase();
    if request.container.is_some_and(|addressed| !addressed.eq_ignore_ascii_case(&table)) {
        return Err(failed("The shared access signature is for another table."));
    }
    let bound = |partition, row| match (query.contains(partition), query.contains(row)) {
        (true, has_row) => {
            let row = has_row.then(|| query.get(row).to_owned());
            Ok(Some((query.get(partition).to_owned(), row)))
        }
        (false, false) => Ok(None),
        (false, true) => Err(missing_field(partition)),
    };
    let span = KeySpan { first: bound("spk", "srk")?, last: bound("epk", "erk")? };
    Ok((table, span))
}

/// The resource `sr` means on this request: the token's signature tells whether it is the one the
/// token was made for.
pub(crate) fn signed_resource(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    version: ApiVersion,
) -> Result<SasResource, Refusal> {
    let level =
        || failed("The specified signed resource is not allowed for the this resource level");
    let container = request.container.ok_or_else(level)?.to_owned();
    let blob = || request.blob.map(str::to_owned).ok_or_else(level);
    let (snapshot, version_id) = (query.value("snapshot"), query.value("versionid"));
    match query.get("sr") {
        "c" => Ok(SasResource::Container { container }),
        "b" => Ok(SasResource::Blob { container, blob: blob()? }),
        "bs" if version >= layout::SIGNED_RESOURCE => match (snapshot, version_id) {
            (Some(snapshot), None) => {
                Ok(SasResource::Snapshot { container, blob: blob()?, snapshot: snapshot.into() })
            }
            _ => Err(level()),
        },
        "bv" if version >= VERSION_TOKENS => match (snapshot, version_id) {
            (None, Some(id)) => {
                Ok(SasResource::Version { container, blob: blob()?, version_id: id.into() })
            }
            _ => Err(level()),
        },
        "d" if version >= DIRECTORY_TOKENS => {
            let depth = required(query, "sdd", |text| text.parse::<usize>().ok())?;
            let path = directory(request.blob.unwrap_or_default(), depth).ok_or_else(level)?;
            Ok(SasResource::Directory { container, path: path.to_owned() })
        }
        other => Err(malformed_field("sr", other)),
    }
}

/// The first `depth` segments of a path; `None` if it has fewer.
fn directory(path: &str, depth: usize) -> Option<&str> {
    if depth == 0 {
        return Some("");
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    match path.match_indices('/').nth(depth - 1) {
        Some((end, _)) => path.get(..end),
        None => (path.split('/').count() == depth).then_some(path),
    }
}

/// The fields every token has.
pub(crate) fn grant(
    query: &Query<'_>,
    version: ApiVersion,
    kind: SasKind,
) -> Result<SasGrant, Refusal> {
    let mut grant = SasGrant {
        // Until the signature is verified.
        key_index: 0,
        version,
        kind,
        permissions: optional(query, "sp", |letters| SasPermissions::parse(letters).ok())?,
        start: time(query, "st")?,
        expiry: time(query, "se")?,
        policy_id: None,
        addresses: None,
        protocols: Protocols::default(),
        overrides: ResponseOverrides::default(),
        encryption_scope: None,
        delegation: None,
    };
    // What a layout does not sign means nothing in its tokens.
    if version >= layout::ACCOUNT_SAS {
        grant.addresses = optional(query, "sip", AddressRange::parse)?;
        grant.protocols = optional(query, "spr", Protocols::parse)?.unwrap_or_default();
    }
    if version >= layout::ENCRYPTION_SCOPE {
        grant.encryption_scope = query.value("ses").map(str::to_owned);
    }
    Ok(grant)
}

fn time(query: &Query<'_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    optional(query, name, parse_iso8601)
}

fn optional<T>(
    query: &Query<'_>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(text) = query.value(name) else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| malformed_field(name, text))
}

pub(crate) fn required<T>(
    query: &Query<'_>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, Refusal> {
    optional(query, name, parse)?.ok_or_else(|| missing_field(name))
}

pub(crate) fn overrides(query: &Query<'_>) -> ResponseOverrides {
    let value = |name| query.value(name).map(str::to_owned);
    ResponseOverrides {
        cache_control: value("rscc"),
        content_disposition: value("rscd"),
        content_encoding: value("rsce"),
        content_language: value("rscl"),
        content_type: value("rsct"),
    }
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn directories_are_the_first_segments() {
        for (path, depth, expected) in [
            ("a/b/c", 0, Some("")),
            ("", 0, Some("")),
            ("a/b/c", 1, Some("a")),
            ("a/b/c", 2, Some("a/b")),
            ("a/b/c", 3, Some("a/b/c")),
            ("a/b/c/", 3, Some("a/b/c")),
            ("a/b/c", 4, None),
            ("", 1, None),
            ("/", 1, None),
            ("a", usize::MAX, None),
        ] {
            assert_eq!(directory(path, depth), expected, "{path} {depth}");
        }
    }
}
