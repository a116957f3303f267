//! The files of certificates and keys: read, and made into what a handshake needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use tokio::fs;

use crate::config::TlsSettings;

/// The only protocol inside TLS, as handshakes name it.
const HTTP_2: &[u8] = b"h2";

/// Why files cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the {what} cannot be read from {}: {cause}", path.display())]
    Unreadable {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// A file has nothing of what was looked for.
    #[error("there is no {what} in {}: it must be a PEM file with one", path.display())]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file is broken.
    #[error("the {what} in {} is broken: {cause}", path.display())]
    Broken {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Certificate and key are of different pairs.
    #[error("the key in {} does not fit the certificate in {}", key.display(), certificate.display())]
    Unfit {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
}

const CERTIFICATE: &str = "TLS certificate";
const KEY: &str = "TLS key";
const CLIENT_CA: &str = "TLS client authority";

/// Where the certificates and the key are.
#[derive(Debug)]
pub(super) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

/// The contents of the files.
#[derive(PartialEq, Eq)]
pub(super) struct Pems {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Pems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pems(…)")
    }
}

impl TlsFiles {
    /// The files that `settings` name.
    pub(super) fn of(settings: &TlsSettings) -> Option<Self> {
        Some(Self {
            certificate: settings.tls_certificate.clone()?,
            key: settings.tls_key.clone()?,
            client_ca: settings.tls_client_ca.clone(),
        })
    }

    pub(super) async fn read(&self) -> Result<Pems, TlsError> {
        Ok(Pems {
            certificate: read(CERTIFICATE, &self.certificate).await?,
            key: read(KEY, &self.key).await?,
            client_ca: match &self.client_ca {
                Some(path) => Some(read(CLIENT_CA, path).await?),
                None => None,
            },
        })
    }

    /// What handshakes are made with.
    pub(super) fn config(&self, pems: &Pems) -> Result<ServerConfig, TlsError> {
        let broken = |error: Error| {
            if matches!(
                error,
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch)
            ) {
                return TlsError::Unfit {
                    key: self.key.clone(),
                    certificate: self.certificate.clone(),
                };
            }
            broken(CERTIFICATE, &self.certificate, &error)
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(CERTIFICATE, &self.certificate, &pems.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&pems.key).map_err(|error| {
            if matches!(error, pem::Error::NoItemsFound) {
                return missing(KEY, &self.key);
            }
            self::broken(KEY, &self.key, &error)
        })?;
        provider
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|error| self::broken(KEY, &self.key, &error))?;
        let clients = self.client_verifier(pems, &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(broken)?;
        config.alpn_protocols = vec![HTTP_2.to_vec()];
        Ok(config)
    }

    /// Who may connect: anybody, or who has a certificate of the client authorities.
    fn client_verifier(
        &self,
        pems: &Pems,
        provider: &Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let (Some(path), Some(pem)) = (&self.client_ca, &pems.client_ca) else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(CLIENT_CA, path, pem)? {
            roots
                .add(certificate)
                .map_err(|error| broken(CLIENT_CA, path, &error))?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| broken(CLIENT_CA, path, &error))
    }
}

async fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).await.map_err(|cause| TlsError::Unreadable {
        what,
        path: path.to_owned(),
        cause,
    })
}

/// Every certificate of a PEM file; at least one.
fn certificates(
    what: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| broken(what, path, &error))?;
    if found.is_empty() {
        return Err(missing(what, path));
    }
    Ok(found)
}

fn missing(what: &'static str, path: &Path) -> TlsError {
    TlsError::Missing {
        what,
        path: path.to_owned(),
    }
}

fn broken(what: &'static str, path: &Path, cause: &impl ToString) -> TlsError {
    TlsError::Broken {
        what,
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}
