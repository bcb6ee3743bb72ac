//! Asking a server for parts of its log: HTTP, one connection a question, all of it bounded.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

use lazuli_log::http1::{Answer, Incoming, Url};
use lazuli_log::tls::Tls;
use lazuli_tlog::note::NOTE_BYTES_MAX;
use lazuli_tlog::tile::TILE_WIDTH;
use lazuli_tlog::{SignedCheckpoint, Tile, TileKind};

use crate::failure::{Failure, While as _};

/// The longest that a question may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The most bytes of a file of entries: 256 of them with their lengths.
const BUNDLE_BYTES_MAX: usize = 256 * (2 + 65_535);

/// A server, and the path under which it shows a log.
#[derive(Debug)]
pub(super) struct Remote {
    base: Url,
    /// What an address with `https` needs.
    tls: Option<Tls>,
}

impl Remote {
    /// The log at an address. A server with `https` is trusted by the roots in a file of PEM, or
    /// without it by those of the system.
    pub(super) fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, Failure> {
        let base: Url = url.parse().map_err(|error| Failure::usage(format!("`{url}`: {error}")))?;
        let doing = || {
            ca_file.map_or_else(
                || "use TLS".into(),
                |file| format!("use the roots of {}", file.display()),
            )
        };
        let pem = ca_file.map(std::fs::read).transpose().or_fail(doing())?;
        let tls = base.is_tls().then(|| Tls::new(pem.as_deref())).transpose();
        Ok(Self { tls: tls.or_fail(doing())?, base })
    }

    /// The log as the admin listener at an address shows it.
    pub(super) fn of_admin(url: &str) -> Result<Self, Failure> {
        Self::new(&format!("{}/log", url.trim_end_matches('/')), None)
    }

    /// What is at a path; `None` if there is nothing.
    pub(super) fn get(&self, below: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        let doing = format!("ask {}/{below}", self.base);
        let answer = exchange(&self.base, self.tls.as_ref(), below, bytes_max);
        let Answer { status, body } = answer.or_fail(&doing).map_err(|failure| {
            failure.hint("is the server running? its address is on the line `admin ready at`")
        })?;
        match status {
            200 => Ok(Some(body)),
            404 => Ok(None),
            _ => Err(Failure::new(format!("cannot {doing}: it answered {status}"))),
        }
    }

    /// What is at a path, where there must be something.
    pub(super) fn need(&self, below: &str, bytes_max: usize) -> Result<Vec<u8>, Failure> {
        self.get(below, bytes_max)?.ok_or_else(|| {
            Failure::new(format!("{}/{below}: there is nothing", self.base))
                .hint("a server has a log unless it runs with `--transparency-log off`")
        })
    }

    /// A checkpoint, unverified; `None` if there is none of this name.
    pub(super) fn checkpoint(&self, name: &str) -> Result<Option<SignedCheckpoint>, Failure> {
        let Some(bytes) = self.get(name, NOTE_BYTES_MAX)? else { return Ok(None) };
        let signed = SignedCheckpoint::parse(&bytes);
        signed.map(Some).or_fail(format!("read {}/{name}", self.base))
    }

    /// The newest checkpoint with a quorum of witnesses, or, without one, the newest.
    pub(super) fn best_checkpoint(&self) -> Result<SignedCheckpoint, Failure> {
        if let Some(witnessed) = self.checkpoint("witnessed")? {
            return Ok(witnessed);
        }
        let newest = self.checkpoint("checkpoint")?;
        newest.ok_or_else(|| {
            let what = format!("{}/checkpoint: the log shows no checkpoint", self.base);
            let hint =
                "a log that never signed shows none: `/health/ready` of its server may say why";
            Failure::new(what).hint(hint)
        })
    }

    /// The bytes of a tile; `None` if there is none. A partial one may be gone when its full one is
    /// there, whose beginning it is.
    pub(super) fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        let bytes_max = match tile.kind() {
            TileKind::Hashes(_) => usize::from(TILE_WIDTH) * 32,
            TileKind::Entries => BUNDLE_BYTES_MAX,
        };
        if let Some(bytes) = self.get(&tile.path(), bytes_max)? {
            return Ok(Some(bytes));
        }
        let Some(full) = tile.full().filter(|full| *full != tile) else { return Ok(None) };
        let bytes = self.get(&full.path(), bytes_max)?;
        Ok(bytes.and_then(|bytes| beginning(tile, bytes)))
    }
}

/// As much of a full tile as a partial one has.
fn beginning(tile: Tile, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let width = usize::from(tile.width());
    let length = match tile.kind() {
        TileKind::Hashes(_) => width * 32,
        TileKind::Entries => {
            let entries = lazuli_tlog::entries(&bytes, TILE_WIDTH).ok()?;
            entries.iter().take(width).map(|entry| 2 + entry.len()).sum()
        }
    };
    bytes.truncate(length);
    Some(bytes)
}

/// A connection, encrypted or not.
trait Stream: io::Read + io::Write {}

impl<T: io::Read + io::Write> Stream for T {}

/// Sends one question and reads the answer.
fn exchange(base: &Url, tls: Option<&Tls>, below: &str, bytes_max: usize) -> io::Result<Answer> {
    let deadline = Instant::now() + PATIENCE;
    let socket = connect(base.authority())?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Both are one socket, whose time limits are set while the other speaks.
    let mut stream: Box<dyn Stream> = match tls {
        Some(tls) => Box::new(tls.blocking(base, socket.try_clone()?)?),
        None => Box::new(socket.try_clone()?),
    };
    stream.write_all(&base.get(below))?;
    let mut incoming = Incoming::new(bytes_max);
    let mut part = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let count = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let taken = incoming.take(part.get(..count).unwrap_or_default());
        if let Some(answer) = taken.map_err(io::Error::other)? {
            return Ok(answer);
        }
    }
}

/// Connects to the first address of a host that answers.
fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};

    use super::*;

    /// Answers every question with `ok`, behind TLS. Gives the port, and the root to be trusted.
    fn start() -> (u16, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().expect("versions");
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key);
        let config = Arc::new(config.expect("a certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("TLS");
                let mut stream = StreamOwned::new(connection, socket);
                // A client that trusts another root ends the handshake.
                let mut head = [0; 1024];
                if stream.read(&mut head).is_ok() {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            }
        });
        (port, made.cert.pem())
    }

    #[test]
    fn a_log_behind_tls_is_read_if_a_root_vouches_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, pem) = start();
        let (_, other) = start();
        let [good, bad, none] = ["good", "bad", "none"].map(|name| folder.path().join(name));
        std::fs::write(&good, pem).expect("written");
        std::fs::write(&bad, other).expect("written");
        std::fs::write(&none, "none").expect("written");
        let url = format!("https://localhost:{port}/log");
        let ask = |roots| Remote::new(&url, Some(roots)).and_then(|remote| remote.get("x", 10));
        assert_eq!(ask(&good).expect("an answer"), Some(b"ok".to_vec()));
        let refused = format!("{:?}", ask(&bad).expect_err("another root"));
        assert!(refused.contains("certificate"), "{refused}");
        let refused = format!("{:?}", ask(&none).expect_err("no roots"));
        assert!(refused.contains("no file of certificates"), "{refused}");
        assert!(ask(&folder.path().join("missing")).is_err());
    }
}
