//! Starting twice, and stopping: within a bound, whatever clients do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use carnet::app::App;
use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::proto::v1::watch_changes_request::Begin;
use futures_util::future::join_all;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::app::{Database, Postgres, Sqlite, channel, on, settings};
use crate::support::frames::{END_HEADERS, HEADERS, begin, call_headers, frame, next};
use crate::support::fresh::Fresh;
use crate::support::process::until;
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};
use crate::support::tenant::Tenant;

/// How many clients use credits while the server stops.
const CLIENTS: usize = 8;
/// How many uses are answered before it is told to.
const USES: usize = 100;
/// Longer than those uses take.
const USED_BY: Duration = Duration::from_mins(1);

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

#[rstest]
#[tokio::test]
async fn a_stop_under_load_ends_in_time_and_keeps_every_use_that_was_answered(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let app = App::build(settings(&fresh.url), Clock::System).await;
    let running = app.unwrap().bind().await.unwrap();
    let address = running.grpc_address.unwrap();
    let tenant = Tenant::create(running.context(), "Swim school", channel(&running)).await;
    let shop = Shop::open(&tenant).await;
    let package = shop.sell_lessons("100000", never()).await;

    // One that says nothing, one that begins a call and never ends it, one that listens for ever.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut halfway = begin(address).await;
    let headers = call_headers("/carnet.v1.CreditService/Consume", &tenant.token);
    let call = frame(HEADERS, END_HEADERS, 1, &headers);
    halfway.write_all(&call).await.unwrap();
    assert!(next(&mut halfway).await.is_some());
    let request = v1::WatchChangesRequest {
        begin: Some(Begin::Start(v1::FeedStart::Now.into())),
        heartbeat_seconds: 1,
    };
    let watching = tenant.credits().watch_changes(request).await.unwrap();

    let (done, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = async |_| {
        while !stopped.load(Ordering::Relaxed) {
            let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
            if used.is_ok() {
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let stop = async {
        let is_busy = async || done.load(Ordering::Relaxed) >= USES;
        until(USED_BY, "a hundred uses", is_busy).await;
        let asked_at = Instant::now();
        running.stop().await;
        stopped.store(true, Ordering::Relaxed);
        asked_at.elapsed()
    };
    let (_, took) = tokio::join!(join_all((0..CLIENTS).map(client)), stop);
    assert!(took < Duration::from_secs(15), "{took:?}");
    drop((silent, halfway, watching));

    let again = App::build(settings(&fresh.url), Clock::System).await;
    let again = again.unwrap().bind().await.unwrap();
    let there = Shop {
        tenant: tenant.through(channel(&again)),
        ..shop.clone()
    };
    let left: usize = there.left(&package.id).await.parse().unwrap();
    let (used, told) = (100_000 - left, done.load(Ordering::Relaxed));
    // Each client may have been cut off from the answer of one.
    assert!((told..=told + CLIENTS).contains(&used), "{used} {told}");
    again.stop().await;
    fresh.remove().await;
}
