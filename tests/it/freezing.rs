//! Freezing packages and thawing them (E6, semantics 15), through gRPC on both databases.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{ChangeKind, PackageStatus};
use chrono::{DateTime, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, never, period, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn freezing(app: &Tenant, package_id: &str, until_date: &str) -> v1::FreezePackageRequest {
    v1::FreezePackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        until_date: until_date.to_owned(),
        reason: "Broke a leg".to_owned(),
        ..Default::default()
    }
}

async fn freeze(
    app: &Tenant,
    request: v1::FreezePackageRequest,
) -> Result<v1::FreezePackageResponse, Status> {
    Ok(app.packages().freeze_package(request).await?.into_inner())
}

async fn unfreeze(app: &Tenant, package_id: &str) -> Result<v1::UnfreezePackageResponse, Status> {
    let request = v1::UnfreezePackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        ..Default::default()
    };
    Ok(app.packages().unfreeze_package(request).await?.into_inner())
}

async fn changes(app: &Tenant, package_id: &str) -> Vec<v1::Change> {
    let request = v1::ListChangesRequest {
        package_id: package_id.to_owned(),
        ..Default::default()
    };
    let answer = app.packages().list_changes(request).await.unwrap();
    answer.into_inner().changes
}

#[rstest]
#[tokio::test]
async fn a_frozen_package_is_not_used_and_its_holds_are_listed_and_can_be_captured(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        let held = shop.hold(shop.hold_lessons("2")).await.unwrap();
        let request = freezing(app, &package.id, "2026-03-11");
        let frozen = freeze(app, request.clone()).await.unwrap();
        assert_eq!(frozen.holds.len(), 1);
        assert_eq!(frozen.holds[0].hold_id, held.hold_id);
        assert_eq!(frozen.holds[0].amount, "2");
        let change = frozen.change.unwrap();
        assert_eq!(change.kind(), ChangeKind::Frozen);
        let Some(v1::change::Detail::Expiry(expiry)) = &change.detail else {
            panic!("{change:?}");
        };
        assert_eq!(expiry.old_expires_at, package.expires_at);
        assert_eq!(expiry.new_expires_at, None);
        let now = frozen.package.unwrap();
        assert_eq!(now, shop.package(&package.id).await);
        assert_eq!(now.status(), PackageStatus::Frozen);
        assert_eq!(now.frozen_until_date, "2026-03-11");
        assert_eq!((now.expires_at, now.last_usable_date.as_str()), (None, ""));
        // Ten days later, of which the clocks take an hour.
        let end = now.expires_if_thawed.unwrap();
        assert_eq!(end.seconds, at("2026-04-10T21:00:00Z").timestamp());
        assert!(freeze(app, request).await.unwrap().replayed);
        let again = freeze(app, freezing(app, &package.id, "2026-03-12")).await;
        refused(again, Code::FailedPrecondition, "PACKAGE_FROZEN");
        let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(used, Code::FailedPrecondition, "PACKAGE_FROZEN");
        shop.capture(shop.capturing(&held)).await.unwrap();

        app.clock.set(at("2026-03-05T10:00:00Z"));
        let thawed = unfreeze(app, &package.id).await.unwrap();
        assert_eq!(thawed.change.unwrap().kind(), ChangeKind::Thawed);
        let now = thawed.package.unwrap();
        assert_eq!(now.last_usable_date, "2026-04-03");
        assert_eq!((now.expiry_epoch, now.status()), (1, PackageStatus::Active));
        shop.consume(shop.use_lessons("6")).await.unwrap();
        let again = unfreeze(app, &package.id).await;
        refused(again, Code::FailedPrecondition, "PACKAGE_NOT_FROZEN");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn at_the_limit_a_package_is_thawed_for_every_reader_and_by_whoever_writes_first(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values("job", "named", "any", "extension")] writer: &str,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        freeze(app, freezing(app, &package.id, "2026-03-11"))
            .await
            .unwrap();
        let limit = at("2026-03-11T22:00:00Z");
        app.clock.set(limit - chrono::TimeDelta::microseconds(1));
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 0);
        assert_eq!(
            shop.package(&package.id).await.status(),
            PackageStatus::Frozen
        );
        app.clock.set(limit);
        let seen = shop.package(&package.id).await;
        assert_eq!(seen.status(), PackageStatus::Active);
        assert_eq!(seen.last_usable_date, "2026-04-10");
        assert_eq!(changes(app, &package.id).await.len(), 1, "nobody wrote it");
        app.clock.set(at("2026-03-20T10:00:00Z"));
        match writer {
            "job" => {
                settle::step(app.context()).await.unwrap();
            }
            "named" => {
                let request = shop.use_lessons_of(&package.id, "1");
                shop.consume(request).await.unwrap();
            }
            "any" => {
                shop.consume(shop.use_lessons("1")).await.unwrap();
            }
            _ => {
                let request = v1::ExtendPackageRequest {
                    request_id: app.request_id(),
                    package_id: package.id.clone(),
                    new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                        "2026-04-11".to_owned(),
                    )),
                    ..Default::default()
                };
                let answer = app.packages().extend_package(request).await.unwrap();
                let change = answer.into_inner().change.unwrap();
                assert_eq!(change.kind(), ChangeKind::Extended);
            }
        }
        let told = changes(app, &package.id).await;
        let thaw = told
            .iter()
            .find(|change| change.kind() == ChangeKind::Thawed);
        let thaw = thaw.unwrap();
        assert_eq!(thaw.effective_at.unwrap().seconds, limit.timestamp());
        assert_eq!(
            thaw.recorded_at.unwrap().seconds,
            at("2026-03-20T10:00:00Z").timestamp()
        );
        assert_eq!(thaw.actor_id, "", "time did it");
        let frozen = freeze(app, freezing(app, &package.id, "2026-03-25")).await;
        assert!(frozen.is_ok(), "it can be frozen again");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_what_is_recorded_late_restores_a_thawed_package_whoever_wrote_that_it_ended(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(true, false)] job_runs: bool,
    #[values(true, false)] named: bool,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        freeze(app, freezing(app, &package.id, "2026-03-04"))
            .await
            .unwrap();
        // Through 3 April.
        app.clock.set(at("2026-04-05T10:00:00Z"));
        if job_runs {
            settle::step(app.context()).await.unwrap();
        }
        let package_ids = if named {
            vec![package.id.clone()]
        } else {
            vec![]
        };
        let request = v1::ConsumeRequest {
            package_ids,
            delivered_at: Some(stamp(at("2026-04-02T10:00:00Z"))),
            ..shop.use_lessons("1")
        };
        shop.consume(request).await.unwrap();
        let balances = shop.balances(&package.id).await;
        assert_eq!([balances.consumed, balances.expired], ["1", "7"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_never_ends_or_goes_beyond_the_limits_is_not_frozen(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let first_use = period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse);
        for rule in [never(), first_use] {
            let package = shop.sell_lessons("8", rule).await;
            let result = freeze(app, freezing(app, &package.id, "2026-03-11")).await;
            refused(result, Code::FailedPrecondition, "PACKAGE_NEVER_EXPIRES");
        }
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        let past = freeze(app, freezing(app, &package.id, "2026-03-01")).await;
        let names = refused(past, Code::FailedPrecondition, "FREEZE_NOT_AHEAD");
        assert_eq!(
            (names["until_date"].as_str(), names["today"].as_str()),
            ("2026-03-01", "2026-03-02")
        );
        let long = freeze(app, freezing(app, &package.id, "2027-03-03")).await;
        let names = refused(long, Code::FailedPrecondition, "FREEZE_TOO_LONG");
        assert_eq!(
            (names["days"].as_str(), names["days_max"].as_str()),
            ("367", "366")
        );
        let faults = field_faults(freeze(app, freezing(app, &package.id, "")).await);
        assert_eq!(faults[0].0, "until_date");

        let mut template = shop.lessons("8", until("2026-03-31"));
        template.freeze = Some(v1::FreezePolicy {
            times_max: 1,
            days_max: 10,
        });
        let template_id = shop.offer(template).await;
        let strict = shop.sell(&template_id).await;
        let long = freeze(app, freezing(app, &strict.id, "2026-03-12")).await;
        refused(long, Code::FailedPrecondition, "FREEZE_TOO_LONG");
        freeze(app, freezing(app, &strict.id, "2026-03-11"))
            .await
            .unwrap();
        unfreeze(app, &strict.id).await.unwrap();
        let often = freeze(app, freezing(app, &strict.id, "2026-03-03")).await;
        let names = refused(often, Code::FailedPrecondition, "FREEZE_TOO_OFTEN");
        assert_eq!(names["times_max"], "1");
        app.clock.set(at("2026-04-02T10:00:00Z"));
        let ended = freeze(app, freezing(app, &package.id, "2026-04-11")).await;
        refused(ended, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}
