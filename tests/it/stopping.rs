//! Starting twice, and stopping: within a bound, whatever clients do.

use std::time::{Duration, Instant};

use carnet::app::App;
use carnet::clock::Clock;
use carnet::proto::v1;
use rstest::rstest;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::app::{Database, Postgres, Sqlite, channel, on, settings};
use crate::support::fresh::Fresh;
use crate::support::refused::refused;

#[tokio::test]
async fn a_second_server_on_an_sqlite_file_is_refused_in_words() {
    on(Sqlite, async |app| {
        let second = App::build(settings(app.database_url()), Clock::System).await;
        let refusal = second.map(|_| ()).unwrap_err().to_string();
        assert!(
            refusal.contains("is already served by another process"),
            "{refusal}"
        );
    })
    .await;
}

#[tokio::test]
async fn several_servers_share_a_postgres_database() {
    on(Postgres, async |app| {
        let second = App::build(settings(app.database_url()), app.clock.clone()).await;
        let second = second.unwrap().bind().await.unwrap();
        // A token made through one server is known to the other.
        let there = app.through(channel(&second)).allowed_only(&[]).await;
        let request = v1::ConsumeRequest {
            request_id: app.request_id(),
            ..v1::ConsumeRequest::default()
        };
        let result = there.credits().consume(request).await;
        refused(result, Code::PermissionDenied, "PERMISSION_DENIED");
        second.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_sqlite_file_can_be_served_again_after_a_stop() {
    let fresh = Fresh::migrated(Sqlite).await;
    for _ in 0..2 {
        let app = App::build(settings(&fresh.url), Clock::System).await;
        app.unwrap().bind().await.unwrap().stop().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_stop_ends_in_time_although_a_client_connected_and_said_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let app = App::build(settings(&fresh.url), Clock::System).await;
    let running = app.unwrap().bind().await.unwrap();
    let address = running.grpc_address.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    // The server's own first word shows that it took the connection.
    silent.read_u8().await.unwrap();
    let asked_at = Instant::now();
    running.stop().await;
    let took = asked_at.elapsed();
    assert!(
        took >= Duration::from_secs(1),
        "it did not wait for its client: {took:?}"
    );
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(TcpStream::connect(address).await.is_err());
    drop(silent);
    fresh.remove().await;
}
