//! What is measured of finding and listing among much that is not asked for.

use super::Scale;
use super::contender::{Contender, Kind};
use super::items::{fill, row};
use super::table::{Row, Unit};

/// Blobs whose snapshots are passed over.
const SNAPSHOT_BLOBS: u64 = 1_000;

/// Blobs with the rare tag.
const FOUND: &str = "10";

/// Finding the few blobs with a rare tag among many that share another one.
pub(super) fn tags(scale: &Scale) -> Result<Vec<Row>, String> {
    let blobs = scale.many_blobs;
    let title = |text: &str| format!("Find Blobs by Tags, {FOUND} of {blobs}, {text}");
    let mut half = row(title("median"), Unit::Microseconds, "20 ms");
    let mut worst = row(title("slowest"), Unit::Microseconds, "20 ms");
    let mut tagging = row("Set Blob Tags, 64 connections", Unit::PerSecond, "");
    let server = Contender::start(Kind::Lazuli)?;
    fill(&server, blobs)?;
    let ops = blobs.to_string();
    let tagged = server.load("tag", &["--ops", &ops, "--connections", "64"])?;
    tagging.add(Kind::Lazuli, &tagged, "ops_per_second");
    for _ in 0..scale.rounds {
        let measured = server.load("find", &["--ops", "50", "--count", FOUND])?;
        half.add(Kind::Lazuli, &measured, "p50_us");
        worst.add(Kind::Lazuli, &measured, "max_us");
    }
    server.stop()?;
    Ok(vec![tagging, half, worst])
}

/// Listing blobs that have many snapshots, which are not asked for.
pub(super) fn snapshots(scale: &Scale) -> Result<Vec<Row>, String> {
    let each = scale.many_blobs / SNAPSHOT_BLOBS;
    let title = |text: &str| format!("List Blobs, {SNAPSHOT_BLOBS} blobs, {text}");
    let mut without = row(title("no snapshots"), Unit::Microseconds, "");
    let mut with =
        row(title(&format!("{each} snapshots each")), Unit::Microseconds, "5 times that without");
    let server = Contender::start(Kind::Lazuli)?;
    fill(&server, SNAPSHOT_BLOBS)?;
    for _ in 0..scale.rounds {
        let measured = server.load("list", &["--ops", "40"])?;
        without.add(Kind::Lazuli, &measured, "p50_us");
    }
    let (ops, count) = ((SNAPSHOT_BLOBS * each).to_string(), SNAPSHOT_BLOBS.to_string());
    server.load("snapshot", &["--ops", &ops, "--count", &count, "--connections", "64"])?;
    for _ in 0..scale.rounds {
        let measured = server.load("list", &["--ops", "40"])?;
        with.add(Kind::Lazuli, &measured, "p50_us");
    }
    server.stop()?;
    Ok(vec![without, with])
}
