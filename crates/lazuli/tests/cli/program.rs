//! Running the program.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The program with arguments, in `folder`, free of variables of the one who tests.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazuli"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("LAZULI_") || name_text == "AZURITE_ACCOUNTS" {
            command.env_remove(&name);
        }
    }
    command
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Done {
    let output = command(folder, arguments).output().unwrap();
    Done {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it printed up to the connection string.
    pub(crate) stdout: String,
}

impl Server {
    /// Starts `lazuli serve` with free ports and waits until it is ready.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let ports = [
            "serve",
            "--blob-port",
            "0",
            "--queue-port",
            "0",
            "--table-port",
            "0",
            "--admin-port",
            "0",
        ];
        let mut child = command(folder, &[&ports, arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut stdout = String::new();
        while !stdout.contains("DefaultEndpointsProtocol") {
            if lines.read_line(&mut stdout).unwrap() == 0 {
                let mut why = String::new();
                stderr.read_to_string(&mut why).unwrap();
                panic!("the server is not ready: {why}");
            }
        }
        Self { child, stderr, stdout }
    }

    /// `HOST:PORT` of an endpoint.
    pub(crate) fn authority(&self, endpoint: &str) -> &str {
        let line = self.stdout.lines().find(|line| {
            line.split_whitespace().next() == Some(endpoint) && line.contains(" ready at ")
        });
        let url = line.and_then(|line| line.split("http://").nth(1)).expect("no such endpoint");
        url.split(['/', ' ']).next().unwrap()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads log lines up to one that contains `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let mut log = String::new();
        while !log.contains(text) {
            assert!(self.stderr.read_line(&mut log).unwrap() > 0, "{text} is not in {log}");
        }
    }

    /// Waits for the end; the exit status and the rest of stderr.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
