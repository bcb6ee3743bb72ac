//! A Queue service in memory, calls to it, and what is asked of its answers.

use std::ops::Deref;

use lazuli_base::{Clock as _, Timestamp};
use lazuli_model::{ApiVersion, Service};
use lazuli_wire::date;

use crate::answer::Answer;
use crate::fixture::Fixture;
pub(crate) use crate::fixture::{ACCOUNT, Call, key};

/// The version that calls name if they name none.
pub(crate) const VERSION: ApiVersion = ApiVersion::NEWEST;

/// A call to a path below the account.
pub(crate) fn call(method: &str, target: &str) -> Call {
    Call::new(method, target, VERSION)
}

/// A call that reads.
pub(crate) fn get(target: &str) -> Call {
    call("GET", target)
}

/// A call with a body.
pub(crate) fn send(method: &str, target: &str, body: impl AsRef<[u8]>) -> Call {
    call(method, target).header("content-type", "application/xml").body(body)
}

/// The body that holds a text.
pub(crate) fn message(text: &str) -> String {
    format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>")
}

/// Put Message into `things`; the query begins with a question mark.
pub(crate) fn put(query: &str, text: &str) -> Call {
    send("POST", &format!("/things/messages{query}"), message(text))
}

/// Delete Message or Update Message in `things`, for who got it so.
pub(crate) fn held(method: &str, got: &Got, query: &str) -> Call {
    call(method, &format!("/things/messages/{}?popreceipt={}{query}", got.id, got.receipt))
}

impl Call {
    /// Announces no length.
    pub(crate) fn unannounced(mut self) -> Self {
        self.is_announced = false;
        self
    }

    /// Names the account in the host and not in the path.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }
}

/// A Queue service in memory.
pub(crate) struct Queues(Fixture);

impl Deref for Queues {
    type Target = Fixture;

    fn deref(&self) -> &Fixture {
        &self.0
    }
}

impl Queues {
    /// A service without any queue.
    pub(crate) fn new() -> Self {
        Self(Fixture::new(Service::Queue, "127.0.0.1:10001"))
    }

    /// A service with the queue `things`.
    pub(crate) fn with_queue() -> Self {
        let queues = Self::new();
        queues.send(&call("PUT", "/things")).is(201);
        queues
    }

    /// The time so many seconds from now as answers tell it.
    pub(crate) fn date(&self, offset: i64) -> String {
        date::rfc1123(Timestamp::from_unix_seconds(self.clock.now().unix_seconds() + offset))
    }

    /// Get Messages from `things`; the query begins with an ampersand.
    #[track_caller]
    pub(crate) fn get(&self, query: &str) -> Vec<Got> {
        self.send(&get(&format!("/things/messages?numofmessages=32{query}"))).is(200).messages()
    }

    /// The texts that peeking at `things` tells.
    #[track_caller]
    pub(crate) fn peek(&self) -> Vec<String> {
        let peek = get("/things/messages?peekonly=true&numofmessages=32");
        self.send(&peek).is(200).elements("MessageText")
    }

    /// How many messages `things` is said to have.
    #[track_caller]
    pub(crate) fn count(&self) -> String {
        let answer = self.send(&get("/things?comp=metadata")).is(200);
        answer.header("x-ms-approximate-messages-count")
    }
}

/// A message as it was got, put or updated; what was not told is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    /// Its identifier.
    pub(crate) id: String,
    /// The receipt, encoded for a query.
    pub(crate) receipt: String,
    /// When it becomes visible.
    pub(crate) visible: String,
    /// How often it was got.
    pub(crate) dequeued: String,
    /// Its text, still escaped.
    pub(crate) text: String,
}

/// A receipt as it stands in a query.
pub(crate) fn encoded(receipt: &str) -> String {
    receipt.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

impl Answer {
    /// The messages in the body.
    pub(crate) fn messages(&self) -> Vec<Got> {
        let all = self.elements("QueueMessage");
        all.iter()
            .map(|message| {
                let one = |name: &str| elements(message, name).pop().unwrap_or_default();
                Got {
                    id: one("MessageId"),
                    receipt: encoded(&one("PopReceipt")),
                    visible: one("TimeNextVisible"),
                    dequeued: one("DequeueCount"),
                    text: one("MessageText"),
                }
            })
            .collect()
    }

    /// The only message in the body.
    #[track_caller]
    pub(crate) fn message(&self) -> Got {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{self}");
        messages.pop().unwrap()
    }
}

fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let after = text.split(open.as_str()).skip(1);
    after.map(|rest| rest.split(close.as_str()).next().unwrap_or_default().to_owned()).collect()
}
