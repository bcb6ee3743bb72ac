//! Witnesses behind HTTPS: those that the roots vouch for are asked, and no others.

use std::io::{Read as _, Write as _};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// Ends TLS for a server at `plain` under a name. Gives the port, and the root to be trusted.
async fn terminate(name: &str, plain: String) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                // A client that trusts another root ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(plain).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
            });
        }
    });
    (port, made.cert.pem())
}

/// The line of a witness with its address replaced by one behind TLS, and the root of that.
async fn behind_tls(line: &str, name: &str) -> (String, String) {
    let (start, url) = line.rsplit_once(' ').unwrap();
    let plain = url.trim().strip_prefix("http://").unwrap();
    let (authority, path) = plain.split_once('/').unwrap();
    let (port, pem) = terminate(name, authority.to_owned()).await;
    (format!("{start} https://localhost:{port}/{path}\nquorum none\n"), pem)
}

/// What a witness under `name` answers to a log that trusts `pem`, or its own root.
async fn asked(name: &str, pem: Option<&str>) -> (Result<Outcome, ()>, String) {
    let (_, line) = Fake::start(1).await;
    let (policy, own) = behind_tls(&line, name).await;
    let witnesses = Witnesses::parse(policy.as_bytes()).unwrap();
    let witnesses = witnesses.trusting(Some(pem.unwrap_or(&own).as_bytes())).unwrap();
    let mut fixture = Fixture::with(witnesses).await;
    let signed = fixture.tick().await;
    let outcome = fixture.clients[0].ask(&signed).await;
    (outcome, fixture.error(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_a_root_vouches_for_cosigns() {
    assert_eq!(asked("localhost", None).await, (Ok(Outcome::Cosigned), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_under_another_root_or_name_is_not_asked() {
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, pem) in [("localhost", Some(stranger.cert.pem())), ("other.example", None)] {
        let (outcome, error) = asked(name, pem.as_deref()).await;
        assert_eq!(outcome, Err(()), "{name}");
        assert!(error.contains("certificate"), "{name}: {error}");
    }
    // Without roots nothing is sent, and nobody is believed.
    let (_, line) = Fake::start(1).await;
    let (policy, _) = behind_tls(&line, "localhost").await;
    let mut fixture = Fixture::open(&policy).await;
    let signed = fixture.tick().await;
    assert_eq!(fixture.clients[0].ask(&signed).await, Err(()));
    assert_eq!(fixture.error(0), "there are no roots to trust");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_blocks_is_answered_too() {
    let (fake, line) = Fake::start(1).await;
    fake.set(Mood::Fixed("HTTP/1.1 204 X\r\n\r\n"));
    let (policy, pem) = behind_tls(&line, "localhost").await;
    let url: Url = policy.lines().next().unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
    let exchange = move || {
        let socket = std::net::TcpStream::connect(url.authority())?;
        let mut stream = Tls::new(Some(pem.as_bytes())).unwrap().blocking(&url, socket)?;
        stream.write_all(&url.post("add-checkpoint", b"old 0\n"))?;
        let mut start = [0; 9];
        stream.read_exact(&mut start).map(|()| start)
    };
    let start = tokio::task::spawn_blocking(exchange).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 ");
}

#[test]
fn a_file_of_roots_is_one_or_an_error() {
    for text in ["", "junk", "-----BEGIN CERTIFICATE-----\n"] {
        assert!(matches!(Tls::new(Some(text.as_bytes())), Err(TlsError::NotCertificates)));
    }
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(Tls::new(Some(junk.as_bytes())), Err(TlsError::Refused(_))));
}
