//! Entity tags of entities, and the tokens by which a query is continued.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_base::Timestamp;
use lazuli_model::entity::IfMatch;
use lazuli_model::{ErrorCode, Refusal};

use crate::date::{iso7, parse_iso7};

/// The entity tag of an entity that was changed then, as the service makes it.
pub fn etag(changed: Timestamp) -> String {
    format!("W/\"datetime'{}'\"", iso7(changed).replace(':', "%3A"))
}

/// Parses `If-Match`.
///
/// `InvalidInput` for what is neither `*` nor a weak entity tag.
pub fn if_match(text: &str) -> Result<IfMatch, Refusal> {
    let text = text.trim();
    if text == "*" {
        return Ok(IfMatch::Any);
    }
    let tag = text.strip_prefix("W/\"").and_then(|tag| tag.strip_suffix('"'));
    let tag = tag.ok_or_else(|| {
        Refusal::new(ErrorCode::InvalidInput)
            .with_message("The etag value specified in one of the request headers is not valid.")
    })?;
    let moment = tag.strip_prefix("datetime'").and_then(|moment| moment.strip_suffix('\''));
    let moment = moment.map(|moment| moment.replace("%3A", ":").replace("%3a", ":"));
    Ok(IfMatch::Changed(moment.and_then(|moment| parse_iso7(&moment))))
}

/// The token that names the place where the next page begins.
pub fn continuation(place: &str) -> String {
    let encoded = URL_SAFE_NO_PAD.encode(place);
    format!("1!{}!{encoded}", encoded.len())
}

/// The place that a token names.
///
/// `InvalidInput` for a token that was not given by [`continuation`].
pub fn place(token: &str) -> Result<String, Refusal> {
    let encoded = token.strip_prefix("1!").and_then(|rest| rest.split_once('!'));
    let place = encoded
        .filter(|(length, encoded)| length.parse() == Ok(encoded.len()))
        .and_then(|(_, encoded)| URL_SAFE_NO_PAD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    place.ok_or_else(|| {
        Refusal::new(ErrorCode::InvalidInput).with_cause("a continuation token is not ours")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_look_like_the_services() {
        let at = parse_iso7("2024-05-01T10:11:12.1234567Z").unwrap();
        let tag = etag(at);
        assert_eq!(tag, "W/\"datetime'2024-05-01T10%3A11%3A12.1234567Z'\"");
        assert_eq!(if_match(&tag).unwrap(), IfMatch::Changed(Some(at)));
        let plain = "W/\"datetime'2024-05-01T10:11:12.1234567Z'\"";
        assert_eq!(if_match(plain).unwrap(), IfMatch::Changed(Some(at)));
        assert_eq!(if_match("*").unwrap(), IfMatch::Any);
        assert_eq!(if_match("W/\"1\"").unwrap(), IfMatch::Changed(None));
        for bad in ["", "\"x\"", "W/x", "W/\""] {
            assert_eq!(if_match(bad).unwrap_err().code(), ErrorCode::InvalidInput, "{bad}");
        }
        for bad in ["", "1!", "1!1!", "2!4!YWJj", "1!3!YWJj", "1!1!*"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn places_are_read_back(text: String, junk: String) {
            prop_assert_eq!(place(&continuation(&text)).unwrap(), text);
            let _ = (place(&junk), if_match(&junk));
        }
    }
}
