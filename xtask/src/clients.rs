//! Real clients against a server started for them: the suites in `conformance/`, and further
//! client scripts kept outside the repository, when they are there.
//!
//! What a script of the second kind asks for and Lazuli does not do yet is listed, with a reason,
//! in `xtask/expected_failures.txt`; a listed test that passes fails as stale, so the list shrinks
//! by itself.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::report::{self, Outcome};
use crate::server::{ACCOUNT, KEY, Options, Server};
use crate::{process, setup, workspace};

/// The longest that one suite may take.
const SUITE_LIMIT: Duration = Duration::from_mins(10);

/// The port that the tools' built-in emulator settings mean.
const EMULATOR_PORT: u16 = 10_000;

/// The list of tests that cannot pass yet.
const EXPECTED_FAILURES: &str = "xtask/expected_failures.txt";

/// One run of one script of the folder outside the repository.
pub(crate) struct Script {
    /// The step's name.
    pub(crate) step: &'static str,
    /// The script's file name.
    file: &'static str,
    /// How the script reaches the server.
    reach: Reach,
}

/// How a script reaches the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// On a free port, with the account in the path.
    Path,
    /// On the emulator's fixed port, which is all that some tools can be told.
    EmulatorPort,
    /// On a free port, with the account in the host name (needs root and a mount namespace).
    Host,
}

/// The runs, in order.
pub(crate) const SCRIPTS: &[Script] = &[
    Script { step: "py-blob", file: "py_blob.py", reach: Reach::Path },
    Script { step: "py-blob-aio", file: "py_blob_aio.py", reach: Reach::Path },
    Script { step: "py-blob-host", file: "py_blob.py", reach: Reach::Host },
    Script { step: "py-blob-aio-host", file: "py_blob_aio.py", reach: Reach::Host },
    Script { step: "py-table", file: "py_table.py", reach: Reach::Path },
    Script { step: "py-queue", file: "py_queue.py", reach: Reach::Path },
    Script { step: "azcopy", file: "az_copy.sh", reach: Reach::Path },
    Script { step: "azcopy-host", file: "az_copy.sh", reach: Reach::Host },
    Script { step: "rclone-key", file: "rclone.sh", reach: Reach::EmulatorPort },
    Script { step: "rclone-sas", file: "rclone.sh", reach: Reach::Path },
    Script { step: "object-store", file: "rs_object_store.sh", reach: Reach::Path },
];

/// The Python suite of the repository.
pub(crate) fn python_suite(log: &Path) -> Outcome {
    own_suite(python_command("suite.py"), log, (report::plain_counts, true))
}

/// The suite of copies between two servers, of which the one tested may read from the other.
pub(crate) fn between_servers(log: &Path) -> Outcome {
    let options = || Options { data: None, blob_port: 0, logs: true };
    let mut source = match Server::start(options()) {
        Ok(server) => server,
        Err(message) => return Outcome::failed(message),
    };
    let mut command = Command::new(setup::python());
    command.arg(workspace::root().join("conformance/python/between.py"));
    command.env("AZ_SOURCE", source.blob_url()).env("AZCOPY", setup::azcopy());
    let guard = ["--copy-source-hosts", "127.0.0.1", "--copy-source-networks", "127.0.0.0/8"];
    let target = Server::start_with(options(), &guard);
    let mut outcome = suite_against(target, command, log, report::plain_counts);
    add_server_end(&mut outcome, &mut source);
    outcome
}

/// The same against a server without a transparency log.
pub(crate) fn python_suite_unlogged(log: &Path) -> Outcome {
    own_suite(python_command("suite.py"), log, (report::plain_counts, false))
}

/// The core of the Python suite in every service version that the SDK speaks.
pub(crate) fn python_versions(log: &Path) -> Outcome {
    let mut command = Command::new(setup::python());
    command.arg(workspace::root().join("conformance/python/versions.py"));
    own_suite(command, log, (report::plain_counts, true))
}

/// The JavaScript suite of the repository.
pub(crate) fn node_suite(log: &Path) -> Outcome {
    own_suite(node_command("suite.test.mjs"), log, (report::node_counts, true))
}

/// The same against a server without a transparency log.
pub(crate) fn node_suite_unlogged(log: &Path) -> Outcome {
    own_suite(node_command("suite.test.mjs"), log, (report::node_counts, false))
}

/// The Python suite of tables.
pub(crate) fn python_tables(log: &Path) -> Outcome {
    own_suite(python_command("tables.py"), log, (report::plain_counts, true))
}

/// The JavaScript suite of tables.
pub(crate) fn node_tables(log: &Path) -> Outcome {
    own_suite(node_command("tables.test.mjs"), log, (report::node_counts, true))
}

/// The Python suite of queues.
pub(crate) fn python_queues(log: &Path) -> Outcome {
    own_suite(python_command("queues.py"), log, (report::plain_counts, true))
}

/// Bearer tokens, roles and user delegation over TLS, with the Python SDKs and an issuer of its own.
pub(crate) fn identities(log: &Path) -> Outcome {
    let folder = workspace::scratch().join(format!("identities-{}", std::process::id()));
    let mut issuer = python_command("issuer.py");
    issuer.arg(&folder);
    let prepared = process::run(&mut issuer, log, SUITE_LIMIT)
        .and_then(|finished| finished.ok("making certificate, keys and configuration"));
    if let Err(message) = prepared {
        return Outcome::failed(message);
    }
    let config = folder.join("lazuli.toml");
    let options = Options { data: None, blob_port: 0, logs: true };
    let server = Server::start_with(options, &["--config", &config.to_string_lossy()]);
    let mut command = python_command("identities.py");
    command.env("LAZULI_IDENTITY", &folder);
    let outcome = suite_against(server, command, log, report::plain_counts);
    // What a failed suite signed with may help to find out why it failed.
    if outcome.failed == 0 {
        let _ = fs::remove_dir_all(&folder);
    }
    outcome
}

/// The JavaScript suite of queues.
pub(crate) fn node_queues(log: &Path) -> Outcome {
    own_suite(node_command("queues.test.mjs"), log, (report::node_counts, true))
}

/// kombu and celery with queues as their broker.
pub(crate) fn celery(log: &Path) -> Outcome {
    own_suite(python_command("celery_queue.py"), log, (report::plain_counts, true))
}

/// The commands of `az` for queues and tables.
pub(crate) fn az(log: &Path) -> Outcome {
    let mut command = python_suite_command(&setup::az_python(), "az.py");
    // What it remembers from one run to the next stays out of the home directory.
    command.env("AZURE_CONFIG_DIR", setup::az().join("config"));
    command.env("AZURE_CORE_COLLECT_TELEMETRY", "no").env("AZURE_CORE_ONLY_SHOW_ERRORS", "yes");
    own_suite(command, log, (report::plain_counts, true))
}

fn python_command(file: &str) -> Command {
    python_suite_command(&setup::python(), file)
}

fn python_suite_command(python: &Path, file: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(workspace::root().join("conformance/python").join(file));
    command
}

fn node_command(file: &str) -> Command {
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=tap"]);
    command.arg(workspace::root().join("conformance/javascript").join(file));
    command.env("LAZULI_NODE_MODULES", setup::node().join("node_modules"));
    command
}

/// How many of a suite's tests passed and failed, from what it printed.
type Counts = fn(&str) -> Option<(u64, u64)>;

/// Runs a suite of the repository, of which every test must pass, against a server that keeps a
/// transparency log or none.
fn own_suite(command: Command, log: &Path, (counts, logs): (Counts, bool)) -> Outcome {
    let server = Server::start(Options { data: None, blob_port: 0, logs });
    suite_against(server, command, log, counts)
}

/// Runs a suite of the repository against a server that was started for it.
fn suite_against(
    server: Result<Server, String>,
    mut command: Command,
    log: &Path,
    counts: Counts,
) -> Outcome {
    let mut server = match server {
        Ok(server) => server,
        Err(message) => return Outcome::failed(message),
    };
    set_environment(&mut command, server.blob_url(), &server);
    let finished = match process::run(&mut command, log, SUITE_LIMIT) {
        Ok(finished) => finished,
        Err(message) => return Outcome::failed(message),
    };
    let mut outcome = match counts(&finished.output) {
        Some((passed, failed)) => Outcome { passed, failed, ..Outcome::default() },
        None => Outcome::failed(format!("no closing line ({})", finished.ending)),
    };
    if !finished.success && outcome.failed == 0 {
        outcome.add(Outcome::failed(finished.ending));
    }
    if outcome.failed > 0 {
        outcome.notes.push(process::tail(&failures(&finished.output), 30));
    }
    add_server_end(&mut outcome, &mut server);
    outcome
}

/// Runs one script of the folder outside the repository.
pub(crate) fn script(script: &Script, log: &Path) -> Outcome {
    let Some(folder) = workspace::shared_clients() else {
        return Outcome::skipped("the folder of further client scripts is not there");
    };
    let blob_port = if script.reach == Reach::EmulatorPort { EMULATOR_PORT } else { 0 };
    if blob_port != 0 && TcpListener::bind(("127.0.0.1", blob_port)).is_err() {
        return Outcome::failed(format!("port {blob_port} is taken by another program"));
    }
    if script.reach == Reach::Host && !can_map_names() {
        return Outcome::skipped("host names cannot be mapped here (needs root and `unshare`)");
    }
    let mut server = match Server::start(Options { data: None, blob_port, logs: true }) {
        Ok(server) => server,
        Err(message) => return Outcome::failed(message),
    };
    let mut command = match script_command(script, &folder, &server) {
        Ok(command) => command,
        Err(message) => return Outcome::failed(message),
    };
    let finished = match process::run(&mut command, log, SUITE_LIMIT) {
        Ok(finished) => finished,
        Err(message) => return Outcome::failed(message),
    };
    let expected = match expected_failures(script) {
        Ok(expected) => expected,
        Err(message) => return Outcome::failed(message),
    };
    let mut outcome = judge(&finished.output, &expected);
    if report::plain_counts(&finished.output).is_none() {
        let tail = process::tail(&finished.output, 8);
        outcome.add(Outcome::failed(format!("no closing line ({})\n{tail}", finished.ending)));
    }
    add_server_end(&mut outcome, &mut server);
    outcome
}

/// The command that runs a script, with what it must know in its environment.
fn script_command(script: &Script, folder: &Path, server: &Server) -> Result<Command, String> {
    let path = folder.join(script.file);
    let is_python = Path::new(script.file).extension().is_some_and(|name| name == "py");
    let interpreter = if is_python { setup::python() } else { "bash".into() };
    let mut command = if script.reach == Reach::Host {
        let mut command = Command::new("bash");
        command.arg(folder.join("withhosts.sh")).arg(interpreter);
        command
    } else {
        Command::new(interpreter)
    };
    command.arg(path).current_dir(workspace::scratch());
    if script.reach == Reach::Host {
        let host = format!("{ACCOUNT}.blob.core.lazuli.test");
        let url = format!("http://{host}:{}", server.blob_port());
        set_environment(&mut command, &url, server);
    } else {
        set_environment(&mut command, server.blob_url(), server);
    }
    command.env("CLIENTS_VENV", setup::venv());
    command.env("CLIENTS_DIR", workspace::target());
    command.env("AZCOPY", setup::azcopy());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if script.reach == Reach::EmulatorPort {
        // Debian's rclone 1.60 forgets its own default for `use_emulator`.
        command.env("RCLONE_AZUREBLOB_ENDPOINT", server.blob_url());
    }
    if script.file == "rs_object_store.sh" {
        command.env("CARGO_TARGET_DIR", build_rust_client(folder)?);
    }
    Ok(command)
}

/// Builds the object_store client and gives the build directory, where its script looks for it.
///
/// It is built from a copy, because the folder may be read-only and cargo writes a lock file.
fn build_rust_client(folder: &Path) -> Result<PathBuf, String> {
    let copy = workspace::target().join("clients-rust-source");
    let build = workspace::target().join("clients-rust");
    fs::create_dir_all(copy.join("src")).map_err(|error| error.to_string())?;
    for file in ["Cargo.toml", "src/rs_object_store.rs"] {
        let text = fs::read(folder.join("rust").join(file)).map_err(|error| error.to_string())?;
        // An unchanged file keeps its time, so that nothing is built again.
        if fs::read(copy.join(file)).ok().as_ref() != Some(&text) {
            fs::write(copy.join(file), &text).map_err(|error| error.to_string())?;
        }
    }
    let mut command = process::cargo(&["build", "--quiet", "--bin", "rs_object_store"]);
    command.current_dir(&copy).env("CARGO_TARGET_DIR", &build);
    let log = workspace::scratch().join("logs").join("object-store-build.log");
    process::run(&mut command, &log, SUITE_LIMIT)?.ok("building the object_store client")?;
    Ok(build)
}

/// What every suite is told about the server.
fn set_environment(command: &mut Command, blob_url: &str, server: &Server) {
    command.env("AZ_QUEUE", server.queue_url()).env("AZ_TABLE", server.table_url());
    command.env("AZ_BLOB", blob_url).env("AZ_ACCOUNT", ACCOUNT).env("AZ_KEY", KEY);
    for name in ["AZ_DFS", "AZ_LAX", "ONLY", "http_proxy", "HTTP_PROXY"] {
        command.env_remove(name);
    }
    command.env("NO_PROXY", "*").env("no_proxy", "*");
}

/// Whether a private `/etc/hosts` can be had.
fn can_map_names() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-m", "mount", "--bind", "/etc/hosts", "/etc/hosts"]);
    let log = workspace::scratch().join("logs").join("unshare.log");
    process::run(&mut command, &log, Duration::from_secs(10)).is_ok_and(|finished| finished.success)
}

/// The server must have lived through the suite and stop when asked to.
fn add_server_end(outcome: &mut Outcome, server: &mut Server) {
    match server.stop() {
        Ok(()) => {}
        Err(message) => outcome.add(Outcome::failed(message)),
    }
    if outcome.failed > 0 {
        outcome.notes.push(format!("the server's last lines:\n{}", server.log_tail()));
    }
}

/// The lines of a suite's output that speak of failures, else all of it.
fn failures(output: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("FAIL") || line.starts_with("not ok"))
        .collect();
    if lines.is_empty() { output.to_owned() } else { lines.join("\n") }
}

/// The names of the tests of `script` that are listed as unable to pass. The list names a script by
/// its file, or by its step where one way to reach the server is meant.
fn expected_failures(script: &Script) -> Result<Vec<String>, String> {
    let path = workspace::root().join(EXPECTED_FAILURES);
    let text =
        fs::read_to_string(&path).map_err(|error| format!("{EXPECTED_FAILURES}: {error}"))?;
    let mut names = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, name, reason] = fields.as_slice() else {
            return Err(format!("{EXPECTED_FAILURES}:{}: wants three fields", index + 1));
        };
        if reason.trim().is_empty() {
            return Err(format!("{EXPECTED_FAILURES}:{}: wants a reason", index + 1));
        }
        if *file == script.file || *file == script.step {
            names.push((*name).to_owned());
        }
    }
    Ok(names)
}

/// Compares what a script printed with what was expected of it.
fn judge(output: &str, expected: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut seen = Vec::new();
    for line in output.lines() {
        let Some((passed, name)) = test_line(line) else {
            continue;
        };
        seen.push(name);
        match (passed, expected.iter().any(|listed| listed == name)) {
            (true, false) | (false, true) => outcome.passed += 1,
            (false, false) => outcome.add(Outcome::failed(line)),
            (true, true) => outcome.add(Outcome::failed(format!(
                "`{name}` passes: take it out of {EXPECTED_FAILURES}"
            ))),
        }
    }
    for name in expected.iter().filter(|name| !seen.contains(&name.as_str())) {
        outcome.add(Outcome::failed(format!(
            "`{name}` of {EXPECTED_FAILURES} is not a test any more"
        )));
    }
    outcome
}

/// Reads `PASS name (0.12s)` and `FAIL name (1.2s): why`: whether it passed, and the name.
fn test_line(line: &str) -> Option<(bool, &str)> {
    let (passed, rest) = match line.strip_prefix("PASS ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("FAIL ")?),
    };
    // A name may hold parentheses; the time is the first one that reads like a time.
    let end = rest.match_indices(" (").find_map(|(position, _)| {
        let inside = rest.get(position + 2..)?;
        let time = inside.get(..inside.find(')')?)?;
        let number = time.trim_end_matches(|letter: char| letter.is_alphabetic());
        (number.len() < time.len() && number.parse::<f64>().is_ok()).then_some(position)
    });
    Some((passed, end.and_then(|end| rest.get(..end)).unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::{judge, test_line};

    #[test]
    fn names_with_parentheses_are_read_whole() {
        let line = "FAIL sync a tree up (40 MB file in 4 MB blocks) (1.20s) rc=1: no (2s)";
        assert_eq!(test_line(line), Some((false, "sync a tree up (40 MB file in 4 MB blocks)")));
        assert_eq!(test_line("PASS list (12.34ms)"), Some((true, "list")));
        assert_eq!(test_line("SKIP x: y"), None);
    }

    #[test]
    fn a_listed_failure_counts_as_passed_and_a_stale_one_as_failed() {
        let expected = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let output = "PASS a (0.1s)\nFAIL b (0.1s): x\nFAIL d (0.1s): y\nPASS e (0.1s)\n";
        let outcome = judge(output, &expected);
        assert_eq!((outcome.passed, outcome.failed), (2, 3));
        assert!(outcome.notes.iter().any(|note| note.contains("`a` passes")));
        assert!(outcome.notes.iter().any(|note| note.contains("`c`")));
    }
}
