//! `cargo xtask bench`: Lazuli beside Azurite, and beside what the machine itself can do.
//!
//! Both servers get the same requests from the same load generator, by turns, each round on a
//! fresh server and data directory; the table shows medians. Lazuli is the release build with its
//! durable default, Azurite is as it comes. Nothing is asserted here: a number that misses its
//! goal is shown beside it.

mod contender;
mod items;
mod limits;
mod lists;
mod table;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::{Selection, process, setup, workspace};
use table::Row;

/// How much is measured.
pub(crate) struct Scale {
    /// Rounds of each item; the table shows their medians.
    rounds: usize,
    /// How long each measurement of small requests runs, in seconds.
    seconds: u64,
    /// Blobs in the large container.
    many_blobs: u64,
    /// Entities in the large table.
    many_entities: u64,
    /// Messages in the long queue.
    many_messages: u64,
    /// Times that each blob is overwritten when the use of space is measured.
    churn_rounds: u64,
}

/// A whole run.
const FULL: Scale = Scale {
    rounds: 3,
    seconds: 5,
    many_blobs: 1_000_000,
    many_entities: 1_000_000,
    many_messages: 1_000_000,
    churn_rounds: 50,
};

/// A run to see that everything works.
const QUICK: Scale = Scale {
    rounds: 1,
    seconds: 2,
    many_blobs: 50_000,
    many_entities: 100_000,
    many_messages: 100_000,
    churn_rounds: 5,
};

/// Measures one thing and gives its rows of the table.
type Item = fn(&Scale) -> Result<Vec<Row>, String>;

/// Everything that is measured, in order.
const ITEMS: &[(&str, &str, Item)] = &[
    ("small", "4 KiB Put Blob and Get Blob at 1, 16 and 64 connections", items::small),
    ("large", "64 MiB as one Put Blob, and Get Blob of it", items::large),
    ("blocks", "1 GiB as Put Blocks of 8 MiB and a list, and Get Blob of it", items::blocks),
    ("append", "4 KiB Append Block to one blob from 16 connections", items::append),
    ("query", "a query of 1 GiB of delimited text", items::query),
    ("pages", "4 KiB Put Page at random, snapshot and copy of a large page blob", items::pages),
    ("log", "what the transparency log costs", items::log),
    ("many", "listing, start and memory with many blobs", items::many),
    ("tags", "finding 10 blobs by their tags among many", lists::tags),
    ("list-snapshots", "listing blobs that have many snapshots", lists::snapshots),
    ("idle", "start and memory with an empty store", items::idle),
    ("table", "entities: insert, upsert in transactions, point and range reads", items::table),
    ("queue", "messages: put, got and deleted while few and many wait", items::queue),
    ("space", "use of space after overwriting 200 blobs of 1 MiB", items::space),
];

/// Runs the chosen items and prints the table.
pub(crate) fn command(selection: &Selection) -> Result<bool, String> {
    let names: Vec<&str> = ITEMS.iter().map(|(name, _, _)| *name).collect();
    if let Some(name) = selection.unknown(&names) {
        return Err(format!("no item `{name}`; the items are: {}", names.join(" ")));
    }
    if selection.list {
        for (name, about, _) in ITEMS {
            println!("{name:8} {about}");
        }
        return Ok(true);
    }
    prepare()?;
    let scale = if selection.short { QUICK } else { FULL };
    let mut rows = Vec::new();
    for (name, about, measure) in ITEMS {
        if selection.only.is_empty() || selection.names(name) {
            println!("==> {name:8} {about}");
            rows.extend(measure(&scale)?);
        }
    }
    let table = table::markdown(&rows);
    let machine = machine();
    println!("\n{machine}\n\n{table}");
    save(&rows, &machine, &table)?;
    Ok(true)
}

/// Where the results and the data of the servers lie: on the disk that is measured.
pub(crate) fn folder() -> PathBuf {
    workspace::target().join("bench")
}

/// Builds and installs what is measured and what measures.
fn prepare() -> Result<(), String> {
    fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    println!("==> prepare  build Lazuli and the load generator, install Azurite");
    let log = workspace::scratch().join("logs").join("bench-build.log");
    let mut build = process::cargo(&["build", "--release", "--locked"]);
    build.args(["-p", "lazuli-loadgen"]);
    if workspace::given_binary().is_none() {
        build.args(["-p", "lazuli"]);
    }
    process::run(&mut build, &log, Duration::from_mins(25))?.ok("cargo build --release")?;
    setup::install_azurite()
}

/// The machine and what is compared on it, in a line.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} x {model}, Linux {}, {}", kernel.trim(), setup::azurite_version())
}

/// Saves the rows as JSON and the table as it was printed.
fn save(rows: &[Row], machine: &str, table: &str) -> Result<(), String> {
    let second = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
    let result = json!({ "unix_seconds": second, "machine": machine, "rows": rows });
    for (name, text) in [
        (format!("{second}.json"), format!("{result:#}\n")),
        (format!("{second}.md"), format!("{machine}\n\n{table}")),
    ] {
        let path = folder().join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("saved {}", workspace::relative(&path));
    }
    Ok(())
}
