//! Conditional headers: whether an operation may go on, given the state it would act on.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations>

use lazuli_base::Timestamp;

use crate::tag_expression::TagExpression;
use crate::tags::TagSet;
use crate::{ErrorCode, Refusal};

/// The entity tags of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any state.
    Any,
    /// One of these; without quotation marks.
    Tags(Vec<String>),
}

impl ETagMatch {
    /// Parses the header: `*`, or entity tags separated by commas, with or without quotation marks.
    pub fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        Self::Tags(header.split(',').map(|tag| bare(tag).to_owned()).collect())
    }

    fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == bare(etag)),
        }
    }

    fn several(&self) -> bool {
        matches!(self, Self::Tags(tags) if tags.len() > 1)
    }
}

fn bare(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

/// A request's conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagMatch>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<Timestamp>,
    /// `x-ms-if-tags`.
    pub if_tags: Option<TagExpression>,
    /// `x-ms-access-tier-if-modified-since`, of Delete Blob.
    pub if_tier_modified_since: Option<Timestamp>,
    /// `x-ms-access-tier-if-unmodified-since`, of Delete Blob.
    pub if_tier_unmodified_since: Option<Timestamp>,
}

/// The state conditions are held against.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// The entity tag.
    pub etag: &'a str,
    /// When it last changed.
    pub modified: Timestamp,
    /// Its tags.
    pub tags: &'a TagSet,
}

impl Conditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Holds the conditions of a read (version 2013-08-15 and later) against the state; a missing
    /// state meets them, for the read fails by itself.
    ///
    /// `ConditionNotMet` with 412 for `If-Match`, `If-Unmodified-Since` and tags, with 304 for the
    /// others; `UnsatisfiableCondition` for `If-None-Match: *`.
    pub fn check_read(&self, current: Option<Current<'_>>) -> Result<(), Refusal> {
        if self.if_none_match == Some(ETagMatch::Any) {
            return Err(ErrorCode::UnsatisfiableCondition.into());
        }
        let Some(current) = current else { return Ok(()) };
        let matched = self.if_match.as_ref().is_none_or(|tags| tags.matches(current.etag));
        let unmodified = self.if_unmodified_since.is_none_or(|at| !changed(&current, at));
        if !(matched && unmodified) {
            return Err(ErrorCode::ConditionNotMet.into());
        }
        let differs = self.if_none_match.as_ref().map(|tags| !tags.matches(current.etag));
        let modified = self.if_modified_since.map(|at| changed(&current, at));
        let fresh = match (differs, modified) {
            (None, None) => true,
            (differs, modified) => differs == Some(true) || modified == Some(true),
        };
        if !fresh {
            return Err(Refusal::new(ErrorCode::ConditionNotMet)
                .with_status(304)
                .with_header("etag", current.etag));
        }
        self.check_tags(&current, ErrorCode::ConditionNotMet)
    }

    /// Holds the conditions of a write against the state; `creating` for an operation that makes a
    /// whole blob.
    ///
    /// `MultipleConditionHeadersNotSupported` for combinations the service does not take,
    /// `BlobAlreadyExists` for `If-None-Match: *` on creation, else `ConditionNotMet` (412).
    pub fn check_write(&self, current: Option<Current<'_>>, creating: bool) -> Result<(), Refusal> {
        self.check_combination()?;
        let not_met = || Err(ErrorCode::ConditionNotMet.into());
        let Some(current) = current else {
            return match (&self.if_match, &self.if_tags) {
                (None, None) => Ok(()),
                _ => not_met(),
            };
        };
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches(current.etag) => return not_met(),
            (None, Some(at)) if changed(&current, at) => return not_met(),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(ETagMatch::Any), _) if creating => {
                return Err(ErrorCode::BlobAlreadyExists.into());
            }
            (Some(ETagMatch::Any), _) => {}
            (Some(tags), _) if tags.matches(current.etag) => return not_met(),
            (None, Some(at)) if !changed(&current, at) => return not_met(),
            _ => {}
        }
        self.check_tags(&current, ErrorCode::ConditionNotMet)
    }

    /// The conditions as a read before version 2013-08-15 takes them: those of a write, of which the
    /// entity tag decides if there is a date, too.
    ///
    /// `MultipleConditionHeadersNotSupported` for combinations such a read does not take.
    pub fn of_old_read(mut self) -> Result<Self, Refusal> {
        self.check_combination()?;
        if self.if_match.is_some() {
            self.if_unmodified_since = None;
        }
        if self.if_none_match.is_some() {
            self.if_modified_since = None;
        }
        Ok(self)
    }

    /// Holds the conditions on a copy source against it: `SourceConditionNotMet` (412).
    pub fn check_source(&self, current: Option<Current<'_>>) -> Result<(), Refusal> {
        let Some(current) = current else { return Ok(()) };
        let matched = self.if_match.as_ref().is_none_or(|tags| tags.matches(current.etag));
        let differs = self.if_none_match.as_ref().is_none_or(|tags| !tags.matches(current.etag));
        let modified = self.if_modified_since.is_none_or(|at| changed(&current, at));
        let unmodified = self.if_unmodified_since.is_none_or(|at| !changed(&current, at));
        if !(matched && differs && modified && unmodified) {
            return Err(ErrorCode::SourceConditionNotMet.into());
        }
        self.check_tags(&current, ErrorCode::SourceConditionNotMet)
    }

    /// Holds the conditions of a container operation, which are dates only, against the time the
    /// container last changed. `ConditionHeadersNotSupported` for entity tags.
    pub fn check_container(&self, modified: Timestamp) -> Result<(), Refusal> {
        if self.if_match.is_some() || self.if_none_match.is_some() {
            return Err(ErrorCode::ConditionHeadersNotSupported.into());
        }
        let tags = TagSet::default();
        let current = Current { etag: "", modified, tags: &tags };
        let modified = self.if_modified_since.is_none_or(|at| changed(&current, at));
        let unmodified = self.if_unmodified_since.is_none_or(|at| !changed(&current, at));
        if modified && unmodified { Ok(()) } else { Err(ErrorCode::ConditionNotMet.into()) }
    }

    /// Holds the conditions on the tier against the time it was last set: `ConditionNotMet` (412).
    pub fn check_tier(&self, changed: Timestamp) -> Result<(), Refusal> {
        let changed = changed.truncate_to_second();
        let modified = self.if_tier_modified_since.is_none_or(|at| changed > at);
        let unmodified = self.if_tier_unmodified_since.is_none_or(|at| changed <= at);
        if modified && unmodified { Ok(()) } else { Err(ErrorCode::ConditionNotMet.into()) }
    }

    /// Writes take one condition, or one of the two pairs of which the entity tag decides.
    fn check_combination(&self) -> Result<(), Refusal> {
        let several = |tags: &Option<ETagMatch>| tags.as_ref().is_some_and(ETagMatch::several);
        let given = [
            self.if_match.is_some(),
            self.if_none_match.is_some(),
            self.if_modified_since.is_some(),
            self.if_unmodified_since.is_some(),
        ];
        let supported = match given {
            [true, false, false, _] | [false, true, _, false] => true,
            other => other.into_iter().filter(|given| *given).count() <= 1,
        };
        if !supported || several(&self.if_match) || several(&self.if_none_match) {
            return Err(ErrorCode::MultipleConditionHeadersNotSupported.into());
        }
        Ok(())
    }

    fn check_tags(&self, current: &Current<'_>, code: ErrorCode) -> Result<(), Refusal> {
        match &self.if_tags {
            Some(expression) if !expression.eval(current.tags) => Err(code.into()),
            _ => Ok(()),
        }
    }
}

/// Whether the state changed after `at`, to the second: that is all a date in a header can say.
fn changed(current: &Current<'_>, at: Timestamp) -> bool {
    current.modified.truncate_to_second() > at
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"0x1\"";
    const THEN: Timestamp = Timestamp::from_ticks(638_000_000_000_000_000);

    #[derive(Clone, Copy)]
    struct Given {
        m: Option<&'static str>,
        nm: Option<&'static str>,
        ms: Option<i64>,
        us: Option<i64>,
    }

    const NONE: Given = Given { m: None, nm: None, ms: None, us: None };

    fn conditions(given: Given) -> Conditions {
        let at = |offset: i64| Timestamp::from_unix_seconds(THEN.unix_seconds() + offset);
        Conditions {
            if_match: given.m.map(ETagMatch::parse),
            if_none_match: given.nm.map(ETagMatch::parse),
            if_modified_since: given.ms.map(at),
            if_unmodified_since: given.us.map(at),
            ..Conditions::default()
        }
    }

    fn status(result: Result<(), Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.status(), |()| 200)
    }

    #[test]
    fn reads() {
        let tags = TagSet::default();
        let current = Some(Current { etag: ETAG, modified: THEN, tags: &tags });
        let cases = [
            (NONE, 200),
            (Given { m: Some("0x1"), ..NONE }, 200),
            (Given { m: Some("\"0x2\", \"0x1\""), ..NONE }, 200),
            (Given { m: Some("*"), ..NONE }, 200),
            (Given { m: Some("0x2"), ..NONE }, 412),
            (Given { nm: Some("0x1"), ..NONE }, 304),
            (Given { nm: Some("0x2"), ..NONE }, 200),
            (Given { nm: Some("*"), ..NONE }, 400),
            (Given { ms: Some(0), ..NONE }, 304),
            (Given { ms: Some(-1), ..NONE }, 200),
            (Given { us: Some(0), ..NONE }, 200),
            (Given { us: Some(-1), ..NONE }, 412),
            (Given { nm: Some("0x1"), ms: Some(-1), ..NONE }, 200),
            (Given { nm: Some("0x2"), ms: Some(0), ..NONE }, 200),
            (Given { nm: Some("0x1"), ms: Some(0), ..NONE }, 304),
            (Given { nm: Some("0x1"), us: Some(-1), ..NONE }, 412),
        ];
        for (index, (given, expected)) in cases.into_iter().enumerate() {
            assert_eq!(status(conditions(given).check_read(current)), expected, "case {index}");
        }
    }

    #[test]
    fn writes() {
        let tags = TagSet::default();
        let current = Some(Current { etag: ETAG, modified: THEN, tags: &tags });
        let code = |given: Given, current, creating| {
            conditions(given).check_write(current, creating).map_err(|refusal| refusal.code())
        };
        let not_met = Err(ErrorCode::ConditionNotMet);
        let multiple = Err(ErrorCode::MultipleConditionHeadersNotSupported);
        let cases = [
            (NONE, Ok(())),
            (Given { m: Some("0x1"), ..NONE }, Ok(())),
            (Given { m: Some("0x2"), ..NONE }, not_met),
            (Given { nm: Some("0x1"), ..NONE }, not_met),
            (Given { nm: Some("0x2"), ..NONE }, Ok(())),
            (Given { nm: Some("*"), ..NONE }, Err(ErrorCode::BlobAlreadyExists)),
            (Given { ms: Some(0), ..NONE }, not_met),
            (Given { us: Some(-1), ..NONE }, not_met),
            (Given { nm: Some("0x2"), ms: Some(0), ..NONE }, Ok(())),
            (Given { m: Some("0x1"), us: Some(-1), ..NONE }, Ok(())),
            (Given { m: Some("0x1"), nm: Some("0x2"), ..NONE }, multiple),
            (Given { ms: Some(-1), us: Some(0), ..NONE }, multiple),
            (Given { m: Some("0x1,0x2"), ..NONE }, multiple),
        ];
        for (index, (given, expected)) in cases.into_iter().enumerate() {
            assert_eq!(code(given, current, true), expected, "case {index}");
        }
        assert_eq!(code(Given { nm: Some("*"), ..NONE }, current, false), Ok(()));
        assert_eq!(code(Given { nm: Some("*"), ..NONE }, None, true), Ok(()));
        assert_eq!(code(Given { m: Some("*"), ..NONE }, None, true), not_met);
        assert_eq!(code(Given { ms: Some(0), ..NONE }, None, true), Ok(()));
    }

    #[test]
    fn containers_and_sources() {
        let container = |given| status(conditions(given).check_container(THEN));
        assert_eq!(container(Given { ms: Some(-1), ..NONE }), 200);
        assert_eq!(container(Given { us: Some(-1), ..NONE }), 412);
        assert_eq!(container(Given { m: Some("*"), ..NONE }), 400);
        let tags = TagSet::default();
        let current = Some(Current { etag: ETAG, modified: THEN, tags: &tags });
        let refusal = conditions(Given { nm: Some("0x1"), ..NONE }).check_source(current);
        assert_eq!(refusal.unwrap_err().code(), ErrorCode::SourceConditionNotMet);
    }
}
