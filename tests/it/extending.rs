//! Extending a package, and restoring an expired one (E2, E3), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::extend_package_request::NewExpiry;
use carnet::proto::v1::{ChangeKind, EntryKind, PackageStatus};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, euros, never, period, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A request for a package to be usable through this day.
fn through(app: &Tenant, package: &v1::Package, date: &str) -> v1::ExtendPackageRequest {
    v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        new_expiry: Some(NewExpiry::LastUsableDate(date.to_owned())),
        reason: "As agreed by phone".to_owned(),
        ..Default::default()
    }
}

fn bonus(package: &v1::Package, amount: &str) -> v1::BonusCredits {
    v1::BonusCredits {
        line_id: package.lines[0].id.clone(),
        amount: amount.to_owned(),
    }
}

async fn extend(
    app: &Tenant,
    request: v1::ExtendPackageRequest,
) -> Result<v1::ExtendPackageResponse, Status> {
    Ok(app.packages().extend_package(request).await?.into_inner())
}

#[rstest]
#[tokio::test]
async fn an_active_package_is_extended_to_a_day_an_instant_or_by_a_period(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        let extended = extend(app, through(app, &package, "2026-02-28")).await;
        let extended = extended.unwrap();
        let now = extended.package.unwrap();
        assert_eq!(
            (now.last_usable_date.as_str(), now.expiry_epoch),
            ("2026-02-28", 1)
        );
        assert_eq!(now, shop.package(&package.id).await);
        let change = extended.change.unwrap();
        assert_eq!(change.kind(), ChangeKind::Extended);
        assert_eq!(change.reason, "As agreed by phone");
        let Some(v1::change::Detail::Expiry(expiry)) = &change.detail else {
            panic!("{change:?}");
        };
        assert_eq!(expiry.old_expires_at, package.expires_at);
        assert_eq!(expiry.new_expires_at, now.expires_at);
        // A month from the last day of February.
        let by = v1::ExtendPackageRequest {
            new_expiry: Some(NewExpiry::By(v1::Period {
                count: 1,
                unit: v1::PeriodUnit::Month.into(),
            })),
            ..through(app, &package, "")
        };
        let now = extend(app, by).await.unwrap().package.unwrap();
        assert_eq!(now.last_usable_date, "2026-03-28");
        // The clocks go forward on 29 March: the day before ends two hours before midnight UTC, the day
        // after three.
        assert_eq!(
            now.expires_at.unwrap().seconds,
            at("2026-03-28T22:00:00Z").timestamp()
        );
        let instant = carnet::grpc::faults::timestamp(at("2026-04-01T09:30:00Z"));
        let to_the_instant = v1::ExtendPackageRequest {
            new_expiry: Some(NewExpiry::ExpiresAt(instant)),
            ..through(app, &package, "")
        };
        let now = extend(app, to_the_instant).await.unwrap().package.unwrap();
        assert_eq!(now.expires_at, Some(instant));
        assert_eq!(now.expiry_epoch, 3);
        app.clock.set(at("2026-04-01T09:29:59Z"));
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        let kinds: Vec<_> = app
            .entries_of_package(&package.id)
            .await
            .iter()
            .map(v1::Entry::kind)
            .collect();
        assert_eq!(
            kinds,
            [EntryKind::Consume, EntryKind::Issue],
            "nothing was lost"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_expired_package_is_restored_with_a_bonus_whether_or_not_it_was_swept(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] swept: bool,
) {
    // The messages of all that happens here make a large future.
    Box::pin(on(database, async |app| {
        app.clock.set(at("2026-03-16T09:00:00Z"));
        let shop = Shop::open(app).await;
        let rule = period(1, v1::PeriodUnit::Month, v1::Anchor::Sale);
        let package = shop.sell_lessons("8", rule).await;
        assert_eq!(package.last_usable_date, "2026-04-16");
        shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.set(at("2026-04-20T09:00:00Z"));
        if swept {
            assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
        }
        let expired = shop.package(&package.id).await;
        assert_eq!(expired.status(), PackageStatus::Expired);
        let lot = &expired.lines[0].lots[0];
        assert_eq!(lot.unused_value, Some(euros(0)), "its value is breakage");

        let request = v1::ExtendPackageRequest {
            bonuses: vec![bonus(&package, "1")],
            ..through(app, &package, "2026-05-16")
        };
        let answer = extend(app, request.clone()).await.unwrap();
        let change = answer.change.unwrap();
        assert_eq!(change.kind(), ChangeKind::Restored);
        let restored = answer.package.unwrap();
        assert_eq!(restored, shop.package(&package.id).await);
        assert_eq!(restored.status(), PackageStatus::Active);
        assert_eq!(restored.last_usable_date, "2026-05-16");
        let balances = restored.lines[0].balances.clone().unwrap();
        assert_eq!(
            [
                balances.issued,
                balances.consumed,
                balances.available,
                balances.expired
            ],
            ["9", "1", "8", "0"]
        );
        let [paid, given] = restored.lines[0].lots.as_slice() else {
            panic!("a lot that was paid and a bonus");
        };
        assert_eq!(
            (paid.bonus, &paid.unused_value),
            (false, &Some(euros(10_500)))
        );
        assert_eq!((given.bonus, &given.value), (true, &Some(euros(0))));

        let entries = app.entries_of_package(&package.id).await;
        let seen: Vec<_> = entries
            .iter()
            .filter(|entry| entry.lot_id == paid.id)
            .map(|entry| {
                let value = entry.value.as_ref().unwrap().minor_units;
                (entry.kind(), entry.amount.as_str(), value, entry.by_time)
            })
            .collect();
        let wanted = [
            (EntryKind::Restore, "7", 10_500, false),
            (EntryKind::Expire, "7", 10_500, true),
            (EntryKind::Consume, "1", 1_500, false),
            (EntryKind::Issue, "8", 12_000, false),
        ];
        assert_eq!(seen, wanted);
        let lost = entries.iter().find(|entry| entry.by_time).unwrap();
        let effective_at = lost.effective_at.unwrap().seconds;
        assert_eq!(effective_at, at("2026-04-16T21:00:00Z").timestamp());
        assert_eq!((lost.method.as_str(), lost.actor_id.as_str()), ("", ""));
        // The eight lessons that are there again can be used, and no more.
        let all = shop.consume(shop.use_lessons_of(&package.id, "8")).await;
        let value: i64 = all
            .unwrap()
            .parts
            .iter()
            .map(|part| part.value.as_ref().unwrap().minor_units)
            .sum();
        assert_eq!(value, 10_500);
        let more = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(more, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert!(extend(app, request).await.unwrap().replayed);
    }))
    .await;
}

#[rstest]
#[tokio::test]
async fn what_expired_twice_is_restored_twice_and_its_value_stays_the_same(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("3", days(1)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        for (day, date) in [("2026-01-20", "2026-01-25"), ("2026-01-30", "2026-02-05")] {
            app.clock.set(at(&format!("{day}T10:00:00Z")));
            let restored = extend(app, through(app, &package, date)).await.unwrap();
            let restored = restored.package.unwrap();
            let lot = &restored.lines[0].lots[0];
            assert_eq!(lot.unused_value, Some(euros(8_000)));
            let balances = lot.balances.as_ref().unwrap();
            assert_eq!(
                (balances.available.as_str(), balances.expired.as_str()),
                ("2", "0")
            );
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn after_the_quarantine_a_package_is_restored_only_by_force(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        // 30 days after 31 January are over with 2 March.
        let over = at("2026-03-02T22:00:00Z");
        let until = shop.package(&package.id).await.restorable_until.unwrap();
        assert_eq!(until.seconds, over.timestamp());
        app.clock.set(over - TimeDelta::microseconds(1));
        let request = v1::ExtendPackageRequest {
            validate_only: true,
            ..through(app, &package, "2026-04-30")
        };
        extend(app, request).await.unwrap();
        app.clock.set(over);
        let late = extend(app, through(app, &package, "2026-04-30")).await;
        let names = refused(late, Code::FailedPrecondition, "QUARANTINE_OVER");
        assert_eq!(names["restorable_until"], "2026-03-02T22:00:00Z");
        assert_eq!(names["package_id"], package.id);
        let forced = v1::ExtendPackageRequest {
            force_restore: true,
            ..through(app, &package, "2026-04-30")
        };
        let desk = app.allowed_only(&[Permission::PackagesExtend]).await;
        let lacking = extend(&desk, forced.clone()).await;
        let lacking = refused(lacking, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(lacking["permission"], "PACKAGES_FORCE_RESTORE");
        let manager = [Permission::PackagesExtend, Permission::PackagesForceRestore];
        let manager = app.allowed_only(&manager).await;
        let restored = extend(&manager, forced).await.unwrap().package.unwrap();
        assert_eq!(restored.status(), PackageStatus::Active);
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_end_is_moved_only_to_later_than_it_is_and_later_than_now(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        for date in ["2026-01-31", "2026-01-20", "2026-01-14"] {
            let result = extend(app, through(app, &package, date)).await;
            let numbers = refused(result, Code::FailedPrecondition, "EXPIRY_NOT_LATER");
            assert_eq!(numbers["not_before"], "2026-01-31T22:00:00Z");
        }
        app.clock.set(at("2026-02-10T12:00:00Z"));
        let result = extend(app, through(app, &package, "2026-02-09")).await;
        let numbers = refused(result, Code::FailedPrecondition, "EXPIRY_NOT_LATER");
        assert_eq!(numbers["not_before"], "2026-02-10T12:00:00Z");
        assert_eq!(numbers["expires_at"], "2026-02-09T22:00:00Z");
        // Through today is later than now.
        extend(app, through(app, &package, "2026-02-10"))
            .await
            .unwrap();
        let eternal = shop.sell_lessons("8", never()).await;
        let result = extend(app, through(app, &eternal, "2027-01-01")).await;
        let names = refused(result, Code::FailedPrecondition, "PACKAGE_NEVER_EXPIRES");
        assert_eq!(names["package_id"], eternal.id);
        assert_eq!(app.changes_of(&eternal.id).await, []);
        let unknown = v1::Package {
            id: "pkg_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            ..eternal
        };
        let result = extend(app, through(app, &unknown, "2027-01-01")).await;
        refused(result, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_changed_since_it_was_read_is_not_extended(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let read = shop.sell_lessons("8", until("2026-01-31")).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let with_etag = |date: &str| v1::ExtendPackageRequest {
            etag: read.etag.clone(),
            ..through(app, &read, date)
        };
        extend(app, with_etag("2026-02-28")).await.unwrap();
        let stale = extend(app, with_etag("2026-03-31")).await;
        let names = refused(stale, Code::Aborted, "ETAG_MISMATCH");
        assert_eq!(
            (names["kind"].as_str(), &names["id"]),
            ("package", &read.id)
        );
        assert_eq!(shop.package(&read.id).await.last_usable_date, "2026-02-28");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_bonus_is_a_lot_of_a_line_of_that_package_as_fine_as_its_type(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        let other = shop.sell_lessons("8", until("2026-01-31")).await;
        let with = |bonuses| v1::ExtendPackageRequest {
            bonuses,
            ..through(app, &package, "2026-02-28")
        };
        let result = extend(app, with(vec![bonus(&package, "0.5")])).await;
        refused(result, Code::InvalidArgument, "AMOUNT_TOO_FINE");
        let result = extend(app, with(vec![bonus(&other, "1")])).await;
        refused(result, Code::NotFound, "NOT_FOUND");
        assert_eq!(shop.package(&package.id).await, package);
        let mut tried = with(vec![bonus(&package, "1"), bonus(&package, "2")]);
        tried.validate_only = true;
        let would = extend(app, tried.clone()).await.unwrap().package.unwrap();
        assert_eq!(would.lines[0].balances.as_ref().unwrap().available, "11");
        assert_eq!(shop.package(&package.id).await, package);
        assert_eq!(app.changes_of(&package.id).await, []);
        tried.validate_only = false;
        let done = extend(app, tried).await.unwrap();
        assert!(!done.replayed);
        assert_eq!(done.package.unwrap().lines[0].lots.len(), 3);
        assert_eq!(shop.left(&other.id).await, "8");
    })
    .await;
}

async fn page_of_changes(
    app: &TestApp,
    package_id: &str,
    page_token: String,
) -> v1::ListChangesResponse {
    let request = v1::ListChangesRequest {
        package_id: package_id.to_owned(),
        page_size: 2,
        page_token,
    };
    let answer = app.packages().list_changes(request).await.unwrap();
    answer.into_inner()
}

#[rstest]
#[tokio::test]
async fn changes_are_listed_newest_first_each_with_its_reason_and_who_did_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        for month in 2..=6 {
            let request = v1::ExtendPackageRequest {
                reason: format!("Once more, the {month}th month"),
                ..through(app, &package, &format!("2026-0{month}-28"))
            };
            extend(app, request).await.unwrap();
        }
        let all = app.changes_of(&package.id).await;
        let sequences: Vec<_> = all.iter().map(|change| change.sequence).collect();
        assert_eq!(sequences, [5, 4, 3, 2, 1]);
        assert_eq!(all[0].reason, "Once more, the 6th month");
        assert!(all.iter().all(|change| !change.actor_id.is_empty()));
        let mut paged = Vec::new();
        let mut token = String::new();
        loop {
            let page = page_of_changes(app, &package.id, token).await;
            assert!(page.changes.len() <= 2);
            paged.extend(page.changes);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(paged, all);
    })
    .await;
}
