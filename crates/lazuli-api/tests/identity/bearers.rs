//! Bearer tokens in requests: challenges, scopes, transactions, copies and batches.

use lazuli_auth::Role;
use lazuli_model::Service;
use serde_json::json;

use crate::fixture::{Services, call};
use crate::issuer::{Issuer, NOBODY, OWNER, READER, SCOPED, TENANT, role};

const FORBIDDEN: &str = "AuthorizationPermissionMismatch";

#[test]
fn whoever_is_refused_is_told_where_to_get_a_token() {
    let services = Services::new();
    let challenge = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize \
         resource_id=https://storage.azure.com"
    );
    let get = call(Service::Blob, "GET", "/box/b");
    let answer = services.send(&get.clone().by_nobody());
    answer.has("www-authenticate", &challenge);
    answer.refused(401, "NoAuthenticationInformation");
    let mut claims = Issuer::claims(OWNER);
    claims["exp"] = json!(1);
    let expired = Issuer::shared().sign(&json!({"alg": "ES256"}), &claims);
    let answer = services.send(&get.clone().with_token(&expired));
    answer.has("www-authenticate", &challenge);
    answer
        .refused(401, "InvalidAuthenticationInfo")
        .says("Server failed to authenticate the request. Please refer to the information in the")
        .says("<AuthenticationErrorDetail>Lifetime validation failed. The token is expired.");
    let answer = services.send(&get.clone().with_token(&expired).version("2019-07-07"));
    answer.has("www-authenticate", "").says("Lifetime validation failed.");
    answer.refused(403, "AuthenticationFailed");
    let answer = services.send(&get.clone().by(OWNER).plain());
    answer
        .refused(403, "AuthenticationFailed")
        .says("Authentication scheme Bearer is not allowed with HTTP.");
    let answer = services.send(&get.clone().by(OWNER).version("2017-07-29"));
    answer.refused(403, "AuthenticationFailed").says("is not supported in this version.");
    let answer = services.send(&get.clone().by(NOBODY)).refused(403, FORBIDDEN);
    answer.says("This request is not authorized to perform this operation using this permission.");
    assert_eq!(services.send(&get.by(READER)).is(200).text(), "content");
    let queue = call(Service::Queue, "GET", "/things?comp=metadata");
    services.send(&queue.clone().with_token("x")).refused(401, "InvalidAuthenticationInfo");
    services.send(&queue.by(OWNER)).is(200);
}

#[test]
fn without_identities_nobody_has_a_token() {
    let services = Services::without_identities();
    let get = call(Service::Blob, "GET", "/box/b").by(OWNER);
    let answer = services.send(&get);
    let nobody = "00000000-0000-0000-0000-000000000000";
    assert!(answer.header("www-authenticate").contains(nobody), "{answer}");
    answer
        .refused(401, "InvalidAuthenticationInfo")
        .says("Bearer tokens are not supported by this server.");
    let answer = services.send(&get.plain());
    answer.refused(403, "AuthenticationFailed").says("Bearer is not allowed with HTTP.");
    for service in [Service::Blob, Service::Queue] {
        let key = call(service, "POST", "/?restype=service&comp=userdelegationkey");
        services.send(&key).refused(501, "NotImplemented");
    }
}

#[test]
fn a_scope_is_a_container_and_no_more() {
    let services = Services::new();
    let put = |target: &str| {
        let put = call(Service::Blob, "PUT", target).by(SCOPED);
        put.header("x-ms-blob-type", "BlockBlob").body("new")
    };
    services.send(&put("/box/b")).is(201);
    services.send(&put("/chest/b")).refused(403, FORBIDDEN);
    services.send(&put("/b")).refused(403, FORBIDDEN);
    services.send(&call(Service::Blob, "GET", "/?comp=list").by(SCOPED)).refused(403, FORBIDDEN);
    let list = call(Service::Blob, "GET", "/box?restype=container&comp=list");
    services.send(&list.by(SCOPED)).is(200).says("<Name>b</Name>");
}

#[test]
fn a_tag_takes_more_than_the_right_to_write() {
    let mut services = Services::new();
    let put = call(Service::Blob, "PUT", "/box/tagged").header("x-ms-blob-type", "BlockBlob");
    let tagged = put.clone().header("x-ms-tags", "a=1");
    services.send(&tagged.clone().by(OWNER)).is(201);
    services.send(&tagged.clone().by(SCOPED)).refused(403, FORBIDDEN);
    services.send(&put.by(SCOPED)).is(201);
    services.assign(vec![role(SCOPED, Role::BlobDataOwner, Some("BOX"))]);
    services.send(&tagged.by(SCOPED)).is(201);
}

/// A transaction that adds an entity to a table.
fn transaction(table: &str) -> crate::fixture::Call {
    let body = format!(
        "--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n\
         --changeset_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
         \r\nPOST http://127.0.0.1:10000/devstoreaccount1/{table} HTTP/1.1\r\n\
         Content-Type: application/json\r\nAccept: application/json;odata=nometadata\r\n\r\n\
         {{\"PartitionKey\":\"p\",\"RowKey\":\"r\"}}\r\n\
         --changeset_1--\r\n--batch_1--\r\n"
    );
    call(Service::Table, "POST", "/$batch")
        .header("content-type", "multipart/mixed; boundary=batch_1")
        .body(body)
}

#[test]
fn transactions_are_asked_about_part_by_part() {
    let mut services = Services::new();
    for (who, table, status) in
        [(SCOPED, "gems", 204), (SCOPED, "stones", 403), (READER, "stones", 204)]
    {
        let answer = services.send(&transaction(table).by(who));
        assert_eq!(answer.status(), 202, "{answer}");
        answer.says(&format!("HTTP/1.1 {status} "));
        let told = answer.text().contains(FORBIDDEN);
        assert_eq!(told, status == 403, "{answer}");
    }
    services.assign(vec![role(OWNER, Role::TableDataReader, None)]);
    services.send(&transaction("gems").by(OWNER)).says("HTTP/1.1 403 ");
    assert_eq!(services.send(&transaction("gems").by(NOBODY)).status(), 403);
}

#[test]
fn a_copy_reads_what_its_caller_may_read() {
    let services = Services::new();
    services.send(&call(Service::Blob, "PUT", "/chest?restype=container")).is(201);
    let put = call(Service::Blob, "PUT", "/chest/secret").header("x-ms-blob-type", "BlockBlob");
    services.send(&put.body("secret")).is(201);
    let copy = |from: &str| {
        let source = format!("https://127.0.0.1:10000/devstoreaccount1/{from}");
        call(Service::Blob, "PUT", "/box/copy").header("x-ms-copy-source", &source)
    };
    services.send(&copy("box/b").by(SCOPED)).is(202);
    services.send(&copy("chest/secret").by(OWNER)).is(202);
    services.send(&copy("chest/secret").by(SCOPED)).refused(401, "CannotVerifyCopySource");
    // From URL operations take a token for the source by itself.
    let from_url = copy("chest/secret").header("x-ms-requires-sync", "true");
    let bearer = |who| format!("Bearer {}", Issuer::shared().token(who));
    for (who, status) in [(OWNER, 202), (READER, 202), (NOBODY, 403)] {
        let call = from_url.clone().by(SCOPED);
        let call = call.header("x-ms-copy-source-authorization", &bearer(who));
        assert_eq!(services.send(&call).status(), status, "{who}");
    }
}

#[test]
fn parts_of_a_batch_bring_tokens_of_their_own() {
    let services = Services::new();
    let batch = |token: &str| {
        let body = format!(
            "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
             Content-ID: 0\r\n\r\nDELETE /devstoreaccount1/box/b HTTP/1.1\r\n\
             Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n--b--\r\n"
        );
        let batch = call(Service::Blob, "POST", "/?comp=batch").body(body);
        batch.header("content-type", "multipart/mixed; boundary=b")
    };
    let issuer = Issuer::shared();
    services.send(&batch(&issuer.token(READER)).by(READER)).refused(403, FORBIDDEN);
    let answer = services.send(&batch(&issuer.token(READER)).by(OWNER)).is(202);
    answer.says("HTTP/1.1 403 ").says(FORBIDDEN);
    services.send(&batch(&issuer.token(OWNER)).by(OWNER)).is(202).says("HTTP/1.1 202 ");
}
