//! One connection: HTTP on it, its limits, its end.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Limits;
use crate::socket::Socket;
use crate::vitals::{Cut, Vitals};

/// How far the server has come in stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It serves.
    #[default]
    Serving,
    /// Requests in flight are finished; connections take no further ones.
    Draining,
    /// What is still open is closed.
    Cutting,
}

/// The most that is read from a socket at once, and that is held of a response.
const BUFFER_BYTES_MAX: usize = 512 * 1024;

/// hyper's settings by `limits`. Its own time-outs are off: [`Vitals`] has them for less.
pub(crate) fn protocol(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(limits.headers_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX)
        .header_read_timeout(None)
        // A client that has sent its last request and closed its side still reads the answer, and
        // a write under way is not dropped half-way because its client left.
        .half_close(true);
    builder
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// The peer closed it, the protocol did, or it failed.
    Over(hyper::Result<()>),
    /// This side did.
    Cut(Cut),
}

/// Serves requests on `stream` until it ends.
pub(crate) async fn serve<S>(
    stream: TcpStream,
    vitals: Arc<Vitals>,
    (protocol, limits): (&http1::Builder, &Limits),
    service: S,
    stage: watch::Receiver<Stage>,
) where
    S: HttpService<Incoming> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Unpin,
    S::ResBody: 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let socket = Socket::new(stream, Arc::clone(&vitals), limits);
    let mut http = protocol.serve_connection(TokioIo::new(socket), service);
    let interval = limits.check_interval();
    let mut cutting = pin!(reached(stage.clone(), Stage::Cutting));
    let end = {
        let mut timer = pin!(tokio::time::sleep(interval));
        let mut draining = pin!(reached(stage, Stage::Draining));
        let mut drains = false;
        std::future::poll_fn(|cx| {
            loop {
                if let Poll::Ready(over) = http.poll_without_shutdown(cx) {
                    return Poll::Ready(End::Over(over));
                }
                if !drains && draining.as_mut().poll(cx).is_ready() {
                    drains = true;
                    Pin::new(&mut http).graceful_shutdown();
                    continue;
                }
                if drains && cutting.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(End::Cut(Cut::Stopping));
                }
                ready!(timer.as_mut().poll(cx));
                if let Some(cut) = vitals.verdict(limits) {
                    return Poll::Ready(End::Cut(cut));
                }
                timer.as_mut().reset(Instant::now() + interval);
            }
        })
        .await
    };
    match &end {
        End::Over(Ok(())) => {}
        End::Over(Err(error)) => tracing::debug!(%error, "connection failed"),
        End::Cut(cut) => tracing::debug!(?cut, "connection closed"),
    }
    let unread = match &end {
        End::Over(Ok(())) => vitals.is_unread(),
        // The refusal of a head, too, is to be read.
        End::Over(Err(error)) => error.is_parse(),
        End::Cut(_) => false,
    };
    let socket = http.into_parts().io.into_inner();
    if unread {
        tokio::select! {
            () = linger(socket, limits) => {}
            () = cutting => {}
        }
    }
}

/// Returns when the server has come to `wanted`. A server that is gone has come to its end.
pub(crate) async fn reached(mut stage: watch::Receiver<Stage>, wanted: Stage) {
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

/// Ends the sending side and discards what the client still sends: closing a socket with unread
/// bytes resets the connection, and the client could not read why it was refused.
async fn linger(mut socket: Socket, limits: &Limits) {
    let discard = async {
        socket.shutdown().await?;
        let mut scratch = vec![0; 64 * 1024];
        while socket.read(&mut scratch).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the client hung up, failed or used up its time: the socket is closed next.
    let _ = tokio::time::timeout(limits.linger, discard).await;
}
