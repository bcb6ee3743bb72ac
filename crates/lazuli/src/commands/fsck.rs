//! `lazuli fsck --data DIR`: the offline check of everything.

use lazuli_engine::{ExtentId, Fsck, OpenError};

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
    if let Some(why) = &report.unlocked {
        output::line(format!("note: checked without a lock: {why}"))?;
    }
    for line in cut_off(&report.torn) {
        output::line(line)?;
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

/// What a crash cut off. A spare extent that nothing was written to yet has lost nothing.
fn cut_off(torn: &[(ExtentId, u64)]) -> impl Iterator<Item = String> {
    let written = torn.iter().filter(|(_, bytes)| *bytes > 0);
    written.map(|(extent, bytes)| {
        format!("cut off by a crash: extent {} after {bytes} bytes", extent.0)
    })
}

fn refused(error: &OpenError) -> Failure {
    match error {
        OpenError::InUse(_) => Failure::new(error).hint("stop the server that uses it first"),
        _ => Failure::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_extents_are_not_told() {
        let torn = [(ExtentId(4), 0), (ExtentId(5), 17), (ExtentId(6), 0)];
        let told: Vec<String> = cut_off(&torn).collect();
        assert_eq!(told, ["cut off by a crash: extent 5 after 17 bytes"]);
    }
}
