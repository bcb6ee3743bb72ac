//! Reads that a crash costs their entries: all were answered within the gap that the log declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use lazuli_testkit::{ACCOUNT, Client, Random, Request, Server, view};

use crate::parties::{Outcome, folder, logged, make_container, put, start, status, wait_for};

/// How often the server is killed.
const KILLS: usize = 3;

/// Clients that read at the same time.
const READERS: usize = 3;

/// Segments that are closed before the server is killed, at least.
const SEGMENTS: u64 = 2;

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// Reads until the server is gone; when each answer was there, by its request's id.
fn read_on(server: std::net::SocketAddr, stop: &AtomicBool) -> Outcome<Vec<(String, u64)>> {
    let mut client = Client::new(server)?;
    let mut answered = Vec::new();
    let request = Request { method: "GET", path: "/box/a", ..Request::default() };
    while !stop.load(Ordering::Relaxed) {
        let Ok(response) = client.send(&request) else { break };
        if response.status != 200 {
            return Err(
                format!("a read was answered {}: {}", response.status, response.text()).into()
            );
        }
        answered.push((response.header("x-ms-request-id").to_owned(), now_ms()));
    }
    Ok(answered)
}

/// Kills a server under reads, somewhat later than it closed some segments; all that was answered.
fn kill_under_reads(server: Server, later: Duration) -> Outcome<BTreeMap<String, u64>> {
    let (address, stop) = (server.address(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..READERS).map(|_| scope.spawn(|| read_on(address, &stop))).collect();
        let closed = |server: &Server| -> Outcome<u64> {
            Ok(status(server)?["segments"].as_u64().unwrap_or(0))
        };
        let waited = closed(&server).and_then(|first| {
            wait_for("segments", || Ok((closed(&server)? >= first + SEGMENTS).then_some(())))
        });
        std::thread::sleep(later);
        let killed = server.kill();
        stop.store(true, Ordering::Relaxed);
        let mut answered = BTreeMap::new();
        for reader in readers {
            answered.extend(reader.join().map_err(|_| "a reader panicked")??);
        }
        waited?;
        killed?;
        Ok(answered)
    })
}

/// The declared gap, in milliseconds since 1970.
fn gap(server: &Server) -> Outcome<(u64, u64)> {
    let status = status(server)?;
    let end = |name: &str| -> Outcome<u64> {
        let text = status["gap"][name].as_str().ok_or("no gap is declared")?;
        let text = format!("{}0000Z", text.trim_end_matches('Z'));
        let seconds = lazuli_wire::date::parse_iso7(&text).ok_or("no time")?;
        Ok(seconds.unix_seconds() as u64 * 1000 + u64::from(seconds.subsecond_ticks()) / 10_000)
    };
    Ok((end("from")?, end("to")?))
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn reads_without_an_entry_were_answered_in_the_declared_gap() -> Outcome<()> {
    let folder = folder("gaps")?;
    let mut server = start(&folder, &logged())?;
    let mut client = Client::new(server.address())?;
    make_container(&mut client, "box")?;
    put(&mut client, "/box/a", b"a")?;
    let (mut lost, mut kept) = (0, 0);
    // Somewhere between two segments.
    let mut random = Random::new(now_ms());
    for _ in 0..KILLS {
        let answered = kill_under_reads(server, Duration::from_millis(random.between(0, 700)))?;
        server = start(&folder, &logged())?;
        let (from, to) = gap(&server)?;
        let open = status(&server)?["open_segment"]["n"].as_u64().unwrap_or(0);
        wait_for("what was there before the kill is sealed", || {
            Ok((status(&server)?["segments"].as_u64().unwrap_or(0) > open).then_some(()))
        })?;
        let entries = view(&server, ACCOUNT)?.entries;
        let logged: BTreeSet<_> = entries.into_iter().map(|entry| entry.request).collect();
        for (id, at_ms) in &answered {
            if logged.contains(id) {
                kept += usize::from(*at_ms < from);
                continue;
            }
            lost += 1;
            let told = (from..=to).contains(at_ms);
            assert!(told, "{id}, answered at {at_ms}, has no entry; the gap is {from} to {to}");
        }
    }
    println!(
        "{KILLS} kills: {lost} reads lost their entries, {kept} from before the gaps kept them"
    );
    assert!(lost > 0 && kept > 0, "nothing was tried: {lost} lost, {kept} kept");
    server.kill()?;
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}
