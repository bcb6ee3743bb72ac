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
    /// An Apache Arrow stream of these columns, in the order of what is selected.
    Arrow(Vec<ArrowField>),
}

/// A column of an Arrow stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrowField {
    /// Its name; may be empty.
    pub name: String,
    /// What its values are.
    pub kind: ArrowKind,
}

/// What the values of a column of an Arrow stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrowKind {
    /// Whole numbers of 64 bits.
    Int64,
    /// True or false.
    Bool,
    /// Moments in milliseconds since 1970.
    Timestamp,
    /// Texts.
    Text,
    /// Fractions of 64 bits.
    Double,
    /// Numbers of at most `precision` digits, `scale` of them after the point.
    Decimal {
        /// 1 to 38.
        precision: u8,
        /// At most the precision.
        scale: u8,
    },
}

/// The most digits of a decimal.
const PRECISION_MAX: u8 = 38;

/// The most columns of an Arrow stream.
const ARROW_FIELDS_MAX: usize = 200;

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
    arrow: Option<Vec<ArrowField>>,
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
                "ArrowConfiguration" => format.arrow = Some(read_arrow(xml)?),
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

/// The columns of an Arrow answer.
fn read_arrow(xml: &mut XmlReader<'_>) -> Result<Vec<ArrowField>, Refusal> {
    let mut fields = Vec::new();
    while xml.child(&["Schema"])?.is_some() {
        while xml.child(&["Field"])?.is_some() {
            if fields.len() == ARROW_FIELDS_MAX {
                return Err(bad_value("Schema", "the schema has too many fields"));
            }
            fields.push(read_arrow_field(xml)?);
        }
    }
    Ok(fields)
}

fn read_arrow_field(xml: &mut XmlReader<'_>) -> Result<ArrowField, Refusal> {
    let (mut kind, mut name, mut precision, mut scale) = (None, String::new(), None, None);
    while let Some(node) = xml.child(&["Type", "Name", "Precision", "Scale"])? {
        let text = xml.text(node)?;
        match node {
            "Type" => kind = Some(text),
            "Name" => name = text,
            "Precision" => precision = read_digits(node, &text)?,
            _ => scale = read_digits(node, &text)?,
        }
    }
    let kind = kind.ok_or_else(|| missing("Type"))?;
    let kind = match kind.trim().to_ascii_lowercase().as_str() {
        "int64" => ArrowKind::Int64,
        "bool" => ArrowKind::Bool,
        "timestamp[ms]" => ArrowKind::Timestamp,
        "string" => ArrowKind::Text,
        "double" => ArrowKind::Double,
        "decimal" => {
            let precision = precision.ok_or_else(|| missing("Precision"))?;
            let scale = scale.unwrap_or(0);
            if precision == 0 {
                return Err(bad_value("Precision", "0"));
            }
            if scale > precision {
                return Err(bad_value("Scale", &scale.to_string()));
            }
            ArrowKind::Decimal { precision, scale }
        }
        _ => return Err(bad_value("Type", &kind)),
    };
    Ok(ArrowField { name, kind })
}

/// A number of digits; clients send nothing or an empty text where there is none.
fn read_digits(name: &str, text: &str) -> Result<Option<u8>, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.parse().ok().filter(|digits| *digits <= PRECISION_MAX);
    digits.map(Some).ok_or_else(|| bad_value(name, text))
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
        "arrow" => match format.arrow {
            Some(fields) if !fields.is_empty() => Ok(OutputFormat::Arrow(fields)),
            _ => Err(missing("Schema")),
        },
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

    fn arrow(fields: &str) -> String {
        body(&format!(
            "<OutputSerialization><Format><Type>arrow</Type><ArrowConfiguration><Schema>{fields}\
             </Schema></ArrowConfiguration></Format></OutputSerialization>"
        ))
    }

    #[test]
    fn the_schema_of_an_arrow_stream_is_read() {
        let text = arrow(
            "<Field><Type>decimal</Type><Name>abc</Name><Precision>4</Precision><Scale>2</Scale>\
             </Field><Field><Type>timestamp[ms]</Type></Field>\
             <Field><Type>int64</Type><Name>n</Name><Precision/><Scale></Scale></Field>",
        );
        let field = |name: &str, kind: ArrowKind| ArrowField { name: name.to_owned(), kind };
        let fields = vec![
            field("abc", ArrowKind::Decimal { precision: 4, scale: 2 }),
            field("", ArrowKind::Timestamp),
            field("n", ArrowKind::Int64),
        ];
        assert_eq!(read(text.as_bytes()).unwrap().output, OutputFormat::Arrow(fields));
    }

    #[test]
    fn a_schema_that_is_malformed_is_named() {
        let field = |inner: &str| arrow(&format!("<Field>{inner}</Field>"));
        let decimal = |inner: &str| field(&format!("<Type>decimal</Type>{inner}"));
        for (body, code) in [
            (arrow(""), ErrorCode::MissingRequiredXmlNode),
            (field("<Name>a</Name>"), ErrorCode::MissingRequiredXmlNode),
            (field("<Type>int32</Type>"), ErrorCode::InvalidXmlNodeValue),
            (decimal(""), ErrorCode::MissingRequiredXmlNode),
            (decimal("<Precision>0</Precision>"), ErrorCode::InvalidXmlNodeValue),
            (decimal("<Precision>39</Precision>"), ErrorCode::InvalidXmlNodeValue),
            (decimal("<Precision>3</Precision><Scale>4</Scale>"), ErrorCode::InvalidXmlNodeValue),
            (decimal("<Precision>3</Precision><Scale>-1</Scale>"), ErrorCode::InvalidXmlNodeValue),
            (
                arrow(&"<Field><Type>bool</Type></Field>".repeat(201)),
                ErrorCode::InvalidXmlNodeValue,
            ),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
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
