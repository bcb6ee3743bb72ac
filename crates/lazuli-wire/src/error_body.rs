//! The bodies of errors: XML, JSON for Data Lake, OData JSON for tables.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2>
//!
//! The message ends with the request's id and the time, as clients print it.

use std::fmt::Write as _;

use lazuli_base::Timestamp;
use lazuli_model::Refusal;

use crate::date::push_iso7;
use crate::xml::XmlWriter;

/// `Content-Type` of [`xml`].
pub const XML_CONTENT_TYPE: &str = "application/xml";
/// `Content-Type` of [`dfs_json`].
pub const DFS_CONTENT_TYPE: &str = "application/json;charset=utf-8";

/// The body of a Blob or Queue error, details included.
pub fn xml(refusal: &Refusal, request_id: &str, now: Timestamp) -> String {
    let mut xml = XmlWriter::document(512);
    xml.open("Error");
    xml.element("Code", refusal.code().name());
    xml.element("Message", &message(refusal, request_id, now));
    for (name, text) in refusal.details() {
        xml.element(name, text);
    }
    xml.close("Error");
    xml.finish()
}

/// The body of a Data Lake error.
pub fn dfs_json(refusal: &Refusal, request_id: &str, now: Timestamp) -> String {
    let mut out = String::with_capacity(512);
    out.push_str("{\"error\":{\"code\":");
    push_json(&mut out, refusal.code().name());
    out.push_str(",\"message\":");
    push_json(&mut out, &message(refusal, request_id, now));
    out.push_str("}}");
    out
}

/// The body of a Table error.
pub fn odata_json(refusal: &Refusal, request_id: &str, now: Timestamp) -> String {
    let mut out = String::with_capacity(512);
    out.push_str("{\"odata.error\":{\"code\":");
    push_json(&mut out, refusal.code().name());
    out.push_str(",\"message\":{\"lang\":\"en-US\",\"value\":");
    push_json(&mut out, &message(refusal, request_id, now));
    out.push_str("}}}");
    out
}

/// The body of a Table error for a client that asks for Atom.
pub fn odata_xml(refusal: &Refusal, request_id: &str, now: Timestamp) -> String {
    const NAMESPACE: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata";
    let mut xml = XmlWriter::document(512);
    xml.open_with("error", &[("xmlns", NAMESPACE)]);
    xml.element("code", refusal.code().name());
    xml.open_with("message", &[("xml:lang", "en-US")]);
    xml.text(&message(refusal, request_id, now));
    xml.close("message");
    xml.close("error");
    xml.finish()
}

fn message(refusal: &Refusal, request_id: &str, now: Timestamp) -> String {
    let mut text = format!("{}\nRequestId:{request_id}\nTime:", refusal.message());
    push_iso7(&mut text, now);
    text
}

/// Appends `text` as a JSON string (RFC 8259).
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::parse_iso;
    use lazuli_model::ErrorCode;

    fn now() -> Timestamp {
        parse_iso("2024-05-06T07:08:09.1234567Z").unwrap()
    }

    #[test]
    fn xml_has_the_details_after_the_message() {
        let refusal = Refusal::header_value("x-ms-range", "a<b\u{1}").with_cause("secret");
        assert_eq!(
            xml(&refusal, "id-1", now()),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>InvalidHeaderValue</Code>\
             <Message>\
             The value provided for one of the HTTP headers was not in the correct format.\n\
             RequestId:id-1\nTime:2024-05-06T07:08:09.1234567Z</Message>\
             <HeaderName>x-ms-range</HeaderName><HeaderValue>a&lt;b\u{fffd}</HeaderValue></Error>"
        );
    }

    #[test]
    fn json_forms() {
        let refusal = Refusal::new(ErrorCode::InvalidInput).with_message("a \"b\"\t\\");
        assert_eq!(
            dfs_json(&refusal, "i", now()),
            "{\"error\":{\"code\":\"InvalidInput\",\"message\":\"a \\\"b\\\"\\u0009\\\\\\n\
             RequestId:i\\nTime:2024-05-06T07:08:09.1234567Z\"}}"
        );
        assert_eq!(
            odata_json(&refusal, "i", now()),
            "{\"odata.error\":{\"code\":\"InvalidInput\",\"message\":{\"lang\":\"en-US\",\"value\":\
             \"a \\\"b\\\"\\u0009\\\\\\nRequestId:i\\nTime:2024-05-06T07:08:09.1234567Z\"}}}"
        );
    }
}
