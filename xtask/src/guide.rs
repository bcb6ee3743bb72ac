//! Runs the walk-through of the transparency log as it is printed: a guide whose commands do not work
//! fails the test command.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::report::Outcome;
use crate::{process, setup, workspace};

/// The guide.
const GUIDE: &str = "docs/guides/verify-the-log.md";

/// The longest that it may take.
const LIMIT: Duration = Duration::from_mins(3);

/// Runs all blocks of the guide, one after the other, in one shell.
pub(crate) fn run(log: &Path) -> Outcome {
    let text = match fs::read_to_string(workspace::root().join(GUIDE)) {
        Ok(text) => text,
        Err(error) => return Outcome::failed(format!("{GUIDE}: {error}")),
    };
    let folder = workspace::scratch().join(format!("guide-{}", std::process::id()));
    if let Err(error) = fs::create_dir_all(&folder) {
        return Outcome::failed(format!("{}: {error}", folder.display()));
    }
    let script = script(&text);
    let (path, steps) = (folder.join("guide.sh"), script.steps);
    if let Err(error) = fs::write(&path, script.text) {
        return Outcome::failed(format!("{}: {error}", path.display()));
    }
    let mut programs = vec![workspace::target().join("release")];
    programs.extend(setup::python().parent().map(Path::to_path_buf));
    let search = std::env::var_os("PATH").unwrap_or_default();
    programs.extend(std::env::split_paths(&search));
    let mut command = Command::new("bash");
    command.arg(&path).current_dir(&folder);
    if let Ok(search) = std::env::join_paths(programs) {
        command.env("PATH", search);
    }
    let finished = match process::run(&mut command, log, LIMIT) {
        Ok(finished) => finished,
        Err(message) => return Outcome::failed(message),
    };
    if !finished.success {
        let tail = process::tail(&finished.output, 20);
        return Outcome::failed(format!("{GUIDE}: {}\n{tail}", finished.ending));
    }
    let _ = fs::remove_dir_all(&folder);
    Outcome { passed: steps, ..Outcome::default() }
}

struct Script {
    text: String,
    steps: u64,
}

/// The blocks of a guide as one script that ends at the first command that fails, and ends what it
/// started.
fn script(guide: &str) -> Script {
    let mut text = String::from(
        "set -Eeuo pipefail\ntrap 'echo \"failed: $BASH_COMMAND\"' ERR\n\
         trap 'kill $(jobs -p) 2> /dev/null' EXIT\n",
    );
    let mut steps = 0;
    let mut language = None;
    for line in guide.lines() {
        match (language, line.strip_prefix("```")) {
            (None, Some(opened)) => {
                language = Some(opened);
                steps += 1;
                if opened == "python" {
                    text.push_str("python3 - <<'END_OF_PYTHON'\n");
                }
            }
            (Some(closed), Some("")) => {
                if closed == "python" {
                    text.push_str("END_OF_PYTHON\n");
                }
                language = None;
            }
            (Some("sh" | "python"), _) => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    Script { text, steps }
}

#[cfg(test)]
mod tests {
    use super::script;

    #[test]
    fn blocks_become_one_script() {
        let found = script("text\n```sh\nls\n```\nmore\n```python\nprint(1)\n```\n");
        assert_eq!(found.steps, 2);
        let (_, body) = found.text.split_once("EXIT\n").expect("a trap");
        assert_eq!(body, "ls\npython3 - <<'END_OF_PYTHON'\nprint(1)\nEND_OF_PYTHON\n");
    }
}
