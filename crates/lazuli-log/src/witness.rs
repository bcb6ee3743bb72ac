//! Asking witnesses to cosign each checkpoint, without ever waiting for them.
//!
//! <https://c2sp.org/tlog-witness#add-checkpoint>. Each witness has a client of its own, which sends
//! the newest checkpoint, at most one a second and one at a time, and pauses ever longer for a
//! witness that fails. What a witness answers is verified before it is added to the checkpoint.

use std::fmt::{self, Write as _};
use std::io;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lazuli_base::Clock;
use lazuli_tlog::note::parse_signatures;
use lazuli_tlog::{Policy, PolicyError, SignedCheckpoint, VerifierKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::http1::{Answer, HttpError, Incoming, Url, UrlError};
use crate::keys::Keys;
use crate::ledger::millis;
use crate::public::Public;
use crate::stats::{LogStats, WitnessStats};
use crate::tls::{Tls, TlsError};

/// The most bytes of what a witness answers: cosignatures of a few keys, or a size.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// The witnesses that a log asks, and the quorum that its readers should ask for: a `tlog-policy`
/// file, whose lines about logs are left aside.
///
/// <https://c2sp.org/tlog-policy>
#[derive(Clone, Debug)]
pub struct Witnesses {
    policy: Policy,
    /// The file's lines about witnesses, groups and the quorum.
    lines: String,
    urls: Vec<Option<Url>>,
    tls: Option<Tls>,
}

/// Why witnesses cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessesError {
    /// The file is not a policy.
    Policy(PolicyError),
    /// The file is not UTF-8.
    NotText,
    /// The address of the witness with this name.
    Url(String, UrlError),
}

impl fmt::Display for WitnessesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(error) => error.fmt(f),
            Self::NotText => f.write_str("the policy is not UTF-8"),
            Self::Url(name, error) => write!(f, "the address of the witness {name}: {error}"),
        }
    }
}

impl std::error::Error for WitnessesError {}

impl Witnesses {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, WitnessesError> {
        let policy = Policy::parse(bytes).map_err(WitnessesError::Policy)?;
        let text = std::str::from_utf8(bytes).map_err(|_| WitnessesError::NotText)?;
        let url = |witness: &lazuli_tlog::policy::Witness| {
            let name = String::from_utf8_lossy(&witness.name);
            let url = witness.url.as_deref().map(String::from_utf8_lossy);
            let url = url.map(|url| Url::from_str(&url)).transpose();
            url.map_err(|error| WitnessesError::Url(name.into_owned(), error))
        };
        let urls = policy.witnesses().iter().map(url).collect::<Result<_, _>>()?;
        let is_kept = |line: &&str| {
            let first = line.split([' ', '\t']).find(|word| !word.is_empty());
            first.is_some_and(|first| matches!(first, "witness" | "group" | "quorum"))
        };
        let lines = text.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect();
        Ok(Self { policy, lines, urls, tls: None })
    }

    /// Trusts the witnesses with `https` addresses by the roots in `pem`, or without it by those of
    /// the system. Before this they cannot be asked; without such witnesses it does nothing.
    pub fn trusting(mut self, pem: Option<&[u8]>) -> Result<Self, TlsError> {
        if self.urls.iter().flatten().any(Url::is_tls) {
            self.tls = Some(Tls::new(pem)?);
        }
        Ok(self)
    }

    /// The policy of a log with these keys that asks these witnesses.
    pub(crate) fn policy(&self, keys: &Keys) -> String {
        format!("{}{}", keys.log_lines(), self.lines)
    }

    /// The witnesses that can be asked, with their keys, in the order of the file.
    fn reachable(&self) -> impl Iterator<Item = (String, &VerifierKey, &Url)> {
        let named = self.policy.witnesses().iter().zip(self.policy.witness_keys());
        named.zip(&self.urls).filter_map(|((witness, key), url)| {
            Some((String::from_utf8_lossy(&witness.name).into_owned(), key, url.as_ref()?))
        })
    }

    /// The numbers of the witnesses that can be asked, all zero.
    pub(crate) fn stats(&self) -> Vec<WitnessStats> {
        let stats = |(name, _, url): (String, _, &Url)| WitnessStats::new(name, url.to_string());
        self.reachable().map(stats).collect()
    }

    /// A client for each witness that can be asked; `stats` has the numbers made by [`Self::stats`].
    pub(crate) fn clients(
        &self,
        public: &Arc<Public>,
        stats: &Arc<LogStats>,
        clock: &Arc<dyn Clock>,
    ) -> Vec<Client> {
        let client = |(place, (_, key, url)): (usize, (String, &VerifierKey, &Url))| Client {
            place,
            key: key.clone(),
            url: url.clone(),
            tls: self.tls.clone(),
            public: Arc::clone(public),
            stats: Arc::clone(stats),
            clock: Arc::clone(clock),
            pace: Pace::DEFAULT,
            known: 0,
        };
        self.reachable().enumerate().map(client).collect()
    }
}

/// How fast a witness is asked.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The longest that an answer may take.
    answer: Duration,
    /// The shortest time from one request to the next.
    least: Duration,
    /// The longest pause after failures.
    most: Duration,
}

impl Pace {
    const DEFAULT: Self = Self {
        answer: Duration::from_secs(10),
        least: Duration::from_secs(1),
        most: Duration::from_mins(1),
    };

    /// The time from one request to the next after so many failures in a row.
    fn pause(&self, failures: u32) -> Duration {
        self.least.saturating_mul(1 << failures.min(16)).min(self.most)
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The witness vouches for the checkpoint.
    Cosigned,
    /// It knows a tree of another size than was thought, from which a proof will be sent.
    Elsewhere,
}

/// Why a witness did not cosign.
#[derive(Debug)]
enum Refusal {
    /// It cannot be reached.
    Io(io::Error),
    /// It took too long.
    Late,
    /// It does not speak HTTP.
    Http(HttpError),
    /// It refused with this status.
    Status(u16),
    /// It vouched for more leaves than there are.
    Beyond(u64),
    /// It did not answer with a cosignature of its key for the checkpoint.
    Cosignature,
    /// The tiles for the proof are not there.
    Proof,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Late => f.write_str("no answer in time"),
            Self::Http(error) => error.fmt(f),
            Self::Status(403) => f.write_str("403: it does not trust the key of the log"),
            Self::Status(404) => f.write_str("404: it does not know the log"),
            Self::Status(409) => f.write_str("409: it vouched for another tree of this size"),
            Self::Status(422) => f.write_str("422: it vouched for a tree that is not continued"),
            Self::Status(status) => write!(f, "it answered with the status {status}"),
            Self::Beyond(size) => {
                write!(f, "409: it vouched for {size} leaves, more than there are")
            }
            Self::Cosignature => f.write_str("what it answered is no cosignature of its key"),
            Self::Proof => f.write_str("no proof could be made for it"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// Asks one witness.
pub(crate) struct Client {
    /// Its place among the numbers of the witnesses.
    place: usize,
    key: VerifierKey,
    url: Url,
    /// What an address with `https` needs.
    tls: Option<Tls>,
    public: Arc<Public>,
    stats: Arc<LogStats>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    /// The size of the tree that the witness is thought to have vouched for last.
    known: u64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for ever.
    async fn run(mut self) {
        let mut newest = self.public.checkpoints().subscribe();
        let (mut failures, mut done) = (0, 0);
        loop {
            let size = |signed: &SignedCheckpoint| signed.checkpoint().head().size;
            let is_new = |signed: &Option<SignedCheckpoint>| signed.as_ref().map_or(0, size) > done;
            let Ok(signed) = newest.wait_for(is_new).await.map(|signed| signed.clone()) else {
                return;
            };
            let Some(signed) = signed else { continue };
            let begun = Instant::now();
            match self.ask(&signed).await {
                Ok(Outcome::Cosigned) => (failures, done) = (0, size(&signed)),
                Ok(Outcome::Elsewhere) => {}
                Err(()) => failures += 1,
            }
            tokio::time::sleep_until(begun + self.pace.pause(failures)).await;
        }
    }

    /// Asks once, and notes what became of it.
    async fn ask(&mut self, signed: &SignedCheckpoint) -> Result<Outcome, ()> {
        let stats = Arc::clone(&self.stats);
        let Some(stats) = stats.witnesses.get(self.place) else { return Err(()) };
        stats.requests.fetch_add(1, Ordering::Relaxed);
        let answer = tokio::time::timeout(self.pace.answer, self.round(signed)).await;
        match answer.unwrap_or(Err(Refusal::Late)) {
            Ok(Outcome::Cosigned) => {
                stats.cosigned(signed.checkpoint().head().size, millis(&*self.clock));
                Ok(Outcome::Cosigned)
            }
            Ok(Outcome::Elsewhere) => Ok(Outcome::Elsewhere),
            Err(why) => {
                if stats.failed(why.to_string()) {
                    tracing::warn!(witness = stats.name, %why, "a witness does not cosign");
                }
                Err(())
            }
        }
    }

    /// Sends a checkpoint and takes the answer.
    async fn round(&mut self, signed: &SignedCheckpoint) -> Result<Outcome, Refusal> {
        let size = signed.checkpoint().head().size;
        // A witness that knows more than this checkpoint will say so.
        let old = self.known.min(size);
        let body = self.body(signed, old)?;
        let Answer { status, body } = exchange(&self.url, self.tls.as_ref(), &body).await?;
        match status {
            200 => {
                self.add(signed, &body)?;
                self.known = size;
                Ok(Outcome::Cosigned)
            }
            409 => {
                let body = std::str::from_utf8(&body).ok();
                let known = body.and_then(|body| body.trim_end_matches('\n').parse().ok());
                match known.ok_or(Refusal::Status(409))? {
                    known if known > size => Err(Refusal::Beyond(known)),
                    known if known == old => Err(Refusal::Status(409)),
                    known => {
                        self.known = known;
                        Ok(Outcome::Elsewhere)
                    }
                }
            }
            status => Err(Refusal::Status(status)),
        }
    }

    /// The body of a request: where the proof begins, the proof, and the checkpoint as the log alone
    /// signed it.
    fn body(&self, signed: &SignedCheckpoint, old: u64) -> Result<Vec<u8>, Refusal> {
        let checkpoint = signed.checkpoint();
        let proof = self.public.consistency(old, checkpoint.head().size).ok_or(Refusal::Proof)?;
        let keys = self.public.checkpoints().log_keys();
        let signatures = signed.note().signatures().iter();
        let signatures = signatures.filter(|found| keys.iter().any(|key| found.is_of(key)));
        let signed = checkpoint.clone().with_signatures(signatures.cloned().collect());
        let signed = signed.map_err(|_| Refusal::Proof)?;
        let mut body = format!("old {old}\n");
        for hash in proof {
            // Writing to a string cannot fail.
            let _ = writeln!(body, "{hash}");
        }
        let _ = write!(body, "\n{signed}");
        Ok(body.into_bytes())
    }

    /// Adds the cosignatures of the witness's key, of which there must be one, all of them right.
    fn add(&self, signed: &SignedCheckpoint, lines: &[u8]) -> Result<(), Refusal> {
        let text = signed.note().text();
        let signatures = parse_signatures(lines).map_err(|_| Refusal::Cosignature)?;
        let mut ours = signatures.into_iter().filter(|signature| signature.is_of(&self.key));
        let signature = ours.next().ok_or(Refusal::Cosignature)?;
        let timestamp = self.key.verify(text, signature.bytes());
        if !matches!(timestamp, Ok(Some(1..))) {
            return Err(Refusal::Cosignature);
        }
        Ok(self.public.checkpoints().add(text, signature)?)
    }
}

/// Sends a body to a witness's `add-checkpoint`, on a connection of its own.
async fn exchange(url: &Url, tls: Option<&Tls>, body: &[u8]) -> Result<Answer, Refusal> {
    let stream = TcpStream::connect(url.authority()).await?;
    if !url.is_tls() {
        return talk(stream, url, body).await;
    }
    let tls = tls.ok_or_else(|| io::Error::other("there are no roots to trust"))?;
    talk(tls.connect(url, stream).await?, url, body).await
}

/// Sends a body and reads the answer.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    url: &Url,
    body: &[u8],
) -> Result<Answer, Refusal> {
    stream.write_all(&url.post("add-checkpoint", body)).await?;
    let mut incoming = Incoming::new(ANSWER_BYTES_MAX);
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).await?;
        if let Some(answer) = incoming.take(part.get(..count).unwrap_or_default())? {
            return Ok(answer);
        }
    }
}

/// Clients that run on a thread of their own, until this is dropped.
pub(crate) struct Asking {
    _stop: oneshot::Sender<()>,
}

impl Asking {
    /// Begins to ask.
    pub(crate) fn start(clients: Vec<Client>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("witnesses".into()).spawn(move || {
            runtime.block_on(async {
                let mut asking = tokio::task::JoinSet::new();
                for client in clients {
                    asking.spawn(client.run());
                }
                let _ = stopped.await;
            });
            // A name may still be looked up: nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(test)]
mod tests;
