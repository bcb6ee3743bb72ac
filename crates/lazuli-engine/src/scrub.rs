//! Scrub: verifying stored bytes while the store runs, one extent at a time.

use std::sync::Arc;

use crate::extent_files::blocking;
use crate::extent_files::walk::Walk;
use crate::{Engine, ExtentId, ExtentsError, Stats};

/// A byte that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, below the data directory.
    pub file: String,
    /// Offset of the damaged frame or row in the file, if it is known.
    pub offset: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{}, offset {offset}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl Damage {
    pub(crate) fn of_extent(extent: ExtentId, offset: u64, what: &str) -> Self {
        let file = format!("{}/{:016x}.ext", crate::state::EXTENTS_DIR, extent.0);
        Self { file, offset: Some(offset), what: what.to_owned() }
    }
}

impl Engine {
    /// Verifies every byte of one sealed extent (of [`crate::Extents::sealed`]); returns the first
    /// damage found. It reads at most 64 MiB or the size of a large payload at full speed: callers
    /// pause between extents to bound the rate.
    pub async fn scrub(&self, extent: ExtentId) -> Result<Option<Damage>, ExtentsError> {
        let Some(files) = self.files().map(Arc::clone) else { return Ok(None) };
        let damage = match blocking(move || files.verify(extent)).await? {
            Walk::Sealed => None,
            Walk::Unsealed { valid_len, .. } => {
                Some(Damage::of_extent(extent, valid_len, "no valid frame and no seal"))
            }
            Walk::Damaged { offset, what } => Some(Damage::of_extent(extent, offset, what)),
        };
        if let Some(damage) = &damage {
            tracing::error!(%damage, "scrub found damage");
            Stats::add(&self.stats.damage, 1);
        }
        Ok(damage)
    }
}
