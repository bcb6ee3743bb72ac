//! The result of Get Blob Service Stats.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob-service-stats>

use lazuli_base::Timestamp;

use crate::xml::XmlWriter;

/// Writes the state of replication: `live`, `bootstrap` or `unavailable`, and up to when every
/// write is at the secondary location.
pub fn write(status: &str, last_sync: Option<Timestamp>) -> String {
    let mut xml = XmlWriter::document(256);
    xml.open("StorageServiceStats");
    xml.open("GeoReplication");
    xml.element("Status", status);
    match last_sync {
        Some(at) => xml.rfc1123("LastSyncTime", at),
        None => xml.empty("LastSyncTime"),
    }
    xml.close("GeoReplication");
    xml.close("StorageServiceStats");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_status_and_time() {
        assert_eq!(
            write("live", Some(Timestamp::from_unix_seconds(0))),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceStats><GeoReplication>\
             <Status>live</Status><LastSyncTime>Thu, 01 Jan 1970 00:00:00 GMT</LastSyncTime>\
             </GeoReplication></StorageServiceStats>"
        );
        assert!(write("unavailable", None).contains("<LastSyncTime />"));
    }
}
