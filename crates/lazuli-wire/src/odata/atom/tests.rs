//! Entries as they are written, as they are read, and what is refused.

use lazuli_model::entity::EntityKey;
use proptest::prelude::*;

use super::super::format::Metadata;
use super::*;

const FRAME: Frame<'_> = Frame {
    metadata: Metadata::Minimal,
    endpoint: "http://h/acct/",
    account: "acct",
    table: "Things",
    select: None,
};

fn entry_of(properties: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\r\n\
         <entry xmlns:d=\"{DATA}\" xmlns:m=\"{METADATA}\" xmlns=\"{ATOM}\">\r\n  <title />\
         <updated>2013-09-18T23:46:19.3857256Z</updated><author><name /></author><id />\
         <content type=\"application/xml\"><m:properties>{properties}</m:properties></content>\
         </entry>"
    )
}

#[test]
fn an_entry_has_the_documented_form() {
    let key = EntityKey::new("O'B", "r");
    let properties = Properties::trusted(vec![
        ("Text".to_owned(), EdmValue::String(" a<b".to_owned())),
        ("Small".to_owned(), EdmValue::Int32(-5)),
        ("Endless".to_owned(), EdmValue::Double(f64::NEG_INFINITY)),
    ]);
    let timestamp = Timestamp::from_unix_seconds(0);
    let shown = ShownEntity { key: &key, timestamp, properties: &properties };
    let moment = "1970-01-01T00:00:00.0000000Z";
    let path = "Things(PartitionKey='O%27%27B',RowKey='r')";
    let etag = "m:etag=\"W/&quot;datetime'1970-01-01T00%3A00%3A00.0000000Z'&quot;\"";
    let head = format!(
        "<id>http://h/acct/{path}</id><title type=\"text\"></title><updated>{moment}</updated>\
         <author><name /></author><link rel=\"edit\" title=\"Things\" href=\"{path}\"></link>\
         <category term=\"acct.Things\" scheme=\"{SCHEME}\"></category>\
         <content type=\"application/xml\"><m:properties>"
    );
    let own = format!(
        "<d:PartitionKey>O'B</d:PartitionKey><d:RowKey>r</d:RowKey>\
         <d:Timestamp m:type=\"Edm.DateTime\">{moment}</d:Timestamp>\
         <d:Text xml:space=\"preserve\"> a&lt;b</d:Text><d:Small m:type=\"Edm.Int32\">-5</d:Small>\
         <d:Endless m:type=\"Edm.Double\">-INF</d:Endless>"
    );
    let spaces = format!("xml:base=\"http://h/acct/\" xmlns:d=\"{DATA}\" xmlns:m=\"{METADATA}\"");
    let declaration = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
    let end = "</m:properties></content></entry>";
    assert_eq!(
        entity(&FRAME, &shown),
        format!("{declaration}<entry {spaces} {etag} xmlns=\"{ATOM}\">{head}{own}{end}")
    );
    let select = ["RowKey", "Missing", "a b"].map(str::to_owned);
    let mut feed = Feed::begin(Frame { select: Some(&select), ..FRAME }, timestamp);
    feed.entity(&shown);
    assert_eq!(
        feed.finish(),
        format!(
            "{declaration}<feed {spaces} xmlns=\"{ATOM}\"><title type=\"text\">Things</title>\
             <id>http://h/acct/Things</id><updated>{moment}</updated>\
             <link rel=\"self\" title=\"Things\" href=\"Things\"></link><entry {etag}>{head}\
             <d:RowKey>r</d:RowKey><d:Missing m:null=\"true\"></d:Missing>{end}</feed>"
        )
    );
}

#[test]
fn tables_are_written_and_read() {
    let timestamp = Timestamp::from_unix_seconds(0);
    let one = table(&FRAME, timestamp);
    assert_eq!(read_table(one.as_bytes()).unwrap(), "Things");
    assert!(one.contains("<id>http://h/acct/Tables('Things')</id>"), "{one}");
    let mut feed = Feed::begin(Frame { table: "", ..FRAME }, timestamp);
    feed.table("Ab");
    let feed = feed.finish();
    assert!(feed.contains("<title type=\"text\">Tables</title>"), "{feed}");
    assert!(feed.contains("<d:TableName>Ab</d:TableName>"), "{feed}");
    let code = read_table(entry_of("").as_bytes()).unwrap_err().code();
    assert_eq!(code, ErrorCode::PropertiesNeedValue);
}

#[test]
fn an_entry_is_read_whatever_its_prefixes() {
    let given = read(
        entry_of(
            "<d:Age m:type=\"Edm.Int32\"> 23 </d:Age><d:Gone m:type=\"Edm.Binary\" m:null=\"true\"/>\
             <q:Name> x&#x9;</q:Name><d:PartitionKey>p</d:PartitionKey><d:RowKey></d:RowKey>\
             <d:Timestamp m:type=\"Edm.DateTime\">0001-01-01T00:00:00</d:Timestamp>",
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!((given.partition.as_deref(), given.row.as_deref()), (Some("p"), Some("")));
    let properties = [("Age", EdmValue::Int32(23)), ("Name", EdmValue::String(" x\t".to_owned()))];
    let properties = properties.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(given.properties, Properties::trusted(properties.to_vec()));
}

#[test]
fn what_is_malformed_is_refused() {
    let texts = |count: usize| -> Vec<String> {
        (0..count).map(|n| format!("<d:p{n}>x</d:p{n}>")).collect()
    };
    let many = texts(253).concat();
    let endless = texts(2000).concat();
    for (properties, code) in [
        ("<d:a m:type=\"Edm.Int32\">x</d:a>", ErrorCode::InvalidInput),
        ("<d:a m:type=\"Edm.Int32\"></d:a>", ErrorCode::InvalidInput),
        ("<d:a m:type=\"Edm.Nothing\">1</d:a>", ErrorCode::InvalidInput),
        ("<d:RowKey m:type=\"Edm.Int32\">1</d:RowKey>", ErrorCode::InvalidInput),
        ("<d:a><d:b/></d:a>", ErrorCode::InvalidInput),
        ("<d:a>", ErrorCode::InvalidInput),
        ("<d:a>&x;</d:a>", ErrorCode::InvalidInput),
        ("<d:a>1</d:a><d:a>2</d:a>", ErrorCode::DuplicatePropertiesSpecified),
        ("<d:RowKey>1</d:RowKey><d:RowKey>2</d:RowKey>", ErrorCode::DuplicatePropertiesSpecified),
        ("<d:a-b>1</d:a-b>", ErrorCode::PropertyNameInvalid),
        (&many, ErrorCode::TooManyProperties),
        (&endless, ErrorCode::InvalidInput),
    ] {
        let code_of = |body: &str| read(body.as_bytes()).map_err(|refusal| refusal.code());
        assert_eq!(code_of(&entry_of(properties)), Err(code), "{properties:.80}");
    }
    for body in ["", "{}", "<feed/>", "<entry>", "<!DOCTYPE entry []><entry/>"] {
        assert_eq!(read(body.as_bytes()).unwrap_err().code(), ErrorCode::InvalidInput, "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_panics(bytes in any::<Vec<u8>>(), near in "[<>/edpn:mtyl'\"= &;#x1]{0,60}") {
        let _ = (read(&bytes), read_table(&bytes));
        let _ = read(entry_of(&near).as_bytes());
    }

    #[test]
    fn what_is_written_is_read(
        texts in proptest::collection::vec("[ -~\\t\\r\\näß\u{ff5e}\u{1f600}]{0,12}", 0..6),
        number in any::<f64>(),
        long in any::<i64>(),
        bytes in any::<Vec<u8>>(),
        guid in any::<[u8; 16]>(),
    ) {
        let mut values: Vec<EdmValue> = texts.into_iter().map(EdmValue::String).collect();
        values.extend([EdmValue::Int64(long), EdmValue::Binary(bytes), EdmValue::Guid(guid)]);
        values.extend((!number.is_nan()).then(|| EdmValue::double(number)));
        let named = values.into_iter().enumerate().map(|(n, value)| (format!("p{n}"), value));
        let (key, properties) = (EntityKey::new("p ", ""), Properties::trusted(named.collect()));
        let timestamp = Timestamp::from_unix_seconds(1);
        let shown = ShownEntity { key: &key, timestamp, properties: &properties };
        let again = read(entity(&FRAME, &shown).as_bytes()).unwrap();
        prop_assert_eq!((again.partition, again.row), (Some(key.partition), Some(key.row)));
        prop_assert_eq!(again.properties, properties);
    }
}
