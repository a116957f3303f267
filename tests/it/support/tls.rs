//! Private certificate authorities, made anew for each test, and files of what they issue.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use carnet::config::TlsSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// An authority that nobody else trusts.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(authority, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of `localhost`, good for servers and clients.
    pub(crate) fn issue(&self) -> Issued {
        self.issue_as(|_| {})
    }

    /// The same, valid no longer.
    pub(crate) fn issue_expired(&self) -> Issued {
        self.issue_as(|certificate| certificate.not_after = date_time_ymd(2020, 1, 1))
    }

    fn issue_as(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut certificate = CertificateParams::new(names).unwrap();
        change(&mut certificate);
        let key = KeyPair::generate().unwrap();
        Issued {
            certificate: certificate.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A private authority and what a server needs to prove that it is `localhost`.
pub(crate) struct PrivateCa {
    pub(crate) pem: String,
    pub(crate) server_pem: String,
    pub(crate) server_key_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl PrivateCa {
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let server = authority.issue();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![server.der()], key)
            .unwrap();
        Self {
            pem: authority.pem(),
            server_pem: server.certificate,
            server_key_pem: server.key,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

/// The files that a server's settings name.
pub(crate) struct TlsFolder {
    folder: TempDir,
    has_client_ca: bool,
}

impl TlsFolder {
    /// Files of this certificate; with `client_ca` only its clients are served.
    pub(crate) fn of(server: &Issued, client_ca: Option<&Authority>) -> Self {
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
            has_client_ca: client_ca.is_some(),
        };
        folder.replace(server);
        if let Some(authority) = client_ca {
            folder.write("clients.pem", &authority.pem());
        }
        folder
    }

    /// Writes another certificate over it; for a moment it has the key of this one and is the old one.
    pub(crate) fn replace(&self, server: &Issued) {
        self.write("key.pem", &server.key);
        self.write("certificate.pem", &server.certificate);
    }

    /// Writes a file of this folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings {
            tls_certificate: Some(self.path("certificate.pem")),
            tls_key: Some(self.path("key.pem")),
            tls_client_ca: self.has_client_ca.then(|| self.path("clients.pem")),
        }
    }
}
