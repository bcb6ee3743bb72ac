//! Why a command failed, as it is told: `error:` and `hint:` lines, and an exit status.

use std::fmt;
use std::process::ExitCode;

/// Whose fault it is, which is what the exit status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// The command ran and failed.
    Failed = 1,
    /// The command line, the environment or the configuration file is wrong.
    Usage = 2,
    /// The command ran, and found what somebody should look at.
    Alarm = 3,
}

/// The end of a command that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    status: Status,
}

impl Failure {
    /// The command ran and failed: exit status 1.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, status: Status::Failed }
    }

    /// What was asked for makes no sense: exit status 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, status: Status::Usage }
    }

    /// Something was found that somebody should look at: exit status 3.
    pub(crate) fn alarm(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, status: Status::Alarm }
    }

    /// Says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The process's exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Adds what a command was doing to an error of the operating system.
pub(crate) trait While<T> {
    /// `doing` reads as "cannot `doing`: ...".
    fn or_fail(self, doing: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn or_fail(self, doing: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("cannot {doing}: {error}")))
    }
}
