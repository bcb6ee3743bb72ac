//! Entities as they are written, as they are read, and what is refused.

use proptest::prelude::*;

use super::*;

fn values() -> Properties {
    Properties::trusted(vec![
        ("Text".into(), EdmValue::String("a \"b\"".into())),
        ("Flag".into(), EdmValue::Boolean(true)),
        ("Small".into(), EdmValue::Int32(-5)),
        ("Large".into(), EdmValue::Int64(i64::MIN)),
        ("Whole".into(), EdmValue::Double(1.0)),
        ("Endless".into(), EdmValue::Double(f64::INFINITY)),
        ("Moment".into(), EdmValue::DateTime(Timestamp::from_unix_seconds(1))),
        ("Id".into(), EdmValue::Guid([1; 16])),
        ("Bytes".into(), EdmValue::Binary(vec![0, 255])),
    ])
}

const FRAME: Frame<'_> = Frame {
    metadata: Metadata::Minimal,
    endpoint: "http://h/acct/",
    account: "acct",
    table: "Things",
    select: None,
};

#[test]
fn three_levels_of_metadata() {
    let (key, properties) = (EntityKey::new("O'B", "ä"), values());
    let timestamp = Timestamp::from_unix_seconds(0);
    let entity = ShownEntity { key: &key, timestamp, properties: &properties };
    let tag = r#""odata.etag":"W/\"datetime'1970-01-01T00%3A00%3A00.0000000Z'\"""#;
    let keys = r#""PartitionKey":"O'B","RowKey":"ä""#;
    let plain = r#""Text":"a \"b\"","Flag":true,"Small":-5"#;
    assert_eq!(
        FRAME.entity(&entity),
        format!(r#"{{"odata.metadata":"http://h/acct/$metadata#Things/@Element",{tag},{keys},"#)
            + r#""Timestamp":"1970-01-01T00:00:00.0000000Z","#
            + plain
            + r#","Large@odata.type":"Edm.Int64","Large":"-9223372036854775808","Whole":1.0,"#
            + r#""Endless@odata.type":"Edm.Double","Endless":"Infinity","#
            + r#""Moment@odata.type":"Edm.DateTime","Moment":"1970-01-01T00:00:01.0000000Z","#
            + r#""Id@odata.type":"Edm.Guid","Id":"01010101-0101-0101-0101-010101010101","#
            + r#""Bytes@odata.type":"Edm.Binary","Bytes":"AP8="}"#
    );
    let select = ["RowKey".to_owned(), "Bytes".to_owned()];
    let none = Frame { metadata: Metadata::None, select: Some(&select), ..FRAME };
    assert_eq!(none.entity(&entity), r#"{"RowKey":"ä","Bytes":"AP8="}"#);
    let select = ["Timestamp".to_owned()];
    let full = Frame { metadata: Metadata::Full, select: Some(&select), ..FRAME };
    let mut page = full.begin();
    full.item(&mut page, &entity);
    let path = "Things(PartitionKey='O%27%27B',RowKey='%C3%A4')";
    assert_eq!(
        Frame::finish(page),
        format!(
            r#"{{"odata.metadata":"http://h/acct/$metadata#Things","value":[{{"odata.type":"acct.Things","odata.id":"http://h/acct/{path}",{tag},"odata.editLink":"{path}","Timestamp@odata.type":"Edm.DateTime","Timestamp":"1970-01-01T00:00:00.0000000Z"}}]}}"#
        )
    );
    assert_eq!(
        Frame { metadata: Metadata::None, ..FRAME }.tables(["a", "b"]),
        r#"{"value":[{"TableName":"a"},{"TableName":"b"}]}"#
    );
}

#[test]
fn what_is_written_is_read() {
    let (key, properties) = (EntityKey::new("p", "r"), values());
    let timestamp = Timestamp::from_unix_seconds(0);
    for metadata in [Metadata::Minimal, Metadata::Full] {
        let frame = Frame { metadata, ..FRAME };
        let text = frame.entity(&ShownEntity { key: &key, timestamp, properties: &properties });
        let given = read(text.as_bytes()).unwrap();
        assert_eq!((given.partition.as_deref(), given.row.as_deref()), (Some("p"), Some("r")));
        assert_eq!(given.properties, properties);
    }
}

#[test]
fn what_has_not_its_type_is_refused() {
    for bad in [
        r#"{"a":2147483648}"#,
        r#"{"a":[]}"#,
        r#"{"a":{}}"#,
        r#"{"a@odata.type":"Edm.Foo","a":"1"}"#,
        r#"{"a@odata.type":"Edm.Int64","a":"x"}"#,
        r#"{"a":true,"a@odata.type":"Edm.Int32"}"#,
        r#"{"a@odata.type":"Edm.String","a":1}"#,
        r#"{"PartitionKey":1}"#,
    ] {
        assert_eq!(read(bad.as_bytes()).unwrap_err().code(), ErrorCode::InvalidInput, "{bad}");
    }
    let given =
        read(br#"{"a":null,"Timestamp":"x","odata.etag":"y","b":"1","b@odata.type":"Edm.Int64"}"#);
    let expected = vec![("b".to_owned(), EdmValue::Int64(1))];
    assert_eq!(given.unwrap().properties, Properties::trusted(expected));
    assert_eq!(read_table(br#"{"TableName":"x"}"#).unwrap(), "x");
    assert_eq!(read_table(b"{}").unwrap_err().code(), ErrorCode::PropertiesNeedValue);
}

proptest! {
    #[test]
    fn no_body_panics(text in "[{}\",:a@odt.ypePartionKey0-9eE.-]{0,80}") {
        let _ = (read(text.as_bytes()), read_table(text.as_bytes()));
    }
}
