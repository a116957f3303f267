//! The rules of correcting quantities by hand (semantics 1).

use std::sync::Arc;

use crate::domain::credits::Credits;
use crate::domain::decide::*;
use crate::domain::line::{ItemFacts, Line};
use crate::domain::lot::Origin;
use crate::domain::refusal::CountedIn;
use crate::domain::testing::book::*;
use crate::domain::testing::{credits, item, line_for, start};
use crate::ids::{LineId, LotId, PackageId};

/// A bonus lesson and eight for 8.00 in one line.
fn lessons(package: Package) -> (Book, ItemFacts, Arc<Line>, [LotId; 2], PackageId) {
    let swim = item();
    let line = line_for(&swim);
    let id = package.id;
    let mut book = Book::default();
    let lots = book.sell(package, &[(&line, "1", 0), (&line, "8", 800)]);
    (book, swim, line, [lots[0], lots[1]], id)
}

fn remove(package_id: PackageId, line: &Line, amount: &str) -> Command {
    Command::Adjust(Adjust {
        package_id,
        line_id: line.id,
        adjustment: Adjustment::Remove(credits(amount)),
    })
}

fn add(package_id: PackageId, line: &Arc<Line>, amount: &str, value: i64) -> Command {
    let lot = crate::domain::extend::NewLot {
        origin: Origin::Added,
        ..new_lot(line, amount, value)
    };
    Command::Adjust(Adjust {
        package_id,
        line_id: line.id,
        adjustment: Adjustment::Add { lot },
    })
}

#[test]
fn credits_are_taken_out_of_the_lot_that_would_pay_last() {
    let (mut book, _, line, [bonus, paid], id) = lessons(package());
    let posting = book.act(1, remove(id, &line, "2.5")).unwrap();
    assert_eq!(told(&posting), [tale("adjust", paid, "2.5", 250)]);
    assert_eq!(book.balances(paid).total(), Some(credits("5.5")));
    let posting = book.act(1, remove(id, &line, "6.5")).unwrap();
    let expected = [
        tale("adjust", paid, "5.5", 550),
        tale("adjust", bonus, "1", 0),
    ];
    assert_eq!(told(&posting), expected);
}

#[test]
fn what_is_used_or_held_is_never_taken_out() {
    let (mut book, swim, line, _, id) = lessons(package());
    book.act(1, Command::Consume(units(&swim, "2"))).unwrap();
    book.act(1, hold(units(&swim, "3"), None)).unwrap();
    let refusal = Refusal::InsufficientCredits {
        available: credits("4"),
        requested: credits("4.1"),
        counted_in: CountedIn::Credits,
    };
    assert_eq!(book.act(2, remove(id, &line, "4.1")), Err(refusal));
    book.act(2, remove(id, &line, "4")).unwrap();
}

#[test]
fn what_was_lost_is_not_taken_out() {
    let (mut book, _, line, _, id) = lessons(package_until(10));
    let refusal = Refusal::InsufficientCredits {
        available: Credits::ZERO,
        requested: credits("1"),
        counted_in: CountedIn::Credits,
    };
    assert_eq!(book.act(10, remove(id, &line, "1")), Err(refusal));
}

#[test]
fn another_line_of_the_package_keeps_its_credits() {
    let (swim, massage) = (item(), item());
    let (swimming, massages) = (line_for(&swim), line_for(&massage));
    let package = package();
    let id = package.id;
    let mut book = Book::default();
    book.sell(package, &[(&swimming, "3", 300), (&massages, "5", 500)]);
    let refusal = book.act(1, remove(id, &swimming, "4")).unwrap_err();
    assert_eq!(refusal.reason(), "INSUFFICIENT_CREDITS");
}

#[test]
fn what_is_taken_out_is_no_finer_than_its_credit_type() {
    let (mut book, _, line, _, id) = lessons(package());
    let refusal = book.act(1, remove(id, &line, "0.25")).unwrap_err();
    assert_eq!(refusal.reason(), "AMOUNT_TOO_FINE");
    book.act(1, remove(id, &line, "9")).unwrap();
    let refusal = book.act(2, remove(id, &line, "0.25")).unwrap_err();
    assert_eq!(refusal.reason(), "AMOUNT_TOO_FINE", "nothing is left");
}

#[test]
fn what_is_added_is_a_lot_of_its_own() {
    let (mut book, _, line, lots, id) = lessons(package());
    let posting = book.act(1, add(id, &line, "2", 300)).unwrap();
    let new = &posting.lots[0];
    assert!(!lots.contains(&new.id));
    assert_eq!(told(&posting), [tale("issue", new.id, "2", 300)]);
    assert_eq!((new.origin, new.package_id), (Origin::Added, id));
    assert_eq!(new.fold.basis, new.issued);
}

#[test]
fn nothing_is_added_to_a_package_that_has_ended_or_was_revoked() {
    let (mut book, _, line, _, id) = lessons(package_until(10));
    book.clone().act(9, add(id, &line, "2", 0)).unwrap();
    let ended = book.act(10, add(id, &line, "2", 0)).unwrap_err();
    assert_eq!(ended.reason(), "PACKAGE_EXPIRED");
    book.revoke(5, id);
    let revoked = book.act(6, add(id, &line, "2", 0)).unwrap_err();
    assert_eq!(revoked.reason(), "PACKAGE_REVOKED");
}

#[test]
fn a_line_or_package_that_is_not_there_is_refused() {
    let (mut book, _, line, _, id) = lessons(package());
    let other = Line {
        id: LineId::generate(start()),
        ..(*line).clone()
    };
    let refusal = Refusal::LineNotInPackage {
        package_id: id,
        line_id: other.id,
    };
    assert_eq!(book.act(1, remove(id, &other, "1")), Err(refusal));
    let nowhere = remove(PackageId::generate(start()), &line, "1");
    assert_eq!(book.act(1, nowhere).unwrap_err().reason(), "NOT_FOUND");
}
