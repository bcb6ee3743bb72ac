//! The strings-to-sign of Shared Key and Shared Key Lite.
//!
//! Clients disagree in four places, so a string has variations; the first one, with no bit set, is
//! what the documentation and the official SDKs agree on.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, RANGE};
use http::{HeaderMap, HeaderValue};
use lazuli_model::{ApiVersion, Service};

use crate::collation::compare_header_names;
use crate::query::Query;
use crate::shared_key::Scheme;

/// The headers of a Shared Key string-to-sign before and after `Content-Length`, which is special,
/// and after `Date`.
pub(crate) const BEFORE_LENGTH: [HeaderName; 2] =
    [http::header::CONTENT_ENCODING, http::header::CONTENT_LANGUAGE];
pub(crate) const AFTER_DATE: [HeaderName; 5] = [
    http::header::IF_MODIFIED_SINCE,
    http::header::IF_MATCH,
    http::header::IF_NONE_MATCH,
    http::header::IF_UNMODIFIED_SINCE,
    RANGE,
];
pub(crate) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
pub(crate) const X_MS_DATE: HeaderName = HeaderName::from_static("x-ms-date");

/// From this version on a length of zero is signed as nothing.
const EMPTY_ZERO_LENGTH: ApiVersion = ApiVersion::new(2015, 2, 21);
/// From this version on `x-ms-` headers without a value are signed.
const EMPTY_HEADERS: ApiVersion = ApiVersion::new(2016, 5, 31);

/// The parts of a request that Shared Key signs.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// The HTTP method, upper case.
    pub method: &'a str,
    /// The path as sent, still encoded; in path style it begins with `/<account>`.
    pub path: &'a str,
    /// The query as sent, still encoded, without `?`.
    pub query: &'a str,
    /// The headers as sent.
    pub headers: &'a HeaderMap,
    /// The service called.
    pub service: Service,
    /// The account, without `-secondary`.
    pub account: &'a str,
    /// The version, which decides how empty headers are signed.
    pub version: ApiVersion,
}

/// A set of deviations from the first form of a string-to-sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variations(u8);

impl Variations {
    pub(crate) const NONE: Self = Self(0);
    /// `x-ms-` headers in byte order instead of the collated one.
    pub(crate) const BYTE_ORDER: Self = Self(1);
    /// `Date` as sent although `x-ms-date` is there.
    pub(crate) const LITERAL_DATE: Self = Self(2);
    /// The path of the primary although the secondary was addressed.
    pub(crate) const PRIMARY_PATH: Self = Self(4);
    /// `+` in the query as itself; the caller parses the query accordingly.
    pub(crate) const LITERAL_PLUS: Self = Self(8);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Every combination, but for the empty one, of the deviations that change the string.
    pub(crate) fn applicable(request: &Signable<'_>) -> impl Iterator<Item = Self> {
        let mut mask = 0;
        if !signed_headers(request).is_sorted_by(|left, right| left.0 <= right.0) {
            mask |= Self::BYTE_ORDER.0;
        }
        if request.headers.contains_key(X_MS_DATE) && request.headers.contains_key(DATE) {
            mask |= Self::LITERAL_DATE.0;
        }
        if secondary_rest(request).is_some() {
            mask |= Self::PRIMARY_PATH.0;
        }
        if request.query.contains('+') {
            mask |= Self::LITERAL_PLUS.0;
        }
        (1..=mask).filter(move |bits| bits & !mask == 0).map(Self)
    }
}

/// The string-to-sign of a request; `query` is its query, parsed.
pub(crate) fn string_to_sign(
    request: &Signable<'_>,
    scheme: Scheme,
    query: &Query<'_>,
    variations: Variations,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    match (request.service, scheme) {
        (Service::Table, Scheme::SharedKey) => {
            line(&mut out, request.method.as_bytes());
            line(&mut out, header(request, &CONTENT_MD5));
            line(&mut out, header(request, &CONTENT_TYPE));
            line(&mut out, table_date(request));
            lite_resource(&mut out, request, query, variations);
        }
        (Service::Table, Scheme::SharedKeyLite) => {
            line(&mut out, table_date(request));
            lite_resource(&mut out, request, query, variations);
        }
        (_, Scheme::SharedKey) => {
            line(&mut out, request.method.as_bytes());
            for name in &BEFORE_LENGTH {
                line(&mut out, header(request, name));
            }
            line(&mut out, length(request));
            line(&mut out, header(request, &CONTENT_MD5));
            line(&mut out, header(request, &CONTENT_TYPE));
            line(&mut out, date(request, variations));
            for name in &AFTER_DATE {
                line(&mut out, header(request, name));
            }
            canonical_headers(&mut out, request, variations);
            resource(&mut out, request, query, variations);
        }
        (_, Scheme::SharedKeyLite) => {
            line(&mut out, request.method.as_bytes());
            line(&mut out, header(request, &CONTENT_MD5));
            line(&mut out, header(request, &CONTENT_TYPE));
            line(&mut out, date(request, variations));
            canonical_headers(&mut out, request, variations);
            lite_resource(&mut out, request, query, variations);
        }
    }
    out
}

fn line(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The header's trimmed value; empty if it is absent.
fn header<'a>(request: &Signable<'a>, name: &HeaderName) -> &'a [u8] {
    request.headers.get(name).map_or(&[], trimmed)
}

fn trimmed(value: &HeaderValue) -> &[u8] {
    value.as_bytes().trim_ascii()
}

fn length<'a>(request: &Signable<'a>) -> &'a [u8] {
    match header(request, &CONTENT_LENGTH) {
        b"0" if request.version >= EMPTY_ZERO_LENGTH => &[],
        value => value,
    }
}

fn date<'a>(request: &Signable<'a>, variations: Variations) -> &'a [u8] {
    if request.headers.contains_key(X_MS_DATE) && !variations.has(Variations::LITERAL_DATE) {
        return &[];
    }
    header(request, &DATE)
}

fn table_date<'a>(request: &Signable<'a>) -> &'a [u8] {
    match header(request, &X_MS_DATE) {
        [] => header(request, &DATE),
        value => value,
    }
}

/// The `x-ms-` headers in collated order; values of one name keep theirs.
fn signed_headers<'a>(request: &Signable<'a>) -> Vec<(&'a str, &'a [u8])> {
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), trimmed(value)))
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .collect();
    headers.sort_by(|left, right| compare_header_names(left.0, right.0));
    headers
}

fn canonical_headers(out: &mut Vec<u8>, request: &Signable<'_>, variations: Variations) {
    let mut headers = signed_headers(request);
    if variations.has(Variations::BYTE_ORDER) {
        headers.sort_by_key(|header| header.0);
    }
    if request.version < EMPTY_HEADERS {
        headers.retain(|header| !header.1.is_empty());
    }
    for group in headers.chunk_by(|left, right| left.0 == right.0) {
        for (i, (name, value)) in group.iter().enumerate() {
            if i == 0 {
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
            } else {
                out.push(b',');
            }
            out.extend_from_slice(value);
        }
        out.push(b'\n');
    }
}

/// What follows `/<account>-secondary` in a path-style path that addresses the secondary.
fn secondary_rest<'a>(request: &Signable<'a>) -> Option<&'a str> {
    let rest = request.path.strip_prefix('/')?.strip_prefix(request.account)?;
    let rest = rest.strip_prefix("-secondary")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn account_and_path(out: &mut Vec<u8>, request: &Signable<'_>, variations: Variations) {
    out.push(b'/');
    out.extend_from_slice(request.account.as_bytes());
    match secondary_rest(request) {
        Some(rest) if variations.has(Variations::PRIMARY_PATH) => {
            out.push(b'/');
            out.extend_from_slice(request.account.as_bytes());
            out.extend_from_slice(rest.as_bytes());
        }
        _ if request.path.is_empty() => out.push(b'/'),
        _ => out.extend_from_slice(request.path.as_bytes()),
    }
}

fn resource(out: &mut Vec<u8>, request: &Signable<'_>, query: &Query<'_>, variations: Variations) {
    account_and_path(out, request, variations);
    let mut parameters: Vec<(&str, &str)> = query.iter().collect();
    parameters.sort_unstable();
    for group in parameters.chunk_by(|left, right| left.0 == right.0) {
        for (i, (name, value)) in group.iter().enumerate() {
            if i == 0 {
                out.push(b'\n');
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
            } else {
                out.push(b',');
            }
            out.extend_from_slice(value.as_bytes());
        }
    }
}

fn lite_resource(
    out: &mut Vec<u8>,
    request: &Signable<'_>,
    query: &Query<'_>,
    variations: Variations,
) {
    account_and_path(out, request, variations);
    if query.contains("comp") {
        out.extend_from_slice(b"?comp=");
        out.extend_from_slice(query.get("comp").as_bytes());
    }
}
