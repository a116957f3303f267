//! Packages that wait for an earlier one of the same template (A10, semantics 29), through gRPC on both
//! databases.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{ChangeKind, OverlapPolicy, PackageStatus};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, never, until};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn queued(shop: &Shop, quantity: &str, validity: v1::Validity) -> v1::Template {
    v1::Template {
        selling: Some(v1::SellingRules {
            overlap: OverlapPolicy::Queue.into(),
            ..Default::default()
        }),
        ..shop.lessons(quantity, validity)
    }
}

/// A shop at a fixed hour, and so many packages of one template in a queue, sold one after the other.
async fn queue(app: &TestApp, count: usize, validity: v1::Validity) -> (Shop, Vec<v1::Package>) {
    app.clock.set(at("2026-03-02T10:00:00Z"));
    let shop = Shop::open(app).await;
    let template_id = shop.offer(queued(&shop, "2", validity)).await;
    let mut packages = Vec::new();
    for _ in 0..count {
        packages.push(shop.sell(&template_id).await);
        app.clock.advance(TimeDelta::seconds(1));
    }
    (shop, packages)
}

async fn status(shop: &Shop, package: &v1::Package) -> PackageStatus {
    shop.package(&package.id).await.status()
}

fn moment(timestamp: Option<prost_types::Timestamp>) -> DateTime<Utc> {
    DateTime::from_timestamp(timestamp.unwrap().seconds, 0).unwrap()
}

async fn extend(app: &TestApp, package_id: &str, date: &str) {
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            date.to_owned(),
        )),
        ..Default::default()
    };
    app.packages().extend_package(request).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_queued_package_starts_at_the_end_of_the_earlier_one_without_a_job(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (shop, packages) = queue(app, 2, days(10)).await;
        let [first, second] = &packages[..] else {
            panic!("{packages:?}");
        };
        assert_eq!(second.status(), PackageStatus::Queued);
        assert_eq!(second.queued_behind_package_id, first.id);
        assert_eq!(second.starts_at, first.expires_at);
        assert_eq!(second.last_usable_date, "2026-03-23");
        let early = shop.consume(shop.use_lessons_of(&second.id, "1")).await;
        let facts = refused(early, Code::FailedPrecondition, "PACKAGE_NOT_STARTED");
        assert_eq!(facts["starts_at"], "2026-03-12T22:00:00Z");
        // No command crosses into a package that it starts itself.
        let across = shop.consume(shop.use_lessons("3")).await;
        let facts = refused(across, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(facts["available"], "2");

        app.clock.set(moment(second.starts_at));
        assert_eq!(status(&shop, second).await, PackageStatus::Active);
        shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(shop.left(&second.id).await, "1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_last_use_brings_the_next_one_forward_and_an_undo_does_not_send_it_back(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values("use", "hold")] how: &str,
) {
    on(database, async |app| {
        let (shop, packages) = queue(app, 3, days(10)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.set(at("2026-03-05T10:00:00Z"));
        let now = app.clock.now();
        let held = if how == "hold" {
            Some(shop.hold(shop.hold_lessons("1")).await.unwrap())
        } else {
            None
        };
        let used = match &held {
            Some(held) => held.hold_id.clone(),
            None => {
                shop.consume(shop.use_lessons("1"))
                    .await
                    .unwrap()
                    .posting_id
            }
        };
        let second = shop.package(&packages[1].id).await;
        assert_eq!(second.status(), PackageStatus::Active);
        assert_eq!(moment(second.starts_at), now);
        assert_eq!(
            (second.last_usable_date.as_str(), second.expiry_epoch),
            ("2026-03-15", 1)
        );
        let third = shop.package(&packages[2].id).await;
        assert_eq!(third.status(), PackageStatus::Queued);
        assert_eq!(third.starts_at, second.expires_at);
        let told = app.changes_of(&third.id).await;
        assert_eq!(told[0].kind(), ChangeKind::QueueMoved);
        if how == "use" {
            assert_eq!(told[0].posting_id, used);
        }
        let Some(v1::change::Detail::Span(span)) = &told[0].detail else {
            panic!("{told:?}");
        };
        assert_eq!(span.old_starts_at, packages[2].starts_at);
        assert_eq!(span.new_starts_at, third.starts_at);

        match &held {
            Some(held) => {
                shop.release(held).await.unwrap();
            }
            None => {
                shop.reverse(shop.reversing(&used)).await.unwrap();
            }
        }
        assert_eq!(shop.left(&packages[0].id).await, "1");
        assert_eq!(shop.package(&second.id).await, second);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn behind_a_package_without_an_end_the_next_one_waits_for_its_last_credit(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (shop, packages) = queue(app, 2, never()).await;
        let second = &packages[1];
        assert_eq!(second.starts_at, None);
        assert_eq!(second.status(), PackageStatus::Queued);
        let early = shop.consume(shop.use_lessons_of(&second.id, "1")).await;
        let facts = refused(early, Code::FailedPrecondition, "PACKAGE_NOT_STARTED");
        assert!(!facts.contains_key("starts_at"));
        app.clock.advance(TimeDelta::days(4_000));
        shop.consume(shop.use_lessons("2")).await.unwrap();
        shop.consume(shop.use_lessons("2")).await.unwrap();
        assert_eq!(status(&shop, second).await, PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_moves_the_end_of_a_package_moves_those_that_wait_for_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (shop, packages) = queue(app, 3, days(10)).await;
        let ends = async || {
            let mut ends = Vec::new();
            for package in &packages {
                ends.push(shop.package(&package.id).await.last_usable_date);
            }
            ends
        };
        assert_eq!(ends().await, ["2026-03-12", "2026-03-23", "2026-04-03"]);
        extend(app, &packages[0].id, "2026-03-20").await;
        assert_eq!(ends().await, ["2026-03-20", "2026-03-31", "2026-04-11"]);
        // The third one by hand: its days stay its own.
        extend(app, &packages[2].id, "2026-04-12").await;
        extend(app, &packages[1].id, "2026-04-02").await;
        assert_eq!(ends().await, ["2026-03-20", "2026-04-02", "2026-04-14"]);
        // A purchase that was revoked hands its place on.
        let request = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: packages[1].id.clone(),
            ..Default::default()
        };
        app.packages().revoke_package(request).await.unwrap();
        let third = shop.package(&packages[2].id).await;
        assert_eq!(
            third.starts_at,
            shop.package(&packages[0].id).await.expires_at
        );
        assert_eq!(third.status(), PackageStatus::Queued);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn freeze_limit_passes_no_job_the_queued_successor_is_usable_at_the_same_instant(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(true, false)] job: bool,
) {
    on(database, async |app| {
        let (shop, packages) = queue(app, 2, days(10)).await;
        let request = v1::FreezePackageRequest {
            request_id: app.request_id(),
            package_id: packages[0].id.clone(),
            until_date: "2026-03-06".to_owned(),
            ..Default::default()
        };
        let frozen = app
            .packages()
            .freeze_package(request.clone())
            .await
            .unwrap();
        let end = frozen.into_inner().package.unwrap().expires_if_thawed;
        let second = shop.package(&packages[1].id).await;
        assert_eq!(second.starts_at, end);
        let waiting = v1::FreezePackageRequest {
            request_id: app.request_id(),
            package_id: second.id.clone(),
            ..request
        };
        let refusal = app.packages().freeze_package(waiting).await;
        let facts = refused(refusal, Code::FailedPrecondition, "PACKAGE_QUEUED");
        assert_eq!(facts["queued_behind_package_id"], packages[0].id);

        if job {
            app.clock.set(at("2026-03-07T10:00:00Z"));
            settle::step(app.context()).await.unwrap();
        }
        app.clock.set(moment(end) - TimeDelta::microseconds(1));
        assert_eq!(status(&shop, &second).await, PackageStatus::Queued);
        app.clock.set(moment(end));
        if job {
            settle::step(app.context()).await.unwrap();
        }
        assert_eq!(status(&shop, &packages[0]).await, PackageStatus::Expired);
        assert_eq!(status(&shop, &second).await, PackageStatus::Active);
        shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(shop.left(&second.id).await, "1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_with_a_date_of_its_own_does_not_wait(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let template_id = shop.offer(queued(&shop, "2", until("2026-03-20"))).await;
        shop.sell(&template_id).await;
        let second = shop.try_to_sell(vec![shop.entry(&template_id)]).await;
        refused(second, Code::FailedPrecondition, "SALE_REFUSED");
        let dated = v1::SaleEntry {
            start_date: "2026-03-10".to_owned(),
            ..shop.entry(&template_id)
        };
        refused(
            shop.try_to_sell(vec![dated]).await,
            Code::FailedPrecondition,
            "SALE_REFUSED",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn entries_of_one_call_wait_for_each_other_and_sales_at_once_make_one_queue(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (shop, _) = queue(app, 0, days(10)).await;
        let template_id = shop.offer(queued(&shop, "2", days(10))).await;
        let twice = vec![shop.entry(&template_id), shop.entry(&template_id)];
        let answer = shop.try_to_sell(twice).await.unwrap().into_inner();
        let sold: Vec<_> = answer
            .results
            .into_iter()
            .map(|it| it.package.unwrap())
            .collect();
        assert_eq!(sold[1].queued_behind_package_id, sold[0].id);
        assert_eq!(sold[1].starts_at, sold[0].expires_at);
        app.clock.advance(TimeDelta::seconds(1));
        let more = (0..6).map(|_| shop.sell(&template_id));
        let uses = (0..2).map(|_| shop.consume(shop.use_lessons("1")));
        let (more, used) = tokio::join!(join_all(more), join_all(uses));
        assert!(used.iter().all(Result::is_ok), "{used:?}");
        let mut all = Vec::new();
        for package in sold.iter().chain(&more) {
            all.push(shop.package(&package.id).await);
        }
        all.sort_by_key(|package| package.starts_at.map(|at| at.seconds));
        assert_eq!(all[0].status(), PackageStatus::Completed);
        assert_eq!(all[1].status(), PackageStatus::Active);
        for pair in all[1..].windows(2) {
            assert_eq!(pair[1].queued_behind_package_id, pair[0].id);
            assert_eq!(pair[1].starts_at, pair[0].expires_at);
        }
    })
    .await;
}
