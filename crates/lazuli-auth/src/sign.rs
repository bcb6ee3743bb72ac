//! Signs requests and makes tokens, as a client does: for the load generator and for tests.

use std::fmt::Write as _;

use lazuli_model::ApiVersion;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::canonical::{Signable, Variations, string_to_sign};
use crate::key::AccountKey;
use crate::query::{Plus, Query};
use crate::sas_layout as layout;
use crate::shared_key::Scheme;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The value of `Authorization` for a request, whose date and version headers are already set.
pub fn sign_shared_key(key: &AccountKey, scheme: Scheme, request: &Signable<'_>) -> String {
    let query = Query::parse(request.query, Plus::Space);
    let text = string_to_sign(request, scheme, &query, Variations::NONE);
    format!("{} {}:{}", scheme.name(), request.account, key.sign(&text))
}

/// What an account SAS is to say; empty fields are left out. The texts are signed as they are.
#[derive(Clone, Copy, Debug)]
pub struct AccountSas<'a> {
    /// Name of the account.
    pub account: &'a str,
    /// `sv`.
    pub version: ApiVersion,
    /// `ss`, for instance `b`.
    pub services: &'a str,
    /// `srt`, for instance `sco`.
    pub resource_types: &'a str,
    /// `sp`, for instance `rwdl`.
    pub permissions: &'a str,
    /// `st`, ISO 8601.
    pub start: &'a str,
    /// `se`, ISO 8601.
    pub expiry: &'a str,
    /// `sip`.
    pub addresses: &'a str,
    /// `spr`.
    pub protocols: &'a str,
    /// `ses`.
    pub encryption_scope: &'a str,
}

/// Makes an account SAS: a query string without `?`.
pub fn account_sas(key: &AccountKey, sas: &AccountSas<'_>) -> String {
    let own = [
        ("sv", &*sas.version.to_string()),
        ("ss", sas.services),
        ("srt", sas.resource_types),
        ("sp", sas.permissions),
        ("st", sas.start),
        ("se", sas.expiry),
        ("sip", sas.addresses),
        ("spr", sas.protocols),
        ("ses", sas.encryption_scope),
    ];
    signed(key, (&own, &[]), |query| layout::account(sas.account, sas.version, query))
}

/// What a service SAS of the blob service is to say; empty fields are left out.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSasToken<'a> {
    /// Name of the account.
    pub account: &'a str,
    /// Name of the container.
    pub container: &'a str,
    /// Decoded name of the blob or directory; empty for the container.
    pub name: &'a str,
    /// `sv`.
    pub version: ApiVersion,
    /// `sr`: `c`, `b`, `bs`, `bv` or `d`.
    pub resource: &'a str,
    /// The snapshot or version of `bs` and `bv`; signed, but part of the request and not the token.
    pub moment: &'a str,
    /// Further fields by name, decoded: `sp`, `st`, `se`, `si`, `sip`, `spr`, `ses`, `rscc`, `sdd`.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Makes a service SAS: a query string without `?`.
pub fn service_sas(key: &AccountKey, sas: &ServiceSasToken<'_>) -> String {
    let own = [("sv", &*sas.version.to_string()), ("sr", sas.resource)];
    let resource = layout::blob_resource(sas.version, sas.account, sas.container, sas.name);
    signed(key, (&own, sas.fields), |query| layout::blob(sas.version, &resource, sas.moment, query))
}

/// Makes a service SAS of the queue service: a query string without `?`. The fields are those
/// besides `sv`, by name and decoded.
pub fn queue_sas(
    key: &AccountKey,
    (account, queue): (&str, &str),
    version: ApiVersion,
    fields: &[(&str, &str)],
) -> String {
    let own = [("sv", &*version.to_string())];
    signed(key, (&own, fields), |query| layout::queue(version, account, queue, query))
}

/// Makes a service SAS of the table service: a query string without `?`. The fields are those
/// besides `sv` and `tn`, by name and decoded.
pub fn table_sas(
    key: &AccountKey,
    (account, table): (&str, &str),
    version: ApiVersion,
    fields: &[(&str, &str)],
) -> String {
    let own = [("sv", &*version.to_string()), ("tn", table)];
    let path = table.to_ascii_lowercase();
    signed(key, (&own, fields), |query| layout::table(version, account, &path, query))
}

/// Fields of a token, by name and decoded.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// A token of fields and further ones, signed with the text that `layout` makes of them.
fn signed(
    key: &AccountKey,
    (fields, further): (Fields<'_>, Fields<'_>),
    layout: impl FnOnce(&Query<'_>) -> String,
) -> String {
    let mut token = String::new();
    for (name, value) in fields.iter().chain(further) {
        append(&mut token, name, value);
    }
    let signature = key.sign(layout(&Query::parse(&token, Plus::Space)).as_bytes());
    append(&mut token, "sig", &signature);
    token
}

fn append(token: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let and = if token.is_empty() { "" } else { "&" };
    // Writing to a string does not fail.
    let _ = write!(token, "{and}{name}={}", utf8_percent_encode(value, ENCODED));
}
