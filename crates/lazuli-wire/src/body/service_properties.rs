//! The body of Set Blob Service Properties and the result of Get Blob Service Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-service-properties>
//!
//! An element that the body leaves out keeps its setting, so every setting is optional on reading.

use lazuli_model::{ApiVersion, ErrorCode, Refusal};

use super::bounded;
use crate::xml::{XmlLimits, XmlReader, XmlWriter, missing_node, node_value};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The most CORS rules.
const RULES_MAX: usize = 5;
/// Most bytes of the texts of all CORS rules.
const RULES_BYTES_MAX: usize = 2 * 1024;
/// Most names of headers in a CORS rule that are whole.
const LITERALS_MAX: usize = 64;
/// Most names of headers in a CORS rule that are prefixes.
const PREFIXES_MAX: usize = 2;
/// The longest period anything is kept, in days.
const DAYS_MAX: u32 = 365;

pub use lazuli_model::cors::CorsRule;
pub use lazuli_model::service_properties::{
    DeleteRetention, Logging, Metrics, ServiceProperties, ServicePropertiesPatch, StaticWebsite,
};

/// Reads the body of Set Blob Service Properties.
///
/// `InvalidXmlDocument` for more than five CORS rules; `InvalidXmlNodeValue` for a value out of
/// its range; `MissingRequiredXmlNode` for a setting that lacks a part.
pub fn read(body: &[u8]) -> Result<ServicePropertiesPatch, Refusal> {
    const KNOWN: [&str; 7] = [
        "Logging",
        "HourMetrics",
        "MinuteMetrics",
        "Cors",
        "DefaultServiceVersion",
        "DeleteRetentionPolicy",
        "StaticWebsite",
    ];
    let body = bounded(body, BODY_BYTES_MAX)?;
    let mut xml = XmlReader::open(body, "StorageServiceProperties", XmlLimits::default())?;
    let mut patch = ServicePropertiesPatch::default();
    while let Some(name) = xml.child(&KNOWN)? {
        match name {
            "Logging" => patch.logging = Some(read_logging(&mut xml)?),
            "HourMetrics" => patch.hour_metrics = Some(read_metrics(&mut xml)?),
            "MinuteMetrics" => patch.minute_metrics = Some(read_metrics(&mut xml)?),
            "Cors" => patch.cors = Some(read_cors(&mut xml)?),
            "DeleteRetentionPolicy" => {
                let retention = read_retention(&mut xml)?;
                patch.delete_retention = Some(retention);
            }
            "StaticWebsite" => patch.static_website = Some(read_website(&mut xml)?),
            _ => {
                let text = xml.text(name)?;
                let version = ApiVersion::parse(text.trim());
                patch.default_service_version =
                    Some(version.ok_or_else(|| node_value(name, &text))?);
            }
        }
    }
    xml.finish()?;
    Ok(patch)
}

fn read_logging(xml: &mut XmlReader<'_>) -> Result<Logging, Refusal> {
    let (mut version, mut delete, mut read, mut write, mut retention) =
        (None, None, None, None, None);
    while let Some(name) = xml.child(&["Version", "Delete", "Read", "Write", "RetentionPolicy"])? {
        match name {
            "Version" => version = Some(xml.text(name)?),
            "Delete" => delete = Some(xml.boolean(name)?),
            "Read" => read = Some(xml.boolean(name)?),
            "Write" => write = Some(xml.boolean(name)?),
            _ => retention = Some(read_retention(xml)?),
        }
    }
    Ok(Logging {
        version: required("Version", version)?,
        delete: required("Delete", delete)?,
        read: required("Read", read)?,
        write: required("Write", write)?,
        retention_days: required("RetentionPolicy", retention)?.days,
    })
}

fn read_metrics(xml: &mut XmlReader<'_>) -> Result<Metrics, Refusal> {
    let (mut version, mut enabled, mut include_apis, mut retention) = (None, None, None, None);
    while let Some(name) = xml.child(&["Version", "Enabled", "IncludeAPIs", "RetentionPolicy"])? {
        match name {
            "Version" => version = Some(xml.text(name)?),
            "Enabled" => enabled = Some(xml.boolean(name)?),
            "IncludeAPIs" => include_apis = Some(xml.boolean(name)?),
            _ => retention = Some(read_retention(xml)?),
        }
    }
    let enabled = required("Enabled", enabled)?;
    if enabled && include_apis.is_none() {
        return Err(missing_node("IncludeAPIs"));
    }
    Ok(Metrics {
        version: version.unwrap_or_else(|| "1.0".to_owned()),
        enabled,
        include_apis: include_apis.filter(|_| enabled),
        retention_days: retention.and_then(|retention| retention.days),
    })
}

fn read_retention(xml: &mut XmlReader<'_>) -> Result<DeleteRetention, Refusal> {
    let (mut enabled, mut days, mut allow_permanent_delete) = (None, None, false);
    while let Some(name) = xml.child(&["Enabled", "Days", "AllowPermanentDelete"])? {
        match name {
            "Enabled" => enabled = Some(xml.boolean(name)?),
            "Days" => {
                let value = xml.number(name)?;
                if !(1..=DAYS_MAX).contains(&value) {
                    return Err(node_value(name, &value.to_string()));
                }
                days = Some(value);
            }
            _ => allow_permanent_delete = xml.boolean(name)?,
        }
    }
    let days = if required("Enabled", enabled)? { Some(required("Days", days)?) } else { None };
    Ok(DeleteRetention { days, allow_permanent_delete })
}

fn read_cors(xml: &mut XmlReader<'_>) -> Result<Vec<CorsRule>, Refusal> {
    let mut rules = Vec::new();
    while xml.child(&["CorsRule"])?.is_some() {
        if rules.len() == RULES_MAX {
            return Err(
                Refusal::new(ErrorCode::InvalidXmlDocument).with_cause("more than five CORS rules")
            );
        }
        rules.push(read_rule(xml)?);
    }
    if rules.iter().map(rule_bytes).sum::<usize>() > RULES_BYTES_MAX {
        return Err(
            Refusal::new(ErrorCode::InvalidXmlDocument).with_cause("more than 2 KiB of CORS rules")
        );
    }
    Ok(rules)
}

/// The length of a rule's texts without the XML around them.
fn rule_bytes(rule: &CorsRule) -> usize {
    [&rule.allowed_origins, &rule.allowed_methods, &rule.allowed_headers, &rule.exposed_headers]
        .into_iter()
        .flatten()
        .map(|item| item.len() + 1)
        .sum()
}

/// Refuses more names of headers than a rule may have: 64, and 2 that are prefixes.
fn check_header_names(element: &str, names: &[String]) -> Result<(), Refusal> {
    let prefixes = names.iter().filter(|name| name.ends_with('*')).count();
    if prefixes > PREFIXES_MAX || names.len() - prefixes > LITERALS_MAX {
        return Err(node_value(element, &names.join(",")));
    }
    Ok(())
}

fn read_rule(xml: &mut XmlReader<'_>) -> Result<CorsRule, Refusal> {
    const METHODS: [&str; 9] =
        ["DELETE", "GET", "HEAD", "MERGE", "POST", "OPTIONS", "PUT", "PATCH", "CONNECT"];
    const KNOWN: [&str; 5] =
        ["AllowedOrigins", "AllowedMethods", "AllowedHeaders", "ExposedHeaders", "MaxAgeInSeconds"];
    let (mut origins, mut methods, mut max_age) = (None, None, None);
    let (mut allowed, mut exposed) = (None, None);
    while let Some(name) = xml.child(&KNOWN)? {
        if name == "MaxAgeInSeconds" {
            max_age = Some(xml.number(name)?);
            continue;
        }
        let items = comma_separated(&xml.text(name)?);
        if name.ends_with("Headers") {
            check_header_names(name, &items)?;
        }
        match name {
            "AllowedOrigins" => origins = Some(items),
            "AllowedMethods" => {
                let known = |method: &String| METHODS.contains(&method.as_str());
                if let Some(method) = items.iter().find(|method| !known(method)) {
                    return Err(node_value(name, method));
                }
                methods = Some(items);
            }
            "AllowedHeaders" => allowed = Some(items),
            _ => exposed = Some(items),
        }
    }
    let non_empty = |name, items: Option<Vec<String>>| {
        required(name, items)
            .and_then(|items| if items.is_empty() { Err(node_value(name, "")) } else { Ok(items) })
    };
    Ok(CorsRule {
        allowed_origins: non_empty("AllowedOrigins", origins)?,
        allowed_methods: non_empty("AllowedMethods", methods)?,
        allowed_headers: required("AllowedHeaders", allowed)?,
        exposed_headers: required("ExposedHeaders", exposed)?,
        max_age_seconds: required("MaxAgeInSeconds", max_age)?,
    })
}

fn read_website(xml: &mut XmlReader<'_>) -> Result<StaticWebsite, Refusal> {
    const KNOWN: [&str; 4] =
        ["Enabled", "IndexDocument", "ErrorDocument404Path", "DefaultIndexDocumentPath"];
    let mut website = StaticWebsite::default();
    let mut enabled = None;
    while let Some(name) = xml.child(&KNOWN)? {
        if name == "Enabled" {
            enabled = Some(xml.boolean(name)?);
            continue;
        }
        let text = Some(xml.text(name)?).filter(|text| !text.is_empty());
        match name {
            "IndexDocument" => website.index_document = text,
            "ErrorDocument404Path" => website.error_document_404_path = text,
            _ => website.default_index_document_path = text,
        }
    }
    website.enabled = required("Enabled", enabled)?;
    if let (Some(_), Some(path)) = (&website.index_document, &website.default_index_document_path) {
        return Err(node_value("DefaultIndexDocumentPath", path));
    }
    Ok(website)
}

fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| missing_node(name))
}

fn comma_separated(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Since this version the settings have rules of CORS.
const CORS: ApiVersion = ApiVersion::new(2013, 8, 15);
/// Since this version they tell how long what is deleted is kept.
const DELETE_RETENTION: ApiVersion = ApiVersion::new(2017, 7, 29);
/// Since this version they have a static website.
const STATIC_WEBSITE: ApiVersion = ApiVersion::new(2018, 3, 28);

/// Writes the result of Get Blob Service Properties: the settings that the version knows.
pub fn write(properties: &ServiceProperties, version: ApiVersion) -> String {
    let mut xml = write_common(properties, version);
    if let Some(version) = properties.default_service_version {
        xml.element("DefaultServiceVersion", &version.to_string());
    }
    if version >= DELETE_RETENTION {
        let retention = &properties.delete_retention;
        let permanent = retention.days.map(|_| retention.allow_permanent_delete);
        write_retention(&mut xml, "DeleteRetentionPolicy", retention.days, permanent);
    }
    if version >= STATIC_WEBSITE {
        write_website(&mut xml, &properties.static_website);
    }
    xml.close("StorageServiceProperties");
    xml.finish()
}

fn write_website(xml: &mut XmlWriter, website: &StaticWebsite) {
    xml.open("StaticWebsite");
    xml.boolean("Enabled", website.enabled);
    xml.optional("IndexDocument", website.index_document.as_deref());
    xml.optional("DefaultIndexDocumentPath", website.default_index_document_path.as_deref());
    xml.optional("ErrorDocument404Path", website.error_document_404_path.as_deref());
    xml.close("StaticWebsite");
}

/// The settings that all services have, without those of the Blob service.
pub fn write_without_blobs(properties: &ServiceProperties, version: ApiVersion) -> String {
    let mut xml = write_common(properties, version);
    xml.close("StorageServiceProperties");
    xml.finish()
}

/// The settings that all services have, their element still open.
fn write_common(properties: &ServiceProperties, version: ApiVersion) -> XmlWriter {
    let mut xml = XmlWriter::document(2 * 1024);
    xml.open("StorageServiceProperties");
    let logging = &properties.logging;
    xml.open("Logging");
    xml.element("Version", &logging.version);
    xml.boolean("Read", logging.read);
    xml.boolean("Write", logging.write);
    xml.boolean("Delete", logging.delete);
    write_retention(&mut xml, "RetentionPolicy", logging.retention_days, None);
    xml.close("Logging");
    write_metrics(&mut xml, "HourMetrics", &properties.hour_metrics);
    write_metrics(&mut xml, "MinuteMetrics", &properties.minute_metrics);
    if version >= CORS {
        write_cors(&mut xml, &properties.cors);
    }
    xml
}

fn write_retention(xml: &mut XmlWriter, name: &str, days: Option<u32>, permanent: Option<bool>) {
    xml.open(name);
    xml.boolean("Enabled", days.is_some());
    if let Some(days) = days {
        xml.number("Days", u64::from(days));
    }
    if let Some(permanent) = permanent {
        xml.boolean("AllowPermanentDelete", permanent);
    }
    xml.close(name);
}

fn write_metrics(xml: &mut XmlWriter, name: &str, metrics: &Metrics) {
    xml.open(name);
    xml.element("Version", &metrics.version);
    xml.boolean("Enabled", metrics.enabled);
    if let Some(include) = metrics.include_apis {
        xml.boolean("IncludeAPIs", include);
    }
    write_retention(xml, "RetentionPolicy", metrics.retention_days, None);
    xml.close(name);
}

fn write_cors(xml: &mut XmlWriter, rules: &[CorsRule]) {
    if rules.is_empty() {
        return xml.empty("Cors");
    }
    xml.open("Cors");
    for rule in rules {
        xml.open("CorsRule");
        xml.element("AllowedMethods", &rule.allowed_methods.join(","));
        xml.element("AllowedOrigins", &rule.allowed_origins.join(","));
        xml.element("AllowedHeaders", &rule.allowed_headers.join(","));
        xml.element("ExposedHeaders", &rule.exposed_headers.join(","));
        xml.number("MaxAgeInSeconds", u64::from(rule.max_age_seconds));
        xml.close("CorsRule");
    }
    xml.close("Cors");
}

#[cfg(test)]
mod tests;
