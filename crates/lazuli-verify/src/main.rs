//! `lazuli-verify`: verifies the evidence of a Lazuli server, without a network.

#![forbid(unsafe_code)]

mod mirror;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use lazuli_verify::arguments::{self, Arguments, Command, USAGE};
use lazuli_verify::report::{Exit, Report};
use lazuli_verify::run;

use mirror::{Mirror, is_address};

fn main() -> ExitCode {
    let arguments = match arguments::parse(env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => return wrong_call(&format!("{error}\n\n{USAGE}")),
    };
    let (text, exit) = match arguments.command {
        Command::Help => (USAGE.to_owned(), Exit::Verified),
        Command::Version => {
            (format!("lazuli-verify {}\n", env!("CARGO_PKG_VERSION")), Exit::Verified)
        }
        _ => match verify(arguments) {
            Ok(report) => (report.to_string(), report.exit()),
            Err(error) => return wrong_call(&format!("{error}\n")),
        },
    };
    // A reader that closes early does not change what was found.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::from(exit.code())
}

/// Does what the arguments say, once a log that is at an address is here.
fn verify(mut arguments: Arguments) -> Result<Report, String> {
    let place = match &mut arguments.command {
        Command::Log { folder, .. } => Some(folder),
        Command::Receipt { log, .. } => log.as_mut(),
        _ => None,
    };
    let Some(place) = place.filter(|place| is_address(place)) else { return run(&arguments) };
    match Mirror::bring(place) {
        Ok(mirror) => {
            mirror.folder().clone_into(place);
            run(&arguments)
        }
        Err(error) => {
            let mut report = Report::new();
            report.missing(place.display(), error);
            Ok(report)
        }
    }
}

/// Says what is wrong with the call, and that nothing was verified.
fn wrong_call(error: &str) -> ExitCode {
    let _ = io::stderr().lock().write_all(format!("error: {error}").as_bytes());
    let report = Report::of_wrong_call();
    let _ = io::stdout().lock().write_all(report.to_string().as_bytes());
    ExitCode::from(report.exit().code())
}
