//! The rules of queues.

use chrono::TimeDelta;

use super::*;
use crate::domain::package::Status;
use crate::domain::posting::Draft;
use crate::domain::testing::book::{package, package_from_first_use, package_until};
use crate::domain::testing::{at, item, line_for, lot, stamp};
use crate::domain::validity::{Anchor, Period, PeriodUnit};

const DAY: i64 = 24;

/// Thirty days, counted from the start.
fn of_thirty_days() -> Package {
    let length = Period::new(30, PeriodUnit::Day).unwrap();
    let validity = Validity::Period {
        length,
        anchor: Anchor::Sale,
    };
    let mut package = package();
    package.validity = validity;
    package.expires_at = end_of_rule(&package, package.starts_at);
    package
}

fn full(package: &Package) -> Lot {
    let mut lot = lot(&line_for(&item()), "5", 100);
    lot.package_id = package.id;
    lot
}

fn empty(package: &Package) -> Lot {
    let mut lot = full(package);
    lot.fold.balances.consumed = lot.fold.balances.available;
    lot.fold.balances.available = Credits::ZERO;
    lot
}

fn queued(mut package: Package, earlier: &Package) -> Package {
    let starts_at = start_behind(earlier, true, at(0));
    package.queue_behind(earlier, starts_at).unwrap();
    package
}

#[test]
fn it_starts_when_the_one_before_it_ends_and_counts_from_there() {
    let earlier = package_until(10 * DAY);
    let next = queued(of_thirty_days(), &earlier);
    assert_eq!(next.starts_at, at(10 * DAY));
    let last_day = calendar::local_day(at(10 * DAY), next.zone) + TimeDelta::days(30);
    assert_eq!(next.last_usable_day(), Some(last_day));
    assert_eq!(
        next.status(&[full(&next)], at(10 * DAY - 1)),
        Status::Queued
    );
    assert_eq!(next.status(&[full(&next)], at(10 * DAY)), Status::Active);
}

#[test]
fn nothing_available_brings_it_forward_and_for_good() {
    let earlier = package_until(10 * DAY);
    let mut next = queued(of_thirty_days(), &earlier);
    let told = follow(&mut next, (&earlier, &[empty(&earlier)]), at(DAY)).unwrap();
    assert_eq!(told.kind, ChangeKind::QueueMoved);
    assert_eq!(next.starts_at, at(DAY));
    assert_eq!(next.expiry_epoch, 1);
    // The use is undone, the earlier one extended: it has started.
    let longer = package_until(20 * DAY);
    assert_eq!(
        follow(&mut next, (&longer, &[full(&longer)]), at(DAY)),
        None
    );
    assert_eq!(next.starts_at, at(DAY));
}

#[test]
fn it_goes_with_the_end_of_the_one_before_it() {
    let earlier = package_until(10 * DAY);
    let mut next = queued(of_thirty_days(), &earlier);
    let end = next.expires_at;
    let longer = Package {
        expires_at: Some(at(17 * DAY)),
        ..earlier.clone()
    };
    follow(&mut next, (&longer, &[full(&longer)]), at(1)).unwrap();
    assert_eq!(next.starts_at, at(17 * DAY));
    assert_eq!(next.expires_at, end.map(|end| end + TimeDelta::days(7)));
    assert_eq!(follow(&mut next, (&longer, &[full(&longer)]), at(2)), None);
}

#[test]
fn behind_a_frozen_one_it_starts_at_the_end_after_a_thaw_at_the_limit() {
    let earlier = Package {
        expires_at: None,
        frozen_at: Some(at(DAY)),
        frozen_until_max: Some(at(5 * DAY)),
        expires_if_thawed: Some(at(14 * DAY)),
        ..package()
    };
    let next = queued(of_thirty_days(), &earlier);
    assert_eq!(next.starts_at, at(14 * DAY));
}

#[test]
fn behind_one_without_an_end_it_waits_until_nothing_is_available() {
    for earlier in [package(), package_from_first_use(30, None)] {
        let mut next = queued(of_thirty_days(), &earlier);
        assert_eq!((next.known_start(), next.expires_at), (None, None));
        assert_eq!(next.status(&[full(&next)], at(99_999)), Status::Queued);
        follow(&mut next, (&earlier, &[empty(&earlier)]), at(DAY)).unwrap();
        assert_eq!(next.known_start(), Some(at(DAY)));
        assert_eq!(next.expires_at, end_of_rule(&next, at(DAY)));
        assert_ne!(next.expires_at, None);
    }
}

#[test]
fn one_that_was_emptied_before_it_started_hands_its_place_on() {
    let first = package_until(10 * DAY);
    let second = queued(of_thirty_days(), &first);
    let mut third = queued(of_thirty_days(), &second);
    assert_eq!(Some(third.starts_at), second.expires_at);
    follow(&mut third, (&second, &[empty(&second)]), at(DAY)).unwrap();
    assert_eq!(third.starts_at, second.starts_at);
}

#[test]
fn one_with_an_end_of_its_own_is_not_moved_past_it() {
    let earlier = package_until(10 * DAY);
    let mut next = queued(package_until(40 * DAY), &earlier);
    assert_eq!(next.expires_at, Some(at(40 * DAY)));
    let longer = package_until(40 * DAY);
    assert_eq!(follow(&mut next, (&longer, &[full(&longer)]), at(1)), None);
    assert_eq!(next.starts_at, at(10 * DAY));
    let refused = package_until(10 * DAY).queue_behind(&earlier, at(10 * DAY));
    assert!(matches!(refused, Err(Refusal::ValidityImpossible { .. })));
}

#[test]
fn an_end_that_was_moved_by_hand_goes_along_by_days() {
    let earlier = package_until(10 * DAY);
    let mut next = queued(of_thirty_days(), &earlier);
    let by_hand = next.expires_at.unwrap() + TimeDelta::days(3);
    next.end_at(by_hand);
    let shorter = package_until(8 * DAY);
    follow(&mut next, (&shorter, &[full(&shorter)]), at(1)).unwrap();
    assert_eq!(next.expires_at, Some(by_hand - TimeDelta::days(2)));
}

#[test]
fn a_start_that_nobody_knows_is_told_in_words() {
    assert_eq!(told(at(1)), "2026-03-16 11:00:00 UTC");
    assert_eq!(told(UNKNOWN_START), "the use of all of an earlier one");
}

#[test]
fn the_next_is_called_when_a_lot_that_it_waits_for_is_emptied() {
    let stamp = stamp(1);
    let package = package();
    for (lot, is_followed, calls) in [
        (empty(&package), true, true),
        (empty(&package), false, false),
        (full(&package), true, false),
    ] {
        let mut lot = lot;
        lot.terms.is_followed = is_followed;
        let posting = Posting {
            lots: vec![lot],
            ..Draft::open(&stamp, []).close()
        };
        assert_eq!(calls_the_next(&posting), calls);
    }
}

#[test]
fn one_that_waits_is_refused_until_it_starts() {
    let next = queued(of_thirty_days(), &package_until(10 * DAY));
    let refusal = refuse_waiting(&next, at(1)).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_QUEUED");
    assert_eq!(refuse_waiting(&next, at(10 * DAY)), Ok(()));
    assert_eq!(refuse_waiting(&package(), at(1)), Ok(()));
}

#[test]
fn a_period_is_to_come_until_its_first_day_is_known() {
    let thirty_days = Period::new(30, PeriodUnit::Day).unwrap();
    let next = queued(of_thirty_days(), &package_until(10 * DAY));
    let mut by_hand = next.clone();
    by_hand.end_at(at(50 * DAY));
    let waiting = package_from_first_use(30, None);
    let used = Package {
        first_used_on: Some(calendar::local_day(at(1), waiting.zone)),
        ..waiting.clone()
    };
    let from_start = Some(PeriodToCome::FromStart(thirty_days));
    let from_first_use = Some(PeriodToCome::FromFirstUse(thirty_days));
    for (package, hours, expected) in [
        (next.clone(), 1, from_start),
        (next, 10 * DAY, None),
        (by_hand, 1, None),
        (waiting, 1, from_first_use),
        (used, 1, None),
        (package(), 1, None),
    ] {
        assert_eq!(package.period_to_come(at(hours)), expected);
    }
}
