//! The configuration: defaults, then the file, then the environment, then the command line.
//!
//! Each value keeps its origin, so that a wrong one is blamed on its place and
//! `lazuli config explain` can say where each came from.

pub(crate) mod accounts;
mod file;
mod identity;
mod places;
pub(crate) mod settings;
mod typed;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use self::typed::{Config, Data, LogFormat};

use self::settings::{Kind, SETTINGS, Setting};
use crate::failure::Failure;

/// Azurite's variable for accounts, in the same form as ours.
const AZURITE_ACCOUNTS: &str = "AZURITE_ACCOUNTS";

/// Where a value came from, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// Nobody said anything, and it follows from the data directory.
    Beside,
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Beside => f.write_str("default: beside `data`"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Origin {
    /// How strong the layer is, whatever the place in it.
    fn layer(&self) -> u8 {
        match self {
            Self::Default | Self::Beside => 0,
            Self::File(..) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

/// A setting's text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// What the command line says about a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// All settings with the values of all layers.
#[derive(Debug)]
pub(crate) struct Layers {
    /// For each setting its values, the strongest last; accounts and roles use all of them.
    values: Vec<(&'static Setting, Vec<Value>)>,
}

impl Layers {
    /// Reads all layers. `environment` looks a variable up.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
        flags: &[Flag],
    ) -> Result<Self, Failure> {
        let mut layers = Self {
            values: SETTINGS
                .iter()
                .map(|setting| {
                    let origin = Origin::Default;
                    (setting, vec![Value { text: setting.default.to_owned(), origin }])
                })
                .collect(),
        };
        if let Some(path) = file {
            for line in file::read(path)? {
                layers.add(line.key, line.text, Origin::File(path.to_path_buf(), line.line));
            }
        }
        if let Some(text) = environment(AZURITE_ACCOUNTS) {
            layers.add("accounts", text, Origin::Environment(AZURITE_ACCOUNTS));
        }
        for setting in SETTINGS {
            if let Some(text) = environment(setting.env) {
                layers.add(setting.key, text, Origin::Environment(setting.env));
            }
        }
        for flag in flags {
            layers.add(flag.key, flag.text.clone(), Origin::Flag(flag.name));
        }
        layers.settle_data();
        layers.settle_beside();
        Ok(layers)
    }

    fn add(&mut self, key: &str, text: String, origin: Origin) {
        if let Some((_, values)) = self.values.iter_mut().find(|(setting, _)| setting.key == key) {
            values.push(Value { text, origin });
        }
    }

    /// A directory that is named in a stronger layer outdoes `in-memory` in a weaker one.
    fn settle_data(&mut self) {
        let (data, memory) = (self.last("data").clone(), self.last("in-memory").clone());
        if data.origin.layer() > memory.origin.layer() && memory.text == "true" {
            self.add("in-memory", "false".to_owned(), data.origin);
        }
    }

    /// What must not lie in the data directory lies beside it if nobody says where.
    fn settle_beside(&mut self) {
        if self.last("in-memory").text == "true" || self.last("data").text.is_empty() {
            return;
        }
        for (key, extension) in settings::BESIDE {
            if self.last(key).text.is_empty() {
                let path = places::beside(self.last("data").text.as_ref(), extension);
                self.add(key, path.display().to_string(), Origin::Beside);
            }
        }
    }

    /// All values of a setting; the last one counts.
    fn all(&self, key: &str) -> &[Value] {
        let found = self.values.iter().find(|(setting, _)| setting.key == key);
        found.map_or(&[], |(_, values)| values)
    }

    /// The value that counts.
    fn last(&self, key: &str) -> &Value {
        const MISSING: &Value = &Value { text: String::new(), origin: Origin::Default };
        self.all(key).last().unwrap_or(MISSING)
    }

    /// Each setting with the values that count, keys of accounts left out.
    pub(crate) fn explain(&self) -> Vec<(&'static str, String, String)> {
        self.values
            .iter()
            .map(|(setting, values)| {
                let counting: &[Value] = match setting.kind {
                    Kind::Accounts | Kind::Assignments if values.len() > 1 => {
                        values.get(1..).unwrap_or_default()
                    }
                    _ => values.split_last().map_or(&[], |(last, _)| std::slice::from_ref(last)),
                };
                let texts: Vec<String> = counting
                    .iter()
                    .map(|value| match setting.kind {
                        Kind::Accounts if value.origin == Origin::Default => {
                            format!("{}:***", accounts::DEVELOPMENT_ACCOUNT)
                        }
                        Kind::Accounts => accounts::redact(&value.text),
                        _ => value.text.clone(),
                    })
                    .collect();
                let origins: Vec<String> =
                    counting.iter().map(|value| value.origin.to_string()).collect();
                (setting.key, texts.join(";"), origins.join(", "))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        file: Option<&Path>,
        environment: &[(&str, &str)],
        flags: &[Flag],
    ) -> Result<Layers, Failure> {
        let find = |name: &str| {
            let found = environment.iter().find(|(have, _)| *have == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        Layers::read(file, find, flags)
    }

    fn flag(key: &'static str, name: &'static str, text: &str) -> Flag {
        Flag { key, name, text: text.to_owned() }
    }

    fn origin_of(layers: &Layers, key: &str) -> (String, String) {
        let (_, text, origin) =
            layers.explain().into_iter().find(|(have, ..)| *have == key).unwrap();
        (text, origin)
    }

    #[test]
    fn later_layers_win_and_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lazuli.toml");
        std::fs::write(&path, "\nhost = \"file\"\nlog = \"json\"\nblob-port = 1\n").unwrap();
        let layers = read(
            Some(&path),
            &[("LAZULI_HOST", "variable"), ("LAZULI_LOG", "text")],
            &[flag("host", "--host", "flag")],
        );
        let layers = layers.unwrap();
        let of = |key| origin_of(&layers, key);
        let pair = |text: &str, origin: &str| (text.to_owned(), origin.to_owned());
        assert_eq!(of("host"), pair("flag", "--host"));
        assert_eq!(of("log"), pair("text", "LAZULI_LOG"));
        assert_eq!(of("blob-port"), pair("1", &format!("{}:4", path.display())));
        assert_eq!(of("dfs-port"), pair("10003", "default"));
    }

    #[test]
    fn accounts_of_all_layers_add_up_and_keys_are_not_shown() {
        let layers = read(
            None,
            &[
                ("AZURITE_ACCOUNTS", "one:c2VjcmV0;two:c2VjcmV0:eA=="),
                ("LAZULI_ACCOUNTS", "three:YQ=="),
            ],
            &[flag("accounts", "--account", "four:YQ==")],
        );
        let (text, origin) = origin_of(&layers.unwrap(), "accounts");
        assert_eq!(text, "one:***;two:***:***;three:***;four:***");
        assert_eq!(origin, "AZURITE_ACCOUNTS, LAZULI_ACCOUNTS, --account");
        let (text, origin) = origin_of(&read(None, &[], &[]).unwrap(), "accounts");
        assert_eq!((text.as_str(), origin.as_str()), ("devstoreaccount1:***", "default"));
    }

    #[test]
    fn a_directory_named_later_outdoes_memory() {
        let memory = [("LAZULI_IN_MEMORY", "true")];
        let layers = read(None, &memory, &[flag("data", "--data", "/d")]).unwrap();
        assert_eq!(layers.last("in-memory").text, "false");
        let layers = read(None, &memory, &[]).unwrap();
        assert_eq!(layers.last("in-memory").text, "true");
        let layers =
            read(None, &[("LAZULI_DATA", "/d")], &[flag("in-memory", "--in-memory", "true")]);
        assert_eq!(layers.unwrap().last("in-memory").text, "true");
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = read(Some(Path::new("/no/such.toml")), &[], &[]).unwrap_err().to_string();
        assert!(
            failure.starts_with("error: cannot read the configuration file /no/such.toml: "),
            "{failure}"
        );
    }
}
