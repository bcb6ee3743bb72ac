//! The parameters of a query string, decoded as they are signed.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How `+` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// As a space: what the service does.
    Space,
    /// As itself: what a client may have meant that signed before it encoded.
    Literal,
}

/// A parsed query string: names in lower case, names and values decoded, order kept.
#[derive(Clone, Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn parse(raw: &'a str, plus: Plus) -> Self {
        let parameter = |part: &'a str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let mut name = decode(name, plus);
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                name.to_mut().make_ascii_lowercase();
            }
            (name, decode(value, plus))
        };
        Self(raw.split('&').filter(|part| !part.is_empty()).map(parameter).collect())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|parameter| parameter.0 == name)
    }

    /// The first value of the parameter; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|parameter| parameter.0 == name).map_or("", |parameter| &parameter.1)
    }

    /// Like [`Query::get`], with an empty value as none.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

fn decode(text: &str, plus: Plus) -> Cow<'_, str> {
    if plus == Plus::Space && text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_both_sides_decoded() {
        let query = Query::parse("&Comp=List&pre%66ix=a%20b+%2B&flag&&x=1=2", Plus::Space);
        let pairs: Vec<_> = query.iter().collect();
        assert_eq!(pairs, [("comp", "List"), ("prefix", "a b +"), ("flag", ""), ("x", "1=2")]);
        assert!(query.contains("flag") && query.value("flag").is_none());
        assert_eq!(Query::parse("a=b+%20c", Plus::Literal).get("a"), "b+ c");
    }
}
