//! What time causes, when, and that it does not matter who writes it (semantics 11, 12, 20).

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::decide::Command;
use crate::domain::line::ItemFacts;
use crate::domain::package::Package;
use crate::domain::part::Portion;
use crate::domain::refusal::Refusal;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for, stamp};

/// Three lessons for 10.00.
fn three_lessons(package: Package) -> (Book, ItemFacts, LotId) {
    let swim = item();
    let mut book = Book::default();
    let lots = book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
    (book, swim, lots[0])
}

fn read(book: &Book, at: DateTime<Utc>) -> Vec<Lot> {
    let lots: Vec<Lot> = book.lots.values().cloned().collect();
    let holds: Vec<Hold> = book.holds.values().cloned().collect();
    as_of(&lots, &holds, at)
}

#[test]
fn a_timed_out_hold_is_free_for_every_reader_at_that_instant() {
    let (mut book, swim, lot) = three_lessons(package());
    book.act(1, hold(units(&swim, "3"), Some(5))).unwrap();
    let before = at(5) - TimeDelta::microseconds(1);
    assert_eq!(read(&book, before)[0].available(), NOTHING);
    assert_eq!(read(&book, at(5))[0].available(), credits("3"));
    let use_ = Command::Consume(units(&swim, "2"));
    assert!(book.act_at(before, use_.clone()).is_err());
    let posting = book.act(6, use_).unwrap();
    let expected = [
        tale("time_out by time", lot, "3", 0),
        tale("consume", lot, "2", 667),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[0].effective_at, at(5));
    assert_eq!(posting.entries[0].recorded_at, at(6));
    assert_eq!(book.lots[&lot].next_timeout_at, None);
}

#[test]
fn a_reader_sees_what_time_caused_and_the_chain_as_it_is_written() {
    let (mut book, swim, lot) = three_lessons(package_until(10));
    book.act(1, hold(units(&swim, "1"), Some(5))).unwrap();
    for hours in [1, 5, 20] {
        let seen = &read(&book, at(hours))[0];
        assert_eq!(seen.tail, book.lots[&lot].tail);
    }
    let seen = &read(&book, at(20))[0];
    assert_eq!(seen.fold.balances.expired, credits("3"));
}

#[test]
fn a_hold_may_be_used_at_its_time_out_with_its_value_to_the_cent() {
    let (mut book, swim, lot) = three_lessons(package());
    for _ in 0..3 {
        book.act(1, hold_to_capture(units(&swim, "1"), 5)).unwrap();
    }
    let before = at(5) - TimeDelta::microseconds(1);
    assert!(book.settle(before).entries.is_empty());
    let posting = book.settle(at(5));
    let expected = [333, 334, 333].map(|value| tale("capture by time", lot, "1", value));
    assert_eq!(told(&posting), expected);
    assert!(
        posting
            .entries
            .iter()
            .all(|entry| entry.effective_at == at(5))
    );
    assert_eq!(book.pools(lot).consumed, 1_000);
}

#[test]
fn what_times_out_before_the_end_is_lost_at_the_end_and_after_it_at_once() {
    for (times_out, lost_at) in [(5, 10), (10, 10), (15, 15)] {
        let (mut book, swim, lot) = three_lessons(package_until(10));
        book.act(1, hold(units(&swim, "2"), Some(times_out)))
            .unwrap();
        book.settle(at(20));
        assert_eq!(book.balances(lot).expired, credits("3"));
        assert_eq!(book.pools(lot).expired, 1_000);
        let expiries: Vec<_> = book
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Expire)
            .map(|entry| entry.effective_at)
            .collect();
        let expected = if lost_at > 10 {
            vec![at(10), at(lost_at)]
        } else {
            vec![at(10)]
        };
        assert_eq!(expiries, expected);
    }
}

#[test]
fn what_is_used_at_its_time_out_after_the_end_is_used_not_lost() {
    for times_out in [5, 10, 15] {
        let (mut book, swim, lot) = three_lessons(package_until(10));
        book.act(1, hold_to_capture(units(&swim, "2"), times_out))
            .unwrap();
        book.settle(at(20));
        assert_eq!(book.balances(lot).consumed, credits("2"));
        assert_eq!(book.balances(lot).expired, credits("1"));
    }
}

#[test]
fn held_credits_outlive_the_end_of_their_package_and_can_be_captured() {
    let (mut book, swim, lot) = three_lessons(package_until(10));
    let id = hold_of(&book.act(1, hold(units(&swim, "2"), None)).unwrap());
    book.settle(at(20));
    assert_eq!(book.balances(lot).held, credits("2"));
    assert_eq!(book.balances(lot).expired, credits("1"));
    let posting = book.act(30, capture(id, of_units("1"))).unwrap();
    let kinds: Vec<_> = told(&posting).into_iter().map(|told| told.0).collect();
    assert_eq!(kinds, ["capture", "release", "expire"]);
    assert_eq!(posting.entries[2].effective_at, at(30));
    assert_eq!(book.balances(lot).expired, credits("2"));
}

#[test]
fn what_is_released_into_an_ended_package_is_lost_in_the_same_posting() {
    let (mut book, swim, lot) = three_lessons(package_until(10));
    let id = hold_of(&book.act(1, hold(units(&swim, "2"), None)).unwrap());
    let posting = book.act(12, release(id)).unwrap();
    let expected = [
        tale("expire by time", lot, "1", 333),
        tale("release", lot, "2", 0),
        tale("expire", lot, "2", 667),
    ];
    assert_eq!(told(&posting), expected);
    let when: Vec<_> = posting
        .entries
        .iter()
        .map(|entry| entry.effective_at)
        .collect();
    assert_eq!(when, [at(10), at(12), at(12)]);
}

#[test]
fn what_is_released_into_a_revoked_package_is_revoked_in_the_same_posting() {
    let (mut book, swim, lot) = three_lessons(package());
    book.act(1, hold(units(&swim, "2"), Some(9))).unwrap();
    let id = book.lots[&lot].package_id;
    book.change(id, |package| package.revoked_at = Some(at(3)));
    let posting = book.settle(at(10));
    let expected = [
        tale("time_out by time", lot, "2", 0),
        tale("revoke by time", lot, "3", 1_000),
    ];
    assert_eq!(told(&posting), expected);
    assert!(
        posting
            .entries
            .iter()
            .all(|entry| entry.effective_at == at(9))
    );
}

#[test]
fn what_is_released_into_a_moved_lot_follows_to_where_that_was_moved() {
    let (mut book, swim, lot) = three_lessons(package());
    book.act(1, hold(units(&swim, "2"), Some(9))).unwrap();
    let second = book.transfer(2, lot, package());
    let third = book.transfer(3, second, package_until(8));
    let posting = book.settle(at(10));
    let expected = [
        tale("expire by time", third, "1", 333),
        tale("time_out by time", lot, "2", 0),
        tale("transfer by time", lot, "2", 667),
        tale("transfer by time", second, "2", 667),
        tale("transfer by time", second, "2", 667),
        tale("transfer by time", third, "2", 667),
        tale("expire by time", third, "2", 667),
    ];
    assert_eq!(told(&posting), expected);
    assert!(
        posting.entries[1..]
            .iter()
            .all(|entry| entry.effective_at == at(9))
    );
    assert_eq!(book.pools(third).expired, 1_000);
}

#[test]
fn a_frozen_package_loses_nothing_and_its_holds_still_time_out() {
    let (mut book, swim, lot) = three_lessons(package_until(10));
    book.act(1, hold(units(&swim, "2"), Some(9))).unwrap();
    book.change(book.lots[&lot].package_id, |package| {
        package.frozen_at = Some(at(2));
        package.expires_at = None;
    });
    let posting = book.settle(at(20));
    assert_eq!(told(&posting), [tale("time_out by time", lot, "2", 0)]);
    assert_eq!(book.balances(lot).available, credits("3"));
}

#[test]
fn a_hold_in_two_lots_is_settled_in_each_by_whoever_has_that_one() {
    let swim = item();
    let line = line_for(&swim);
    let mut book = Book::default();
    let first = book.sell(package_until(50), &[(&line, "1", 100)])[0];
    let second = book.sell(package_until(60), &[(&line, "1", 100)])[0];
    let id = hold_of(&book.act(1, hold(units(&swim, "2"), Some(5))).unwrap());
    let stamp = stamp(6);
    let placed = book.holds[&id].clone();
    let mut draft = Draft::with_holds(&stamp, [book.lots[&first].clone()], [placed]);
    settle(&mut draft).unwrap();
    let posting = draft.close();
    assert_eq!(told(&posting), [tale("time_out by time", first, "1", 0)]);
    let left: Vec<_> = posting.holds[0]
        .parts
        .iter()
        .map(|part| part.left)
        .collect();
    assert_eq!(left, [NOTHING, credits("1")]);
    let mut draft = Draft::with_holds(
        &stamp,
        [book.lots[&second].clone()],
        [posting.holds[0].clone()],
    );
    settle(&mut draft).unwrap();
    let posting = draft.close();
    assert_eq!(told(&posting), [tale("time_out by time", second, "1", 0)]);
}

#[test]
fn only_the_holds_that_are_due_end_and_the_next_one_is_known() {
    let (mut book, swim, lot) = three_lessons(package());
    for hours in [7, 5, 6] {
        book.act(1, hold(units(&swim, "1"), Some(hours))).unwrap();
    }
    for (hours, next) in [(5, Some(at(6))), (6, Some(at(7))), (7, None)] {
        assert_eq!(book.settle(at(hours)).entries.len(), 1);
        assert_eq!(book.lots[&lot].next_timeout_at, next);
    }
}

#[test]
fn a_lot_whose_hold_says_more_than_it_has_is_damaged() {
    let (mut book, swim, lot) = three_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "1"), Some(5))).unwrap());
    let mut damaged = book.holds[&id].clone();
    damaged.parts[0].left = credits("2");
    let stamp = stamp(6);
    let lots = book.lots.values().cloned();
    let mut draft = Draft::with_holds(&stamp, lots, [damaged]);
    assert_eq!(settle(&mut draft), Err(Refusal::LotCorrupt(lot)));
}

/// One hold of a random ledger: how much, when it is placed and times out, and whether it is used then.
type Held = (usize, i64, i64, Option<i64>, bool);

/// A ledger of some packages, one of which counts from its first use, with some holds in it.
fn random_book(ends: &[Option<i64>], holds: &[Held]) -> Book {
    let swim = item();
    let line = line_for(&swim);
    let mut book = Book::default();
    let by = at(30 * 24).date_naive();
    let mut packages = vec![package_from_first_use(20, Some(by))];
    packages.extend(ends.iter().map(|hours| match hours {
        Some(hours) => package_until(*hours),
        None => package(),
    }));
    for package in &packages {
        book.sell(package.clone(), &[(&line, "5", 333), (&line, "7.3", 1_001)]);
    }
    let mut holds = holds.to_vec();
    holds.sort_by_key(|held| held.2);
    for (which, tenths, placed, times_out, is_used) in holds {
        let mut taking = units(&swim, &format!("{}.{}", tenths / 10, tenths % 10));
        taking.package_ids = vec![packages[which % packages.len()].id];
        let times_out = times_out.map(|hours| placed + hours);
        let command = match times_out {
            Some(hours) if is_used => hold_to_capture(taking, hours),
            _ => hold(taking, times_out),
        };
        // A package that has ended or has too little refuses, which is as good.
        let _ = book.act(placed, command);
    }
    book
}

proptest! {
    /// Whether time is settled once, at each instant, or by a reader, the credits and cents are the same.
    #[test]
    fn it_does_not_matter_who_settles_and_when(
        ends in proptest::collection::vec(proptest::option::of(1_i64..900), 1..3),
        holds in proptest::collection::vec(
            (0_usize..3, 1_i64..60, 1_i64..100, proptest::option::of(1_i64..900), any::<bool>()),
            0..9,
        ),
        mut instants in proptest::collection::vec(100_i64..1_100, 0..12),
    ) {
        let mut at_once = random_book(&ends, &holds);
        let mut step_by_step = at_once.clone();
        instants.sort_unstable();
        for hours in instants {
            step_by_step.settle(at(hours));
        }
        let seen = read(&at_once, at(1_100));
        at_once.settle(at(1_100));
        step_by_step.settle(at(1_100));
        prop_assert!(at_once.settle(at(1_100)).entries.is_empty(), "settling twice does nothing");
        for lot in &seen {
            let (once, stepped) = (&at_once.lots[&lot.id], &step_by_step.lots[&lot.id]);
            prop_assert_eq!(once.fold, stepped.fold);
            prop_assert_eq!(once.fold, lot.fold);
            prop_assert_eq!(once.next_timeout_at, stepped.next_timeout_at);
            prop_assert_eq!(&once.terms, &stepped.terms);
            prop_assert_eq!(&once.terms, &lot.terms);
            let said = |book: &Book| -> Vec<_> {
                let entries = book.entries.iter().filter(|entry| entry.lot_id == lot.id);
                entries
                    .map(|entry| (entry.kind, entry.amount, entry.value, entry.effective_at))
                    .collect()
            };
            prop_assert_eq!(said(&at_once), said(&step_by_step));
            let by_time: Vec<_> = at_once
                .entries
                .iter()
                .filter(|entry| entry.by_time && entry.lot_id == lot.id)
                .map(|entry| entry.effective_at)
                .collect();
            prop_assert!(by_time.is_sorted(), "in the order of its instants");
        }
        prop_assert_eq!(at_once.packages, step_by_step.packages);
        let held_for_ever = at_once.holds.values().filter(|hold| hold.times_out_at.is_none());
        let parts = held_for_ever.flat_map(|hold| &hold.parts);
        let still_held: i64 = parts.map(|part| part.left.millionths()).sum();
        let held = at_once.lots.values().map(|lot| lot.fold.balances.held.millionths());
        prop_assert_eq!(held.sum::<i64>(), still_held);
    }
}

#[test]
fn a_hold_that_was_captured_is_not_timed_out_again() {
    let (mut book, swim, lot) = three_lessons(package());
    let id = hold_of(&book.act(1, hold_to_capture(units(&swim, "2"), 5)).unwrap());
    book.act(2, capture(id, Portion::All)).unwrap();
    assert!(book.settle(at(6)).entries.is_empty());
    assert_eq!(book.balances(lot).consumed, credits("2"));
}
