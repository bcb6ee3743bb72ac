//! The two servers that are compared, and the load generator that treats them alike.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{self, Group};
use crate::server::{ACCOUNT, Options, Server};
use crate::{setup, workspace};

/// The longest that one measurement may take.
const MEASUREMENT_LIMIT: Duration = Duration::from_mins(15);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The release build as it comes: durable, with its transparency log.
    Lazuli,
    /// The same without the transparency log.
    Unlogged,
    /// The baseline from npm, as it comes.
    Azurite,
}

impl Kind {
    /// Both, in the order of a round.
    pub(crate) const BOTH: [Self; 2] = [Self::Lazuli, Self::Azurite];

    /// The name in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Lazuli => "Lazuli",
            Self::Unlogged => "Lazuli without its log",
            Self::Azurite => "Azurite",
        }
    }
}

/// A running server over a data directory of the benchmark.
pub(crate) struct Contender {
    kind: Kind,
    running: Running,
    url: String,
    data: PathBuf,
}

/// The process, killed when it is dropped.
enum Running {
    Lazuli(Server),
    Azurite(Group),
}

impl Contender {
    /// Starts a server over an empty data directory and makes the container `bench`.
    pub(crate) fn start(kind: Kind) -> Result<Self, String> {
        let contender = Self::start_over(kind, &empty_data()?)?;
        contender.load("container", &["--ops", "1"])?;
        Ok(contender)
    }

    /// Starts a server over an empty data directory, to talk to its tables, and makes the table
    /// `bench`.
    pub(crate) fn start_tables(kind: Kind) -> Result<Self, String> {
        let contender = Self::start_service(kind, "table", Server::table_url)?;
        contender.load("table", &["--ops", "1"])?;
        Ok(contender)
    }

    /// Starts a server over an empty data directory, to talk to its queues, and makes the queue
    /// `bench`.
    pub(crate) fn start_queues(kind: Kind) -> Result<Self, String> {
        let contender = Self::start_service(kind, "queue", Server::queue_url)?;
        contender.load("queue", &["--ops", "1"])?;
        Ok(contender)
    }

    /// Starts a server over an empty data directory, to talk to one of its services.
    fn start_service(kind: Kind, service: &str, url: fn(&Server) -> &str) -> Result<Self, String> {
        let data = empty_data()?;
        if kind == Kind::Azurite {
            let (running, url) = start_azurite(&data, service)?;
            return Ok(Self { kind, running, url, data });
        }
        let mut contender = Self::start_over(kind, &data)?;
        if let Running::Lazuli(server) = &contender.running {
            contender.url = url(server).to_owned();
        }
        Ok(contender)
    }

    /// Starts a server over a data directory as it is.
    pub(crate) fn start_over(kind: Kind, data: &Path) -> Result<Self, String> {
        let (running, url) = match kind {
            Kind::Lazuli | Kind::Unlogged => {
                let logs = kind == Kind::Lazuli;
                let options = Options { data: Some(data.to_path_buf()), blob_port: 0, logs };
                let server = Server::start(options)?;
                let url = server.blob_url().to_owned();
                (Running::Lazuli(server), url)
            }
            Kind::Azurite => start_azurite(data, "blob")?,
        };
        Ok(Self { kind, running, url, data: data.to_path_buf() })
    }

    /// Runs the load generator; a failed request fails the measurement.
    pub(crate) fn load(&self, mode: &str, arguments: &[&str]) -> Result<Measurement, String> {
        let mut command = Command::new(workspace::loadgen_binary());
        command.arg(mode).args(["--url", &self.url]).args(arguments);
        let log = workspace::scratch().join("logs").join("loadgen.log");
        let what = format!("{mode} {} against {}", arguments.join(" "), self.kind.name());
        let output = process::run(&mut command, &log, MEASUREMENT_LIMIT)?.ok(&what)?;
        let json: Value =
            serde_json::from_str(&output).map_err(|error| format!("{what}: {error}"))?;
        if json["errors"] != 0 {
            return Err(format!(
                "{what}: {} failed, first: {}",
                json["errors"], json["first_error"]
            ));
        }
        Ok(Measurement(json))
    }

    /// Bytes of memory that the process holds.
    pub(crate) fn resident_bytes(&self) -> Result<u64, String> {
        self.status_bytes("VmRSS:")
    }

    /// The most bytes of memory that the process has held since [`Contender::forget_peak`].
    pub(crate) fn peak_bytes(&self) -> Result<u64, String> {
        self.status_bytes("VmHWM:")
    }

    /// Lets the peak of memory begin anew.
    pub(crate) fn forget_peak(&self) -> Result<(), String> {
        let path = format!("/proc/{}/clear_refs", self.id());
        fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
    }

    fn status_bytes(&self, name: &str) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| format!("{path}: no {name}"))
    }

    /// Seconds of processor time that the process has used, all threads together.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, String> {
        // The unit is the same on all machines that Linux runs on today.
        const TICKS_PER_SECOND: f64 = 100.0;
        let path = format!("/proc/{}/stat", self.id());
        let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // The name, in parentheses, may hold anything; the 14th and 15th fields are wanted.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        match (ticks.next(), ticks.next()) {
            (Some(Ok(user)), Some(Ok(system))) => Ok((user + system) as f64 / TICKS_PER_SECOND),
            _ => Err(format!("{path}: no processor time")),
        }
    }

    /// Bytes of disk that the data directory takes.
    pub(crate) fn disk_bytes(&self) -> Result<u64, String> {
        let output = Command::new("du")
            .args(["-s", "--block-size=1"])
            .arg(&self.data)
            .output()
            .map_err(|error| format!("cannot start `du`: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| format!("`du` said: {text}"))
    }

    /// How long the server took from its start until it accepted connections.
    pub(crate) fn ready_after(&self) -> Duration {
        match &self.running {
            Running::Lazuli(server) => server.ready_after(),
            Running::Azurite(_) => Duration::ZERO,
        }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Stops the server as an operator would.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        match &mut self.running {
            Running::Lazuli(server) => server.stop(),
            Running::Azurite(group) => group.stop(Duration::from_secs(10)).map(|_| ()),
        }
    }

    /// The process id.
    fn id(&self) -> u32 {
        match &self.running {
            Running::Lazuli(server) => server.id(),
            Running::Azurite(group) => group.id(),
        }
    }
}

/// An empty data directory; what lies beside the data of the last round goes with it.
fn empty_data() -> Result<PathBuf, String> {
    let round = super::folder().join("data");
    let _ = fs::remove_dir_all(&round);
    // What others left unwritten would be written while this one is measured.
    let synced = Command::new("sync").status();
    synced.map_err(|error| format!("cannot start `sync`: {error}"))?;
    let data = round.join("store");
    fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    Ok(data)
}

/// Starts one of Azurite's services on a free port with the Node that came with it.
fn start_azurite(data: &Path, service: &str) -> Result<(Running, String), String> {
    let modules = setup::azurite().join("node_modules");
    // The port is free when asked for, and Azurite takes it a moment later.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    let log_path = workspace::scratch().join("logs").join("azurite.log");
    let log = File::create(&log_path).map_err(|error| error.to_string())?;
    let second = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(modules.join("node/bin/node"));
    command.arg(modules.join(format!("azurite/dist/src/{service}/main.js")));
    command.args([&format!("--{service}Host"), "127.0.0.1"]);
    command.args([&format!("--{service}Port"), &port.to_string()]);
    command.args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location"]);
    command.arg(data).stdin(Stdio::null()).stdout(log).stderr(second).process_group(0);
    let child = command.spawn().map_err(|error| format!("cannot start Azurite: {error}"))?;
    let mut group = Group::new(child);
    let deadline = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if group.try_wait()?.is_some() || Instant::now() > deadline {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(format!("Azurite did not start\n{}", process::tail(&log, 10)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok((Running::Azurite(group), format!("http://127.0.0.1:{port}/{ACCOUNT}")))
}

/// What the load generator printed.
pub(crate) struct Measurement(Value);

impl Measurement {
    /// A number of the result: `ops_per_second`, `p99_us`, `cpu_share` and so on.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }
}
