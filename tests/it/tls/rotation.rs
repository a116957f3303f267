//! Certificates that are replaced while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{call, channel, shut_out};
use crate::support::app::{Sqlite, TestApp, on_tuned};
use crate::support::process::until;
use crate::support::scrape::{get, metric};
use crate::support::tls::{Authority, Issued, TlsFolder};

/// Much longer than the server takes to see that a file has changed.
const SEEN_BY: Duration = Duration::from_mins(1);
/// How many clients call at the same time.
const CLIENTS: usize = 6;
/// How often the certificate is replaced under load.
const ROTATIONS: usize = 3;

/// The certificate that a new connection is served with.
async fn served(app: &TestApp, authority: &Authority, client: &Issued) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    let authority = authority.pem();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![client.der()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(app.grpc_address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    session.peer_certificates().unwrap()[0].clone()
}

/// How often files could not be used, by all servers of this process.
async fn refusals(app: &TestApp) -> f64 {
    let page = get(app, "/metrics").await;
    metric(&page, "carnet_tls_reloads_total{outcome=\"refused\"}").unwrap_or_default()
}

#[tokio::test]
async fn certificates_are_replaced_under_load_without_a_failed_call() {
    let authority = Authority::new();
    let files = TlsFolder::of(&authority.issue(), Some(&authority));
    on_tuned(
        Sqlite,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            let me = authority.issue();
            let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
            let client = async |number: usize| {
                let mut there = app.through(channel(app, &authority, Some(&me)));
                while !over.load(Ordering::Relaxed) {
                    call(&there).await.unwrap();
                    calls.fetch_add(1, Ordering::Relaxed);
                    // Some keep their connection, others open one for each call.
                    if number.is_multiple_of(2) {
                        there = app.through(channel(app, &authority, Some(&me)));
                    }
                }
            };
            let rotate = async {
                for _ in 0..ROTATIONS {
                    let next = authority.issue();
                    files.replace(&next);
                    until(SEEN_BY, "the new certificate", async || {
                        served(app, &authority, &me).await == next.der()
                    })
                    .await;
                    let before = calls.load(Ordering::Relaxed);
                    until(SEEN_BY, "calls go on", async || {
                        calls.load(Ordering::Relaxed) > before + CLIENTS
                    })
                    .await;
                }
                over.store(true, Ordering::Relaxed);
            };
            tokio::join!(join_all((0..CLIENTS).map(client)), rotate);
        },
    )
    .await;
}

#[tokio::test]
async fn files_that_are_broken_leave_the_old_certificate_until_good_ones_come() {
    let authority = Authority::new();
    let first = authority.issue();
    let files = TlsFolder::of(&first, Some(&authority));
    on_tuned(
        Sqlite,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            let me = authority.issue();
            for (name, text) in [
                ("certificate.pem", "not a certificate".to_owned()),
                ("certificate.pem", authority.issue().certificate),
                ("key.pem", String::new()),
                ("clients.pem", "-----BEGIN CERTIFICATE-----\n".to_owned()),
            ] {
                let before = refusals(app).await;
                files.write(name, &text);
                until(SEEN_BY, "the fault is seen", async || {
                    refusals(app).await > before
                })
                .await;
                assert_eq!(served(app, &authority, &me).await, first.der(), "{name}");
                call(&app.through(channel(app, &authority, Some(&me))))
                    .await
                    .unwrap();
            }
            let next = authority.issue();
            files.write("clients.pem", &authority.pem());
            files.replace(&next);
            until(SEEN_BY, "the new certificate", async || {
                served(app, &authority, &me).await == next.der()
            })
            .await;
        },
    )
    .await;
}

#[tokio::test]
async fn another_client_authority_shuts_new_connections_out_and_cuts_no_open_one() {
    let (servers, clients, next) = (Authority::new(), Authority::new(), Authority::new());
    let files = TlsFolder::of(&servers.issue(), Some(&clients));
    on_tuned(
        Sqlite,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            let (me, newcomer) = (clients.issue(), next.issue());
            let open = app.through(channel(app, &servers, Some(&me)));
            call(&open).await.unwrap();
            files.write("clients.pem", &next.pem());
            until(SEEN_BY, "the new authority", async || {
                let there = app.through(channel(app, &servers, Some(&newcomer)));
                call(&there).await.is_ok()
            })
            .await;
            shut_out(call(&app.through(channel(app, &servers, Some(&me)))).await);
            call(&open).await.unwrap();
        },
    )
    .await;
}
