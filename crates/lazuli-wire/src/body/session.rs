//! Create Session: what is asked for, and the session.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-session>

use lazuli_base::Timestamp;
use lazuli_model::Refusal;

use super::bounded;
use crate::xml::{XmlLimits, XmlReader, XmlWriter, missing_node, node_value};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 4 * 1024;

/// The only kind of session there is.
const HMAC: &str = "HMAC";

/// What is told of a session.
#[derive(Clone, Copy)]
pub struct SessionResult<'a> {
    /// Its identifier, for people.
    pub id: &'a str,
    /// When it ends.
    pub expiration: Timestamp,
    /// What names it in `Authorization`.
    pub token: &'a str,
    /// The key it signs with, as base64.
    pub key: &'a str,
}

/// Reads what is asked for, which can only be a session that signs with a key.
///
/// `InvalidXmlNodeValue` for another kind; else as for any body.
pub fn read(body: &[u8]) -> Result<(), Refusal> {
    let body = bounded(body, BODY_BYTES_MAX)?;
    let mut xml = XmlReader::open(body, "CreateSessionRequest", XmlLimits::default())?;
    let mut kind = None;
    while let Some(name) = xml.child(&["AuthenticationType"])? {
        kind = Some(xml.text(name)?);
    }
    xml.finish()?;
    match kind {
        None => Err(missing_node("AuthenticationType")),
        Some(kind) if kind.eq_ignore_ascii_case(HMAC) => Ok(()),
        Some(kind) => Err(node_value("AuthenticationType", &kind)),
    }
}

/// Writes the session.
pub fn write(session: &SessionResult<'_>) -> String {
    let mut xml = XmlWriter::document(512);
    xml.open("CreateSessionResult");
    xml.element("Id", session.id);
    xml.rfc1123("Expiration", session.expiration);
    xml.element("AuthenticationType", HMAC);
    xml.open("Credentials");
    xml.element("SessionToken", session.token);
    xml.element("SessionKey", session.key);
    xml.close("Credentials");
    xml.close("CreateSessionResult");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_model::ErrorCode;

    #[test]
    fn only_sessions_that_sign_are_asked_for() {
        let ask = |kind: &str| {
            read(format!("<CreateSessionRequest>{kind}</CreateSessionRequest>").as_bytes())
                .map_err(|refusal| refusal.code())
        };
        let of = |kind: &str| ask(&format!("<AuthenticationType>{kind}</AuthenticationType>"));
        assert_eq!(of("HMAC"), Ok(()));
        assert_eq!(of("Magic"), Err(ErrorCode::InvalidXmlNodeValue));
        assert_eq!(ask(""), Err(ErrorCode::MissingRequiredXmlNode));
        assert_eq!(ask("<Other/>"), Err(ErrorCode::UnsupportedXmlNode));
        assert_eq!(read(b"").map_err(|refusal| refusal.code()), Err(ErrorCode::InvalidXmlDocument));
    }

    #[test]
    fn the_result_has_the_form_that_clients_read() {
        let expiration = Timestamp::from_unix_seconds(0);
        let session = SessionResult { id: "i", expiration, token: "t", key: "k" };
        assert_eq!(
            write(&session),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><CreateSessionResult><Id>i</Id>\
             <Expiration>Thu, 01 Jan 1970 00:00:00 GMT</Expiration>\
             <AuthenticationType>HMAC</AuthenticationType><Credentials>\
             <SessionToken>t</SessionToken><SessionKey>k</SessionKey></Credentials>\
             </CreateSessionResult>"
        );
    }
}
