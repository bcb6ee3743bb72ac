//! `lazuli man [DIR]`.

use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::{Failure, While as _};
use crate::output;

/// Prints the manual page of `lazuli`, or writes one for it and each command into `dir`.
pub(crate) fn run(dir: Option<&Path>) -> Result<(), Failure> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page).or_fail("render the manual page")?;
        return output::bytes(&page);
    };
    std::fs::create_dir_all(dir).or_fail(format!("create {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir)
        .or_fail(format!("write manual pages to {}", dir.display()))
}
