//! The rules of undoing a sale (semantics 23).

use super::*;
use crate::domain::amend::Amended;
use crate::domain::decide::Command;
use crate::domain::line::ItemFacts;
use crate::domain::package::{Package, Status};
use crate::domain::part::Portion;
use crate::domain::posting::Draft;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for, stamp};
use crate::ids::PackageId;

/// Three lessons for 10.00.
fn lessons(package: Package) -> (Book, ItemFacts, LotId, PackageId) {
    let swim = item();
    let mut book = Book::default();
    let id = package.id;
    let lot = book.sell(package, &[(&line_for(&swim), "3", 1_000)])[0];
    (book, swim, lot, id)
}

fn taken_back(book: &mut Book, hours: i64, id: PackageId) -> Result<Amended, Refusal> {
    book.amend(hours, id, take_back)
}

#[test]
fn semantics_23_what_was_sold_by_mistake_goes_back_and_is_no_breakage() {
    let (mut book, swim, lot, id) = lessons(package_until(10));
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    book.act(2, reverse(used.id, Portion::All)).unwrap();
    let amended = taken_back(&mut book, 3, id).unwrap();
    assert_eq!(told(&amended.posting), [tale("adjust", lot, "3", 1_000)]);
    assert_eq!(amended.changes[0].kind, ChangeKind::SaleUndone);
    let (balances, pools) = (book.balances(lot), book.pools(lot));
    assert_eq!(balances.total(), Some(credits("0")));
    assert_eq!((pools.unused, pools.expired, pools.revoked), (0, 0, 0));
    let lots: Vec<_> = book.lots.values().cloned().collect();
    assert_eq!(book.package(id).status(&lots, at(3)), Status::Revoked);
    assert!(book.settle(at(11)).entries.is_empty());
    let again = taken_back(&mut book, 4, id).unwrap_err();
    assert_eq!(again, Refusal::PackageRevoked { package_id: id });
}

#[test]
fn a_sale_of_which_something_was_used_or_is_held_or_has_ended_stays() {
    let (mut book, swim, _, id) = lessons(package_until(10));
    let used = |[consumed, held, moved]: [&str; 3]| {
        Refusal::from(CannotAmend::SaleUsed {
            package_id: id,
            consumed: credits(consumed),
            held: credits(held),
            moved: credits(moved),
        })
    };
    let held = hold_of(&book.act(1, hold(units(&swim, "2"), None)).unwrap());
    let refusal = taken_back(&mut book, 2, id).unwrap_err();
    assert_eq!(refusal, used(["0", "2", "0"]));
    book.act(2, capture(held, of_credits("1"))).unwrap();
    let refusal = taken_back(&mut book, 3, id).unwrap_err();
    assert_eq!(refusal, used(["1", "0", "0"]));
    let (mut ended, _, _, id) = lessons(package_until(10));
    let refusal = taken_back(&mut ended, 10, id).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_EXPIRED");
}

#[test]
fn the_packages_of_one_posting_are_taken_back_one_after_the_other() {
    let (mut book, swim, first, one) = lessons(package_from_first_use(10, None));
    let other = package_until(50);
    let two = other.id;
    let second = book.sell(other, &[(&line_for(&swim), "2", 500)])[0];
    // The time-out of this hold stops the clock of the first package only.
    let mut named = units(&swim, "1");
    named.package_ids = vec![one];
    book.act(1, hold(named, Some(2))).unwrap();
    let stamp = stamp(3);
    let (lots, holds) = (book.lots.values().cloned(), book.holds.values().cloned());
    let draft = Draft::with_holds(&stamp, lots, holds);
    let mut amendment = Amendment::begin(book.package(one), draft).unwrap();
    take_back(&mut amendment).unwrap();
    let (package, changes, draft) = amendment.hand_on();
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::ClockStopped, ChangeKind::SaleUndone]);
    assert_eq!(package.first_used_on, None);
    let mut amendment = Amendment::begin(book.package(two), draft).unwrap();
    take_back(&mut amendment).unwrap();
    let (_, changes, draft) = amendment.hand_on();
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::SaleUndone]);
    let expected = [
        tale("time_out by time", first, "1", 0),
        tale("adjust", first, "3", 1_000),
        tale("adjust", second, "2", 500),
    ];
    assert_eq!(told(&draft.close()), expected);
}

/// What stays charged of a package, and what taking the rest back did.
fn kept(
    book: &mut Book,
    hours: i64,
    id: PackageId,
    used: UsedPart,
) -> Result<(i64, Amended), Refusal> {
    let mut kept = 0;
    let amended = book.amend(hours, id, |it| {
        kept = take_back_unused(it, used)?;
        Ok(())
    })?;
    Ok((kept, amended))
}

#[test]
fn c2_what_was_used_or_has_expired_stays_charged_if_the_caller_wants_that() {
    let (mut book, swim, lot, id) = lessons(package_until(10));
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let refusal = kept(&mut book, 2, id, UsedPart::Refused).unwrap_err();
    assert_eq!(refusal.reason(), "SALE_USED");
    let (charged, amended) = kept(&mut book, 2, id, UsedPart::Charged).unwrap();
    assert_eq!(charged, 333);
    let expected = [tale("adjust", lot, "2", 667)];
    assert_eq!(told(&amended.posting), expected);
    // Asked again, there is nothing more to take back.
    let (again, amended) = kept(&mut book, 3, id, UsedPart::Charged).unwrap();
    assert_eq!((again, told(&amended.posting).len()), (333, 0));
    let (mut ended, _, _, id) = lessons(package_until(10));
    let (charged, _) = kept(&mut ended, 10, id, UsedPart::Charged).unwrap();
    assert_eq!(charged, 1_000);
}

#[test]
fn c2_what_was_taken_away_before_is_not_taken_back_unless_something_was_used() {
    let (mut book, swim, lot, id) = lessons(package());
    let (nothing, amended) = kept(&mut book.clone(), 2, id, UsedPart::Refused).unwrap();
    let expected = [tale("adjust", lot, "3", 1_000)];
    assert_eq!((nothing, told(&amended.posting)), (0, expected.to_vec()));
    let mut taken_away = book.clone();
    taken_away.revoke(1, id);
    let (nothing, amended) = kept(&mut taken_away, 2, id, UsedPart::Refused).unwrap();
    assert_eq!((nothing, told(&amended.posting)), (0, Vec::new()));
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    book.revoke(2, id);
    let refusal = kept(&mut book, 3, id, UsedPart::Refused).unwrap_err();
    assert_eq!(refusal.reason(), "SALE_USED");
}

#[test]
fn c2_a_package_that_holds_credits_is_not_taken_back_even_if_what_was_used_is_charged() {
    let (mut book, swim, _, id) = lessons(package());
    book.act(1, hold(units(&swim, "1"), None)).unwrap();
    let refusal = kept(&mut book, 2, id, UsedPart::Charged).unwrap_err();
    assert_eq!(refusal.reason(), "SALE_USED");
}
