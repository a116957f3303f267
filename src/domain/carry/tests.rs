//! The rules of carrying over (semantics 34).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::domain::amend::Amendment;
use crate::domain::decide::Command;
use crate::domain::freeze::freeze;
use crate::domain::line::ItemFacts;
use crate::domain::package::Status;
use crate::domain::part::Portion;
use crate::domain::returned::missing;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for, start};

/// The period that ends after ten hours, and the ten hours after it.
fn next() -> Span {
    span(10)
}

fn span(hours: i64) -> Span {
    Span {
        starts_on: at(hours).date_naive(),
        next_starts_on: at(hours + 10).date_naive(),
        starts_at: at(hours),
        ends_at: at(hours + 10),
    }
}

/// A period's four lessons for 10.00.
fn month() -> (Book, ItemFacts, LotId, PackageId) {
    let swim = item();
    let mut book = Book::default();
    let package = package_until(10);
    let id = package.id;
    let lot = book.sell(package, &[(&line_for(&swim), "4", 1_000)])[0];
    (book, swim, lot, id)
}

fn lot_of(book: &Book, package: &Package) -> Lot {
    let mut lots = book
        .lots
        .values()
        .filter(|lot| lot.package_id == package.id);
    lots.next().cloned().unwrap()
}

/// What of all lessons can be used, at an instant.
fn usable(book: &Book, now: DateTime<Utc>) -> Credits {
    let lots = book.lots.values().filter(|lot| !lot.has_expired(now));
    lots.fold(Credits::ZERO, |sum, lot| {
        sum.checked_add(lot.available()).unwrap()
    })
}

#[test]
fn semantics_34_the_oldest_unused_credits_go_on_up_to_the_cap_with_their_value() {
    let (mut book, swim, lot, id) = month();
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let (carried, posting) = book.carry(at(2), CarryOver::Capped(2), &next());
    let carried = carried.unwrap();
    let new = lot_of(&book, &carried);
    let expected = [
        tale("transfer", lot, "2", 500),
        tale("transfer", new.id, "2", 500),
    ];
    assert_eq!(told(&posting), expected);
    let day = calendar::last_usable_day(at(20), carried.zone);
    assert_eq!((carried.came_from, carried.sale_id), (Some(id), None));
    assert_eq!(
        (carried.starts_at, carried.expires_at),
        (start(), Some(at(20)))
    );
    assert_eq!(
        (carried.validity, carried.last_usable_day()),
        (Validity::Until(day), Some(day))
    );
    assert_eq!(new.created_at, start(), "as old as before");
    assert_eq!(new.transferred_to, None);
    assert_eq!(
        book.lots[&lot].transferred_to, None,
        "what comes back stays"
    );
    assert_eq!(book.balances(lot).available, credits("1"));
    // What ends first is used first.
    let used = book.act(3, Command::Consume(units(&swim, "2"))).unwrap();
    assert_eq!(told(&used)[0], tale("consume", lot, "1", 250));
}

#[test]
fn an_end_that_was_faster_is_undone_for_just_what_goes_on() {
    let (mut book, swim, lot, id) = month();
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let (carried, posting) = book.carry(at(12), CarryOver::Capped(2), &next());
    let carried = carried.unwrap();
    let expected = [
        tale("expire by time", lot, "3", 750),
        tale("restore", lot, "2", 500),
        tale("transfer", lot, "2", 500),
        tale("transfer", lot_of(&book, &carried).id, "2", 500),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[0].effective_at, at(10));
    assert_eq!(book.pools(lot).expired, 250, "the rest is breakage");
    let lots = [book.lots[&lot].clone()];
    assert_eq!(book.package(id).status(&lots, at(12)), Status::Expired);
    // The same, if a job was faster still.
    let (mut book, ..) = month();
    book.settle(at(11));
    let (carried, _) = book.carry(at(12), CarryOver::All, &next());
    assert_eq!(lot_of(&book, &carried.unwrap()).available(), credits("4"));
}

#[test]
fn what_is_held_stays_and_follows_only_where_all_goes_on() {
    for (agreed, follows) in [(CarryOver::All, true), (CarryOver::Capped(9), false)] {
        let (mut book, swim, lot, _) = month();
        let held = book.act(1, hold(units(&swim, "1"), None)).unwrap();
        let (carried, _) = book.carry(at(12), agreed, &next());
        let new = lot_of(&book, &carried.unwrap()).id;
        assert_eq!(book.balances(new).available, credits("3"));
        assert_eq!(book.balances(lot).held, credits("1"));
        book.act(13, release(hold_of(&held))).unwrap();
        let (moved, expired) = if follows { ("4", "0") } else { ("3", "1") };
        assert_eq!(book.balances(new).available, credits(moved));
        assert_eq!(book.balances(lot).expired, credits(expired));
    }
}

#[test]
fn what_times_out_later_is_settled_with_the_lot_that_it_follows_to() {
    let (mut book, swim, lot, _) = month();
    book.act(1, hold(units(&swim, "1"), Some(14))).unwrap();
    let (carried, _) = book.carry(at(12), CarryOver::All, &next());
    let new = lot_of(&book, &carried.unwrap()).id;
    let alone = [book.lots[&lot].clone()];
    assert_eq!(missing(&alone, Lot::is_held), BTreeSet::from([new]));
    assert_eq!(missing(&alone, |lot| !lot.is_held()), BTreeSet::new());
    let all: Vec<Lot> = book.lots.values().cloned().collect();
    assert_eq!(missing(&all, |_| true), BTreeSet::new());
    book.settle(at(15));
    assert_eq!(book.balances(lot).held, credits("0"));
    assert_eq!(book.balances(new).available, credits("4"));
}

#[test]
fn what_is_undone_later_follows_where_all_went_on() {
    let (mut book, swim, _, _) = month();
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let (carried, _) = book.carry(at(12), CarryOver::All, &next());
    book.act(13, reverse(used.id, Portion::All)).unwrap();
    let new = lot_of(&book, &carried.unwrap());
    assert_eq!(
        (new.available(), new.fold.pools.unused),
        (credits("4"), 1_000)
    );
}

#[test]
fn nothing_goes_on_where_nothing_ends() {
    let carried = |change: fn(&mut Book, PackageId), agreed| {
        let (mut book, _, _, id) = month();
        change(&mut book, id);
        book.carry(at(12), agreed, &next()).0
    };
    assert!(carried(|_, _| {}, CarryOver::All).is_some());
    assert!(carried(|_, _| {}, CarryOver::None).is_none());
    let frozen = |book: &mut Book, id| {
        let until = at(72).date_naive();
        let rule = |it: &mut Amendment<'_>| freeze(it, until, None).map(|_| ());
        book.amend(2, id, rule).unwrap();
    };
    assert!(carried(frozen, CarryOver::All).is_none());
    let ended_by_hand = |book: &mut Book, id| book.change(id, |it| it.expires_at = Some(at(9)));
    assert!(carried(ended_by_hand, CarryOver::All).is_none());
    let outlives = |book: &mut Book, id| book.change(id, |it| it.expires_at = Some(at(20)));
    assert!(carried(outlives, CarryOver::All).is_none());
    let revoked = |book: &mut Book, id| book.revoke(2, id);
    assert!(carried(revoked, CarryOver::All).is_none());
    let used_up = |book: &mut Book, _| {
        book.act(1, Command::Consume(by_hand("4"))).unwrap();
    };
    assert!(carried(used_up, CarryOver::All).is_none());
    let somebody_elses = |book: &mut Book, id| {
        let other = CustomerId::from_uuid(uuid::Uuid::from_u128(2));
        book.change(id, |it| it.customer_id = other);
    };
    assert!(carried(somebody_elses, CarryOver::All).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whether the renewal comes before the end or after: what can be used from then on is the same.
    #[test]
    fn it_makes_no_difference_when_the_renewal_comes(
        cap in 1_u32..6, before in 0_i64..4, between in 0_i64..3, quantity in 2_i64..8,
    ) {
        let run = |renewed_first: bool| {
            let swim = item();
            let mut book = Book::default();
            let line = line_for(&swim);
            book.sell(package_until(10), &[(&line, &quantity.to_string(), 997)]);
            let mut used = 0;
            let mut use_some = |book: &mut Book, hours, wanted: i64| {
                for _ in 0..wanted.min(quantity - used) {
                    book.act(hours, Command::Consume(units(&swim, "1"))).unwrap();
                    used += 1;
                }
            };
            use_some(&mut book, 1, before);
            if renewed_first {
                book.carry(at(2), CarryOver::Capped(cap), &next());
            }
            use_some(&mut book, 3, between);
            if !renewed_first {
                book.carry(at(12), CarryOver::Capped(cap), &next());
            }
            book.settle(at(12));
            let left = usable(&book, at(12));
            // And once more, into the period after it.
            book.carry(at(21), CarryOver::Capped(cap), &span(20));
            assert_eq!(usable(&book, at(21)), left, "what went on once can go on again");
            left
        };
        prop_assert_eq!(run(true), run(false));
        let unused = (quantity - before - between).max(0).min(i64::from(cap));
        prop_assert_eq!(run(true), credits(&unused.to_string()));
    }
}
