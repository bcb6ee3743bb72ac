//! Query Blob Contents: who may ask, what is refused, and that the answer streams.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/query-blob-contents>. What queries mean is
//! the matter of `lazuli-query` and its own tests.

use crate::harness::{Blobs, Call, call, delete, put, put_blob};

fn request(expression: &str) -> String {
    let expression = expression.replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueryRequest><QueryType>SQL</QueryType>\
         <Expression>{expression}</Expression></QueryRequest>"
    )
}

fn query(expression: &str) -> Call {
    call("POST", "/box/b?comp=query")
        .header("content-type", "application/xml")
        .body(request(expression))
}

#[test]
fn records_come_in_frames_with_the_blobs_properties() {
    let blobs = Blobs::with_container();
    let upload = put_blob("/box/b", "1,a\n2,b\n3,c\n")
        .header("x-ms-blob-content-type", "text/csv")
        .header("x-ms-blob-content-encoding", "identity")
        .header("x-ms-meta-owner", "ann");
    let etag = blobs.send(&upload).is(201).header("etag");
    let answer = blobs.send(&query("SELECT _2 FROM BlobStorage WHERE _1 >= 2")).is(200);
    answer.has("content-type", "avro/binary").has("content-encoding", "").has("etag", &etag);
    answer.has("x-ms-meta-owner", "ann").has("x-ms-blob-type", "BlockBlob");
    assert!(answer.text().starts_with("Obj\u{1}"), "{answer}");
    answer.says("avro.schema").says("b\nc\n").hides("a\n");
}

#[test]
fn snapshots_conditions_leases_and_tokens_are_those_of_a_read() {
    let blobs = Blobs::with_container();
    blobs.send(&put_blob("/box/b", "old\n")).is(201);
    let snapshot = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    blobs.send(&put_blob("/box/b", "new\n")).is(201);
    let all = || query("SELECT * FROM BlobStorage");
    blobs.send(&all()).is(200).says("new\n");
    blobs.send(&all().query(&format!("snapshot={snapshot}"))).is(200).says("old\n");
    blobs.send(&all().header("if-match", "\"0x1\"")).refused(412, "ConditionNotMet");
    let lease = "4b5c5e0e-0d5e-4e65-a111-111111111111";
    blobs
        .send(&all().header("x-ms-lease-id", lease))
        .refused(412, "LeaseNotPresentWithBlobOperation");
    blobs.send(&all().unsigned()).refused(401, "NoAuthenticationInformation");
    blobs.send(&delete("/box/b").header("x-ms-delete-snapshots", "include")).is(202);
    blobs.send(&all()).refused(404, "BlobNotFound");
}

#[test]
fn what_cannot_be_answered_is_refused_before_anything_is_sent() {
    let blobs = Blobs::with_container();
    blobs.send(&put_blob("/box/b", "id,name\n1,ann\n")).is(201);
    let refused =
        blobs.send(&query("SELECT nonsense")).refused(400, "ErrorProcessingQueryExpression");
    refused.says("Syntax error!");
    let unnamed = blobs.send(&query("SELECT name FROM BlobStorage"));
    unnamed.refused(400, "ErrorProcessingQueryExpression").says("hasHeader");
    let input = |format: &str| {
        let xml = request("SELECT x FROM BlobStorage").replace(
            "</QueryRequest>",
            &format!(
                "<InputSerialization><Format>{format}</Format></InputSerialization></QueryRequest>"
            ),
        );
        call("POST", "/box/b?comp=query").body(xml)
    };
    let headed = "<Type>delimited</Type><DelimitedTextConfiguration><HasHeaders>true</HasHeaders>\
                  </DelimitedTextConfiguration>";
    blobs.send(&input(headed)).refused(400, "ErrorProcessingQueryExpression");
    blobs.send(&input("<Type>parquet</Type>")).refused(501, "NotImplemented");
    blobs.send(&input("<Type>text</Type>")).refused(400, "InvalidXmlNodeValue");
    blobs.send(&query("").body("<QueryRequest>")).refused(400, "InvalidXmlDocument");
    blobs.send(&query("").body("<QueryRequest/>")).refused(400, "MissingRequiredXmlNode");
    let large = "x".repeat(3 << 20);
    blobs.send(&query("").body(large)).refused(413, "RequestBodyTooLarge");
}

#[test]
fn a_long_answer_is_sent_as_it_is_found() {
    let blobs = Blobs::with_container();
    let lines: Vec<String> = (0..200_000).map(|number| format!("{number},some text\n")).collect();
    let content = lines.concat();
    blobs.send(&put_blob("/box/b", &content)).is(201);
    let answer = blobs.send(&query("SELECT * FROM BlobStorage")).is(200);
    answer.has("content-length", "").says("\n123456,some text\n").says("\n199999,some text\n");
    let few = blobs.send(&query("SELECT _1 FROM BlobStorage WHERE _1 > 199998")).is(200);
    few.says("199999\n");
    assert_ne!(few.header("content-length"), "");
    let limited = blobs.send(&query("SELECT _1 FROM BlobStorage LIMIT 1")).is(200);
    limited.says("0\n").hides("1\n");
}

#[test]
fn an_archived_blob_has_nothing_to_query() {
    let blobs = Blobs::with_blob("1,2\n");
    blobs.send(&put("/box/b?comp=tier").header("x-ms-access-tier", "Archive")).is(200);
    blobs.send(&query("SELECT * FROM BlobStorage")).refused(409, "BlobArchived");
}
