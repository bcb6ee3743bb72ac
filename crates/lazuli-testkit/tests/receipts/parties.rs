//! Who takes part: a server with a log, a witness, and whoever verifies, each a process of its own.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lazuli_testkit::{Client, Request, Response, Server, Trust, binary};
use serde_json::Value;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The longest wait for anything that is bound to happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked whether it has happened.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("not within {} s: {what}", PATIENCE.as_secs()).into())
}

/// One of the programs that are built together with the server.
fn program(name: &str) -> Command {
    Command::new(binary().with_file_name(name))
}

/// What a program answered: its exit code, and what it printed on both outputs.
pub(crate) fn answer_of(mut command: Command) -> Outcome<(i32, String)> {
    let done = command.output()?;
    let text = [done.stdout, done.stderr].concat();
    Ok((done.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned()))
}

/// Runs `lazuli-verify`.
pub(crate) fn verify(what: &str, paths: &[&Path], policy: &Path) -> Outcome<(i32, String)> {
    let mut command = program("lazuli-verify");
    command.arg(what).args(paths).arg("--policy").arg(policy);
    answer_of(command)
}

/// A folder that a test has to itself.
pub(crate) fn folder(name: &str) -> Outcome<PathBuf> {
    let name = format!("receipts-{}-{name}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A server's answer to a question about its log on the admin listener.
pub(crate) fn ask(server: &Server, path: &str) -> Outcome<Response> {
    Ok(Client::new(server.admin())?.fetch(path)?)
}

/// How a server's log is.
pub(crate) fn status(server: &Server) -> Outcome<Value> {
    Ok(serde_json::from_slice(&ask(server, "/log/status")?.body)?)
}

/// `lazuli log VERB` against a server.
pub(crate) fn log(server: &Server, verb: &str, arguments: &[&str]) -> Outcome<(i32, String)> {
    let mut command = Command::new(binary());
    let admin = format!("http://{}", server.admin());
    command.args(["log", verb, "--admin", &admin]).args(arguments);
    answer_of(command)
}

/// Keeps the policy that a server hands out, and trusts it.
pub(crate) fn trust(server: &Server, path: &Path) -> Outcome<Trust> {
    let policy = Client::new(server.address())?.fetch("/.lazuli/log/policy")?;
    fs::write(path, &policy.body)?;
    Ok(Trust::new(&policy.body)?)
}

/// Makes a container.
pub(crate) fn make_container(client: &mut Client, name: &str) -> Outcome<Response> {
    let (path, query) = (format!("/{name}"), "restype=container");
    sent(client, &Request { method: "PUT", path: &path, query, ..Request::default() }, 201)
}

/// Writes a blob.
pub(crate) fn put(client: &mut Client, path: &str, body: &[u8]) -> Outcome<Response> {
    let headers: &[_] = &[("x-ms-blob-type", "BlockBlob")];
    sent(client, &Request { method: "PUT", path, query: "", headers, body }, 201)
}

/// Sends what must be answered with a status.
fn sent(client: &mut Client, request: &Request<'_>, status: u16) -> Outcome<Response> {
    let response = client.send(request)?;
    if response.status != status {
        let (path, text) = (request.path, response.text());
        return Err(format!("{path} was answered {}: {text}", response.status).into());
    }
    Ok(response)
}

/// The headers of an answer that its client keeps.
pub(crate) fn receipt_of(response: &Response) -> String {
    let (receipt, opening) = (response.header("x-lz-receipt"), response.header("x-lz-opening"));
    format!("x-lz-receipt: {receipt}\nx-lz-opening: {opening}\n")
}

/// A witness with its key and state, in a folder. It may be started again.
pub(crate) struct Witness {
    folder: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl Witness {
    /// Draws the key of a witness that does not run yet, and writes the policy that names it.
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        // A port that was free a moment ago: the policy must name it before the witness runs.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut keygen = program("lazuli-witness");
        keygen.args(["keygen", "--name", "witness.test", "--out"]).arg(folder.join("witness.key"));
        let (code, key) = answer_of(keygen)?;
        if code != 0 {
            return Err(key.into());
        }
        let key = key.trim();
        let policy = format!("witness w1 {key} http://{address}\nquorum w1\n");
        fs::write(folder.join("witness-policy"), policy)?;
        Ok(Self { folder: folder.to_owned(), address, child: None })
    }

    /// The arguments of a server that asks this witness.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let policy = self.folder.join("witness-policy");
        let policy = policy.to_string_lossy().into_owned();
        ["--transparency-log".into(), "on".into(), "--witness-policy".into(), policy]
    }

    /// Starts it for the log that is the first in a policy, and waits until it listens.
    pub(crate) fn start(&mut self, policy: &Path) -> Outcome<()> {
        let policy = fs::read_to_string(policy)?;
        let log = policy.lines().find_map(|line| line.strip_prefix("log "));
        let mut command = program("lazuli-witness");
        command.args(["serve", "--listen", &self.address.to_string(), "--log"]);
        command.arg(log.ok_or("the policy names no log")?);
        command.arg("--state").arg(self.folder.join("witness.state"));
        command.arg("--key").arg(self.folder.join("witness.key"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        self.child = Some(child);
        let mut lines = BufReader::new(out).lines();
        while !lines.next().ok_or("the witness ended")??.starts_with("listening on ") {}
        Ok(())
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) -> Outcome<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Starts a server in a folder of its own.
pub(crate) fn start(folder: &Path, arguments: &[String]) -> Outcome<Server> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(Server::start_with(folder, &folder.join("data"), &arguments)?)
}

/// The arguments of a server with a log and no witness.
pub(crate) fn logged() -> Vec<String> {
    vec!["--transparency-log".to_owned(), "on".to_owned()]
}
