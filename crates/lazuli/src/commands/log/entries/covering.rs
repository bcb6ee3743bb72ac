//! The checkpoint of a bundle: one that covers what is in it, and that witnesses vouch for.
//!
//! What is shown last was closed a moment ago. A checkpoint covers it within a second or two, and
//! witnesses follow within another few, so they are waited for while they are well.

use std::time::{Duration, Instant};

use lazuli_tlog::SignedCheckpoint;
use serde_json::Value;

use crate::commands::log::remote::Remote;
use crate::commands::log::status;
use crate::failure::Failure;
use crate::output;

/// The longest that a checkpoint is waited for.
const CHECKPOINT_MAX: Duration = Duration::from_secs(10);

/// The longest that witnesses are waited for: those who take longer count as away.
const WITNESSES_MAX: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// A checkpoint that covers a leaf: with a quorum of witnesses, unless they are away.
pub(super) fn covering(remote: &Remote, leaf: Option<u64>) -> Result<SignedCheckpoint, Failure> {
    let covers =
        |signed: &SignedCheckpoint| leaf.is_none_or(|leaf| leaf < signed.checkpoint().head().size);
    let (begun, mut is_told) = (Instant::now(), false);
    loop {
        // In this order: where no witness is needed, the witnessed one is never behind.
        let signed = remote.checkpoint("checkpoint")?.filter(covers);
        if let Some(signed) = remote.checkpoint("witnessed")?.filter(covers) {
            return Ok(signed);
        }
        if let Some(signed) = signed {
            let is_late = begun.elapsed() >= WITNESSES_MAX;
            if is_late || !are_well(&status::read(remote)?) {
                output::notice(&UNWITNESSED.to_owned());
                return Ok(signed);
            }
            if !is_told {
                let seconds = WITNESSES_MAX.as_secs();
                output::notice(&format!(
                    "note: waiting up to {seconds} s until witnesses vouch for the newest entry"
                ));
                is_told = true;
            }
        } else if begun.elapsed() >= CHECKPOINT_MAX {
            return Err(Failure::new("the log has no checkpoint of what it shows"));
        }
        std::thread::sleep(LOOK);
    }
}

const UNWITNESSED: &str = "note: no quorum of witnesses vouches for the newest entry yet: this bundle is \
    UNWITNESSED; `lazuli log status` tells how the witnesses are";

/// Whether witnesses are asked, and enough of them answer.
fn are_well(status: &Value) -> bool {
    let are_asked = status["witnesses"].as_array().is_some_and(|asked| !asked.is_empty());
    are_asked && status["unwitnessed"] == false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn witnesses_are_well_if_they_are_asked_and_follow() {
        let status = |witnesses: &[&str], unwitnessed| json!({ "witnesses": witnesses, "unwitnessed": unwitnessed });
        assert!(are_well(&status(&["w"], false)));
        assert!(!are_well(&status(&["w"], true)) && !are_well(&status(&[], false)));
        assert!(!are_well(&json!({})));
    }
}
