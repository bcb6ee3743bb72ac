//! The licences of all dependencies against the list in `deny.toml`, without a network.
//!
//! Reference: <https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/>.

use std::fs;

use serde_json::Value;

use super::{Finding, packages, text};
use crate::workspace;

/// The file that holds the list of allowed licences.
const FILE: &str = "deny.toml";

/// Checks every package; gives the number of packages and the findings.
pub(super) fn check(metadata: &Value) -> Result<(u64, Vec<Finding>), String> {
    let deny = fs::read_to_string(workspace::root().join(FILE))
        .map_err(|error| format!("{FILE}: {error}"))?;
    let allowed = allowed(&deny);
    if allowed.is_empty() {
        return Err(format!("{FILE}: no list `allow` of licences"));
    }
    let packages = packages(metadata)?;
    let findings = packages
        .iter()
        .filter_map(|package| {
            let licence = text(package, "license");
            let (name, version) = (text(package, "name"), text(package, "version"));
            let message = match accepts(licence, &allowed) {
                Ok(true) => return None,
                Ok(false) => format!("{name} {version}: licence `{licence}` is not in {FILE}"),
                Err(why) => format!("{name} {version}: licence `{licence}`: {why}"),
            };
            Some(Finding::new("Cargo.lock", 0, "licence", message))
        })
        .collect();
    Ok((packages.len() as u64, findings))
}

/// The entries of the list `allow` in the section `[licenses]`.
fn allowed(deny: &str) -> Vec<String> {
    let section = deny.split("[licenses]").nth(1).unwrap_or_default();
    let list = section.split("allow = [").nth(1).unwrap_or_default();
    let list = list.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression can be met with the allowed licences alone.
fn accepts(expression: &str, allowed: &[String]) -> Result<bool, &'static str> {
    // The old way to write a choice, before licence expressions.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = Words { words: spaced.split_whitespace().collect(), next: 0 };
    let accepted = words.either(allowed)?;
    if words.next == words.words.len() { Ok(accepted) } else { Err("trailing words") }
}

/// A licence expression, word by word.
struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    /// The next word, if it is `wanted`.
    fn take_if(&mut self, wanted: &str) -> bool {
        let found = self.words.get(self.next) == Some(&wanted);
        self.next += usize::from(found);
        found
    }

    /// The next word, whatever it is.
    fn take(&mut self) -> Result<&'a str, &'static str> {
        let word = self.words.get(self.next).copied().ok_or("ends too early")?;
        self.next += 1;
        Ok(word)
    }

    /// `both (OR both)*`.
    fn either(&mut self, allowed: &[String]) -> Result<bool, &'static str> {
        let mut accepted = self.both(allowed)?;
        while self.take_if("OR") {
            accepted |= self.both(allowed)?;
        }
        Ok(accepted)
    }

    /// `one (AND one)*`.
    fn both(&mut self, allowed: &[String]) -> Result<bool, &'static str> {
        let mut accepted = self.one(allowed)?;
        while self.take_if("AND") {
            accepted &= self.one(allowed)?;
        }
        Ok(accepted)
    }

    /// A licence, a licence with an exception, or an expression in parentheses.
    fn one(&mut self, allowed: &[String]) -> Result<bool, &'static str> {
        if self.take_if("(") {
            let accepted = self.either(allowed)?;
            return if self.take_if(")") { Ok(accepted) } else { Err("no closing parenthesis") };
        }
        let mut name = self.take()?.to_owned();
        if self.take_if("WITH") {
            name = format!("{name} WITH {}", self.take()?);
        }
        Ok(allowed.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::{accepts, allowed};

    #[test]
    fn expressions_are_weighed() {
        let list: Vec<String> =
            ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
        for (expression, want) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("ISC AND (GPL-3.0 OR MIT)", true),
            ("ISC AND (GPL-3.0 OR MIT) AND OpenSSL", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ] {
            assert_eq!(accepts(expression, &list), Ok(want), "{expression}");
        }
        for broken in ["", "(MIT", "MIT MIT", "MIT OR"] {
            assert!(accepts(broken, &list).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_list_is_read_from_its_section() {
        let text = "[bans]\nallow = [\"x\"]\n[licenses]\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n";
        assert_eq!(allowed(text), ["MIT", "ISC"]);
    }
}
