//! The result of List Containers: written item by item, straight from borrowed fields.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-containers2>
//!
//! The order of elements is the one the service was recorded with. Unlike those of blobs, the
//! entity tags of containers keep their quotation marks in a listing.

use std::fmt::{Display, Write as _};

use lazuli_base::Timestamp;
use lazuli_model::ApiVersion;

use super::{Pairs, write_metadata};
use crate::xml::XmlWriter;

/// Items tell their public access from this version on.
const PUBLIC_ACCESS: ApiVersion = ApiVersion::new(2016, 5, 31);
/// Items tell of immutability policies and legal holds from this version on.
const IMMUTABILITY: ApiVersion = ApiVersion::new(2017, 11, 9);
/// Items tell their encryption scopes from this version on.
const SCOPES: ApiVersion = ApiVersion::new(2019, 2, 2);
/// Items tell whether versions can be immutable from this version on.
const IMMUTABLE_VERSIONS: ApiVersion = ApiVersion::new(2020, 6, 12);
/// Bytes one item takes, about.
const ITEM_BYTES: usize = 500;

/// What the result says before its items: echoes of what was asked, as far as it was asked.
#[derive(Clone, Copy, Debug)]
pub struct ContainerListHead<'a> {
    /// The account's URL with a slash at its end.
    pub service_endpoint: &'a str,
    /// `prefix`, if it was sent.
    pub prefix: Option<&'a str>,
    /// `marker`, if it was sent.
    pub marker: Option<&'a str>,
    /// `maxresults`, if it was sent.
    pub max_results: Option<u32>,
}

/// One container.
#[derive(Clone, Copy)]
pub struct ContainerItem<'a> {
    /// The container's name.
    pub name: &'a str,
    /// The version of a deleted container.
    pub version: Option<&'a str>,
    /// Whether it is soft-deleted; told only if so.
    pub deleted: bool,
    /// When the container last changed.
    pub last_modified: Timestamp,
    /// The entity tag, in quotation marks.
    pub etag: &'a dyn Display,
    /// `locked` or `unlocked`.
    pub lease_status: &'a str,
    /// `available`, `leased` and so on.
    pub lease_state: &'a str,
    /// `infinite` or `fixed`, while it is leased.
    pub lease_duration: Option<&'a str>,
    /// `container` or `blob`; `None` when it is private.
    pub public_access: Option<&'a str>,
    /// Whether it has an immutability policy.
    pub has_immutability_policy: bool,
    /// Whether it is under legal hold.
    pub has_legal_hold: bool,
    /// Whether its versions can be immutable.
    pub immutable_versions: bool,
    /// The default encryption scope.
    pub default_encryption_scope: &'a str,
    /// Whether writes must use the default scope.
    pub deny_encryption_scope_override: bool,
    /// When it was soft-deleted, with the days until it is gone for good.
    pub deletion: Option<(Timestamp, u32)>,
    /// Metadata, if asked for.
    pub metadata: Option<&'a dyn Pairs>,
}

/// The result of List Containers in the making.
pub struct ContainerListWriter {
    xml: XmlWriter,
    version: ApiVersion,
}

impl ContainerListWriter {
    /// Begins a result of about `items` items, as `version` knows them.
    pub fn new(version: ApiVersion, head: &ContainerListHead<'_>, items: usize) -> Self {
        let mut xml = XmlWriter::document(512 + items * ITEM_BYTES);
        xml.open_with("EnumerationResults", &[("ServiceEndpoint", head.service_endpoint)]);
        xml.optional("Prefix", head.prefix);
        xml.optional("Marker", head.marker);
        if let Some(max_results) = head.max_results {
            xml.number("MaxResults", u64::from(max_results));
        }
        xml.open("Containers");
        Self { xml, version }
    }

    /// Adds a container.
    pub fn container(&mut self, item: &ContainerItem<'_>) {
        let xml = &mut self.xml;
        xml.open("Container");
        xml.element("Name", item.name);
        xml.optional("Version", item.version);
        if item.deleted {
            xml.element("Deleted", "true");
        }
        xml.open("Properties");
        xml.rfc1123("Last-Modified", item.last_modified);
        xml.open("Etag");
        // Writing to a String cannot fail; an entity tag needs no escape in character data.
        let _ = write!(xml.buffer(), "{}", item.etag);
        xml.close("Etag");
        xml.element("LeaseStatus", item.lease_status);
        xml.element("LeaseState", item.lease_state);
        xml.optional("LeaseDuration", item.lease_duration);
        let version = self.version;
        xml.optional("PublicAccess", item.public_access.filter(|_| version >= PUBLIC_ACCESS));
        if version >= SCOPES {
            xml.element("DefaultEncryptionScope", item.default_encryption_scope);
            xml.boolean("DenyEncryptionScopeOverride", item.deny_encryption_scope_override);
        }
        if version >= IMMUTABILITY {
            xml.boolean("HasImmutabilityPolicy", item.has_immutability_policy);
            xml.boolean("HasLegalHold", item.has_legal_hold);
        }
        if version >= IMMUTABLE_VERSIONS {
            xml.boolean("ImmutableStorageWithVersioningEnabled", item.immutable_versions);
        }
        if let Some((time, days)) = item.deletion {
            xml.rfc1123("DeletedTime", time);
            xml.number("RemainingRetentionDays", u64::from(days));
        }
        xml.close("Properties");
        if let Some(metadata) = item.metadata {
            write_metadata(xml, metadata);
        }
        xml.close("Container");
    }

    /// Ends the result; `next_marker` is `None` when there is no more.
    pub fn finish(mut self, next_marker: Option<&str>) -> String {
        self.xml.close("Containers");
        self.xml.element("NextMarker", next_marker.unwrap_or_default());
        self.xml.close("EnumerationResults");
        self.xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::parse_http_date;

    #[test]
    fn a_listing_has_the_recorded_form() {
        let head = ContainerListHead {
            service_endpoint: "https://a.blob.core.windows.net/",
            prefix: Some("c"),
            marker: None,
            max_results: Some(1),
        };
        let metadata = [("key", "val")];
        let item = ContainerItem {
            name: "c1",
            version: None,
            deleted: false,
            last_modified: parse_http_date("Tue, 03 Dec 2019 05:06:26 GMT").unwrap(),
            etag: &"\"0x8D777AE8CB6FF8B\"",
            lease_status: "unlocked",
            lease_state: "available",
            lease_duration: None,
            public_access: None,
            has_immutability_policy: false,
            has_legal_hold: false,
            immutable_versions: false,
            default_encryption_scope: "$account-encryption-key",
            deny_encryption_scope_override: false,
            deletion: None,
            metadata: Some(&metadata.to_vec()),
        };
        let mut list = ContainerListWriter::new(ApiVersion::NEWEST, &head, 1);
        list.container(&item);
        assert_eq!(
            list.finish(Some("/a/c2")),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <EnumerationResults ServiceEndpoint=\"https://a.blob.core.windows.net/\">\
             <Prefix>c</Prefix><MaxResults>1</MaxResults><Containers><Container><Name>c1</Name>\
             <Properties><Last-Modified>Tue, 03 Dec 2019 05:06:26 GMT</Last-Modified>\
             <Etag>\"0x8D777AE8CB6FF8B\"</Etag><LeaseStatus>unlocked</LeaseStatus>\
             <LeaseState>available</LeaseState>\
             <DefaultEncryptionScope>$account-encryption-key</DefaultEncryptionScope>\
             <DenyEncryptionScopeOverride>false</DenyEncryptionScopeOverride>\
             <HasImmutabilityPolicy>false</HasImmutabilityPolicy>\
             <HasLegalHold>false</HasLegalHold>\
             <ImmutableStorageWithVersioningEnabled>false</ImmutableStorageWithVersioningEnabled>\
             </Properties><Metadata><key>val</key></Metadata></Container></Containers>\
             <NextMarker>/a/c2</NextMarker></EnumerationResults>"
        );
    }

    #[test]
    fn what_only_some_containers_have() {
        let head = ContainerListHead {
            service_endpoint: "http://h/",
            prefix: None,
            marker: None,
            max_results: None,
        };
        let none: Vec<(String, String)> = Vec::new();
        let mut list = ContainerListWriter::new(ApiVersion::NEWEST, &head, 1);
        list.container(&ContainerItem {
            name: "c",
            version: Some("01D6"),
            deleted: true,
            last_modified: Timestamp::from_unix_seconds(0),
            etag: &"\"0x8D\"",
            lease_status: "locked",
            lease_state: "leased",
            lease_duration: Some("infinite"),
            public_access: Some("blob"),
            has_immutability_policy: true,
            has_legal_hold: true,
            immutable_versions: true,
            default_encryption_scope: "s",
            deny_encryption_scope_override: true,
            deletion: Some((Timestamp::from_unix_seconds(1), 6)),
            metadata: Some(&none),
        });
        let xml = list.finish(None);
        for part in [
            "<Name>c</Name><Version>01D6</Version><Deleted>true</Deleted><Properties>",
            "<LeaseDuration>infinite</LeaseDuration><PublicAccess>blob</PublicAccess>",
            "<DeletedTime>Thu, 01 Jan 1970 00:00:01 GMT</DeletedTime>\
             <RemainingRetentionDays>6</RemainingRetentionDays></Properties><Metadata />",
            "<NextMarker /></EnumerationResults>",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
    }
}
