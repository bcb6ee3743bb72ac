//! The listeners and their end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lazuli_api::{Handler, OperatorLog, PublicLog};
use lazuli_base::{Clock, Entropy};
use lazuli_model::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::admin::Health;
use crate::connection::{self, Shared, Stage, reached};
use crate::exchange::{Admin, Respond, Storage};
use crate::metrics::OpenConnection;
use crate::sides::{self, ReadSide, WriteSide};
use crate::tls::Tls;
use crate::workers::Workers;
use crate::{Limits, Metrics};

/// How long a listener that cannot accept (no file descriptors left) waits before it tries again.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The most connections to the admin listener.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// How long connections that were told to close have to do so.
const CUT_TIME: Duration = Duration::from_millis(500);

/// A bound address that does not accept yet: clients wait in the kernel's queue.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 picks a free one.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address })
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What a [`Server`] is made of.
pub struct Parts {
    /// The bounds on clients.
    pub limits: Limits,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// The time in `Date` and in error bodies.
    pub clock: Arc<dyn Clock>,
    /// The source of request ids where a handler failed to give one.
    pub entropy: Arc<dyn Entropy>,
}

/// A set of listeners that stop together.
pub struct Server {
    parts: Parts,
    limits: Arc<Limits>,
    stage: watch::Sender<Stage>,
    workers: Arc<Workers>,
    log: Option<Arc<dyn PublicLog>>,
    operator_log: Option<Arc<dyn OperatorLog>>,
    tls: Option<Tls>,
}

/// How a stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every request in flight was answered.
    Gracefully,
    /// The time was up: what was in flight was closed.
    Forcibly,
}

/// What an open connection is counted by.
type Held = (OpenConnection, OwnedSemaphorePermit);

/// What the connections of one listener share.
struct Accepting {
    listener: Listener,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    connections: Arc<Semaphore>,
    stage: watch::Receiver<Stage>,
}

impl Server {
    /// A server without listeners. Starts the threads that will serve connections; fails if the
    /// system has none left.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let limits = Arc::new(parts.limits.clone());
        let workers = Arc::new(Workers::start()?);
        let stage = watch::Sender::new(Stage::Serving);
        Ok(Self { parts, limits, stage, workers, log: None, operator_log: None, tls: None })
    }

    /// The same server, of which listeners that are served from now on show `log`: those of storage
    /// services under `/.lazuli/`, the admin listener under `/log/`.
    #[must_use]
    pub fn with_public_log(self, log: Arc<dyn PublicLog>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// The same server, whose admin listener shows `log` under `/log/` in place of the public one:
    /// it may answer more, and is asked with the query.
    #[must_use]
    pub fn with_operator_log(self, log: Arc<dyn OperatorLog>) -> Self {
        Self { operator_log: Some(log), ..self }
    }

    /// The same server, whose listeners of storage services that are served from now on speak TLS
    /// and nothing else. The admin listener does not.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Serves a storage service on `listener` from now on. To be called in a tokio runtime.
    pub fn serve(&self, listener: Listener, service: Service, handler: Arc<dyn Handler>) {
        let storage = Storage {
            service,
            handler,
            metrics: Arc::clone(&self.parts.metrics),
            clock: Arc::clone(&self.parts.clock),
            entropy: Arc::clone(&self.parts.entropy),
            log: self.log.clone(),
            secure: self.tls.is_some(),
        };
        let tls = self.tls.clone();
        self.answer((listener, tls), storage, self.limits.connections_max);
    }

    /// Serves health and metrics on `listener` from now on. To be called in a tokio runtime.
    pub fn serve_admin(&self, listener: Listener, health: Arc<dyn Health>) {
        let metrics = Arc::clone(&self.parts.metrics);
        let (log, operator_log) = (self.log.clone(), self.operator_log.clone());
        let admin = Admin { health, metrics, log, operator_log };
        self.answer((listener, None), admin, ADMIN_CONNECTIONS_MAX);
    }

    fn answer<R: Respond>(
        &self,
        (listener, tls): (Listener, Option<Tls>),
        responder: R,
        connections_max: usize,
    ) {
        let accepting = self.accepting(listener, connections_max);
        let (limits, clock) = (Arc::clone(&self.limits), Arc::clone(&self.parts.clock));
        let shared = Arc::new(Shared { responder, limits, clock });
        let stage = self.stage.subscribe();
        let workers = Arc::clone(&self.workers);
        tokio::spawn(accepting.run(move |stream, remote: SocketAddr, held| {
            let (shared, stage, tls) = (Arc::clone(&shared), stage.clone(), tls.clone());
            workers.serve(stream, move |stream| async move {
                if let Some(sides) = sides_of(stream, tls.as_ref(), (&shared.limits, &stage)).await
                {
                    connection::serve(sides, remote.ip(), shared, stage).await;
                }
                drop(held);
            })
        }));
    }

    fn accepting(&self, listener: Listener, connections_max: usize) -> Accepting {
        Accepting {
            listener,
            limits: Arc::clone(&self.limits),
            metrics: Arc::clone(&self.parts.metrics),
            connections: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
            stage: self.stage.subscribe(),
        }
    }

    /// Stops accepting, lets requests in flight finish for up to `grace`, then closes what is left.
    pub async fn stop(self, grace: Duration) -> Stopped {
        self.stage.send_replace(Stage::Draining);
        // Accept loops and connections hold a receiver each: all are gone when none is left.
        if tokio::time::timeout(grace, self.stage.closed()).await.is_ok() {
            return Stopped::Gracefully;
        }
        self.stage.send_replace(Stage::Cutting);
        let _ = tokio::time::timeout(CUT_TIME, self.stage.closed()).await;
        Stopped::Forcibly
    }
}

/// The sides of a connection, once its handshake is done if it is to have one; `None` without a
/// good one, or if the server stops meanwhile.
async fn sides_of(
    stream: TcpStream,
    tls: Option<&Tls>,
    (limits, stage): (&Limits, &watch::Receiver<Stage>),
) -> Option<(ReadSide, WriteSide)> {
    let Some(tls) = tls else { return Some(sides::plain(stream)) };
    tokio::select! {
        stream = tls.accept(stream, limits) => stream.map(sides::secured),
        () = reached(stage.clone(), Stage::Draining) => None,
    }
}

impl Accepting {
    /// Accepts until the server stops, and hands each connection on with what it holds while it
    /// is open.
    async fn run<C>(self, connection: C)
    where
        C: Fn(TcpStream, SocketAddr, Held) -> io::Result<()>,
    {
        tracing::debug!(address = %self.listener.address, limits = ?self.limits, "listening");
        let stopping = reached(self.stage.clone(), Stage::Draining);
        let accept = async {
            loop {
                let Some((stream, remote, permit)) = self.accept().await else { return };
                let held = (self.metrics.opened(), permit);
                if let Err(error) = connection(stream, remote, held) {
                    tracing::warn!(%error, "cannot serve a connection");
                }
            }
        };
        tokio::select! {
            () = stopping => {}
            () = accept => {}
        }
    }

    /// The next connection, once there is room for one; `None` never comes while the server lives.
    async fn accept(&self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok()?;
        loop {
            match self.listener.tcp.accept().await {
                Ok((stream, remote)) => {
                    // Small answers must not wait for the client's acknowledgement of the last.
                    let _ = stream.set_nodelay(true);
                    return Some((stream, remote, permit));
                }
                Err(error) => {
                    let address = self.listener.address;
                    tracing::warn!(%error, %address, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}
