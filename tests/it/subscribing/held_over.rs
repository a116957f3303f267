//! Credits that were held when all others of their package went on, and become free later (semantics 11 and 20).

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{CarryOver, EntryKind};
use rstest::rstest;
use tonic::Code;

use super::carrying::{renewed, subscribed};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::ledger::stamp;
use crate::support::mailroom::local;
use crate::support::refused::refused;
use crate::support::shop::{Shop, until};
use crate::support::tenant::Tenant;

/// When the hold times out.
const TIMES_OUT: &str = "2026-04-10 12:00";
/// When that is seen.
const SEEN: &str = "2026-04-10 13:00";

/// Two months from which all went on but one lesson of the first, which is held until April.
struct HeldOver {
    shop: Shop,
    hold_id: String,
    /// The package of each month, the third one's last.
    months: Vec<String>,
    /// What went on into the second month, and what into the third.
    carried: Vec<String>,
}

impl HeldOver {
    async fn make(app: &TestApp) -> Self {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let subscription = subscribed(&shop, CarryOver::All, 0).await;
        let mut months = Vec::new();
        let mut carried = Vec::new();
        let mut hold_id = String::new();
        for day in ["2026-01-31", "2026-02-28", "2026-03-31"] {
            app.clock.set(local(&format!("{day} 10:00")));
            let answer = renewed(&shop, &subscription, day).await;
            months.push(answer.package.unwrap().id);
            carried.extend(answer.carried_over.map(|package| package.id));
            if hold_id.is_empty() {
                let hold = shop.hold_lessons_until("1", local(TIMES_OUT));
                hold_id = shop.hold(hold).await.unwrap().hold_id;
            }
        }
        let made = Self {
            shop,
            hold_id,
            months,
            carried,
        };
        assert_eq!(made.shop.left(&made.carried[1]).await, "7");
        made
    }

    /// Checks that the lesson that was held is where all others went.
    async fn assert_free_in_third_month(&self) {
        let shop = &self.shop;
        let first = shop.balances(&self.months[0]).await;
        assert_eq!([&*first.held, &*first.transferred], ["0", "4"]);
        assert_eq!(shop.balances(&self.carried[0]).await.available, "0");
        assert_eq!(shop.left(&self.carried[1]).await, "8");
    }
}

async fn outstanding(tenant: &Tenant) -> v1::OutstandingResponse {
    let request = v1::OutstandingRequest::default();
    let answer = tenant.reports().outstanding(request).await;
    answer.unwrap().into_inner()
}

async fn available_now(tenant: &Tenant, package_id: Option<&str>) -> String {
    let scope = package_id.map(|id| v1::balance_as_of_request::Scope::PackageId(id.to_owned()));
    let request = v1::BalanceAsOfRequest {
        as_of: Some(stamp(tenant.now())),
        scope,
        ..Default::default()
    };
    let answer = tenant.reports().balance_as_of(request).await.unwrap();
    let balances = answer.into_inner().balances[0].balances.clone().unwrap();
    assert_eq!(balances.held, "0");
    balances.available
}

#[rstest]
#[tokio::test]
async fn semantics_20_what_was_held_over_is_free_where_the_rest_went_for_every_reader(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] sweeps: bool,
) {
    on(database, async |app| {
        let held = HeldOver::make(app).await;
        let (shop, carried) = (&held.shop, &held.carried);
        app.clock.set(local(SEEN));
        if sweeps {
            assert_eq!(settle::step(app.context()).await.unwrap().lots, 3);
        }
        held.assert_free_in_third_month().await;
        assert_eq!(available_now(app, None).await, "12");
        assert_eq!(available_now(app, Some(&carried[1])).await, "8");
        assert_eq!(available_now(app, Some(&held.months[0])).await, "0");
        let owed = outstanding(app).await;
        let holder = owed.holders[0].outstanding.as_ref().unwrap();
        for told in [&owed.totals[0], holder] {
            let amounts = (&*told.available, &*told.held, told.packages);
            assert_eq!(amounts, ("12", "0", 2));
        }
        let request = v1::LiabilityRequest {
            period: Some(v1::ReportPeriod {
                named: Some(v1::report_period::Named::Days(v1::LocalDays {
                    first_date: "2026-04-01".to_owned(),
                    last_date: "2026-04-30".to_owned(),
                    time_zone: String::new(),
                })),
            }),
            ..Default::default()
        };
        let report = app.reports().liability(request).await.unwrap().into_inner();
        let lessons = &report.credit_types[0];
        let credits = |worth: &Option<v1::Worth>| worth.clone().unwrap().credits;
        assert_eq!(credits(&lessons.closing), "12");
        assert_eq!(
            credits(&lessons.transferred_in),
            credits(&lessons.transferred_out)
        );
        let difference = lessons.difference.clone().unwrap().value.unwrap();
        assert_eq!(difference.minor_units, 0);

        let late = shop
            .consume(shop.use_lessons_of(&held.months[0], "1"))
            .await;
        refused(late, Code::FailedPrecondition, "PACKAGE_EXPIRED");
        let more = shop.consume(shop.use_lessons_of(&carried[1], "9")).await;
        refused(more, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        let all = shop.use_lessons_of(&carried[1], "8");
        assert_eq!(shop.consume(all).await.unwrap().total, "8");
        assert_eq!(shop.left(&carried[1]).await, "0");
        let ended = v1::ReleaseRequest {
            request_id: app.request_id(),
            hold_id: held.hold_id.clone(),
            ..Default::default()
        };
        let ended = app.credits().release(ended).await;
        refused(ended, Code::FailedPrecondition, "HOLD_TIMED_OUT");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_hold_that_times_out_where_all_went_on_stops_nobodys_expiries(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let held = HeldOver::make(app).await;
        let theirs = Shop::open(&app.second_business().await).await;
        let ends = theirs.sell_lessons("5", until("2026-04-10")).await;
        app.clock.set(local("2026-04-11 13:00"));
        let settled = settle::step(app.context()).await.unwrap();
        assert_eq!((settled.lots, settled.skipped), (4, 0));
        let written = theirs.entries(&ends.id).await;
        assert_eq!(written.last().unwrap().kind(), EntryKind::Expire);
        let written = held.shop.entries(&held.carried[1]).await;
        let came = written.last().unwrap();
        assert_eq!((came.kind(), came.by_time), (EntryKind::Transfer, true));
        assert_eq!(came.effective_at, Some(stamp(local(TIMES_OUT))));
        held.assert_free_in_third_month().await;
        let again = settle::step(app.context()).await.unwrap();
        assert_eq!((again.lots, again.skipped), (0, 0));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_was_held_over_may_end_while_its_old_package_is_changed(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(true, false)] timed_out: bool,
) {
    on(database, async |app| {
        let held = HeldOver::make(app).await;
        if timed_out {
            app.clock.set(local(SEEN));
        }
        // Its holds are released first, and what is free follows the rest.
        let request = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: held.months[0].clone(),
            ..Default::default()
        };
        let preview = v1::PreviewRevokeRequest {
            package_id: held.months[0].clone(),
        };
        let preview = app.packages().preview_revoke(preview).await.unwrap();
        assert!(preview.into_inner().losses.is_empty());
        app.packages().revoke_package(request).await.unwrap();
        held.assert_free_in_third_month().await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_from_which_all_went_on_is_extended_after_its_hold_timed_out(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let held = HeldOver::make(app).await;
        app.clock.set(local(SEEN));
        let request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: held.months[0].clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                "2026-06-30".to_owned(),
            )),
            force_restore: true,
            ..Default::default()
        };
        app.packages().extend_package(request).await.unwrap();
        held.assert_free_in_third_month().await;
    })
    .await;
}
