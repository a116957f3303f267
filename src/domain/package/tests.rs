//! What a package says of itself.

use chrono::TimeDelta;

use super::*;
use crate::domain::testing::book::{package, package_from_first_use, package_until};
use crate::domain::testing::{at, credits, item, line_for, lot};

/// A lot of a package with these balances, as (available, held, consumed, expired).
fn lot_of(
    package: &Package,
    (available, held, consumed, expired): (&str, &str, &str, &str),
) -> Lot {
    let mut lot = lot(&line_for(&item()), "8", 800);
    lot.package_id = package.id;
    lot.terms = package.terms();
    lot.fold.balances = Balances {
        available: credits(available),
        held: credits(held),
        consumed: credits(consumed),
        expired: credits(expired),
        ..Balances::default()
    };
    lot
}

#[test]
fn a_package_was_valid_from_its_start_to_before_its_end_unless_it_was_taken_away() {
    let ending = Package {
        starts_at: at(5),
        expires_at: Some(at(9)),
        ..package()
    };
    let valid = |package: &Package, from, before| package.was_valid_during((at(from), at(before)));
    assert!(valid(&ending, 8, 10) && valid(&ending, 0, 6) && valid(&ending, 6, 7));
    assert!(!valid(&ending, 9, 10), "the end is exclusive");
    assert!(!valid(&ending, 0, 5), "so is that of the period");
    let endless = Package {
        expires_at: None,
        ..ending
    };
    assert!(valid(&endless, 1_000, 1_001));
    let revoked = Package {
        revoked_at: Some(at(7)),
        ..endless.clone()
    };
    assert!(valid(&revoked, 6, 100) && !valid(&revoked, 7, 100));
    let transferred = Package {
        transferred_at: Some(at(7)),
        ..endless
    };
    assert!(valid(&transferred, 6, 100) && !valid(&transferred, 7, 100));
}

#[test]
fn the_status_is_the_first_that_holds() {
    let unpaid = Package {
        paid_at: None,
        ..package()
    };
    let full = [lot_of(&unpaid, ("8", "0", "0", "0"))];
    let empty = [lot_of(&unpaid, ("0", "0", "8", "0"))];
    let status = |package: &Package, lots: &[Lot], hours| package.status(lots, at(hours));
    assert_eq!(status(&unpaid, &full, 9), Status::Active);
    let upcoming = Package {
        starts_at: at(10),
        ..unpaid
    };
    assert_eq!(status(&upcoming, &full, 9), Status::Upcoming);
    assert_eq!(status(&upcoming, &full, 10), Status::Active);
    assert_eq!(status(&upcoming, &empty, 9), Status::UsedUp);
    let ending = Package {
        expires_at: Some(at(9)),
        ..upcoming
    };
    let before = at(9) - TimeDelta::microseconds(1);
    assert_eq!(ending.status(&full, before), Status::Upcoming);
    assert_eq!(status(&ending, &full, 9), Status::Expired);
    assert_eq!(status(&ending, &empty, 9), Status::Expired);
    let frozen = Package {
        frozen_at: Some(at(1)),
        ..ending
    };
    assert_eq!(status(&frozen, &full, 9), Status::Frozen);
    assert_eq!(status(&frozen, &empty, 9), Status::Frozen);
    let paid = Package {
        paid_at: Some(at(0)),
        ..frozen
    };
    assert_eq!(status(&paid, &full, 9), Status::Frozen);
    assert_eq!(status(&paid, &empty, 9), Status::Completed);
    let transferred = Package {
        transferred_at: Some(at(1)),
        ..paid
    };
    assert_eq!(status(&transferred, &empty, 9), Status::Transferred);
    let revoked = Package {
        revoked_at: Some(at(1)),
        ..transferred
    };
    assert_eq!(status(&revoked, &empty, 9), Status::Revoked);
}

#[test]
fn semantics_33_a_package_completes_when_every_lot_is_used_up_and_nothing_was_lost() {
    let paid = package();
    let used = lot_of(&paid, ("0", "0", "8", "0"));
    for (balances, status) in [
        (("0", "0", "1", "0"), Status::Completed),
        (("0", "1", "7", "0"), Status::Active),
        (("1", "0", "7", "0"), Status::Active),
        (("0", "0", "7", "1"), Status::UsedUp),
    ] {
        let lots = [used.clone(), lot_of(&paid, balances)];
        assert_eq!(paid.status(&lots, at(1)), status, "{balances:?}");
    }
}

#[test]
fn a_package_can_be_restored_through_the_last_day_of_its_quarantine() {
    // It ends at ten in the evening of 16 March in Tallinn.
    let mut package = package_until(10);
    assert_eq!(package.last_usable_day(), "2026-03-16".parse().ok());
    let until = |package: &Package, days| {
        let until = package.restorable_until(days).unwrap();
        until.to_rfc3339()
    };
    assert_eq!(until(&package, 5), "2026-03-21T22:00:00+00:00");
    assert_eq!(until(&package, 0), "2026-03-16T22:00:00+00:00");
    assert_eq!(until(&package, -1), "2026-03-16T22:00:00+00:00");
    package.quarantine_days = Some(1);
    assert_eq!(until(&package, 5), "2026-03-17T22:00:00+00:00");
    package.expires_at = None;
    assert_eq!(package.restorable_until(5), None);
}

#[test]
fn a_package_is_read_as_its_settled_lots_say() {
    let day = at(24).date_naive();
    let mut running = package_from_first_use(10, None);
    running.start_clock(day);
    assert_eq!(running.expiry_epoch, 1);
    let lot = lot_of(&running, ("8", "0", "0", "0"));
    assert_eq!(running.as_of(std::slice::from_ref(&lot)), running);
    let mut stopped = lot;
    stopped.terms.first_used_on = None;
    let read = running.as_of(std::slice::from_ref(&stopped));
    assert_eq!((read.first_used_on, read.expires_at), (None, None));
    assert_eq!(read.expiry_epoch, 2);
    let elsewhere = lot_of(&package(), ("8", "0", "0", "0"));
    assert_eq!(running.as_of(&[elsewhere]), running);
    let waiting = package_from_first_use(10, None);
    stopped.package_id = waiting.id;
    assert_eq!(waiting.as_of(std::slice::from_ref(&stopped)), waiting);
    // Its rule was changed by hand: it counts from no first use any more.
    let fixed = Package {
        counts_from_first_use: false,
        ..running.clone()
    };
    stopped.package_id = fixed.id;
    assert_eq!(fixed.as_of(&[stopped]), fixed);
}

#[test]
fn only_a_package_that_waits_for_its_first_use_starts_a_clock() {
    let day = at(24).date_naive();
    let mut fixed = package_until(100);
    let before = fixed.clone();
    fixed.start_clock(day);
    assert_eq!(fixed, before);
    let mut waiting = package_from_first_use(10, None);
    waiting.start_clock(day);
    assert_eq!(waiting.first_used_on, Some(day));
    assert_eq!(waiting.last_usable_day(), "2026-03-27".parse().ok());
}

#[test]
fn a_change_of_the_end_and_nothing_else_is_a_new_epoch() {
    let days = |days: i64| at(days * 24).date_naive();
    let mut package = package_from_first_use(10, Some(days(5)));
    let waits_until = package.expires_at;
    package.start_clock(days(2));
    package.start_clock(days(1));
    assert_eq!(package.expiry_epoch, 2);
    package.expires_at = Some(at(1_000));
    package.start_clock(days(0));
    assert_eq!(package.first_used_on, Some(days(0)));
    assert_eq!(package.expires_at, Some(at(1_000)), "it was moved by hand");
    assert_eq!(package.expiry_epoch, 2);
    let mut moved = package.clone();
    moved.stop_clock();
    assert_eq!((moved.first_used_on, moved.expiry_epoch), (None, 2));
    assert_eq!(moved.expires_at, Some(at(1_000)));
    package.expires_at = calendar::end_of(days(10), package.zone);
    package.stop_clock();
    assert_eq!((package.first_used_on, package.expiry_epoch), (None, 3));
    assert_eq!(package.expires_at, waits_until);
}

#[test]
fn semantics_9_an_undo_takes_no_extension_back() {
    let days = |days: i64| at(days * 24).date_naive();
    let mut package = package_from_first_use(10, Some(days(5)));
    // Not the first instant of a day.
    package.end_at(at(200));
    package.start_clock(days(2));
    let counted = calendar::end_of(days(12), package.zone);
    assert_eq!(package.expires_at, counted);
    assert_eq!(package.terms().expires_if_unused, Some(at(200)));
    package.stop_clock();
    assert_eq!(package.expires_at, Some(at(200)));
    // Nor one that was granted after the first use, however often that is undone.
    package.start_clock(days(2));
    package.end_at(at(1_000));
    package.stop_clock();
    assert_eq!(package.expires_at, Some(at(1_000)));
    package.start_clock(days(2));
    assert_eq!(package.expires_at, counted);
    package.stop_clock();
    assert_eq!(package.expires_at, Some(at(1_000)));
}

#[test]
fn a_unit_shows_the_state_that_it_begins_with() {
    let balances = Balances {
        consumed: credits("1.5"),
        held: credits("0.5"),
        available: credits("2.3"),
        expired: credits("1"),
        revoked: credits("0.2"),
        transferred: credits("-3"),
    };
    let shown: Vec<_> = units(&balances)
        .unwrap()
        .into_iter()
        .map(|unit| (unit.state, unit.amount.to_string()))
        .collect();
    let expected = [
        (UnitState::Used, "1"),
        (UnitState::Used, "0.5"),
        (UnitState::Unused, "1"),
        (UnitState::Unused, "1"),
        (UnitState::Unused, "0.3"),
        (UnitState::Expired, "0.3"),
    ]
    .map(|(state, amount)| (state, amount.to_owned()));
    assert_eq!(shown, expected);
}

#[test]
fn up_to_two_hundred_units_are_listed() {
    let listed = |amount| {
        let balances = Balances {
            available: credits(amount),
            ..Balances::default()
        };
        units(&balances).map(|units| units.len())
    };
    assert_eq!(listed("0"), Some(0));
    assert_eq!(listed("200"), Some(UNITS_MAX));
    assert_eq!(listed("200.1"), None);
}

#[test]
fn a_discount_is_what_was_taken_off_the_list_price() {
    for (price_minor, discount_minor) in [(800, 200), (1_000, 0), (1_100, -100)] {
        let package = Package {
            list_price_minor: 1_000,
            price_minor,
            ..package()
        };
        assert_eq!(package.discount_minor(), discount_minor);
    }
}

#[test]
fn a_successor_has_the_terms_and_nothing_of_what_happened() {
    let first = Package {
        group_id: None,
        priority: 3,
        frozen_at: Some(at(1)),
        frozen_until_max: Some(at(9)),
        expires_if_thawed: Some(at(8)),
        freezes: 1,
        frozen_days: 2,
        queued_behind: Some(PackageId::generate(at(0))),
        paid_at: None,
        unpaid_uses: 4,
        ..package()
    };
    let id = PackageId::generate(at(5));
    let successor = first.successor(id, at(5));
    let untouched = Package {
        id,
        came_from: Some(first.id),
        priority: 3,
        paid_at: None,
        unpaid_uses: 4,
        created_at: at(5),
        ..package()
    };
    assert_eq!(successor, untouched);
    let given = Package {
        paid_at: Some(at(5)),
        unpaid_uses: 0,
        ..untouched
    };
    assert_eq!(first.given_successor(id, at(5)), given);
}
