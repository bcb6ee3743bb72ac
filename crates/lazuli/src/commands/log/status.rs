//! `lazuli log status`: how the log of a running server is.

use serde_json::Value;

use super::remote::Remote;
use crate::cli::LogStatus;
use crate::failure::{Failure, While as _};
use crate::output;

/// The most bytes of a status.
const STATUS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Prints the status; fails if the log takes no entry.
pub(crate) fn run(arguments: &LogStatus) -> Result<(), Failure> {
    let remote = Remote::of_admin(&arguments.admin.admin)?;
    if arguments.json {
        return output::bytes(&remote.need("status", STATUS_BYTES_MAX)?);
    }
    let status = read(&remote)?;
    output::bytes(text(&status).as_bytes())?;
    match status["paused"].as_str() {
        Some(why) => Err(Failure::new(format!("the log takes no entry: {why}"))),
        None => Ok(()),
    }
}

/// The status of a running log.
pub(super) fn read(remote: &Remote) -> Result<Value, Failure> {
    let bytes = remote.need("status", STATUS_BYTES_MAX)?;
    serde_json::from_slice(&bytes).or_fail("read the status")
}

/// A value without the quotes of a text; `-` where there is none.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The leaves that witnesses vouch for, and whether that is too few.
fn witnessed(status: &Value) -> String {
    let (told, size) = (plain(&status["witnessed"]), status["witnessed"].as_u64().unwrap_or(0));
    if status["unwitnessed"] != true {
        return told;
    }
    let behind = status["checkpoint"]["size"].as_u64().unwrap_or(0).saturating_sub(size);
    format!("{told}, UNWITNESSED: {behind} leaves behind")
}

/// The status as lines of a name and what there is to say.
fn text(status: &Value) -> String {
    let checkpoint = &status["checkpoint"];
    let gap = match &status["gap"] {
        Value::Null => "none".to_owned(),
        gap => format!("{} to {}", plain(&gap["from"]), plain(&gap["to"])),
    };
    let mut lines = vec![
        ("origin", plain(&status["origin"])),
        ("site", format!("{}, start {}", plain(&status["site"]), plain(&status["boot"]))),
        ("leaves", plain(&status["size"])),
        ("checkpoint", format!("{} at {}", plain(&checkpoint["size"]), plain(&checkpoint["time"]))),
        ("witnessed", witnessed(status)),
        (
            "segments",
            format!("{}, {} waiting", plain(&status["segments"]), plain(&status["waiting"])),
        ),
        ("last gap", gap),
    ];
    for witness in status["witnesses"].as_array().into_iter().flatten() {
        let name = plain(&witness["name"]);
        let error = witness["error"].as_str().map(|error| format!(" ({error})"));
        let told = format!(
            "{name} {}: {} leaves behind, cosigned {}{}",
            plain(&witness["url"]),
            plain(&witness["lag"]),
            plain(&witness["cosigned"]),
            error.unwrap_or_default(),
        );
        lines.push(("witness", told));
    }
    let lines = lines.into_iter().map(|(name, told)| format!("{name:11} {told}\n"));
    lines.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_is_told_in_lines() {
        let witness = json!({ "name": "w", "url": "http://w:80", "lag": 7, "error": "late" });
        let status = json!({
            "origin": "log.test", "site": 1, "boot": 3, "size": 12, "segments": 9, "waiting": 0,
            "checkpoint": { "size": 11, "time": "T" }, "witnesses": [witness],
        });
        let want = "origin      log.test\nsite        1, start 3\nleaves      12\n\
                    checkpoint  11 at T\nwitnessed   -\nsegments    9, 0 waiting\n\
                    last gap    none\n\
                    witness     w http://w:80: 7 leaves behind, cosigned - (late)\n";
        assert_eq!(text(&status), want);
        let status = json!({
            "unwitnessed": true, "witnessed": 8, "checkpoint": { "size": 31, "time": "T" },
        });
        let want = "\nwitnessed   8, UNWITNESSED: 23 leaves behind\n";
        assert!(text(&status).contains(want), "{}", text(&status));
    }
}
