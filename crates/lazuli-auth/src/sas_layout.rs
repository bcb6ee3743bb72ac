//! The strings-to-sign of shared access signatures, by token version.
//!
//! - <https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string>
//! - <https://learn.microsoft.com/rest/api/storageservices/create-service-sas#construct-the-signature-string>

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
