//! `lazuli fsck --data DIR`: the offline check of everything.

use lazuli_engine::{Fsck, OpenError};

use crate::cli;
use crate::failure::Failure;
use crate::output;

/// Prints what was checked; fails if anything is damaged, each damage named by file and offset.
pub(crate) fn run(arguments: &cli::Fsck) -> Result<(), Failure> {
    let data = &arguments.data;
    let mut fsck = Fsck::open(data).map_err(|error| refused(&error))?;
    lazuli_store::fsck::check(&mut fsck).map_err(Failure::new)?;
    let report = fsck.finish();
    for damage in &report.damage {
        output::line(format!("damaged: {damage}"))?;
    }
    for (extent, bytes) in &report.torn {
        output::line(format!("cut off by a crash: extent {} after {bytes} bytes", extent.0))?;
    }
    output::line(format!(
        "checked {} commits, {} rows, {} extents with {} bytes; closed in good order: {}",
        report.commits,
        report.rows,
        report.extents,
        report.extent_bytes,
        if report.clean_shutdown { "yes" } else { "no" },
    ))?;
    match report.damage.len() {
        0 => output::line("clean"),
        1 => Err(Failure::new(format!("1 damage in {}", data.display()))),
        count => Err(Failure::new(format!("{count} damages in {}", data.display()))),
    }
}

fn refused(error: &OpenError) -> Failure {
    match error {
        OpenError::InUse(_) => Failure::new(error).hint("stop the server that uses it first"),
        _ => Failure::new(error),
    }
}
