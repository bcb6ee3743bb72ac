//! Who holds a message: what receipts are good for, and for how long.

use crate::harness::{Got, Queues, call, encoded, held, message, put};

/// Update Message, and the message as its holder knows it afterwards.
fn update(queues: &Queues, got: &Got, (hidden, text): (u32, Option<&str>)) -> Got {
    let query = format!("&visibilitytimeout={hidden}");
    let call = held("PUT", got, &query).body(text.map(message).unwrap_or_default());
    let answer = queues.send(&call).is(204);
    assert_eq!(answer.text(), "");
    answer.has("x-ms-time-next-visible", &queues.date(hidden.into()));
    Got { receipt: encoded(&answer.header("x-ms-popreceipt")), ..got.clone() }
}

#[test]
fn an_update_makes_another_receipt() {
    let queues = Queues::with_queue();
    queues.send(&put("", "a")).is(201);
    let got = queues.get("").pop().unwrap();
    let updated = update(&queues, &got, (100, Some("b")));
    assert_ne!(updated.receipt, got.receipt);
    queues.send(&held("PUT", &got, "&visibilitytimeout=0")).refused(404, "MessageNotFound");
    queues.send(&held("DELETE", &got, "")).refused(404, "MessageNotFound");
    queues.pass(99);
    assert_eq!(queues.get(""), []);
    let updated = update(&queues, &updated, (0, None));
    assert_eq!(queues.peek(), ["b"]);
    let again = queues.get("").pop().unwrap();
    assert_eq!((again.dequeued.as_str(), again.text.as_str()), ("2", "b"));
    queues.send(&held("DELETE", &updated, "")).refused(404, "MessageNotFound");
    queues.send(&held("DELETE", &again, "")).is(204);
    queues.send(&held("DELETE", &again, "")).refused(404, "MessageNotFound");
    assert_eq!(queues.count(), "0");
}

#[test]
fn who_put_a_message_holds_it_until_it_is_got() {
    let queues = Queues::with_queue();
    let first = queues.send(&put("", "a")).is(201).message();
    let first = update(&queues, &first, (0, Some("b")));
    assert_eq!(queues.peek(), ["b"]);
    queues.send(&held("DELETE", &first, "")).is(204);
    let second = queues.send(&put("", "c")).is(201).message();
    assert_eq!(queues.get("").len(), 1);
    queues.send(&held("DELETE", &second, "")).refused(404, "MessageNotFound");
}

#[test]
fn a_receipt_outlives_the_time_a_message_is_hidden() {
    let queues = Queues::with_queue();
    queues.send(&put("", "a")).is(201);
    let got = queues.get("&visibilitytimeout=5").pop().unwrap();
    queues.pass(3600);
    assert_eq!(queues.peek(), ["a"]);
    queues.send(&held("DELETE", &got, "")).is(204);
    assert_eq!(queues.peek().len(), 0);
}

#[test]
fn an_update_is_held_to_the_time_a_message_is_kept() {
    let queues = Queues::with_queue();
    queues.send(&put("?messagettl=100", "a")).is(201);
    let got = queues.get("").pop().unwrap();
    let long = held("PUT", &got, "&visibilitytimeout=101");
    queues.send(&long).refused(400, "InvalidQueryParameterValue");
    update(&queues, &got, (99, None));
    queues.send(&put("?messagettl=-1", "b")).is(201);
    let got = queues.get("").pop().unwrap();
    update(&queues, &got, (604_800, None));
}

#[test]
fn what_updates_and_deletes_must_say() {
    let queues = Queues::with_queue();
    let got = queues.send(&put("", "a")).is(201).message();
    let at = |id: &str, query: &str| format!("/things/messages/{id}?{query}");
    let of = |query: &str| at(&got.id, query);
    let receipt = format!("popreceipt={}", got.receipt);
    for (method, target, status, code) in [
        ("DELETE", of(""), 400, "MissingRequiredQueryParameter"),
        ("DELETE", of("popreceipt="), 400, "MissingRequiredQueryParameter"),
        ("DELETE", of("popreceipt=junk"), 400, "InvalidQueryParameterValue"),
        ("DELETE", at("junk", &receipt), 404, "MessageNotFound"),
        ("DELETE", of("popreceipt=AAAAAAAAAAAAAAAAAAAA"), 404, "MessageNotFound"),
        ("PUT", of(&receipt), 400, "MissingRequiredQueryParameter"),
        ("PUT", of("visibilitytimeout=1"), 400, "MissingRequiredQueryParameter"),
        (
            "PUT",
            of(&format!("{receipt}&visibilitytimeout=-1")),
            400,
            "OutOfRangeQueryParameterValue",
        ),
        (
            "PUT",
            of(&format!("{receipt}&visibilitytimeout=604801")),
            400,
            "OutOfRangeQueryParameterValue",
        ),
        ("PUT", of(&format!("{receipt}&visibilitytimeout=x")), 400, "InvalidQueryParameterValue"),
        ("PUT", at("junk", &format!("{receipt}&visibilitytimeout=1")), 404, "MessageNotFound"),
    ] {
        queues.send(&call(method, &target)).refused(status, code);
    }
    let missing = queues.send(&call("DELETE", &of("")));
    missing.says("<QueryParameterName>popreceipt</QueryParameterName>");
    // Of another message of the same queue.
    let other = queues.send(&put("", "b")).is(201).message();
    let crossed = Got { receipt: other.receipt, ..got.clone() };
    queues.send(&held("DELETE", &crossed, "")).refused(404, "MessageNotFound");
    let old = held("PUT", &got, "&visibilitytimeout=0").version("2009-09-19");
    queues.send(&old).refused(405, "UnsupportedHttpVerb");
    for body in ["<QueueMessage/>", "<x", "text"] {
        let answer = queues.send(&held("PUT", &got, "&visibilitytimeout=0").body(body));
        assert!(answer.header("x-ms-error-code").contains("Xml"), "{answer}");
    }
    let long = message(&"x".repeat(64 * 1024 + 1));
    let answer = queues.send(&held("PUT", &got, "&visibilitytimeout=0").body(long));
    answer.refused(413, "RequestBodyTooLarge").says("<MaxLimit>65536</MaxLimit>");
    assert_eq!(queues.peek(), ["a", "b"]);
    queues.send(&held("DELETE", &got, "")).is(204);
}

#[test]
fn a_receipt_with_an_unencoded_plus_is_understood() {
    let queues = Queues::with_queue();
    loop {
        queues.send(&put("?messagettl=-1", "a")).is(201);
        let mut got = queues.get("&visibilitytimeout=300").pop().unwrap();
        queues.pass(7);
        if got.receipt.contains("%2B") {
            got.receipt = got.receipt.replace("%2B", "+");
            queues.send(&held("DELETE", &got, "")).is(204);
            return;
        }
        queues.send(&held("DELETE", &got, "")).is(204);
    }
}
