//! Records of the answer, as delimited text or as JSON.

use memchr::{memchr, memchr2, memmem};

use crate::json::{Json, write_text};
use crate::request::{Delimited, OutputFormat};
use crate::value::Value;
use crate::values::to_value;

/// Writes records to the end of a buffer that its caller owns.
pub(crate) struct Writer {
    form: Form,
    is_first: bool,
    plain: Vec<u8>,
}

enum Form {
    Delimited(Delimited),
    Json(Vec<u8>),
}

impl Writer {
    /// A writer of a format; `None` for one that cannot be written.
    pub(crate) fn new(format: &OutputFormat) -> Option<Self> {
        let form = match format {
            OutputFormat::Delimited(form) => Form::Delimited(form.clone()),
            OutputFormat::Json(form) => Form::Json(form.record.clone()),
            OutputFormat::Arrow => return None,
        };
        Some(Self { form, is_first: true, plain: Vec::new() })
    }

    /// Whether records of delimited text can be passed on as they are.
    pub(crate) fn is_same(&self, input: &Delimited) -> bool {
        matches!(&self.form, Form::Delimited(form)
            if form.column == input.column
                && form.quote == input.quote
                && form.escape == input.escape
                && form.record == input.record)
    }

    /// Whether the answer begins with the names of its columns.
    pub(crate) fn has_headers(&self) -> bool {
        matches!(&self.form, Form::Delimited(form) if form.headers)
    }

    /// Adds a record that is written as it was read.
    pub(crate) fn raw(&self, record: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(record);
        self.terminate(out);
    }

    /// Begins a record.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        self.is_first = true;
        if matches!(self.form, Form::Json(_)) {
            out.push(b'{');
        }
    }

    /// Adds a field to the record that was begun. JSON does without a field that is missing.
    pub(crate) fn field(&mut self, name: &str, value: &Value<'_>, out: &mut Vec<u8>) {
        match &self.form {
            Form::Json(_) => {
                if matches!(value, Value::Missing) {
                    return;
                }
                if !self.is_first {
                    out.push(b',');
                }
                write_text(name.as_bytes(), out);
                out.push(b':');
                value.write_json(out);
            }
            Form::Delimited(form) => {
                if !self.is_first {
                    out.push(form.column);
                }
                if let Value::Text(text) = value {
                    write_field(form, text, out);
                } else {
                    self.plain.clear();
                    value.write_plain(&mut self.plain);
                    write_field(form, &self.plain, out);
                }
            }
        }
        self.is_first = false;
    }

    /// Ends the record that was begun.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        if matches!(self.form, Form::Json(_)) {
            out.push(b'}');
        }
        self.terminate(out);
    }

    /// Adds a JSON value as a record.
    pub(crate) fn value(&mut self, value: &Json<'_>, out: &mut Vec<u8>) {
        match value {
            Json::Object(_) if matches!(self.form, Form::Json(_)) => {
                value.write(out);
                self.terminate(out);
            }
            Json::Object(members) => {
                self.begin(out);
                for (name, value) in members {
                    self.field(name, &to_value(value), out);
                }
                self.end(out);
            }
            other => {
                self.begin(out);
                self.field("_1", &to_value(other), out);
                self.end(out);
            }
        }
    }

    fn terminate(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match &self.form {
            Form::Delimited(form) => &form.record,
            Form::Json(record) => record,
        });
    }
}

/// Adds a field, in quotes if it holds what would end it.
fn write_field(form: &Delimited, text: &[u8], out: &mut Vec<u8>) {
    let separates = memchr(form.column, text).is_some()
        || memmem::find(text, &form.record).is_some()
        || memchr2(b'\r', b'\n', text).is_some();
    let special = |byte: Option<u8>| byte.is_some_and(|byte| memchr(byte, text).is_some());
    if !separates && !special(form.quote) && !special(form.escape) {
        out.extend_from_slice(text);
        return;
    }
    match (form.quote, form.escape) {
        (Some(quote), escape) => {
            out.push(quote);
            for byte in text {
                if *byte == quote {
                    out.push(escape.unwrap_or(quote));
                } else if Some(*byte) == escape {
                    out.push(*byte);
                }
                out.push(*byte);
            }
            out.push(quote);
        }
        (None, Some(escape)) => {
            for byte in text {
                if *byte == form.column || *byte == escape || form.record.contains(byte) {
                    out.push(escape);
                }
                out.push(*byte);
            }
        }
        // Nothing can be done for a field that the form has no way to write.
        (None, None) => out.extend_from_slice(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(form: &Delimited, text: &str) -> String {
        let mut out = Vec::new();
        write_field(form, text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        let form = Delimited::default();
        let escaped = Delimited { escape: Some(b'\\'), ..form.clone() };
        let bare = Delimited { quote: None, ..escaped.clone() };
        let dots = Delimited { quote: Some(b'\''), record: b".".to_vec(), ..form.clone() };
        for (form, text, written) in [
            (&form, "a b", "a b"),
            (&form, "a,b", "\"a,b\""),
            (&form, "a\"b", "\"a\"\"b\""),
            (&form, "a\nb", "\"a\nb\""),
            (&escaped, "a\"b\\", "\"a\\\"b\\\\\""),
            (&bare, "a,b\\\n", "a\\,b\\\\\\\n"),
            (&dots, "1.0.1", "'1.0.1'"),
            (&dots, "1-0", "1-0"),
        ] {
            assert_eq!(field(form, text), written, "{text}");
        }
    }
}
