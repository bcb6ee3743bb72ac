//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! Every finding names a file and, where there is one, a line. Exceptions are listed with a reason
//! in `xtask/exceptions.txt`; one that is not needed any more is a finding itself.

mod arrows;
mod exceptions;
mod licences;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::report::Outcome;
use crate::{process, workspace};
use exceptions::Exceptions;

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, from the root of the repository.
    path: String,
    /// The line, counted from 1; 0 speaks of the whole file.
    line: usize,
    /// The rule's short name, by which an exception can be made.
    rule: &'static str,
    /// What is wrong.
    message: String,
}

impl Finding {
    /// A finding at a line, or about a whole file at line 0.
    fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }
}

/// Runs all checks and prints the findings; `false` means that there are some.
pub(crate) fn command() -> bool {
    let outcome = check();
    for note in &outcome.notes {
        println!("{note}");
    }
    println!("{} passed, {} failed", outcome.passed, outcome.failed);
    outcome.failed == 0
}

/// Runs all checks; every checked file and dependency that is in order counts as passed.
pub(crate) fn check() -> Outcome {
    match findings() {
        Ok((checked, findings)) => {
            let mut paths: Vec<&str> = findings.iter().map(|found| found.path.as_str()).collect();
            paths.sort_unstable();
            paths.dedup();
            Outcome {
                passed: checked.saturating_sub(paths.len() as u64),
                failed: findings.len() as u64,
                notes: findings
                    .iter()
                    .map(|Finding { path, line, rule, message }| {
                        format!("{path}:{line}: {message} [{rule}]")
                    })
                    .collect(),
                log: None,
            }
        }
        Err(message) => Outcome::failed(message),
    }
}

/// The number of things looked at, and what was found.
fn findings() -> Result<(u64, Vec<Finding>), String> {
    let files = files()?;
    let mut findings = Vec::new();
    for path in &files {
        let bytes = fs::read(workspace::root().join(path)).unwrap_or_default();
        let Ok(text) = String::from_utf8(bytes) else {
            continue; // Seeds of the fuzz targets and fixtures need not be text.
        };
        let path = path.to_string_lossy();
        findings.extend(sources::check(&path, &text));
    }
    let metadata = metadata()?;
    findings.extend(arrows::check(&metadata)?);
    let (packages, licence_findings) = licences::check(&metadata)?;
    findings.extend(licence_findings);
    let exceptions = Exceptions::read()?;
    Ok((files.len() as u64 + packages, exceptions.apply(findings)))
}

/// The files of the repository: what git knows or would add.
fn files() -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .current_dir(workspace::root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|error| format!("cannot start `git`: {error}"))?;
    if !output.status.success() {
        return Err("`git ls-files` failed: tidy wants a git checkout".to_owned());
    }
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(list
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|path| workspace::root().join(path).is_file())
        .collect())
}

/// What cargo knows about the workspace and all its dependencies.
fn metadata() -> Result<Value, String> {
    let log = workspace::scratch().join("logs").join("metadata.json");
    let mut command = process::cargo(&["metadata", "--format-version=1", "--locked", "--quiet"]);
    let output = process::run(&mut command, &log, Duration::from_mins(5))?.ok("cargo metadata")?;
    // Cargo may warn before the one line of JSON.
    let json = output.lines().find(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(json).map_err(|error| format!("cargo metadata: {error}"))
}

/// The list of packages in what cargo told.
fn packages(metadata: &Value) -> Result<&Vec<Value>, String> {
    metadata["packages"].as_array().ok_or_else(|| "cargo metadata names no packages".to_owned())
}

/// A text field of a package.
fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// The manifest of a package of the workspace, from the root of the repository.
fn manifest(package: &Value) -> String {
    workspace::relative(Path::new(text(package, "manifest_path")))
}
