//! What came with a version: requests of an older one are neither told of it nor served with it.
//!
//! Limits, layouts of tokens and forms of listings that changed with a version are decided where
//! they are used; here is what merely was not there before.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/previous-azure-storage-service-versions>

use http::header::ETAG;
use http::{HeaderMap, HeaderValue};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};

use crate::spec::{Selector, Spec};

/// Response headers, and the first version that has them.
const HEADERS: &[(&str, ApiVersion)] = &[
    ("x-ms-server-encrypted", ApiVersion::new(2015, 12, 11)),
    ("x-ms-request-server-encrypted", ApiVersion::new(2015, 12, 11)),
    ("x-ms-access-tier", ApiVersion::new(2017, 4, 17)),
    ("x-ms-access-tier-inferred", ApiVersion::new(2017, 4, 17)),
    ("x-ms-access-tier-change-time", ApiVersion::new(2017, 4, 17)),
    ("x-ms-archive-status", ApiVersion::new(2017, 4, 17)),
    ("x-ms-delete-type-permanent", ApiVersion::new(2017, 7, 29)),
    ("x-ms-creation-time", ApiVersion::new(2017, 11, 9)),
    ("x-ms-has-immutability-policy", ApiVersion::new(2017, 11, 9)),
    ("x-ms-has-legal-hold", ApiVersion::new(2017, 11, 9)),
    ("x-ms-content-crc64", ApiVersion::new(2019, 2, 2)),
    ("x-ms-default-encryption-scope", ApiVersion::new(2019, 2, 2)),
    ("x-ms-deny-encryption-scope-override", ApiVersion::new(2019, 2, 2)),
    ("x-ms-is-hns-enabled", ApiVersion::new(2019, 7, 7)),
    ("x-ms-tag-count", ApiVersion::new(2019, 12, 12)),
    ("x-ms-rehydrate-priority", ApiVersion::new(2019, 12, 12)),
    ("x-ms-immutable-storage-with-versioning-enabled", ApiVersion::new(2020, 6, 12)),
];

/// Since this version every response has all its headers.
const ALL_HEADERS: ApiVersion = ApiVersion::new(2020, 6, 12);

/// Since this version the properties of a container tell its public access; its ACL always did.
const PUBLIC_ACCESS: ApiVersion = ApiVersion::new(2016, 5, 31);

/// Values of `comp`, and the first version that knows them.
const COMPONENTS: &[(&str, ApiVersion)] = &[
    ("tier", ApiVersion::new(2017, 4, 17)),
    ("batch", ApiVersion::new(2018, 11, 9)),
    ("tags", ApiVersion::new(2019, 12, 12)),
    ("blobs", ApiVersion::new(2019, 12, 12)),
];

/// Since this version entity tags stand in quotes, in headers.
const QUOTED_ETAG: ApiVersion = ApiVersion::new(2011, 8, 18);

/// Since this version a message can be updated.
const UPDATE_MESSAGE: ApiVersion = ApiVersion::new(2011, 8, 18);

/// Refuses an operation that the version does not know, as any `comp` or method that nobody knows.
///
/// `InvalidQueryParameterValue`, `UnsupportedHttpVerb`.
pub(crate) fn check(spec: &Spec, version: ApiVersion) -> Result<(), Refusal> {
    if spec.name == "UpdateMessage" && version < UPDATE_MESSAGE {
        return Err(ErrorCode::UnsupportedHttpVerb.into());
    }
    for selector in spec.selectors {
        let Selector::Query("comp", comp) = *selector else { continue };
        if COMPONENTS.iter().any(|(known, since)| *known == comp && version < *since) {
            return Err(Refusal::query_value("comp", comp, "The value is not supported."));
        }
    }
    Ok(())
}

/// Takes away what the version has no word for.
pub(crate) fn hide_newer(spec: &Spec, version: ApiVersion, headers: &mut HeaderMap) {
    if version >= ALL_HEADERS {
        return;
    }
    for (name, _) in HEADERS.iter().filter(|(_, since)| version < *since) {
        headers.remove(*name);
    }
    if version < PUBLIC_ACCESS && spec.name == "GetContainerProperties" {
        headers.remove("x-ms-blob-public-access");
    }
}

/// Writes the entity tag of an answer of the Blob service as the version did.
pub(crate) fn write_etag(service: Service, version: ApiVersion, headers: &mut HeaderMap) {
    if service != Service::Blob || version >= QUOTED_ETAG {
        return;
    }
    if let Some(etag) = headers.get_mut(ETAG)
        && let Some(bare) = etag.to_str().ok().map(|text| text.trim_matches('"'))
        && let Ok(bare) = HeaderValue::from_str(bare)
    {
        *etag = bare;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_header_is_no_newer_than_all_headers() {
        assert_eq!(HEADERS.iter().map(|(_, since)| *since).max(), Some(ALL_HEADERS));
        assert!(HEADERS.is_sorted_by_key(|(_, since)| *since));
    }
}
