//! A Lazuli server for a test or a measurement: a fresh data directory, free ports, and an end
//! that comes with the value's.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{self, Group};
use crate::workspace;

/// The development account, which every emulator of the service knows.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";

/// The development account's well-known key.
pub(crate) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The longest that a server may take to become ready, whatever lies in its data directory.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// How long a server has to stop when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How a server is to be started.
pub(crate) struct Options {
    /// Its data directory; `None` makes a fresh one, which goes away with the server.
    pub(crate) data: Option<PathBuf>,
    /// The port of its blob listener; 0 picks a free one.
    pub(crate) blob_port: u16,
    /// Whether it enters its operations in a transparency log.
    pub(crate) logs: bool,
}

/// A running server, killed when the value is dropped.
pub(crate) struct Server {
    group: Group,
    folder: PathBuf,
    blob: String,
    queue: String,
    table: String,
    ready_after: Duration,
}

impl Server {
    /// Starts the release binary and waits until its listeners accept.
    pub(crate) fn start(options: Options) -> Result<Self, String> {
        Self::start_with(options, &[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(options: Options, arguments: &[&str]) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = workspace::scratch().join(format!("server-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let data = options.data.unwrap_or_else(|| folder.join("data"));
        let ready_file = folder.join("ready.json");
        let log_path = folder.join("server.log");
        let log = File::create(&log_path).map_err(|error| error.to_string())?;
        let second = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(workspace::lazuli_binary());
        command.arg("serve").arg("--data").arg(&data).arg("--ready-file").arg(&ready_file);
        command.args(["--transparency-log", if options.logs { "on" } else { "off" }]);
        command.arg("--blob-port").arg(options.blob_port.to_string());
        for port in ["--queue-port", "--table-port", "--dfs-port", "--admin-port"] {
            command.args([port, "0"]);
        }
        command.args(arguments);
        command.current_dir(&folder).stdin(Stdio::null()).stdout(log).stderr(second);
        let begun = Instant::now();
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{}: {error}", workspace::lazuli_binary().display()))?;
        let mut group = Group::new(child);
        let [blob, queue, table] = match wait_until_ready(&mut group, &ready_file) {
            Ok(urls) => urls,
            Err(message) => {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                return Err(format!("lazuli serve: {message}\n{}", process::tail(&log, 15)));
            }
        };
        Ok(Self { group, folder, blob, queue, table, ready_after: begun.elapsed() })
    }

    /// The URL of the blob endpoint, ending in the account's name.
    pub(crate) fn blob_url(&self) -> &str {
        &self.blob
    }

    /// The URL of the queue endpoint, ending in the account's name.
    pub(crate) fn queue_url(&self) -> &str {
        &self.queue
    }

    /// The URL of the table endpoint, ending in the account's name.
    pub(crate) fn table_url(&self) -> &str {
        &self.table
    }

    /// The port of the blob endpoint.
    pub(crate) fn blob_port(&self) -> u16 {
        let authority = self.blob.split('/').nth(2).unwrap_or_default();
        authority.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.group.id()
    }

    /// The time from the start of the process until its listeners accepted.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The last lines that the server printed.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(self.folder.join("server.log")).unwrap_or_default();
        process::tail(&String::from_utf8_lossy(&log), 15)
    }

    /// Stops the server as an operator would, and says how it went wrong if it did: dead before
    /// its time, no end in time, or an exit status other than 0.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        if let Some(status) = self.group.try_wait()? {
            return Err(format!("the server died ({status})\n{}", self.log_tail()));
        }
        match self.group.stop(STOP_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("the server stopped with {status}\n{}", self.log_tail())),
            None => Err(format!("the server did not stop in {} s", STOP_LIMIT.as_secs())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.group.kill();
        // Only the scratch folder made above; a data directory given by the caller is elsewhere.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits for the ready file and gives the URLs of the blob, queue and table endpoints, ending in the
/// account's name.
fn wait_until_ready(group: &mut Group, ready_file: &Path) -> Result<[String; 3], String> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        // The file appears whole: the server renames it into place.
        if let Ok(text) = fs::read_to_string(ready_file) {
            return Ok([url(&text, "blob")?, url(&text, "queue")?, url(&text, "table")?]);
        }
        if let Some(status) = group.try_wait()? {
            return Err(format!("ended before it was ready ({status})"));
        }
        if Instant::now() > deadline {
            return Err(format!("not ready after {} s", READY_LIMIT.as_secs()));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The URL of a service's endpoint in the text of a ready file.
fn url(ready: &str, service: &str) -> Result<String, String> {
    let ready: Value =
        serde_json::from_str(ready).map_err(|error| format!("the ready file: {error}"))?;
    let missing = || format!("the ready file names no {service} endpoint");
    let url = ready[service].as_str().ok_or_else(missing)?;
    let url = url.trim_end_matches('/');
    if url.ends_with(ACCOUNT) { Ok(url.to_owned()) } else { Ok(format!("{url}/{ACCOUNT}")) }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn the_blob_url_always_ends_in_the_account() {
        let with = r#"{"blob":"http://127.0.0.1:4000/devstoreaccount1","pid":1}"#;
        let without = r#"{"blob":"http://127.0.0.1:4000/"}"#;
        let want = "http://127.0.0.1:4000/devstoreaccount1";
        assert_eq!(url(with, "blob").as_deref(), Ok(want));
        assert_eq!(url(without, "blob").as_deref(), Ok(want));
        assert!(url("{}", "blob").is_err() && url("{", "blob").is_err());
        assert!(url(with, "table").is_err());
    }
}
