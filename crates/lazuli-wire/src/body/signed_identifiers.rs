//! Stored access policies: the body of Set Container ACL and the result of Get Container ACL.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-container-acl>

use lazuli_model::acl::{AccessPolicy, SignedIdentifier};
use lazuli_model::{ErrorCode, Refusal};

use super::bounded;
use crate::date::{iso7, parse_iso};
use crate::xml::{XmlLimits, XmlReader, XmlWriter, missing_node, node_value};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The most policies of a container.
const POLICIES_MAX: usize = 5;
/// The longest identifier, in characters.
const ID_CHARS_MAX: usize = 64;

/// Permissions of containers whose order is known.
const IN_ORDER: &str = "racwdl";
/// Those that came later, and whose order clients do not agree on.
const IN_ANY_ORDER: &str = "xytfmeopi";

/// Reads the body of an operation that sets policies; no bytes are no policies.
///
/// `InvalidXmlDocument` for more than five policies or two of one identifier;
/// `InvalidXmlNodeValue` for an identifier longer than 64 characters and for what is no date;
/// `MissingRequiredXmlNode` without an identifier.
pub fn read(body: &[u8]) -> Result<Vec<SignedIdentifier>, Refusal> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body = bounded(body, BODY_BYTES_MAX)?;
    let mut xml = XmlReader::open(body, "SignedIdentifiers", XmlLimits::default())?;
    let mut policies: Vec<SignedIdentifier> = Vec::new();
    while xml.child(&["SignedIdentifier"])?.is_some() {
        let policy = read_one(&mut xml)?;
        if policies.len() == POLICIES_MAX || policies.iter().any(|other| other.id == policy.id) {
            return Err(Refusal::new(ErrorCode::InvalidXmlDocument)
                .with_cause("more than five policies or two of one identifier"));
        }
        policies.push(policy);
    }
    xml.finish()?;
    Ok(policies)
}

/// Reads the body of Set Container ACL, where the permissions are checked when they are set: the
/// letters are those of containers, and reading, adding, creating, writing, deleting and listing
/// stand in this order. Errors as of [`read`], and `InvalidXmlDocument` for other permissions.
///
/// <https://github.com/Azure/azure-sdk-for-net/issues/14456>
pub fn read_of_container(body: &[u8]) -> Result<Vec<SignedIdentifier>, Refusal> {
    let policies = read(body)?;
    for permission in policies.iter().filter_map(|policy| policy.policy.permission.as_deref()) {
        let places = permission.chars().filter_map(|letter| IN_ORDER.find(letter));
        let is_known = |letter| IN_ORDER.contains(letter) || IN_ANY_ORDER.contains(letter);
        if !permission.chars().all(is_known) || !places.is_sorted() {
            return Err(Refusal::new(ErrorCode::InvalidXmlDocument)
                .with_cause(format_args!("the permissions are `{permission}`")));
        }
    }
    Ok(policies)
}

fn read_one(xml: &mut XmlReader<'_>) -> Result<SignedIdentifier, Refusal> {
    let mut policy = SignedIdentifier::default();
    while let Some(name) = xml.child(&["Id", "AccessPolicy"])? {
        if name == "Id" {
            policy.id = xml.text(name)?;
            if policy.id.chars().count() > ID_CHARS_MAX {
                return Err(node_value(name, &policy.id));
            }
            continue;
        }
        while let Some(name) = xml.child(&["Start", "Expiry", "Permission"])? {
            let text = xml.text(name)?.trim().to_owned();
            if name != "Permission" && !text.is_empty() && parse_iso(&text).is_none() {
                return Err(node_value(name, &text));
            }
            let field = match name {
                "Start" => &mut policy.policy.start,
                "Expiry" => &mut policy.policy.expiry,
                _ => &mut policy.policy.permission,
            };
            *field = (!text.is_empty()).then_some(text);
        }
    }
    if policy.id.is_empty() { Err(missing_node("Id")) } else { Ok(policy) }
}

/// Writes the result of Get Container ACL, as the service does: times have all their digits, however
/// they were written, and a policy that says nothing is left out.
pub fn write(policies: &[SignedIdentifier]) -> String {
    let mut xml = XmlWriter::document(256 + 256 * policies.len());
    if policies.is_empty() {
        xml.empty("SignedIdentifiers");
        return xml.finish();
    }
    xml.open("SignedIdentifiers");
    for policy in policies {
        xml.open("SignedIdentifier");
        xml.element("Id", &policy.id);
        write_policy(&mut xml, &policy.policy);
        xml.close("SignedIdentifier");
    }
    xml.close("SignedIdentifiers");
    xml.finish()
}

fn write_policy(xml: &mut XmlWriter, policy: &AccessPolicy) {
    if *policy == AccessPolicy::default() {
        return;
    }
    xml.open("AccessPolicy");
    for (name, time) in [("Start", &policy.start), ("Expiry", &policy.expiry)] {
        // Clients read the form that the service writes, and some of them no shorter one.
        let written = time.as_deref().map(|text| parse_iso(text).map_or(text.to_owned(), iso7));
        xml.optional(name, written.as_deref());
    }
    xml.optional("Permission", policy.permission.as_deref());
    xml.close("AccessPolicy");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(id: &str) -> String {
        format!("<SignedIdentifier><Id>{id}</Id></SignedIdentifier>")
    }

    fn code(policies: &str) -> Option<ErrorCode> {
        let body = format!("<SignedIdentifiers>{policies}</SignedIdentifiers>");
        read(body.as_bytes()).err().map(|refusal| refusal.code())
    }

    #[test]
    fn permissions_of_a_container_are_letters_in_their_order() {
        let of = |permission: &str| {
            let body = format!(
                "<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy><Permission>\
                 {permission}</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
            );
            read_of_container(body.as_bytes()).map_err(|refusal| refusal.code())
        };
        for permission in ["", "r", "rwdl", "racwdl", "racwdxyltfmeopi", "rtl"] {
            assert!(of(permission).is_ok(), "{permission}");
        }
        for permission in ["wrld", "lr", "rz", "u", "R", "r w"] {
            assert_eq!(of(permission), Err(ErrorCode::InvalidXmlDocument), "{permission}");
        }
    }

    #[test]
    fn empty_elements_say_nothing() {
        let body = "<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy>\
                    <Start>2024-01-01</Start><Expiry /><Permission>rl</Permission></AccessPolicy>\
                    </SignedIdentifier><SignedIdentifier><Id>b</Id><AccessPolicy />\
                    </SignedIdentifier></SignedIdentifiers>";
        let policies = read(body.as_bytes()).unwrap();
        assert_eq!(
            policies[0],
            SignedIdentifier {
                id: "a".to_owned(),
                policy: AccessPolicy {
                    start: Some("2024-01-01".to_owned()),
                    expiry: None,
                    permission: Some("rl".to_owned()),
                },
            }
        );
        assert_eq!(policies[1].policy.permission, None);
        assert_eq!(
            write(&policies[..1]),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><SignedIdentifiers><SignedIdentifier>\
             <Id>a</Id><AccessPolicy><Start>2024-01-01T00:00:00.0000000Z</Start>\
             <Permission>rl</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
        );
        let nothing = write(&policies[1..]);
        assert!(
            nothing
                .ends_with("<SignedIdentifier><Id>b</Id></SignedIdentifier></SignedIdentifiers>")
        );
        assert_eq!(read(nothing.as_bytes()).unwrap(), policies[1..]);
        assert_eq!(read(write(&[]).as_bytes()).unwrap(), []);
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn limits_are_kept() {
        let five: String = (0..5).map(|i| policy(&i.to_string())).collect();
        assert_eq!(code(&five), None);
        assert_eq!(code(&(five + &policy("5"))), Some(ErrorCode::InvalidXmlDocument));
        assert_eq!(code(&(policy("a") + &policy("a"))), Some(ErrorCode::InvalidXmlDocument));
        assert_eq!(code(&policy(&"é".repeat(64))), None);
        assert_eq!(code(&policy(&"é".repeat(65))), Some(ErrorCode::InvalidXmlNodeValue));
        assert_eq!(code(&policy("")), Some(ErrorCode::MissingRequiredXmlNode));
        let bad =
            policy("a").replace("</Id>", "</Id><AccessPolicy><Start>x</Start></AccessPolicy>");
        assert_eq!(code(&bad), Some(ErrorCode::InvalidXmlNodeValue));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in any::<Vec<u8>>(),
            near in "(</?(SignedIdentifiers?|Id|AccessPolicy|Start)>|[a0-9-]){0,12}",
        ) {
            let _ = (read(&bytes), code(&near));
        }
    }
}
