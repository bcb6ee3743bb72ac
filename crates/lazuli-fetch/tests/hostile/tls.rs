//! Sources over TLS: trusted by the authorities of a file, under the name that was asked for.

use std::path::Path;
use std::sync::Arc;

use lazuli_fetch::{Ask, Bounds, FetchError, Roots, Target};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::source::trusting;
use crate::{fetch, read};

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(name)
}

/// A source whose certificate is for `source.test`; gives its port.
async fn source() -> u16 {
    let chain = CertificateDer::pem_file_iter(file("server.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.is_ok() {}
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_name_the_host() {
    let port = source().await;
    let target = |host: &str| Target::new(true, host, port, ("/c/b", ""));
    let roots = Roots::from_pem_file(&file("ca.pem")).unwrap();
    let trusted = trusting(Bounds::default(), roots.clone());
    let mut content = trusted.open(Ask::all(target("source.test"))).await.unwrap();
    assert_eq!(read(&mut content).await.unwrap(), b"0123");
    let strange = trusting(Bounds::default(), Roots::default());
    let error = fetch(&strange, Ask::all(target("source.test"))).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error}");
    let guard = lazuli_fetch::Guard::new(
        vec!["other.test".parse().unwrap()],
        vec!["127.0.0.0/8".parse().unwrap()],
    );
    let names = crate::source::TestNames(vec!["127.0.0.1".parse().unwrap()]);
    let other = lazuli_fetch::Fetcher::with(guard, roots, (Bounds::default(), Box::new(names)));
    let error = fetch(&other, Ask::all(target("other.test"))).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    for name in ["server.key", "none.pem"] {
        let error = Roots::from_pem_file(&file(name)).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
