//! Get User Delegation Key: what is asked for, and the key.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use lazuli_model::Refusal;

use super::bounded;
use crate::xml::{XmlLimits, XmlReader, XmlWriter, missing_node, node_value};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 4 * 1024;

/// What is asked for, in the texts of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// When the key is to begin; now without.
    pub start: Option<String>,
    /// When it is to end.
    pub expiry: String,
    /// The tenant of the users that the key's tokens may be bound to.
    pub delegated_user_tenant: Option<String>,
}

/// What is told of a key.
#[derive(Clone, Copy, Debug)]
pub struct UserDelegationKey<'a> {
    /// Who it was made for.
    pub object_id: &'a str,
    /// His tenant.
    pub tenant: &'a str,
    /// When it begins.
    pub start: &'a str,
    /// When it ends.
    pub expiry: &'a str,
    /// The letter of the service whose tokens it signs.
    pub service: &'a str,
    /// The version it was made in.
    pub version: &'a str,
    /// The tenant of the users that its tokens may be bound to; empty for none.
    pub delegated_user_tenant: &'a str,
    /// The key as base64.
    pub value: &'a str,
}

/// Reads what is asked for.
///
/// `MissingRequiredXmlNode` without an end; else as for any body.
pub fn read(body: &[u8]) -> Result<KeyInfo, Refusal> {
    const NODES: &[&str] = &["Start", "Expiry", "DelegatedUserTid"];
    let body = bounded(body, BODY_BYTES_MAX)?;
    let mut xml = XmlReader::open(body, "KeyInfo", XmlLimits::default())?;
    let mut texts = [None, None, None];
    while let Some(name) = xml.child(NODES)? {
        let text = xml.text(name)?;
        let place = NODES.iter().position(|node| *node == name).and_then(|at| texts.get_mut(at));
        if let Some(place) = place {
            *place = Some(text).filter(|text| !text.is_empty());
        }
    }
    xml.finish()?;
    let [start, expiry, delegated_user_tenant] = texts;
    let expiry = expiry.ok_or_else(|| missing_node("Expiry"))?;
    Ok(KeyInfo { start, expiry, delegated_user_tenant })
}

/// The refusal of what an element says: `InvalidXmlNodeValue`.
pub fn unacceptable(name: &str, text: &str) -> Refusal {
    node_value(name, text)
}

/// Writes the key.
pub fn write(key: &UserDelegationKey<'_>) -> String {
    let mut xml = XmlWriter::document(640);
    xml.open("UserDelegationKey");
    xml.element("SignedOid", key.object_id);
    xml.element("SignedTid", key.tenant);
    xml.element("SignedStart", key.start);
    xml.element("SignedExpiry", key.expiry);
    xml.element("SignedService", key.service);
    xml.element("SignedVersion", key.version);
    if !key.delegated_user_tenant.is_empty() {
        xml.element("SignedDelegatedUserTid", key.delegated_user_tenant);
    }
    xml.element("Value", key.value);
    xml.close("UserDelegationKey");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_model::ErrorCode;

    #[test]
    fn what_is_asked_for_is_read() {
        let ask = |nodes: &str| read(format!("<KeyInfo>{nodes}</KeyInfo>").as_bytes());
        let code = |nodes: &str| ask(nodes).unwrap_err().code();
        let info = ask("<Start>s</Start><Expiry>e</Expiry><DelegatedUserTid>t</DelegatedUserTid>");
        assert_eq!(
            info.unwrap(),
            KeyInfo {
                start: Some("s".to_owned()),
                expiry: "e".to_owned(),
                delegated_user_tenant: Some("t".to_owned()),
            }
        );
        let least = ask("<Start></Start><Expiry>e</Expiry>").unwrap();
        assert_eq!(least, KeyInfo { expiry: "e".to_owned(), ..KeyInfo::default() });
        assert_eq!(code("<Start>s</Start>"), ErrorCode::MissingRequiredXmlNode);
        assert_eq!(code("<Other>s</Other>"), ErrorCode::UnsupportedXmlNode);
        let long = format!("<Expiry>{}</Expiry>", "e".repeat(BODY_BYTES_MAX));
        assert_eq!(code(&long), ErrorCode::InvalidXmlDocument);
    }

    #[test]
    fn the_key_has_the_form_that_clients_read() {
        let key = UserDelegationKey {
            object_id: "o",
            tenant: "t",
            start: "s",
            expiry: "e",
            service: "q",
            version: "v",
            delegated_user_tenant: "",
            value: "k",
        };
        let head = "<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey><SignedOid>o</SignedOid>\
                    <SignedTid>t</SignedTid><SignedStart>s</SignedStart>\
                    <SignedExpiry>e</SignedExpiry><SignedService>q</SignedService>\
                    <SignedVersion>v</SignedVersion>";
        let tail = "<Value>k</Value></UserDelegationKey>";
        assert_eq!(write(&key), format!("{head}{tail}"));
        let bound = write(&UserDelegationKey { delegated_user_tenant: "u", ..key });
        let user = "<SignedDelegatedUserTid>u</SignedDelegatedUserTid>";
        assert_eq!(bound, format!("{head}{user}{tail}"));
    }
}
