//! Holds (D7, semantics 11 and 17 to 20), through gRPC on both databases.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{Account, EntryKind, OnTimeOut, PackageStatus};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, period, until};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[rstest]
#[tokio::test]
async fn semantics_17_held_credits_are_available_to_nobody_else(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let held = shop.hold(shop.hold_lessons("6")).await.unwrap();
        assert!(held.hold_id.starts_with("hld_"), "{}", held.hold_id);
        assert_eq!(held.total, "6");
        assert_eq!(held.parts[0].package_id, package.id);
        let result = shop.consume(shop.use_lessons("3")).await;
        let numbers = refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "2");
        let balances = shop.balances(&package.id).await;
        assert_eq!(
            (balances.available, balances.held),
            ("2".into(), "6".into())
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_18_a_hold_ends_once_and_says_how(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let held = shop.hold(shop.hold_lessons("2")).await.unwrap();
        let captured = shop.capture(shop.capturing(&held)).await.unwrap();
        assert_eq!(captured.total, "2");
        assert_eq!(captured.parts[0].value.as_ref().unwrap().minor_units, 3_000);
        let again = shop.capture(shop.capturing(&held)).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.posting_id, captured.posting_id);
        assert_eq!(again.parts, captured.parts);
        let numbers = refused(
            shop.release(&held).await,
            Code::FailedPrecondition,
            "HOLD_ALREADY_CAPTURED",
        );
        assert_eq!(numbers["posting_id"], captured.posting_id);

        let other = shop.hold(shop.hold_lessons("3")).await.unwrap();
        let released = shop.release(&other).await.unwrap();
        assert_eq!(released.total, "3");
        assert_eq!(released.returned[0].account(), Account::Available);
        let again = shop.release(&other).await.unwrap();
        assert_eq!((again.replayed, again.total), (true, "3".to_owned()));
        refused(
            shop.capture(shop.capturing(&other)).await,
            Code::FailedPrecondition,
            "HOLD_ALREADY_RELEASED",
        );
        assert_eq!(shop.left(&package.id).await, "6");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_19_the_rest_of_a_part_captured_goes_back_and_more_needs_a_word(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let held = shop.hold(shop.hold_lessons("3")).await.unwrap();
        let mut more = shop.capturing(&held);
        more.portion = Some(v1::capture_request::Portion::Units("5".to_owned()));
        let numbers = refused(
            shop.capture(more.clone()).await,
            Code::FailedPrecondition,
            "CAPTURE_EXCEEDS_HOLD",
        );
        assert_eq!((&*numbers["held"], &*numbers["requested"]), ("3", "5"));
        more.allow_excess = true;
        let captured = shop.capture(more).await.unwrap();
        assert_eq!(captured.total, "5");
        assert_eq!(shop.left(&package.id).await, "3");

        let held = shop.hold(shop.hold_lessons("3")).await.unwrap();
        let mut less = shop.capturing(&held);
        less.portion = Some(v1::capture_request::Portion::Credits("1".to_owned()));
        let captured = shop.capture(less).await.unwrap();
        assert_eq!(captured.total, "1");
        assert_eq!(captured.returned[0].amount, "2");
        assert_eq!(captured.returned[0].units, "2");
        let balances = shop.balances(&package.id).await;
        assert_eq!(balances.available, "2");
        assert_eq!(balances.held, "0");
        assert_eq!(balances.consumed, "6");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_20_a_timed_out_hold_is_free_for_every_reader_at_that_instant(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let end = app.clock.now() + TimeDelta::hours(2);
        let held = shop.hold(shop.hold_lessons_until("8", end)).await.unwrap();
        app.clock.set(end - TimeDelta::microseconds(1));
        assert_eq!(shop.left(&package.id).await, "0");
        app.clock.set(end);
        assert_eq!(shop.left(&package.id).await, "8");
        let used = shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(used.parts[0].balances.as_ref().unwrap().available, "7");
        let entries = shop.entries(&package.id).await;
        let time_out = &entries[2];
        assert_eq!(time_out.kind(), EntryKind::TimeOut);
        assert!(time_out.by_time);
        assert_eq!(time_out.hold_id, held.hold_id);
        assert_eq!(time_out.effective_at, Some(stamp(end)));
        let numbers = refused(
            shop.release(&held).await,
            Code::FailedPrecondition,
            "HOLD_TIMED_OUT",
        );
        assert_eq!(numbers["outcome"], "release");
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_20_a_hold_may_be_captured_by_its_time_out(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let end = app.clock.now() + TimeDelta::hours(2);
        let mut request = shop.hold_lessons_until("2", end);
        request.on_time_out = OnTimeOut::Capture.into();
        shop.hold(request).await.unwrap();
        app.clock.set(end + TimeDelta::hours(1));
        assert_eq!(shop.balances(&package.id).await.consumed, "2");
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 0);
        let entries = shop.entries(&package.id).await;
        assert_eq!(entries[2].kind(), EntryKind::Capture);
        assert_eq!(entries[2].effective_at, Some(stamp(end)));
        assert_eq!(entries[2].value.as_ref().unwrap().minor_units, 3_000);
        assert_eq!(shop.balances(&package.id).await.consumed, "2");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_11_credits_stay_held_after_the_end_and_expire_when_released(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        let captured = shop.hold(shop.hold_lessons("2")).await.unwrap();
        let released = shop.hold(shop.hold_lessons("3")).await.unwrap();
        app.clock.set(at("2026-02-01T12:00:00Z"));
        let balances = shop.balances(&package.id).await;
        assert_eq!((balances.held, balances.expired), ("5".into(), "3".into()));
        let used = shop.capture(shop.capturing(&captured)).await.unwrap();
        assert_eq!(used.total, "2");
        let freed = shop.release(&released).await.unwrap();
        assert_eq!(freed.returned[0].account(), Account::Expired);
        assert_eq!(freed.returned[0].balances.as_ref().unwrap().expired, "6");
        let expiry = shop.entries(&package.id).await.pop().unwrap();
        assert_eq!(expiry.kind(), EntryKind::Expire);
        assert_eq!(expiry.effective_at, Some(stamp(app.clock.now())));
        assert!(!expiry.by_time);
        assert_eq!(
            shop.package(&package.id).await.status(),
            PackageStatus::Expired
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_9_a_hold_starts_the_clock_of_first_use_and_its_end_unsets_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let month = period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse);
        let package = shop.sell_lessons("8", month).await;
        let mut request = shop.hold_lessons_until("1", app.clock.now() + TimeDelta::days(3));
        request.service_at = Some(stamp(app.clock.now() + TimeDelta::days(10)));
        shop.hold(request).await.unwrap();
        let started = shop.package(&package.id).await;
        assert_eq!(started.last_usable_date, "2026-02-25");
        // Nobody has written the time-out yet, and the package has no end all the same.
        app.clock.advance(TimeDelta::days(3));
        assert_eq!(shop.package(&package.id).await.last_usable_date, "");
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
        assert_eq!(shop.package(&package.id).await.last_usable_date, "");

        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let running = shop.package(&package.id).await;
        assert_eq!(running.last_usable_date, "2026-02-18");
        shop.release(&held).await.unwrap();
        let stopped = shop.package(&package.id).await;
        assert_eq!(stopped.last_usable_date, "");
        assert!(stopped.expiry_epoch > running.expiry_epoch);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_repeat_of_a_hold_gets_its_answer_and_what_is_only_checked_holds_nothing(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let mut request = shop.hold_lessons_until("8", app.clock.now() + TimeDelta::hours(1));
        request.validate_only = true;
        let checked = shop.hold(request.clone()).await.unwrap();
        assert_eq!(
            (checked.hold_id, checked.total),
            (String::new(), "8".into())
        );
        assert_eq!(shop.left(&package.id).await, "8");
        request.validate_only = false;
        let held = shop.hold(request.clone()).await.unwrap();
        shop.release(&held).await.unwrap();
        shop.consume(shop.use_lessons("8")).await.unwrap();
        let again = shop.hold(request.clone()).await.unwrap();
        assert!(again.replayed);
        assert_eq!(
            v1::HoldResponse {
                replayed: false,
                ..again
            },
            held
        );
        request.note = "another".to_owned();
        let reused = shop.hold(request).await;
        refused(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn two_captures_of_one_hold_at_once_use_it_once(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let held = shop.hold(shop.hold_lessons("2")).await.unwrap();
        let captures = (0..6).map(|_| shop.capture(shop.capturing(&held)));
        let answers = futures_util::future::join_all(captures).await;
        let fresh = answers
            .iter()
            .filter(|answer| !answer.as_ref().unwrap().replayed);
        assert_eq!(fresh.count(), 1);
        assert_eq!(shop.balances(&package.id).await.consumed, "2");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_bad_hold_is_refused_by_field_and_a_hold_of_another_business_is_not_there(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(30)).await;
        let mut bad = shop.hold_lessons("0");
        bad.on_time_out = 9;
        bad.customer_id = "x".to_owned();
        let fields: Vec<String> = field_faults(shop.hold(bad).await)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["customer_id", "item.units", "on_time_out"]);
        let past = shop.hold_lessons_until("1", app.clock.now());
        refused(
            shop.hold(past).await,
            Code::FailedPrecondition,
            "TIME_OUT_NOT_LATER",
        );
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let foreign = Shop::open(&app.second_business().await).await;
        let result = foreign.capture(foreign.capturing(&held)).await;
        assert_eq!(refused(result, Code::NotFound, "NOT_FOUND")["kind"], "hold");
    })
    .await;
}
