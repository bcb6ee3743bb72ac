//! TLS in front of HTTP: what a listener proves itself with, and the handshake.
//!
//! RFC 8446, <https://www.rfc-editor.org/rfc/rfc8446>

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Limits;

/// The certificate and the key of listeners that speak TLS 1.3 or 1.2, and nothing else.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why a certificate and its key cannot be served.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    what: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.what)
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

impl Tls {
    /// Reads a certificate, followed by those it was issued by if there are some, and the key that
    /// belongs to it.
    ///
    /// # Errors
    /// A file cannot be read, holds nothing of the kind in PEM, or the two do not fit.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let of = |file: &Path, what: &dyn fmt::Display| TlsError {
            file: file.to_owned(),
            what: what.to_string(),
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain = chain.map_err(|error| of(certificate, &error))?;
        if chain.is_empty() {
            return Err(of(certificate, &"the file holds no certificate"));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| of(certificate, &error))?
            .with_no_client_auth()
            .with_single_cert(chain, secret);
        let mut config = config.map_err(|error| of(certificate, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Does the handshake; `None` if it fails, or takes longer than a request's head may.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        limits: &Limits,
    ) -> Option<TlsStream<TcpStream>> {
        match tokio::time::timeout(limits.head_read, self.0.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("TLS handshake took too long");
                None
            }
        }
    }
}
