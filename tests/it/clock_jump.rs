//! A clock that jumps while the server runs, back or far ahead: history stays in its order, a repeat stays a repeat,
//! and what a false clock let expire is brought back by an extension beyond the instant that it showed.

use carnet::jobs::settle;
use carnet::proto::v1;
use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};

/// When each entry of a package was recorded, the oldest first.
async fn recorded_at(app: &TestApp, package_id: &str) -> Vec<(i64, i32)> {
    let mut entries = app.entries_of_package(package_id).await;
    entries.sort_by_key(|entry| entry.sequence);
    let instants = entries.into_iter().map(|entry| entry.recorded_at.unwrap());
    instants.map(|at| (at.seconds, at.nanos)).collect()
}

async fn extend(app: &TestApp, package_id: &str, last_day: &str) -> v1::Package {
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            last_day.to_owned(),
        )),
        ..Default::default()
    };
    let answer = app.packages().extend_package(request).await.unwrap();
    answer.into_inner().package.unwrap()
}

#[rstest]
#[tokio::test]
async fn history_stays_in_order_while_the_clock_is_behind_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("20", days(30)).await;
        app.clock.advance(TimeDelta::days(1));
        let first = shop.use_lessons_of(&package.id, "1");
        shop.consume(first.clone()).await.unwrap();
        let latest = app.clock.now();
        app.clock.advance(TimeDelta::hours(-2));
        let alone = shop.use_lessons_of(&package.id, "1");
        shop.consume(alone).await.unwrap();
        let crowd = (0..8).map(|_| shop.consume(shop.use_lessons_of(&package.id, "1")));
        for used in join_all(crowd).await {
            used.unwrap();
        }
        extend(app, &package.id, "2026-12-31").await;
        assert!(shop.consume(first).await.unwrap().replayed);
        app.clock.set(latest + TimeDelta::hours(1));
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        let recorded = recorded_at(app, &package.id).await;
        assert!(recorded.is_sorted(), "{recorded:?}");
        // Those of the false clock were recorded when the last one before them was.
        let at_latest = recorded.iter().filter(|at| at.0 == latest.timestamp());
        assert_eq!(at_latest.count(), 10);
        assert_eq!(shop.left(&package.id).await, "9");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_clock_far_ahead_let_expire_is_restored_beyond_what_it_showed(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons_of(&package.id, "3"))
            .await
            .unwrap();
        let right = app.clock.now();
        app.clock.advance(TimeDelta::days(400));
        let late = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(late, Code::FailedPrecondition, "PACKAGE_EXPIRED");
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
        app.clock.set(right + TimeDelta::minutes(1));
        // History does not go back, so for what the false clock touched it is as late as that showed.
        let extended = extend(app, &package.id, "2026-12-31").await;
        assert_eq!(extended.lines[0].balances.as_ref().unwrap().available, "5");
        let early = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(early, Code::FailedPrecondition, "PACKAGE_EXPIRED");
        let extended = extend(app, &package.id, "2027-12-31").await;
        let balances = extended.lines[0].balances.clone().unwrap();
        assert_eq!(
            (balances.available.as_str(), balances.expired.as_str()),
            ("5", "0")
        );
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        assert!(recorded_at(app, &package.id).await.is_sorted());
    })
    .await;
}
