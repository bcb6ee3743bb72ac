//! What a monitor has seen, kept from one look to the next.

use std::io::ErrorKind;
use std::path::Path;

use lazuli_tlog::{Frontier, SignedCheckpoint};
use serde_json::{Value, json};

use super::rules::Rules;
use crate::commands::log::export::write;
use crate::failure::{Failure, While as _};

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The last checkpoint.
    pub(super) signed: Option<SignedCheckpoint>,
    /// The tree under it.
    pub(super) tree: Frontier,
    /// What the leaves said.
    pub(super) rules: Rules,
}

impl State {
    /// Reads the file; nothing was seen if there is none.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::new(format!("cannot read {}: {error}", path.display())));
            }
        };
        let damaged = || Failure::new(format!("{} is not the file of a monitor", path.display()));
        parse(&text).ok_or_else(damaged)
    }

    /// Writes the file.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let hashes: Vec<String> = self.tree.hashes().iter().map(ToString::to_string).collect();
        let state = json!({
            "version": 1,
            "checkpoint": self.signed.as_ref().map(ToString::to_string),
            "size": self.tree.size(),
            "hashes": hashes,
            "rules": self.rules.to_json(),
        });
        write(path, format!("{state:#}\n").as_bytes())
    }

    /// Keeps what contradicts what was seen, and says where.
    pub(super) fn keep_evidence(
        &self,
        path: &Path,
        new: Option<&SignedCheckpoint>,
    ) -> Result<String, Failure> {
        let mut kept = Vec::new();
        for (extension, signed) in [("seen", self.signed.as_ref()), ("now", new)] {
            let Some(signed) = signed else { continue };
            let path = path.with_extension(extension);
            let doing = format!("write {}", path.display());
            std::fs::write(&path, signed.to_string()).or_fail(doing)?;
            kept.push(path.display().to_string());
        }
        Ok(format!("the checkpoints are kept in {}", kept.join(" and ")))
    }
}

fn parse(text: &str) -> Option<State> {
    let state: Value = serde_json::from_str(text).ok()?;
    (state["version"] == 1).then_some(())?;
    let signed = match &state["checkpoint"] {
        Value::Null => None,
        note => Some(SignedCheckpoint::parse(note.as_str()?.as_bytes()).ok()?),
    };
    let hashes = state["hashes"].as_array()?.iter();
    let hashes = hashes.map(|hash| hash.as_str()?.parse().ok()).collect::<Option<_>>()?;
    let tree = Frontier::from_parts(state["size"].as_u64()?, hashes)?;
    let head = signed.as_ref().map_or_else(|| Frontier::new().head(), |s| *s.checkpoint().head());
    let rules = Rules::from_json(&state["rules"])?;
    (tree.head() == head).then_some(State { signed, tree, rules })
}

#[cfg(test)]
mod tests {
    use lazuli_tlog::{Checkpoint, NoteSigner, leaf_hash};

    use super::*;

    #[test]
    fn what_was_seen_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert!(State::read(&path).unwrap().signed.is_none());
        let mut state = State::default();
        (0..5_u8).for_each(|n| _ = state.tree.append(leaf_hash(&[n])));
        let signer = NoteSigner::from_seed("log".parse().unwrap(), &[1; 32]).unwrap();
        let checkpoint = Checkpoint::new("log", state.tree.head()).unwrap();
        state.signed = Some(checkpoint.sign(&[&signer]).unwrap());
        state.write(&path).unwrap();
        let read = State::read(&path).unwrap();
        assert_eq!((read.signed, read.tree.head()), (state.signed, state.tree.head()));
        for (from, to) in [("\"size\": 5", "\"size\": 4"), ("\"version\": 1", "\"version\": 2")] {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(parse(&text.replace(from, to)).is_none(), "{from}");
        }
        std::fs::write(&path, "{}").unwrap();
        assert!(State::read(&path).is_err());
    }
}
