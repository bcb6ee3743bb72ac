//! What is printed: data on stdout, everything else on stderr.

use std::fmt;
use std::io::{self, Write as _};

use crate::failure::Failure;

/// Prints a line of data. A reader that has gone is a failure of the command.
pub(crate) fn line(text: impl fmt::Display) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints data as it is.
pub(crate) fn bytes(data: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(data)
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::new(format!("cannot print: {error}")))
}

/// Prints what people should know while a command goes on: a line with `note:` or `alarm:`.
pub(crate) fn notice(line: &String) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a failure.
pub(crate) fn failure(failure: &Failure) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{failure}");
}
