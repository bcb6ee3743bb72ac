//! How the journal names identities: by their object id, which entries have as a pseudonym.

use lazuli_model::Service;
use lazuli_store::journal::{Group, Kind};

use crate::delegation::{Key, ask};
use crate::fixture::{Services, call};
use crate::issuer::{NOBODY, OWNER, READER};

#[test]
fn entries_say_which_identity_acted_and_how() {
    let services = Services::new();
    let key = Key::of(&services, Service::Blob, OWNER);
    let token = key.container_token("rw");
    let put = call(Service::Blob, "PUT", "/box/n").header("x-ms-blob-type", "BlockBlob");
    let get = call(Service::Blob, "GET", "/box/b");
    for (call, op, kind, who, auth) in [
        (put.clone().by(OWNER), "PutBlob", Kind::Write, OWNER, "bearer"),
        (get.clone().by(READER), "GetBlob", Kind::Read, READER, "bearer"),
        (put.clone().by(READER), "PutBlob", Kind::Read, READER, "bearer"),
        (get.by(NOBODY), "GetBlob", Kind::Read, NOBODY, "bearer"),
        (put.by_nobody().query(&token), "PutBlob", Kind::Write, OWNER, "user-delegation-sas"),
        (ask(Service::Queue, "").by(OWNER), "GetUserDelegationKey", Kind::Control, OWNER, "bearer"),
    ] {
        let before = services.logged();
        services.send(&call);
        let entries = services.entries(before);
        let [entry] = &entries[..] else { panic!("{op}: {entries:?}") };
        assert_eq!((entry.op(), entry.kind()), (op, kind));
        assert_eq!(entry.group(Group::Principal), format!("{who:?}"));
        assert_eq!(entry.group(Group::Auth), format!("[{auth:?}, null, null]"));
        assert!(entry.group(Group::Source).ends_with("\"tls\"]"), "{op}");
        // Neither the token nor what signs one.
        let bytes = String::from_utf8_lossy(entry.bytes()).into_owned();
        assert!(!bytes.contains("eyJ") && !bytes.contains("sig="), "{op}");
    }
}

#[test]
fn a_token_that_is_not_taken_has_no_entry() {
    let services = Services::new();
    let before = services.logged();
    let get = call(Service::Blob, "GET", "/box/b").with_token("abc");
    services.send(&get).refused(401, "InvalidAuthenticationInfo");
    assert!(services.entries(before).is_empty());
}
