//! What a call is answered, and what can be asserted of it.

use http::HeaderMap;

/// What a call was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) asked: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\nanswered {}", self.asked, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.to_str().unwrap_or("(no text)"))?;
        }
        write!(f, "{}", self.text())
    }
}

impl Answer {
    /// Asserts success with a status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.header("x-ms-error-code"), "", "{self}");
        self
    }

    /// Asserts a refusal with a status and a code, told in the header and, where there may be a
    /// body, in the body.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.header("x-ms-error-code")),
            (status, code.to_owned()),
            "{self}"
        );
        if self.asked.starts_with("HEAD ") || status == 304 {
            assert!(self.body.is_empty(), "{self}");
        } else {
            assert_eq!(self.header("content-type"), "application/xml", "{self}");
            let told = format!("<Error><Code>{code}</Code><Message>");
            let id = format!("RequestId:{}", self.header("x-ms-request-id"));
            assert!(self.text().contains(&told) && self.text().contains(&id), "{self}");
        }
        self
    }

    /// Asserts an outcome of a table: success without a code, else a refusal with it.
    #[track_caller]
    pub(crate) fn outcome(self, status: u16, code: &str) -> Self {
        if code.is_empty() { self.is(status) } else { self.refused(status, code) }
    }

    /// Asserts a header's value; empty for an absent header.
    #[track_caller]
    pub(crate) fn has(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.header(name), value, "{name} of {self}");
        self
    }

    /// Asserts that the body says something.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Self {
        assert!(self.text().contains(part), "{part:?} in {self}");
        self
    }

    /// Asserts that the body does not say something.
    #[track_caller]
    pub(crate) fn hides(&self, part: &str) -> &Self {
        assert!(!self.text().contains(part), "{part:?} in {self}");
        self
    }

    /// The status, where neither [`Self::is`] nor [`Self::refused`] says what is asked.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// A header's value; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.unwrap_or_default().into_owned()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The texts of the elements of a name, in the body's order.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let text = self.text();
        let after = text.split(&open).skip(1);
        after.map(|rest| rest.split(&close).next().unwrap_or_default().to_owned()).collect()
    }
}
