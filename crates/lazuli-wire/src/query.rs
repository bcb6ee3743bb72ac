//! The query of a request, parsed once.
//!
//! Names compare without regard to case, as the service compares them; values are decoded, and the
//! raw text stays at hand.

use std::borrow::Cow;

use lazuli_model::{ErrorCode, Refusal};

use crate::percent::decode_query;

/// The most parameters a query may have.
const PARAMETERS_MAX: usize = 256;

/// A parsed query.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    raw: &'a str,
    parameters: Vec<Parameter<'a>>,
}

/// One `name=value` of a query.
#[derive(Clone, Debug)]
pub struct Parameter<'a> {
    /// The decoded name, in the case it was sent in.
    pub name: Cow<'a, str>,
    /// The decoded value; empty when there is no `=`.
    pub value: Cow<'a, str>,
    /// The value as it was sent.
    pub raw_value: &'a str,
}

impl<'a> Query<'a> {
    /// Parses `raw`, the part of the request target after `?`. Empty parameters are skipped.
    ///
    /// `InvalidUri` for a broken escape and for more than 256 parameters.
    pub fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let mut parameters = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(Refusal::new(ErrorCode::InvalidUri).with_cause("too many parameters"));
            }
            let (name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.push(Parameter {
                name: decode_query(name)?,
                value: decode_query(raw_value)?,
                raw_value,
            });
        }
        Ok(Self { raw, parameters })
    }

    /// The text that was parsed.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// All parameters, in the order sent.
    pub fn parameters(&self) -> &[Parameter<'a>] {
        &self.parameters
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|parameter| &*parameter.value)
    }

    /// The first value of `name` that is not empty: most parameters sent without a value count as
    /// not sent.
    pub fn get_non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Every value of `name`, in the order sent.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> + 'q {
        self.parameters
            .iter()
            .filter(|parameter| parameter.name.eq_ignore_ascii_case(name))
            .map(|parameter| &*parameter.value)
    }

    /// The items of a list-valued parameter such as `include`: separated by commas, or the
    /// parameter repeated; empty items are skipped.
    pub fn list<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> + 'q {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|v| !v.is_empty())
    }

    /// The first value of `name` as it was sent, still encoded.
    pub fn raw_value(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|parameter| parameter.raw_value)
    }

    fn find(&self, name: &str) -> Option<&Parameter<'a>> {
        self.parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
    }

    /// Whether `name` was sent at all.
    pub fn contains(&self, name: &str) -> bool {
        self.raw_value(name).is_some()
    }

    /// The value of `name`; `MissingRequiredQueryParameter` when it was not sent.
    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            Refusal::new(ErrorCode::MissingRequiredQueryParameter)
                .with_detail("QueryParameterName", name)
        })
    }

    /// A decimal number; an empty value counts as not sent.
    ///
    /// `InvalidQueryParameterValue` when it is not a number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.get_non_empty(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| Refusal::query_value(name, value, "The value is not a number."))
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_ignore_case_and_values_are_decoded() {
        let query = Query::parse("Comp=list&prefix=a%2Fb+c&&flag&include=a,b&include=,c").unwrap();
        assert_eq!(query.get("comp"), Some("list"));
        assert_eq!(query.get("PREFIX"), Some("a/b c"));
        assert_eq!(query.raw_value("prefix"), Some("a%2Fb+c"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get_non_empty("flag"), None);
        assert!(query.contains("flag") && !query.contains("marker"));
        assert_eq!(query.list("include").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(query.parameters().len(), 5);
    }

    #[test]
    fn numbers_are_checked() {
        let query = Query::parse("a=12&b=x&c=&d=-1").unwrap();
        assert_eq!(query.number("a"), Ok(Some(12)));
        assert_eq!(query.number("c"), Ok(None));
        assert_eq!(query.number("d"), Ok(Some(-1)));
        let refusal = query.number("b").unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::InvalidQueryParameterValue);
        assert_eq!(refusal.details()[1], ("QueryParameterValue", "x".to_owned()));
        assert_eq!(
            query.required("e").unwrap_err().code(),
            ErrorCode::MissingRequiredQueryParameter
        );
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let raw = "a=1&".repeat(PARAMETERS_MAX);
        assert_eq!(Query::parse(&raw).unwrap().parameters().len(), PARAMETERS_MAX);
        let raw = "a=1&".repeat(PARAMETERS_MAX + 1);
        assert_eq!(Query::parse(&raw).unwrap_err().code(), ErrorCode::InvalidUri);
    }

    proptest! {
        #[test]
        fn no_text_panics(raw in "[a-c%=&+0-9é]{0,40}") {
            if let Ok(query) = Query::parse(&raw) {
                prop_assert!(query.parameters().iter().all(|p| query.contains(&p.name)));
            }
        }
    }
}
