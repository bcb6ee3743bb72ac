//! Create Session, and what a session may be used for.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-session>

use lazuli_auth::AccountKey;

use crate::harness::{
    ACCOUNT, Blobs, Call, OTHER_ACCOUNT, call, delete, get, head, key_of, put, put_blob,
};

/// The body of Create Session.
pub(crate) const REQUEST: &str =
    "<CreateSessionRequest><AuthenticationType>HMAC</AuthenticationType></CreateSessionRequest>";

fn create(container: &str) -> Call {
    call("POST", &format!("/{container}?restype=container&comp=session")).body(REQUEST)
}

/// A session as a client has it.
struct Session {
    token: String,
    key: AccountKey,
}

impl Session {
    fn of(blobs: &Blobs, container: &str) -> Self {
        let answer = blobs.send(&create(container)).is(201);
        let key = AccountKey::from_base64(&answer.elements("SessionKey").concat()).unwrap();
        Self { token: answer.elements("SessionToken").concat(), key }
    }

    /// The call, signed by the session.
    fn sign(&self, blobs: &Blobs, call: &Call) -> Call {
        let signed = blobs.authorization(&call.clone().key(self.key.clone()));
        let (_, signature) = signed.split_once(':').unwrap();
        let authorization = format!("Session {}:{signature}", self.token);
        call.clone().unsigned().header("authorization", authorization)
    }
}

#[test]
fn a_session_reads_the_blobs_of_its_container() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put("/chest?restype=container")).is(201);
    blobs.send(&put_blob("/chest/b", "other")).is(201);
    let session = Session::of(&blobs, "box");
    let send = |call: Call| blobs.send(&session.sign(&blobs, &call));
    assert_eq!(send(get("/box/b")).is(200).text(), "content");
    send(head("/box/b")).is(200).has("content-length", "7");
    assert_eq!(send(get("/box/b").header("x-ms-range", "bytes=1-2")).is(206).text(), "on");
    send(get("/box/missing")).refused(404, "BlobNotFound");
    // What it may not: other containers, other accounts, anything that is no read of a blob.
    send(get("/chest/b")).refused(403, "AuthenticationFailed");
    for call in [
        get("/box?restype=container&comp=list"),
        get("/box?restype=container"),
        get("/box/b?comp=tags"),
        put_blob("/box/b", "changed"),
        put("/box/b?comp=snapshot"),
        delete("/box/b"),
        create("box"),
    ] {
        send(call).refused(403, "AuthorizationPermissionMismatch");
    }
    let other = get("/box/b").account(OTHER_ACCOUNT);
    send(other).refused(403, "AuthenticationFailed");
    blobs.send(&get("/box/b")).is(200).says("content");
}

#[test]
fn a_session_ends() {
    let blobs = Blobs::with_blob("content");
    let answer = blobs.send(&create("box")).is(201);
    answer.says(&format!("<Expiration>{}</Expiration>", blobs.http_date(3600)));
    answer
        .says("<AuthenticationType>HMAC</AuthenticationType>")
        .has("content-type", "application/xml");
    let session = Session::of(&blobs, "box");
    blobs.pass(3599);
    blobs.send(&session.sign(&blobs, &get("/box/b"))).is(200);
    blobs.pass(1);
    let answer = blobs.send(&session.sign(&blobs, &get("/box/b")));
    answer.refused(403, "AuthenticationFailed").says("The session has expired.");
    // The client makes another one.
    blobs.send(&Session::of(&blobs, "box").sign(&blobs, &get("/box/b"))).is(200);
}

#[test]
fn a_session_cannot_be_forged() {
    let blobs = Blobs::with_blob("content");
    let session = Session::of(&blobs, "box");
    // Not with another key, nor by putting off its end.
    let other = Session { token: session.token.clone(), key: key_of(ACCOUNT) };
    blobs.send(&other.sign(&blobs, &get("/box/b"))).refused(403, "AuthenticationFailed");
    let longer = format!("AQ///{}", &session.token[5..]);
    let other = Session { token: longer, key: session.key.clone() };
    blobs.send(&other.sign(&blobs, &get("/box/b"))).refused(403, "AuthenticationFailed");
    for (authorization, status, code) in [
        ("Session", 400, "InvalidAuthenticationInfo"),
        ("Session abc", 400, "InvalidAuthenticationInfo"),
        ("Session *:abc", 400, "InvalidAuthenticationInfo"),
        ("Session YWJj:abc", 403, "AuthenticationFailed"),
        ("Session :abc", 403, "AuthenticationFailed"),
    ] {
        let call = get("/box/b").unsigned().header("authorization", authorization);
        blobs.send(&call).refused(status, code);
    }
    // Without a session nothing is told of it, and its date counts as any other's.
    let old = session.sign(&blobs, &get("/box/b").date("Tue, 24 Nov 2026 07:00:00 GMT"));
    blobs.send(&old).refused(403, "AuthenticationFailed");
}

#[test]
fn sessions_that_are_not_made() {
    let blobs = Blobs::with_container();
    blobs.send(&create("none")).refused(404, "ContainerNotFound");
    blobs.send(&create("box").unsigned()).refused(401, "NoAuthenticationInformation");
    for (body, code) in [
        ("", "InvalidXmlDocument"),
        ("<CreateSessionRequest/>", "MissingRequiredXmlNode"),
        (
            "<CreateSessionRequest><AuthenticationType>X</AuthenticationType></CreateSessionRequest>",
            "InvalidXmlNodeValue",
        ),
    ] {
        blobs.send(&create("box").body(body)).refused(400, code);
    }
    let long = format!("<CreateSessionRequest>{}", " ".repeat(5000));
    blobs.send(&create("box").body(long)).refused(413, "RequestBodyTooLarge");
}
