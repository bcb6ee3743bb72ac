//! The result of Find Blobs by Tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags>

use lazuli_base::Timestamp;

use super::{Pairs, write_tags};
use crate::xml::XmlWriter;

/// One blob that was found.
#[derive(Clone, Copy)]
pub struct FilterItem<'a> {
    /// The blob's name.
    pub name: &'a str,
    /// The name of its container.
    pub container: &'a str,
    /// Those of its tags that the expression names.
    pub tags: &'a dyn Pairs,
    /// The version's time and whether it is the current one, where versioning is on.
    pub version: Option<(Timestamp, bool)>,
}

/// The result of Find Blobs by Tags in the making.
pub struct FilterWriter {
    xml: XmlWriter,
}

impl FilterWriter {
    /// Begins a result; `service_endpoint` is the account's URL with a slash at its end.
    pub fn new(service_endpoint: &str, expression: &str) -> Self {
        let mut xml = XmlWriter::document(4 * 1024);
        xml.open_with("EnumerationResults", &[("ServiceEndpoint", service_endpoint)]);
        xml.element("Where", expression);
        xml.open("Blobs");
        Self { xml }
    }

    /// Adds a blob.
    pub fn blob(&mut self, item: &FilterItem<'_>) {
        let xml = &mut self.xml;
        xml.open("Blob");
        xml.name("Name", item.name);
        xml.element("ContainerName", item.container);
        write_tags(xml, item.tags);
        if let Some((version_id, is_current)) = item.version {
            xml.iso7("VersionId", version_id);
            if is_current {
                xml.element("IsCurrentVersion", "true");
            }
        }
        xml.close("Blob");
    }

    /// Ends the result; `next_marker` is `None` when there is no more.
    pub fn finish(mut self, next_marker: Option<&str>) -> String {
        self.xml.close("Blobs");
        self.xml.element("NextMarker", next_marker.unwrap_or_default());
        self.xml.close("EnumerationResults");
        self.xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_expression_and_what_matched() {
        let mut found = FilterWriter::new("http://h/a/", "\"k\" > '1'");
        let tags = vec![("k", "2")];
        let version = Some((Timestamp::from_ticks(1), true));
        found.blob(&FilterItem { name: "b", container: "c", tags: &tags, version });
        assert_eq!(
            found.finish(None),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <EnumerationResults ServiceEndpoint=\"http://h/a/\">\
             <Where>&quot;k&quot; &gt; '1'</Where>\
             <Blobs><Blob><Name>b</Name><ContainerName>c</ContainerName><Tags><TagSet><Tag>\
             <Key>k</Key><Value>2</Value></Tag></TagSet></Tags>\
             <VersionId>0001-01-01T00:00:00.0000001Z</VersionId>\
             <IsCurrentVersion>true</IsCurrentVersion>\
             </Blob></Blobs><NextMarker /></EnumerationResults>"
        );
    }
}
