//! The rules of freezing and thawing (semantics 15).

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::domain::amend::Amended;
use crate::domain::change::Value;
use crate::domain::decide::{Command, Consume};
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::posting::Effect;
use crate::domain::settle::as_of;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for};
use crate::domain::validity::{self, Period, PeriodUnit};
use crate::ids::{LotId, PackageId};

/// How many hours a day has.
const DAY: i64 = 24;

fn day(days: i64) -> NaiveDate {
    at(days * DAY).date_naive()
}

fn midnight(days: i64) -> DateTime<Utc> {
    calendar::first_instant_of(day(days), chrono_tz::Tz::Europe__Tallinn).unwrap()
}

/// Three lessons for 10.00, usable through the fourth day after the sale.
fn three_lessons() -> (Book, ItemFacts, LotId, PackageId) {
    let swim = item();
    let mut book = Book::default();
    let package = Package {
        expires_at: Some(midnight(5)),
        ..package()
    };
    let id = package.id;
    let lot = book.sell(package, &[(&line_for(&swim), "3", 1_000)])[0];
    (book, swim, lot, id)
}

fn frozen(book: &mut Book, hours: i64, id: PackageId, until: i64) -> Result<Amended, Refusal> {
    book.amend(hours, id, |amendment| {
        freeze(amendment, day(until), None).map(|_| ())
    })
}

fn thawed(book: &mut Book, hours: i64, id: PackageId) -> Result<Amended, Refusal> {
    book.amend(hours, id, |amendment| unfreeze(amendment).map(|_| ()))
}

#[test]
fn a_frozen_package_is_neither_used_nor_lost_and_its_holds_can_be_captured() {
    let (mut book, swim, lot, id) = three_lessons();
    let held = hold_of(&book.act(1, hold(units(&swim, "1"), None)).unwrap());
    frozen(&mut book, 2, id, 9).unwrap();
    let kept = book.package(id);
    assert_eq!((kept.expires_at, kept.expiry_epoch), (None, 0));
    assert_eq!(kept.expires_if_thawed, Some(midnight(15)));
    assert_eq!(kept.frozen_until_max, Some(midnight(10)));
    let use_ = Command::Consume(Consume {
        package_ids: vec![id],
        ..units(&swim, "1")
    });
    let refusal = book.act(3, use_).unwrap_err();
    assert_eq!(refusal, Refusal::PackageFrozen { package_id: id });
    assert!(book.settle(at(6 * DAY)).entries.is_empty());
    book.act(7 * DAY, capture(held, Portion::All)).unwrap();
    assert_eq!(book.balances(lot).consumed, credits("1"));
    assert_eq!(book.balances(lot).available, credits("2"));
}

#[test]
fn thawing_moves_the_end_by_the_frozen_local_days() {
    for (days, end) in [(0, 5), (1, 6), (8, 13)] {
        let (mut book, _, _, id) = three_lessons();
        frozen(&mut book, 2, id, 20).unwrap();
        let amended = thawed(&mut book, days * DAY + 3, id).unwrap();
        let after = book.package(id);
        assert_eq!(after.expires_at, Some(midnight(end)), "{days} days");
        assert_eq!(after.expiry_epoch, 1);
        assert_eq!((after.freezes, i64::from(after.frozen_days)), (1, days));
        let change = &amended.changes[0];
        assert_eq!(change.kind, ChangeKind::Thawed);
        let (Value::Expiry(old), Value::Expiry(new)) = (&change.old, &change.new) else {
            panic!("{change:?}");
        };
        assert_eq!(
            (old.expires_at, new.expires_at),
            (None, Some(midnight(end)))
        );
        let again = thawed(&mut book, 9 * DAY, id).unwrap_err();
        assert_eq!(again, CannotAmend::NotFrozen { package_id: id }.into());
    }
}

#[test]
fn an_end_on_the_day_of_the_freeze_is_never_passed_by_the_thaw() {
    let swim = item();
    let mut book = Book::default();
    // Ends an hour after it was frozen; thawed three days and some hours later.
    let package = package_until(2);
    let id = package.id;
    book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
    frozen(&mut book, 1, id, 9).unwrap();
    thawed(&mut book, 3 * DAY + 5, id).unwrap();
    assert_eq!(book.package(id).expires_at, Some(at(4 * DAY + 2)));
}

#[test]
fn at_the_limit_a_package_is_thawed_by_itself_whoever_writes_it() {
    let (mut book, swim, lot, id) = three_lessons();
    frozen(&mut book, 2, id, 9).unwrap();
    let lots: Vec<_> = book.lots.values().cloned().collect();
    let before = midnight(10) - TimeDelta::microseconds(1);
    assert!(as_of(&lots, &[], before)[0].terms.frozen);
    let seen = as_of(&lots, &[], midnight(10));
    assert!(!seen[0].terms.frozen);
    let package = book.package(id).as_of(&seen);
    assert_eq!(
        (package.frozen_at, package.expires_at),
        (None, Some(midnight(15)))
    );
    assert_eq!(seen[0].terms, package.terms());
    assert_eq!((package.expiry_epoch, package.frozen_days), (1, 10));

    let mut used = book.clone();
    let posting = used.act(11 * DAY, Command::Consume(units(&swim, "1")));
    let thaw = Effect::Thaw {
        package_id: id,
        at: midnight(10),
    };
    assert_eq!(posting.unwrap().effects, std::slice::from_ref(&thaw));
    assert_eq!(used.package(id).expires_at, Some(midnight(15)));

    let amended = book.clone().amend(11 * DAY, id, |_| Ok(())).unwrap();
    let change = &amended.changes[0];
    assert_eq!(
        (change.kind, change.effective_at),
        (ChangeKind::Thawed, midnight(10))
    );
    assert!(change.by_time);

    let posting = book.settle(at(20 * DAY));
    assert_eq!(posting.effects, [thaw]);
    assert_eq!(told(&posting), [tale("expire by time", lot, "3", 1_000)]);
    assert_eq!(posting.entries[0].effective_at, midnight(15));
}

#[test]
fn what_times_out_while_frozen_stays_and_can_be_used_after_the_thaw() {
    let (mut book, swim, lot, id) = three_lessons();
    book.act(1, hold(units(&swim, "3"), Some(6 * DAY))).unwrap();
    frozen(&mut book, 2, id, 9).unwrap();
    let posting = book
        .act(11 * DAY, Command::Consume(units(&swim, "3")))
        .unwrap();
    let expected = [
        tale("time_out by time", lot, "3", 0),
        tale("consume", lot, "3", 1_000),
    ];
    assert_eq!(told(&posting), expected);
}

#[test]
fn what_never_ends_has_ended_or_was_taken_away_is_not_frozen() {
    let swim = item();
    for package in [package(), package_from_first_use(10, None)] {
        let id = package.id;
        let mut book = Book::default();
        book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
        let refusal = frozen(&mut book, 1, id, 3).unwrap_err();
        assert_eq!(refusal, Refusal::PackageNeverExpires { package_id: id });
    }
    let (mut book, _, _, id) = three_lessons();
    let refusal = frozen(&mut book.clone(), 6 * DAY, id, 9).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_EXPIRED");
    frozen(&mut book, 1, id, 3).unwrap();
    let refusal = frozen(&mut book, 2, id, 4).unwrap_err();
    assert_eq!(refusal, Refusal::PackageFrozen { package_id: id });
    book.revoke(3, id);
    let revoked = Refusal::PackageRevoked { package_id: id };
    assert_eq!(frozen(&mut book, 4, id, 4).unwrap_err(), revoked);
    assert_eq!(thawed(&mut book, 4, id).unwrap_err(), revoked);
}

#[test]
fn a_freeze_lies_ahead_and_within_its_limits() {
    let (book, _, _, id) = three_lessons();
    let with = |hours: i64, until: i64, policy: Option<FreezePolicy>| {
        let rule =
            |amendment: &mut Amendment<'_>| freeze(amendment, day(until), policy).map(|_| ());
        let refused = book.amended(at(hours), id, rule);
        refused.map(|_| ()).map_err(|refusal| refusal.reason())
    };
    assert_eq!(with(DAY, 0, None), Err("FREEZE_NOT_AHEAD"));
    assert_eq!(with(DAY, 1, None), Ok(()));
    assert_eq!(with(0, 365, None), Ok(()));
    assert_eq!(with(0, 366, None), Err("FREEZE_TOO_LONG"));
    let policy = |times_max, days_max| {
        Some(FreezePolicy {
            times_max,
            days_max,
        })
    };
    assert_eq!(with(0, 1, policy(0, 99)), Err("FREEZE_TOO_OFTEN"));
    assert_eq!(with(0, 9, policy(1, 10)), Ok(()));
    assert_eq!(with(0, 10, policy(1, 10)), Err("FREEZE_TOO_LONG"));
    assert_eq!(with(0, 499, policy(1, 500)), Ok(()));
}

#[test]
fn freezes_are_counted_over_the_life_of_a_package() {
    let (mut book, _, _, id) = three_lessons();
    book.change(id, |package| package.expires_at = Some(midnight(30)));
    for round in 0..12 {
        frozen(&mut book, 2 * round * DAY, id, 2 * round + 1).unwrap();
        thawed(&mut book, (2 * round + 1) * DAY, id).unwrap();
    }
    assert_eq!(book.package(id).expires_at, Some(midnight(42)));
    let refusal = frozen(&mut book, 24 * DAY, id, 25).unwrap_err();
    assert_eq!(refusal.reason(), "FREEZE_TOO_OFTEN");
    let days_max = 20;
    let policy = Some(FreezePolicy {
        times_max: 13,
        days_max,
    });
    let left = FreezePolicy::within(policy, book.package(id), 9).unwrap_err();
    assert_eq!(left.reason(), "FREEZE_TOO_LONG");
    FreezePolicy::within(policy, book.package(id), 8).unwrap();
}

#[test]
fn extending_a_frozen_package_moves_the_end_that_it_will_have() {
    let (mut book, _, _, id) = three_lessons();
    frozen(&mut book, 2, id, 9).unwrap();
    let later = |end| crate::domain::extend::Extension {
        expires_at: end,
        quarantine_days: 5,
        force: false,
        bonuses: Vec::new(),
    };
    let same = book.amended(at(3), id, |amendment| {
        crate::domain::extend::extend(amendment, later(midnight(15)))
    });
    assert_eq!(same.unwrap_err().reason(), "EXPIRY_NOT_LATER");
    book.amend(3, id, |amendment| {
        crate::domain::extend::extend(amendment, later(midnight(16)))
    })
    .unwrap();
    let kept = book.package(id);
    assert_eq!(
        (kept.expires_at, kept.expires_if_thawed),
        (None, Some(midnight(16)))
    );
    book.settle(midnight(10));
    assert_eq!(book.package(id).expires_at, Some(midnight(16)));
}

#[test]
fn an_end_that_a_freeze_moved_stays_also_where_the_first_use_would_have_led_to_the_same() {
    let length = Period::new(6, PeriodUnit::Day).unwrap();
    // It waits through the fifth day; frozen from the start through the third, it is thawed by hand then or by time.
    for (thawed_after, first_used_on) in [(3 * DAY, day(2)), (4 * DAY, day(3))] {
        let mut book = Book::default();
        let package = package_from_first_use(6, Some(day(5)));
        let id = package.id;
        let lot = book.sell(package, &[(&line_for(&item()), "3", 1_000)])[0];
        frozen(&mut book, 2, id, 3).unwrap();
        book.change(id, |package| package.start_clock(first_used_on));
        book.settle(at(thawed_after));
        let _ = thawed(&mut book, thawed_after, id);

        let kept = book.package(id);
        let zone = chrono_tz::Tz::Europe__Tallinn;
        assert_eq!(
            kept.expires_at,
            validity::started(length, first_used_on, zone)
        );
        assert_eq!(kept.terms().expires_if_unused, kept.expires_at);
        assert_eq!(book.lots[&lot].terms, kept.terms());
    }
}
