//! The grammar of `$filter`.
//!
//! ```text
//! or      := and ("or" and)*
//! and     := unary ("and" unary)*
//! unary   := "not" unary | "(" or ")" | operand [op operand]
//! op      := "eq" | "ne" | "gt" | "ge" | "lt" | "le"
//! operand := property | 'text' | 1 | 1L | 1.5 | true | datetime'..' | guid'..' | X'..' | binary'..'
//! ```
//!
//! <https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities>

use lazuli_model::edm::EdmValue;
use lazuli_model::filter::{Comparison, Filter, Operand};
use lazuli_model::{ErrorCode, Refusal};

use super::literal;

/// The longest filter, in bytes.
const BYTES_MAX: usize = 32 * 1024;
/// The most comparisons of a filter. The service promises 15 and takes some more.
pub const COMPARISONS_MAX: usize = 256;
/// How deeply parentheses and negations may be nested.
const DEPTH_MAX: usize = 64;

/// Parses a filter.
///
/// `InvalidInput` for what is no filter and for one with too many terms, `NotImplemented` for
/// functions, arithmetic and `null`, which tables do not have.
pub fn parse(text: &str) -> Result<Filter, Refusal> {
    if text.len() > BYTES_MAX {
        return Err(syntax("it is too long"));
    }
    let mut parser = Parser { lexer: Lexer { rest: text }, next: None, comparisons: 0 };
    parser.advance()?;
    let filter = parser.either(0)?;
    match parser.next {
        None => Ok(filter),
        Some(_) => Err(syntax("something follows")),
    }
}

fn syntax(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput)
        .with_message("Bad Request - Error in query syntax.")
        .with_cause(format_args!("$filter: {why}"))
}

fn unsupported(what: &str) -> Refusal {
    Refusal::new(ErrorCode::NotImplemented)
        .with_message("The requested operation is not implemented on the specified resource.")
        .with_cause(format_args!("$filter: {what}"))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
    Constant(EdmValue),
}

struct Lexer<'a> {
    rest: &'a str,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Token>, Refusal> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            '(' | ')' => {
                self.skip(1);
                if first == '(' { Token::Open } else { Token::Close }
            }
            '\'' => Token::Constant(EdmValue::String(self.quoted()?)),
            '0'..='9' | '-' | '+' | '.' => Token::Constant(self.number()?),
            c if c == '_' || c.is_alphabetic() => self.word()?,
            ',' | '/' | '*' => return Err(unsupported("an operator that tables do not have")),
            _ => return Err(syntax("an unexpected character")),
        };
        Ok(Some(token))
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// The text between quotes, two of which stand for one.
    fn quoted(&mut self) -> Result<String, Refusal> {
        self.skip(1);
        let mut out = String::new();
        loop {
            let end = self.rest.find('\'').ok_or_else(|| syntax("a text does not end"))?;
            out.push_str(self.rest.get(..end).unwrap_or_default());
            self.skip(end + 1);
            if !self.rest.starts_with('\'') {
                return Ok(out);
            }
            out.push('\'');
            self.skip(1);
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let run = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        run
    }

    fn number(&mut self) -> Result<EdmValue, Refusal> {
        let text = self.run(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '+'));
        let bad = || syntax("a number does not parse");
        if let Some(digits) = text.strip_suffix(['L', 'l']) {
            return digits.parse().map(EdmValue::Int64).map_err(|_| bad());
        }
        if let Ok(value) = text.parse::<i32>() {
            return Ok(EdmValue::Int32(value));
        }
        if let Ok(value) = text.parse::<i64>() {
            return Ok(EdmValue::Int64(value));
        }
        // Beside the names of infinity, a number may have a letter for its type.
        let double = || text.strip_suffix(['d', 'D', 'f', 'F', 'm', 'M']);
        literal::double(&text).or_else(|| literal::double(double()?)).ok_or_else(bad)
    }

    /// A word, or the typed constant that it begins.
    fn word(&mut self) -> Result<Token, Refusal> {
        let word = self.run(|c| c == '_' || c.is_alphanumeric());
        if self.rest.starts_with('\'') {
            let text = self.quoted()?;
            let value = match word.as_str() {
                "datetime" => literal::moment(&text),
                "guid" => literal::guid(&text).map(EdmValue::Guid),
                "X" | "x" | "binary" => literal::hexadecimal(&text).map(EdmValue::Binary),
                _ => None,
            };
            return value.map(Token::Constant).ok_or_else(|| syntax("a constant does not parse"));
        }
        // Operators may stand against a parenthesis; another word there is a function's name.
        let operator =
            ["and", "or", "not"].contains(&word.as_str()) || Comparison::parse(&word).is_some();
        if self.rest.starts_with('(') && !operator {
            return Err(unsupported("a function"));
        }
        Ok(match word.as_str() {
            "true" => Token::Constant(EdmValue::Boolean(true)),
            "false" => Token::Constant(EdmValue::Boolean(false)),
            "NaN" => Token::Constant(EdmValue::Double(f64::NAN)),
            "INF" | "Infinity" => Token::Constant(EdmValue::Double(f64::INFINITY)),
            _ => Token::Word(word),
        })
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Option<Token>,
    comparisons: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Option<Token>, Refusal> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(&self.next, Some(Token::Word(next)) if next == word)
    }

    fn either(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut parts = vec![self.both(depth)?];
        while self.at_word("or") {
            self.advance()?;
            parts.push(self.both(depth)?);
        }
        Ok(joined(parts, Filter::Or))
    }

    fn both(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut parts = vec![self.unary(depth)?];
        while self.at_word("and") {
            self.advance()?;
            parts.push(self.unary(depth)?);
        }
        Ok(joined(parts, Filter::And))
    }

    fn unary(&mut self, depth: usize) -> Result<Filter, Refusal> {
        if depth == DEPTH_MAX {
            return Err(syntax("it is nested too deeply"));
        }
        if self.at_word("not") {
            self.advance()?;
            return Ok(Filter::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.next == Some(Token::Open) {
            self.advance()?;
            let inner = self.either(depth + 1)?;
            return match self.advance()? {
                Some(Token::Close) => Ok(inner),
                _ => Err(syntax("a parenthesis does not close")),
            };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, Refusal> {
        if self.comparisons == COMPARISONS_MAX {
            return Err(syntax("it has too many comparisons"));
        }
        self.comparisons += 1;
        let left = self.operand()?;
        let comparison = match &self.next {
            Some(Token::Word(word)) => Comparison::parse(word),
            _ => None,
        };
        let Some(comparison) = comparison else {
            if let Some(Token::Word(word)) = &self.next
                && ["add", "sub", "mul", "div", "mod", "has", "in"].contains(&word.as_str())
            {
                return Err(unsupported("arithmetic"));
            }
            return match left {
                Operand::Property(_) | Operand::Constant(EdmValue::Boolean(_)) => {
                    Ok(Filter::Truth(left))
                }
                Operand::Constant(_) => Err(syntax("a constant is no condition")),
            };
        };
        self.advance()?;
        let right = self.operand()?;
        if matches!((&left, &right), (Operand::Constant(_), Operand::Constant(_))) {
            return Err(syntax("a comparison names no property"));
        }
        Ok(Filter::Compare(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, Refusal> {
        match self.advance()? {
            Some(Token::Constant(value)) => Ok(Operand::Constant(value)),
            Some(Token::Word(word)) if word == "null" => Err(unsupported("null")),
            Some(Token::Word(word)) => Ok(Operand::Property(word)),
            _ => Err(syntax("an operand is missing")),
        }
    }
}

/// Several parts under one operator; a single one by itself.
fn joined(mut parts: Vec<Filter>, join: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

#[cfg(test)]
mod tests;
