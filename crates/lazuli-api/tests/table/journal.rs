//! What the journal is told: an entry for each change, with its key and what commits to its
//! content, and never the content; reads, too. Whatever changed something has a receipt.

use lazuli_api::operations::TABLE;
use lazuli_store::journal::{Group, Kind};

use crate::harness::{Call, Tables, call, get, insert, send};
use crate::scribe::receipt;

const AT: &str = "/Things(PartitionKey='p',RowKey='r')";

#[test]
fn every_change_has_an_entry_and_a_receipt() {
    let tables = Tables::new();
    let body = r#"{"PartitionKey":"p","RowKey":"r","secret":"hushhush"}"#;
    let write = |method: &str| send(method, AT, r#"{"secret":"hushhush"}"#);
    let any = |call: Call| call.header("if-match", "*");
    let object = r#"["Things", "(PartitionKey='p',RowKey='r')", null]"#;
    let whole = r#"["Things", null, null]"#;
    let acl = send("PUT", "/Things?comp=acl", "<SignedIdentifiers/>");
    for (call, op, kind, named) in [
        (send("POST", "/Tables", r#"{"TableName":"Things"}"#), "CreateTable", Kind::Control, whole),
        (insert(body), "InsertEntity", Kind::Write, object),
        (write("PUT"), "InsertOrReplaceEntity", Kind::Write, object),
        (write("MERGE"), "InsertOrMergeEntity", Kind::Write, object),
        (any(write("PUT")), "UpdateEntity", Kind::Write, object),
        (any(write("MERGE")), "MergeEntity", Kind::Write, object),
        (get(AT), "GetEntity", Kind::Read, object),
        (get("/Things()"), "QueryEntities", Kind::Read, whole),
        (any(self::call("DELETE", AT)), "DeleteEntity", Kind::Delete, object),
        (acl, "SetTableAcl", Kind::Control, whole),
        (self::call("DELETE", "/Tables('Things')"), "DeleteTable", Kind::Delete, whole),
    ] {
        let before = tables.logged();
        let answer = tables.send(&call);
        assert_eq!(answer.header("x-ms-error-code"), "", "{answer}");
        let entries = tables.entries(before);
        let [entry] = &entries[..] else { panic!("{op}: {entries:?}") };
        assert_eq!((entry.op(), entry.kind()), (op, kind));
        let declared = TABLE.iter().find(|known| known.spec.name == op).unwrap();
        assert_eq!(declared.spec.is_read(), kind == Kind::Read, "{op}");
        assert_eq!(entry.group(Group::Object), named, "{op}");
        assert!(!entry.bytes().windows(8).any(|bytes| bytes == b"hushhush"), "{op}");
        if kind != Kind::Read {
            assert!(!answer.header("x-lz-receipt").is_empty(), "{answer}");
        }
        let content = entry.group(Group::Content);
        assert_eq!(content.starts_with("[\"sha256\", h'"), kind == Kind::Write, "{content}");
    }
}

#[test]
fn each_change_of_a_transaction_has_an_entry() {
    let tables = Tables::with_table();
    let part = |row: &str| {
        format!(
            "--c\r\nContent-Type: application/http\r\n\r\nPOST /lazurite/Things HTTP/1.1\r\n\r\n\
             {{\"PartitionKey\":\"p\",\"RowKey\":\"{row}\"}}\r\n"
        )
    };
    let send_all = |rows: &[&str]| {
        let parts: String = rows.iter().map(|row| part(row)).collect();
        let body = format!(
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n"
        );
        let call = send("POST", "/$batch", body).clone_with_type("multipart/mixed; boundary=b");
        tables.send(&call).is(202)
    };
    let before = tables.logged();
    let answer = send_all(&["1", "2", "3"]);
    // Each part has the receipt of its own entry, the answer around them has none.
    assert_eq!(answer.header("x-lz-receipt"), "", "{answer}");
    let text = answer.text();
    let receipts: Vec<&str> = text.split("\r\nx-lz-receipt: ").skip(1).collect();
    assert_eq!(receipts.len(), 3, "{answer}");
    for (place, after) in receipts.iter().enumerate() {
        assert!(after.starts_with(&format!("{}\r\n", receipt(before + place))), "{answer}");
    }
    let told: Vec<String> =
        tables.entries(before).iter().map(|entry| entry.group(Group::Object)).collect();
    let wanted = ["1", "2", "3"]
        .map(|row| format!("[\"Things\", \"(PartitionKey='p',RowKey='{row}')\", null]"));
    assert_eq!(told, wanted);
    let before = tables.logged();
    let answer = send_all(&["4", "1"]);
    answer.hides("x-lz-receipt");
    assert_eq!(tables.entries(before).len(), 0);
}
