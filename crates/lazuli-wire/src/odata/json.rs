//! A reader of JSON objects of plain values, as entities are: members in the order they were sent,
//! numbers as their text. What is nested is checked and passed over.
//!
//! Strings follow RFC 8259. A text of entities is small and flat, so it is read in one go.

use lazuli_model::{ErrorCode, Refusal};

/// The deepest nesting that is passed over.
const DEPTH_MAX: usize = 32;
/// The most members of an object that are kept.
const MEMBERS_MAX: usize = 2048;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, as it was written.
    Number(String),
    /// A string, its escapes resolved.
    String(String),
    /// An object or an array, whose content nobody asks for.
    Nested,
}

/// Reads a whole text that is one object.
///
/// `InvalidInput` for everything else.
pub fn object(text: &[u8]) -> Result<Vec<(String, JsonValue)>, Refusal> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = str::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))?;
    let mut reader = Reader { text, at: 0 };
    reader.space();
    reader.expect(b'{')?;
    let members = reader.members(0)?;
    reader.space();
    if reader.at == text.len() { Ok(members) } else { Err(malformed("something follows")) }
}

fn malformed(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput).with_cause(format_args!("JSON: {why}"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.take(byte) { Ok(()) } else { Err(malformed("an unexpected character")) }
    }

    /// The members of an object whose brace was taken.
    fn members(&mut self, depth: usize) -> Result<Vec<(String, JsonValue)>, Refusal> {
        let mut members = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(members);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':')?;
            let value = self.value(depth)?;
            if members.len() == MEMBERS_MAX {
                return Err(ErrorCode::TooManyProperties.into());
            }
            members.push((name, value));
            self.space();
            if self.take(b'}') {
                return Ok(members);
            }
            self.expect(b',')?;
        }
    }

    fn value(&mut self, depth: usize) -> Result<JsonValue, Refusal> {
        if depth == DEPTH_MAX {
            return Err(malformed("it is nested too deeply"));
        }
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(JsonValue::String),
            Some(b'{') => {
                self.at += 1;
                self.members(depth + 1)?;
                Ok(JsonValue::Nested)
            }
            Some(b'[') => {
                self.at += 1;
                self.elements(depth + 1)?;
                Ok(JsonValue::Nested)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn elements(&mut self, depth: usize) -> Result<(), Refusal> {
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn word(&mut self) -> Result<JsonValue, Refusal> {
        let words = [
            ("null", JsonValue::Null),
            ("true", JsonValue::Boolean(true)),
            ("false", JsonValue::Boolean(false)),
        ];
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = words.into_iter().find(|(word, _)| rest.starts_with(word));
        let (word, value) = found.ok_or_else(|| malformed("a value is missing"))?;
        self.at += word.len();
        Ok(value)
    }

    /// A number by the grammar of RFC 8259.
    fn number(&mut self) -> Result<JsonValue, Refusal> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(JsonValue::Number(self.text.get(start..self.at).unwrap_or_default().to_owned()))
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(malformed("a digit is missing")) }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let end = rest
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .ok_or_else(|| malformed("a string does not end"))?;
            out.push_str(rest.get(..end).unwrap_or_default());
            self.at += end;
            if self.take(b'"') {
                return Ok(out);
            }
            if !self.take(b'\\') {
                return Err(malformed("a control character in a string"));
            }
            out.push(self.escape()?);
        }
    }

    /// The character that an escape stands for, its backslash taken. Half a surrogate pair stands
    /// for no character, and becomes the replacement character.
    fn escape(&mut self) -> Result<char, Refusal> {
        let letter = self.peek().ok_or_else(|| malformed("an escape does not end"))?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                let before = self.at;
                if self.take(b'\\') && self.take(b'u') {
                    let low = self.unit()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                }
                self.at = before;
                char::REPLACEMENT_CHARACTER
            }
            _ => return Err(malformed("an unknown escape")),
        })
    }

    fn unit(&mut self) -> Result<u32, Refusal> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| malformed("four hexadecimal digits are missing"))
    }
}

/// Appends `text` as a JSON string.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                let code = u32::from(control) as usize;
                for digit in [code >> 4 & 15, code & 15] {
                    out.push(char::from(DIGITS[digit]));
                }
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_keep_their_order_and_numbers_their_text() {
        let text = br#" { "b" : 1.0, "a":-0,"b":"x\u00e4\ud83d\ude00\ud800\n", "c":null ,
            "d":[1,{"e":true}], "f":false } "#;
        let text_of = |text: &str| JsonValue::String(text.to_owned());
        let number = |text: &str| JsonValue::Number(text.to_owned());
        let expected = [
            ("b", number("1.0")),
            ("a", number("-0")),
            ("b", text_of("x\u{e4}\u{1f600}\u{fffd}\n")),
            ("c", JsonValue::Null),
            ("d", JsonValue::Nested),
            ("f", JsonValue::Boolean(false)),
        ];
        assert_eq!(object(text).unwrap(), expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(object(b"{}").unwrap(), []);
    }

    #[test]
    fn everything_else_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        for bad in [
            "",
            "[]",
            "{",
            "{}x",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":NaN}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":tru}",
            "{\"a\":\"",
            &deep,
        ] {
            assert_eq!(
                object(bad.as_bytes()).unwrap_err().code(),
                ErrorCode::InvalidInput,
                "{bad}"
            );
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    proptest! {
        #[test]
        fn strings_are_read_back(text: String) {
            let mut json = String::from("{\"a\":");
            push_string(&mut json, &text);
            json.push('}');
            let members = object(json.as_bytes()).unwrap();
            prop_assert_eq!(members, [("a".to_owned(), JsonValue::String(text))]);
        }

        #[test]
        fn no_text_panics(text in "[{}\\[\\]\",:\\\\u0-9a-f.eE +-]{0,60}") {
            let _ = object(text.as_bytes());
        }
    }
}
