//! Tests of service properties.

use super::*;
use proptest::prelude::*;

fn code(settings: &str) -> Option<ErrorCode> {
    let body = format!("<StorageServiceProperties>{settings}</StorageServiceProperties>");
    read(body.as_bytes()).err().map(|refusal| refusal.code())
}

const RULE: &str = "<CorsRule><AllowedOrigins>http://a, *</AllowedOrigins>\
    <AllowedMethods>GET,PUT</AllowedMethods><AllowedHeaders>x-ms-meta*</AllowedHeaders>\
    <ExposedHeaders></ExposedHeaders><MaxAgeInSeconds>5</MaxAgeInSeconds></CorsRule>";

#[test]
fn a_new_account_has_the_documented_defaults() {
    assert_eq!(
        write(&ServiceProperties::default(), ApiVersion::NEWEST),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties><Logging>\
         <Version>1.0</Version><Read>false</Read><Write>false</Write><Delete>false</Delete>\
         <RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging>\
         <HourMetrics><Version>1.0</Version><Enabled>false</Enabled>\
         <RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></HourMetrics>\
         <MinuteMetrics><Version>1.0</Version><Enabled>false</Enabled>\
         <RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></MinuteMetrics><Cors />\
         <DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>\
         <StaticWebsite><Enabled>false</Enabled></StaticWebsite></StorageServiceProperties>"
    );
}

#[test]
fn what_is_left_out_stays() {
    let mut properties = ServiceProperties::default();
    let body = format!(
        "<StorageServiceProperties><Cors>{RULE}</Cors>\
         <DefaultServiceVersion>2020-10-02</DefaultServiceVersion>\
         <DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days>\
         <AllowPermanentDelete>true</AllowPermanentDelete></DeleteRetentionPolicy>\
         <HourMetrics><Version>1.0</Version><Enabled>true</Enabled><IncludeAPIs>true</IncludeAPIs>\
         <RetentionPolicy><Enabled>true</Enabled><Days>3</Days></RetentionPolicy></HourMetrics>\
         <StaticWebsite><Enabled>true</Enabled><IndexDocument>i.html</IndexDocument>\
         </StaticWebsite></StorageServiceProperties>"
    );
    properties.apply(read(body.as_bytes()).unwrap());
    assert_eq!(properties.cors[0].allowed_origins, ["http://a", "*"]);
    assert_eq!(properties.cors[0].exposed_headers, [""; 0]);
    assert_eq!(properties.cors[0].max_age_seconds, 5);
    assert_eq!(properties.delete_retention.days, Some(7));
    assert_eq!(properties.hour_metrics.retention_days, Some(3));
    assert_eq!(properties.logging, Logging::default());

    let before = properties.clone();
    properties.apply(read(b"<StorageServiceProperties />").unwrap());
    assert_eq!(properties, before);
    properties
        .apply(read(b"<StorageServiceProperties><Cors /></StorageServiceProperties>").unwrap());
    assert!(properties.cors.is_empty());

    // What is written is a body that sets the same.
    let mut again = ServiceProperties::default();
    again.apply(read(write(&before, ApiVersion::NEWEST).as_bytes()).unwrap());
    assert_eq!(again, before);
}

#[test]
fn refusals_tell_what_is_wrong() {
    use ErrorCode::{
        InvalidXmlDocument, InvalidXmlNodeValue, MissingRequiredXmlNode, UnsupportedXmlNode,
    };
    assert_eq!(code(&format!("<Cors>{}</Cors>", RULE.repeat(5))), None);
    for (settings, expected) in [
        (format!("<Cors>{}</Cors>", RULE.repeat(6)), InvalidXmlDocument),
        (format!("<Cors>{}</Cors>", RULE.replace("PUT", "put")), InvalidXmlNodeValue),
        (format!("<Cors>{}</Cors>", RULE.replace(">5<", ">-5<")), InvalidXmlNodeValue),
        (format!("<Cors>{}</Cors>", RULE.replace("http://a, *", "")), InvalidXmlNodeValue),
        ("<Cors><CorsRule /></Cors>".to_owned(), MissingRequiredXmlNode),
        ("<Logging><Version>1.0</Version></Logging>".to_owned(), MissingRequiredXmlNode),
        ("<HourMetrics><Enabled>true</Enabled></HourMetrics>".to_owned(), MissingRequiredXmlNode),
        ("<HourMetrics><Enabled>yes</Enabled></HourMetrics>".to_owned(), InvalidXmlNodeValue),
        ("<DefaultServiceVersion>now</DefaultServiceVersion>".to_owned(), InvalidXmlNodeValue),
        ("<Novelty />".to_owned(), UnsupportedXmlNode),
    ] {
        assert_eq!(code(&settings), Some(expected), "{settings}");
    }
    for (days, expected) in [("0", true), ("1", false), ("365", false), ("366", true), ("", true)] {
        let settings = format!(
            "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>{days}</Days>\
             </DeleteRetentionPolicy>"
        );
        assert_eq!(code(&settings).is_some(), expected, "{days}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(
        bytes in any::<Vec<u8>>(),
        near in "(</?(Cors|CorsRule|Logging|Enabled|RetentionPolicy|Days)>|[a0-9-]){0,12}",
    ) {
        let _ = (read(&bytes), code(&near));
    }
}
