//! The command line, read by hand: four commands with a few options.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the program is called.
pub const USAGE: &str = "\
usage: lazuli-verify receipt FILE --policy POLICY [--log DIR|URL]
       lazuli-verify log DIR|URL --policy POLICY [--seen CHECKPOINT]
       lazuli-verify bundle DIR --policy POLICY
       lazuli-verify fork A B --policy POLICY

Verifies evidence of a Lazuli server without a network and without the server. A log
at a URL is first mirrored into a folder by `lazuli log export`, the only program of
this suite that is started.

  receipt  a file with the headers x-lz-receipt and x-lz-opening, or an upgraded proof;
           with --log also that the log in DIR kept the promise
  log      a log as files: checkpoint, tiles, segments and chains of entries;
           with --seen also that it continues a checkpoint that you kept before
           you got the log
  bundle   a bundle of evidence about some accounts
  fork     two checkpoints, or folders of logs, that may contradict each other

exit code: 0 verified, 1 contradiction, 2 evidence missing,
           3 verified but below the quorum of the policy, 64 wrong call
";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Verify a saved receipt, perhaps against a log.
    Receipt {
        /// The file with its headers.
        file: PathBuf,
        /// The folder of the log.
        log: Option<PathBuf>,
    },
    /// Verify a log, perhaps against a checkpoint that was kept.
    Log {
        /// The folder of the log.
        folder: PathBuf,
        /// The file of the checkpoint.
        seen: Option<PathBuf>,
    },
    /// Verify a bundle.
    Bundle {
        /// The folder of the bundle.
        folder: PathBuf,
    },
    /// Compare two checkpoints.
    Fork {
        /// A file with a checkpoint, or the folder of a log.
        a: PathBuf,
        /// Another one.
        b: PathBuf,
    },
    /// Print how the program is called.
    Help,
    /// Print which version it is.
    Version,
}

/// A command and the policy to verify by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// What is to be done.
    pub command: Command,
    /// The file of the policy; empty where none is needed.
    pub policy: PathBuf,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// What is wrong with them, for people.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, String> {
    let mut places: Vec<PathBuf> = Vec::new();
    let mut options: [(&str, Option<PathBuf>); 3] =
        [("--policy", None), ("--log", None), ("--seen", None)];
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if let Some((name, value)) = options.iter_mut().find(|(name, _)| *name == text) {
            let given = arguments.next().ok_or_else(|| format!("{name} wants a path"))?;
            if value.replace(given.into()).is_some() {
                return Err(format!("{name} is given twice"));
            }
            continue;
        }
        match text.as_ref() {
            "-h" | "--help" => return Ok(alone(Command::Help)),
            "-V" | "--version" => return Ok(alone(Command::Version)),
            option if option.starts_with('-') => return Err(format!("no option {option}")),
            _ => places.push(argument.into()),
        }
    }
    let [policy, log, seen] = options.map(|(_, value)| value);
    let (command, places) = places.split_first().ok_or("which command?")?;
    let command = match (command.to_str(), places) {
        (Some("receipt"), [file]) if seen.is_none() => Command::Receipt { file: file.clone(), log },
        (Some("log"), [folder]) if log.is_none() => Command::Log { folder: folder.clone(), seen },
        (Some("bundle"), [folder]) if log.is_none() && seen.is_none() => {
            Command::Bundle { folder: folder.clone() }
        }
        (Some("fork"), [a, b]) if log.is_none() && seen.is_none() => {
            Command::Fork { a: a.clone(), b: b.clone() }
        }
        (Some("receipt" | "log" | "bundle" | "fork"), _) => {
            return Err("wrong paths or options for this command".to_owned());
        }
        _ => return Err(format!("no command {}", command.display())),
    };
    let policy = policy.ok_or("--policy POLICY is missing")?;
    Ok(Arguments { command, policy })
}

fn alone(command: Command) -> Arguments {
    Arguments { command, policy: PathBuf::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split(' ').map(OsString::from)).map(|arguments| arguments.command)
    }

    #[test]
    fn commands_are_read_with_options_anywhere() {
        let log = Command::Log { folder: "d".into(), seen: Some("c".into()) };
        assert_eq!(parsed("log --policy p d --seen c"), Ok(log));
        let receipt = Command::Receipt { file: "f".into(), log: Some("d".into()) };
        assert_eq!(parsed("receipt f --log d --policy p"), Ok(receipt));
        assert_eq!(
            parsed("fork a b --policy p"),
            Ok(Command::Fork { a: "a".into(), b: "b".into() })
        );
        assert_eq!(parsed("bundle d --policy p"), Ok(Command::Bundle { folder: "d".into() }));
        assert_eq!(parsed("log --help"), Ok(Command::Help));
        assert_eq!(parsed("--version"), Ok(Command::Version));
    }

    #[test]
    fn wrong_calls_are_refused() {
        for line in [
            "",
            "log",
            "log d",
            "log d e --policy p",
            "log d --policy",
            "fork a --policy p",
            "bundle d --policy p --log l",
            "log d --policy p --policy q",
            "log d --policy p --x",
            "prove d --policy p",
            "receipt f --policy p --seen c",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
