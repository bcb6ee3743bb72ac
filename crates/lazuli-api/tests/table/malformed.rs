//! What nobody should send: Azure's codes for it, in the format asked for, and nothing stored.

use crate::harness::{Tables, call, get, insert, send};

#[test]
fn bad_entities_are_refused_and_not_stored() {
    let tables = Tables::with_table();
    let with = |more: &str| format!("{{\"PartitionKey\":\"p\",\"RowKey\":\"r\",{more}}}");
    let many: Vec<String> = (0..253).map(|n| format!("\"p{n}\":1")).collect();
    let large: Vec<String> =
        (0..20).map(|n| format!("\"p{n}\":\"{}\"", "x".repeat(32_000))).collect();
    let long = format!("\"a\":\"{}\"", "x".repeat(32_769));
    let name = format!("\"{}\":1", "n".repeat(256));
    let key = format!("{{\"PartitionKey\":\"{}\",\"RowKey\":\"r\"}}", "k".repeat(513));
    for (body, code) in [
        (String::new(), "InvalidInput"),
        ("[]".to_owned(), "InvalidInput"),
        ("{".to_owned(), "InvalidInput"),
        (with("\"a\":{}"), "InvalidInput"),
        (with("\"a\":2147483648"), "InvalidInput"),
        (with("\"a@odata.type\":\"Edm.Int64\",\"a\":\"1.5\""), "InvalidInput"),
        (with("\"a@odata.type\":\"Edm.Guid\",\"a\":\"x\""), "InvalidInput"),
        (with("\"a@odata.type\":\"Edm.Binary\",\"a\":\"*\""), "InvalidInput"),
        (with("\"a@odata.type\":\"Edm.Nothing\",\"a\":\"*\""), "InvalidInput"),
        (with("\"a\":1,\"a\":2"), "DuplicatePropertiesSpecified"),
        (with("\"a b\":1"), "PropertyNameInvalid"),
        (with(&many.join(",")), "TooManyProperties"),
        (with(&large.join(",")), "EntityTooLarge"),
        (with(&long), "PropertyValueTooLarge"),
        (with(&name), "PropertyNameTooLong"),
        ("{\"PartitionKey\":\"p\"}".to_owned(), "PropertiesNeedValue"),
        ("{\"PartitionKey\":\"a/b\",\"RowKey\":\"r\"}".to_owned(), "OutOfRangeInput"),
        ("{\"PartitionKey\":\"\\u0000\",\"RowKey\":\"r\"}".to_owned(), "OutOfRangeInput"),
        (key, "KeyValueTooLarge"),
    ] {
        tables.send(&insert(&body)).refused_in_json(400, code);
    }
    for (partition, row) in [("1", "\"r\""), ("true", "\"r\""), ("[]", "\"r\""), ("\"p\"", "{}")] {
        let body = format!("{{\"PartitionKey\":{partition},\"RowKey\":{row}}}");
        tables.send(&insert(&body)).refused_in_json(400, "InvalidInput");
    }
    for deep in ["[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        tables.send(&insert(&with(&format!("\"a\":{deep}")))).refused_in_json(400, "InvalidInput");
    }
    let huge = insert(&format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20)));
    tables.send(&huge).refused_in_json(413, "RequestBodyTooLarge");
    assert!(tables.rows("").is_empty());
}

#[test]
fn bodies_are_announced_or_come_in_chunks() {
    let tables = Tables::with_table();
    let at = "/Things(PartitionKey='p',RowKey='r')";
    for (method, target) in
        [("POST", "/Things"), ("PUT", at), ("PATCH", at), ("MERGE", at), ("POST", "/Tables")]
    {
        let mut silent = send(method, target, "");
        silent.is_announced = false;
        tables.send(&silent).refused_in_json(411, "MissingContentLengthHeader");
    }
    let batch = send("POST", "/$batch", "");
    let mut silent = batch.clone_with_type("multipart/mixed; boundary=b");
    silent.is_announced = false;
    tables.send(&silent).refused_in_json(411, "MissingContentLengthHeader");
    let entity = r#"{"PartitionKey":"p","RowKey":"r"}"#;
    let mut chunked = insert(entity).header("transfer-encoding", "chunked");
    chunked.is_announced = false;
    tables.send(&chunked).is(201);
    let mut gone = call("DELETE", at).header("if-match", "*");
    gone.is_announced = false;
    tables.send(&gone).is(204);
}

#[test]
fn bad_queries_are_refused() {
    let tables = Tables::with_table();
    let terms = vec!["A%20eq%201"; 10_000].join("%20or%20");
    let some_more = vec!["A"; 257].join("%20or%20");
    let deep = format!("{}A{}", "(".repeat(65), ")".repeat(65));
    let deeper = "(".repeat(100_000);
    let negated = "not%20".repeat(5_000);
    let long = format!("A%20eq%20'{}'", "x".repeat(100_000));
    for (filter, status, code) in [
        ("A%20eq", 400, "InvalidInput"),
        ("A%20eq%20'x", 400, "InvalidInput"),
        ("(A%20eq%201", 400, "InvalidInput"),
        ("1%20eq%201", 400, "InvalidInput"),
        ("A%20eq%20null", 501, "NotImplemented"),
        ("startswith(A,'x')", 501, "NotImplemented"),
        (&*terms, 400, "InvalidInput"),
        (&*some_more, 400, "InvalidInput"),
        (&*deep, 400, "InvalidInput"),
        (&*deeper, 400, "InvalidInput"),
        (&*negated, 400, "InvalidInput"),
        (&*long, 400, "InvalidInput"),
        ("A%20eq%20guid'1'", 400, "InvalidInput"),
        ("A%20eq%20datetime'yesterday'", 400, "InvalidInput"),
        ("A%20eq%20X'0'", 400, "InvalidInput"),
        ("A%20eq%201%20and", 400, "InvalidInput"),
        ("A%20eq%201)", 400, "InvalidInput"),
        ("A%20eq%20%00", 400, "InvalidInput"),
        ("%ff", 400, "InvalidUri"),
    ] {
        for resource in ["/Things()", "/Tables"] {
            tables
                .send(&get(&format!("{resource}?$filter={filter}")))
                .refused_in_json(status, code);
        }
    }
    for option in ["$orderby=A", "$skip=1", "$expand=A", "$inlinecount=allpages", "$count=true"] {
        for resource in
            ["/Things()", "/Things(PartitionKey='p',RowKey='r')", "/Tables", "/Tables('Things')"]
        {
            let call = get(&format!("{resource}?{option}"));
            tables.send(&call).refused_in_json(501, "NotImplemented");
        }
    }
    tables.send(&get("/Things()?orderby=A")).is(200);
    for target in [
        "/Things(PartitionKey='p')",
        "/Things('p','r')",
        "/Things(PartitionKey='p',RowKey='r'",
        "/Tables(x)",
    ] {
        tables.send(&get(target)).refused_in_json(400, "InvalidInput");
    }
    tables.send(&get("/1bad()")).refused_in_json(400, "InvalidResourceName");
    tables.send(&call("PUT", "/Things")).refused_in_json(405, "UnsupportedHttpVerb");
    tables.send(&call("DELETE", "/Things()")).refused_in_json(405, "UnsupportedHttpVerb");
}

#[test]
fn formats_that_are_not_there_are_refused() {
    let tables = Tables::with_table();
    let atom = get("/Things()").header("accept", "application/atom+xml");
    let answer = tables.send(&atom).refused_in_xml(415, "AtomFormatNotSupported");
    answer.says("<code>AtomFormatNotSupported</code><message xml:lang=\"en-US\">");
    let other = get("/Things()").header("accept", "image/png");
    tables.send(&other).refused_in_json(415, "MediaTypeNotSupported");
    let body = send("POST", "/Things", "<entry/>").clone_with_type("application/atom+xml");
    tables.send(&body).refused_in_json(415, "AtomFormatNotSupported");
    let unsigned = get("/Things()").token("x=1");
    tables.send(&unsigned).refused_in_json(403, "AuthenticationFailed");
    let challenged = get("/Things()").token("x=1").version("2020-12-06");
    tables.send(&challenged).refused_in_json(401, "NoAuthenticationInformation");
}

#[test]
fn bad_transactions_are_refused_and_not_stored() {
    let tables = Tables::with_table();
    let send_all = |body: String| {
        let call = send("POST", "/$batch", body).clone_with_type("multipart/mixed; boundary=b");
        tables.send(&call)
    };
    let around = |parts: &str| {
        format!("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n")
    };
    let part = |target: &str, body: &str| {
        format!(
            "--c\r\nContent-Type: application/http\r\n\r\nPOST {target} HTTP/1.1\r\n\r\n{body}\r\n"
        )
    };
    let good = part("/lazurite/Things", "{\"PartitionKey\":\"p\",\"RowKey\":\"r\"}");
    let wide = "x: 1\r\n".repeat(200);
    for bad in [
        "--c\r\n".repeat(100_000),
        "--b\r\n".repeat(100_000),
        part("/lazurite/$batch", &good),
        part("/another/Things", "{\"PartitionKey\":\"p\",\"RowKey\":\"s\"}"),
        part("/lazurite/Tables", "{\"TableName\":\"Others\"}"),
        part("/lazurite/Things", "{\"PartitionKey\":1,\"RowKey\":\"s\"}"),
        part("/lazurite/Things", &"[".repeat(100_000)),
        part("http://", "{}"),
        part(&format!("/{}", "x".repeat(40_000)), "{}"),
        part("/lazurite/Things", "{}").replace("HTTP/1.1\r\n", &format!("HTTP/1.1\r\n{wide}")),
    ] {
        let answer = send_all(around(&format!("{good}{bad}"))).is(202);
        answer.says("HTTP/1.1 4").hides("204 No Content");
        assert!(tables.rows("").is_empty(), "{bad:.100}");
    }
    let large = part("/lazurite/Things", &format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20)));
    send_all(around(&large)).refused_in_json(413, "RequestBodyTooLarge");
    send_all(around(&good)).is(202).says("204 No Content");
    assert_eq!(tables.rows(""), ["r"]);
}
