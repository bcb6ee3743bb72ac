//! A server as a process of its own, over a data directory that outlives it.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a server may take until its listeners accept.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// How often a server that starts is looked at.
const POLL: Duration = Duration::from_millis(2);

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// The program to test: `LAZULI_BINARY`, else the release binary of the workspace.
pub fn binary() -> PathBuf {
    let given = env::var_os("LAZULI_BINARY").map(PathBuf::from);
    workspace_root().join(given.unwrap_or_else(|| PathBuf::from("target/release/lazuli")))
}

/// A running server; it is killed with the value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    queues: SocketAddr,
    tables: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    /// Starts a server over `data` and waits until its listeners accept.
    ///
    /// The ready file and the log are written beside the data directory, in `folder`.
    pub fn start(folder: &Path, data: &Path) -> Result<Self, String> {
        Self::start_with(folder, data, &["--transparency-log", "off"])
    }

    /// The same with a transparency log, whose files lie beside the data directory.
    pub fn start_logged(folder: &Path, data: &Path) -> Result<Self, String> {
        Self::start_with(folder, data, &["--transparency-log", "on"])
    }

    /// The same with further arguments of `lazuli serve`.
    pub fn start_with(folder: &Path, data: &Path, arguments: &[&str]) -> Result<Self, String> {
        let (ready, log) = (folder.join("ready.json"), folder.join("server.log"));
        // A server that was killed left its own behind.
        match fs::remove_file(&ready) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", ready.display()));
            }
            _ => {}
        }
        let out = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = out.try_clone().map_err(|error| error.to_string())?;
        let program = binary();
        let mut command = Command::new(&program);
        command.arg("serve").args(arguments);
        command.arg("--data").arg(data).arg("--ready-file").arg(&ready);
        for port in ["--blob-port", "--queue-port", "--table-port", "--dfs-port", "--admin-port"] {
            command.args([port, "0"]);
        }
        command.stdin(Stdio::null()).stdout(out).stderr(errors);
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        match wait(&mut child, &ready) {
            Ok([address, queues, tables, admin]) => {
                Ok(Self { child, address, queues, tables, admin })
            }
            Err(message) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(&log).unwrap_or_default();
                Err(format!("the server did not start: {message}\n{log}"))
            }
        }
    }

    /// Where its blob listener is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its queue listener is.
    pub const fn queues(&self) -> SocketAddr {
        self.queues
    }

    /// Where its table listener is.
    pub const fn tables(&self) -> SocketAddr {
        self.tables
    }

    /// Where its admin listener is.
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Asks the process to stop in good order and waits until it did.
    pub fn stop(mut self) -> Result<(), String> {
        let asked = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        asked.map_err(|error| error.to_string())?;
        let ended = self.child.wait().map_err(|error| error.to_string())?;
        if ended.success() { Ok(()) } else { Err(format!("the server stopped with {ended}")) }
    }

    /// Fails if the process has ended by itself.
    pub fn check_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("the server ended by itself: {status}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Kills the process with SIGKILL and waits until it is gone.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both do nothing to a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the ready file of `child`, and for its end if there is none; where its listeners for
/// blobs, for queues, for tables and for whoever runs it are.
fn wait(child: &mut Child, ready: &Path) -> Result<[SocketAddr; 4], String> {
    let begun = Instant::now();
    while begun.elapsed() < READY_LIMIT {
        match fs::read_to_string(ready) {
            Ok(text) => {
                let of = |listener| address(&text, listener);
                return Ok([of("blob")?, of("queue")?, of("table")?, of("admin")?]);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", ready.display())),
        }
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Err(format!("it ended: {status}"));
        }
        thread::sleep(POLL);
    }
    Err(format!("not ready after {} s", READY_LIMIT.as_secs()))
}

/// The address in a listener's URL in a ready file.
fn address(ready: &str, listener: &str) -> Result<SocketAddr, String> {
    let json: Value = serde_json::from_str(ready).map_err(|error| error.to_string())?;
    let url = json[listener].as_str().unwrap_or_default();
    let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    authority
        .and_then(|authority| authority.parse().ok())
        .ok_or_else(|| format!("the ready file names no {listener} address: {ready}"))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn the_address_is_read_from_the_ready_file() {
        let ready = r#"{"blob":"http://127.0.0.1:4711/devstoreaccount1","admin":"http://[::1]:9"}"#;
        assert_eq!(address(ready, "blob").map(|address| address.port()), Ok(4711));
        assert_eq!(address(ready, "admin").map(|address| address.port()), Ok(9));
        assert!(address(r#"{"blob":null}"#, "blob").is_err());
        assert!(address("", "blob").is_err());
    }
}
