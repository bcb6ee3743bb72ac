//! The configuration file: TOML, its keys those of [`SETTINGS`](super::settings::SETTINGS).

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{self, Kind};
use crate::failure::{Failure, While as _};

/// A setting as the file has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) key: &'static str,
    pub(crate) text: String,
    /// Its line, counted from 1.
    pub(crate) line: usize,
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<Assignment>, Failure> {
    let doing = format!("read the configuration file {}", path.display());
    let text = std::fs::read_to_string(path).or_fail(doing)?;
    parse(&path.display().to_string(), &text)
}

/// Takes the settings out of `text`; `name` is the file's, for messages.
fn parse(name: &str, text: &str) -> Result<Vec<Assignment>, Failure> {
    let file = File { name, text };
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        Failure::usage(format!("{}: {}", file.place(start), error.message()))
    })?;
    let mut lines = Vec::new();
    file.collect("", table.get_ref(), &mut lines)?;
    lines.sort_by_key(|line| line.line);
    Ok(lines)
}

/// The key of the tables that say who has which role.
const ASSIGNMENT: &str = "identity.assignment";

/// The keys of such a table; the last one may be left out.
const ASSIGNMENT_FIELDS: [&str; 4] = ["account", "principal", "role", "scope"];

struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.name, self.line(offset))
    }

    fn collect(
        &self,
        prefix: &str,
        table: &DeTable<'_>,
        lines: &mut Vec<Assignment>,
    ) -> Result<(), Failure> {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            if let (DeValue::Table(inner), true) = (value.get_ref(), prefix.is_empty()) {
                self.collect(&format!("{key}."), inner, lines)?;
                continue;
            }
            if let (DeValue::Array(items), ASSIGNMENT) = (value.get_ref(), key.as_str()) {
                for item in items {
                    lines.push(self.assignment(item)?);
                }
                continue;
            }
            let Some(setting) = settings::find(&key) else {
                return Err(self.unknown(&key, name.span().start));
            };
            let text = text_of(value, setting.kind).ok_or_else(|| {
                let place = self.place(value.span().start);
                let found = value.get_ref().type_str();
                Failure::usage(format!("{place}: `{key}` cannot be a TOML {found}"))
            })?;
            let line = self.line(name.span().start);
            lines.push(Assignment { key: setting.key, text, line });
        }
        Ok(())
    }

    /// A role that somebody has, a table of its own, in the form that other layers write it in.
    fn assignment(&self, item: &Spanned<DeValue<'_>>) -> Result<Assignment, Failure> {
        let start = item.span().start;
        let wrong = |what: &str| Failure::usage(format!("{}: {what}", self.place(start)));
        let DeValue::Table(table) = item.get_ref() else {
            return Err(wrong("`identity.assignment` is written as `[[identity.assignment]]`"));
        };
        let mut fields = [None; ASSIGNMENT_FIELDS.len()];
        for (name, value) in table {
            let place = ASSIGNMENT_FIELDS.iter().position(|field| *field == name.get_ref());
            let Some(field) = place.and_then(|place| fields.get_mut(place)) else {
                let key = format!("{ASSIGNMENT}.{}", name.get_ref());
                return Err(self.unknown(&key, name.span().start));
            };
            let text = value.get_ref().as_str().filter(|text| !text.contains([':', ';']));
            let text = text.ok_or_else(|| {
                let place = self.place(value.span().start);
                let key = name.get_ref();
                Failure::usage(format!(
                    "{place}: `{ASSIGNMENT}.{key}` is a text without `:` and `;`"
                ))
            })?;
            *field = Some(text);
        }
        let [Some(account), Some(principal), Some(role), scope] = fields else {
            return Err(wrong("`identity.assignment` takes an account, a principal and a role"));
        };
        let scope = scope.map(|scope| format!(":{scope}")).unwrap_or_default();
        let text = format!("{account}:{principal}:{role}{scope}");
        Ok(Assignment { key: "identity.assignments", text, line: self.line(start) })
    }

    fn unknown(&self, key: &str, offset: usize) -> Failure {
        let failure = Failure::usage(format!("{}: unknown key `{key}`", self.place(offset)));
        match settings::nearest(key) {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure.hint("`lazuli config explain` lists every key"),
        }
    }
}

/// A value as text, if it is of a TOML type that fits the setting.
fn text_of(value: &Spanned<DeValue<'_>>, kind: Kind) -> Option<String> {
    match (value.get_ref(), kind) {
        (DeValue::Boolean(value), Kind::Switch) => Some(value.to_string()),
        (DeValue::Integer(value), Kind::Port | Kind::Count | Kind::Seconds) => {
            (value.radix() == 10).then(|| value.as_str().to_owned())
        }
        (DeValue::Float(value), Kind::Seconds) => Some(value.as_str().to_owned()),
        (
            DeValue::String(text),
            Kind::Text | Kind::Word(_) | Kind::Accounts | Kind::Assignments | Kind::List,
        ) => Some(text.to_string()),
        (DeValue::Array(items), Kind::Accounts | Kind::Assignments | Kind::List) => {
            let texts: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            Some(texts?.join(";"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        parse("lazuli.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn settings_come_with_their_lines() {
        let text = "# ports\nblob-port = 0\nin-memory = true\n\naccounts = [\"a:YQ==\", \"b:YQ==\"]\n\
                    [limits]\nidle-seconds = 0.5\n";
        let lines = parse("lazuli.toml", text).unwrap();
        let lines: Vec<_> =
            lines.iter().map(|line| (line.key, line.text.as_str(), line.line)).collect();
        assert_eq!(
            lines,
            [
                ("blob-port", "0", 2),
                ("in-memory", "true", 3),
                ("accounts", "a:YQ==;b:YQ==", 5),
                ("limits.idle-seconds", "0.5", 7),
            ]
        );
    }

    #[test]
    fn roles_are_tables_of_their_own() {
        let text = "[identity]\nissuers = [\"a\", \"b\"]\n\n[[identity.assignment]]\n\
                    account = \"one\"\nrole = \"Storage Blob Data Reader\"\nprincipal = \"p\"\n\
                    \n[[identity.assignment]]\naccount = \"one\"\nprincipal = \"q\"\n\
                    role = \"r\"\nscope = \"box\"\n";
        let lines = parse("lazuli.toml", text).unwrap();
        let lines: Vec<_> =
            lines.iter().map(|line| (line.key, line.text.as_str(), line.line)).collect();
        assert_eq!(
            lines,
            [
                ("identity.issuers", "a;b", 2),
                ("identity.assignments", "one:p:Storage Blob Data Reader", 4),
                ("identity.assignments", "one:q:r:box", 9),
            ]
        );
        let table = "[[identity.assignment]]\n";
        for (text, want) in [
            ("account = \"a\"\n", "1: `identity.assignment` takes an account, a principal"),
            ("actor = \"a\"\n", "2: unknown key `identity.assignment.actor`"),
            ("role = 7\n", "2: `identity.assignment.role` is a text without"),
            ("role = \"a;b\"\n", "2: `identity.assignment.role` is a text without"),
        ] {
            let error = failure(&format!("{table}{text}"));
            assert!(error.starts_with(&format!("error: lazuli.toml:{want}")), "{error}");
        }
        let error = failure("[identity]\nassignment = [\"x\"]\n");
        assert!(error.ends_with("is written as `[[identity.assignment]]`"), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused_with_a_suggestion() {
        assert_eq!(
            failure("host = \"::1\"\n\nacount = \"a:YQ==\"\n"),
            "error: lazuli.toml:3: unknown key `acount`\nhint: did you mean `accounts`?"
        );
        assert_eq!(
            failure("[limits]\nidle-second = 1\n"),
            "error: lazuli.toml:2: unknown key `limits.idle-second`\n\
             hint: did you mean `limits.idle-seconds`?"
        );
        assert_eq!(
            failure("[limits.more]\nx = 1\n"),
            "error: lazuli.toml:1: unknown key `limits.more`\n\
             hint: `lazuli config explain` lists every key"
        );
    }

    #[test]
    fn wrong_types_and_broken_files_name_their_line() {
        let wrong = failure("\nblob-port = \"10000\"\n");
        assert_eq!(wrong, "error: lazuli.toml:2: `blob-port` cannot be a TOML string");
        let broken = failure("host = \"a\"\nhost = \"b\"\n");
        assert!(broken.starts_with("error: lazuli.toml:2: "), "{broken}");
    }
}
