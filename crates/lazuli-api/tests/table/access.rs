//! Who may do what: keys, account tokens, tokens of tables with their spans of keys, policies.

use lazuli_auth::{AccountSas, account_sas, table_sas};

use crate::harness::{ACCOUNT, Call, Tables, VERSION, call, get, insert, key, send};

const PERMISSION: &str = "AuthorizationPermissionMismatch";
const AT: &str = "/Things(PartitionKey='p',RowKey='r')";

fn of_account(resource_types: &str, permissions: &str) -> String {
    let sas = AccountSas {
        account: ACCOUNT,
        version: VERSION,
        services: "t",
        resource_types,
        permissions,
        start: "",
        expiry: "2026-11-24T09:00:00Z",
        addresses: "",
        protocols: "",
        encryption_scope: "",
    };
    account_sas(&key(), &sas)
}

fn of_table(table: &str, fields: &[(&str, &str)]) -> String {
    table_sas(&key(), (ACCOUNT, table), VERSION, fields)
}

fn permitting(permissions: &str) -> String {
    of_table("things", &[("sp", permissions), ("se", "2026-11-24T09:00:00Z")])
}

/// Calls of every kind, with the letters that an account token and a table's token need together,
/// and the level of `srt`; nothing for what a table's token cannot do.
fn calls() -> Vec<(Call, &'static str, Option<&'static str>, &'static str)> {
    let body = r#"{"PartitionKey":"p","RowKey":"n"}"#;
    let write = |method: &str| send(method, AT, "{}");
    vec![
        (get("/?restype=service&comp=properties"), "r", None, "s"),
        (get("/Tables"), "l", None, "s"),
        (send("POST", "/Tables", r#"{"TableName":"New"}"#), "c", None, "c"),
        (call("DELETE", "/Tables('Things')"), "d", None, "c"),
        (get("/Things()"), "r", Some("r"), "o"),
        (get(AT), "r", Some("r"), "o"),
        (insert(body), "a", Some("a"), "o"),
        (write("PUT").header("if-match", "*"), "u", Some("u"), "o"),
        (write("MERGE").header("if-match", "*"), "u", Some("u"), "o"),
        (write("PUT"), "au", Some("au"), "o"),
        (write("MERGE"), "au", Some("au"), "o"),
        (call("DELETE", AT).header("if-match", "*"), "d", Some("d"), "o"),
    ]
}

#[test]
fn each_permission_permits_what_it_names() {
    for (call, letters, of_one, level) in calls() {
        let tables = Tables::with_table();
        tables.send(&send("PUT", AT, "{}")).is(204);
        let others: String = "rwdlacu".chars().filter(|it| !letters.contains(*it)).collect();
        // One of two letters is not enough, and neither are all others.
        let lacking = others.replace(if letters == "c" { "w" } else { "-" }, "") + &letters[1..];
        let answer = tables.send(&call.clone().token(&of_account(level, &lacking)));
        assert_eq!(answer.header("x-ms-error-code"), PERMISSION, "{answer}");
        let wrong = if level == "o" { "sc" } else { "o" };
        let answer = tables.send(&call.clone().token(&of_account(wrong, letters)));
        let code = answer.header("x-ms-error-code");
        assert_eq!(code, "AuthorizationResourceTypeMismatch", "{answer}");
        if let Some(letters) = of_one {
            let lacking: String = "raud".chars().filter(|it| !letters.contains(*it)).collect();
            let lacking = lacking + &letters[1..];
            tables
                .send(&call.clone().token(&permitting(&lacking)))
                .refused_in_json(403, PERMISSION);
            let answer = tables.send(&call.clone().token(&permitting(letters)));
            assert_eq!(answer.header("x-ms-error-code"), "", "{answer}");
            tables.send(&send("PUT", AT, "{}")).is(204);
            tables.send(&call_delete_new()).header("x-ms-error-code");
        } else {
            let answer = tables.send(&call.clone().token(&permitting("raud")));
            assert!(answer.header("x-ms-error-code").starts_with("Auth"), "{answer}");
        }
        let answer = tables.send(&call.token(&of_account(level, letters)));
        assert_eq!(answer.header("x-ms-error-code"), "", "{answer}");
    }
}

/// Removes what inserting made, if it did.
fn call_delete_new() -> Call {
    call("DELETE", "/Things(PartitionKey='p',RowKey='n')").header("if-match", "*")
}

#[test]
fn a_table_token_is_for_its_table() {
    let tables = Tables::with_table();
    tables.send(&send("POST", "/Tables", r#"{"TableName":"Others"}"#)).is(201);
    tables.send(&get("/Things()").token(&permitting("r"))).is(200);
    tables
        .send(&get("/Others()").token(&permitting("r")))
        .refused_in_json(403, "AuthenticationFailed");
    let renamed = permitting("r").replace("tn=things", "tn=others");
    tables.send(&get("/Others()").token(&renamed)).refused_in_json(403, "AuthenticationFailed");
    tables.pass(3601);
    tables
        .send(&get("/Things()").token(&permitting("r")))
        .refused_in_json(403, "AuthenticationFailed");
}

#[test]
fn a_span_of_keys_bounds_reads_and_writes() {
    let tables = Tables::with_table();
    for (partition, row) in [("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")] {
        let body = format!("{{\"PartitionKey\":\"{partition}\",\"RowKey\":\"{row}\"}}");
        tables.send(&insert(&body)).is(201);
    }
    let spanning = |span: &[(&'static str, &'static str)]| {
        let mut fields = vec![("sp", "raud"), ("se", "2026-11-24T09:00:00Z")];
        fields.extend_from_slice(span);
        of_table("Things", &fields)
    };
    for (span, seen) in [
        (&[("spk", "b")][..], 3),
        (&[("epk", "b")], 3),
        (&[("spk", "b"), ("epk", "b")], 2),
        (&[("spk", "b"), ("srk", "2"), ("epk", "b"), ("erk", "2")], 1),
        (&[("spk", "b"), ("srk", "2"), ("epk", "c")], 2),
        (&[("spk", "x")], 0),
    ] {
        let page = tables.send(&get("/Things()").token(&spanning(span))).is(200);
        assert_eq!(page.members("RowKey").len(), seen, "{span:?}");
    }
    let token = spanning(&[("spk", "b"), ("srk", "2"), ("epk", "b")]);
    tables.send(&get("/Things(PartitionKey='b',RowKey='2')").token(&token)).is(200);
    for (method, target) in [
        ("GET", "/Things(PartitionKey='b',RowKey='1')"),
        ("PUT", "/Things(PartitionKey='c',RowKey='2')"),
        ("DELETE", "/Things(PartitionKey='a',RowKey='1')"),
    ] {
        let call = send(method, target, "{}").header("if-match", "*").token(&token);
        tables.send(&call).refused_in_json(403, "AuthorizationFailure");
    }
    let outside = insert(r#"{"PartitionKey":"b","RowKey":"0"}"#).token(&token);
    tables.send(&outside).refused_in_json(403, "AuthorizationFailure");
    let lone = spanning(&[("srk", "2")]);
    tables.send(&get("/Things()").token(&lone)).refused_in_json(403, "AuthenticationFailed");
}

#[test]
fn a_transaction_asks_of_each_change() {
    let tables = Tables::with_table();
    let ask = |token: &str, table: &str| {
        let body = format!(
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\
             Content-Type: application/http\r\n\r\nPOST /lazurite/{table} HTTP/1.1\r\n\r\n\
             {{\"PartitionKey\":\"p\",\"RowKey\":\"r\"}}\r\n--c--\r\n--b--\r\n"
        );
        let call = send("POST", "/$batch", body).clone_with_type("multipart/mixed; boundary=b");
        tables.send(&call.token(token)).is(202)
    };
    ask(&permitting("rud"), "Things").says("403 Forbidden").says(PERMISSION);
    ask(&permitting("a"), "Others").says("403 Forbidden").says("AuthorizationFailure");
    ask(&permitting("a"), "Things").says("204 No Content");
    let call = send("POST", "/$batch", "").clone_with_type("multipart/mixed; boundary=b");
    let answer = tables.send(&call.token(&of_account("sc", "raud")));
    answer.refused_in_json(403, "AuthorizationResourceTypeMismatch");
}

#[test]
fn policies_are_stored_and_referred_to() {
    let tables = Tables::with_table();
    let acl = "/Things?comp=acl";
    let policy = format!(
        "<SignedIdentifiers><SignedIdentifier><Id>pol</Id><AccessPolicy><Start></Start>\
         <Expiry>{}</Expiry><Permission>r</Permission></AccessPolicy></SignedIdentifier>\
         </SignedIdentifiers>",
        tables.iso_date(60)
    );
    tables.send(&send("PUT", acl, &policy)).is(204);
    tables.send(&get(acl)).is(200).says("<Id>pol</Id>").says("<Permission>r</Permission>");
    let token = of_table("Things", &[("si", "pol")]);
    tables.send(&get("/Things()").token(&token)).is(200);
    tables.send(&insert("{}").token(&token)).refused_in_json(403, PERMISSION);
    let none = of_table("Things", &[("si", "none")]);
    tables.send(&get("/Things()").token(&none)).refused_in_json(403, "AuthenticationFailed");
    let answer = tables.send(&get(acl).token(&permitting("raud")));
    answer.refused_in_xml(403, "AuthorizationFailure");
    tables.pass(61);
    tables.send(&get("/Things()").token(&token)).refused_in_json(403, "AuthenticationFailed");
    let missing = tables.send(&get("/Nowhere?comp=acl"));
    missing.refused_in_xml(404, "TableNotFound");
}
