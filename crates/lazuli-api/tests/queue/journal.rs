//! What the journal is told: an entry for each change, with what commits to a message's text, and
//! never the text; reads, too. Whatever changed something has a receipt.

use lazuli_api::operations::QUEUE;
use lazuli_store::journal::{Group, Kind};

use crate::harness::{Call, Queues, call, get, held, message, put, send};
use crate::scribe::receipt;

/// Sends a call that has one entry, and checks it: its name, kind and object, and the receipt.
#[track_caller]
fn check(queues: &Queues, call: &Call, (op, kind): (&str, Kind), object: &str) {
    let before = queues.logged();
    let answer = queues.send(call);
    assert_eq!(answer.header("x-ms-error-code"), "", "{answer}");
    let entries = queues.entries(before);
    let [entry] = &entries[..] else { panic!("{op}: {entries:?}") };
    assert_eq!((entry.op(), entry.kind()), (op, kind));
    let declared = QUEUE.iter().find(|known| known.spec.name == op).unwrap();
    // To get nothing is no change, although to get is one.
    let reads = kind == Kind::Read && op != "GetMessages";
    assert_eq!(declared.spec.is_read(), reads, "{op}");
    assert_eq!(entry.group(Group::Object), object, "{op}");
    assert!(!entry.bytes().windows(8).any(|bytes| bytes == b"hushhush"), "{op}");
    let proof = if kind == Kind::Read { String::new() } else { receipt(before) };
    answer.has("x-lz-receipt", &proof);
    let content = entry.group(Group::Content);
    let brings = matches!(op, "PutMessage" | "UpdateMessage");
    assert_eq!(content.starts_with("[\"sha256\", h'"), brings, "{op}: {content}");
}

#[test]
fn every_request_has_one_entry() {
    let queues = Queues::new();
    // The first commit enters the start of the server, too.
    queues.send(&call("PUT", "/others")).is(201);
    let acl = send("PUT", "/things?comp=acl", "<SignedIdentifiers/>");
    let whole = r#"["things", null, null]"#;
    let properties = send(
        "PUT",
        "/?restype=service&comp=properties",
        "<StorageServiceProperties><Cors/></StorageServiceProperties>",
    );
    let read = get("/?restype=service&comp=properties");
    let peek = get("/things/messages?peekonly=true");
    for (call, op, kind, named) in [
        (call("PUT", "/things"), "CreateQueue", Kind::Control, whole),
        (call("PUT", "/things"), "CreateQueue", Kind::Control, whole),
        (call("PUT", "/things?comp=metadata"), "SetQueueMetadata", Kind::Control, whole),
        (get("/things?comp=metadata"), "GetQueueMetadata", Kind::Read, whole),
        (acl, "SetQueueAcl", Kind::Control, whole),
        (get("/things?comp=acl"), "GetQueueAcl", Kind::Read, whole),
        (properties, "SetQueueServiceProperties", Kind::Control, "null"),
        (read, "GetQueueServiceProperties", Kind::Read, "null"),
        (get("/?comp=list"), "ListQueues", Kind::Read, "null"),
        (peek, "PeekMessages", Kind::Read, whole),
        (call("DELETE", "/things/messages"), "ClearMessages", Kind::Delete, whole),
        (call("DELETE", "/things"), "DeleteQueue", Kind::Delete, whole),
    ] {
        check(&queues, &call, (op, kind), named);
    }
}

#[test]
fn a_message_is_named_by_its_identifier() {
    let queues = Queues::with_queue();
    let before = queues.logged();
    let own = queues.send(&put("", "hushhush")).is(201);
    own.has("x-lz-receipt", &receipt(before));
    let object = format!("[\"things\", {:?}, null]", own.message().id);
    let [entry] = &queues.entries(before)[..] else { panic!("one entry") };
    assert_eq!((entry.op(), entry.kind()), ("PutMessage", Kind::Write));
    assert_eq!(entry.group(Group::Object), object);
    // The SHA-256 of the text: whoever has the text can check it.
    let digest = "a8e67a32ba7f6278e608b8cd400cd55f780706771c5483754d0246bd6bf20ecb";
    assert_eq!(entry.group(Group::Content), format!("[\"sha256\", h'{digest}']"));
    let call = held("PUT", &own.message(), "&visibilitytimeout=0").body(message("hushhush"));
    check(&queues, &call, ("UpdateMessage", Kind::Write), &object);
    let got = queues.send(&get("/things/messages")).is(200).message();
    check(&queues, &held("DELETE", &got, ""), ("DeleteMessage", Kind::Delete), &object);
}

#[test]
fn getting_is_a_write_if_there_is_something_to_get() {
    let queues = Queues::with_queue();
    let whole = r#"["things", null, null]"#;
    let take = get("/things/messages?numofmessages=32");
    check(&queues, &take, ("GetMessages", Kind::Read), whole);
    queues.send(&put("", "hushhush")).is(201);
    queues.send(&put("", "hushhush")).is(201);
    check(&queues, &take, ("GetMessages", Kind::Write), whole);
    check(&queues, &take, ("GetMessages", Kind::Read), whole);
    let before = queues.logged();
    let asks = take.header("x-lz-receipt", "1");
    queues.send(&asks).is(200).has("x-lz-receipt", &receipt(before));
    assert_eq!(queues.entries(before).len(), 1);
}

#[test]
fn refused_requests_have_an_entry_with_their_error() {
    let queues = Queues::with_queue();
    for (call, op, error) in [
        (call("PUT", "/things").header("x-ms-meta-a", "b"), "CreateQueue", "QueueAlreadyExists"),
        (get("/others/messages"), "GetMessages", "QueueNotFound"),
        (call("DELETE", "/things/messages/x"), "DeleteMessage", "MissingRequiredQueryParameter"),
    ] {
        let before = queues.logged();
        queues.send(&call).has("x-ms-error-code", error);
        let entries = queues.entries(before);
        let [entry] = &entries[..] else { panic!("{op}: {entries:?}") };
        assert_eq!(entry.op(), op);
        assert!(entry.bytes().windows(error.len()).any(|bytes| bytes == error.as_bytes()), "{op}");
    }
}
