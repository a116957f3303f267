//! The rules of editing a package (E1, semantics 13 and 26).

use super::*;
use crate::domain::amend::Amended;
use crate::domain::decide::Command;
use crate::domain::line::ItemFacts;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for, start};
use crate::ids::PackageId;

/// Three lessons for 10.00 until the tenth hour, of which one is used and one is held.
fn lessons() -> (Book, ItemFacts, LotId, PackageId) {
    let swim = item();
    let mut book = Book::default();
    let package = crate::domain::package::Package {
        price_minor: 1_000,
        net_price_minor: 1_000,
        ..package_until(10)
    };
    let id = package.id;
    let lot = book.sell(package, &[(&line_for(&swim), "3", 1_000)])[0];
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    book.act(1, hold(units(&swim, "1"), None)).unwrap();
    (book, swim, lot, id)
}

fn edited(book: &mut Book, hours: i64, id: PackageId, change: &Edit) -> Result<Amended, Refusal> {
    book.amend(hours, id, |amendment| edit(amendment, change, |_| 1))
}

fn quantity(book: &Book, lot: LotId, amount: &str) -> Edit {
    let new = (
        book.lots[&lot].line.id,
        credits(amount),
        LotId::generate(start()),
    );
    Edit {
        quantities: vec![new],
        ..Edit::default()
    }
}

/// Brings the lot's line to so many credits.
fn resized(book: &mut Book, lot: LotId, amount: &str) -> Result<Amended, Refusal> {
    let change = quantity(book, lot, amount);
    let id = book.lots[&lot].package_id;
    edited(book, 2, id, &change)
}

fn price(minor: i64) -> Edit {
    Edit {
        price: Some(AgreedPrice {
            price_minor: minor,
            net_minor: minor,
        }),
        ..Edit::default()
    }
}

#[test]
fn more_credits_are_a_lot_of_their_own_that_is_worth_nothing() {
    let (mut book, _, lot, id) = lessons();
    let change = quantity(&book, lot, "5");
    let new = change.quantities[0].2;
    let amended = edited(&mut book, 2, id, &change).unwrap();
    assert_eq!(told(&amended.posting), [tale("issue", new, "2", 0)]);
    assert_eq!(book.lots[&new].origin, Origin::Added);
    let line_id = book.lots[&lot].line.id;
    let amounts = |amount| {
        Value::Quantity(LineQuantity {
            line_id,
            amount: credits(amount),
        })
    };
    let told = &amended.changes[0];
    assert_eq!((&told.old, &told.new), (&amounts("3"), &amounts("5")));
    let same = resized(&mut book, lot, "5").unwrap();
    assert!(same.changes.is_empty());
    let late = edited(&mut book.clone(), 10, id, &quantity(&book, lot, "6"));
    assert_eq!(late.unwrap_err().reason(), "PACKAGE_EXPIRED");
}

#[test]
fn fewer_credits_take_what_is_available_and_never_what_is_used_or_held() {
    let (mut book, _, lot, id) = lessons();
    let refusal = resized(&mut book, lot, "1.5");
    assert_eq!(refusal.unwrap_err().reason(), "INSUFFICIENT_CREDITS");
    let amended = resized(&mut book, lot, "2").unwrap();
    assert_eq!(told(&amended.posting), [tale("adjust", lot, "1", 334)]);
    let fine = resized(&mut book, lot, "2.55");
    assert_eq!(fine.unwrap_err().reason(), "AMOUNT_TOO_FINE");
    let mut other = quantity(&book, lot, "2");
    other.quantities[0].0 = LineId::generate(start());
    let other = edited(&mut book, 2, id, &other);
    assert_eq!(other.unwrap_err().reason(), "LINE_NOT_IN_PACKAGE");
}

#[test]
fn a_price_changes_the_value_of_what_is_unused_or_is_refused() {
    let (mut book, _, lot, id) = lessons();
    let amended = edited(&mut book, 2, id, &price(800)).unwrap();
    assert_eq!(told(&amended.posting), [tale("revalue", lot, "0", 200)]);
    assert_eq!(book.pools(lot).unused, 467);
    assert_eq!(book.package(id).net_price_minor, 800);
    let refusal = edited(&mut book, 2, id, &price(332)).unwrap_err();
    let expected = Refusal::NothingToRevalue {
        unused_minor: 467,
        change_minor: -468,
    };
    assert_eq!(refusal, expected);
    assert!(
        edited(&mut book, 2, id, &price(800))
            .unwrap()
            .changes
            .is_empty()
    );
}

#[test]
fn an_end_is_moved_earlier_but_not_below_now() {
    let (book, _, _, id) = lessons();
    let with = |hours: i64, end: i64| {
        let change = Edit {
            expires_at: Some(at(end)),
            ..Edit::default()
        };
        edited(&mut book.clone(), hours, id, &change)
    };
    let amended = with(2, 5).unwrap();
    assert_eq!(amended.package.expires_at, Some(at(5)));
    assert_eq!(amended.package.expiry_epoch, 1);
    assert_eq!(amended.changes[0].kind, ChangeKind::Shortened);
    assert_eq!(with(2, 10).unwrap_err().reason(), "EXPIRY_NOT_EARLIER");
    assert_eq!(with(2, 2).unwrap_err().reason(), "EXPIRY_NOT_LATER");
    assert_eq!(with(10, 11).unwrap_err().reason(), "PACKAGE_EXPIRED");
}

#[test]
fn what_is_known_of_a_package_changes_with_its_old_value_on_record() {
    let (mut book, _, lot, id) = lessons();
    let change = Edit {
        external_id: Some(Some("P-7".to_owned())),
        priority: Some(-3),
        ..Edit::default()
    };
    let amended = edited(&mut book, 2, id, &change).unwrap();
    let told: Vec<_> = amended
        .changes
        .iter()
        .map(|it| (&it.old, &it.new))
        .collect();
    let names = (
        Value::ExternalId(None),
        Value::ExternalId(Some("P-7".to_owned())),
    );
    let priorities = (Value::Priority(0), Value::Priority(-3));
    assert_eq!(told, [(&names.0, &names.1), (&priorities.0, &priorities.1)]);
    assert_eq!(book.lots[&lot].priority, -3);
    book.revoke(3, id);
    let refusal = edited(&mut book, 4, id, &change).unwrap_err();
    assert_eq!(refusal, Refusal::PackageRevoked { package_id: id });
}
