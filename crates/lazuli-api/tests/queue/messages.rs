//! Messages: putting, getting, peeking and clearing them.

use crate::harness::{Queues, call, get, put};

#[test]
fn messages_are_got_in_the_order_they_came() {
    let queues = Queues::with_queue();
    for number in 0..40 {
        queues.send(&put("", &format!("m{number}"))).is(201);
    }
    assert_eq!(queues.count(), "40");
    let first = queues.send(&get("/things/messages")).is(200);
    assert_eq!(first.message().text, "m0");
    let got = queues.get("");
    let texts: Vec<String> = got.iter().map(|message| message.text.clone()).collect();
    let expected: Vec<String> = (1..33).map(|number| format!("m{number}")).collect();
    assert_eq!(texts, expected);
    assert_eq!(queues.get("").len(), 7);
    let none = queues.send(&get("/things/messages?numofmessages=32")).is(200);
    none.says("<QueueMessagesList />").has("content-type", "application/xml");
    // Hidden ones are counted, too.
    assert_eq!(queues.count(), "40");
}

#[test]
fn a_message_is_told_as_documented() {
    let queues = Queues::with_queue();
    let put = queues.send(&put("?messagettl=100&visibilitytimeout=0", "text")).is(201);
    put.has("content-type", "application/xml").hides("DequeueCount").hides("MessageText");
    let message = put.message();
    let (now, expiry) = (queues.date(0), queues.date(100));
    assert_eq!(put.elements("InsertionTime"), [now.as_str()]);
    assert_eq!(put.elements("ExpirationTime"), [expiry.as_str()]);
    assert_eq!(message.visible, now);
    queues.pass(5);
    let peek = queues.send(&get("/things/messages?peekonly=true")).is(200);
    peek.hides("PopReceipt").hides("TimeNextVisible");
    peek.says(&format!(
        "<QueueMessagesList><QueueMessage><MessageId>{}</MessageId><InsertionTime>{now}\
         </InsertionTime><ExpirationTime>{expiry}</ExpirationTime><DequeueCount>0</DequeueCount>\
         <MessageText>text</MessageText></QueueMessage></QueueMessagesList>",
        message.id
    ));
    let got = queues.send(&get("/things/messages")).is(200);
    let after = got.message();
    assert_eq!((&after.id, &*after.dequeued, &*after.text), (&message.id, "1", "text"));
    assert_eq!(after.visible, queues.date(30));
    assert_ne!(after.receipt, message.receipt);
    let (receipt, hidden) = (&got.elements("PopReceipt")[0], &after.visible);
    got.says(&format!(
        "<ExpirationTime>{expiry}</ExpirationTime><PopReceipt>{receipt}</PopReceipt>\
         <TimeNextVisible>{hidden}</TimeNextVisible><DequeueCount>1</DequeueCount><MessageText>"
    ));
}

#[test]
fn texts_come_back_as_they_were() {
    let queues = Queues::with_queue();
    for (sent, told) in [
        ("", None),
        ("zwei ü ✓ 😀", Some("zwei ü ✓ 😀")),
        ("&lt;a b=\"c\"&gt; &amp;amp; '", Some("&lt;a b=&quot;c&quot;&gt; &amp;amp; '")),
        (" a \n\t b ", Some(" a \n\t b ")),
        ("a&#13;&#10;b", Some("a&#xD;\nb")),
        ("<![CDATA[<a>]]>", Some("&lt;a&gt;")),
        ("&#x1F600;&#9;", Some("😀\t")),
    ] {
        queues.send(&put("", sent)).is(201);
        let answer = queues.send(&get("/things/messages")).is(200);
        match told {
            Some(told) => assert_eq!(answer.message().text, told, "{sent}"),
            None => _ = answer.says("<MessageText /></QueueMessage>"),
        }
    }
}

#[test]
fn peeking_leaves_messages_where_they_are() {
    let queues = Queues::with_queue();
    for number in 0..3 {
        queues.send(&put("", &format!("m{number}"))).is(201);
    }
    for _ in 0..2 {
        assert_eq!(queues.peek(), ["m0", "m1", "m2"]);
    }
    let one = queues.send(&get("/things/messages?peekonly=TRUE")).is(200);
    assert_eq!(one.elements("MessageText"), ["m0"]);
    queues.send(&get("/things/messages?peekonly=false")).is(200);
    assert_eq!(queues.peek(), ["m1", "m2"]);
    // What looks like a wish to peek takes nothing.
    for unclear in ["yes", "1"] {
        let target = format!("/things/messages?peekonly={unclear}");
        queues.send(&get(&target)).refused(400, "InvalidQueryParameterValue");
    }
    assert_eq!(queues.peek(), ["m1", "m2"]);
}

#[test]
fn clearing_removes_hidden_messages_too() {
    let queues = Queues::with_queue();
    queues.send(&call("PUT", "/things?comp=metadata").header("x-ms-meta-a", "1")).is(204);
    for number in 0..5 {
        queues.send(&put("", &format!("m{number}"))).is(201);
    }
    let got = queues.send(&get("/things/messages")).is(200).message();
    queues.send(&call("DELETE", "/things/messages")).is(204);
    assert_eq!((queues.peek(), queues.count()), (vec![], "0".to_owned()));
    queues.send(&crate::harness::held("DELETE", &got, "")).refused(404, "MessageNotFound");
    queues.pass(60);
    assert_eq!(queues.get(""), []);
    queues.send(&get("/things?comp=metadata")).is(200).has("x-ms-meta-a", "1");
    queues.send(&put("", "new")).is(201);
    assert_eq!(queues.peek(), ["new"]);
}

#[test]
fn the_longest_text_is_taken_and_no_longer_one() {
    let queues = Queues::with_queue();
    let longest = "é".repeat(32 * 1024);
    queues.send(&put("", &longest)).is(201);
    assert_eq!(queues.peek(), [longest.as_str()]);
    let longer = queues.send(&put("", &format!("{longest}x")));
    longer.refused(413, "RequestBodyTooLarge").says("<MaxLimit>65536</MaxLimit>");
    // References count as what they stand for, as long as the body is not too long.
    queues.send(&put("", &"&quot;".repeat(21 * 1024))).is(201);
    let huge = queues.send(&put("", &"&quot;".repeat(64 * 1024)));
    huge.refused(413, "RequestBodyTooLarge").says("<MaxLimit>131584</MaxLimit>");
    let old = |length: usize| put("", &"x".repeat(length)).version("2009-09-19");
    queues.send(&old(8 * 1024)).is(201);
    let longer = queues.send(&old(8 * 1024 + 1));
    longer.refused(413, "RequestBodyTooLarge").says("<MaxLimit>8192</MaxLimit>");
    assert_eq!(queues.count(), "3");
}

#[test]
fn older_versions_are_told_less() {
    let queues = Queues::with_queue();
    let old = queues.send(&put("", "a").version("2015-12-11")).is(201);
    assert_eq!((old.text(), old.header("content-type")), (String::new(), String::new()));
    queues.send(&put("", "b").version("2016-05-31")).is(201).says("<PopReceipt>");
    assert_eq!(queues.peek(), ["a", "b"]);
}
