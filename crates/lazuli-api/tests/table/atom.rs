//! Atom, which clients of versions before 2015-12-11 speak.

use crate::harness::{Call, Tables, call, get, send};

const AT: &str = "/Things(PartitionKey='p',RowKey='r')";

/// The call as an old client makes it.
fn old(call: &Call) -> Call {
    let call = call.clone_with_type("application/atom+xml");
    call.header("accept", "application/atom+xml,application/xml").version("2012-02-12")
}

/// An entry with these properties.
fn entry(properties: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\
         <entry xmlns:d=\"http://schemas.microsoft.com/ado/2007/08/dataservices\" \
         xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" \
         xmlns=\"http://www.w3.org/2005/Atom\"><title /><updated>2011-08-18T00:00:00Z</updated>\
         <author><name /></author><id /><content type=\"application/xml\"><m:properties>\
         {properties}</m:properties></content></entry>"
    )
}

fn keyed(row: &str, properties: &str) -> String {
    entry(&format!(
        "{properties}<d:PartitionKey>p</d:PartitionKey><d:RowKey>{row}</d:RowKey>\
         <d:Timestamp m:type=\"Edm.DateTime\">0001-01-01T00:00:00</d:Timestamp>"
    ))
}

#[test]
fn old_clients_speak_atom() {
    let tables = Tables::new();
    let named = entry("<d:TableName>Things</d:TableName>");
    let made = tables.send(&old(&send("POST", "/Tables", named))).is(201);
    made.has("content-type", "application/atom+xml;type=entry;charset=utf-8");
    made.has("dataserviceversion", "1.0;").says("<d:TableName>Things</d:TableName>");
    let listed = tables.send(&old(&get("/Tables"))).is(200);
    listed.has("content-type", "application/atom+xml;type=feed;charset=utf-8");
    listed.says("<id>http://127.0.0.1:10002/lazurite/Tables('Things')</id>");
    let body = keyed("r", "<d:n m:type=\"Edm.Int64\">5</d:n><d:s>a&amp;b</d:s>");
    let made = tables.send(&old(&send("POST", "/Things", body))).is(201);
    made.says("<d:n m:type=\"Edm.Int64\">5</d:n><d:s>a&amp;b</d:s>");
    let etag = made.header("etag");
    made.says(&format!("m:etag=\"{}\"", etag.replace('"', "&quot;")));
    tables.send(&old(&get(AT))).is(200).says("<d:RowKey>r</d:RowKey>");
    let change = |method: &str, properties: &str| {
        let call = old(&send(method, AT, entry(properties))).header("if-match", "*");
        tables.send(&call).is(204)
    };
    change("MERGE", "<d:m m:type=\"Edm.Boolean\">true</d:m>");
    let found = tables.send(&old(&get("/Things()?$filter=m&$select=n,gone"))).is(200);
    found.says("<d:n m:type=\"Edm.Int64\">5</d:n><d:gone m:null=\"true\"></d:gone>");
    change("PUT", "<d:x m:type=\"Edm.Double\">INF</d:x>");
    // What was written in one format is read in the other.
    let json = get(AT).header("accept", "application/json;odata=minimalmetadata");
    tables.send(&json).is(200).says("\"x@odata.type\":\"Edm.Double\",\"x\":\"Infinity\"");
    tables
        .send(&old(&call("DELETE", AT)).header("if-match", &etag))
        .refused_in_xml(412, "UpdateConditionNotSatisfied");
    tables.send(&old(&call("DELETE", AT)).header("if-match", "*")).is(204);
}

#[test]
fn without_accept_the_version_decides() {
    let tables = Tables::with_table();
    let ask = |version: &str| tables.send(&get("/Things()").version(version));
    let kind = |version: &str| ask(version).is(200).header("content-type");
    assert_eq!(kind("2015-07-08"), "application/atom+xml;type=feed;charset=utf-8");
    let json = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8";
    assert_eq!(kind("2015-12-11"), json);
    let missing = |version: &str| tables.send(&get(AT).version(version));
    missing("2015-07-08").refused_in_xml(404, "ResourceNotFound");
    missing("2015-12-11").refused_in_json(404, "ResourceNotFound");
    let asked = get("/Things()?$format=atom").version("2013-08-15");
    tables.send(&asked).is(200).says("<title type=\"text\">Things</title>");
    tables.send(&get("/Things()?$format=atom")).refused_in_json(415, "AtomFormatNotSupported");
}

#[test]
fn the_oldest_versions_have_no_json() {
    let tables = Tables::with_table();
    let entity = r#"{"PartitionKey":"p","RowKey":"r"}"#;
    let insert = |version: &str| send("POST", "/Things", entity).version(version);
    tables.send(&insert("2012-02-12")).refused_in_xml(415, "JsonFormatNotSupported");
    let ask = |version: &str| {
        tables.send(&get("/Things()").header("accept", "application/json").version(version))
    };
    ask("2012-02-12").refused_in_xml(415, "JsonFormatNotSupported");
    let none =
        "{\"odata.metadata\":\"http://127.0.0.1:10002/lazurite/$metadata#Things\",\"value\":[]}";
    assert_eq!(ask("2013-08-15").is(200).text(), none);
    tables.send(&insert("2013-08-15")).is(201);
    assert_eq!(tables.rows(""), ["r"]);
}

#[test]
fn bad_entries_are_refused_and_not_stored() {
    let tables = Tables::with_table();
    for body in [
        String::new(),
        "{\"PartitionKey\":\"p\",\"RowKey\":\"r\"}".to_owned(),
        "<entry>".to_owned(),
        keyed("r", "<d:n m:type=\"Edm.Int32\">x</d:n>"),
        keyed("r", "<d:n m:type=\"Edm.Nothing\">1</d:n>"),
        format!("<!DOCTYPE entry [<!ENTITY a \"b\">]>{}", keyed("r", "<d:n>&a;</d:n>")),
        keyed("r", &"<d:deep>".repeat(10_000)),
    ] {
        tables.send(&old(&send("POST", "/Things", body))).refused_in_xml(400, "InvalidInput");
    }
    assert!(tables.rows("").is_empty());
}

#[test]
fn transactions_speak_atom() {
    let tables = Tables::with_table();
    let part = |row: &str| {
        let body = keyed(row, "<d:n m:type=\"Edm.Int32\">1</d:n>");
        format!(
            "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             POST /lazurite/Things HTTP/1.1\r\nContent-Type: application/atom+xml;type=entry\r\n\
             Accept: application/atom+xml\r\n\r\n{body}\r\n"
        )
    };
    let send_all = |rows: &[&str]| {
        let parts: String = rows.iter().map(|row| part(row)).collect();
        let body = format!(
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n"
        );
        let call = send("POST", "/$batch", body).clone_with_type("multipart/mixed; boundary=b");
        tables.send(&call.version("2012-02-12")).is(202)
    };
    let answer = send_all(&["1", "2"]);
    answer.says("Content-Type: application/atom+xml;type=entry;charset=utf-8\r\n");
    answer.says("<d:RowKey>2</d:RowKey>");
    assert_eq!(tables.rows(""), ["1", "2"]);
    let answer = send_all(&["3", "1"]);
    answer.says("HTTP/1.1 409 Conflict").says("<code>EntityAlreadyExists</code>");
    answer.says("1:The specified entity already exists.").hides("odata.error");
    assert_eq!(tables.rows(""), ["1", "2"]);
}
