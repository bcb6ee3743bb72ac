//! A log, from its parts to its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use lazuli_base::{Clock, Oldest};
use lazuli_engine::Meta;
use lazuli_evidence::Digest;
use lazuli_evidence::spine::What;
use lazuli_tlog::tile::TILE_WIDTH;
use lazuli_tlog::{Policy, PolicyError, SignedCheckpoint};
use tokio::sync::{Notify, oneshot};

use crate::admin::AdminLog;
use crate::head_store::{HeadError, HeadStore, SignedHead};
use crate::keys::Keys;
use crate::ledger::{Identity, Ledger, SEGMENT_MS, millis};
use crate::public::Public;
use crate::recover::{self, RecoverError};
use crate::rows;
use crate::sealer::{self, Digests, Sealer};
use crate::spine::{CHECKPOINT, Files, Spine};
use crate::stats::LogStats;
use crate::witness::{Asking, Witnesses};

/// Leaves read at a time.
const PAGE: usize = 4096;

/// What a log is made of.
pub struct Parts {
    /// The store whose journal it writes.
    pub meta: Arc<dyn Meta>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The keys.
    pub keys: Keys,
    /// Where the public files lie; in memory without one.
    pub files: Option<PathBuf>,
    /// The last signed head.
    pub heads: HeadStore,
    /// The number of the site.
    pub site: u64,
    /// The SHA-256 of the configuration.
    pub config: Digest,
    /// Who is asked to cosign.
    pub witnesses: Option<Witnesses>,
    /// Since when the oldest read waits whose entry is not in the journal; told by the store.
    pub reads: Oldest,
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The journal.
    Journal(RecoverError),
    /// The last signed head.
    Head(HeadError),
    /// The public files.
    Files(io::Error),
    /// The keys of the log and its witnesses make no policy.
    Policy(PolicyError),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Files(error) => write!(f, "the files of the transparency log: {error}"),
            Self::Policy(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<RecoverError> for OpenError {
    fn from(error: RecoverError) -> Self {
        Self::Journal(error)
    }
}

impl From<HeadError> for OpenError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

/// An open log: the scribe for the engine, what outsiders see, and who seals.
pub struct Log {
    /// To be given to the engine.
    pub ledger: Arc<Ledger>,
    /// To be served.
    pub public: Arc<Public>,
    /// To be run; see [`Running::start`].
    pub sealer: Sealer,
    /// To be counted.
    pub stats: Arc<LogStats>,
    /// To be served to whoever runs the server.
    pub admin: Arc<AdminLog>,
}

impl Log {
    /// Reads the journal and goes on behind it. A log that finds that it signed more than it has,
    /// or something else, or that was found damaged before, opens all the same, takes no entry, and
    /// says why in [`Ledger::paused`].
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let Parts { meta, clock, keys, files, heads, site, config, witnesses, reads } = parts;
        // Salted: it covers the names of accounts, which nobody may try out on what is public.
        let sealed_config = lazuli_tlog::Hash::of(&[b"lz/config/1", &keys.segments, &config]).0;
        let (last, damage) = (heads.last(), heads.damage()?);
        heads.advance(SignedHead { boot: last.boot + 1, head: last.head })?;
        let now = millis(&*clock);
        let start = recover::recover(&*meta, &keys, now).await?;
        let files = Arc::new(Files::open(files.as_deref())?);
        let policy = witnesses.as_ref().map_or_else(|| keys.policy(), |w| w.policy(&keys));
        let parsed = Policy::parse(policy.as_bytes()).map_err(OpenError::Policy)?;
        let stats = Arc::new(LogStats {
            witnesses: witnesses.as_ref().map(Witnesses::stats).unwrap_or_default(),
            ..LogStats::default()
        });
        let identity =
            Arc::new(Identity { keys, site, boot: last.boot + 1, clock: Arc::clone(&clock) });
        let spine = spine(&meta, &files, start.progress.size, &last).await?;
        let recovered = start.recovered;
        let ledger = Ledger::new(Arc::clone(&identity), recovered);
        let public = Public::new(Arc::clone(&meta), files, (policy, parsed), Arc::clone(&stats))?;
        let clients = witnesses.map(|witnesses| witnesses.clients(&public, &stats, &clock));
        let ledger = Arc::new(ledger);
        if let Some((why, file)) = damage {
            ledger.pause.for_good(format!("{why}; remembered in {}", file.display()));
        }
        if let Err(why) = sealer::check(&spine, &last) {
            ledger.pause.for_good(why);
        }
        let mut sealer = Sealer {
            meta,
            clock,
            identity,
            ledger: Arc::clone(&ledger),
            heads,
            spine,
            progress: start.progress,
            public: Arc::clone(&public),
            waiting: VecDeque::new(),
            events: Vec::new(),
            digests: Digests { binary: [0; 32], config: sealed_config },
            map: None,
            heads_ms: now,
            beat_ms: now,
            stats: Arc::clone(&stats),
            clients: clients.unwrap_or_default(),
            reads,
            began: None,
        };
        let row = sealer.meta.get(&rows::gap()).await.map_err(RecoverError::from)?;
        let mut window = row.and_then(|row| rows::decode_gap(&row.value)).unwrap_or_default();
        if !start.progress.stopped || start.unlogged {
            let gap = sealer.event(What::Gap, start.progress.reads_ms.min(now));
            window = [gap.from_ms, gap.to_ms];
            sealer.events.push(gap);
        }
        stats.gap_ms.iter().zip(window).for_each(|(at, ms)| at.store(ms, Ordering::Relaxed));
        sealer.begin(now).await;
        sealer.count();
        let admin = AdminLog {
            meta: Arc::clone(&sealer.meta),
            clock: Arc::clone(&sealer.clock),
            identity: Arc::clone(&sealer.identity),
            ledger: Arc::clone(&ledger),
            public: Arc::clone(&public),
            stats: Arc::clone(&stats),
        };
        Ok(Self { ledger, public, sealer, stats, admin: Arc::new(admin) })
    }
}

/// The spine of `size` leaves: from its tiles, or, where a crash left them behind or they are not
/// what was signed, from the leaves.
async fn spine(
    meta: &Arc<dyn Meta>,
    files: &Arc<Files>,
    size: u64,
    last: &SignedHead,
) -> Result<Spine, OpenError> {
    let signed = files.get(CHECKPOINT)?;
    let signed = signed.and_then(|bytes| SignedCheckpoint::parse(&bytes).ok());
    let signed = signed.map_or(0, |signed| signed.checkpoint().head().size);
    let width = u64::from(TILE_WIDTH);
    let mut spine = None;
    for candidate in [size, signed] {
        let begin = candidate / width * width;
        let leaves = leaves(meta, begin, candidate.saturating_sub(begin)).await?;
        if spine.is_none() && candidate <= size && begin + leaves.len() as u64 == candidate {
            let fits =
                |spine: &Spine| last.head.size > candidate || sealer::check(spine, last).is_ok();
            spine = Spine::resume(files, candidate, &leaves).filter(fits);
        }
    }
    let mut spine = spine.unwrap_or_else(|| Spine::new(files));
    while spine.head().size < size {
        let have = spine.head().size;
        let more = leaves(meta, have, (size - have).min(PAGE as u64)).await?;
        if more.is_empty() {
            let what = format!("leaf {have} of the spine is missing");
            return Err(RecoverError::Damaged(what).into());
        }
        spine.append(&more)?;
    }
    Ok(spine)
}

async fn leaves(meta: &Arc<dyn Meta>, from: u64, count: u64) -> Result<Vec<Bytes>, OpenError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    recover::leaves(meta, from, count).await.map_err(|error| RecoverError::from(error).into())
}

/// A log that is sealed once a second, on a thread of its own: what it does with files may take
/// its time. Segments are closed on another, so that a slow disk does not make them longer, and
/// witnesses are asked on a third, so that none of them holds it up.
pub struct Running {
    _asking: Option<Asking>,
    /// Dropped to stop closing segments.
    cutting: mpsc::Sender<()>,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// The SHA-256 of the program that runs. It is read in parts: as a whole it would be most of the
/// memory of a server that does nothing.
fn program() -> io::Result<Digest> {
    let mut program = File::open(std::env::current_exe()?)?;
    let (mut hasher, mut part) = (Context::new(&SHA256), vec![0; PROGRAM_PART_BYTES]);
    loop {
        match program.read(&mut part)? {
            0 => break,
            len => hasher.update(part.get(..len).unwrap_or_default()),
        }
    }
    hasher.finish().as_ref().try_into().map_err(io::Error::other)
}

const PROGRAM_PART_BYTES: usize = 64 * 1024;

impl Running {
    /// Begins to seal.
    pub fn start(mut sealer: Sealer) -> io::Result<Self> {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let clients = std::mem::take(&mut sealer.clients);
        let asking = (!clients.is_empty()).then(|| Asking::start(clients)).transpose()?;
        let wake = Arc::new(Notify::new());
        // The start is told at once, and there is a checkpoint.
        wake.notify_one();
        sealer.keep_time();
        let cutting = cut_every_second(&sealer, Arc::clone(&wake))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("sealer".into()).spawn(move || {
            // Reading the program takes longer than a start may.
            sealer.identify(program().unwrap_or_default());
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        biased;
                        _ = &mut stopped => break,
                        // However many seconds went by meanwhile, once is enough.
                        () = wake.notified() => sealer.seal().await,
                    }
                }
                sealer.stop().await;
            });
            // Who waited may be gone.
            let _ = end.send(());
        })?;
        Ok(Self { _asking: asking, cutting, stop, ended })
    }

    /// Seals what is left and ends. To be called after the last commit.
    pub async fn stop(self) {
        drop(self.cutting);
        drop(self.stop);
        let _ = self.ended.await;
    }
}

/// Closes the open segment at each whole second and wakes who seals, until what it gives is dropped.
/// A second that is missed is not made up for.
fn cut_every_second(sealer: &Sealer, wake: Arc<Notify>) -> io::Result<mpsc::Sender<()>> {
    let (go_on, stopped) = mpsc::channel();
    let (ledger, clock) = (Arc::clone(&sealer.ledger), Arc::clone(&sealer.clock));
    std::thread::Builder::new().name("segments".into()).spawn(move || {
        let until_next = || Duration::from_millis(SEGMENT_MS - millis(&*clock) % SEGMENT_MS);
        while stopped.recv_timeout(until_next()) == Err(mpsc::RecvTimeoutError::Timeout) {
            ledger.cut_if_due();
            wake.notify_one();
        }
    })?;
    Ok(go_on)
}
