//! Tests of the result of List Blobs against what the service was recorded to answer.

use super::*;
use crate::date::{parse_http_date, parse_iso7};
use crate::xml::{XmlLimits, XmlReader};
use proptest::prelude::*;

const NEWEST: ApiVersion = ApiVersion::NEWEST;
const ETAG: &str = "\"0x8D8B1CDE437FF72\"";

const HEAD: BlobListHead<'_> = BlobListHead {
    service_endpoint: "https://a.blob.core.windows.net/",
    container: "c",
    prefix: None,
    marker: None,
    max_results: None,
    delimiter: None,
};

fn blob(name: &str) -> BlobItem<'_> {
    let time = parse_http_date("Tue, 05 Jan 2021 23:01:52 GMT");
    BlobItem {
        name,
        properties: BlobProperties {
            creation_time: time,
            last_modified: time,
            etag: Some(&ETAG),
            content_length: 11,
            content_type: Some("application/octet-stream"),
            content_md5: Some(crate::md5::checksum(b"Hello World")),
            blob_type: "BlockBlob",
            access_tier: Some("Cool"),
            access_tier_inferred: true,
            lease_status: Some("unlocked"),
            lease_state: Some("available"),
            ..BlobProperties::default()
        },
        ..BlobItem::default()
    }
}

fn list(version: ApiVersion, item: &BlobItem<'_>) -> String {
    let mut list = BlobListWriter::new(version, &HEAD, 1);
    list.blob(item);
    list.finish(None)
}

#[test]
fn a_blob_has_the_recorded_form() {
    assert_eq!(
        list(ApiVersion::new(2020, 4, 8), &blob("b")),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
         ServiceEndpoint=\"https://a.blob.core.windows.net/\" ContainerName=\"c\">\
         <Blobs><Blob><Name>b</Name><Properties>\
         <Creation-Time>Tue, 05 Jan 2021 23:01:52 GMT</Creation-Time>\
         <Last-Modified>Tue, 05 Jan 2021 23:01:52 GMT</Last-Modified>\
         <Etag>0x8D8B1CDE437FF72</Etag><Content-Length>11</Content-Length>\
         <Content-Type>application/octet-stream</Content-Type><Content-Encoding />\
         <Content-Language /><Content-CRC64 /><Content-MD5>sQqNsWTgdUEFt6mb5y4/5Q==</Content-MD5>\
         <Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType>\
         <AccessTier>Cool</AccessTier><AccessTierInferred>true</AccessTierInferred>\
         <LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>\
         <ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob></Blobs>\
         <NextMarker /></EnumerationResults>"
    );
}

#[test]
fn older_versions_know_less() {
    let old = list(ApiVersion::new(2018, 11, 9), &blob("b"));
    assert!(!old.contains("Content-CRC64") && !old.contains("OrMetadata"));
}

#[test]
fn the_request_is_echoed_as_far_as_it_was_sent() {
    let head = BlobListHead {
        prefix: Some(""),
        marker: Some("m"),
        max_results: Some(2),
        delimiter: Some("/"),
        ..HEAD
    };
    let mut list = BlobListWriter::new(NEWEST, &head, 0);
    list.prefix("a&b/");
    assert_eq!(
        list.finish(Some("next")).split_once("ContainerName").unwrap().1,
        "=\"c\"><Prefix /><Marker>m</Marker><MaxResults>2</MaxResults><Delimiter>/</Delimiter>\
         <Blobs><BlobPrefix><Name>a&amp;b/</Name></BlobPrefix></Blobs><NextMarker>next</NextMarker>\
         </EnumerationResults>"
    );
}

#[test]
fn snapshots_versions_copies_metadata_and_tags() {
    let time = parse_iso7("2020-06-15T02:17:03.6740094Z");
    let mut item = blob("b");
    item.snapshot = time;
    item.version_id = time;
    item.is_current_version = true;
    item.deleted = true;
    item.has_versions_only = true;
    let metadata = vec![("m_1", "v&"), ("bad name", "v")];
    let tags = vec![("k", "")];
    item.metadata = Some(&metadata);
    item.tags = Some(&tags);
    item.properties.lease_duration = Some("fixed");
    item.properties.tag_count = 1;
    item.properties.copy = Some(CopyProperties {
        id: "i",
        source: "http://h/?a&b",
        status: "success",
        progress: "1/1",
        completion_time: time,
        status_description: None,
        incremental: true,
        destination_snapshot: None,
    });
    let xml = list(NEWEST, &item);
    for part in [
        "<Snapshot>2020-06-15T02:17:03.6740094Z</Snapshot>\
         <VersionId>2020-06-15T02:17:03.6740094Z</VersionId>\
         <IsCurrentVersion>true</IsCurrentVersion><Deleted>true</Deleted><Properties>",
        "<LeaseDuration>fixed</LeaseDuration><CopyId>i</CopyId>\
         <CopySource>http://h/?a&amp;b</CopySource><CopyStatus>success</CopyStatus>\
         <CopyProgress>1/1</CopyProgress>\
         <CopyCompletionTime>Mon, 15 Jun 2020 02:17:03 GMT</CopyCompletionTime>\
         <IncrementalCopy>true</IncrementalCopy><ServerEncrypted>true</ServerEncrypted>\
         <TagCount>1</TagCount></Properties>",
        "<Metadata><m_1>v&amp;</m_1><x-ms-invalid-name>bad name</x-ms-invalid-name></Metadata>\
         <Tags><TagSet><Tag><Key>k</Key><Value /></Tag></TagSet></Tags>\
         <OrMetadata /><HasVersionsOnly>true</HasVersionsOnly></Blob>",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
}

#[test]
fn an_uncommitted_blob_has_no_content_headers() {
    let item = BlobItem {
        name: "b",
        properties: BlobProperties { blob_type: "BlockBlob", ..BlobProperties::default() },
        ..BlobItem::default()
    };
    assert!(list(NEWEST, &item).contains(
        "<Properties><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>\
         <ServerEncrypted>true</ServerEncrypted></Properties>"
    ));
}

#[test]
fn names_xml_cannot_hold_are_encoded_from_their_version_on() {
    let new = list(ApiVersion::new(2021, 2, 12), &blob("a\u{ffff}/%"));
    assert!(new.contains("<Name Encoded=\"true\">a%EF%BF%BF/%25</Name>"), "{new}");
    let old = list(ApiVersion::new(2020, 12, 6), &blob("a\u{ffff}/%"));
    assert!(old.contains("<Name>a&#xFFFF;/%</Name>"), "{old}");
}

proptest! {
    /// What a client reads as the name is the name, whatever it holds.
    #[test]
    fn every_name_can_be_read_back(name in any::<String>()) {
        let xml = list(NEWEST, &blob(&name));
        let encoded = xml.contains("Encoded");
        let limits = XmlLimits { elements_max: 100, text_bytes_max: usize::MAX };
        let mut xml = XmlReader::open(xml.as_bytes(), "EnumerationResults", limits).unwrap();
        prop_assert_eq!(xml.child(&["Blobs"]), Ok(Some("Blobs")));
        prop_assert_eq!(xml.child(&["Blob"]), Ok(Some("Blob")));
        prop_assert_eq!(xml.child(&["Name"]), Ok(Some("Name")));
        let text = xml.text("Name").unwrap();
        if encoded {
            prop_assert_eq!(&*crate::percent::decode_path(&text).unwrap(), &*name);
        } else {
            prop_assert_eq!(text, name);
        }
    }
}
