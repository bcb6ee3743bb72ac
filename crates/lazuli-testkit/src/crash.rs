//! What every crash suite does: clients at work until their server is killed, and the check of what
//! it left.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::server::{Server, binary};

/// Lets all actors `work` until the server is gone, which it is after `lifetime`.
///
/// The error is that of the first actor that met something other than the end of the server.
pub fn kill_under_load<A: Send>(
    server: Server,
    actors: &mut [A],
    lifetime: Duration,
    work: impl Fn(&mut A) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let work = &work;
    thread::scope(|scope| {
        let at_work: Vec<_> =
            actors.iter_mut().map(|actor| scope.spawn(move || work(actor))).collect();
        thread::sleep(lifetime);
        let killed = server.kill();
        for worker in at_work {
            worker.join().map_err(|_| "a client panicked")??;
        }
        killed.map_err(|error| error.to_string())
    })
}

/// Runs `lazuli fsck` over a data directory; the error is what it says.
pub fn check_directory(data: &Path) -> Result<(), String> {
    let checked = Command::new(binary()).arg("fsck").arg("--data").arg(data).output();
    let checked = checked.map_err(|error| format!("fsck: {error}"))?;
    if checked.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    Err(format!("fsck: {said}{}", String::from_utf8_lossy(&checked.stderr)))
}
