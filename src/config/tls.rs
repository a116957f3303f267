//! Which certificates the gRPC port is served with.

use std::path::PathBuf;

use clap::Args;

/// TLS on the gRPC port; none without a certificate.
#[derive(Args, Clone, Debug, Default)]
pub struct TlsSettings {
    /// Serve gRPC in TLS only, with the certificates in this PEM file: the server's own first, then those
    /// between it and its authority. Files that change are read anew while the server runs.
    #[arg(
        long,
        env = "CARNET_TLS_CERTIFICATE",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_certificate: Option<PathBuf>,
    /// The PEM file of the private key that fits the certificate.
    #[arg(
        long,
        env = "CARNET_TLS_KEY",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    pub tls_key: Option<PathBuf>,
    /// Serve only clients with a certificate of one of the authorities in this PEM file (mutual TLS). They
    /// need a token all the same.
    #[arg(
        long,
        env = "CARNET_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    pub tls_client_ca: Option<PathBuf>,
}
