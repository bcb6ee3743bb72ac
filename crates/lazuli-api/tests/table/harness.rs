//! A Table service in memory, calls to it, and what is asked of its answers.

use std::ops::Deref;

use lazuli_auth::Scheme;
use lazuli_model::{ApiVersion, Service};

use crate::answer::Answer;
use crate::fixture::Fixture;
pub(crate) use crate::fixture::{ACCOUNT, Call, key};

/// The version that calls name if they name none.
pub(crate) const VERSION: ApiVersion = ApiVersion::new(2019, 2, 2);

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
    call(method, target).header("content-type", "application/json").body(body)
}

/// Insert Entity into `Things`.
pub(crate) fn insert(body: &str) -> Call {
    send("POST", "/Things", body)
}

impl Call {
    /// Sends another `Content-Type`.
    pub(crate) fn clone_with_type(&self, kind: &str) -> Self {
        let mut call = self.clone();
        call.headers.retain(|(name, _)| name != "content-type");
        call.header("content-type", kind)
    }

    /// Signs with Shared Key Lite.
    pub(crate) fn lite(mut self) -> Self {
        self.scheme = Some(Scheme::SharedKeyLite);
        self
    }
}

/// A Table service in memory.
pub(crate) struct Tables(Fixture);

impl Deref for Tables {
    type Target = Fixture;

    fn deref(&self) -> &Fixture {
        &self.0
    }
}

impl Tables {
    /// A service without any table.
    pub(crate) fn new() -> Self {
        Self(Fixture::new(Service::Table, "127.0.0.1:10002"))
    }

    /// A service with the table `Things`.
    pub(crate) fn with_table() -> Self {
        let tables = Self::new();
        tables.send(&send("POST", "/Tables", r#"{"TableName":"Things"}"#)).is(201);
        tables
    }

    /// The row keys that a query gives, all pages of it.
    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        let (mut rows, mut token) = (Vec::new(), String::new());
        loop {
            let call = get(&format!("/Things()?{query}{token}"));
            let answer = self.send(&call.header("accept", "application/json;odata=nometadata"));
            let answer = answer.is(200);
            rows.extend(answer.members("RowKey"));
            let next = |part: &str| answer.header(&format!("x-ms-continuation-next{part}key"));
            if next("partition").is_empty() {
                return rows;
            }
            token = format!("&NextPartitionKey={}&NextRowKey={}", next("partition"), next("row"));
        }
    }
}

impl Answer {
    /// Asserts a refusal with a status and a code, told in the header and in a body of OData.
    #[track_caller]
    pub(crate) fn refused_in_json(self, status: u16, code: &str) -> Self {
        let found = (self.status, self.header("x-ms-error-code"));
        assert_eq!(found, (status, code.to_owned()), "{self}");
        let told = format!("{{\"odata.error\":{{\"code\":\"{code}\",\"message\":{{");
        assert!(self.text().starts_with(&told), "{self}");
        let kind = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8";
        self.has("content-type", kind);
        self.has("cache-control", "no-cache").has("x-content-type-options", "nosniff");
        self
    }

    /// Asserts a refusal told in XML.
    #[track_caller]
    pub(crate) fn refused_in_xml(self, status: u16, code: &str) -> Self {
        let found = (self.status, self.header("x-ms-error-code"));
        assert_eq!(found, (status, code.to_owned()), "{self}");
        self.has("content-type", "application/xml");
        self
    }

    /// The values of the members of a name that are plain texts, in the body's order.
    pub(crate) fn members(&self, name: &str) -> Vec<String> {
        let (text, open) = (self.text(), format!("\"{name}\":\""));
        let after = text.split(open.as_str()).skip(1);
        after.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    }
}
