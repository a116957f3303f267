//! What is owed and how it came about (H4, semantics 28), and balances in the past (H5).

use carnet::domain::credits::Credits;
use carnet::domain::permission::Permission;
use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::adjust_request::Change;
use carnet::proto::v1::balance_as_of_request::Scope;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::Code;

use super::{amounts, at, between, local_days};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};

fn credits(text: &str) -> Credits {
    Credits::parse(text).unwrap()
}

#[rstest]
#[tokio::test]
async fn semantics_28_each_kind_of_movement_is_in_its_column_and_they_add_up(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let revoked = shop.sell_lessons("8", days(60)).await;
        let used = shop.consume(shop.use_lessons("2")).await.unwrap();
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        shop.reverse(shop.reversing_units(&used.posting_id, "1"))
            .await
            .unwrap();
        shop.adjust(&package, Change::Remove("1".to_owned()))
            .await
            .unwrap();
        shop.capture(shop.capturing(&held)).await.unwrap();
        let request = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: revoked.id,
            ..Default::default()
        };
        app.packages().revoke_package(request).await.unwrap();
        let report = app
            .liability(local_days("2026-01-01", "2026-01-31", ""))
            .await;
        let [lessons] = report.credit_types.as_slice() else {
            panic!("{report:?}");
        };
        assert_eq!(lessons.credit_type_id, shop.lesson);
        let nothing = (Credits::ZERO, 0);
        for (name, told, wanted) in [
            ("opening", &lessons.opening, nothing),
            ("issued", &lessons.issued, (credits("16"), 24_000)),
            ("reversed", &lessons.reversed, (credits("1"), 1_500)),
            ("restored", &lessons.restored, nothing),
            ("reinstated", &lessons.reinstated, nothing),
            ("transferred in", &lessons.transferred_in, nothing),
            ("consumed", &lessons.consumed, (credits("3"), 4_500)),
            ("expired", &lessons.expired, nothing),
            ("revoked", &lessons.revoked, (credits("8"), 12_000)),
            ("transferred out", &lessons.transferred_out, nothing),
            ("adjusted", &lessons.adjusted, (credits("-1"), -1_500)),
            ("revalued", &lessons.revalued, nothing),
            ("closing", &lessons.closing, (credits("5"), 7_500)),
            ("difference", &lessons.difference, nothing),
        ] {
            assert_eq!(amounts(told.as_ref()), wanted, "{name}");
        }
        let total = report.total.unwrap();
        assert_eq!(
            total.closing.unwrap().value,
            lessons.closing.as_ref().unwrap().value.clone()
        );
        assert_eq!(total.credit_type_id, "");
        let tomorrow = app
            .liability(local_days("2026-02-01", "2026-02-28", ""))
            .await;
        assert_eq!(tomorrow.credit_types[0].opening, lessons.closing);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_28_an_expiry_counts_on_its_day_in_any_zone_whether_or_not_it_was_written(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        // Through 25 January in Tallinn, which is over at 22:00 UTC.
        let package = shop.sell_lessons("8", days(10)).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        app.clock.advance(TimeDelta::days(40));
        let lost = (credits("6"), 9_000);
        let nothing = (Credits::ZERO, 0);
        let periods = [
            (local_days("2026-01-25", "2026-01-25", ""), nothing),
            (local_days("2026-01-26", "2026-01-26", ""), lost),
            (local_days("2026-01-25", "2026-01-25", "UTC"), lost),
            (local_days("2026-01-26", "2026-01-26", "UTC"), nothing),
            (local_days("2026-01-01", "2026-01-31", "Pacific/Apia"), lost),
            (local_days("1970-01-01", "2200-12-31", ""), lost),
        ];
        let mut unwritten = Vec::new();
        for (period, wanted) in &periods {
            let report = app.liability(period.clone()).await;
            let told = &report.credit_types[0];
            assert_eq!(amounts(told.expired.as_ref()), *wanted, "{period:?}");
            assert_eq!(amounts(told.breakage.as_ref()), *wanted, "{period:?}");
            assert_eq!(amounts(told.difference.as_ref()), nothing);
            unwritten.push(report);
        }
        let ends_at = at("2026-01-25T22:00:00Z");
        let left = app.balance_as_of(ends_at, None).await;
        assert_eq!(left[0].balances.as_ref().unwrap().available, "0");
        let just_before = ends_at - TimeDelta::microseconds(1);
        for scope in [
            None,
            Some(Scope::PackageId(package.id.clone())),
            Some(Scope::CustomerId(shop.customer.clone())),
        ] {
            let before = app.balance_as_of(just_before, scope.clone()).await;
            let balances = before[0].balances.as_ref().unwrap();
            assert_eq!(
                [&balances.available, &balances.consumed, &balances.expired],
                ["6", "2", "0"]
            );
            let after = app.balance_as_of(ends_at, scope).await;
            let values = after[0].values.clone().unwrap();
            let cents = [values.unused, values.consumed, values.expired];
            let cents = cents.map(|money| money.unwrap().minor_units);
            assert_eq!(cents, [0, 3_000, 9_000]);
        }
        assert!(settle::step(app.context()).await.unwrap().lots > 0);
        for ((period, _), wanted) in periods.into_iter().zip(unwritten) {
            assert_eq!(app.liability(period).await, wanted);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_recorded_late_is_in_the_period_in_which_it_was_recorded(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(90)).await;
        app.clock.advance(TimeDelta::days(20));
        let january = local_days("2026-01-01", "2026-01-31", "");
        let closed = app.liability(january.clone()).await;
        let mut late = shop.use_lessons("1");
        late.delivered_at = Some(stamp(at("2026-01-20T10:00:00Z")));
        shop.consume(late).await.unwrap();
        let again = app.liability(january).await;
        assert_eq!(again.credit_types, closed.credit_types);
        let february = app
            .liability(local_days("2026-02-01", "2026-02-28", ""))
            .await;
        let used = amounts(february.credit_types[0].consumed.as_ref());
        assert_eq!(used, (credits("1"), 1_500));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_without_credits_owes_nothing_and_sees_nothing_of_another(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(90)).await;
        let stranger = app.second_business().await;
        let period = local_days("2026-01-01", "2026-01-31", "");
        let report = stranger.liability(period.clone()).await;
        assert_eq!(report.credit_types, []);
        assert_eq!(amounts(report.total.unwrap().closing.as_ref()).1, 0);
        assert_eq!(stranger.balance_as_of(app.clock.now(), None).await, []);
        let request = v1::LiabilityRequest {
            period: Some(period.clone()),
            credit_type_id: shop.lesson.clone(),
        };
        let foreign = stranger.reports().liability(request.clone()).await;
        refused(foreign, Code::NotFound, "NOT_FOUND");
        assert!(app.reports().liability(request).await.is_ok());
        let foreign = v1::BalanceAsOfRequest {
            as_of: Some(stamp(app.clock.now())),
            scope: Some(Scope::PackageId(package.id)),
            ..Default::default()
        };
        let foreign = stranger.reports().balance_as_of(foreign).await;
        refused(foreign, Code::NotFound, "NOT_FOUND");
        let desk = app.allowed_only(&[Permission::PackagesRead]).await;
        let asked = v1::LiabilityRequest {
            period: Some(period),
            ..Default::default()
        };
        let denied = desk.reports().liability(asked).await;
        let told = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(told["permission"], "REPORTS_READ");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_period_that_is_none_is_refused_by_its_field(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let now = app.clock.now();
        let cases = [
            (None, "period"),
            (Some(v1::ReportPeriod::default()), "period.named"),
            (Some(between(now, now)), "period.instants.before"),
            (
                Some(local_days("2026-02-01", "2026-01-31", "")),
                "period.days.last_date",
            ),
            (
                Some(local_days("2026-02-30", "2026-03-31", "")),
                "period.days.first_date",
            ),
            (
                Some(local_days("0001-01-01", "2026-03-31", "")),
                "period.days.first_date",
            ),
            (
                Some(local_days("2026-01-01", "2026-03-31", "Tallinn")),
                "period.days.time_zone",
            ),
        ];
        for (period, field) in cases {
            let request = v1::LiabilityRequest {
                period: period.clone(),
                ..Default::default()
            };
            let faults = field_faults(app.reports().liability(request).await);
            let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
            assert_eq!(fields, [field], "{period:?}");
        }
        let without = v1::BalanceAsOfRequest::default();
        let faults = field_faults(app.reports().balance_as_of(without).await);
        assert_eq!(faults[0].0, "as_of");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_sum_that_is_more_than_can_be_kept_is_refused_in_words(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut template = shop.lessons("1000000000", days(30));
        template.lines = vec![template.lines[0].clone(); 50];
        let template_id = shop.offer(template).await;
        // Fifty lots each, of which each holds the most that one can: 185 packages pass 64 bits.
        let entries = vec![shop.entry(&template_id); 185];
        shop.try_to_sell(entries).await.unwrap();
        let request = v1::LiabilityRequest {
            period: Some(local_days("2026-01-01", "2026-01-31", "")),
            ..Default::default()
        };
        let told = app.reports().liability(request).await;
        refused(told, Code::OutOfRange, "AMOUNT_TOO_LARGE");
    })
    .await;
}
