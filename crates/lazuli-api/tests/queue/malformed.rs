//! What nobody should send: Azure's codes for it, and nothing stored.

use crate::harness::{Queues, call, get, message, put, send};

#[test]
fn bad_messages_are_refused_and_not_stored() {
    let queues = Queues::with_queue();
    let entities = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;\">]>";
    for (body, code) in [
        (String::new(), "InvalidXmlDocument"),
        ("text".to_owned(), "InvalidXmlDocument"),
        ("<QueueMessage>".to_owned(), "InvalidXmlDocument"),
        ("<QueueMessage></QueueMessage>".to_owned(), "MissingRequiredXmlNode"),
        ("<QueueMessage><Text/></QueueMessage>".to_owned(), "UnsupportedXmlNode"),
        ("<Message><MessageText/></Message>".to_owned(), "InvalidXmlDocument"),
        (message("a") + &message("b"), "InvalidXmlDocument"),
        (message("<b/>"), "InvalidXmlDocument"),
        (message("&b;"), "InvalidXmlDocument"),
        (message("&#0;"), "InvalidXmlDocument"),
        (message("&#x110000;"), "InvalidXmlDocument"),
        (message("a\u{1}"), "InvalidXmlDocument"),
        (message("a\u{ffff}"), "InvalidXmlDocument"),
        (format!("{entities}{}", message("&c;")), "InvalidXmlDocument"),
        ("<a>".repeat(40_000), "InvalidXmlDocument"),
    ] {
        let answer = queues.send(&send("POST", "/things/messages", &body));
        answer.refused(400, code);
    }
    let unannounced = put("", "").unannounced();
    queues.send(&unannounced).refused(411, "MissingContentLengthHeader");
    let bytes = b"<QueueMessage><MessageText>\xff</MessageText></QueueMessage>";
    queues.send(&send("POST", "/things/messages", bytes)).refused(400, "InvalidXmlDocument");
    assert_eq!(queues.count(), "0");
}

#[test]
fn settings_that_queues_do_not_have_are_refused() {
    let queues = Queues::with_queue();
    for setting in [
        "<DefaultServiceVersion>2023-11-03</DefaultServiceVersion>",
        "<StaticWebsite><Enabled>true</Enabled></StaticWebsite>",
        "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>3</Days></DeleteRetentionPolicy>",
    ] {
        let body = format!("<StorageServiceProperties>{setting}</StorageServiceProperties>");
        let set = send("PUT", "/?restype=service&comp=properties", &body);
        queues.send(&set).refused(400, "UnsupportedXmlNode");
    }
}

#[test]
fn addresses_of_nothing_are_refused() {
    let queues = Queues::with_queue();
    for target in [
        "/things/message",
        "/things/Messages",
        "/things/messages/a/b",
        "/things/messages/a/",
        "/things//",
        "//messages",
        "/things/%ff",
    ] {
        queues.send(&get(target)).refused(400, "InvalidUri");
    }
    let nobody = get("/things?comp=metadata").host("nobody.queue.core.windows.net");
    queues.send(&nobody).refused(404, "ResourceNotFound");
}

#[test]
fn methods_and_parameters_nobody_knows_are_refused() {
    let queues = Queues::with_queue();
    for (method, target) in [
        ("GET", "/things"),
        ("POST", "/things"),
        ("DELETE", "/things?comp=metadata"),
        ("DELETE", "/things?comp=acl"),
        ("PUT", "/things/messages"),
        ("HEAD", "/things/messages"),
        ("PATCH", "/things/messages"),
        ("GET", "/things/messages/a?popreceipt=b"),
        ("POST", "/things/messages/a?popreceipt=b"),
        ("DELETE", "/?restype=service&comp=properties"),
        ("PUT", "/?comp=list"),
    ] {
        let answer = queues.send(&call(method, target));
        answer.has("x-ms-error-code", "UnsupportedHttpVerb");
        assert_ne!(answer.header("allow"), "", "{answer}");
    }
    for (method, target) in [
        ("GET", "/things?comp=lease"),
        ("PUT", "/things?comp=lease"),
        ("DELETE", "/things?comp=lease"),
        ("GET", "/things/messages?comp=list"),
        ("POST", "/things/messages?comp=list"),
        ("DELETE", "/things/messages?comp=list"),
        ("PUT", "/things/messages/a?comp=list"),
        ("GET", "/?comp=tables"),
        ("GET", "/"),
    ] {
        queues.send(&call(method, target)).refused(400, "InvalidQueryParameterValue");
    }
    let unknown = call("FETCH", "/things");
    queues.send(&unknown).refused(400, "InvalidHttpVerb");
    // What is not known and not asked for does not matter.
    queues.send(&put("?what=ever", "a")).is(201);
    assert_eq!(queues.peek(), ["a"]);
}
