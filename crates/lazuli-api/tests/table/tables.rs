//! Tables themselves: making, listing and deleting them, and the settings of the service.

use crate::harness::{Tables, call, get, send};

fn create(name: &str) -> crate::harness::Call {
    send("POST", "/Tables", format!("{{\"TableName\":\"{name}\"}}"))
}

#[test]
fn a_table_is_made_once_in_any_case() {
    let tables = Tables::new();
    let made = tables.send(&create("Things")).is(201);
    made.has("dataserviceversion", "3.0;").has("cache-control", "no-cache").says(
        r#"{"odata.metadata":"http://127.0.0.1:10002/lazurite/$metadata#Tables/@Element","TableName":"Things"}"#,
    );
    tables.send(&create("things")).refused_in_json(409, "TableAlreadyExists");
    let quiet = tables.send(&create("Others").header("prefer", "return-no-content")).is(204);
    quiet
        .has("preference-applied", "return-no-content")
        .has("location", "http://127.0.0.1:10002/lazurite/Tables('Others')")
        .has("dataserviceid", "http://127.0.0.1:10002/lazurite/Tables('Others')");
    for (name, code) in [
        ("ab", "OutOfRangeInput"),
        ("1ab", "InvalidResourceName"),
        ("a-b", "InvalidResourceName"),
        ("tables", "InvalidResourceName"),
    ] {
        tables.send(&create(name)).refused_in_json(400, code);
    }
    tables.send(&call("DELETE", "/Tables('THINGS')")).is(204);
    tables.send(&call("DELETE", "/Tables('Things')")).refused_in_json(404, "ResourceNotFound");
    tables.send(&create("Things")).is(201);
}

#[test]
fn tables_are_listed_in_pages_and_by_filter() {
    let tables = Tables::new();
    for name in ["bbb", "Aaa", "ccc", "Ddd"] {
        tables.send(&create(name)).is(201);
    }
    let page = tables.send(&get("/Tables?$top=3")).is(200);
    assert_eq!(page.members("TableName"), ["Aaa", "bbb", "ccc"]);
    let next = page.header("x-ms-continuation-nexttablename");
    let page = tables.send(&get(&format!("/Tables?$top=3&NextTableName={next}"))).is(200);
    assert_eq!(page.members("TableName"), ["Ddd"]);
    page.has("x-ms-continuation-nexttablename", "");
    let filtered = "/Tables?$filter=TableName%20ge%20'b'%20and%20TableName%20lt%20'c'";
    assert_eq!(tables.send(&get(filtered)).is(200).members("TableName"), ["bbb"]);
    tables.send(&get("/Tables('bbb')")).is(200).says("\"TableName\":\"bbb\"");
    tables.send(&get("/Tables('zzz')")).refused_in_json(404, "ResourceNotFound");
    tables.send(&get("/Tables?NextTableName=junk")).refused_in_json(400, "InvalidInput");
}

#[test]
fn settings_are_the_tables_own() {
    let tables = Tables::new();
    let target = "/?restype=service&comp=properties";
    let cors = "<StorageServiceProperties><Cors><CorsRule><AllowedOrigins>http://a</AllowedOrigins>\
                <AllowedMethods>GET</AllowedMethods><MaxAgeInSeconds>5</MaxAgeInSeconds>\
                <ExposedHeaders>*</ExposedHeaders><AllowedHeaders>*</AllowedHeaders></CorsRule>\
                </Cors></StorageServiceProperties>";
    tables.send(&send("PUT", target, cors)).is(202);
    let told = tables.send(&get(target)).is(200);
    told.says("<AllowedOrigins>http://a</AllowedOrigins>").hides("StaticWebsite");
    let preflight = call("OPTIONS", "/Things")
        .header("origin", "http://a")
        .header("access-control-request-method", "GET");
    tables.send(&preflight).is(200).has("access-control-allow-origin", "http://a");
    let foreign = call("OPTIONS", "/Things")
        .header("origin", "http://b")
        .header("access-control-request-method", "GET");
    tables.send(&foreign).refused_in_json(403, "CorsPreflightFailure");
    tables.send(&send("PUT", target, "<x")).refused_in_xml(400, "InvalidXmlDocument");
    let stats = get("/?restype=service&comp=stats");
    tables.send(&stats).refused_in_xml(400, "InvalidQueryParameterValue");
    tables.send_to(&stats, true).is(200).says("<Status>live</Status>");
}

#[test]
fn answers_name_a_table_as_it_was_made() {
    let tables = Tables::with_table();
    let entity = r#"{"PartitionKey":"p","RowKey":"r"}"#;
    let insert = send("POST", "/tHINGS", entity);
    let asks_all = "application/json;odata=fullmetadata";
    let made = tables.send(&insert.header("accept", asks_all)).is(201);
    let url = "http://127.0.0.1:10002/lazurite/Things(PartitionKey='p',RowKey='r')";
    made.has("location", url).says("$metadata#Things").hides("tHINGS");
    for target in ["/tHINGS(PartitionKey='p',RowKey='r')", "/tHINGS()"] {
        let read = tables.send(&get(target).header("accept", asks_all)).is(200);
        read.says("$metadata#Things").hides("tHINGS");
    }
    let batch = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
                 --c\r\nContent-Type: application/http\r\n\r\n\
                 POST /lazurite/tHINGS HTTP/1.1\r\nPrefer: return-content\r\n\r\n\
                 {\"PartitionKey\":\"p\",\"RowKey\":\"s\"}\r\n--c--\r\n--b--\r\n";
    let batch = send("POST", "/$batch", batch);
    let batch = batch.clone_with_type("multipart/mixed; boundary=b");
    tables
        .send(&batch)
        .is(202)
        .says("lazurite/Things(PartitionKey='p',RowKey='s')")
        .hides("tHINGS");
}
