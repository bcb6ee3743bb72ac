//! Running other programs: output into a log file, a deadline, and no process left behind.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::workspace;

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How a program ended.
pub(crate) struct Finished {
    /// Whether it exited with status 0 within its time.
    pub(crate) success: bool,
    /// How it ended, in words: `exit status: 1`, `no end after 60 s`.
    pub(crate) ending: String,
    /// Everything it printed, both streams in the order of their arrival.
    pub(crate) output: String,
}

impl Finished {
    /// The output if the program succeeded, else a message with its last lines.
    pub(crate) fn ok(self, what: &str) -> Result<String, String> {
        if self.success {
            return Ok(self.output);
        }
        Err(format!("{what}: {}\n{}", self.ending, tail(&self.output, 15)))
    }
}

/// A cargo command in the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root()).args(arguments);
    // Set for this program by the `cargo run` that started it; they would follow into inner builds.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

/// The same command with the lowest claim to the processors.
pub(crate) fn niced(command: &Command) -> Command {
    let mut niced = Command::new("nice");
    niced.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        niced.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => niced.env(name, value),
            None => niced.env_remove(name),
        };
    }
    niced
}

/// Runs `command` to its end with both output streams in `log`, and kills it (with all that it
/// started) when it takes longer than `limit`.
pub(crate) fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<Finished, String> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let second = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(second)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start `{program}`: {error}"))?;
    let mut group = Group { child, ended: false };
    let status = group.wait(limit)?;
    let output = fs::read(log).map_err(|error| format!("{}: {error}", log.display()))?;
    Ok(Finished {
        success: status.is_some_and(|status| status.success()),
        ending: match status {
            Some(status) => status.to_string(),
            None => format!("no end after {} s", limit.as_secs()),
        },
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}

/// A program in a process group of its own, which is killed as a whole.
pub(crate) struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    /// Takes charge of `child`, which must have been started with `process_group(0)`.
    pub(crate) fn new(child: Child) -> Self {
        Self { child, ended: false }
    }

    /// The process id of the program (and of its group).
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the program ended, if it has.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>, String> {
        let status = self.child.try_wait().map_err(|error| error.to_string())?;
        self.ended |= status.is_some();
        Ok(status)
    }

    /// Waits for the end of the program; `None` means that it was killed at `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                self.kill();
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Asks the program to stop (SIGTERM) and waits for it up to `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) -> Result<Option<ExitStatus>, String> {
        signal("-TERM", &self.id().to_string());
        self.wait(limit)
    }

    /// Kills the program and everything in its group, and reaps it.
    pub(crate) fn kill(&mut self) {
        if self.ended {
            return;
        }
        signal("-KILL", &format!("-{}", self.id()));
        // A second way, should the `kill` program be missing; an error means it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal with the `kill` program; the standard library has no call for it.
fn signal(name: &str, process: &str) {
    let _ = Command::new("kill")
        .args([name, "--", process])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Whether a program of this name is on the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    let Some(paths) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// The last `count` lines of `text`, each set off by a bar so that no reader takes an inner
/// program's closing line for ours.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("    | {line}\n"))
        .collect();
    let first = lines.len().saturating_sub(count);
    lines.get(first..).unwrap_or_default().concat()
}

#[cfg(test)]
mod tests {
    use super::{run, tail};
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_program_past_its_limit_is_killed() {
        let log = std::env::temp_dir().join(format!("xtask-process-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; sleep 60"]);
        let finished = run(&mut command, &log, Duration::from_millis(300)).expect("starts");
        std::fs::remove_file(&log).expect("the log is there");
        assert!(!finished.success && finished.ending.contains("no end"));
        assert_eq!(finished.output, "begun\n");
    }

    #[test]
    fn the_tail_is_set_off() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "    | b\n    | c\n");
    }
}
