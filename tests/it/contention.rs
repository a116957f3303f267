//! Forced failures of the database: connections lost around a commit, deadlocks, serialization failures.
//! A caller sees only the true result; where others keep winning, an error that asks it to try again.

use std::time::Duration;

use carnet::app::App;
use carnet::config::Settings;
use carnet::proto::v1;
use carnet::proto::v1::extend_package_request::NewExpiry;
use futures_util::future::join_all;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::app::{Postgres, TestApp, channel, on_tuned, settings};
use crate::support::fresh::Fresh;
use crate::support::postgres;
use crate::support::process::until;
use crate::support::proxy::{Break, Proxy};
use crate::support::refused::refused;
use crate::support::sessions::deadlocks;
use crate::support::shop::{Shop, days, never, period};
use crate::support::tenant::Tenant;

/// Longer than a waiting call needs to be seen.
const SEEN_BY: Duration = Duration::from_secs(20);
/// How often a caller repeats a call that may be tried again.
const REPEATS_MAX: usize = 60;

/// Calls until the result is a true one: an error must then say that the call may be tried again.
async fn persist<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    for _ in 0..REPEATS_MAX {
        match call().await {
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Aborted) => {
                let advice = status.get_details_retry_info();
                assert!(advice.is_some(), "no word of trying again: {status:?}");
            }
            result => return result,
        }
    }
    panic!("after {REPEATS_MAX} tries there is no result");
}

/// Adds a setting of the session to the database's URL.
fn with_session(settings: &mut Settings, setting: &str) {
    let url = settings.database.database_url.expose();
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options=-c%20{setting}");
    settings.database.database_url = url.parse().unwrap();
}

/// Checks that the server's own sessions have a setting.
async fn assert_session(app: &TestApp, name: &str, wanted: &str) {
    let reader = app.context().db.reader();
    let sql = format!("SELECT current_setting('{name}')");
    let statement = Statement::from_string(reader.get_database_backend(), sql);
    let row = reader.query_one_raw(statement).await.unwrap().unwrap();
    let value: String = row.try_get_by_index(0).unwrap();
    assert_eq!(value, wanted, "{name}");
}

/// How many sessions of this database wait for a lock for as long as it takes: what a batch writes without
/// locks gives up at once.
async fn waiting(connection: &DatabaseConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND query NOT LIKE 'WITH moved%'";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

async fn sell(app: &TestApp, request: &v1::SellPackagesRequest) -> Result<(), Status> {
    let answer = app.packages().sell_packages(request.clone()).await;
    answer.map(|_| ())
}

#[rstest]
#[tokio::test]
async fn a_caller_never_hears_of_a_connection_lost_around_a_commit(
    #[values(Break::BeforeCommit, Break::AfterCommit)] how: Break,
) {
    let proxy = Proxy::to_postgres().await;
    on_tuned(
        Postgres,
        |settings| proxy.lead(settings),
        async |app| {
            let shop = Shop::open(app).await;
            let package = shop.sell_lessons("20", days(30)).await;
            // By name and without, so that both lanes meet it: the first use starts a clock.
            let mut from_first_use = shop.lessons("20", days(30));
            from_first_use.validity = Some(period(30, v1::PeriodUnit::Day, v1::Anchor::FirstUse));
            let clocked = shop.offer(from_first_use).await;
            let clocked = shop.sell(&clocked).await;
            for request in [
                shop.use_lessons("2"),
                shop.use_lessons_of(&package.id, "2"),
                shop.use_lessons_of(&clocked.id, "2"),
            ] {
                proxy.break_next(how);
                let answer = shop.consume(request.clone()).await.unwrap();
                assert!(!proxy.is_whole(), "no commit was broken");
                assert_eq!(answer.total, "2");
                let again = shop.consume(request).await.unwrap();
                assert!(again.replayed);
                assert_eq!(again.parts, answer.parts);
            }
            assert_eq!(shop.left(&package.id).await, "16");
            assert_eq!(shop.left(&clocked.id).await, "18");

            let selling = v1::SellPackagesRequest {
                request_id: app.request_id(),
                entries: vec![shop.entry(&package.template_id)],
                validate_only: false,
            };
            proxy.break_next(how);
            sell(app, &selling).await.unwrap();
            assert!(!proxy.is_whole());
            assert_eq!(app.all_packages().await.len(), 3);
            let extending = v1::ExtendPackageRequest {
                request_id: app.request_id(),
                package_id: package.id.clone(),
                new_expiry: Some(NewExpiry::LastUsableDate("2026-12-31".to_owned())),
                ..Default::default()
            };
            proxy.break_next(how);
            app.packages().extend_package(extending).await.unwrap();
            assert!(!proxy.is_whole());
            assert_eq!(app.changes_of(&package.id).await.len(), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn a_call_that_a_deadlock_ended_is_decided_again() {
    let quick = |settings: &mut Settings| with_session(settings, "deadlock_timeout%3D100ms");
    on_tuned(Postgres, quick, async |app| {
        assert_session(app, "deadlock_timeout", "100ms").await;
        let shop = Shop::open(app).await;
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(shop.sell_lessons("8", never()).await.id);
        }
        ids.sort();
        let request = v1::ConsumeRequest {
            package_ids: ids.clone(),
            ..shop.use_lessons("9")
        };
        let stranger = postgres::connect(app.database_url()).await;
        let onlooker = postgres::connect(app.database_url()).await;
        // It never gives up itself, so it is the server that loses.
        let lock =
            |order: &str| format!("SELECT id FROM lots ORDER BY id {order} LIMIT 1 FOR UPDATE");
        stranger
            .execute_unprepared(&format!(
                "SET deadlock_timeout = '1h'; BEGIN; {}",
                lock("DESC")
            ))
            .await
            .unwrap();
        app.expect_deadlocks();
        let call = persist(async || shop.consume(request.clone()).await);
        let meanwhile = async {
            until(SEEN_BY, "a call that waits", async || {
                waiting(&onlooker).await == 1
            })
            .await;
            // The server holds the first lot and wants the last; now the stranger wants the first.
            stranger.execute_unprepared(&lock("ASC")).await.unwrap();
            stranger.execute_unprepared("ROLLBACK").await.unwrap();
        };
        let (answer, ()) = tokio::join!(call, meanwhile);
        assert_eq!(answer.unwrap().total, "9");
        assert_eq!(shop.left(&ids[0]).await, "0");
        assert_eq!(shop.left(&ids[1]).await, "7");
        let forced = async || deadlocks(&onlooker).await > 0;
        until(SEEN_BY, "a deadlock on record", forced).await;
        stranger.close().await.unwrap();
        onlooker.close().await.unwrap();
    })
    .await;
}

/// What PostgreSQL says of a transaction that cannot be put in an order with others.
const SERIALIZATION_FAILURE: &str = "40001";

/// Runs `test` on a server in whose database all transactions have this isolation unless they say otherwise.
async fn on_isolated(isolation: &str, proxy: &Proxy, test: impl AsyncFnOnce(&TestApp)) {
    let fresh = Fresh::migrated(Postgres).await;
    let connection = postgres::connect(&fresh.url).await;
    let sql = format!(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L',
            current_database(), '{isolation}'); END $$"
    );
    connection.execute_unprepared(&sql).await.unwrap();
    connection.close().await.unwrap();
    let mut settings = settings(&fresh.url);
    settings.mail.mail_capture_folder = fresh.folder.path().join("mail");
    proxy.lead(&mut settings);
    let app = Box::pin(TestApp::start(fresh, settings)).await;
    assert_session(&app, "default_transaction_isolation", isolation).await;
    Box::pin(test(&app)).await;
    Box::pin(app.finish()).await;
}

#[rstest]
#[tokio::test]
async fn a_serialization_failure_is_decided_again(
    #[values("repeatable read", "serializable")] isolation: &str,
    #[values(true, false)] is_named: bool,
) {
    let proxy = Proxy::to_postgres().await;
    on_isolated(isolation, &proxy, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", never()).await;
        let stranger = postgres::connect(app.database_url()).await;
        let onlooker = postgres::connect(app.database_url()).await;
        for round in 1..=3 {
            let touch = "BEGIN; UPDATE lots SET created_at = created_at";
            stranger.execute_unprepared(touch).await.unwrap();
            let request = if is_named {
                shop.use_lessons_of(&package.id, "2")
            } else {
                shop.use_lessons("2")
            };
            let before = proxy.failures(SERIALIZATION_FAILURE);
            let call = persist(async || shop.consume(request.clone()).await);
            let meanwhile = async {
                until(SEEN_BY, "a call that waits", async || {
                    waiting(&onlooker).await == 1
                })
                .await;
                stranger.execute_unprepared("COMMIT").await.unwrap();
            };
            let (answer, ()) = tokio::join!(call, meanwhile);
            assert_eq!(answer.unwrap().total, "2");
            let failures = proxy.failures(SERIALIZATION_FAILURE);
            assert!(failures > before, "round {round} met none");
            assert_eq!(shop.left(&package.id).await, (8 - 2 * round).to_string());
        }
        stranger.close().await.unwrap();
        onlooker.close().await.unwrap();
    })
    .await;
}

/// How often a crowd comes before it is said that its calls never fail for their order.
const CROWDS_MAX: usize = 40;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_in_any_isolation_let_the_right_number_win(
    #[values("read committed", "repeatable read", "serializable")] isolation: &str,
) {
    let proxy = Proxy::to_postgres().await;
    on_isolated(isolation, &proxy, async |app| {
        let mut other = settings(app.database_url());
        proxy.lead(&mut other);
        let other = App::build(other, app.clock.clone()).await.unwrap();
        let other = other.bind().await.unwrap();
        let beside = app.through(channel(&other));
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("15", days(30))).await;
        for _ in 0..CROWDS_MAX {
            let hot = shop.sell(&template_id).await;
            crowd(&shop, [app, &beside], &hot.id).await;
            if isolation == "read committed" || proxy.failures(SERIALIZATION_FAILURE) > 0 {
                break;
            }
        }
        let has_failures = proxy.failures(SERIALIZATION_FAILURE) > 0;
        assert_eq!(has_failures, isolation != "read committed");
        other.stop().await;
    })
    .await;
}

/// Many want the fifteen credits of a package, through both sides.
async fn crowd(shop: &Shop, sides: [&Tenant; 2], package_id: &str) {
    let calls = (0..24).map(|client| {
        // Who waits for nothing shares a commit; a hold has one of its own.
        let request = if client % 3 == 0 {
            Wanted::Hold(shop.hold_lessons_of(package_id, "1"))
        } else if client % 3 == 1 {
            Wanted::Use(shop.use_lessons_of(package_id, "1"))
        } else {
            Wanted::Use(shop.use_lessons("1"))
        };
        let credits = sides[client % 2].credits();
        persist(async move || match request.clone() {
            Wanted::Hold(request) => credits.clone().hold(request).await.map(|_| ()),
            Wanted::Use(request) => credits.clone().consume(request).await.map(|_| ()),
        })
    });
    let results = join_all(calls).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(won, 15);
    for result in results.into_iter().filter(Result::is_err) {
        refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    }
    assert_eq!(shop.left(package_id).await, "0");
}

#[derive(Clone, Debug)]
enum Wanted {
    Use(v1::ConsumeRequest),
    Hold(v1::HoldRequest),
}
