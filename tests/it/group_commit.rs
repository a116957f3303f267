//! Uses of credits that come at the same time share a commit, and nobody can tell but by the clock.
//!
//! A test that needs calls to be in one batch holds the table that the batch before them writes, so that
//! they queue up behind it.

mod crowd;

use carnet::config::Settings;
use carnet::proto::v1;
use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on, on_tuned};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, never};

/// Gives every call a transaction of its own.
fn alone(settings: &mut Settings) {
    settings.ledger.ledger_batch_max = 1;
}

/// Lets only calls of one business share a commit.
fn one_business(settings: &mut Settings) {
    settings.ledger.ledger_batch_one_business = true;
}

/// What a ledger says of each entry, without the ids that are new in each run.
async fn tell(app: &TestApp, packages: &[v1::Package]) -> Vec<String> {
    let mut told = Vec::new();
    for package in packages {
        for entry in app.entries_of_package(&package.id).await {
            told.push(format!(
                "{:?} {} {:?} {:?} {:?}",
                entry.kind(),
                entry.amount,
                entry.value,
                entry.balances,
                entry.recorded_at
            ));
        }
    }
    told
}

/// Uses, refusals, repeats and an expiry, one after another.
async fn play(app: &TestApp) -> Vec<String> {
    let shop = Shop::open(app).await;
    let packages = [
        shop.sell_lessons("3", days(10)).await,
        shop.sell_lessons("4", never()).await,
    ];
    let spanning = shop.use_lessons("5");
    shop.consume(spanning.clone()).await.unwrap();
    assert!(shop.consume(spanning).await.unwrap().replayed);
    let too_much = shop.consume(shop.use_lessons("3")).await;
    refused(too_much, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    let last = shop.sell_lessons("6", days(1)).await;
    shop.consume(shop.use_lessons_of(&last.id, "2"))
        .await
        .unwrap();
    app.clock.advance(TimeDelta::days(2));
    let mut noted = shop.use_lessons("1");
    noted.note = "with a note".to_owned();
    shop.consume(noted).await.unwrap();
    tell(app, &[packages.as_slice(), &[last]].concat()).await
}

#[rstest]
#[tokio::test]
async fn batching_off_gives_the_same_ledger(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    let mut told = Vec::new();
    on(database, async |app| told.push(play(app).await)).await;
    on_tuned(database, alone, async |app| told.push(play(app).await)).await;
    on_tuned(database, one_business, async |app| {
        told.push(play(app).await);
    })
    .await;
    assert!(told[0].len() >= 8, "{told:?}");
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_two_businesses_in_a_crowd_stay_apart(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] apart: bool,
) {
    let tune = move |settings: &mut Settings| settings.ledger.ledger_batch_one_business = apart;
    on_tuned(database, tune, async |app| {
        let other = app.second_business().await;
        let shops = [Shop::open(app).await, Shop::open(&other).await];
        let packages = [
            shops[0].sell_lessons("40", never()).await,
            shops[1].sell_lessons("40", never()).await,
        ];
        // One request id in both: it belongs to the business that sends it.
        let requests = (0..32).map(|_| {
            let [mut left, mut right] = [0, 1].map(|side: usize| shops[side].use_lessons("1"));
            left.request_id.clone_from(&right.request_id);
            left.note = "left".to_owned();
            right.note = "right".to_owned();
            async { tokio::join!(shops[0].consume(left), shops[1].consume(right)) }
        });
        for (left, right) in join_all(requests).await {
            assert!(!left.unwrap().replayed);
            assert!(!right.unwrap().replayed);
        }
        for (shop, package) in shops.iter().zip(&packages) {
            assert_eq!(shop.left(&package.id).await, "8");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_id_that_a_command_without_entries_used_is_refused(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("4", never()).await;
        let request = v1::CreateCustomerRequest {
            request_id: app.request_id(),
            customer: Some(v1::Customer {
                name: "Jaan Tamm".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        app.customers()
            .create_customer(request.clone())
            .await
            .unwrap();
        let mut reusing = shop.use_lessons("1");
        reusing.request_id = request.request_id;
        let (reusing, other) = (shop.consume(reusing), shop.consume(shop.use_lessons("1")));
        let (reusing, other) = tokio::join!(reusing, other);
        refused(reusing, Code::AlreadyExists, "REQUEST_ID_REUSED");
        other.unwrap();
        assert_eq!(shop.left(&package.id).await, "3");
    })
    .await;
}
