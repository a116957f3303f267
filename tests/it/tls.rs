//! TLS on the gRPC port: who gets in, through real clients, and what becomes of files that change.

mod rotation;

use carnet::proto::v1;
use rstest::rstest;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::app::{Database, Postgres, Sqlite, TestApp, on_tuned};
use crate::support::program::{carnet, err, out};
use crate::support::refused::refused;
use crate::support::tenant::Tenant;
use crate::support::tls::{Authority, Issued, TlsFolder};

/// More than the handshakes that may be under way.
const SILENT_CLIENTS: usize = 300;

/// A channel in TLS that trusts `authority` and shows `client`; it connects when it is first used.
fn channel(app: &TestApp, authority: &Authority, client: Option<&Issued>) -> Channel {
    let ca = Certificate::from_pem(authority.pem());
    let mut tls = ClientTlsConfig::new().ca_certificate(ca);
    if let Some(client) = client {
        tls = tls.identity(Identity::from_pem(&client.certificate, &client.key));
    }
    Endpoint::from_shared(format!("https://{}", app.grpc_address()))
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect_lazy()
}

/// A call that needs a token.
async fn call(tenant: &Tenant) -> Result<(), Status> {
    let request = v1::ListItemsRequest::default();
    tenant.catalog().list_items(request).await.map(|_| ())
}

/// Checks that a call came to nothing below the service.
#[track_caller]
fn shut_out(result: Result<(), Status>) {
    let status = result.unwrap_err();
    assert!(status.get_details_error_info().is_none(), "{status:?}");
    let codes = [
        Code::Unavailable,
        Code::Unknown,
        Code::Cancelled,
        Code::Internal,
    ];
    assert!(codes.contains(&status.code()), "{status:?}");
}

#[rstest]
#[tokio::test]
async fn calls_pass_in_tls_for_who_trusts_the_authority_and_in_no_other_way(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let authority = Authority::new();
    let files = TlsFolder::of(&authority.issue(), None);
    on_tuned(
        database,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            call(&app.through(channel(app, &authority, None)))
                .await
                .unwrap();
            let stranger = Authority::new();
            shut_out(call(&app.through(channel(app, &stranger, None))).await);
            shut_out(call(app).await);
            let without = app.bearing_token("carnet_AAAA".to_owned());
            let result = call(&without.through(channel(app, &authority, None))).await;
            refused(result, Code::Unauthenticated, "UNAUTHENTICATED");
        },
    )
    .await;
}

#[tokio::test]
async fn a_server_whose_certificate_has_expired_is_trusted_by_nobody() {
    let authority = Authority::new();
    let files = TlsFolder::of(&authority.issue_expired(), None);
    on_tuned(
        Sqlite,
        |settings| settings.server.tls = files.settings(),
        async |app| shut_out(call(&app.through(channel(app, &authority, None))).await),
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn with_a_client_authority_only_its_clients_get_in_and_need_a_token_all_the_same(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let (servers, clients) = (Authority::new(), Authority::new());
    let files = TlsFolder::of(&servers.issue(), Some(&clients));
    on_tuned(
        database,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            let known = clients.issue();
            let there = app.through(channel(app, &servers, Some(&known)));
            call(&there).await.unwrap();
            let result = call(&there.bearing_token("carnet_AAAA".to_owned())).await;
            refused(result, Code::Unauthenticated, "UNAUTHENTICATED");

            shut_out(call(&app.through(channel(app, &servers, None))).await);
            for other in [servers.issue(), clients.issue_expired()] {
                let stranger = app.through(channel(app, &servers, Some(&other)));
                shut_out(call(&stranger).await);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn clients_that_connect_and_say_nothing_do_not_hold_the_port() {
    let authority = Authority::new();
    let files = TlsFolder::of(&authority.issue(), None);
    on_tuned(
        Sqlite,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            let mut silent = Vec::new();
            for _ in 0..SILENT_CLIENTS {
                silent.push(TcpStream::connect(app.grpc_address()).await.unwrap());
            }
            call(&app.through(channel(app, &authority, None)))
                .await
                .unwrap();
            // The first of them had to make room.
            let mut byte = [0];
            let read = silent[0].read(&mut byte).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn the_programs_own_client_calls_in_tls_and_says_what_is_missing() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let files = TlsFolder::of(&servers.issue(), Some(&clients));
    let me = clients.issue();
    files.write("ca.pem", &servers.pem());
    files.write("me.pem", &me.certificate);
    files.write("my-key.pem", &me.key);
    on_tuned(
        Sqlite,
        |settings| settings.server.tls = files.settings(),
        async |app| {
            let file = |flag: &str, name: &str| format!("--{flag}={}", files.path(name).display());
            let address = |scheme: &str| format!("--address={scheme}://{}", app.grpc_address());
            let token = format!("--token={}", app.token);
            let run = async |address: String, more: &[String]| {
                let mut arguments = vec!["call", "CatalogService/ListItems", &address, &token];
                arguments.extend(more.iter().map(String::as_str));
                carnet(&arguments, app.database_url()).await
            };
            let ca = file("ca", "ca.pem");
            let identity = [
                file("client-certificate", "me.pem"),
                file("client-key", "my-key.pem"),
            ];
            let all = [&[ca.clone()][..], &identity].concat();
            let done = run(address("https"), &all).await;
            assert!(done.status.success(), "{}", err(&done));
            assert!(out(&done).starts_with('{'));

            for (address, more, complaint) in [
                (address("https"), identity.to_vec(), "UnknownIssuer"),
                (address("https"), vec![ca.clone()], "--client-certificate"),
                (
                    address("http"),
                    all.clone(),
                    "need an address with https://",
                ),
                (
                    address("https"),
                    vec![file("ca", "none.pem")],
                    "cannot read",
                ),
                (
                    address("https"),
                    vec![file("ca", "my-key.pem")],
                    "my-key.pem is no PEM file with a certificate",
                ),
            ] {
                let failed = run(address, &more).await;
                assert!(!failed.status.success());
                assert!(err(&failed).contains(complaint), "{}", err(&failed));
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_server_that_cannot_use_its_files_does_not_start_and_says_which() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let files = TlsFolder::of(&authority.issue(), Some(&authority));
    files.write("other-key.pem", &authority.issue().key);
    files.write("empty.pem", "");
    files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n***\n");
    let url = format!("sqlite://{}", folder.path().join("carnet.db").display());
    for (certificate, key, clients, complaint) in [
        (
            "none.pem",
            "key.pem",
            "clients.pem",
            "certificate cannot be read from",
        ),
        (
            "empty.pem",
            "key.pem",
            "clients.pem",
            "there is no TLS certificate in",
        ),
        (
            "broken.pem",
            "key.pem",
            "clients.pem",
            "the TLS certificate in",
        ),
        (
            "certificate.pem",
            "none.pem",
            "clients.pem",
            "key cannot be read from",
        ),
        (
            "certificate.pem",
            "clients.pem",
            "clients.pem",
            "there is no TLS key in",
        ),
        (
            "certificate.pem",
            "other-key.pem",
            "clients.pem",
            "does not fit",
        ),
        (
            "certificate.pem",
            "key.pem",
            "key.pem",
            "no TLS client authority in",
        ),
    ] {
        let flag = |flag: &str, name| format!("--{flag}={}", files.path(name).display());
        let [certificate, key, clients] = [
            flag("tls-certificate", certificate),
            flag("tls-key", key),
            flag("tls-client-ca", clients),
        ];
        let ports = ["--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0"];
        let arguments = ["serve", ports[0], ports[1], &certificate, &key, &clients];
        let failed = carnet(&arguments, &url).await;
        assert_eq!(failed.status.code(), Some(1), "{complaint}");
        assert!(err(&failed).contains(complaint), "{}", err(&failed));
    }
    let half = carnet(&["serve", "--tls-certificate=certificate.pem"], &url).await;
    assert_eq!(half.status.code(), Some(2));
    assert!(err(&half).contains("--tls-key"), "{}", err(&half));
}
