//! Queries: filters, pages, selections.

use crate::harness::{Tables, get, insert};

/// A table with three partitions of four rows: `n` counts them all.
fn filled() -> Tables {
    let tables = Tables::with_table();
    for n in 0..12 {
        let (partition, row) = (n / 4, n % 4);
        let body = format!(
            r#"{{"PartitionKey":"p{partition}","RowKey":"{partition}{row}","n":{n},"odd":{},
               "L@odata.type":"Edm.Int64","L":"{n}","when@odata.type":"Edm.DateTime",
               "when":"2024-01-{:02}T00:00:00Z"}}"#,
            n % 2 == 1,
            n + 1
        );
        tables.send(&insert(&body)).is(201);
    }
    tables
}

#[test]
fn filters_pick_what_they_say() {
    let tables = filled();
    for (filter, rows) in [
        ("PartitionKey eq 'p1'", "10 11 12 13"),
        ("PartitionKey eq 'p1' and RowKey ge '11' and RowKey lt '13'", "11 12"),
        ("PartitionKey gt 'p0' and PartitionKey lt 'p2' and odd", "11 13"),
        ("RowKey eq '21'", "21"),
        ("'21' eq RowKey or n eq 0", "00 21"),
        ("n lt 3L", "00 01 02"),
        ("L ge 10 and not (n eq 11)", "22"),
        ("n gt 9.5", "22 23"),
        ("when le datetime'2024-01-02T00:00:00Z'", "00 01"),
        ("odd eq true and (n lt 2 or n gt 10)", "01 23"),
        ("not (PartitionKey ne 'p2')", "20 21 22 23"),
        ("absent ne 1", ""),
        ("Timestamp gt datetime'2030-01-01T00:00:00Z'", ""),
        ("PartitionKey eq 'p1' and PartitionKey eq 'p2'", ""),
    ] {
        let encoded = filter.replace(' ', "%20");
        for page in ["", "&$top=1", "&$top=3"] {
            let found = tables.rows(&format!("$filter={encoded}{page}"));
            assert_eq!(found.join(" "), rows, "{filter} {page}");
        }
    }
}

#[test]
fn a_page_ends_where_the_next_begins() {
    let tables = filled();
    let page = tables.send(&get("/Things()?$top=5")).is(200);
    assert_eq!(page.members("RowKey"), ["00", "01", "02", "03", "10"]);
    let partition = page.header("x-ms-continuation-nextpartitionkey");
    assert!(partition.starts_with("1!"), "{partition}");
    // Without a row key a page begins with the partition.
    let page = tables.send(&get(&format!("/Things?NextPartitionKey={partition}&$top=2"))).is(200);
    assert_eq!(page.members("RowKey"), ["10", "11"]);
    tables.send(&get("/Things()?$top=12")).is(200).has("x-ms-continuation-nextpartitionkey", "");
    for query in ["$top=0", "$top=1001", "$top=x", "NextPartitionKey=x"] {
        tables.send(&get(&format!("/Things()?{query}"))).refused_in_json(400, "InvalidInput");
    }
    tables.send(&get("/Nothing()")).refused_in_json(404, "TableNotFound");
}

#[test]
fn a_selection_leaves_the_rest_out() {
    let tables = filled();
    let call = get("/Things()?$select=n,odd&$top=2");
    let page = tables.send(&call.header("accept", "application/json;odata=nometadata")).is(200);
    assert_eq!(page.text(), r#"{"value":[{"n":0,"odd":false},{"n":1,"odd":true}]}"#);
    let all = get("/Things()?$select=*&$top=1");
    tables.send(&all).is(200).says("\"PartitionKey\":\"p0\"").says("\"odata.etag\"");
}
