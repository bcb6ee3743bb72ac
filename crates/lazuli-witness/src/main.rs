//! The `lazuli-witness` program: makes keys, and serves.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use lazuli_tlog::key::{Algorithm, KeyName};
use lazuli_witness::{Limits, Logs, Server, Store, Witness, generate, read_keys};

/// Witness for transparency logs (c2sp.org/tlog-witness): cosigns what continues what it cosigned.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a key and prints the verifier key to give to others
    Keygen {
        /// Name of the witness: its address without `https://`, as `witness.example/w1`
        #[arg(long)]
        name: String,
        /// File for the secret key, which must not exist
        #[arg(long)]
        out: PathBuf,
        /// Make an ML-DSA-44 key as well, which no quantum computer breaks (needs a build with the
        /// feature `ml-dsa`)
        #[arg(long)]
        ml_dsa: bool,
    },
    /// Answers `POST /add-checkpoint` and `GET /<origin hash>/checkpoint`
    Serve {
        /// Address and port to listen on
        #[arg(long, default_value = "127.0.0.1:10080")]
        listen: SocketAddr,
        /// File for the newest checkpoint of each log: losing it means a new key must be made
        #[arg(long)]
        state: PathBuf,
        /// File with the secret key, as `keygen` made it
        #[arg(long)]
        key: PathBuf,
        /// Log to witness, by its verifier key; the origin if it is not the key's name
        #[arg(long, value_name = "VKEY[@ORIGIN]")]
        log: Vec<String>,
        /// File with further logs, one a line
        #[arg(long)]
        log_list: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Where standard error is closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Keygen { name, out, ml_dsa } => keygen(&name, &out, ml_dsa),
        Command::Serve { listen, state, key, mut log, log_list } => {
            if let Some(path) = log_list {
                let list = std::fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
                log.extend(Logs::lines(&list).map(str::to_owned));
            }
            serve(listen, &state, &key, &log)
        }
    }
}

/// Makes the keys and prints their verifier keys, one a line.
fn keygen(name: &str, out: &Path, ml_dsa: bool) -> Result<(), String> {
    let name: KeyName = name.parse().map_err(|error| format!("`{name}`: {error}"))?;
    if ml_dsa && !cfg!(feature = "ml-dsa") {
        return Err("ML-DSA-44 needs a build with `--features ml-dsa`".to_owned());
    }
    let algorithms = [Algorithm::CosignatureV1, Algorithm::MlDsa44];
    let count = if ml_dsa { 2 } else { 1 };
    let algorithms = algorithms.get(..count).unwrap_or_default();
    for key in generate(out, &name, algorithms).map_err(|error| at(out, &error))? {
        say(&key.verifier().to_string())?;
    }
    Ok(())
}

/// Serves until the process ends, which may be at any moment.
fn serve(listen: SocketAddr, state: &Path, key: &Path, logs: &[String]) -> Result<(), String> {
    let logs = Logs::parse(logs.iter().map(String::as_str)).map_err(|error| error.to_string())?;
    let keys = read_keys(key).map_err(|error| at(key, &error))?;
    let store = Store::open(state).map_err(|error| at(state, &error))?;
    if store.is_empty() {
        let _ = writeln!(
            io::stderr(),
            "warning: `{}` has no checkpoint: if this key cosigned before, stop and find the file",
            state.display()
        );
    }
    let listener =
        TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    for key in &keys {
        say(&format!("witness {}", key.verifier()))?;
    }
    say(&format!("listening on http://{address}"))?;
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok();
    let clock = Box::new(move || clock().map(|since| since.as_secs()));
    Server::new(listener, Witness::new(logs, keys, store, clock), Limits::default()).run()
}

/// An error with the file it is about.
fn at(path: &Path, error: &dyn std::error::Error) -> String {
    format!("`{}`: {error}", path.display())
}

/// Prints a line at once.
fn say(line: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}
