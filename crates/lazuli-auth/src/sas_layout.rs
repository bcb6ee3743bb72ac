//! The strings-to-sign of shared access signatures, by token version.
//!
//! - <https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string>
//! - <https://learn.microsoft.com/rest/api/storageservices/create-service-sas#construct-the-signature-string>
//! - <https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#construct-the-signature-string>

use lazuli_model::ApiVersion;

use crate::query::Query;

/// Account SAS, signed `sip` and `spr`.
pub(crate) const ACCOUNT_SAS: ApiVersion = ApiVersion::new(2015, 4, 5);
/// The oldest layout accepted.
pub(crate) const OLDEST: ApiVersion = ApiVersion::new(2012, 2, 12);
/// Signed response headers.
pub(crate) const RESPONSE_HEADERS: ApiVersion = ApiVersion::new(2013, 8, 15);
/// Signed `sr`, and tokens for snapshots.
pub(crate) const SIGNED_RESOURCE: ApiVersion = ApiVersion::new(2018, 11, 9);
/// Signed `ses`.
pub(crate) const ENCRYPTION_SCOPE: ApiVersion = ApiVersion::new(2020, 12, 6);
/// Signed `saoid`, `suoid` and `scid`, in tokens of user delegation keys.
pub(crate) const AGENTS: ApiVersion = ApiVersion::new(2020, 2, 10);
/// Signed `skdutid` and `sduoid`, and user delegation keys for queues and tables.
pub(crate) const DELEGATED_USER: ApiVersion = ApiVersion::new(2025, 7, 5);
/// Signed request headers and query parameters, in tokens of user delegation keys.
pub(crate) const SIGNED_REQUEST: ApiVersion = ApiVersion::new(2026, 4, 6);
/// The canonical resource names its service.
const SERVICE_PREFIX: ApiVersion = ApiVersion::new(2015, 2, 21);

/// The string-to-sign of an account SAS. Unlike all others it ends in a newline.
pub(crate) fn account(account: &str, version: ApiVersion, query: &Query<'_>) -> String {
    let mut lines = vec![account];
    lines.extend(["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"].map(|name| query.get(name)));
    if version >= ENCRYPTION_SCOPE {
        lines.push(query.get("ses"));
    }
    lines.push("");
    lines.join("\n")
}

/// The string-to-sign of a service SAS of the blob service; `moment` is the snapshot or version.
pub(crate) fn blob(version: ApiVersion, resource: &str, moment: &str, query: &Query<'_>) -> String {
    let mut lines = vec![query.get("sp"), query.get("st"), query.get("se"), resource];
    lines.push(query.get("si"));
    if version >= ACCOUNT_SAS {
        lines.extend(["sip", "spr"].map(|name| query.get(name)));
    }
    lines.push(query.get("sv"));
    if version >= SIGNED_RESOURCE {
        lines.extend([query.get("sr"), moment]);
    }
    if version >= ENCRYPTION_SCOPE {
        lines.push(query.get("ses"));
    }
    if version >= RESPONSE_HEADERS {
        lines.extend(["rscc", "rscd", "rsce", "rscl", "rsct"].map(|name| query.get(name)));
    }
    lines.join("\n")
}

/// The string-to-sign of a service SAS of the queue service.
pub(crate) fn queue(version: ApiVersion, account: &str, queue: &str, query: &Query<'_>) -> String {
    let service = if version >= SERVICE_PREFIX { "/queue" } else { "" };
    let resource = format!("{service}/{account}/{queue}");
    let mut lines = vec![query.get("sp"), query.get("st"), query.get("se"), &resource];
    lines.push(query.get("si"));
    if version >= ACCOUNT_SAS {
        lines.extend(["sip", "spr"].map(|name| query.get(name)));
    }
    lines.push(query.get("sv"));
    lines.join("\n")
}

/// The string-to-sign of a service SAS of the table service; `table` is in lower case.
pub(crate) fn table(version: ApiVersion, account: &str, table: &str, query: &Query<'_>) -> String {
    let service = if version >= SERVICE_PREFIX { "/table" } else { "" };
    let resource = format!("{service}/{account}/{table}");
    let mut lines = vec![query.get("sp"), query.get("st"), query.get("se"), &resource];
    lines.push(query.get("si"));
    if version >= ACCOUNT_SAS {
        lines.extend(["sip", "spr"].map(|name| query.get(name)));
    }
    lines.extend(["sv", "spk", "srk", "epk", "erk"].map(|name| query.get(name)));
    lines.join("\n")
}

/// What a user delegation key says of itself, as its tokens sign it.
const DELEGATION_KEY: [&str; 6] = ["skoid", "sktid", "skt", "ske", "sks", "skv"];

/// The string-to-sign of a user delegation SAS of the blob service; `moment` is the snapshot or
/// version, and `request` what `srh` and `srq` have of the request.
///
/// <https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#construct-the-signature-string>
pub(crate) fn delegated_blob(
    version: ApiVersion,
    (resource, moment): (&str, &str),
    query: &Query<'_>,
    (headers, parameters): (&str, &str),
) -> String {
    let mut lines = vec![query.get("sp"), query.get("st"), query.get("se"), resource];
    lines.extend(DELEGATION_KEY.map(|name| query.get(name)));
    if version >= AGENTS {
        lines.extend(["saoid", "suoid", "scid"].map(|name| query.get(name)));
    }
    if version >= DELEGATED_USER {
        lines.extend(["skdutid", "sduoid"].map(|name| query.get(name)));
    }
    lines.extend(["sip", "spr", "sv", "sr"].map(|name| query.get(name)));
    lines.push(moment);
    if version >= ENCRYPTION_SCOPE {
        lines.push(query.get("ses"));
    }
    if version >= SIGNED_REQUEST {
        lines.extend([headers, parameters]);
    }
    lines.extend(["rscc", "rscd", "rsce", "rscl", "rsct"].map(|name| query.get(name)));
    lines.join("\n")
}

/// The string-to-sign of a user delegation SAS of the queue service.
pub(crate) fn delegated_queue(account: &str, queue: &str, query: &Query<'_>) -> String {
    let resource = format!("/queue/{account}/{queue}");
    delegated(&resource, query).join("\n")
}

/// The string-to-sign of a user delegation SAS of the table service; `table` is in lower case.
pub(crate) fn delegated_table(account: &str, table: &str, query: &Query<'_>) -> String {
    let resource = format!("/table/{account}/{table}");
    let mut lines = delegated(&resource, query);
    lines.extend(["spk", "srk", "epk", "erk"].map(|name| query.get(name)));
    lines.join("\n")
}

/// What queues and tables have in common.
fn delegated<'a>(resource: &'a str, query: &'a Query<'_>) -> Vec<&'a str> {
    let mut lines = vec![query.get("sp"), query.get("st"), query.get("se"), resource];
    lines.extend(DELEGATION_KEY.map(|name| query.get(name)));
    lines.extend(["skdutid", "sduoid", "sip", "spr", "sv"].map(|name| query.get(name)));
    lines
}

/// The canonical resource of a container, blob or directory (without trailing slash); `name` is
/// decoded, and empty for the container itself and for its root directory.
pub(crate) fn blob_resource(
    version: ApiVersion,
    account: &str,
    container: &str,
    name: &str,
) -> String {
    let service = if version >= SERVICE_PREFIX { "/blob" } else { "" };
    let slash = if name.is_empty() { "" } else { "/" };
    format!("{service}/{account}/{container}{slash}{name}")
}
