//! Measures the embedded engine: durable commits per second and extent throughput.
//!
//! `cargo run --release -p lazuli-engine --example commit_bench -- DIRECTORY [rows|extents]`
#![allow(clippy::print_stdout, reason = "prints its result")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lazuli_engine::{Commit, Engine, KeyRange, Options, Room};

type Failure = Box<dyn std::error::Error>;

const VALUE_BYTES: usize = 4096 + 400;
const RUN: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let dir = std::env::args().nth(1).ok_or("usage: commit_bench DIRECTORY")?;
    let start = Instant::now();
    let engine = Arc::new(Engine::open(Options::new(&dir))?);
    println!("open: {:?}", start.elapsed());
    println!("{}", memory());
    let only = std::env::args().nth(2);
    if only.as_deref() == Some("extents") {
        return extents(&engine).await;
    }
    if only.as_deref() != Some("rows") {
        for writers in [1, 16, 64] {
            commits(&engine, writers).await?;
        }
        extents(&engine).await?;
    }
    rows(&engine).await?;
    let start = Instant::now();
    engine.close()?;
    println!("close: {:?}", start.elapsed());
    drop(engine);
    let start = Instant::now();
    let engine = Engine::open(Options::new(&dir))?;
    println!("open again: {:?}", start.elapsed());
    println!("{}", memory());
    engine.close()?;
    Ok(())
}

async fn commits(engine: &Arc<Engine>, writers: usize) -> Result<(), Failure> {
    let groups = engine.stats.groups.load(Ordering::Relaxed);
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let engine = Arc::clone(engine);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let value = Bytes::from(vec![writer as u8; VALUE_BYTES]);
                while start.elapsed() < RUN {
                    let begun = Instant::now();
                    let key = format!("bench/{writer:04}/{:08}", latencies.len());
                    let commit = Commit {
                        puts: vec![(Bytes::from(key), value.clone())],
                        entries: vec![Bytes::from_static(&[7; 100])],
                        ..Commit::default()
                    };
                    if engine.meta.commit(commit).await.is_err() {
                        break;
                    }
                    latencies.push(begun.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await?);
    }
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len() * share / 1000).copied();
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    let groups = engine.stats.groups.load(Ordering::Relaxed) - groups;
    println!(
        "{writers} writers: {rate:.0} commits/s, {:.1} per group, p50 {:?}, p99 {:?}, p999 {:?}",
        latencies.len() as f64 / groups as f64,
        at(500),
        at(990),
        at(999)
    );
    Ok(())
}

async fn extents(engine: &Arc<Engine>) -> Result<(), Failure> {
    const LEN: u64 = 64 << 20;
    let part = Bytes::from(vec![0x5a; 64 << 10]);
    for round in 0..6 {
        let start = Instant::now();
        let mut writer = engine.extents.create(Some(LEN), Room::Free).await?;
        for _ in 0..LEN / part.len() as u64 {
            writer.write(part.clone()).await?;
        }
        let (piece, settled) = writer.finish().await?;
        let written = start.elapsed();
        let start = Instant::now();
        let mut at = 0;
        while at < LEN {
            at += engine.extents.read(piece, at..(at + (1 << 20)).min(LEN)).await?.len() as u64;
        }
        let read = start.elapsed();
        let rate = |elapsed: Duration| 64.0 / elapsed.as_secs_f64();
        println!("64 MiB #{round}: write {:.0} MiB/s, read {:.0} MiB/s", rate(written), rate(read));
        drop(settled);
    }
    Ok(())
}

async fn rows(engine: &Arc<Engine>) -> Result<(), Failure> {
    let start = Instant::now();
    let value = Bytes::from(vec![1; 300]);
    for thousand in 0..1000_u32 {
        let puts = (0..1000)
            .map(|n| (Bytes::from(format!("rows/{:09}", thousand * 1000 + n)), value.clone()))
            .collect();
        engine.meta.commit(Commit { puts, ..Commit::default() }).await?;
    }
    println!("1,000,000 rows loaded in {:?}; {}", start.elapsed(), memory());
    let mut range = KeyRange::prefix("rows/");
    let (start, mut pages, mut slowest) = (Instant::now(), 0_u32, Duration::ZERO);
    loop {
        let begun = Instant::now();
        let page = engine.meta.scan(range.clone(), 5000).await?;
        slowest = slowest.max(begun.elapsed());
        let Some(last) = page.last() else { break };
        range.start = [&last.key[..], &[0]].concat().into();
        pages += 1;
    }
    let mean = start.elapsed() / pages;
    println!("pages of 5,000: mean {mean:?}, slowest {slowest:?}; {}", memory());
    Ok(())
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned()
}
