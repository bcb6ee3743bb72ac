//! `lazuli log monitor`: follows a log and says what anybody should know of it.
//!
//! Every look takes the newest checkpoint, verifies its signature and its witnesses by the policy,
//! and holds the leaves that are new against it, on top of the tree that was seen before: a log that
//! took something back cannot lead to a root that it signed. What is seen is kept in a file.
//! A contradiction ends the command, with both checkpoints beside the file: they prove it.

mod look;
mod rules;
mod state;

use std::time::Duration;

use lazuli_tlog::Policy;
use lazuli_tlog::policy::POLICY_BYTES_MAX;

use self::look::{Look, Trouble};
use self::state::State;
use super::remote::Remote;
use crate::cli::LogMonitor;
use crate::failure::{Failure, While as _};
use crate::output;

/// Follows the log until it contradicts itself, or looks once.
pub(crate) fn run(arguments: &LogMonitor) -> Result<(), Failure> {
    let doing = format!("use the policy {}", arguments.policy.display());
    let policy = std::fs::read(&arguments.policy).or_fail(&doing)?;
    if policy.len() > POLICY_BYTES_MAX {
        return Err(Failure::usage(format!("cannot {doing}: it is too long")));
    }
    let policy = Policy::parse(&policy);
    let policy = policy.map_err(|error| Failure::usage(format!("cannot {doing}: {error}")))?;
    let remote = Remote::new(&arguments.url, arguments.ca_file.as_deref())?;
    let mut state = State::read(&arguments.state)?;
    loop {
        let mut look = Look::new(&remote, &policy);
        match look.take(&mut state) {
            Ok(()) => {
                state.write(&arguments.state)?;
                output::line(&look.seen)?;
            }
            Err(Trouble::Contradiction(what)) => {
                let evidence = state.keep_evidence(&arguments.state, look.signed.as_ref())?;
                return Err(Failure::new(format!("contradiction: {what}")).hint(evidence));
            }
            Err(Trouble::Failed(failure)) if arguments.once => return Err(failure),
            Err(Trouble::Failed(failure)) => output::failure(&failure),
        }
        look.notices.iter().for_each(output::notice);
        if arguments.once {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(arguments.interval));
    }
}
