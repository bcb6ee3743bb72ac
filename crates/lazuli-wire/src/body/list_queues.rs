//! The result of List Queues: written item by item, straight from borrowed fields.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-queues1>

use super::{Pairs, write_metadata};
use crate::xml::XmlWriter;

/// Bytes one item takes, about.
const ITEM_BYTES: usize = 100;

/// What the result says before its items: echoes of what was asked, as far as it was asked.
#[derive(Clone, Copy, Debug)]
pub struct QueueListHead<'a> {
    /// The account's URL with a slash at its end.
    pub service_endpoint: &'a str,
    /// `prefix`, if it was sent.
    pub prefix: Option<&'a str>,
    /// `marker`, if it was sent.
    pub marker: Option<&'a str>,
    /// `maxresults`, if it was sent.
    pub max_results: Option<u32>,
}

/// The result of List Queues in the making.
#[derive(Debug)]
pub struct QueueListWriter {
    xml: XmlWriter,
}

impl QueueListWriter {
    /// Begins a result of about `items` items.
    pub fn new(head: &QueueListHead<'_>, items: usize) -> Self {
        let mut xml = XmlWriter::document(512 + items * ITEM_BYTES);
        xml.open_with("EnumerationResults", &[("ServiceEndpoint", head.service_endpoint)]);
        xml.optional("Prefix", head.prefix);
        xml.optional("Marker", head.marker);
        if let Some(max_results) = head.max_results {
            xml.number("MaxResults", u64::from(max_results));
        }
        xml.open("Queues");
        Self { xml }
    }

    /// Adds a queue, with its metadata if it was asked for.
    pub fn queue(&mut self, name: &str, metadata: Option<&dyn Pairs>) {
        self.xml.open("Queue");
        self.xml.element("Name", name);
        if let Some(metadata) = metadata {
            write_metadata(&mut self.xml, metadata);
        }
        self.xml.close("Queue");
    }

    /// Ends the result; `next_marker` is `None` when there is no more.
    pub fn finish(mut self, next_marker: Option<&str>) -> String {
        self.xml.close("Queues");
        self.xml.element("NextMarker", next_marker.unwrap_or_default());
        self.xml.close("EnumerationResults");
        self.xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_the_documented_form() {
        let head = QueueListHead {
            service_endpoint: "https://a.queue.core.windows.net/",
            prefix: Some("q"),
            marker: Some("m"),
            max_results: Some(2),
        };
        let mut list = QueueListWriter::new(&head, 2);
        list.queue("q1", Some(&vec![("key", "val")]));
        list.queue("q2", None);
        assert_eq!(
            list.finish(Some("n")),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <EnumerationResults ServiceEndpoint=\"https://a.queue.core.windows.net/\">\
             <Prefix>q</Prefix><Marker>m</Marker><MaxResults>2</MaxResults><Queues>\
             <Queue><Name>q1</Name><Metadata><key>val</key></Metadata></Queue>\
             <Queue><Name>q2</Name></Queue></Queues><NextMarker>n</NextMarker>\
             </EnumerationResults>"
        );
        let head = QueueListHead { prefix: None, marker: None, max_results: None, ..head };
        let empty = QueueListWriter::new(&head, 0).finish(None);
        assert!(empty.ends_with("/\"><Queues></Queues><NextMarker /></EnumerationResults>"));
    }
}
