//! The rules of taking a package away and bringing it back (semantics 22 and 23).

use super::*;
use crate::domain::amend::Amended;
use crate::domain::decide::Command;
use crate::domain::line::ItemFacts;
use crate::domain::package::{Package, Status};
use crate::domain::part::Portion;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for};
use crate::ids::PackageId;

/// Three lessons for 10.00.
fn three_lessons(package: Package) -> (Book, ItemFacts, LotId, PackageId) {
    let swim = item();
    let mut book = Book::default();
    let id = package.id;
    let lot = book.sell(package, &[(&line_for(&swim), "3", 1_000)])[0];
    (book, swim, lot, id)
}

fn taken(book: &mut Book, hours: i64, id: PackageId) -> Result<Amended, Refusal> {
    book.amend(hours, id, |amendment| revoke(amendment).map(|_| ()))
}

#[test]
fn semantics_23_what_is_available_is_taken_and_what_was_used_stays_used() {
    let (mut book, swim, lot, id) = three_lessons(package());
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let amended = taken(&mut book, 2, id).unwrap();
    assert_eq!(told(&amended.posting), [tale("revoke", lot, "2", 667)]);
    let kinds: Vec<_> = amended.changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Revoked]);
    assert_eq!(book.package(id).revoked_at, Some(at(2)));
    let lots: Vec<_> = book.lots.values().cloned().collect();
    assert_eq!(book.package(id).status(&lots, at(2)), Status::Revoked);
    let use_ = Command::Consume(units(&swim, "1"));
    assert_eq!(
        book.act(3, use_).unwrap_err().reason(),
        "INSUFFICIENT_CREDITS"
    );
    let again = taken(&mut book, 3, id).unwrap_err();
    let revoked_at = at(2);
    let expected = CannotAmend::AlreadyRevoked {
        package_id: id,
        revoked_at,
    };
    assert_eq!(again, expected.into());
}

#[test]
fn semantics_23_holds_are_released_first_and_are_over() {
    let (mut book, swim, lot, id) = three_lessons(package());
    let held = hold_of(&book.act(1, hold(units(&swim, "2"), Some(9))).unwrap());
    let amended = taken(&mut book, 2, id).unwrap();
    let expected = [
        tale("release", lot, "2", 0),
        tale("revoke", lot, "3", 1_000),
    ];
    assert_eq!(told(&amended.posting), expected);
    let refusal = book.act(3, capture(held, Portion::All)).unwrap_err();
    let posting_id = amended.posting.id;
    let expected = Refusal::HoldAlreadyReleased {
        hold_id: held,
        posting_id,
    };
    assert_eq!(refusal, expected);
    assert!(book.settle(at(10)).entries.is_empty());
}

#[test]
fn a_hold_that_spans_packages_goes_on_in_the_others() {
    let swim = item();
    let line = line_for(&swim);
    let mut book = Book::default();
    let first = book.sell(package_until(50), &[(&line, "1", 100)])[0];
    let second = book.sell(package_until(60), &[(&line, "2", 200)])[0];
    let held = hold_of(&book.act(1, hold(units(&swim, "2"), Some(20))).unwrap());
    let id = book.lots[&first].package_id;
    taken(&mut book, 2, id).unwrap();
    assert_eq!(book.balances(first).revoked, credits("1"));
    assert_eq!(book.balances(second).held, credits("1"));
    let posting = book.act(3, capture(held, Portion::All)).unwrap();
    assert_eq!(told(&posting), [tale("capture", second, "1", 100)]);
}

#[test]
fn taking_away_all_that_was_held_stops_the_clock_of_first_use() {
    let (mut book, swim, _, id) = three_lessons(package_from_first_use(10, None));
    book.act(1, hold(units(&swim, "1"), None)).unwrap();
    let amended = taken(&mut book, 2, id).unwrap();
    let kinds: Vec<_> = amended.changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::ClockStopped, ChangeKind::Revoked]);
    assert_eq!(book.package(id).first_used_on, None);
}

#[test]
fn what_was_taken_away_comes_back_with_its_value_and_with_what_was_undone_meanwhile() {
    let (mut book, swim, lot, id) = three_lessons(package_until(10));
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let refusal = book.amend(1, id, reinstate).unwrap_err();
    assert_eq!(refusal, CannotAmend::NotRevoked { package_id: id }.into());
    taken(&mut book, 2, id).unwrap();
    book.act(3, reverse(used.id, Portion::All)).unwrap();
    let amended = book.amend(4, id, reinstate).unwrap();
    assert_eq!(told(&amended.posting), [tale("reinstate", lot, "3", 1_000)]);
    assert_eq!(book.package(id).revoked_at, None);
    book.act(5, Command::Consume(units(&swim, "3"))).unwrap();
    assert_eq!(book.pools(lot).consumed, 1_000);
}

#[test]
fn a_lot_that_nothing_was_taken_of_is_not_brought_back() {
    let swim = item();
    let mut book = Book::default();
    let package = package();
    let id = package.id;
    let line = line_for(&swim);
    let lots = book.sell(package, &[(&line, "1", 0), (&line, "2", 200)]);
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    taken(&mut book, 2, id).unwrap();
    let amended = book.amend(3, id, reinstate).unwrap();
    let expected = [tale("reinstate", lots[1], "2", 200)];
    assert_eq!(told(&amended.posting), expected);
}

#[test]
fn what_has_ended_meanwhile_is_lost_as_soon_as_it_is_brought_back() {
    let (mut book, _, lot, id) = three_lessons(package_until(10));
    taken(&mut book, 2, id).unwrap();
    assert!(book.settle(at(11)).entries.is_empty());
    let amended = book.amend(12, id, reinstate).unwrap();
    let expected = [
        tale("reinstate", lot, "3", 1_000),
        tale("expire", lot, "3", 1_000),
    ];
    assert_eq!(told(&amended.posting), expected);
    assert_eq!(amended.posting.entries[1].effective_at, at(12));
}

#[test]
fn the_loss_is_told_by_line() {
    let swim = item();
    let (first, second) = (line_for(&swim), line_for(&swim));
    let mut book = Book::default();
    let lots = [(&first, "3", 1_000), (&second, "1", 500), (&first, "2", 0)];
    let sold = package();
    let id = sold.id;
    book.sell(sold, &lots);
    let mut lost = Vec::new();
    book.amended(at(1), id, |amendment| {
        revoke(amendment)?;
        lost = losses(&amendment.draft);
        Ok(())
    })
    .unwrap();
    let mut expected = [(first.id, "5", 1_000), (second.id, "1", 500)];
    expected.sort_unstable_by_key(|(line_id, ..)| *line_id);
    let expected = expected.map(|(line_id, amount, value_minor)| LineLoss {
        line_id,
        amount: credits(amount),
        value_minor,
    });
    assert_eq!(lost, expected);
}
