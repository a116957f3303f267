//! The connection of `carnet call`: plain at `http://…`, in TLS at `https://…`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::{CallError, report};

/// How long to try to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Whom to trust at an `https://` address, and who to be there.
#[derive(Args, Clone, Debug, Default)]
pub struct TlsArgs {
    /// Trust only the authorities in this PEM file; without it the public ones. For addresses with https.
    #[arg(long, env = "CARNET_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The PEM file of the certificate to show to a server that wants one (mutual TLS).
    #[arg(
        long,
        env = "CARNET_CLIENT_CERTIFICATE",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub client_certificate: Option<PathBuf>,
    /// The PEM file of the private key that fits that certificate.
    #[arg(
        long,
        env = "CARNET_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_certificate"
    )]
    pub client_key: Option<PathBuf>,
}

impl TlsArgs {
    fn are_given(&self) -> bool {
        self.ca.is_some() || self.client_certificate.is_some()
    }

    /// The error of a call, or that the connection broke. In TLS 1.3 a server that wants a certificate says so when the
    /// client believes to be connected, and what it said may be lost with the connection.
    pub(super) fn explain(&self, address: &str, error: CallError) -> CallError {
        let CallError::Refused(status) = &error else {
            return error;
        };
        let Some(cause) = status.source() else {
            return error;
        };
        let mut cause = report::with_causes(cause);
        if address.starts_with("https:") && self.client_certificate.is_none() {
            cause
                .push_str("; a server may want a certificate of its clients: --client-certificate");
        }
        CallError::Unreachable {
            address: address.to_owned(),
            cause,
        }
    }

    fn config(&self) -> Result<ClientTlsConfig, CallError> {
        let mut config = ClientTlsConfig::new();
        config = match &self.ca {
            None => config.trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => config.ca_certificate(Certificate::from_pem(certificate(path)?)),
        };
        if let Some((chain, key)) = self
            .client_certificate
            .as_ref()
            .zip(self.client_key.as_ref())
        {
            let (chain, key) = (certificate(chain)?, private_key(key)?);
            config = config.identity(Identity::from_pem(chain, key));
        }
        Ok(config)
    }
}

/// Connects to the server.
pub(super) async fn connect(address: &str, tls: &TlsArgs) -> Result<Channel, CallError> {
    let unreachable = |error: tonic::transport::Error| CallError::Unreachable {
        address: address.to_owned(),
        cause: report::with_causes(&error),
    };
    let mut endpoint = Endpoint::from_shared(address.to_owned()).map_err(unreachable)?;
    if endpoint.uri().scheme_str() == Some("https") {
        endpoint = endpoint.tls_config(tls.config()?).map_err(unreachable)?;
    } else if tls.are_given() {
        let text =
            format!("{address} is not encrypted: certificates need an address with https://");
        return Err(CallError::Usage(text));
    }
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await
        .map_err(unreachable)
}

fn certificate(path: &Path) -> Result<Vec<u8>, CallError> {
    let pem = read(path)?;
    CertificateDer::from_pem_slice(&pem)
        .map_err(|error| unusable(path, "certificate", &error))
        .map(|_| pem)
}

fn private_key(path: &Path) -> Result<Vec<u8>, CallError> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| unusable(path, "private key", &error))
        .map(|_| pem)
}

fn read(path: &Path) -> Result<Vec<u8>, CallError> {
    fs::read(path)
        .map_err(|error| CallError::Usage(format!("cannot read {}: {error}", path.display())))
}

fn unusable(path: &Path, what: &str, error: &impl std::fmt::Display) -> CallError {
    let path = path.display();
    CallError::Usage(format!("{path} is no PEM file with a {what}: {error}"))
}
