//! The list of exceptions: which finding is allowed where, and why. It may only shrink.

use std::fs;

use super::Finding;
use crate::workspace;

/// The file that holds the list.
const FILE: &str = "xtask/exceptions.txt";

/// One line of the list.
struct Exception {
    line: usize,
    rule: String,
    path: String,
}

/// The list.
pub(super) struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// Reads the list of the repository.
    pub(super) fn read() -> Result<Self, String> {
        let path = workspace::root().join(FILE);
        let text = fs::read_to_string(path).map_err(|error| format!("{FILE}: {error}"))?;
        Self::parse(&text)
    }

    /// Parses the text of a list.
    fn parse(text: &str) -> Result<Self, String> {
        let mut list = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                [rule, path, reason] if !reason.trim().is_empty() => list.push(Exception {
                    line: index + 1,
                    rule: (*rule).to_owned(),
                    path: (*path).to_owned(),
                }),
                _ => return Err(format!("{FILE}:{}: wants check, path and reason", index + 1)),
            }
        }
        Ok(Self(list))
    }

    /// Takes the allowed findings away, and adds one for each exception that allowed nothing.
    pub(super) fn apply(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut used = vec![false; self.0.len()];
        let mut left: Vec<Finding> = findings
            .into_iter()
            .filter(|finding| {
                let position = self.0.iter().position(|exception| exception.allows(finding));
                if let Some(used) = position.and_then(|position| used.get_mut(position)) {
                    *used = true;
                }
                position.is_none()
            })
            .collect();
        for (exception, _) in self.0.iter().zip(&used).filter(|(_, used)| !**used) {
            let message = format!("`{}` needs no exception for {}", exception.path, exception.rule);
            left.push(Finding::new(FILE, exception.line, "stale", message));
        }
        left
    }
}

impl Exception {
    /// Whether this line allows the finding. A length is allowed only at exactly its number, so
    /// that a file which became shorter has its number lowered.
    fn allows(&self, finding: &Finding) -> bool {
        if self.path != finding.path {
            return false;
        }
        match self.rule.split_once(':') {
            Some((rule, number)) => {
                rule == finding.rule && number.parse() == Ok(finding.line) && finding.line > 0
            }
            None => self.rule == finding.rule,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exceptions, Finding};

    #[test]
    fn an_exception_is_used_or_stale() {
        let list = Exceptions::parse("# list\nlength:700\ta.rs\tone table\nunsafe\tb.rs\tmmap\n")
            .expect("parses");
        let left = list.apply(vec![
            Finding::new("a.rs", 700, "length", "long"),
            Finding::new("a.rs", 1, "header", "none"),
        ]);
        let rules: Vec<&str> = left.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["header", "stale"]);
    }

    #[test]
    fn a_file_that_shrank_needs_its_number_lowered() {
        let list = Exceptions::parse("length:700\ta.rs\tone table\n").expect("parses");
        assert_eq!(list.apply(vec![Finding::new("a.rs", 690, "length", "long")]).len(), 2);
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        assert!(Exceptions::parse("unsafe\tb.rs\t\n").is_err());
        assert!(Exceptions::parse("unsafe b.rs reason\n").is_err());
    }
}
