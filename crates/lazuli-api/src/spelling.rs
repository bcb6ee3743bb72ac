//! How the names of metadata were written: a header map knows lower case only, but Azure keeps the
//! case in which a name was created and gives it back.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources>

/// What the name of a metadata header begins with.
pub const METADATA_PREFIX: &str = "x-ms-meta-";

/// The metadata names of one message that are not all lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelling(Vec<Box<str>>);

impl Spelling {
    /// Takes note of a metadata name (without [`METADATA_PREFIX`]) as it is written.
    pub fn note(&mut self, name: &str) {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.push(name.into());
        }
    }

    /// The name that in lower case is `lower`, as it is written.
    pub fn of<'n>(&'n self, lower: &'n str) -> &'n str {
        self.0.iter().find(|name| name.eq_ignore_ascii_case(lower)).map_or(lower, |name| &**name)
    }

    /// Whether every name is in lower case.
    pub fn is_plain(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_written() {
        let mut spelling = Spelling::default();
        spelling.note("plain");
        assert!(spelling.is_plain());
        spelling.note("Camel_Case");
        assert_eq!(spelling.of("camel_case"), "Camel_Case");
        assert_eq!(spelling.of("plain"), "plain");
        assert_eq!(spelling.of("unknown"), "unknown");
    }
}
