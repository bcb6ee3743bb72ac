//! TLS: what is told of it, and clients whose handshake goes wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lazuli_server::{Limits, Stopped, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{Answer, Client, within};
use crate::fake::Fixture;

const SECURE: &str = "GET /secure HTTP/1.1\r\nHost: h\r\n\r\n";
/// Time enough for a handshake on a busy machine, and not too long to wait for twice.
const SHORT: Duration = Duration::from_secs(1);

/// A certificate for `localhost` that signs itself, as a server and as its clients have it.
struct Identity {
    tls: Tls,
    certificate: CertificateDer<'static>,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::from_pem_files(&certificate, &key).unwrap();
    Identity { tls, certificate: made.cert.der().clone() }
}

async fn fixture(limits: Limits) -> (Fixture, CertificateDer<'static>) {
    let Identity { tls, certificate } = identity();
    (Fixture::start_with_tls(limits, tls).await, certificate)
}

async fn connect(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
    Client::over(within(connected).await.unwrap())
}

async fn ask(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
    request: impl AsRef<[u8]>,
) -> Answer {
    let mut client = connect(address, certificate, rustls::DEFAULT_VERSIONS).await;
    client.send(request).await;
    client.answer().await
}

#[tokio::test]
async fn requests_over_tls_are_told_so_and_others_are_not() {
    let (fixture, certificate) = fixture(Limits::default()).await;
    for version in rustls::DEFAULT_VERSIONS {
        let mut client = connect(fixture.blob, &certificate, &[version]).await;
        for _ in 0..3 {
            client.send(SECURE).await;
            assert_eq!(client.answer().await.body, "true", "{version:?}");
        }
    }
    let plain = Fixture::start(Limits::default()).await;
    assert_eq!(Client::ask(plain.blob, SECURE).await.body, "false");
    let live = Client::ask(fixture.admin, "GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(live.status, 200, "the admin listener speaks no TLS");
}

#[tokio::test]
async fn bodies_of_all_kinds_come_whole() {
    let (fixture, certificate) = fixture(Limits::default()).await;
    // More than a record, and more than the buffers of both sides.
    let body = "0123456789".repeat(200_000);
    let length = body.len();
    let head = format!("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n");
    let echoed = ask(fixture.blob, &certificate, format!("{head}\r\n{body}")).await;
    assert!(echoed.body == body, "{} bytes", echoed.body.len());

    let mut client = connect(fixture.blob, &certificate, rustls::DEFAULT_VERSIONS).await;
    client.send(format!("{head}Expect: 100-continue\r\n\r\n")).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(&body).await;
    assert!(client.answer().await.body == body);
    client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "abcdef");
    client.send("GET /chunked HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(client.rest().await.ends_with("\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn the_end_of_an_answer_can_be_told_from_a_cut_connection() {
    let (fixture, certificate) = fixture(Limits::default()).await;
    let mut client = connect(fixture.blob, &certificate, rustls::DEFAULT_VERSIONS).await;
    client.send("GET /secure HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "true");
    assert!(client.ends().await);
}

#[tokio::test]
async fn a_handshake_that_goes_wrong_harms_nobody_else() {
    let (fixture, certificate) = fixture(Limits { head_read: SHORT, ..Limits::default() }).await;
    let hello_without_end = [&[22, 3, 1, 0x40, 0][..], &[1; 100]].concat();
    for sent in
        [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0", &hello_without_end, &[0xff; 9_000]]
    {
        let mut client = Client::connect(fixture.blob).await;
        // The server may be gone before all is sent.
        client.try_send(sent).await;
        let answer = client.rest_bytes().await;
        assert!(!answer.starts_with(b"HTTP"), "{sent:?} {answer:?}");
    }
    assert_eq!(ask(fixture.blob, &certificate, SECURE).await.body, "true");
    let mut client = connect(fixture.blob, &certificate, rustls::DEFAULT_VERSIONS).await;
    client.send(SECURE).await;
    assert_eq!(client.answer().await.body, "true");
}

#[tokio::test]
async fn a_handshake_takes_the_place_of_a_connection_until_its_time_is_up() {
    let limits = Limits { connections_max: 1, head_read: SHORT, ..Limits::default() };
    let (fixture, certificate) = fixture(limits).await;
    let mut silent = Client::connect(fixture.blob).await;
    let answer = ask(fixture.blob, &certificate, SECURE).await;
    assert_eq!(answer.body, "true");
    // There was one place only: the silent client had lost it.
    assert_eq!(silent.rest_bytes().await, b"");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes() {
    let (fixture, _) = fixture(Limits::default()).await;
    let mut silent = Client::connect(fixture.blob).await;
    within(async {
        while fixture.metrics.connections_open() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let stopped = within(fixture.server.stop(Duration::from_secs(30))).await;
    assert_eq!(stopped, Stopped::Gracefully);
    assert_eq!(silent.rest_bytes().await, b"");
}

#[test]
fn what_is_no_certificate_with_its_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) =
        (file("cert.pem", &one.cert.pem()), file("key.pem", &one.signing_key.serialize_pem()));
    let foreign = file("other.pem", &other.signing_key.serialize_pem());
    let (empty, absent) = (file("empty.pem", ""), folder.path().join("absent.pem"));
    assert!(Tls::from_pem_files(&certificate, &key).is_ok());
    for (certificate, key, blamed) in [
        (&certificate, &foreign, "cert.pem"),
        (&key, &key, "key.pem"),
        (&empty, &key, "empty.pem"),
        (&absent, &key, "absent.pem"),
        (&certificate, &certificate, "cert.pem"),
        (&certificate, &absent, "absent.pem"),
    ] {
        let error = Tls::from_pem_files(certificate, key).unwrap_err().to_string();
        assert!(error.contains(blamed), "{error}");
    }
}
