//! Coverage-guided fuzzing on the stable toolchain: the targets of `fuzz/`, a short run each.
//!
//! The compiler's own coverage pass is switched on with code generation flags instead of the
//! nightly-only `-Z` options, and without a sanitizer. A run that shows no feedback from the
//! instrumented code fails, so that a change of the compiler cannot silently turn the fuzzing
//! into a random search.
//!
//! Reference: <https://llvm.org/docs/LibFuzzer.html>.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::report::Outcome;
use crate::{process, setup, workspace};

/// The compiler flags that give LibFuzzer its feedback.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions=on -Coverflow-checks=on";

/// How long each target runs unless `LAZULI_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 30;

/// The longest that building the targets may take, beside other work.
const BUILD_LIMIT: Duration = Duration::from_mins(50);

/// The fewest instrumented places that a target which reaches our code can have.
const COUNTERS_MIN: u64 = 200;

/// Builds the targets and runs each of them, as many at once as there are cores; every target counts
/// as one test.
pub(crate) fn run(log: &Path) -> Outcome {
    let binaries = match build(log, false) {
        Ok(folder) => folder,
        Err(message) => return Outcome::failed(message),
    };
    let targets = match targets() {
        Ok(targets) => targets,
        Err(message) => return Outcome::failed(message),
    };
    // A target has one thread and shares nothing with its neighbours.
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let outcome = Mutex::new(Outcome::default());
    thread::scope(|scope| {
        for _ in 0..cores.min(targets.len()) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = match run_target(&binaries, target) {
                        Ok(()) => Outcome::passed(),
                        Err(message) => Outcome::failed(format!("{target}: {message}")),
                    };
                    outcome.lock().unwrap_or_else(PoisonError::into_inner).add(ran);
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the targets with what the processors have left beside other steps.
pub(crate) fn build_idly(log: &Path) -> Outcome {
    // The C++ compiler that the library of the targets asks for is one of the packages.
    match setup::install_debian().and_then(|()| build(log, true)) {
        Ok(_) => Outcome::passed(),
        Err(message) => Outcome::failed(message),
    }
}

/// How long each target runs, in seconds.
fn seconds() -> u64 {
    env::var("LAZULI_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// The names of the targets: the files in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>, String> {
    let folder = workspace::root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    if names.is_empty() { Err("fuzz/fuzz_targets is empty".to_owned()) } else { Ok(names) }
}

/// Builds all targets and gives the folder with their binaries.
fn build(log: &Path, idly: bool) -> Result<PathBuf, String> {
    let target = workspace::target().join("fuzz-build");
    // Naming the platform keeps the flags away from build scripts and procedural macros.
    let platform = host_platform()?;
    let mut command = process::cargo(&["build", "--release", "--target", &platform]);
    command.arg("--manifest-path").arg(workspace::root().join("fuzz/Cargo.toml"));
    command.env("RUSTFLAGS", RUSTFLAGS).env("CARGO_TARGET_DIR", &target);
    if idly {
        command = process::niced(&command);
    }
    process::run(&mut command, log, BUILD_LIMIT)?.ok("building the fuzz targets")?;
    Ok(target.join(platform).join("release"))
}

/// The platform that the compiler builds for by itself, as `x86_64-unknown-linux-gnu`.
fn host_platform() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc names no host platform".to_owned())
}

/// Runs one target from its seeds and from what earlier runs found.
fn run_target(binaries: &Path, target: &str) -> Result<(), String> {
    let corpus = workspace::scratch().join("fuzz").join(target);
    let artifacts = workspace::scratch().join("fuzz-failures");
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let seconds = seconds();
    let mut command = Command::new(binaries.join(target));
    command.current_dir(workspace::scratch());
    command.args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=8192", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/{target}-", artifacts.display()));
    let dictionary = workspace::root().join("fuzz/azure.dict");
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(&corpus);
    let seeds = workspace::root().join("fuzz/seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let log = workspace::scratch().join("logs").join(format!("fuzz-{target}.log"));
    let output = process::run(&mut command, &log, Duration::from_secs(seconds + 60))?
        .ok("found something (the input is in target/xtask/fuzz-failures)")?;
    feedback(&output)
}

/// Checks that the run was guided: enough instrumented places, and some of them reached.
fn feedback(output: &str) -> Result<(), String> {
    let counters = output
        .lines()
        .find(|line| line.contains("inline 8-bit counters"))
        .and_then(|line| line.split_once('(')?.1.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    if counters < COUNTERS_MIN {
        return Err(format!("only {counters} instrumented places: the coverage pass did not run"));
    }
    let last = output.lines().rev().find_map(|line| line.split_once(" cov: "));
    let reached =
        last.and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    if reached < 10 {
        return Err(format!("only {reached} instrumented places reached: no feedback"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::feedback;

    #[test]
    fn a_run_without_feedback_fails() {
        let guided = "INFO: Loaded 1 modules   (2114 inline 8-bit counters): 2114 [0x1, 0x2), \n\
                      #2\tINITED cov: 8 ft: 8\n#9\tDONE   cov: 110 ft: 10 corp: 2/3b\n";
        assert_eq!(feedback(guided), Ok(()));
        assert!(feedback(&guided.replace("2114", "4")).is_err());
        assert!(feedback(&guided.replace("cov: 110", "cov: 1")).is_err());
        assert!(feedback("").is_err());
    }
}
