//! Many calls in few batches: each gets the answer that it would have got alone.

use std::collections::HashSet;
use std::time::Duration;

use carnet::config::Settings;
use carnet::ids::{CustomerId, PackageId};
use carnet::proto::v1;
use carnet::store::db::BATCH_LANES;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on, on_tuned};
use crate::support::held::Held;
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};

/// How many clients call at once.
const CLIENTS: usize = 48;

/// Sends all requests at once while nobody can write entries, and lets them be written once one waits.
async fn crowd(
    app: &TestApp,
    shop: &Shop,
    requests: Vec<v1::ConsumeRequest>,
) -> Vec<Result<v1::ConsumeResponse, Status>> {
    let held = Held::entries(app).await;
    let calls = join_all(requests.into_iter().map(|request| shop.consume(request)));
    let release = async {
        held.until_somebody_waits().await;
        held.let_go().await;
    };
    tokio::join!(calls, release).0
}

/// How many transactions wrote uses. Only PostgreSQL says.
async fn commits(app: &TestApp) -> i64 {
    let sql = "SELECT count(DISTINCT feed) FROM entries WHERE kind = 2";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = app.context().db.reader().query_one_raw(statement).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_one_package_shares_commits_and_never_oversells(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("40", never()).await;
        let requests = (0..CLIENTS).map(|client| match client % 2 {
            0 => shop.use_lessons_of(&package.id, "1"),
            _ => shop.use_lessons("1"),
        });
        let results = crowd(app, &shop, requests.collect()).await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 40);
        for result in results.into_iter().filter(Result::is_err) {
            refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        }
        assert_eq!(shop.left(&package.id).await, "0");
        if database == Postgres {
            let commits = commits(app).await;
            assert!(commits < 40, "{commits} commits");
        }
    })
    .await;
}

/// How many transactions wrote uses of more than one business. Only PostgreSQL says.
async fn mixed_commits(app: &TestApp) -> i64 {
    let sql = "SELECT count(*) FROM (SELECT feed FROM entries WHERE kind = 2 GROUP BY feed
        HAVING count(DISTINCT business_id) > 1) AS mixed";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = app.context().db.reader().query_one_raw(statement).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Which lane the uses of the shop's customer go through.
fn lane(shop: &Shop) -> u128 {
    let id: CustomerId = shop.customer.parse().unwrap();
    id.uuid().as_u128() % u128::from(BATCH_LANES)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_of_one_business_where_that_is_set_and_of_several_where_not(
    #[values(true, false)] apart: bool,
) {
    let tune = move |settings: &mut Settings| settings.ledger.ledger_batch_one_business = apart;
    on_tuned(Postgres, tune, async |app| {
        let other = app.second_business().await;
        let (left, mut right) = (Shop::open(app).await, Shop::open(&other).await);
        // Calls in different lanes share no commit anyway.
        while lane(&right) != lane(&left) {
            right.customer = right.customer("Kati Kask").await;
        }
        for shop in [&left, &right] {
            shop.sell_lessons("40", never()).await;
        }
        let held = Held::entries(app).await;
        let shops = [&left, &right].into_iter().cycle().take(CLIENTS);
        let calls = join_all(shops.map(|shop| shop.consume(shop.use_lessons("1"))));
        let release = async {
            held.until_somebody_waits().await;
            held.let_go().await;
        };
        let (results, ()) = tokio::join!(calls, release);
        for result in results {
            result.unwrap();
        }
        let (mixed, all) = (mixed_commits(app).await, commits(app).await);
        assert_eq!(mixed == 0, apart, "{mixed} of {all} commits");
        assert!(usize::try_from(all).unwrap() < CLIENTS, "{all} commits");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_a_batch_leaves_the_others_alone(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("100", never()).await;
        let massage = shop.item("Massage", "Body", 4_000).await;
        let requests = (0..CLIENTS).map(|client| match client % 4 {
            0 => shop.use_lessons("1000"),
            1 => v1::ConsumeRequest {
                what: Some(v1::consume_request::What::Item(v1::ItemUnits {
                    item_id: massage.clone(),
                    units: "1".to_owned(),
                })),
                ..shop.use_lessons_of(&package.id, "1")
            },
            _ => shop.use_lessons("2"),
        });
        let results = crowd(app, &shop, requests.collect()).await;
        for (client, result) in results.into_iter().enumerate() {
            match client % 4 {
                0 => drop(refused(
                    result,
                    Code::FailedPrecondition,
                    "INSUFFICIENT_CREDITS",
                )),
                1 => drop(refused(
                    result,
                    Code::FailedPrecondition,
                    "ITEM_NOT_COVERED",
                )),
                _ => assert_eq!(result.unwrap().total, "2"),
            }
        }
        assert_eq!(shop.left(&package.id).await, (100 - CLIENTS).to_string());
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn copies_in_one_batch_take_effect_once_and_another_request_under_their_id_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1", never()).await;
        // It empties the package, so every copy would be refused if it were not known as one.
        let request = shop.use_lessons("1");
        let mut other = shop.use_lessons("1");
        other.request_id.clone_from(&request.request_id);
        other.note = "something else".to_owned();
        let mut requests = vec![request.clone(); CLIENTS];
        requests.push(other);
        let mut results = crowd(app, &shop, requests).await;
        let other = results.pop().unwrap();
        if other.is_ok() {
            // It came first, so the others are the ones that reuse its id.
            for result in results {
                refused(result, Code::AlreadyExists, "REQUEST_ID_REUSED");
            }
            return;
        }
        refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
        let answers: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        let fresh = answers.iter().filter(|answer| !answer.replayed);
        assert_eq!(fresh.count(), 1);
        let parts: HashSet<String> = answers
            .iter()
            .map(|answer| format!("{:?}", answer.parts))
            .collect();
        assert_eq!(parts.len(), 1, "{parts:?}");
        assert_eq!(shop.left(&package.id).await, "0");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_somebody_holds_keep_no_other_call_waiting() {
    on(Postgres, async |app| {
        let shop = Shop::open(app).await;
        let taken = shop.sell_lessons("5", never()).await;
        let free = shop.sell_lessons("5", never()).await;
        let held = Held::lots_of(app, &taken.id).await;
        let waiting = shop.consume(shop.use_lessons_of(&taken.id, "1"));
        let others = async {
            held.until_somebody_waits().await;
            for _ in 0..4 {
                let request = shop.use_lessons_of(&free.id, "1");
                shop.consume(request).await.unwrap();
            }
            held.let_go().await;
        };
        let (waited, ()) = tokio::join!(waiting, others);
        waited.unwrap();
        assert_eq!(shop.left(&taken.id).await, "4");
        assert_eq!(shop.left(&free.id).await, "1");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_the_queue_full_is_told_when_to_come_back(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let short = |settings: &mut Settings| settings.ledger.ledger_batch_max = 2;
    on_tuned(database, short, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("100", never()).await;
        let held = Held::entries(app).await;
        let requests: Vec<_> = (0..CLIENTS).map(|_| shop.use_lessons("1")).collect();
        let mut calls: FuturesUnordered<_> = requests
            .iter()
            .map(|request| shop.consume(request.clone()))
            .collect();
        // Nothing can be written, so the first answer is a refusal.
        let first = calls.next().await.unwrap();
        let advice = first.as_ref().unwrap_err().get_details_retry_info();
        assert!(advice.unwrap().retry_delay > Some(Duration::ZERO));
        refused(first, Code::ResourceExhausted, "OVERLOADED");
        let (rest, ()) = tokio::join!(calls.collect::<Vec<_>>(), held.let_go());
        for result in rest.into_iter().filter(Result::is_err) {
            refused(result, Code::ResourceExhausted, "OVERLOADED");
        }
        // Whoever comes back is served.
        for request in requests {
            shop.consume(request).await.unwrap();
        }
        assert_eq!(shop.left(&package.id).await, (100 - CLIENTS).to_string());
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_faulty_row_fails_its_own_calls_only(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let faulty = shop.sell_lessons("50", never()).await;
        let sound = shop.sell_lessons("50", never()).await;
        let id = faulty.id.parse::<PackageId>().unwrap().uuid();
        let txn = app.context().db.begin().await.unwrap();
        txn.execute_unprepared(&match database {
            Postgres | Partitioned => format!(
                "ALTER TABLE lots ADD CONSTRAINT planted CHECK (package_id <> '{id}' OR version <= 1)"
            ),
            Sqlite => format!(
                "CREATE TRIGGER planted BEFORE UPDATE ON lots WHEN OLD.package_id = x'{}'
                 BEGIN SELECT RAISE(ABORT, 'planted'); END",
                id.simple()
            ),
        })
        .await
        .unwrap();
        txn.commit().await.unwrap();
        let requests = (0..CLIENTS).map(|client| match client {
            7 | 30 => shop.use_lessons_of(&faulty.id, "1"),
            _ => shop.use_lessons_of(&sound.id, "1"),
        });
        let results = crowd(app, &shop, requests.collect()).await;
        for (client, result) in results.into_iter().enumerate() {
            match client {
                7 | 30 => drop(refused(result, Code::Internal, "INTERNAL")),
                _ => drop(result.unwrap()),
            }
        }
        assert_eq!(shop.left(&faulty.id).await, "50");
        assert_eq!(shop.left(&sound.id).await, "4");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_connection_is_lost_is_tried_again() {
    on(Postgres, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("50", never()).await;
        let held = Held::entries(app).await;
        let requests = (0..CLIENTS).map(|_| shop.use_lessons("1"));
        let calls = join_all(requests.map(|request| shop.consume(request)));
        let losing = async {
            held.until_somebody_waits().await;
            held.end_those_who_wait().await;
            held.let_go().await;
        };
        let (results, ()) = tokio::join!(calls, losing);
        for result in results {
            assert!(!result.unwrap().replayed);
        }
        assert_eq!(shop.left(&package.id).await, "2");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_was_taken_and_later_calls_go_alone(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("100", never()).await;
        let held = Held::entries(app).await;
        let requests = (0..CLIENTS).map(|_| shop.use_lessons("1"));
        let calls = join_all(requests.map(|request| shop.consume(request)));
        let stopping = async {
            held.until_somebody_waits().await;
            let ledger = &app.context().ledger;
            tokio::join!(ledger.stop(), held.let_go());
        };
        let (results, ()) = tokio::join!(calls, stopping);
        for result in results {
            result.unwrap();
        }
        shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(shop.left(&package.id).await, (99 - CLIENTS).to_string());
    })
    .await;
}
