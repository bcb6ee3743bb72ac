//! The body of a request: the query and the formats of what is read and answered.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/query-blob-contents>

use lazuli_model::{ErrorCode, Refusal};
use lazuli_wire::xml::{XmlLimits, XmlReader};

/// The longest body, in bytes: an expression of the longest kind with each character written as
/// an entity, and the formats.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 256 * 1024;

/// A query and the formats of its input and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The SQL.
    pub expression: String,
    /// How the blob is written.
    pub input: InputFormat,
    /// How the answer is to be written.
    pub output: OutputFormat,
}

/// How a blob's content is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// Fields and records between separators.
    Delimited(Delimited),
    /// JSON values, one after the other.
    Json(JsonText),
    /// Apache Parquet.
    Parquet,
}

/// How an answer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Fields and records between separators.
    Delimited(Delimited),
    /// One JSON object for each record.
    Json(JsonText),
    /// An Apache Arrow stream.
    Arrow,
}

/// The form of delimited text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimited {
    /// What separates columns.
    pub column: u8,
    /// What encloses a field that holds a separator.
    pub quote: Option<u8>,
    /// What takes the meaning from the byte that follows it.
    pub escape: Option<u8>,
    /// What ends a record: one byte or more.
    pub record: Vec<u8>,
    /// Whether the first record names the columns.
    pub headers: bool,
}

impl Default for Delimited {
    fn default() -> Self {
        Self {
            column: b',',
            quote: Some(b'"'),
            escape: None,
            record: b"\n".to_vec(),
            headers: false,
        }
    }
}

/// The form of JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText {
    /// What ends a record: one byte or more.
    pub record: Vec<u8>,
}

impl Default for JsonText {
    fn default() -> Self {
        Self { record: b"\n".to_vec() }
    }
}

/// A `Format` element as it was sent.
#[derive(Default)]
struct Format {
    kind: Option<String>,
    delimited: Option<Delimited>,
    json: Option<JsonText>,
}

/// Reads a request.
///
/// `InvalidXmlDocument` and its kin for a body that is not the documented XML, and
/// `MissingRequiredXmlNode` for one without an expression.
pub fn read(body: &[u8]) -> Result<Request, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::new(ErrorCode::RequestBodyTooLarge)
            .with_detail("MaxLimit", BODY_BYTES_MAX.to_string()));
    }
    let limits = XmlLimits { elements_max: 1_000, text_bytes_max: EXPRESSION_BYTES_MAX };
    let mut xml = XmlReader::open(body, "QueryRequest", limits)?;
    let (mut expression, mut kind, mut input, mut output) = (None, None, None, None);
    let known = ["QueryType", "Expression", "InputSerialization", "OutputSerialization"];
    while let Some(name) = xml.child(&known)? {
        match name {
            "QueryType" => kind = Some(xml.text("QueryType")?),
            "Expression" => expression = Some(xml.text("Expression")?),
            "InputSerialization" => input = read_format(&mut xml)?,
            _ => output = read_format(&mut xml)?,
        }
    }
    xml.finish()?;
    let kind = kind.ok_or_else(|| missing("QueryType"))?;
    if !kind.trim().eq_ignore_ascii_case("sql") {
        return Err(bad_value("QueryType", &kind));
    }
    let expression = expression.ok_or_else(|| missing("Expression"))?;
    let input = input_format(input)?;
    let output = output_format(output, &input)?;
    Ok(Request { expression, input, output })
}

/// The `Format` of a serialization, whose start has been read.
fn read_format(xml: &mut XmlReader<'_>) -> Result<Option<Format>, Refusal> {
    let mut found = None;
    let known = [
        "Type",
        "DelimitedTextConfiguration",
        "JsonTextConfiguration",
        "ArrowConfiguration",
        "ParquetTextConfiguration",
    ];
    while xml.child(&["Format"])?.is_some() {
        let mut format = Format::default();
        while let Some(name) = xml.child(&known)? {
            match name {
                "Type" => format.kind = Some(xml.text("Type")?),
                "DelimitedTextConfiguration" => format.delimited = Some(read_delimited(xml)?),
                "JsonTextConfiguration" => format.json = Some(read_json(xml)?),
                "ArrowConfiguration" => skip_arrow(xml)?,
                _ => drop(xml.text("ParquetTextConfiguration")?),
            }
        }
        found = Some(format);
    }
    Ok(found)
}

fn read_delimited(xml: &mut XmlReader<'_>) -> Result<Delimited, Refusal> {
    let mut found = Delimited::default();
    let known = ["ColumnSeparator", "FieldQuote", "RecordSeparator", "EscapeChar", "HasHeaders"];
    while let Some(name) = xml.child(&known)? {
        match name {
            "ColumnSeparator" => {
                if let Some(byte) = one_byte(name, &xml.text(name)?)? {
                    found.column = byte;
                }
            }
            "FieldQuote" => found.quote = one_byte(name, &xml.text(name)?)?,
            "RecordSeparator" => found.record = separator(name, xml.text(name)?)?,
            "EscapeChar" => found.escape = one_byte(name, &xml.text(name)?)?,
            _ => found.headers = read_flag(xml)?,
        }
    }
    let end = found.record.last().copied();
    let all = [Some(found.column), found.quote, end];
    let twice = |index: usize| all[index].is_some() && all[..index].contains(&all[index]);
    if twice(1) || twice(2) {
        return Err(bad_value("DelimitedTextConfiguration", "the separators are not distinct"));
    }
    // A quote that is its own escape is what doubling means anyway.
    found.escape = found.escape.filter(|escape| Some(*escape) != found.quote);
    if found.escape.is_some_and(|escape| escape == found.column || Some(escape) == end) {
        return Err(bad_value("EscapeChar", "the separators are not distinct"));
    }
    Ok(found)
}

/// `HasHeaders`, which some clients send empty.
fn read_flag(xml: &mut XmlReader<'_>) -> Result<bool, Refusal> {
    let text = xml.text("HasHeaders")?;
    match text.trim() {
        "" => Ok(false),
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        value => Err(bad_value("HasHeaders", value)),
    }
}

fn read_json(xml: &mut XmlReader<'_>) -> Result<JsonText, Refusal> {
    let mut found = JsonText::default();
    while let Some(name) = xml.child(&["RecordSeparator"])? {
        found.record = separator(name, xml.text(name)?)?;
    }
    Ok(found)
}

/// The schema of an Arrow answer is read over: only its form is held to the documentation.
fn skip_arrow(xml: &mut XmlReader<'_>) -> Result<(), Refusal> {
    while xml.child(&["Schema"])?.is_some() {
        while xml.child(&["Field"])?.is_some() {
            while let Some(name) = xml.child(&["Type", "Name", "Precision", "Scale"])? {
                xml.text(name)?;
            }
        }
    }
    Ok(())
}

/// A separator of at most one byte; an empty one is none.
fn one_byte(name: &str, text: &str) -> Result<Option<u8>, Refusal> {
    match text.as_bytes() {
        [] => Ok(None),
        [byte] => Ok(Some(*byte)),
        _ => Err(bad_value(name, text)),
    }
}

/// The most bytes of a record separator.
const SEPARATOR_BYTES_MAX: usize = 16;

/// A record separator; an empty one is a line feed.
fn separator(name: &str, text: String) -> Result<Vec<u8>, Refusal> {
    match text.len() {
        0 => Ok(b"\n".to_vec()),
        1..=SEPARATOR_BYTES_MAX => Ok(text.into_bytes()),
        _ => Err(bad_value(name, &text)),
    }
}

fn input_format(sent: Option<Format>) -> Result<InputFormat, Refusal> {
    let Some(format) = sent else { return Ok(InputFormat::Delimited(Delimited::default())) };
    let kind = format.kind.ok_or_else(|| missing("Type"))?;
    match kind.trim().to_ascii_lowercase().as_str() {
        "delimited" => Ok(InputFormat::Delimited(format.delimited.unwrap_or_default())),
        "json" => Ok(InputFormat::Json(format.json.unwrap_or_default())),
        "parquet" => Ok(InputFormat::Parquet),
        _ => Err(bad_value("Type", &kind)),
    }
}

/// An answer whose format is not named has that of the input.
fn output_format(sent: Option<Format>, input: &InputFormat) -> Result<OutputFormat, Refusal> {
    let Some(format) = sent else {
        return Ok(match input {
            InputFormat::Delimited(form) => {
                OutputFormat::Delimited(Delimited { headers: false, ..form.clone() })
            }
            InputFormat::Json(form) => OutputFormat::Json(form.clone()),
            InputFormat::Parquet => OutputFormat::Delimited(Delimited::default()),
        });
    };
    let kind = format.kind.ok_or_else(|| missing("Type"))?;
    match kind.trim().to_ascii_lowercase().as_str() {
        "delimited" => Ok(OutputFormat::Delimited(format.delimited.unwrap_or_default())),
        "json" => Ok(OutputFormat::Json(format.json.unwrap_or_default())),
        "arrow" => Ok(OutputFormat::Arrow),
        _ => Err(bad_value("Type", &kind)),
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::new(ErrorCode::MissingRequiredXmlNode).with_detail("XmlNodeName", name)
}

fn bad_value(name: &str, value: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidXmlNodeValue)
        .with_detail("XmlNodeName", name)
        .with_detail("XmlNodeValue", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(parts: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueryRequest><QueryType>SQL</QueryType>\
             <Expression>SELECT * FROM BlobStorage</Expression>{parts}</QueryRequest>"
        )
    }

    #[test]
    fn without_formats_both_are_plain_text() {
        let request = read(body("").as_bytes()).unwrap();
        assert_eq!(request.expression, "SELECT * FROM BlobStorage");
        assert_eq!(request.input, InputFormat::Delimited(Delimited::default()));
        assert_eq!(request.output, OutputFormat::Delimited(Delimited::default()));
    }

    #[test]
    fn every_setting_is_read() {
        let text = body(
            "<InputSerialization><Format><Type>delimited</Type><DelimitedTextConfiguration>\
             <ColumnSeparator>;</ColumnSeparator><FieldQuote>'</FieldQuote>\
             <RecordSeparator>\n</RecordSeparator><EscapeChar>\\</EscapeChar>\
             <HasHeaders>true</HasHeaders></DelimitedTextConfiguration></Format>\
             </InputSerialization><OutputSerialization><Format><Type>json</Type>\
             <JsonTextConfiguration><RecordSeparator>;</RecordSeparator></JsonTextConfiguration>\
             </Format></OutputSerialization>",
        );
        let request = read(text.as_bytes()).unwrap();
        let form = Delimited {
            column: b';',
            quote: Some(b'\''),
            escape: Some(b'\\'),
            record: b"\n".to_vec(),
            headers: true,
        };
        assert_eq!(request.input, InputFormat::Delimited(form));
        assert_eq!(request.output, OutputFormat::Json(JsonText { record: b";".to_vec() }));
    }

    #[test]
    fn parquet_is_answered_as_text_and_empty_settings_are_none() {
        let text = body(
            "<InputSerialization><Format><Type>parquet</Type>\
             <ParquetTextConfiguration> </ParquetTextConfiguration></Format></InputSerialization>\
             <OutputSerialization><Format><Type>delimited</Type><DelimitedTextConfiguration>\
             <ColumnSeparator/><FieldQuote/><RecordSeparator/><EscapeChar/><HasHeaders/>\
             </DelimitedTextConfiguration></Format></OutputSerialization>",
        );
        let request = read(text.as_bytes()).unwrap();
        assert_eq!(request.input, InputFormat::Parquet);
        let form = Delimited { quote: None, ..Delimited::default() };
        assert_eq!(request.output, OutputFormat::Delimited(form));
    }

    #[test]
    fn what_is_malformed_is_named() {
        let input = |inner: &str| {
            body(&format!("<InputSerialization><Format>{inner}</Format></InputSerialization>"))
        };
        let text = |inner: &str| {
            input(&format!(
                "<Type>delimited</Type>\
                 <DelimitedTextConfiguration>{inner}</DelimitedTextConfiguration>"
            ))
        };
        for (body, code) in [
            (String::new(), ErrorCode::InvalidXmlDocument),
            ("<QueryRequest/>".to_owned(), ErrorCode::MissingRequiredXmlNode),
            (body("<Other/>"), ErrorCode::UnsupportedXmlNode),
            (body("").replace(">SQL<", ">XPath<"), ErrorCode::InvalidXmlNodeValue),
            (body("").replace("Expression", "QueryType"), ErrorCode::InvalidXmlNodeValue),
            (input(""), ErrorCode::MissingRequiredXmlNode),
            (input("<Type>arrow</Type>"), ErrorCode::InvalidXmlNodeValue),
            (text("<ColumnSeparator>ab</ColumnSeparator>"), ErrorCode::InvalidXmlNodeValue),
            (text("<ColumnSeparator>\"</ColumnSeparator>"), ErrorCode::InvalidXmlNodeValue),
            (text("<EscapeChar>,</EscapeChar>"), ErrorCode::InvalidXmlNodeValue),
            (text("<HasHeaders>maybe</HasHeaders>"), ErrorCode::InvalidXmlNodeValue),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
    }
}
