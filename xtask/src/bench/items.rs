//! What is measured: each function is one item of the list in `bench.rs`.

use std::thread;
use std::time::Duration;

use super::Scale;
use super::contender::{Contender, Kind, Measurement};
use super::limits;
use super::table::{Row, Unit};

/// One mebibyte, in bytes.
const MIB: u64 = 1 << 20;

/// The blobs in the small container, beside which the large one is held.
const FEW_BLOBS: u64 = 10_000;

/// Append blobs made ahead: each takes 50,000 blocks, and the next one goes on from there.
const APPEND_BLOBS: u64 = 20;

/// Blobs overwritten when the use of space is measured, of a mebibyte each.
const CHURN_BLOBS: u64 = 200;

/// How long after the last write the use of space is looked at.
const CHURN_PAUSE: Duration = Duration::from_secs(10);

/// An empty row.
pub(super) fn row(what: impl Into<String>, unit: Unit, goal: &'static str) -> Row {
    Row {
        what: what.into(),
        lazuli: Vec::new(),
        azurite: Vec::new(),
        limit: None,
        unit,
        goal,
        client_cpu: Vec::new(),
    }
}

impl Row {
    /// Adds one round's number of a measurement.
    pub(super) fn add(&mut self, kind: Kind, measurement: &Measurement, number: &str) {
        match kind {
            Kind::Lazuli | Kind::Unlogged => {
                self.lazuli.push(measurement.number(number));
                self.client_cpu.push(measurement.number("cpu_share"));
            }
            Kind::Azurite => self.azurite.push(measurement.number(number)),
        }
    }

    /// Adds one round's number of the machine itself.
    fn add_limit(&mut self, name: &'static str, value: f64) {
        self.limit.get_or_insert_with(|| (name, Vec::new())).1.push(value);
    }
}

/// 4 KiB Put Blob and Get Blob at several numbers of connections.
pub(super) fn small(scale: &Scale) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for connections in ["1", "16", "64"] {
        let goal = if connections == "16" { "20 times" } else { "" };
        let named = |text: &str| format!("{text}, {connections} connections");
        let mut put = row(named("Put Blob 4 KiB"), Unit::PerSecond, goal);
        let mut put_tail = row(named("Put Blob 4 KiB p99"), Unit::Microseconds, "lower");
        let mut get = row(named("Get Blob 4 KiB"), Unit::PerSecond, goal);
        let mut get_tail = row(named("Get Blob 4 KiB p99"), Unit::Microseconds, "lower");
        for _ in 0..scale.rounds {
            put.add_limit("single writer, fdatasync each", limits::durable_appends(4096, 500)?);
            for kind in Kind::BOTH {
                let server = Contender::start(kind)?;
                let seconds = scale.seconds.to_string();
                let common = ["--connections", connections, "--seconds", &seconds];
                let measured = server.load("put", &common)?;
                put.add(kind, &measured, "ops_per_second");
                put_tail.add(kind, &measured, "p99_us");
                let count = format!("{:.0}", measured.number("ops"));
                let count = ["--count", &count];
                let measured = server.load("get", &[&common[..], &count[..]].concat())?;
                get.add(kind, &measured, "ops_per_second");
                get_tail.add(kind, &measured, "p99_us");
            }
        }
        rows.extend([put, put_tail, get, get_tail]);
    }
    Ok(rows)
}

/// 4 KiB Append Block to one blob.
pub(super) fn append(scale: &Scale) -> Result<Vec<Row>, String> {
    let named = |text: &str| format!("Append Block 4 KiB{text}, one blob, 16 connections");
    let mut speed = row(named(""), Unit::PerSecond, "10 times");
    let mut tail = row(named(" p99"), Unit::Microseconds, "lower");
    let (seconds, blobs) = (scale.seconds.to_string(), APPEND_BLOBS.to_string());
    for _ in 0..scale.rounds {
        speed.add_limit("single writer, fdatasync each", limits::durable_appends(4096, 500)?);
        for kind in Kind::BOTH {
            let server = Contender::start(kind)?;
            server.load("append-blobs", &["--ops", &blobs])?;
            let arguments = ["--connections", "16", "--seconds", &seconds, "--count", &blobs];
            let measured = server.load("append", &arguments)?;
            speed.add(kind, &measured, "ops_per_second");
            tail.add(kind, &measured, "p99_us");
            server.stop()?;
        }
    }
    Ok(vec![speed, tail])
}

/// 4 KiB Put Page at random places of one blob; and a snapshot and a copy of a large one.
pub(super) fn pages(scale: &Scale) -> Result<Vec<Row>, String> {
    let named = |text: &str| format!("Put Page 4 KiB{text}, one blob, 16 connections");
    let mut speed = row(named(""), Unit::PerSecond, "10 times");
    let mut tail = row(named(" p99"), Unit::Microseconds, "lower");
    // A short run makes do with less.
    let large = if scale.rounds > 1 { 10_240 * MIB } else { 1024 * MIB };
    let gibibytes = large / (1024 * MIB);
    let about = |text: &str| format!("{text} of a page blob of {gibibytes} GiB, p99");
    let mut snapshot = row(about("Snapshot Blob"), Unit::Microseconds, "10 ms");
    let mut copy = row(about("Copy Blob"), Unit::Microseconds, "10 ms");
    let seconds = scale.seconds.to_string();
    for _ in 0..scale.rounds {
        speed.add_limit("single writer, fdatasync each", limits::durable_appends(4096, 500)?);
        for kind in Kind::BOTH {
            let server = Contender::start(kind)?;
            server.load("page-blobs", &["--ops", "1", "--bytes", &(256 * MIB).to_string()])?;
            let arguments = ["--connections", "16", "--seconds", &seconds, "--count", "65536"];
            let measured = server.load("put-page", &arguments)?;
            speed.add(kind, &measured, "ops_per_second");
            tail.add(kind, &measured, "p99_us");
            server.stop()?;
        }
        let server = Contender::start(Kind::Lazuli)?;
        server.load("page-blobs", &["--ops", "1", "--bytes", &large.to_string()])?;
        let writes = (large / (4 * MIB)).to_string();
        let full = ["--ops", &writes, "--count", &writes, "--bytes", &(4 * MIB).to_string()];
        server.load("fill-pages", &[&full[..], &["--connections", "4"]].concat())?;
        snapshot.add(Kind::Lazuli, &server.load("snapshot", &["--ops", "50"])?, "p99_us");
        copy.add(Kind::Lazuli, &server.load("copy", &["--ops", "50"])?, "p99_us");
        server.stop()?;
    }
    Ok(vec![speed, tail, snapshot, copy])
}

/// What the transparency log costs: the same writes and reads with it and without.
pub(super) fn log(scale: &Scale) -> Result<Vec<Row>, String> {
    let mut put =
        row("Put Blob 4 KiB, 16 connections, logged", Unit::PerSecond, "85 % of unlogged");
    let mut tail = row("Put Blob 4 KiB p99, logged", Unit::Microseconds, "2 ms more than unlogged");
    let mut get = row("Get Blob 4 KiB, 16 connections, logged", Unit::PerSecond, "");
    let mut grown = row("disk of a million writes of 4 KiB, logged", Unit::Bytes, "");
    let seconds = scale.seconds.to_string();
    let common = ["--connections", "16", "--seconds", &seconds];
    for _ in 0..scale.rounds {
        for kind in [Kind::Lazuli, Kind::Unlogged] {
            let server = Contender::start(kind)?;
            let written = server.load("put", &common)?;
            let count = format!("{:.0}", written.number("ops"));
            let read = server.load("get", &[&common[..], &["--count", &count]].concat())?;
            let bytes = server.disk_bytes()? as f64 / written.number("ops") * 1e6;
            for (row, measured, number) in [
                (&mut put, &written, "ops_per_second"),
                (&mut tail, &written, "p99_us"),
                (&mut get, &read, "ops_per_second"),
            ] {
                match kind {
                    Kind::Lazuli => row.add(kind, measured, number),
                    _ => row.add_limit("unlogged", measured.number(number)),
                }
            }
            match kind {
                Kind::Lazuli => grown.lazuli.push(bytes),
                _ => grown.add_limit("unlogged", bytes),
            }
            server.stop()?;
        }
    }
    Ok(vec![put, tail, get, grown])
}

/// Large Put Blobs, one at a time and four at once, and reading them.
pub(super) fn large(scale: &Scale) -> Result<Vec<Row>, String> {
    let bytes = 64 * MIB;
    let size = bytes.to_string();
    let mut rows = Vec::new();
    for (connections, ops) in [("1", 5_u64), ("4", 12)] {
        let named = |text: &str| format!("{text}, {connections} connections");
        let goal = "5 times; 70 % of the disk";
        let mut put = row(named("Put Blob 64 MiB"), Unit::BytesPerSecond, goal);
        // Each answer has the MD5 of its body, which is computed from its first byte to its last.
        let mut hashed = row(named("Put Blob 64 MiB, beside MD5"), Unit::BytesPerSecond, "");
        let mut get = row(named("Get Blob 64 MiB"), Unit::BytesPerSecond, "60 % of loopback");
        for _ in 0..scale.rounds {
            for kind in Kind::BOTH {
                put.add_limit("durable write", limits::durable_write(bytes, ops)?);
                hashed.add_limit("one MD5 stream", limits::md5_stream(bytes));
                let server = Contender::start(kind)?;
                // The first one is not counted: connections, files and caches are made by it.
                server.load("put-large", &["--ops", "1", "--bytes", &size, "--first", "900"])?;
                let many = ["--ops", &ops.to_string(), "--connections", connections];
                let measured =
                    server.load("put-large", &[&many[..], &["--bytes", &size]].concat())?;
                put.add(kind, &measured, "bytes_per_second");
                hashed.add(kind, &measured, "bytes_per_second");
                get.add_limit("loopback copy", limits::loopback_copy(bytes)?);
                let measured = server.load("get-large", &many)?;
                get.add(kind, &measured, "bytes_per_second");
            }
        }
        rows.extend([put, hashed, get]);
    }
    Ok(rows)
}

/// A blob of 1 GiB in blocks, and reading it.
pub(super) fn blocks(scale: &Scale) -> Result<Vec<Row>, String> {
    let bytes = 1024 * MIB;
    let size = bytes.to_string();
    let goal = "5 times; 70 % of the disk";
    let mut put = row("1 GiB as 8 MiB Put Blocks", Unit::BytesPerSecond, goal);
    let mut get = row("Get Blob 1 GiB", Unit::BytesPerSecond, "60 % of loopback");
    for _ in 0..scale.rounds {
        for kind in Kind::BOTH {
            put.add_limit("durable write", limits::durable_write(bytes, 1)?);
            let server = Contender::start(kind)?;
            let measured = server.load("blocks", &["--ops", "1", "--bytes", &size])?;
            put.add(kind, &measured, "bytes_per_second");
            get.add_limit("loopback copy", limits::loopback_copy(bytes)?);
            let measured = server.load("get-large", &["--ops", "3"])?;
            get.add(kind, &measured, "bytes_per_second");
        }
    }
    Ok(vec![put, get])
}

/// A query of a blob of 1 GiB of delimited text: how fast it is, what it costs, and the memory that it
/// takes beside that of a blob of a sixteenth. The baseline has none.
pub(super) fn query(scale: &Scale) -> Result<Vec<Row>, String> {
    const QUERIES: f64 = 3.0;
    let (small, large) = ((64 * MIB).to_string(), (1024 * MIB).to_string());
    let mut read = row("Query of 1 GiB of text, half of it", Unit::BytesPerSecond, "150 MB/s");
    let mut core = row("the same, for each core busy", Unit::BytesPerSecond, "150 MB/s");
    let mut few = row("most memory in queries of 64 MiB", Unit::Bytes, "");
    let mut held = row("most memory in queries of 1 GiB", Unit::Bytes, "that of 64 MiB");
    for _ in 0..scale.rounds {
        let server = Contender::start(Kind::Lazuli)?;
        server.load("csv", &["--ops", "1", "--bytes", &small])?;
        server.load("csv", &["--ops", "1", "--bytes", &large, "--first", "1"])?;
        // What the uploads took is not what queries take, but some of it stays with the process.
        server.forget_peak()?;
        server.load("query", &["--ops", "3", "--bytes", &small])?;
        few.lazuli.push(server.peak_bytes()? as f64);
        server.forget_peak()?;
        let before = server.cpu_seconds()?;
        let measured = server.load("query", &["--ops", "3", "--bytes", &large, "--first", "1"])?;
        let seconds = server.cpu_seconds()? - before;
        core.lazuli.push(QUERIES * (1024 * MIB) as f64 / seconds);
        read.add(Kind::Lazuli, &measured, "bytes_per_second");
        held.lazuli.push(server.peak_bytes()? as f64);
    }
    Ok(vec![read, core, few, held])
}

/// Listing, start and memory with many blobs in one container.
pub(super) fn many(scale: &Scale) -> Result<Vec<Row>, String> {
    let title = |blobs: u64, text: &str| format!("List Blobs, page of 5,000 of {blobs}, {text}");
    let mut few_half = row(title(FEW_BLOBS, "median"), Unit::Microseconds, "");
    let mut many_half =
        row(title(scale.many_blobs, "median"), Unit::Microseconds, "1.5 times that of 10,000");
    let mut many_worst = row(title(scale.many_blobs, "slowest"), Unit::Microseconds, "30 ms");
    for kind in Kind::BOTH {
        let server = Contender::start(kind)?;
        fill(&server, FEW_BLOBS)?;
        for _ in 0..scale.rounds {
            // Several walks, for a small container has few pages.
            let measured = server.load("list", &["--ops", "40"])?;
            few_half.add(kind, &measured, "p50_us");
        }
    }
    // Filling the baseline with as many would take an hour; its pages of 10,000 stand for it.
    let server = Contender::start(Kind::Lazuli)?;
    let filled = fill(&server, scale.many_blobs)?;
    let mut filling = row("Put Blob 128 bytes, 64 connections", Unit::PerSecond, "");
    filling.add(Kind::Lazuli, &filled, "ops_per_second");
    for _ in 0..scale.rounds {
        let measured = server.load("list", &[])?;
        many_half.add(Kind::Lazuli, &measured, "p50_us");
        many_worst.add(Kind::Lazuli, &measured, "max_us");
    }
    let mut listed =
        row(format!("memory after listing {} blobs", scale.many_blobs), Unit::Bytes, "250 MB");
    listed.lazuli.push(server.resident_bytes()? as f64);
    let data = server.data().to_path_buf();
    server.stop()?;
    let mut start =
        row(format!("start with {} blobs", scale.many_blobs), Unit::Microseconds, "1 s");
    let mut fresh = row(
        format!("memory after start and listing {} blobs", scale.many_blobs),
        Unit::Bytes,
        "250 MB",
    );
    for _ in 0..scale.rounds {
        let server = Contender::start_over(Kind::Lazuli, &data)?;
        start.lazuli.push(server.ready_after().as_micros() as f64);
        server.load("list", &[])?;
        fresh.lazuli.push(server.resident_bytes()? as f64);
        server.stop()?;
    }
    Ok(vec![filling, few_half, many_half, many_worst, listed, start, fresh])
}

/// Makes many small blobs.
pub(super) fn fill(server: &Contender, blobs: u64) -> Result<Measurement, String> {
    let ops = blobs.to_string();
    server.load("fill", &["--ops", &ops, "--bytes", "128", "--connections", "64"])
}

/// Start and memory with an empty store.
pub(super) fn idle(scale: &Scale) -> Result<Vec<Row>, String> {
    let mut start = row("start with an empty store", Unit::Microseconds, "50 ms");
    let mut memory = row("memory of an empty store", Unit::Bytes, "40 MB");
    for _ in 0..scale.rounds {
        for kind in Kind::BOTH {
            let server = Contender::start(kind)?;
            thread::sleep(Duration::from_secs(1));
            let resident = server.resident_bytes()? as f64;
            if kind == Kind::Lazuli {
                start.lazuli.push(server.ready_after().as_micros() as f64);
                memory.lazuli.push(resident);
            } else {
                memory.azurite.push(resident);
            }
            server.stop()?;
        }
    }
    Ok(vec![start, memory])
}

/// Entities that are upserted in transactions.
const UPSERTED: u64 = 100_000;

/// Entities in transactions of 100 each.
fn upsert(server: &Contender, entities: u64) -> Result<Measurement, String> {
    server.load("upsert", &["--ops", &(entities / 100).to_string(), "--connections", "4"])
}

/// Inserting entities, upserting them in transactions, and reading them.
///
/// The baseline reads from as many entities as are upserted: filling it further would take hours.
pub(super) fn table(scale: &Scale) -> Result<Vec<Row>, String> {
    let many = scale.many_entities.max(UPSERTED);
    let title = |text: &str| format!("{text} of {many} entities (Azurite: {UPSERTED})");
    let mut insert = row("Insert Entity, 16 connections", Unit::PerSecond, "30 times");
    let mut upserts =
        row(format!("transactions of 100 upserts, {UPSERTED} in all"), Unit::PerSecond, "50 times");
    let mut point = row(title("point read out"), Unit::PerSecond, "20 times");
    let mut range = row(title("100 entities by range out"), Unit::PerSecond, "20 times");
    let seconds = scale.seconds.to_string();
    for _ in 0..scale.rounds {
        for kind in Kind::BOTH {
            let server = Contender::start_tables(kind)?;
            // Far behind what is upserted.
            let first = (100 * many).to_string();
            let inserts = ["--connections", "16", "--seconds", &seconds, "--first", &first];
            insert.add(kind, &server.load("insert", &inserts)?, "ops_per_second");
            upserts.add(kind, &upsert(&server, UPSERTED)?, "ops_per_second");
            let entities = if kind == Kind::Azurite { UPSERTED } else { many };
            if entities > UPSERTED {
                upsert(&server, entities)?;
            }
            let count = entities.to_string();
            let reads = ["--connections", "16", "--seconds", &seconds, "--count", &count];
            point.add(kind, &server.load("point", &reads)?, "ops_per_second");
            range.add(kind, &server.load("range", &reads)?, "ops_per_second");
            server.stop()?;
        }
    }
    Ok(vec![insert, upserts, point, range])
}

/// Messages that wait in the short queue, and in the long one.
const FEW_MESSAGES: u64 = 1_000;

/// Messages put, got and deleted, while few and while many others wait.
///
/// The baseline is measured with few: filling it further would take hours.
pub(super) fn queue(scale: &Scale) -> Result<Vec<Row>, String> {
    let many = scale.many_messages;
    let cycle = |waiting| format!("Put, Get and Delete Message, 16 + 16, {waiting} waiting");
    let mut short = row(cycle(FEW_MESSAGES), Unit::PerSecond, "20 times");
    let mut latency = row("p99 of Get and Delete Message", Unit::Microseconds, "");
    let mut long = row(cycle(many), Unit::PerSecond, "0.8 of the short queue");
    let seconds = scale.seconds.to_string();
    let cycles = ["--connections", "32", "--seconds", &seconds];
    let fill = |server: &Contender, messages: u64| {
        server.load("put-message", &["--ops", &messages.to_string(), "--connections", "32"])
    };
    for _ in 0..scale.rounds {
        for kind in Kind::BOTH {
            let server = Contender::start_queues(kind)?;
            fill(&server, FEW_MESSAGES)?;
            let measured = server.load("cycle", &cycles)?;
            short.add(kind, &measured, "ops_per_second");
            latency.add(kind, &measured, "p99_us");
            if kind == Kind::Lazuli {
                fill(&server, many - FEW_MESSAGES)?;
                long.add(kind, &server.load("cycle", &cycles)?, "ops_per_second");
            }
            server.stop()?;
        }
    }
    long.limit = Some(("with few waiting", short.lazuli.clone()));
    Ok(vec![short, latency, long])
}

/// The use of space after many overwrites.
pub(super) fn space(scale: &Scale) -> Result<Vec<Row>, String> {
    let mut factor = row("disk use / live bytes after overwrites", Unit::Factor, "1.3");
    let mut speed = row("overwriting 1 MiB blobs, 8 connections", Unit::BytesPerSecond, "");
    let (count, size) = (CHURN_BLOBS.to_string(), MIB.to_string());
    let ops = (CHURN_BLOBS * scale.churn_rounds).to_string();
    for kind in Kind::BOTH {
        let server = Contender::start(kind)?;
        let arguments = ["--ops", &ops, "--count", &count, "--bytes", &size, "--connections", "8"];
        let measured = server.load("churn", &arguments)?;
        speed.add(kind, &measured, "bytes_per_second");
        thread::sleep(CHURN_PAUSE);
        let used = server.disk_bytes()? as f64 / (CHURN_BLOBS * MIB) as f64;
        match kind {
            Kind::Lazuli | Kind::Unlogged => factor.lazuli.push(used),
            Kind::Azurite => factor.azurite.push(used),
        }
        server.stop()?;
    }
    Ok(vec![speed, factor])
}
