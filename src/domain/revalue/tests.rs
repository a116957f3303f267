//! The rules of changing what unused credits are worth (design section 2, "Value").

use proptest::prelude::*;

use super::*;
use crate::domain::decide::Command;
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::testing::book::*;
use crate::domain::testing::{credits, item, line_for};

/// Three lessons for 10.00, two for 5.00 and a bonus one.
fn lessons() -> (Book, ItemFacts, Vec<LotId>, PackageId) {
    let swim = item();
    let line = line_for(&swim);
    let package = package();
    let id = package.id;
    let mut book = Book::default();
    let lots = [(&line, "3", 1_000), (&line, "2", 500), (&line, "1", 0)];
    let lots = book.sell(package, &lots);
    (book, swim, lots, id)
}

fn unused(book: &Book, lots: &[LotId]) -> Vec<i64> {
    lots.iter().map(|lot| book.pools(*lot).unused).collect()
}

#[test]
fn a_change_is_spread_by_what_is_unused() {
    let (mut book, _, lots, id) = lessons();
    let posting = book.revalue(1, id, -100, |_| 1).unwrap();
    let mut expected = vec![
        tale("revalue", lots[0], "0", 67),
        tale("revalue", lots[1], "0", 33),
    ];
    let mut entries = told(&posting);
    entries.sort();
    expected.sort();
    assert_eq!(entries, expected);
    assert_eq!(unused(&book, &lots), [933, 467, 0]);
    book.revalue(2, id, 1_400, |_| 1).unwrap();
    assert_eq!(unused(&book, &lots), [1_866, 934, 0]);
    book.revalue(3, id, 0, |_| 1).unwrap();
    assert_eq!(unused(&book, &lots), [1_866, 934, 0]);
}

#[test]
fn held_credits_are_unused_and_used_ones_are_not() {
    let (mut book, swim, lots, id) = lessons();
    // The bonus and both of the second lot, which are cheaper than the first: 2.50 against 3.33.
    book.act(1, Command::Consume(units(&swim, "3"))).unwrap();
    book.act(1, hold(units(&swim, "3"), None)).unwrap();
    book.revalue(2, id, 500, |_| 1).unwrap();
    assert_eq!(unused(&book, &lots), [1_500, 0, 0]);
    assert_eq!(book.pools(lots[1]).consumed, 500);
}

#[test]
fn where_all_is_worth_nothing_a_change_is_spread_by_weight() {
    let (mut book, _, lots, id) = lessons();
    book.revalue(1, id, -1_500, |_| 1).unwrap();
    assert_eq!(unused(&book, &lots), [0, 0, 0]);
    let (first, second) = (lots[0], lots[1]);
    let weight = |lot: &Lot| match lot.id {
        id if id == first => 3,
        id if id == second => 1,
        _ => 0,
    };
    book.revalue(2, id, 100, weight).unwrap();
    assert_eq!(unused(&book, &lots), [75, 25, 0]);
}

#[test]
fn a_value_below_zero_or_of_nothing_is_refused() {
    let (mut book, swim, _, id) = lessons();
    let refusal = |unused_minor, change_minor| {
        Err(Refusal::NothingToRevalue {
            unused_minor,
            change_minor,
        })
    };
    assert_eq!(book.revalue(1, id, -1_501, |_| 1), refusal(1_500, -1_501));
    assert_eq!(
        book.revalue(1, id, i64::MIN, |_| 1),
        refusal(1_500, i64::MIN)
    );
    assert_eq!(
        book.revalue(1, id, i64::MAX, |_| 1),
        refusal(1_500, i64::MAX)
    );
    book.act(1, Command::Consume(units(&swim, "6"))).unwrap();
    assert_eq!(book.revalue(2, id, 10, |_| 1), refusal(0, 10));
}

#[test]
fn another_package_keeps_its_value() {
    let (mut book, swim, _, id) = lessons();
    let other = book.sell(package(), &[(&line_for(&swim), "3", 900)])[0];
    book.revalue(1, id, -1_500, |_| 1).unwrap();
    assert_eq!(book.pools(other).unused, 900);
}

#[test]
fn what_is_used_after_a_change_carries_the_new_value() {
    let (mut book, swim, lots, id) = lessons();
    book.revalue(1, id, 1_500, |_| 1).unwrap();
    book.act(2, Command::Consume(units(&swim, "6"))).unwrap();
    let used: Vec<_> = lots.iter().map(|lot| book.pools(*lot).consumed).collect();
    assert_eq!(used, [2_000, 1_000, 0]);
}

#[test]
fn what_comes_back_after_a_change_raises_what_the_formula_is_over() {
    let swim = item();
    let package = package_until(10);
    let id = package.id;
    let mut book = Book::default();
    let lot = book.sell(package, &[(&line_for(&swim), "4", 400)])[0];
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap().id;
    book.revalue(2, id, -150, |_| 1).unwrap();
    let basis = |book: &Book| {
        let basis = book.lots[&lot].fold.basis;
        (basis.value, basis.quantity)
    };
    assert_eq!(basis(&book), (150, credits("3")));
    book.act(3, reverse(used, Portion::All)).unwrap();
    assert_eq!(basis(&book), (250, credits("4")));
    let two = book.act(4, Command::Consume(units(&swim, "2"))).unwrap();
    assert_eq!(told(&two), [tale("consume", lot, "2", 125)]);
    // A hold that is released is no coming back: it never left.
    let id = hold_of(&book.act(5, hold(units(&swim, "1"), None)).unwrap());
    book.act(6, release(id)).unwrap();
    assert_eq!(basis(&book), (250, credits("4")));
}

proptest! {
    /// As long as nothing is undone, what is unused is never more than half a cent from its share.
    #[test]
    fn after_a_change_no_value_strays_by_more_than_half_a_cent(
        before in 0_i64..20,
        change in -1_000_i64..5_000,
        takes in proptest::collection::vec(1_i64..20, 0..12),
    ) {
        let swim = item();
        let package = package();
        let id = package.id;
        let mut book = Book::default();
        let lot = book.sell(package, &[(&line_for(&swim), "8", 1_333)])[0];
        let use_tenths = |tenths: i64| {
            let amount = format!("{}.{}", tenths / 10, tenths % 10);
            Command::Consume(units(&swim, &amount))
        };
        if before > 0 {
            book.act(1, use_tenths(before)).unwrap();
        }
        let worth_before = book.pools(lot).unused;
        let changed = book.revalue(2, id, change, |_| 1);
        prop_assert_eq!(changed.is_ok(), worth_before + change >= 0);
        prop_assume!(changed.is_ok() && change != 0);
        let basis = book.lots[&lot].fold.basis;
        prop_assert_eq!(basis.value, worth_before + change);
        for (tenths, hours) in takes.into_iter().zip(3..) {
            let _ = book.act(hours, use_tenths(tenths));
            let fold = book.lots[&lot].fold;
            let left = i128::from(fold.unused().unwrap().millionths());
            let quantity = i128::from(basis.quantity.millionths());
            let stray = i128::from(fold.pools.unused) * quantity - i128::from(basis.value) * left;
            prop_assert!(stray.abs() * 2 <= quantity);
        }
    }
}
