//! `lazuli version`.

use lazuli_model::ApiVersion;

use crate::failure::Failure;
use crate::output;

/// Prints the program's version and the newest service version it knows.
pub(crate) fn run() -> Result<(), Failure> {
    output::line(format!("lazuli {}", env!("CARGO_PKG_VERSION")))?;
    output::line(format!("service version {}", ApiVersion::NEWEST))
}
