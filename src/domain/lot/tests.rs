//! What a lot's movements may do, and what it says of itself.

use chrono::TimeDelta;

use super::*;
use crate::domain::testing::{at, credits, ending, item, line_for, lot};

/// A lot of eight credits for 8.00, of which each account but `issued` and `transferred` has one.
fn spread() -> Lot {
    let mut lot = lot(&line_for(&item()), "8", 800);
    for (kind, to) in [
        (EntryKind::Consume, Account::Consumed),
        (EntryKind::Expire, Account::Expired),
        (EntryKind::Revoke, Account::Revoked),
    ] {
        let accounts = (Account::Available, to);
        lot.fold = lot.fold.moved(kind, accounts, credits("1"), 100).unwrap();
    }
    let accounts = (Account::Available, Account::Held);
    let held = lot.fold.moved(EntryKind::Hold, accounts, credits("1"), 0);
    lot.fold = held.unwrap();
    lot
}

#[test]
fn a_movement_is_of_no_less_than_nothing() {
    let fold = spread().fold;
    let accounts = (Account::Available, Account::Consumed);
    let moved = |amount, value| fold.moved(EntryKind::Consume, accounts, credits(amount), value);
    assert_eq!(moved("-1", 0), None);
    assert_eq!(moved("0", -1), None);
    assert_eq!(moved("-1", -1), None);
    assert_eq!(moved("0", 0), Some(fold));
}

#[test]
fn no_account_and_no_pool_but_transferred_falls_below_zero() {
    let fold = spread().fold;
    let smallest = Credits::from_millionths(1);
    for (from, amount, value) in [
        (Account::Available, "4", 500),
        (Account::Held, "1", 500),
        (Account::Consumed, "1", 100),
        (Account::Expired, "1", 100),
        (Account::Revoked, "1", 100),
    ] {
        let moved = |amount, value| {
            let accounts = (from, Account::Transferred);
            fold.moved(EntryKind::Transfer, accounts, amount, value)
        };
        let all = credits(amount);
        assert!(moved(all, value).is_some(), "{from:?}");
        let more = all.checked_add(smallest).unwrap();
        assert_eq!(moved(more, 0), None, "{from:?}");
        assert_eq!(moved(Credits::ZERO, value + 1), None, "{from:?}");
    }
    let accounts = (Account::Transferred, Account::Available);
    let back = fold.moved(EntryKind::Transfer, accounts, credits("9"), 900);
    assert_eq!(back.unwrap().balances.transferred, credits("-9"));
    assert_eq!(back.unwrap().pools.transferred, -900);
}

#[test]
fn new_credits_raise_what_the_formula_is_over_and_nothing_else_does() {
    let fold = spread().fold;
    for (kind, from, to, raises) in [
        (EntryKind::Issue, Account::Issued, Account::Available, true),
        (
            EntryKind::Transfer,
            Account::Transferred,
            Account::Available,
            true,
        ),
        (
            EntryKind::Reverse,
            Account::Consumed,
            Account::Available,
            false,
        ),
        (
            EntryKind::Restore,
            Account::Expired,
            Account::Available,
            false,
        ),
        (
            EntryKind::Reinstate,
            Account::Revoked,
            Account::Available,
            false,
        ),
        (EntryKind::Capture, Account::Held, Account::Consumed, false),
        (
            EntryKind::Consume,
            Account::Available,
            Account::Consumed,
            false,
        ),
    ] {
        let basis = |fold: Fold| {
            let moved = fold.moved(kind, (from, to), credits("1"), 100).unwrap();
            (moved.basis.value, moved.basis.quantity)
        };
        let same = (fold.basis.value, fold.basis.quantity);
        let more = |(value, quantity): (i64, Credits)| {
            (value + 100, quantity.checked_add(credits("1")).unwrap())
        };
        assert_eq!(basis(fold), if raises { more(same) } else { same });
        // After a revaluation, which counts out what is not unused, whatever comes back raises it.
        let nothing = Credits::ZERO;
        let accounts = (Account::Issued, Account::Available);
        let revalued = fold.moved(EntryKind::Revalue, accounts, nothing, 10);
        let revalued = revalued.unwrap();
        let reset = (510, credits("5"));
        assert_eq!((revalued.basis.value, revalued.basis.quantity), reset);
        let comes_back = to == Account::Available;
        let expected = if comes_back { more(reset) } else { reset };
        assert_eq!(basis(revalued), expected);
    }
}

#[test]
fn a_lot_is_open_while_something_is_available_or_may_become_so() {
    let mut lot = spread();
    assert!(lot.is_open());
    lot.next_timeout_at = Some(at(5));
    assert!(lot.is_open());
    let accounts = (Account::Available, Account::Consumed);
    let amount = lot.available();
    lot.fold = lot
        .fold
        .moved(EntryKind::Consume, accounts, amount, 0)
        .unwrap();
    assert!(lot.is_open(), "a hold may time out");
    lot.next_timeout_at = None;
    assert!(!lot.is_open());
}

#[test]
fn a_hold_has_timed_out_at_its_instant_and_not_before() {
    let mut lot = spread();
    assert!(!lot.has_timed_out_hold(at(5)));
    lot.next_timeout_at = Some(at(5));
    assert!(!lot.has_timed_out_hold(at(5) - TimeDelta::microseconds(1)));
    assert!(lot.has_timed_out_hold(at(5)));
    assert!(lot.has_timed_out_hold(at(6)));
}

#[test]
fn a_lot_has_expired_at_its_end_and_not_before() {
    let lot = spread();
    assert!(!lot.has_expired(at(5)));
    let lot = ending(lot, 5);
    assert!(!lot.has_expired(at(5) - TimeDelta::microseconds(1)));
    assert!(lot.has_expired(at(5)));
}

#[test]
fn a_clock_may_stop_where_it_runs_and_nothing_is_used_or_held() {
    let mut fresh = lot(&line_for(&item()), "8", 800);
    assert!(!fresh.might_stop_clock(), "it counts from the sale");
    fresh.terms.counts_from_first_use = true;
    assert!(!fresh.might_stop_clock(), "it does not run");
    fresh.terms.first_used_on = Some(at(0).date_naive());
    assert!(fresh.might_stop_clock());
    for (kind, to) in [
        (EntryKind::Consume, Account::Consumed),
        (EntryKind::Hold, Account::Held),
    ] {
        let mut lot = fresh.clone();
        let accounts = (Account::Available, to);
        lot.fold = lot.fold.moved(kind, accounts, credits("1"), 0).unwrap();
        assert!(!lot.might_stop_clock(), "{kind:?}");
    }
    fresh.terms.counts_from_first_use = false;
    assert!(!fresh.might_stop_clock());
}

#[test]
fn a_lot_is_held_while_something_is_set_aside_in_it() {
    let mut lot = spread();
    assert!(lot.is_held());
    let back = (Account::Held, Account::Available);
    let released = lot.fold.moved(EntryKind::Release, back, credits("1"), 0);
    lot.fold = released.unwrap();
    assert!(!lot.is_held());
}
