//! The developer's commands: `cargo xtask test`, `cargo xtask tidy` and `cargo xtask bench`.
//!
//! Everything that checks or measures Lazuli is started from here, so that a developer, a runner
//! and a reviewer do the same thing with one command. What the commands install goes into
//! `target/` (and, for the few tools that only Debian packages, into the system).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the commands speak to a terminal")]

mod bench;
mod clients;
mod fuzz;
mod guide;
mod process;
mod report;
mod server;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::env;
use std::process::ExitCode;

/// What `cargo xtask` prints when it does not understand its arguments.
const USAGE: &str = "\
usage: cargo xtask <command>

  test  [--fast] [--only STEP]...   run every check; the last line is `N passed, N failed`
  test  --list                      name the steps
  tidy                              check crate arrows, file sizes, headers, words and licences
  bench [--quick] [--only ITEM]...  measure Lazuli beside Azurite and two limits of the machine
  bench --list                      name the items
";

/// Runs one command; the exit status is 0 when everything passed, 1 when a check failed and 2 when
/// the command could not be understood or started.
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Dispatches to the command; `false` means that a check failed.
fn run(arguments: &[String]) -> Result<bool, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(format!("no command given\n\n{USAGE}"));
    };
    match command.as_str() {
        "test" => test::command(&Selection::parse(rest, "--fast")?),
        "tidy" => Ok(tidy::command()),
        "bench" => bench::command(&Selection::parse(rest, "--quick")?),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(true)
        }
        other => Err(format!("unknown command `{other}`\n\n{USAGE}")),
    }
}

/// Which parts of a command to run, as its arguments say.
pub(crate) struct Selection {
    /// A short run: `--fast` of the tests, `--quick` of the benchmark.
    pub(crate) short: bool,
    /// Only print the names of the parts.
    pub(crate) list: bool,
    /// The names given with `--only`; empty means every part.
    pub(crate) only: Vec<String>,
}

impl Selection {
    /// Parses `[SHORT] [--list] [--only NAME]...`, where SHORT is the command's own short switch.
    fn parse(arguments: &[String], short_switch: &str) -> Result<Self, String> {
        let mut selection = Self { short: false, list: false, only: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == short_switch {
                selection.short = true;
            } else if argument == "--list" {
                selection.list = true;
            } else if argument == "--only" {
                let name = arguments.next().ok_or("--only wants a name")?;
                selection.only.push(name.clone());
            } else if let Some(name) = argument.strip_prefix("--only=") {
                selection.only.push(name.to_owned());
            } else {
                return Err(format!("unknown argument `{argument}`\n\n{USAGE}"));
            }
        }
        Ok(selection)
    }

    /// Whether the part called `name` was asked for by name.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.only.iter().any(|wanted| wanted == name)
    }

    /// The first name given with `--only` that is none of `known`.
    pub(crate) fn unknown<'a>(&'a self, known: &[&str]) -> Option<&'a str> {
        self.only.iter().map(String::as_str).find(|name| !known.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_selection_collects_the_names_in_order() {
        let selection =
            Selection::parse(&words("--fast --only unit --only=tidy"), "--fast").expect("parses");
        assert!(selection.short && selection.names("unit") && selection.names("tidy"));
        assert_eq!(selection.unknown(&["unit"]), Some("tidy"));
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(Selection::parse(&words("--quick"), "--fast").is_err());
        assert!(Selection::parse(&words("--only"), "--fast").is_err());
    }
}
