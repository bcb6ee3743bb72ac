//! A handler that does what the path says, and the server it stands behind.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use lazuli_api::{
    Body, Handler, Observation, OperatorLog, PublicLog, Request, Response, ResponseBody, Spelling,
};
use lazuli_base::{ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::BoxFuture;
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_server::{Health, Limits, Listener, Metrics, Parts, Server, Tls};
use tokio::sync::{Notify, Semaphore};

/// The events of the fake handler that tests wait for.
#[derive(Default)]
pub(crate) struct Fake {
    /// A request for `/hang` has arrived.
    pub(crate) entered: Notify,
    /// Lets one request for `/hang` go on for each permit.
    pub(crate) gate: Gate,
    /// A response body of `/endless` was dropped.
    pub(crate) dropped: Arc<Notify>,
}

pub(crate) struct Gate(pub(crate) Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Fake {
    async fn answer(&self, mut request: Request) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        match path {
            "/target" => {
                let host = request.headers.get("host").and_then(|host| host.to_str().ok());
                full(200, format!("{} {}", request.target, host.unwrap_or_default()))
            }
            "/secure" => full(200, request.secure.to_string()),
            "/echo" => {
                let announced = request.body.announced();
                let mut got = Vec::new();
                while let Some(part) = request.body.next().await {
                    match part {
                        Ok(bytes) => got.extend_from_slice(&bytes),
                        Err(error) => return full(400, format!("{error:?}")),
                    }
                }
                let mut response = full(200, got);
                let announced = announced.map_or("none".to_owned(), |bytes| bytes.to_string());
                response.headers.insert("announced", HeaderValue::from_str(&announced).unwrap());
                response
            }
            "/metadata" => {
                let headers = std::mem::take(&mut request.headers);
                Response { spelling: request.spelling, ..answer(200, headers, Body::Empty) }
            }
            "/refuse" => full(403, "no"),
            "/head" => {
                let mut response = full(200, vec![b'x'; 1234]);
                response.headers.insert("content-length", HeaderValue::from_static("1234"));
                response
            }
            "/panic" => panic!("as asked"),
            "/hang" => {
                self.entered.notify_one();
                self.gate.0.acquire().await.unwrap().forget();
                full(200, "done")
            }
            "/stream" => stream("content-length", "6", vec![Ok("abc"), Ok("def")]),
            "/chunked" => stream("x", "y", vec![Ok("abc"), Ok("def")]),
            "/broken" => stream("content-length", "6", vec![Ok("abc"), Err(())]),
            "/endless" => {
                let body = Body::Stream(Box::new(Endless(Arc::clone(&self.dropped))));
                answer(200, HeaderMap::new(), body)
            }
            _ => full(404, ""),
        }
    }
}

fn full(status: u16, body: impl Into<Bytes>) -> Response {
    answer(status, HeaderMap::new(), Body::Full(body.into()))
}

fn answer(status: u16, headers: HeaderMap, body: Body) -> Response {
    Response { status, headers, spelling: Spelling::default(), body }
}

fn stream(
    name: &'static str,
    value: &'static str,
    parts: Vec<Result<&'static str, ()>>,
) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_static(value));
    answer(200, headers, Body::Stream(Box::new(Given(parts.into_iter()))))
}

struct Given(std::vec::IntoIter<Result<&'static str, ()>>);

impl ResponseBody for Given {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>> {
        let part = self.0.next().map(|part| {
            part.map(|text| Bytes::from_static(text.as_bytes()))
                .map_err(|()| Refusal::new(ErrorCode::InternalError))
        });
        Box::pin(std::future::ready(part))
    }
}

struct Endless(Arc<Notify>);

impl ResponseBody for Endless {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>> {
        Box::pin(std::future::ready(Some(Ok(Bytes::from(vec![0; 64 * 1024])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Handler for Fake {
    fn handle(&self, request: Request) -> BoxFuture<'_, (Response, Observation)> {
        Box::pin(async move {
            let response = self.answer(request).await;
            let observation = Observation {
                operation: "Fake",
                account: None,
                request_id: String::new(),
                status: response.status,
                error: None,
                cause: None,
                bytes_in: 0,
            };
            (response, observation)
        })
    }
}

struct Well;

impl Health for Well {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A server with the fake handler.
pub(crate) struct Fixture {
    pub(crate) fake: Arc<Fake>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) server: Server,
    pub(crate) blob: SocketAddr,
    pub(crate) table: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Fixture {
    /// Starts it on free ports.
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::start_with(limits, None).await
    }

    /// Starts it with a public log.
    pub(crate) async fn start_with(limits: Limits, log: Option<Arc<dyn PublicLog>>) -> Self {
        Self::start_as(limits, |server| match log {
            Some(log) => server.with_public_log(log),
            None => server,
        })
        .await
    }

    /// Starts it with a log that the operator is shown.
    pub(crate) async fn start_for_operator(log: Arc<dyn OperatorLog>) -> Self {
        Self::start_as(Limits::default(), |server| server.with_operator_log(log)).await
    }

    /// Starts it with TLS on the listener of the storage service.
    pub(crate) async fn start_with_tls(limits: Limits, tls: Tls) -> Self {
        Self::start_as(limits, |server| server.with_tls(tls)).await
    }

    async fn start_as(limits: Limits, with: impl FnOnce(Server) -> Server) -> Self {
        let metrics = Arc::new(Metrics::new(None));
        let server = Server::new(Parts {
            limits,
            metrics: Arc::clone(&metrics),
            clock: Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1))),
            entropy: Arc::new(SeededEntropy::new(1)),
        })
        .unwrap();
        let server = with(server);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let blob = Listener::bind(any).await.unwrap();
        let table = Listener::bind(any).await.unwrap();
        let admin = Listener::bind(any).await.unwrap();
        let (blob_address, admin_address) = (blob.address(), admin.address());
        let table_address = table.address();
        let fake = Arc::new(Fake::default());
        server.serve(blob, Service::Blob, Arc::clone(&fake) as Arc<dyn Handler>);
        server.serve(table, Service::Table, Arc::clone(&fake) as Arc<dyn Handler>);
        server.serve_admin(admin, Arc::new(Well));
        Self {
            fake,
            metrics,
            server,
            blob: blob_address,
            table: table_address,
            admin: admin_address,
        }
    }
}
