//! When messages are visible, and when they are gone.

use crate::harness::{Queues, get, held, put};

const RANGE: &str = "OutOfRangeQueryParameterValue";
const VALUE: &str = "InvalidQueryParameterValue";

#[test]
fn a_message_comes_back_when_its_time_is_over() {
    let queues = Queues::with_queue();
    queues.send(&put("", "a")).is(201);
    let first = queues.get("").pop().unwrap();
    assert_eq!(queues.get(""), []);
    queues.pass(29);
    assert_eq!((queues.get(""), queues.peek()), (vec![], vec![]));
    queues.pass(1);
    assert_eq!(queues.peek(), ["a"]);
    let second = queues.get("&visibilitytimeout=604800").pop().unwrap();
    assert_eq!((&second.id, second.dequeued.as_str()), (&first.id, "2"));
    assert_eq!(second.visible, queues.date(604_800));
    queues.send(&held("DELETE", &first, "")).refused(404, "MessageNotFound");
    queues.send(&held("DELETE", &second, "")).is(204);
}

#[test]
fn a_message_may_be_hidden_when_it_is_put() {
    let queues = Queues::with_queue();
    let late = queues.send(&put("?visibilitytimeout=60", "late")).is(201).message();
    assert_eq!(late.visible, queues.date(60));
    queues.send(&put("", "soon")).is(201);
    assert_eq!((queues.peek(), queues.count()), (vec!["soon".to_owned()], "2".to_owned()));
    queues.pass(60);
    // Whoever has been visible for longer comes first.
    assert_eq!(queues.peek(), ["soon", "late"]);
}

#[test]
fn a_message_is_gone_after_its_time() {
    let queues = Queues::with_queue();
    let kept = |query: &str| {
        let answer = queues.send(&put(query, "a")).is(201);
        answer.elements("ExpirationTime").pop().unwrap()
    };
    let end = "Fri, 31 Dec 9999 23:59:59 GMT";
    assert_eq!(kept("?messagettl=5"), queues.date(5));
    assert_eq!(kept(""), queues.date(604_800));
    assert_eq!(kept("?messagettl=604801"), queues.date(604_801));
    assert_eq!(kept("?messagettl=-1"), end);
    assert_eq!(kept("?messagettl=9223372036854775807"), end);
    let got = queues.get("&visibilitytimeout=604800");
    assert_eq!(got.len(), 5);
    queues.pass(5);
    queues.send(&held("DELETE", &got[0], "")).refused(404, "MessageNotFound");
    queues.send(&held("DELETE", &got[1], "")).is(204);
    queues.pass(604_800);
    let left = queues.get("");
    let ids: Vec<&str> = left.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, [&got[3].id, &got[4].id]);
    queues.pass(1_000 * 365 * 86_400);
    assert_eq!(queues.get("").len(), 2);
}

#[test]
fn times_have_their_ranges() {
    let queues = Queues::with_queue();
    for (query, code) in [
        ("visibilitytimeout=-1", RANGE),
        ("visibilitytimeout=604801", RANGE),
        ("visibilitytimeout=x", VALUE),
        ("visibilitytimeout=1.5", VALUE),
        ("visibilitytimeout=99999999999999999999", VALUE),
        ("messagettl=0", VALUE),
        ("messagettl=-2", VALUE),
        ("messagettl=x", VALUE),
        ("messagettl=10&visibilitytimeout=10", VALUE),
        ("messagettl=10&visibilitytimeout=11", VALUE),
    ] {
        queues.send(&put(&format!("?{query}"), "a")).refused(400, code);
    }
    for (query, code) in [
        ("visibilitytimeout=0", RANGE),
        ("visibilitytimeout=604801", RANGE),
        ("visibilitytimeout=x", VALUE),
        ("numofmessages=0", RANGE),
        ("numofmessages=33", RANGE),
        ("numofmessages=x", VALUE),
        ("peekonly=true&numofmessages=33", RANGE),
        ("timeout=-1", VALUE),
    ] {
        let answer = queues.send(&get(&format!("/things/messages?{query}")));
        answer.refused(400, code);
    }
    let told = queues.send(&get("/things/messages?visibilitytimeout=0")).refused(400, RANGE);
    told.says("<QueryParameterName>visibilitytimeout</QueryParameterName>");
    told.says("<QueryParameterValue>0</QueryParameterValue>");
    told.says("<MinimumAllowed>1</MinimumAllowed><MaximumAllowed>604800</MaximumAllowed>");
    assert_eq!(queues.count(), "0");
    for good in ["messagettl=10&visibilitytimeout=9", "messagettl=-1&visibilitytimeout=604800"] {
        queues.send(&put(&format!("?{good}"), "a")).is(201);
    }
    queues.send(&put("?messagettl=&visibilitytimeout=", "a")).is(201);
}

#[test]
fn older_versions_have_shorter_times() {
    let queues = Queues::with_queue();
    let kept = |version: &str, seconds: &str| {
        queues.send(&put(&format!("?messagettl={seconds}"), "a").version(version))
    };
    kept("2017-04-17", "604800").is(201);
    for bad in ["604801", "-1", "0"] {
        kept("2017-04-17", bad).refused(400, RANGE);
    }
    kept("2017-07-29", "604801").is(201);
    let old = put("?visibilitytimeout=5", "a").version("2009-09-19");
    queues.send(&old).refused(400, VALUE);
    let got = |version: &str, seconds: &str| {
        let target = format!("/things/messages?visibilitytimeout={seconds}");
        queues.send(&get(&target).version(version))
    };
    got("2009-09-19", "7201").refused(400, RANGE);
    got("2009-09-19", "7200").is(200);
    got("2011-08-18", "7201").is(200);
}
