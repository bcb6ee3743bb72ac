//! `lazuli serve`: from the configuration to a running server, and its end.

mod announce;
mod background;
mod files;
mod logging;
mod signals;
mod transparency;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lazuli_api::{Accounts, Api, Handler};
use lazuli_base::{SystemClock, SystemEntropy};
use lazuli_engine::{Engine, OpenError, Options, Stats};
use lazuli_fetch::Fetcher;
use lazuli_log::ledger::Ledger;
use lazuli_model::Service;
use lazuli_server::{Health, Listener, Metrics, Parts, Server, Stopped};
use lazuli_store::Store;
use tokio::time::Instant;

use self::announce::{Endpoints, Served};
use self::signals::Signals;
use self::transparency::Transparency;
use crate::cli::Settings;
use crate::config::{Config, Data, Layers};
use crate::failure::{Failure, While as _};

/// How long requests in flight may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(4);

/// How long the whole stop may take.
const STOP: Duration = Duration::from_millis(4_900);

/// The least time that closing the store gets, however long the requests took.
const CLOSE: Duration = Duration::from_millis(400);

/// Serves until a signal to stop.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let layers = Layers::read(settings.config.as_deref(), variable, &settings.flags())?;
    let config = Config::from_layers(&layers)?;
    logging::start(config.log, &config.log_filter)?;
    files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lazuli")
        .build()
        .or_fail("start the runtime")?;
    let served = runtime.block_on(serve(&config));
    // A blocking call that hangs on a dead disk must not keep the process.
    runtime.shutdown_background();
    served
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let mut signals = Signals::install().or_fail("listen for signals")?;
    announce::clear(config)?;
    // Ports first: a port that is taken must not leave a new data directory behind.
    let (listeners, served) = bind_services(config).await?;
    let admin = bind(config, "admin", config.admin_port).await?;
    let blob = listeners.iter().filter(|(_, service)| *service == Service::Blob);
    let blob: Vec<SocketAddr> = blob.map(|(listener, _)| listener.address()).collect();
    let endpoints = Endpoints::new(config, served, admin.address());
    let engine = Arc::new(open(config).await?);
    let clock = Arc::new(SystemClock);
    let entropy = Arc::new(SystemEntropy);
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock.clone(), entropy.clone());
    let logged = (&*engine, store.oldest_read());
    let transparency = transparency::start(config, logged, clock.clone(), &*entropy).await?;
    let store = match &transparency {
        Some(log) => store.with_reads_logged(log.ledger.halted()),
        None => store,
    };
    let accounts = Arc::new(accounts(config));
    let api = Api::new(store.clone(), accounts, clock.clone(), entropy.clone(), config.versions);
    let strict = config.transparency.as_ref().map(|log| log.strict_reads.clone());
    let api = api.with_strict_reads(strict.unwrap_or_default());
    let api = api.with_rehydration(config.rehydration).with_listeners(blob);
    let (guard, roots) = (config.copy_sources.clone(), config.copy_source_roots.clone());
    let api = api.with_fetcher(Fetcher::new(guard, roots));
    let api = match &config.identities {
        Some(identities) => api.with_identities(Arc::clone(identities)),
        None => api,
    };
    if config.identities.is_some() && config.tls.is_none() {
        tracing::warn!("identities are configured without `tls`: bearer tokens are refused");
    }
    let copies = api.remote_copies();
    let metrics = Metrics::new(Some(Arc::clone(&engine.stats)));
    let metrics = match &transparency {
        Some(log) => metrics.with_log(Arc::clone(&log.stats), clock.clone()),
        None => metrics,
    };
    let metrics = Arc::new(metrics);
    let limits = config.limits.clone();
    let server = Server::new(Parts { limits, metrics, clock, entropy });
    let server = server.or_fail("start the threads that serve connections")?;
    let server = match &transparency {
        Some(log) => server.with_public_log(log.public_log()).with_operator_log(log.operator_log()),
        None => server,
    };
    let server = match &config.tls {
        Some(tls) => server.with_tls(tls.clone()),
        None => server,
    };
    let stats = Arc::clone(&engine.stats);
    let ledger = transparency.as_ref().map(|log| Arc::clone(&log.ledger));
    let readiness = Arc::new(Readiness { stopping: AtomicBool::new(false), stats, ledger });
    let api = Arc::new(api);
    for (listener, service) in listeners {
        server.serve(listener, service, Arc::clone(&api) as Arc<dyn Handler>);
    }
    server.serve_admin(admin, Arc::clone(&readiness) as Arc<dyn Health>);
    let mut background = background::start(&store, &engine, Arc::new(SystemClock));
    background.spawn(copies.run());
    endpoints.announce(config)?;
    let signal = signals.next().await;
    let begun = Instant::now();
    tracing::info!(signal, "stopping");
    readiness.stopping.store(true, Ordering::Relaxed);
    endpoints.withdraw(config);
    tokio::select! {
        () = stop(server, background, (store, engine, transparency), begun) => Ok(()),
        signal = signals.next() => {
            Err(Failure::new(format!("{signal} while stopping: the next start recovers the store")))
        }
    }
}

/// Ends requests, background work and the store, in this order.
async fn stop(
    server: Server,
    mut background: tokio::task::JoinSet<()>,
    (store, engine, transparency): (Store, Arc<Engine>, Option<Transparency>),
    begun: Instant,
) {
    if server.stop(GRACE).await == Stopped::Forcibly {
        tracing::warn!("requests were cut off: they took longer than {} s", GRACE.as_secs());
    }
    background.shutdown().await;
    if let Some(transparency) = transparency {
        let left = STOP.saturating_sub(begun.elapsed()).max(CLOSE);
        let sealed = async {
            if let Err(refusal) = store.flush_reads().await {
                let cause = refusal.cause().unwrap_or(refusal.message());
                tracing::warn!(cause, "reads were not logged");
            }
            transparency.stop().await;
        };
        if tokio::time::timeout(left, sealed).await.is_err() {
            tracing::warn!("the transparency log takes too long to end; the next start goes on");
        }
    }
    let left = STOP.saturating_sub(begun.elapsed()).max(CLOSE);
    let close = tokio::task::spawn_blocking(move || engine.close());
    match tokio::time::timeout(left, close).await {
        Ok(Ok(Ok(()))) => tracing::info!(millis = begun.elapsed().as_millis() as u64, "stopped"),
        Ok(Ok(Err(error))) => tracing::error!(%error, "the store was not closed in good order"),
        Ok(Err(panic)) => tracing::error!(%panic, "the store was not closed in good order"),
        Err(_) => tracing::warn!("the store takes too long to close; the next start recovers it"),
    }
}

/// Binds the listeners of all services that are built.
async fn bind_services(
    config: &Config,
) -> Result<(Vec<(Listener, Service)>, Vec<Served>), Failure> {
    let services = [
        (Service::Blob, "blob", "BlobEndpoint", config.blob_port),
        (Service::Queue, "queue", "QueueEndpoint", config.queue_port),
        (Service::Table, "table", "TableEndpoint", config.table_port),
    ];
    let (mut listeners, mut served) = (Vec::new(), Vec::new());
    for (service, name, key, port) in services {
        let listener = bind(config, name, port).await?;
        served.push(Served { name, key, address: listener.address() });
        listeners.push((listener, service));
    }
    Ok((listeners, served))
}

/// Binds the listener of one service.
async fn bind(config: &Config, service: &str, port: u16) -> Result<Listener, Failure> {
    let host = config.host.trim_matches(['[', ']']);
    let doing = || format!("listen on {}:{port} for {service}", config.host);
    let address = tokio::net::lookup_host((host, port)).await.or_fail(doing())?.next();
    let address: SocketAddr = address.ok_or("the host has no address").or_fail(doing())?;
    Listener::bind(address).await.map_err(|error| {
        let failure = Failure::new(format!("cannot {}: {error}", doing()));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure.hint(format!(
                "another server has the port; `--{service}-port N` chooses another one, 0 a free one"
            )),
            std::io::ErrorKind::AddrNotAvailable => {
                failure.hint("`--host` takes an address of this machine")
            }
            _ => failure,
        }
    })
}

/// Opens the store off the runtime's threads.
async fn open(config: &Config) -> Result<Engine, Failure> {
    let Data::Directory(directory) = &config.data else { return Ok(Engine::in_memory()) };
    let mut options = Options::new(directory);
    options.durability = config.durability;
    let opened = tokio::task::spawn_blocking(move || Engine::open(options)).await;
    let opened = opened.or_fail(format!("open the data directory {}", directory.display()))?;
    opened.map_err(|error| match error {
        OpenError::InUse(_) => {
            Failure::new(error).hint("stop that process, or choose another directory with `--data`")
        }
        OpenError::NotAStore(_) => {
            Failure::new(error).hint("choose an empty or new directory with `--data`")
        }
        OpenError::Damaged(_) => {
            let check = format!("lazuli fsck --data {}", directory.display());
            Failure::new(error).hint(format!("nothing was changed; `{check}` names the damage"))
        }
        _ => Failure::new(error),
    })
}

fn accounts(config: &Config) -> Accounts {
    let mut accounts = Accounts::default();
    for account in &config.accounts {
        accounts.insert(account.name.as_str(), account.keys.clone());
    }
    accounts
}

/// Ready until the server is told to stop, or the disk failed under it.
#[derive(Debug)]
struct Readiness {
    stopping: AtomicBool,
    stats: Arc<Stats>,
    ledger: Option<Arc<Ledger>>,
}

impl Health for Readiness {
    fn ready(&self) -> Result<(), String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err("stopping".to_owned());
        }
        let stats = &self.stats;
        if stats.failing.load(Ordering::Relaxed) || stats.poisoned.load(Ordering::Relaxed) {
            return Err("the disk failed: writes are refused, reads go on".to_owned());
        }
        if let Some(why) = self.ledger.as_ref().and_then(|ledger| ledger.paused()) {
            return Err(format!("the transparency log takes no entry: {why}"));
        }
        Ok(())
    }
}
