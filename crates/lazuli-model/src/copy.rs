//! What a blob tells of the copy that wrote it.

use lazuli_base::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyStatus {
    /// It is under way.
    Pending,
    /// It is complete.
    Success,
    /// It was aborted.
    Aborted,
    /// It failed.
    Failed,
}

impl CopyStatus {
    /// The status as `x-ms-copy-status` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }
}

/// The last copy operation whose destination the blob was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyState {
    /// The operation's id.
    pub id: String,
    /// The source's URL, without its token's signature.
    pub source: String,
    /// How far it is.
    pub status: CopyStatus,
    /// Bytes copied.
    pub copied: u64,
    /// Bytes to copy.
    pub total: u64,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// Why it failed or was aborted.
    pub description: Option<String>,
}

impl CopyState {
    /// Progress as `x-ms-copy-progress` tells it.
    pub fn progress(&self) -> String {
        format!("{}/{}", self.copied, self.total)
    }
}
