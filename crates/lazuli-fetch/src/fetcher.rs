//! Who connects and asks: names resolved and checked, connections opened and used again.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::connection::{Connection, Stream};
use crate::content::Content;
use crate::error::FetchError;
use crate::guard::Guard;
use crate::head::{self, Head};
use crate::pool::Pool;
use crate::target::Target;
use crate::tls::Roots;
use crate::whole::Whole;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Times something is asked for anew when nothing came of it.
const ATTEMPTS_MAX: u32 = 3;

/// Before the second attempt; twice that before the third.
const RETRY: Duration = Duration::from_millis(250);

/// A name about to be resolved.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Resolves names.
pub trait Names: Send + Sync {
    /// The addresses of a host.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// Resolves names as the system does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// The bounds on what other hosts may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// To resolve a name, and to connect to an address, each.
    pub connect: Duration,
    /// From the request to the whole head of the answer.
    pub head: Duration,
    /// Without a byte of the body.
    pub stall: Duration,
    /// The least bytes per second of the body, over [`Bounds::pace_window`].
    pub bytes_per_second_min: u64,
    /// How long the pace is measured.
    pub pace_window: Duration,
    /// Contents that are read at the same time.
    pub open_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            bytes_per_second_min: 4 * 1024,
            pace_window: Duration::from_mins(1),
            open_max: 256,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Where it is.
    pub target: Target,
    /// The first and the last byte of it; `None` for all of it.
    pub range: Option<(u64, Option<u64>)>,
    /// Headers that go with every request: authorisation, version.
    pub headers: Vec<(&'static str, String)>,
    /// Headers that go with the first request only: conditions.
    pub conditions: Vec<(&'static str, String)>,
}

impl Ask {
    /// All of a target, without conditions.
    pub fn all(target: Target) -> Self {
        Self { target, range: None, headers: Vec::new(), conditions: Vec::new() }
    }
}

/// Fetches content from other hosts. A handle that is cheap to clone.
#[derive(Clone)]
pub struct Fetcher(Arc<Shared>);

struct Shared {
    guard: Guard,
    roots: Roots,
    bounds: Bounds,
    names: Box<dyn Names>,
    /// Read when it is first needed: most servers fetch nothing.
    tls: OnceCell<Arc<ClientConfig>>,
    pool: Pool,
    open: Arc<Semaphore>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("guard", &self.0.guard).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher that goes where `guard` lets it and trusts `roots` besides the system's authorities.
    pub fn new(guard: Guard, roots: Roots) -> Self {
        Self::with(guard, roots, (Bounds::default(), Box::new(SystemNames)))
    }

    /// A fetcher with bounds and a resolver of its own.
    pub fn with(guard: Guard, roots: Roots, (bounds, names): (Bounds, Box<dyn Names>)) -> Self {
        let open = Arc::new(Semaphore::new(bounds.open_max));
        let (tls, pool) = (OnceCell::new(), Pool::default());
        Self(Arc::new(Shared { guard, roots, bounds, names, tls, pool, open }))
    }

    /// Asks for content, a few times if need be. What comes back has begun to arrive.
    pub async fn open(&self, ask: Ask) -> Result<Content, FetchError> {
        let permit = self.permit()?;
        let mut attempt = 1;
        loop {
            match Content::begin(self, &ask).await {
                Ok(begun) => return Ok(begun.with_permit(permit)),
                Err(error) => pause(&mut attempt, error).await?,
            }
        }
    }

    /// Asks for a body of at most `bytes_max` bytes, a few times if need be, and waits for all of it.
    ///
    /// Any status but 200 is [`FetchError::Answered`], more bytes are [`FetchError::Malformed`].
    pub async fn whole(&self, ask: Ask, bytes_max: u64) -> Result<Whole, FetchError> {
        let _permit = self.permit()?;
        let mut attempt = 1;
        loop {
            match Whole::receive(self, &ask, bytes_max).await {
                Ok(whole) => return Ok(whole),
                Err(error) => pause(&mut attempt, error).await?,
            }
        }
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, FetchError> {
        Arc::clone(&self.0.open).try_acquire_owned().map_err(|_| FetchError::Busy)
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    pub(crate) fn keep(&self, target: &Target, connection: Connection) {
        self.0.pool.keep(target, connection);
    }

    /// Sends a request. One that finds the connection it was to use again closed goes out on
    /// another.
    pub(crate) async fn ask(
        &self,
        target: &Target,
        headers: &[(&str, &str)],
        range: Option<(u64, Option<u64>)>,
    ) -> Result<(Connection, Head), FetchError> {
        if !self.0.guard.admits_host(target.host(), target.port()) {
            return Err(FetchError::NotAllowed);
        }
        let request = head::request(target, headers, range);
        let limit = self.0.bounds.head;
        if let Some(mut connection) = self.0.pool.take(target)
            && let Ok(Ok(head)) = timeout(limit, connection.ask(&request)).await
        {
            return Ok((connection, head));
        }
        let mut connection = self.connect(target).await?;
        let head = timeout(limit, connection.ask(&request)).await;
        let head = head.map_err(|_| FetchError::TimedOut("no answer"))??;
        Ok((connection, head))
    }

    /// Connects to the first address of a host that is admitted and answers.
    async fn connect(&self, target: &Target) -> Result<Connection, FetchError> {
        let limit = self.0.bounds.connect;
        let addresses = match target.address() {
            Some(address) => vec![SocketAddr::new(address, target.port())],
            None => timeout(limit, self.0.names.resolve(target.host(), target.port()))
                .await
                .map_err(|_| FetchError::TimedOut("its name is not resolved"))?
                .map_err(|error| FetchError::Unreachable(error.to_string()))?,
        };
        let admitted = addresses.iter().filter(|found| self.0.guard.admits_address(found.ip()));
        let mut outcome = Err(FetchError::NotAllowed);
        for address in admitted.take(ADDRESSES_MAX) {
            outcome = match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    self.secured(target, stream).await
                }
                Ok(Err(error)) => Err(FetchError::Unreachable(error.to_string())),
                Err(_) => Err(FetchError::TimedOut("no connection")),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(Connection::new)
    }

    async fn secured(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, FetchError> {
        if !target.is_secure() {
            return Ok(Box::new(stream));
        }
        let unreachable = |why: &dyn fmt::Display| FetchError::Unreachable(why.to_string());
        let config = self.0.tls.get_or_try_init(|| self.configure()).await?;
        let name = target.host().trim_end_matches('.').to_owned();
        let name = ServerName::try_from(name).map_err(|error| unreachable(&error))?;
        let shaking = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        match timeout(self.0.bounds.connect, shaking).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => Err(FetchError::TimedOut("no TLS")),
        }
    }

    async fn configure(&self) -> Result<Arc<ClientConfig>, FetchError> {
        let roots = self.0.roots.clone();
        let unreachable = |why: &dyn fmt::Display| FetchError::Unreachable(why.to_string());
        let config = tokio::task::spawn_blocking(move || roots.config()).await;
        config.map_err(|error| unreachable(&error))?.map_err(|error| unreachable(&error))
    }
}

/// Waits before something is asked for anew, unless it was asked for often enough or that is of no
/// use.
async fn pause(attempt: &mut u32, error: FetchError) -> Result<(), FetchError> {
    if *attempt >= ATTEMPTS_MAX || !error.is_passing() {
        return Err(error);
    }
    tokio::time::sleep(RETRY * *attempt).await;
    *attempt += 1;
    Ok(())
}
