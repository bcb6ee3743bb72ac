//! TLS towards witnesses and other logs, which are trusted by the system's roots or by those of a file.
//!
//! What is asked for is public and what comes back is signed, so TLS protects no secret here: it
//! keeps those on the way from learning who asks whom, and lets witnesses sit behind ordinary HTTPS.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http1::Url;

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// The system has no roots.
    NoSystemRoots,
    /// The file has no certificate in PEM, or something that is none.
    NotCertificates,
    /// The library refuses.
    Refused(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSystemRoots => {
                f.write_str("the system has no root certificates: name a file with `--ca-file`")
            }
            Self::NotCertificates => f.write_str("it is no file of certificates in PEM"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TlsError {}

/// Connects to servers whose certificates lead to a root that is trusted.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts the roots in `pem` and no others, or without it those of the system.
    pub fn new(pem: Option<&[u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = pem {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| TlsError::NotCertificates)?;
                roots.add(certificate).map_err(TlsError::Refused)?;
            }
        } else {
            // Some of the system's may be too old to be read; the others are enough.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if roots.is_empty() {
            return Err(pem.map_or(TlsError::NoSystemRoots, |_| TlsError::NotCertificates));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().map_err(TlsError::Refused)?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    /// Encrypts a connection to the host of `url`. The handshake comes with the first bytes.
    pub fn blocking(
        &self,
        url: &Url,
        stream: TcpStream,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let connection = ClientConnection::new(Arc::clone(&self.0), name(url)?);
        Ok(StreamOwned::new(connection.map_err(io::Error::other)?, stream))
    }

    /// The same for a connection that does not block; the handshake comes now.
    pub(crate) async fn connect(
        &self,
        url: &Url,
        stream: tokio::net::TcpStream,
    ) -> io::Result<TlsStream<tokio::net::TcpStream>> {
        TlsConnector::from(Arc::clone(&self.0)).connect(name(url)?, stream).await
    }
}

/// The name that a certificate must be for.
fn name(url: &Url) -> io::Result<ServerName<'static>> {
    ServerName::try_from(url.host().to_owned()).map_err(io::Error::other)
}
