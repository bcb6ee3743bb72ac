//! Work beside the requests: taking back dead bytes, reading stored ones for damage, bringing back
//! archived blobs, and entering reads in the journal.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lazuli_base::Clock;
use lazuli_engine::Engine;
use lazuli_store::Store;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Between two rounds of the collector: dead bytes come back soon, many of them in one round.
const COLLECT_PAUSE: Duration = Duration::from_secs(1);

/// From the start until the first look at every extent, so that the start itself is quick.
const COLLECT_FULLY_FIRST: Duration = Duration::from_secs(10);

/// Between two looks at every extent.
const COLLECT_FULLY: Duration = Duration::from_hours(1);

/// Between two scrubs of all extents.
const SCRUB_PAUSE: Duration = Duration::from_hours(24);

/// Bytes scrubbed per second at most: a few per cent of what a disk reads.
const SCRUB_BYTES_PER_SECOND: u64 = 16 << 20;

/// The longest between two looks for archived blobs whose time has come: a clock may be set.
const REHYDRATE_PAUSE: Duration = Duration::from_mins(1);

/// Between two looks when one failed.
const REHYDRATE_AGAIN: Duration = Duration::from_secs(1);

/// Starts the work; dropping or shutting down the set ends it at any point.
pub(super) fn start(store: &Store, engine: &Arc<Engine>, clock: Arc<dyn Clock>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(collect(store.clone(), Arc::clone(engine)));
    tasks.spawn(scrub(Arc::clone(engine)));
    tasks.spawn(rehydrate(store.clone(), clock));
    let reader = store.clone();
    tasks.spawn(async move { reader.write_reads().await });
    tasks
}

async fn collect(store: Store, engine: Arc<Engine>) {
    let mut next_full = Instant::now() + COLLECT_FULLY_FIRST;
    loop {
        let until_full = next_full.saturating_duration_since(Instant::now());
        let full = timeout(until_full, store.collectable()).await.is_err();
        if full {
            next_full = Instant::now() + COLLECT_FULLY;
        }
        match store.collect(full).await {
            Ok(collected) => {
                engine.stats.extent_bytes_dead.store(collected.dead_bytes, Ordering::Relaxed);
                tracing::debug!(?collected, full, "collected");
            }
            Err(refusal) => {
                let cause = refusal.cause().unwrap_or(refusal.message());
                tracing::warn!(cause, "the collector failed and will try again");
            }
        }
        sleep(COLLECT_PAUSE).await;
    }
}

/// Brings archived blobs back when their time has come, and looks again when the next one's has.
async fn rehydrate(store: Store, clock: Arc<dyn Clock>) {
    loop {
        let pause = match store.rehydrate().await {
            Ok(next) => next.map_or(REHYDRATE_PAUSE, |due| due.since(clock.now())),
            Err(refusal) => {
                let cause = refusal.cause().unwrap_or(refusal.message());
                tracing::warn!(cause, "archived blobs do not come back; it will be tried again");
                REHYDRATE_AGAIN
            }
        };
        // One that is asked back meanwhile may come back sooner.
        let _ = timeout(pause.min(REHYDRATE_PAUSE), store.rehydratable()).await;
    }
}

async fn scrub(engine: Arc<Engine>) {
    loop {
        sleep(SCRUB_PAUSE).await;
        let sealed = match engine.extents.sealed().await {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::warn!(%error, "cannot scrub");
                continue;
            }
        };
        for (extent, bytes) in sealed {
            let pace = Duration::from_secs_f64(bytes as f64 / SCRUB_BYTES_PER_SECOND as f64);
            let next = Instant::now() + pace;
            match engine.scrub(extent).await {
                Ok(None) => {}
                Ok(Some(damage)) => tracing::error!(%damage, "stored bytes are damaged"),
                // It may have been freed since.
                Err(error) => tracing::debug!(%error, "an extent was not scrubbed"),
            }
            sleep_until(next).await;
        }
    }
}
