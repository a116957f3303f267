//! Undoing, moving and correcting (D6, D9, semantics 3 and 22), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::adjust_request::Change;
use carnet::proto::v1::{Account, EntryKind};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, period, until};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[rstest]
#[tokio::test]
async fn semantics_3_a_used_up_package_that_is_named_beside_one_that_ended_is_passed_over(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let empty = shop.sell_lessons("1", days(10)).await;
        let ended = shop.sell_lessons("8", days(10)).await;
        let one = shop.use_lessons_of(&empty.id, "1");
        shop.consume(one).await.unwrap();
        let delivered_at = app.clock.now();
        app.clock.advance(TimeDelta::days(12));
        let mut late = shop.use_lessons_of(&empty.id, "1");
        late.delivered_at = Some(stamp(delivered_at));
        let result = shop.consume(late.clone()).await;
        refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        late.package_ids = vec![empty.id.clone(), ended.id.clone()];
        let used = shop.consume(late).await.unwrap();
        assert_eq!(used.parts[0].package_id, ended.id);
    })
    .await;
}

/// Its posting says first what time did to the hold, which was for an item.
#[rstest]
#[tokio::test]
async fn a_use_by_hand_is_moved_by_hand_though_it_wrote_that_a_hold_timed_out(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(10)).await;
        let other = shop.sell_lessons("8", days(30)).await;
        let times_out_at = app.clock.now() + TimeDelta::hours(1);
        let mut hold = shop.hold_lessons_until("1", times_out_at);
        hold.on_time_out = v1::OnTimeOut::Capture.into();
        shop.hold(hold).await.unwrap();
        app.clock.set(times_out_at);
        let mut request = shop.use_lessons("1");
        request.what = Some(v1::consume_request::What::Credits(v1::CreditAmount {
            credit_type_id: shop.lesson.clone(),
            amount: "2".to_owned(),
        }));
        let used = shop.consume(request).await.unwrap();
        let moved = shop.relocate(&used.posting_id, &other.id).await.unwrap();
        assert_eq!(moved.parts[0].amount, "2");
        assert_eq!(shop.left(&other.id).await, "6");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_22_a_use_is_undone_into_its_very_lots_and_never_twice(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let first = shop.sell_lessons("2", days(10)).await;
        let second = shop.sell_lessons("8", days(30)).await;
        let used = shop.consume(shop.use_lessons("5")).await.unwrap();
        assert_eq!(used.parts.len(), 2);
        let undone = shop
            .reverse(shop.reversing_units(&used.posting_id, "4"))
            .await
            .unwrap();
        let back: Vec<_> = undone
            .returned
            .iter()
            .map(|part| (part.package_id.as_str(), part.amount.as_str()))
            .collect();
        assert_eq!(back, [(&*second.id, "3"), (&*first.id, "1")]);
        assert_eq!(undone.total, "4");
        let too_many = shop
            .reverse(shop.reversing_units(&used.posting_id, "2"))
            .await;
        let numbers = refused(too_many, Code::FailedPrecondition, "REVERSAL_EXCEEDS_USE");
        assert_eq!((&*numbers["left"], &*numbers["requested"]), ("1", "2"));
        shop.reverse(shop.reversing(&used.posting_id))
            .await
            .unwrap();
        let nothing = shop.reverse(shop.reversing(&used.posting_id)).await;
        refused(nothing, Code::FailedPrecondition, "NOTHING_TO_REVERSE");
        assert_eq!(shop.left(&first.id).await, "2");
        assert_eq!(shop.left(&second.id).await, "8");
        let entries = shop.entries(&first.id).await;
        assert_eq!(entries[2].undoes.as_ref().unwrap().number, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn undoing_one_use_many_times_at_once_brings_it_back_once(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let used = shop.consume(shop.use_lessons("3")).await.unwrap();
        let undoings = (0..6).map(|_| shop.reverse(shop.reversing(&used.posting_id)));
        let answers = futures_util::future::join_all(undoings).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for answer in answers.into_iter().filter(Result::is_err) {
            refused(answer, Code::FailedPrecondition, "NOTHING_TO_REVERSE");
        }
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_22_what_goes_back_into_an_ended_package_is_lost_or_restored_alone(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        let lost = shop.consume(shop.use_lessons("2")).await.unwrap();
        let saved = shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.set(at("2026-02-10T12:00:00Z"));
        let undone = shop
            .reverse(shop.reversing(&lost.posting_id))
            .await
            .unwrap();
        assert_eq!(undone.returned[0].account(), Account::Expired);
        assert_eq!(shop.balances(&package.id).await.expired, "7");
        let mut restoring = shop.reversing(&saved.posting_id);
        restoring.restore_through = "2026-02-09".to_owned();
        let past = shop.reverse(restoring.clone()).await;
        refused(past, Code::FailedPrecondition, "EXPIRY_NOT_LATER");
        restoring.restore_through = "2026-03-31".to_owned();
        let restored = shop.reverse(restoring.clone()).await.unwrap();
        let part = &restored.returned[0];
        assert_eq!(part.account(), Account::Transferred);
        let own = shop.package(&part.moved_to_package_id).await;
        assert_eq!(own.last_usable_date, "2026-03-31");
        assert_eq!(own.lines[0].balances.as_ref().unwrap().available, "1");
        let lot = &own.lines[0].lots[0];
        assert_eq!(lot.unused_value.as_ref().unwrap().minor_units, 1_500);
        let again = shop.reverse(restoring).await.unwrap();
        assert_eq!((again.replayed, again.returned), (true, restored.returned));
        shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(shop.left(&own.id).await, "0");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn d9_a_use_of_the_wrong_package_is_moved_in_one_call(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let wrong = shop.sell_lessons("8", days(10)).await;
        let right = shop.sell_lessons("2", days(30)).await;
        let used = shop.consume(shop.use_lessons("2")).await.unwrap();
        app.clock.advance(TimeDelta::hours(3));
        let moved = shop.relocate(&used.posting_id, &right.id).await.unwrap();
        assert_eq!(moved.parts[0].package_id, right.id);
        assert_eq!(moved.effective_at, used.effective_at);
        assert_eq!(shop.left(&wrong.id).await, "8");
        assert_eq!(shop.left(&right.id).await, "0");
        let other = shop.consume(shop.use_lessons("1")).await.unwrap();
        let refusal = shop.relocate(&other.posting_id, &right.id).await;
        refused(refusal, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(shop.left(&wrong.id).await, "7");
        shop.reverse(shop.reversing(&moved.posting_id))
            .await
            .unwrap();
        assert_eq!(shop.left(&right.id).await, "2");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_captured_hold_is_undone_like_any_use_and_unsets_the_clock(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let month = period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse);
        let package = shop.sell_lessons("8", month).await;
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let captured = shop.capture(shop.capturing(&held)).await.unwrap();
        let other = shop.consume(shop.use_lessons("1")).await.unwrap();
        shop.reverse(shop.reversing(&captured.posting_id))
            .await
            .unwrap();
        assert_eq!(
            shop.package(&package.id).await.last_usable_date,
            "2026-02-15"
        );
        shop.reverse(shop.reversing(&other.posting_id))
            .await
            .unwrap();
        assert_eq!(shop.package(&package.id).await.last_usable_date, "");
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_1_credits_are_corrected_downward_in_the_lot_and_upward_beside_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        shop.hold(shop.hold_lessons("1")).await.unwrap();
        let too_many = shop.adjust(&package, Change::Remove("6".to_owned())).await;
        let numbers = refused(too_many, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "5");
        let removed = shop
            .adjust(&package, Change::Remove("5".to_owned()))
            .await
            .unwrap();
        assert_eq!(removed.parts[0].value.as_ref().unwrap().minor_units, 7_500);
        let added = shop
            .adjust(&package, Change::Add("3".to_owned()))
            .await
            .unwrap();
        let balances = added.parts[0].balances.as_ref().unwrap();
        assert_eq!((&*balances.issued, &*balances.available), ("3", "3"));
        let now = shop.package(&package.id).await;
        assert_eq!(now.lines[0].lots.len(), 2);
        assert_eq!(now.lines[0].balances.as_ref().unwrap().issued, "6");
        let kinds: Vec<EntryKind> = shop
            .entries(&package.id)
            .await
            .iter()
            .map(v1::Entry::kind)
            .collect();
        assert!(kinds.contains(&EntryKind::Adjust));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_a_use_from_before_the_end_restores_what_it_needs(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.set(at("2026-02-05T12:00:00Z"));
        let mut late = shop.use_lessons_of(&package.id, "2");
        late.delivered_at = Some(stamp(at("2026-01-30T12:00:00Z")));
        let used = shop.consume(late).await.unwrap();
        assert_eq!(used.total, "2");
        let balances = shop.balances(&package.id).await;
        assert_eq!(
            (balances.expired, balances.consumed),
            ("5".into(), "3".into())
        );
        let kinds: Vec<EntryKind> = shop
            .entries(&package.id)
            .await
            .iter()
            .map(v1::Entry::kind)
            .collect();
        let expected = [
            EntryKind::Issue,
            EntryKind::Consume,
            EntryKind::Expire,
            EntryKind::Restore,
            EntryKind::Consume,
        ];
        assert_eq!(kinds, expected);
        let mut unnamed = shop.use_lessons("1");
        unnamed.delivered_at = Some(stamp(at("2026-01-31T12:00:00Z")));
        shop.consume(unnamed).await.unwrap();
        let mut after_the_end = shop.use_lessons_of(&package.id, "1");
        after_the_end.delivered_at = Some(stamp(at("2026-02-01T12:00:00Z")));
        let result = shop.consume(after_the_end).await;
        refused(result, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_a_late_use_needs_a_permission_of_its_own_and_the_quarantine(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        app.clock.set(at("2026-02-05T12:00:00Z"));
        let mut late = shop.use_lessons_of(&package.id, "2");
        late.delivered_at = Some(stamp(at("2026-01-30T12:00:00Z")));
        let desk = app
            .allowed_only(&[Permission::CreditsConsume, Permission::PackagesRead])
            .await;
        let result = desk.credits().consume(late.clone()).await;
        refused(result, Code::FailedPrecondition, "PACKAGE_EXPIRED");
        app.clock.set(at("2027-02-05T12:00:00Z"));
        let too_late = shop.consume(late).await;
        refused(too_late, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn one_id_for_a_use_and_for_an_edit_takes_effect_once(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let mut packages = app.packages();
        for _ in 0..5 {
            let used = shop.use_lessons("1");
            let extended = v1::ExtendPackageRequest {
                request_id: used.request_id.clone(),
                package_id: package.id.clone(),
                new_expiry: Some(v1::extend_package_request::NewExpiry::By(v1::Period {
                    count: 1,
                    unit: v1::PeriodUnit::Day.into(),
                })),
                reason: "closed".to_owned(),
                ..Default::default()
            };
            let (used, extended) =
                tokio::join!(shop.consume(used), packages.extend_package(extended));
            assert_eq!(u8::from(used.is_ok()) + u8::from(extended.is_ok()), 1);
            if used.is_err() {
                refused(used, Code::AlreadyExists, "REQUEST_ID_REUSED");
            } else {
                refused(extended, Code::AlreadyExists, "REQUEST_ID_REUSED");
            }
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_time_out_captured_is_undone_by_the_request_that_held_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        for is_written_before in [true, false] {
            let end = app.clock.now() + TimeDelta::hours(2);
            let mut request = shop.hold_lessons_until("2", end);
            request.on_time_out = v1::OnTimeOut::Capture.into();
            let held = shop.hold(request).await.unwrap();
            let early = shop.reverse(shop.reversing(&held.posting_id)).await;
            refused(early, Code::FailedPrecondition, "NOTHING_TO_REVERSE");
            app.clock.set(end);
            if is_written_before {
                settle::step(app.context()).await.unwrap();
            }
            assert_eq!(shop.balances(&package.id).await.consumed, "2");
            let part = shop.reversing_units(&held.posting_id, "1");
            shop.reverse(part).await.unwrap();
            let rest = shop.reversing(&held.posting_id);
            let rest = shop.reverse(rest).await.unwrap();
            assert_eq!(rest.total, "1");
            assert_eq!(rest.returned[0].value.as_ref().unwrap().minor_units, 1_500);
            let nothing = shop.reverse(shop.reversing(&held.posting_id)).await;
            refused(nothing, Code::FailedPrecondition, "NOTHING_TO_REVERSE");
            assert_eq!(shop.left(&package.id).await, "8");
        }
    })
    .await;
}
