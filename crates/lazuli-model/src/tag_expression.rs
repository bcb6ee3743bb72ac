//! Conditions on tags: `x-ms-if-tags`, and the `where` of Find Blobs by Tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations#tags-conditional-operations>
//! <https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags#remarks>
//!
//! Both are parsed without recursion on anything the sender decides: the expression becomes a
//! postfix program by the shunting-yard method, bounded in length and depth.

use std::ops::Bound;

use crate::Refusal;
use crate::tags::{KEY_CHARACTERS_MAX, TagSet, VALUE_CHARACTERS_MAX, is_tag_character};

/// Longest expression, in bytes.
const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 32;
/// Most tags one search compares.
const FIND_TAGS_MAX: usize = 10;

/// How a tag's value is compared; values compare as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: String,
    comparison: Comparison,
    value: String,
}

impl Term {
    /// A blob without the tag does not match, whatever the comparison.
    fn eval(&self, tags: &TagSet) -> bool {
        let Some(value) = tags.get(&self.key) else { return false };
        let order = value.cmp(self.value.as_str());
        match self.comparison {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Term(Term),
    And,
    Or,
}

/// A condition on tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagExpression {
    /// In postfix order.
    steps: Vec<Step>,
}

impl TagExpression {
    /// Parses the value of the header named. `InvalidHeaderValue` if it is no expression.
    pub fn parse(header: &str, text: &str) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::header_value(header, shown(text)).with_cause(why);
        let expression = parse(text).map_err(refuse)?;
        let is_container = |step: &Step| matches!(step, Step::Term(term) if term.key == CONTAINER);
        if expression.steps.iter().any(is_container) {
            return Err(refuse("Only a search can compare the container."));
        }
        Ok(expression)
    }

    /// Whether the tags meet the condition.
    pub fn eval(&self, tags: &TagSet) -> bool {
        let mut stack = Vec::new();
        for step in &self.steps {
            let value = match step {
                Step::Term(term) => term.eval(tags),
                Step::And | Step::Or => {
                    let (right, left) =
                        (stack.pop().unwrap_or(false), stack.pop().unwrap_or(false));
                    if *step == Step::And { left && right } else { left || right }
                }
            };
            stack.push(value);
        }
        stack.pop().unwrap_or(false)
    }
}

/// One tag of a search, and the values it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindTerm {
    /// The tag's key.
    pub key: String,
    /// Least value.
    pub lower: Bound<String>,
    /// Greatest value.
    pub upper: Bound<String>,
}

/// A search for blobs by their tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindExpression {
    container: Option<String>,
    terms: Vec<FindTerm>,
}

/// The name under which a search compares the container.
const CONTAINER: &str = "@container";

impl FindExpression {
    /// Parses the `where` parameter: comparisons joined by `and`, one range for each of at most ten
    /// tags, and the container by equality. `InvalidQueryParameterValue` for anything else.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &'static str| Refusal::query_value("where", shown(text), why);
        let TagExpression { steps } = parse(text).map_err(refuse)?;
        let mut expression = Self { container: None, terms: Vec::new() };
        for step in steps {
            let term = match step {
                Step::And => continue,
                Step::Or => return Err(refuse("Only the operator AND is supported.")),
                Step::Term(term) => term,
            };
            if term.key == CONTAINER {
                if term.comparison != Comparison::Equal || expression.container.is_some() {
                    return Err(refuse("The container can only be compared once, by equality."));
                }
                expression.container = Some(term.value);
            } else {
                expression.add(term).map_err(refuse)?;
            }
        }
        if expression.terms.len() > FIND_TAGS_MAX {
            return Err(refuse("At most ten tags can be compared."));
        }
        Ok(expression)
    }

    fn add(&mut self, term: Term) -> Result<(), &'static str> {
        let Term { key, comparison, value } = term;
        let index = self.terms.iter().position(|term| term.key == key).unwrap_or_else(|| {
            self.terms.push(FindTerm { key, lower: Bound::Unbounded, upper: Bound::Unbounded });
            self.terms.len() - 1
        });
        let Some(term) = self.terms.get_mut(index) else { return Err("No tag is compared.") };
        let (lower, upper) = match comparison {
            Comparison::Equal => {
                (Some(Bound::Included(value.clone())), Some(Bound::Included(value)))
            }
            Comparison::Greater => (Some(Bound::Excluded(value)), None),
            Comparison::GreaterOrEqual => (Some(Bound::Included(value)), None),
            Comparison::Less => (None, Some(Bound::Excluded(value))),
            Comparison::LessOrEqual => (None, Some(Bound::Included(value))),
            Comparison::NotEqual => return Err("The operator <> is not supported."),
        };
        for (bound, given) in [(&mut term.lower, lower), (&mut term.upper, upper)] {
            if let Some(given) = given {
                if *bound != Bound::Unbounded {
                    return Err("A tag can only be compared with one range.");
                }
                *bound = given;
            }
        }
        Ok(())
    }

    /// The container searched, if only one is.
    pub fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// The tags compared.
    pub fn terms(&self) -> &[FindTerm] {
        &self.terms
    }

    /// Whether a blob is found.
    pub fn matches(&self, container: &str, tags: &TagSet) -> bool {
        use std::ops::RangeBounds as _;
        self.container.as_deref().is_none_or(|only| only == container)
            && self.terms.iter().all(|term| {
                let range = (term.lower.as_ref(), term.upper.as_ref());
                tags.get(&term.key).is_some_and(|value| range.contains(&value.to_owned()))
            })
    }
}

fn shown(text: &str) -> String {
    text.chars().take(256).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Key(String),
    Value(String),
    Comparison(Comparison),
}

fn parse(text: &str) -> Result<TagExpression, &'static str> {
    if text.len() > TEXT_BYTES_MAX {
        return Err("The expression is too long.");
    }
    let mut tokens = tokens(text)?.into_iter();
    let mut steps = Vec::new();
    let mut waiting: Vec<Token> = Vec::new();
    let mut expects_term = true;
    while let Some(token) = tokens.next() {
        match token {
            Token::Open if expects_term => {
                if waiting.iter().filter(|token| **token == Token::Open).count() == DEPTH_MAX {
                    return Err("The expression is nested too deeply.");
                }
                waiting.push(Token::Open);
            }
            Token::Key(key) if expects_term => {
                let (Some(Token::Comparison(comparison)), Some(Token::Value(value))) =
                    (tokens.next(), tokens.next())
                else {
                    return Err("A comparison is not complete.");
                };
                check_term(&key, &value)?;
                steps.push(Step::Term(Term { key, comparison, value }));
                expects_term = false;
            }
            Token::Close if !expects_term => loop {
                match waiting.pop() {
                    Some(Token::Open) => break,
                    Some(operator) => steps.push(step(&operator)),
                    None => return Err("A parenthesis is closed that was not opened."),
                }
            },
            operator @ (Token::And | Token::Or) if !expects_term => {
                // `and` binds more tightly than `or`.
                while waiting.last().is_some_and(|top| {
                    *top == Token::And || (*top == Token::Or && operator == Token::Or)
                }) {
                    steps.extend(waiting.pop().as_ref().map(step));
                }
                waiting.push(operator);
                expects_term = true;
            }
            _ => return Err("The expression is not well formed."),
        }
    }
    if expects_term {
        return Err("The expression is not complete.");
    }
    while let Some(operator) = waiting.pop() {
        if operator == Token::Open {
            return Err("A parenthesis is not closed.");
        }
        steps.push(step(&operator));
    }
    Ok(TagExpression { steps })
}

/// Refuses a key or value that no tag can have; a container's name may begin with a dollar sign.
fn check_term(key: &str, value: &str) -> Result<(), &'static str> {
    if key == CONTAINER {
        return Ok(());
    }
    if !(1..=KEY_CHARACTERS_MAX).contains(&key.chars().count()) {
        return Err("A tag's key has 1 to 128 characters.");
    }
    if value.chars().count() > VALUE_CHARACTERS_MAX {
        return Err("A tag's value has at most 256 characters.");
    }
    if !(key.chars().all(is_tag_character) && value.chars().all(is_tag_character)) {
        return Err("A tag has characters that are not permitted.");
    }
    Ok(())
}

fn step(operator: &Token) -> Step {
    if *operator == Token::And { Step::And } else { Step::Or }
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, len) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' => (Token::Comparison(Comparison::Equal), 1),
            '<' if rest.starts_with("<>") => (Token::Comparison(Comparison::NotEqual), 2),
            '<' if rest.starts_with("<=") => (Token::Comparison(Comparison::LessOrEqual), 2),
            '<' => (Token::Comparison(Comparison::Less), 1),
            '>' if rest.starts_with(">=") => (Token::Comparison(Comparison::GreaterOrEqual), 2),
            '>' => (Token::Comparison(Comparison::Greater), 1),
            '"' | '\'' => {
                let body = rest.get(1..).unwrap_or_default();
                let end = body.find(first).ok_or("A quotation mark is not closed.")?;
                let inner = body.get(..end).unwrap_or_default();
                let inner = inner.to_owned();
                let token = if first == '"' { Token::Key(inner) } else { Token::Value(inner) };
                (token, end + 2)
            }
            _ => {
                let word_character = |c: char| c.is_ascii_alphanumeric() || "_@".contains(c);
                let end = rest.find(|c| !word_character(c)).unwrap_or(rest.len());
                let word = rest.get(..end).unwrap_or_default();
                let token = match word.to_ascii_lowercase().as_str() {
                    "" => return Err("A character is not part of the grammar."),
                    "and" => Token::And,
                    "or" => Token::Or,
                    _ => Token::Key(word.to_owned()),
                };
                (token, end)
            }
        };
        tokens.push(token);
        rest = rest.get(len..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(text: &str) -> TagSet {
        TagSet::from_header(text).unwrap()
    }

    #[test]
    fn conditions() {
        let eval = |text: &str, with: &str| {
            TagExpression::parse("x-ms-if-tags", text).map(|e| e.eval(&tags(with))).ok()
        };
        assert_eq!(eval("a = '1'", "a=1"), Some(true));
        assert_eq!(eval("\"a b\" = '1'", "a+b=1"), Some(true));
        assert_eq!(eval("a <> '1'", "b=1"), Some(false));
        assert_eq!(eval("a='1' or b='1' and c='1'", "a=1"), Some(true));
        assert_eq!(eval("(a='1' or b='1') and c='1'", "a=1"), Some(false));
        assert_eq!(eval("a >= '05' AND a < '10'", "a=07"), Some(true));
        for bad in
            ["", "a", "a=", "a='1' and", "(a='1'", "a='1')", "and", "a='1' b='2'", "a=1", "a=';'"]
        {
            assert_eq!(eval(bad, "a=1"), None, "{bad}");
        }
        for bad in ["a='", "\"a='1'", "''='1'", "\"\"='1'", "a@b='1'", "@container='c'", "a='$1'"] {
            assert_eq!(eval(bad, "a=1"), None, "{bad}");
        }
        assert_eq!(eval(&format!("{}='1'", "k".repeat(129)), "a=1"), None);
        assert_eq!(eval(&format!("a='{}'", "v".repeat(257)), "a=1"), None);
        assert_eq!(eval(&format!("a<='{}'", "v".repeat(256)), "a=1"), Some(true));
        let deep = format!("{}a='1'{}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(eval(&deep, "a=1"), None);
        let many = vec!["a='1'"; 500].join(" or ");
        assert_eq!(eval(&many, "a=1"), Some(true));
    }

    #[test]
    fn searches() {
        let found = FindExpression::parse("@container = 'c' AND a >= '1' AND a < '3'").unwrap();
        assert_eq!(found.container(), Some("c"));
        assert!(found.matches("c", &tags("a=2")) && !found.matches("c", &tags("a=3")));
        assert!(!found.matches("d", &tags("a=2")) && !found.matches("c", &tags("b=2")));
        for bad in
            ["a='1' or b='2'", "a<>'1'", "a>'1' and a>'2'", "@container>'c'", "a='1' and a='2'"]
        {
            assert!(FindExpression::parse(bad).is_err(), "{bad}");
        }
        let web = FindExpression::parse("@container='$web' and \"a b\">'' and (c='x')").unwrap();
        assert_eq!((web.container(), web.terms().len()), (Some("$web"), 2));
        let terms = vec!["a='1'"; 10_000].join(" and ");
        assert!(FindExpression::parse(&terms).is_err());
        let eleven = (0..11).map(|n| format!("k{n}='v'")).collect::<Vec<_>>().join(" and ");
        assert!(FindExpression::parse(&eleven).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c()<>='\" andor]{0,60}", with in "[a-c]=[0-9]") {
            if let Ok(expression) = TagExpression::parse("x", &text) {
                let _ = expression.eval(&tags(&with));
            }
            let _ = FindExpression::parse(&text);
        }
    }
}
