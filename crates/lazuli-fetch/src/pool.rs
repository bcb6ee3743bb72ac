//! Connections that were used and may be used again, for a short while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::target::Target;

/// The most connections that are kept.
const IDLE_MAX: usize = 32;

/// The most connections that are kept to one host.
const IDLE_PER_HOST_MAX: usize = 8;

/// How long one is kept: less than servers keep theirs.
const IDLE: Duration = Duration::from_secs(15);

/// Scheme, host and port.
type Place = (bool, String, u16);

fn place(target: &Target) -> Place {
    (target.is_secure(), target.host().to_owned(), target.port())
}

/// The idle connections.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<(Place, Instant, Connection)>>);

impl Pool {
    /// Takes the connection to a host that was used last.
    pub(crate) fn take(&self, target: &Target) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since, _)| since.elapsed() < IDLE);
        let wanted = place(target);
        let found = idle.iter().rposition(|(place, ..)| *place == wanted)?;
        Some(idle.remove(found).2)
    }

    /// Keeps a connection, in place of the oldest if there is no room.
    pub(crate) fn keep(&self, target: &Target, connection: Connection) {
        if !connection.is_clean() {
            return;
        }
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since, _)| since.elapsed() < IDLE);
        let wanted = place(target);
        let of_host = idle.iter().filter(|(place, ..)| *place == wanted).count();
        if of_host >= IDLE_PER_HOST_MAX {
            return;
        }
        if idle.len() >= IDLE_MAX {
            idle.remove(0);
        }
        idle.push((wanted, Instant::now(), connection));
    }
}
