//! The dialect's statement: `SELECT list FROM table [WHERE condition] [LIMIT number]`.
//!
//! <https://learn.microsoft.com/azure/storage/blobs/query-acceleration-sql-reference>. The text
//! becomes words and signs, which are cut at the clauses here; what stands between is read by
//! `sqlparser`. The number of words is bounded before anything is parsed, and the parser bounds
//! its depth, so that no text can exhaust the stack.

mod expression;

use lazuli_model::{ErrorCode, Refusal};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use self::expression::Names;
use crate::aggregate::Aggregate;
use crate::moment::Moment;
use crate::plan::{Item, Plan, Select, Step};
use crate::request::EXPRESSION_BYTES_MAX;

/// The most words and signs of a query. Operators of one rank make a tree as deep as they are
/// many, and dropping a tree takes stack for each level.
const TOKENS_MAX: usize = 2_000;

/// The most expressions that a query may select.
const ITEMS_MAX: usize = 49;

/// The least size of the pieces that `sys.split` tells, in bytes.
const SPLIT_BYTES_MIN: u64 = 10 * 1024 * 1024;

/// The dialect for the parser: standard SQL whose names may begin with an underscore.
#[derive(Debug)]
struct QueryDialect;

impl Dialect for QueryDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    // With it comes `TRIM(LEADING FROM text)`; the commas themselves are refused.
    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
}

/// Words that open parts of SQL which the dialect does not have, and that the parser would follow
/// deep into.
const REFUSED: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::WITH,
    Keyword::VALUES,
    Keyword::EXISTS,
    Keyword::ARRAY,
    Keyword::STRUCT,
    Keyword::MAP,
    Keyword::LAMBDA,
    Keyword::CONVERT,
    Keyword::INTERVAL,
    Keyword::NESTED,
    Keyword::TUPLE,
    Keyword::UNKNOWN,
];

/// The refusal of a query, for a reason that its author can read.
pub(crate) fn refused(why: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::ErrorProcessingQueryExpression).with_message(why.into())
}

fn syntax(cause: impl std::fmt::Display) -> Refusal {
    refused("Syntax error!").with_cause(cause)
}

/// Reads a query. `now` is what UTCNOW tells.
///
/// `ErrorProcessingQueryExpression` for what is not of the dialect.
pub(crate) fn parse(text: &str, now: Option<Moment>) -> Result<Plan, Refusal> {
    let tokens = tokens(text)?;
    let clauses = Clauses::cut(&tokens)?;
    let (table, alias) = table(clauses.from)?;
    let mut names = Names::new(alias, now);
    let select = select(clauses.select, &mut names)?;
    let filter = match clauses.filter {
        Some(tokens) => {
            let mut parser = parser(tokens);
            let expr = parser.parse_expr().map_err(syntax)?;
            at_end(&parser)?;
            Some(names.expression(&expr)?)
        }
        None => None,
    };
    let limit = match clauses.limit {
        Some([Token::Number(number, false)]) => {
            Some(number.parse().map_err(|_| refused("LIMIT needs a whole number."))?)
        }
        Some(_) => return Err(refused("LIMIT needs a whole number.")),
        None => None,
    };
    if matches!(select, Select::Split(_)) && (filter.is_some() || limit.is_some()) {
        return Err(refused("sys.split stands alone."));
    }
    Ok(Plan { table, columns: names.columns, select, filter, limit, tokens: tokens.len() })
}

/// The words and signs of a text, without white space and a last semicolon.
fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(refused("The query expression is too long."));
    }
    let mut tokens = Tokenizer::new(&QueryDialect, text).tokenize().map_err(syntax)?;
    tokens.retain(|token| !matches!(token, Token::Whitespace(_) | Token::EOF));
    while matches!(tokens.last(), Some(Token::SemiColon)) {
        tokens.pop();
    }
    if tokens.len() > TOKENS_MAX {
        return Err(refused("The query expression has too many terms."));
    }
    for (index, token) in tokens.iter().enumerate() {
        let refused = match token {
            Token::SemiColon | Token::DoubleColon | Token::LBrace | Token::Placeholder(_) => true,
            Token::Word(word) => index > 0 && REFUSED.contains(&word.keyword),
            _ => false,
        };
        if refused {
            return Err(syntax(format!("{token} is not of the dialect")));
        }
    }
    missing(&mut tokens);
    Ok(tokens)
}

/// IS MISSING is the dialect's own: the parser reads it as the standard's IS UNKNOWN, which the
/// dialect does not have.
fn missing(tokens: &mut [Token]) {
    for index in 1..tokens.len() {
        let is_word = |token: &Token, word: &str| {
            matches!(token, Token::Word(found)
                if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
        };
        let after_is = is_word(&tokens[index - 1], "is")
            || (index > 1
                && is_word(&tokens[index - 1], "not")
                && is_word(&tokens[index - 2], "is"));
        if after_is && is_word(&tokens[index], "missing") {
            tokens[index] = Token::make_keyword("UNKNOWN");
        }
    }
}

/// The clauses of a statement.
struct Clauses<'t> {
    select: &'t [Token],
    from: &'t [Token],
    filter: Option<&'t [Token]>,
    limit: Option<&'t [Token]>,
}

fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) => Some(word.keyword),
        _ => None,
    }
}

impl<'t> Clauses<'t> {
    fn cut(tokens: &'t [Token]) -> Result<Self, Refusal> {
        if tokens.first().and_then(keyword) != Some(Keyword::SELECT) {
            return Err(syntax("no SELECT"));
        }
        let rest = &tokens[1..];
        let clause = |word| at_top(rest).find(|index| keyword(&rest[*index]) == Some(word));
        let from = clause(Keyword::FROM).ok_or_else(|| syntax("no FROM"))?;
        let limit = clause(Keyword::LIMIT).filter(|limit| *limit > from);
        let end = limit.unwrap_or(rest.len());
        let filter = clause(Keyword::WHERE).filter(|filter| (from..end).contains(filter));
        Ok(Self {
            select: &rest[..from],
            from: &rest[from + 1..filter.unwrap_or(end)],
            filter: filter.map(|filter| &rest[filter + 1..end]),
            limit: limit.map(|limit| &rest[limit + 1..]),
        })
    }
}

/// The places of tokens that are not in parentheses.
fn at_top(tokens: &[Token]) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    tokens.iter().enumerate().filter_map(move |(index, token)| {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 => return Some(index),
            _ => {}
        }
        None
    })
}

fn parser(tokens: &[Token]) -> Parser<'static> {
    Parser::new(&QueryDialect).with_tokens(tokens.to_vec())
}

fn at_end(parser: &Parser<'_>) -> Result<(), Refusal> {
    match &parser.peek_token_ref().token {
        Token::EOF => Ok(()),
        token => Err(syntax(format!("{token} is left over"))),
    }
}

/// The table descriptor, and the name by which expressions may call the table.
fn table(tokens: &[Token]) -> Result<(Vec<Step>, Option<String>), Refusal> {
    let [Token::Word(word), rest @ ..] = tokens else { return Err(syntax("no table")) };
    if !word.value.eq_ignore_ascii_case("BlobStorage") {
        return Err(refused("The table must be BlobStorage."));
    }
    let mut rest = rest;
    let mut steps = Vec::new();
    loop {
        match rest {
            [Token::LBracket, Token::Mul, Token::RBracket, more @ ..] => {
                steps.push(Step::Each);
                rest = more;
            }
            [Token::LBracket, Token::Number(number, false), Token::RBracket, more @ ..] => {
                let index = number.parse().map_err(|_| syntax("an index is not whole"))?;
                steps.push(Step::Index(index));
                rest = more;
            }
            [Token::Period, Token::Word(word), more @ ..] => {
                let quoted = word.quote_style.is_some();
                steps.push(Step::Name { name: word.value.clone(), quoted });
                rest = more;
            }
            _ => break,
        }
    }
    // BlobStorage[*] is BlobStorage: each value of the blob.
    if steps.first() == Some(&Step::Each) {
        steps.remove(0);
    }
    let alias = match rest {
        [] => None,
        [Token::Word(alias)] => Some(alias.value.clone()),
        [Token::Word(word), Token::Word(alias)] if word.keyword == Keyword::AS => {
            Some(alias.value.clone())
        }
        _ => return Err(syntax("the table is not one name")),
    };
    Ok((steps, alias))
}

fn select(tokens: &[Token], names: &mut Names) -> Result<Select, Refusal> {
    if tokens == [Token::Mul] {
        return Ok(Select::All);
    }
    if let Some(split) = split(tokens)? {
        return Ok(split);
    }
    let mut commas: Vec<usize> =
        at_top(tokens).filter(|index| tokens[*index] == Token::Comma).collect();
    commas.push(tokens.len());
    if commas.len() > ITEMS_MAX {
        return Err(refused("The query expression selects more than 49 columns."));
    }
    let (mut items, mut aggregates) = (Vec::new(), Vec::new());
    let mut start = 0;
    for (index, end) in commas.into_iter().enumerate() {
        let (expr, alias) = item(&tokens[start..end])?;
        start = end + 1;
        if let Some((kind, operand)) = names.aggregate(&expr)? {
            let name = alias.unwrap_or_else(|| format!("_{}", index + 1));
            aggregates.push((Aggregate::new(kind, operand), name));
            continue;
        }
        let compiled = names.expression(&expr)?;
        let name = alias.unwrap_or_else(|| names.column_name(&compiled, index));
        items.push(Item { expr: compiled, name });
    }
    match (items.is_empty(), aggregates.is_empty()) {
        (_, true) => Ok(Select::Items(items)),
        (true, false) => Ok(Select::Aggregates(aggregates)),
        (false, false) => Err(refused("Aggregates and columns cannot be selected together.")),
    }
}

/// One selected expression and its alias.
fn item(tokens: &[Token]) -> Result<(sqlparser::ast::Expr, Option<String>), Refusal> {
    let mut parser = parser(tokens);
    let expr = parser.parse_expr().map_err(syntax)?;
    let named = parser.parse_keyword(Keyword::AS) || parser.peek_token_ref().token != Token::EOF;
    let alias = if named { Some(parser.parse_identifier().map_err(syntax)?.value) } else { None };
    at_end(&parser)?;
    Ok((expr, alias))
}

/// `sys.split(size)`, if that is what is selected.
fn split(tokens: &[Token]) -> Result<Option<Select>, Refusal> {
    let [
        Token::Word(sys),
        Token::Period,
        Token::Word(split),
        Token::LParen,
        size @ ..,
        Token::RParen,
    ] = tokens
    else {
        return Ok(None);
    };
    if !sys.value.eq_ignore_ascii_case("sys") || !split.value.eq_ignore_ascii_case("split") {
        return Ok(None);
    }
    let size = match size {
        [Token::Number(number, false)] => number.parse().ok(),
        _ => None,
    };
    match size {
        Some(size) if size >= SPLIT_BYTES_MIN => Ok(Some(Select::Split(size))),
        _ => Err(refused("The size of sys.split must be at least 10485760.")),
    }
}
