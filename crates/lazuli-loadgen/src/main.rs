//! The load generator of `cargo xtask bench`: keep-alive connections that send signed requests as
//! fast as the server answers, and one line of JSON that says how fast that was.
//!
//! It runs on one thread and does as little as it can for each request, so that the server and
//! not the client is the limit; its own share of a processor is part of what it prints.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the result goes to a program")]

mod arguments;
mod connection;
mod measure;
mod queues;
mod sign;
mod tables;
mod workload;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the workload that the arguments name and gives its result as JSON.
fn run() -> Result<String, String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let measured = runtime.block_on(workload::run(&arguments))?;
    Ok(measured.to_json(arguments.mode.name(), arguments.connections).to_string())
}
