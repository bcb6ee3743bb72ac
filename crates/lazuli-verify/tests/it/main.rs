//! The verifier against logs and bundles as a server writes them, whole, altered and hostile.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod builder;
mod bundle_builder;
mod bundles;
mod forks;
mod hostile;
mod left_out;
mod logs;
mod program;
mod receipts;
mod vectors;

use lazuli_tlog::policy::Policy;
use lazuli_verify::folder::Folder;
use lazuli_verify::report::Report;

/// The policy of the tests.
fn policy() -> Policy {
    Policy::parse(builder::policy_text().as_bytes()).unwrap()
}

/// The report on a log in a folder.
fn log_report(folder: &std::path::Path) -> Report {
    let mut report = Report::new();
    lazuli_verify::log::check(&Folder::new(folder), &policy(), None, &mut report);
    report
}

/// The report on a bundle in a folder.
fn bundle_report(folder: &std::path::Path) -> Report {
    let mut report = Report::new();
    lazuli_verify::bundle::check(&Folder::new(folder), &policy(), &mut report);
    report
}
