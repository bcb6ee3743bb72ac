//! The `lazuli` program: the command line, the configuration, and one file per command.

mod cli;
mod commands;
mod config;
mod failure;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command, ConfigCommand, LogCommand};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(settings) => commands::serve::run(&settings),
        Command::Fsck(arguments) => commands::fsck::run(&arguments),
        Command::Version => commands::version::run(),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Man { dir } => commands::man::run(dir.as_deref()),
        Command::Log(command) => match command {
            LogCommand::Status(arguments) => commands::log::status::run(&arguments),
            LogCommand::Show(arguments) => commands::log::show::run(&arguments),
            LogCommand::Export(arguments) => commands::log::export::run(&arguments),
            LogCommand::Entries(arguments) => commands::log::entries::run(&arguments),
            LogCommand::Monitor(arguments) => commands::log::monitor::run(&arguments),
        },
        Command::Config(ConfigCommand::Explain(settings)) => {
            commands::config::explain::run(&settings)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            failure.exit_code()
        }
    }
}
