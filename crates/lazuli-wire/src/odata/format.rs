//! Which format a client asks for, and how it is named.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations>

use lazuli_model::{ApiVersion, ErrorCode, Refusal};

/// The first version with JSON.
const JSON_TOO: ApiVersion = ApiVersion::new(2013, 8, 15);
/// The first version without Atom.
const JSON_ONLY: ApiVersion = ApiVersion::new(2015, 12, 11);

/// How much JSON tells of types and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// Nothing: types are not told.
    None,
    /// The types that JSON does not tell by itself, and entity tags.
    Minimal,
    /// Addresses, too.
    Full,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json(Metadata),
    /// An Atom feed or entry, in versions before 2015-12-11.
    Atom,
}

impl Format {
    /// The value of `Content-Type`; `feed` for what has several entries.
    pub const fn content_type(self, feed: bool) -> &'static str {
        match self {
            Self::Json(Metadata::None) => {
                "application/json;odata=nometadata;streaming=true;charset=utf-8"
            }
            Self::Json(Metadata::Minimal) => {
                "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
            }
            Self::Json(Metadata::Full) => {
                "application/json;odata=fullmetadata;streaming=true;charset=utf-8"
            }
            Self::Atom if feed => "application/atom+xml;type=feed;charset=utf-8",
            Self::Atom => "application/atom+xml;type=entry;charset=utf-8",
        }
    }
}

/// The format of an answer to a request with this `Accept` and this `$format`, which wins.
///
/// `JsonFormatNotSupported` where there is no JSON yet, `AtomFormatNotSupported` where there is no
/// Atom any more, `MediaTypeNotSupported` where nothing that is asked for is known.
pub fn negotiate(
    accept: Option<&str>,
    format: Option<&str>,
    version: ApiVersion,
) -> Result<Format, Refusal> {
    let asked = format.or(accept).unwrap_or("*/*");
    let mut refused = ErrorCode::MediaTypeNotSupported;
    for item in asked.split(',') {
        match one(item.trim(), version) {
            Ok(format) => return Ok(format),
            Err(code) if refused == ErrorCode::MediaTypeNotSupported => refused = code,
            Err(_) => {}
        }
    }
    Err(refused.into())
}

fn one(item: &str, version: ApiVersion) -> Result<Format, ErrorCode> {
    let mut parameters = item.split(';').map(str::trim);
    let kind = parameters.next().unwrap_or_default().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" | "json" if version < JSON_TOO => Err(ErrorCode::JsonFormatNotSupported),
        "application/json" | "json" => {
            let level = parameters.find_map(|parameter| parameter.strip_prefix("odata="));
            match level.unwrap_or("minimalmetadata") {
                "nometadata" => Ok(Format::Json(Metadata::None)),
                "minimalmetadata" => Ok(Format::Json(Metadata::Minimal)),
                "fullmetadata" => Ok(Format::Json(Metadata::Full)),
                _ => Err(ErrorCode::MediaTypeNotSupported),
            }
        }
        "*/*" | "" | "application/*" => {
            Ok(if version < JSON_ONLY { Format::Atom } else { Format::Json(Metadata::Minimal) })
        }
        "application/atom+xml" | "application/xml" | "atom" | "text/xml" => {
            if version < JSON_ONLY {
                Ok(Format::Atom)
            } else {
                Err(ErrorCode::AtomFormatNotSupported)
            }
        }
        _ => Err(ErrorCode::MediaTypeNotSupported),
    }
}

/// The format of a request's body by its `Content-Type`; JSON if it is not told, where there is JSON.
///
/// `JsonFormatNotSupported`, `AtomFormatNotSupported`, `MediaTypeNotSupported`.
pub fn of_body(content_type: Option<&str>, version: ApiVersion) -> Result<Format, Refusal> {
    let Some(content_type) = content_type else {
        let is_json = version >= JSON_TOO;
        return Ok(if is_json { Format::Json(Metadata::Minimal) } else { Format::Atom });
    };
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match one(kind, version) {
        Ok(Format::Atom) => Ok(Format::Atom),
        Ok(Format::Json(_)) => Ok(Format::Json(Metadata::Minimal)),
        Err(code) => Err(code.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_format_is_taken() {
        let new = ApiVersion::NEWEST;
        let old = ApiVersion::new(2013, 8, 15);
        let older = ApiVersion::new(2012, 2, 12);
        let json = Err(ErrorCode::JsonFormatNotSupported);
        let none = Ok(Format::Json(Metadata::None));
        let minimal = Ok(Format::Json(Metadata::Minimal));
        let full = Ok(Format::Json(Metadata::Full));
        let atom = Err(ErrorCode::AtomFormatNotSupported);
        let media = Err(ErrorCode::MediaTypeNotSupported);
        for (accept, format, version, expected) in [
            (None, None, new, minimal),
            (None, None, old, Ok(Format::Atom)),
            (Some("application/json"), None, old, minimal),
            (None, None, older, Ok(Format::Atom)),
            (Some("*/*"), None, older, Ok(Format::Atom)),
            (Some("application/json"), None, older, json),
            (Some("application/json;odata=nometadata"), None, older, json),
            (Some("application/atom+xml"), Some("json"), older, json),
            (Some("application/json,application/atom+xml"), None, older, Ok(Format::Atom)),
            (Some("application/json;odata=nometadata"), None, new, none),
            (Some("application/json;odata=fullmetadata;streaming=true"), None, new, full),
            (Some("image/png, application/json;odata=fullmetadata"), None, new, full),
            (Some("application/atom+xml"), None, new, atom),
            (Some("application/atom+xml,application/json"), None, new, minimal),
            (Some("application/atom+xml"), None, old, Ok(Format::Atom)),
            (Some("application/atom+xml"), Some("application/json;odata=nometadata"), new, none),
            (None, Some("json"), new, minimal),
            (Some("text/html"), None, new, media),
            (Some("application/json;odata=verbose"), None, new, media),
        ] {
            let got = negotiate(accept, format, version).map_err(|refusal| refusal.code());
            assert_eq!(got, expected, "{accept:?} {format:?}");
        }
        let body = |text| of_body(text, new).map_err(|refusal| refusal.code());
        assert_eq!(body(Some("application/json;odata=verbose")), minimal);
        assert_eq!(body(None), minimal);
        assert_eq!(body(Some("application/atom+xml")), atom);
        assert_eq!(body(Some("text/plain")), media);
        let body = |text| of_body(text, older).map_err(|refusal| refusal.code());
        assert_eq!(body(Some("application/json")), json);
        assert_eq!(body(Some("application/atom+xml")), Ok(Format::Atom));
        assert_eq!(body(None), Ok(Format::Atom));
    }
}
