//! The addresses of tables and entities: `/Tables('t')`, `/t()`, `/t(PartitionKey='p',RowKey='r')`.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/addressing-table-service-resources>

use lazuli_model::entity::EntityKey;
use lazuli_model::{ErrorCode, Refusal};

/// What the path of a request to the Table service names. Names are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableAddress {
    /// The service.
    Service,
    /// The tables of the account.
    Tables,
    /// A table among the tables: `Tables('t')`.
    NamedTable(String),
    /// The entities of a table: `t` or `t()`.
    Table(String),
    /// An entity.
    Entity(String, EntityKey),
    /// Where entity group transactions are sent.
    Batch,
}

/// Parses the decoded path below the account, without its first slash.
///
/// `InvalidInput` for one that names nothing.
pub fn parse(path: &str) -> Result<TableAddress, Refusal> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(TableAddress::Service);
    }
    if path.eq_ignore_ascii_case("$batch") {
        return Ok(TableAddress::Batch);
    }
    let (name, arguments) = match path.split_once('(') {
        Some((name, rest)) => {
            let inner = rest.strip_suffix(')').ok_or_else(|| malformed("a parenthesis is open"))?;
            (name, Some(inner.trim()).filter(|inner| !inner.is_empty()))
        }
        None => (path, None),
    };
    let tables = name.eq_ignore_ascii_case("Tables");
    match arguments {
        None if tables => Ok(TableAddress::Tables),
        None => Ok(TableAddress::Table(name.to_owned())),
        Some(inner) if tables => {
            let inner = inner.strip_prefix("TableName=").unwrap_or(inner);
            let (table, rest) = quoted(inner)?;
            if rest.is_empty() {
                Ok(TableAddress::NamedTable(table))
            } else {
                Err(malformed("something follows the name"))
            }
        }
        Some(inner) => Ok(TableAddress::Entity(name.to_owned(), key(inner)?)),
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput).with_cause(format_args!("address: {why}"))
}

/// The two keys, in either order.
fn key(mut rest: &str) -> Result<EntityKey, Refusal> {
    let (mut partition, mut row) = (None, None);
    loop {
        let (name, after) = rest.split_once('=').ok_or_else(|| malformed("a key has no value"))?;
        let (value, after) = quoted(after.trim_start())?;
        let place = match name.trim() {
            "PartitionKey" => &mut partition,
            "RowKey" => &mut row,
            _ => return Err(malformed("a key has an unknown name")),
        };
        if place.replace(value).is_some() {
            return Err(malformed("a key is given twice"));
        }
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => break,
            None => return Err(malformed("something follows a key")),
        }
    }
    match (partition, row) {
        (Some(partition), Some(row)) => Ok(EntityKey { partition, row }),
        _ => Err(malformed("a key is missing")),
    }
}

/// The text between quotes, two of which stand for one, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), Refusal> {
    let mut rest = text.strip_prefix('\'').ok_or_else(|| malformed("a quote is missing"))?;
    let mut out = String::new();
    loop {
        let (part, after) =
            rest.split_once('\'').ok_or_else(|| malformed("a quote does not close"))?;
        out.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                out.push('\'');
                rest = more;
            }
            None => return Ok((out, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entity(partition: &str, row: &str) -> TableAddress {
        TableAddress::Entity("t".to_owned(), EntityKey::new(partition, row))
    }

    #[test]
    fn every_form() {
        for (path, expected) in [
            ("", TableAddress::Service),
            ("/", TableAddress::Service),
            ("$batch", TableAddress::Batch),
            ("Tables", TableAddress::Tables),
            ("Tables()", TableAddress::Tables),
            ("Tables('abc')", TableAddress::NamedTable("abc".to_owned())),
            ("t", TableAddress::Table("t".to_owned())),
            ("t/", TableAddress::Table("t".to_owned())),
            ("t()", TableAddress::Table("t".to_owned())),
            ("t(PartitionKey='p',RowKey='r')", entity("p", "r")),
            ("t(RowKey='r', PartitionKey='p')", entity("p", "r")),
            ("t(PartitionKey='',RowKey='O''B,)(='';')", entity("", "O'B,)(=';")),
        ] {
            assert_eq!(parse(path).unwrap(), expected, "{path}");
        }
        for path in [
            "t(",
            "t('p','r')",
            "t(PartitionKey='p')",
            "t(PartitionKey='p',PartitionKey='p')",
            "t(PartitionKey='p',RowKey='r'",
            "t(PartitionKey='p',RowKey='r)",
            "t(PartitionKey=p,RowKey=r)",
            "t(PartitionKey='p'RowKey='r')",
            "t(X='p',RowKey='r')",
            "t(PartitionKey='p',RowKey='r',)",
            "Tables('a'b)",
            "Tables(a)",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn keys_are_read_back(partition: String, row: String) {
            let key = EntityKey::new(partition, row);
            let path = format!("t{}", key.predicate());
            prop_assert_eq!(parse(&path).unwrap(), TableAddress::Entity("t".to_owned(), key));
        }

        #[test]
        fn no_path_panics(path in "[t()'=,PartionKeyRow/$ ]{0,50}") {
            let _ = parse(&path);
        }
    }
}
