//! `cargo xtask test`: every check there is, one step after the other.
//!
//! A step never stops the ones after it, so that one run tells everything. Each step's whole
//! output is in `target/xtask/logs/`; the terminal gets a line a step, the failures, a table and
//! the closing line `N passed, N failed`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::report::{self, Outcome};
use crate::{Selection, clients, fuzz, guide, process, setup, tidy, workspace};

/// The longest that a step made of cargo's own work may take.
const CARGO_LIMIT: Duration = Duration::from_mins(25);

/// One step of the tests.
struct Step {
    name: &'static str,
    about: &'static str,
    fast: bool,
    /// It begins with the run, beside the steps before it, because it mostly waits or can.
    ahead: bool,
    work: Work,
}

/// What a step does.
#[derive(Clone, Copy)]
enum Work {
    /// Runs a function that is given the place for its log.
    Call(fn(&Path) -> Outcome),
    /// Runs a client script from outside the repository.
    Script(&'static clients::Script),
}

/// A step made of a function.
const fn step(
    name: &'static str,
    about: &'static str,
    fast: bool,
    call: fn(&Path) -> Outcome,
) -> Step {
    Step { name, about, fast, ahead: false, work: Work::Call(call) }
}

impl Step {
    /// What does the step's work when it is called.
    fn begin(&self) -> impl FnOnce() -> Outcome + Send + 'static {
        let log = log_path(self.name);
        let work = self.work;
        move || match work {
            Work::Call(call) => call(&log),
            Work::Script(script) => clients::script(script, &log),
        }
    }

    /// The same step, begun with the run.
    const fn ahead(self) -> Self {
        Self { ahead: true, ..self }
    }
}

/// All steps, in the order in which they run: what fails soonest comes first.
fn steps() -> Vec<Step> {
    let mut steps = vec![
        step("format", "cargo fmt --check", true, format_check),
        step("tidy", "crate arrows, sizes, headers, words, licences", true, tidy_check),
        step("clippy", "cargo clippy --all-targets, warnings denied", true, clippy),
        step("unit", "unit, property, model and transcript tests", true, unit_tests),
        step("doc-tests", "the examples in the documentation", false, doc_tests),
        step("rustdoc", "the documentation builds without a warning", false, rustdoc),
        step("build", "cargo build --release", false, build),
        step("setup", "Python, Node and Debian packages for the clients", false, install).ahead(),
        step("crash", "kill -9 under load, in rounds", false, crash),
        step("receipts", "receipts, witnesses and gaps on the real programs", false, receipts),
        step("large-bundle", "100,000 entries of evidence, verified at once", false, large_bundle),
        step("tlog-vectors", "the log's vectors, by a check that is not ours", false, tlog_vectors),
        step("conformance-py", "the Python SDK, both halves", false, clients::python_suite),
        step(
            "conformance-py-versions",
            "the Python SDK in each of its versions",
            false,
            clients::python_versions,
        ),
        step("conformance-js", "the JavaScript SDK", false, clients::node_suite),
        step("conformance-py-tables", "the Python SDK for tables", false, clients::python_tables),
        step("conformance-js-tables", "the JavaScript SDK for tables", false, clients::node_tables),
        step("conformance-py-queues", "the Python SDK for queues", false, clients::python_queues),
        step("conformance-js-queues", "the JavaScript SDK for queues", false, clients::node_queues),
        step(
            "conformance-identities",
            "bearer tokens, roles and user delegation over TLS",
            false,
            clients::identities,
        ),
        step("kombu", "kombu and celery with queues as their broker", false, clients::celery),
        step("az", "the commands of az for queues and tables", false, clients::az),
        step(
            "conformance-between",
            "copies from server to server, azcopy among them",
            false,
            clients::between_servers,
        ),
        step(
            "conformance-py-unlogged",
            "the Python SDK, without a transparency log",
            false,
            clients::python_suite_unlogged,
        ),
        step(
            "conformance-js-unlogged",
            "the JavaScript SDK, without a transparency log",
            false,
            clients::node_suite_unlogged,
        ),
        step("guide", "the walk-through of the log, as it is printed", false, guide::run),
    ];
    steps.extend(clients::SCRIPTS.iter().map(|script| Step {
        name: script.step,
        about: "client script from outside the repository",
        fast: false,
        ahead: false,
        work: Work::Script(script),
    }));
    steps.push(step("fuzz-build", "the targets for it", false, fuzz::build_idly).ahead());
    steps.push(step("fuzz", "coverage-guided, a short run a target", false, fuzz::run));
    steps.push(step("deny", "cargo deny, where it is installed", false, deny));
    steps
}

/// Runs the steps that were asked for; `false` means that something failed.
pub(crate) fn command(selection: &Selection) -> Result<bool, String> {
    let steps = steps();
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    if let Some(name) = selection.unknown(&names) {
        return Err(format!("no step `{name}`; the steps are: {}", names.join(" ")));
    }
    if selection.list {
        for step in &steps {
            println!("{:16} {}", step.name, step.about);
        }
        return Ok(true);
    }
    let chosen: Vec<&Step> = steps
        .iter()
        .filter(|step| {
            if selection.only.is_empty() {
                step.fast || !selection.short
            } else {
                selection.names(step.name)
            }
        })
        .collect();
    prepare(&chosen)?;
    let begun = Instant::now();
    let mut ahead: HashMap<&str, JoinHandle<Outcome>> = chosen
        .iter()
        .filter(|step| step.ahead)
        .map(|step| (step.name, thread::spawn(step.begin())))
        .collect();
    let results: Vec<(&Step, Outcome, Duration)> =
        chosen.iter().map(|step| run_step(step, ahead.remove(step.name))).collect();
    Ok(summarise(&results, begun.elapsed()))
}

/// Does what a single step chosen with `--only` takes for granted.
fn prepare(chosen: &[&Step]) -> Result<(), String> {
    fs::create_dir_all(workspace::scratch()).map_err(|error| error.to_string())?;
    let has = |name: &str| chosen.iter().any(|step| step.name == name);
    let has_clients = chosen.iter().any(|step| {
        let is_script = matches!(step.work, Work::Script(_));
        let is_other = ["guide", "kombu", "az"].contains(&step.name);
        is_script || is_other || step.name.starts_with("conformance")
    });
    let has_python = has_clients || has("tlog-vectors");
    for (wanted, name, call) in [
        (has_clients || has("receipts"), "build", build as fn(&Path) -> Outcome),
        (has_python, "setup", install as fn(&Path) -> Outcome),
    ] {
        if wanted && !has(name) {
            let outcome = call(&log_path(name));
            if outcome.failed > 0 {
                return Err(outcome.notes.join("\n"));
            }
        }
    }
    Ok(())
}

/// Runs one step, or waits for its end if it was begun before, and prints its line.
fn run_step(step: &Step, begun_before: Option<JoinHandle<Outcome>>) -> (&Step, Outcome, Duration) {
    println!("==> {:16} {}", step.name, step.about);
    let begun = Instant::now();
    let log = log_path(step.name);
    let outcome = match begun_before {
        Some(work) => work.join().unwrap_or_else(|_| Outcome::failed("it panicked".to_owned())),
        None => step.begin()(),
    };
    let took = begun.elapsed();
    for note in &outcome.notes {
        println!("    {}", note.trim_end());
    }
    if outcome.failed > 0 {
        let log = outcome.log.as_deref().unwrap_or(&log);
        println!("    the whole output: {}", workspace::relative(log));
    }
    let verdict = verdict(&outcome);
    let (passed, failed) = (outcome.passed, outcome.failed);
    println!("    {verdict}: {passed} good, {failed} bad, {:.1} s", took.as_secs_f64());
    (step, outcome, took)
}

/// A step's result in one word.
fn verdict(outcome: &Outcome) -> &'static str {
    match (outcome.passed, outcome.failed) {
        (0, 0) => "left out",
        (_, 0) => "passed",
        _ => "FAILED",
    }
}

/// Prints the table and the closing line; `false` means that something failed or nothing ran.
fn summarise(results: &[(&Step, Outcome, Duration)], took: Duration) -> bool {
    let passed: u64 = results.iter().map(|(_, outcome, _)| outcome.passed).sum();
    let failed: u64 = results.iter().map(|(_, outcome, _)| outcome.failed).sum();
    println!("\n{:16} {:>8} {:>8} {:>9}", "step", "passed", "failed", "seconds");
    for (step, outcome, took) in results {
        println!(
            "{:16} {:>8} {:>8} {:>9.1}  {}",
            step.name,
            outcome.passed,
            outcome.failed,
            took.as_secs_f64(),
            verdict(outcome)
        );
    }
    println!("{:16} {:>8} {:>8} {:>9.1}\n", "all", passed, failed, took.as_secs_f64());
    println!("{passed} passed, {failed} failed");
    failed == 0 && passed > 0
}

/// Where a step's output goes.
fn log_path(name: &str) -> PathBuf {
    workspace::scratch().join("logs").join(format!("{name}.log"))
}

/// Runs a command that counts as one check.
fn one_check(mut command: Command, log: &Path) -> Outcome {
    match process::run(&mut command, log, CARGO_LIMIT) {
        Ok(finished) if finished.success => Outcome::passed(),
        Ok(finished) => {
            let tail = process::tail(&finished.output, 40);
            Outcome::failed(format!("{}\n{tail}", finished.ending))
        }
        Err(message) => Outcome::failed(message),
    }
}

/// Runs a command that counts its own tests.
fn counted(mut command: Command, log: &Path, counts: fn(&str) -> Option<(u64, u64)>) -> Outcome {
    let finished = match process::run(&mut command, log, CARGO_LIMIT) {
        Ok(finished) => finished,
        Err(message) => return Outcome::failed(message),
    };
    let (passed, failed) = counts(&finished.output).unwrap_or((0, 0));
    let mut outcome = Outcome { passed, failed, ..Outcome::default() };
    if !finished.success {
        // A build that broke and a runner that crashed count as one failure.
        outcome.failed = failed.max(1);
        let tail = process::tail(&finished.output, 60);
        outcome.notes.push(format!("{}\n{tail}", finished.ending));
    }
    outcome
}

/// The formatting of every crate.
fn format_check(log: &Path) -> Outcome {
    let mut outcome = one_check(process::cargo(&["fmt", "--all", "--check"]), log);
    // The fuzz targets are a project of their own.
    let mut fuzz = process::cargo(&["fmt", "--check"]);
    fuzz.current_dir(workspace::root().join("fuzz"));
    outcome.add(one_check(fuzz, &log.with_extension("fuzz.log")));
    outcome
}

/// What is left out of the programs unless asked for, and tested all the same.
const FEATURES: &[&str] = &["--features", "lazuli-witness/ml-dsa,lazuli-verify/ml-dsa"];

/// The lints of every crate, as errors.
fn clippy(log: &Path) -> Outcome {
    let mut command = process::cargo(&["clippy", "--workspace", "--all-targets", "--locked"]);
    command.args(FEATURES).args(["--", "-D", "warnings"]);
    one_check(command, log)
}

/// The checks of `cargo xtask tidy`.
fn tidy_check(log: &Path) -> Outcome {
    let outcome = tidy::check();
    // A log as every step has one; the notes say the same.
    let _ = fs::create_dir_all(log.parent().unwrap_or(log));
    let _ = fs::write(log, outcome.notes.join("\n"));
    outcome
}

/// The crash suite, which has a step of its own.
fn crash_suite() -> PathBuf {
    workspace::root().join("crates/lazuli-testkit/tests/crash.rs")
}

/// The tests of every crate, with `cargo nextest` where it is installed.
fn unit_tests(log: &Path) -> Outcome {
    if process::is_installed("cargo-nextest") {
        let mut arguments = vec![
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--no-tests=pass",
            "--color=never",
            "--hide-progress-bar",
        ];
        arguments.extend(FEATURES);
        // nextest refuses a filter that names what is not there.
        if crash_suite().is_file() {
            arguments.extend(["-E", "not binary(crash)"]);
        }
        return counted(process::cargo(&arguments), log, report::nextest_counts);
    }
    let mut command = process::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.args(["--lib", "--bins", "--tests", "--color=never"]).args(FEATURES);
    command.env("LAZULI_CRASH_ROUNDS", "1");
    counted(command, log, |output| Some(report::cargo_test_counts(output)))
}

/// The examples in the documentation, which nextest does not run.
fn doc_tests(log: &Path) -> Outcome {
    let command = process::cargo(&["test", "--workspace", "--locked", "--doc", "--no-fail-fast"]);
    let mut outcome = counted(command, log, |output| Some(report::cargo_test_counts(output)));
    if outcome.failed == 0 && outcome.passed == 0 {
        outcome.notes.push("there are none".to_owned());
    }
    outcome
}

/// The documentation of every crate, warnings denied.
fn rustdoc(log: &Path) -> Outcome {
    let mut command = process::cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    one_check(command, log)
}

/// The release binaries, which all later steps use.
fn build(log: &Path) -> Outcome {
    if workspace::given_binary().is_some() {
        return Outcome::skipped("LAZULI_BINARY names the server to test");
    }
    let mut build = process::cargo(&["build", "--release", "--locked", "-p", "lazuli"]);
    build.args(["-p", "lazuli-verify", "-p", "lazuli-witness"]);
    one_check(build, log)
}

/// What the client suites need.
fn install(_log: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    for (what, call) in [
        ("Debian packages", setup::install_debian as fn() -> Result<(), String>),
        ("Python packages", setup::install_python),
        ("the Azure CLI", setup::install_az),
        ("Node packages", setup::install_node),
    ] {
        outcome.add(match call() {
            Ok(()) => Outcome::passed(),
            Err(message) => Outcome::failed(format!("{what}: {message}")),
        });
    }
    outcome
}

/// The vectors of `lazuli-tlog` and `lazuli-verify`, held against an implementation in Python that
/// shares no code.
fn tlog_vectors(log: &Path) -> Outcome {
    let mut command = Command::new(setup::python());
    command.arg(workspace::root().join("conformance/tlog/tlog_check.py"));
    let vectors = workspace::root().join("crates/lazuli-tlog/tests");
    command.args(["vectors.json", "vectors_ml_dsa.json"].map(|name| vectors.join(name)));
    let mut outcome = counted(command, log, report::plain_counts);
    let mut command = Command::new(setup::python());
    command.arg(workspace::root().join("conformance/tlog/evidence_check.py"));
    command.arg(workspace::root().join("crates/lazuli-verify/tests/vectors.json"));
    outcome.add(counted(command, &log.with_extension("evidence.log"), report::plain_counts));
    outcome
}

/// The crash suite: a server killed again and again under load.
fn crash(log: &Path) -> Outcome {
    if !crash_suite().is_file() {
        return Outcome::skipped("the crash suite is not there");
    }
    let arguments = [
        "test",
        "--release",
        "--locked",
        "-p",
        "lazuli-testkit",
        "--test",
        "crash",
        "--test",
        "crash_queues",
        "--test",
        "crash_tables",
        "--test",
        "full_disk",
    ];
    let mut command = process::cargo(&arguments);
    command.args(["--", "--nocapture", "--include-ignored"]);
    command.env("LAZULI_BINARY", workspace::lazuli_binary());
    counted(command, log, |output| Some(report::cargo_test_counts(output)))
}

/// The promises of the transparency log, held against the real programs.
fn receipts(log: &Path) -> Outcome {
    let suite = ["test", "--release", "--locked", "-p", "lazuli-testkit", "--test", "receipts"];
    let mut command = process::cargo(&suite);
    command.args(["--", "--nocapture", "--include-ignored"]);
    command.env("LAZULI_BINARY", workspace::lazuli_binary());
    counted(command, log, |output| Some(report::cargo_test_counts(output)))
}

/// Evidence as large as is promised, in the build that users verify it with.
fn large_bundle(log: &Path) -> Outcome {
    let suite = ["test", "--release", "--locked", "-p", "lazuli-verify", "--test", "it"];
    let mut command = process::cargo(&suite);
    command.args(["--", "--nocapture", "a_large_bundle_verifies"]);
    counted(command, log, |output| Some(report::cargo_test_counts(output)))
}

/// `cargo deny`; the licences are checked by `tidy` in any case.
fn deny(log: &Path) -> Outcome {
    if !process::is_installed("cargo-deny") {
        return Outcome::skipped("cargo-deny is not installed (`tidy` checked the licences)");
    }
    one_check(process::cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]), log)
}
