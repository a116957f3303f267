//! The rules of moving a package to another customer (semantics 22 and 25).

use uuid::Uuid;

use super::*;
use crate::domain::amend::Amended;
use crate::domain::decide::{Adjust, Adjustment, Command};
use crate::domain::extend::{Extension, extend};
use crate::domain::freeze::freeze;
use crate::domain::line::ItemFacts;
use crate::domain::package::Status;
use crate::domain::part::Portion;
use crate::domain::revoke::revoke;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, customer, item, line_for};

fn somebody_else() -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(2))
}

/// Three lessons for 10.00, one of which was used.
fn lessons(package: Package) -> (Book, ItemFacts, LotId, PackageId, Uuid) {
    let swim = item();
    let mut book = Book::default();
    let id = package.id;
    let lot = book.sell(package, &[(&line_for(&swim), "3", 1_000)])[0];
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    (book, swim, lot, id, used.id)
}

fn handed(book: &mut Book, hours: i64, id: PackageId) -> Result<Amended, Refusal> {
    book.amend(hours, id, |amendment| {
        hand_over(amendment, somebody_else(), Consent::Given)
    })
}

fn new_package(amended: &Amended) -> &Package {
    &amended.posting.packages[0]
}

/// The lot that a lot was moved to.
fn followed(book: &Book, lot: LotId) -> LotId {
    book.lots[&lot].transferred_to.unwrap()
}

#[test]
fn semantics_25_all_that_is_available_is_moved_with_its_value_its_unit_value_and_its_end() {
    let shareable = Package {
        share_max: 3,
        ..package_until(10)
    };
    let (mut book, _, lot, id, _) = lessons(shareable);
    let amended = handed(&mut book, 2, id).unwrap();
    let to = followed(&book, lot);
    let expected = [
        tale("transfer", lot, "2", 667),
        tale("transfer", to, "2", 667),
    ];
    assert_eq!(told(&amended.posting), expected);
    let received = new_package(&amended);
    assert_eq!(received.came_from, Some(id));
    assert_eq!(received.customer_id, somebody_else());
    assert_eq!(received.expires_at, Some(at(10)));
    assert_eq!((received.sale_id, received.price_minor), (None, 0));
    assert_eq!(received.share_max, 1);
    let moved = &book.lots[&to];
    assert_eq!(moved.issued, book.lots[&lot].issued);
    assert_eq!(moved.customer_id, somebody_else());
    let old = book.package(id);
    assert_eq!(
        (old.transferred_at, old.transferred_to),
        (Some(at(2)), Some(received.id))
    );
    let lots: Vec<_> = book
        .lots
        .values()
        .filter(|lot| lot.package_id == id)
        .cloned()
        .collect();
    assert_eq!(old.status(&lots, at(2)), Status::Transferred);
    let told = &amended.changes[0];
    assert_eq!(told.kind, ChangeKind::Transferred);
    let old = Owner {
        customer_id: customer(),
        package_id: id,
    };
    assert_eq!(told.old, Value::Owner(old));
}

#[test]
fn semantics_22_what_is_undone_later_follows_also_into_a_line_of_which_nothing_was_left() {
    let (mut book, swim, lot, id, used) = lessons(package());
    let yoga = item();
    let stretch = crate::domain::extend::NewLot {
        origin: crate::domain::lot::Origin::Added,
        ..new_lot(&line_for(&yoga), "1", 0)
    };
    let other = stretch.id;
    book.amend(1, id, |amendment| {
        let package = amendment.package.clone();
        crate::domain::extend::issue(&mut amendment.draft, &package, stretch)
    })
    .unwrap();
    let stretched = book.act(1, Command::Consume(units(&yoga, "1"))).unwrap();
    let amended = handed(&mut book, 2, id).unwrap();
    let (to, empty) = (followed(&book, lot), followed(&book, other));
    let opening = tale("transfer", empty, "0", 0);
    assert!(told(&amended.posting).contains(&opening));
    let posting = book.act(3, reverse(used, Portion::All)).unwrap();
    let expected = [
        tale("reverse", lot, "1", 333),
        tale("transfer", lot, "1", 333),
        tale("transfer", to, "1", 333),
    ];
    assert_eq!(told(&posting), expected);
    book.act(3, reverse(stretched.id, Portion::All)).unwrap();
    assert_eq!(book.balances(to).available, credits("3"));
    assert_eq!(book.balances(empty).available, credits("1"));
    assert_eq!(book.balances(other).available, credits("0"));
    let late = Command::Consume(units(&swim, "1"));
    assert_eq!(
        book.act(4, late).unwrap_err().reason(),
        "INSUFFICIENT_CREDITS"
    );
}

#[test]
fn what_was_moved_can_be_moved_on_and_follows_all_the_way() {
    let (mut book, _, lot, id, used) = lessons(package());
    let second = new_package(&handed(&mut book, 2, id).unwrap()).id;
    let back = |amendment: &mut Amendment<'_>| hand_over(amendment, customer(), Consent::Given);
    book.amend(3, second, back).unwrap();
    book.act(4, reverse(used, Portion::All)).unwrap();
    let last = followed(&book, followed(&book, lot));
    assert_eq!(book.balances(last).available, credits("3"));
    assert_eq!(book.pools(last).unused, 1_000);
}

#[test]
fn a_clock_of_first_use_that_runs_has_set_the_end_for_good_and_one_that_waits_goes_on_waiting() {
    let (mut book, _, lot, id, used) = lessons(package_from_first_use(10, None));
    let end = book.package(id).expires_at;
    assert!(end.is_some());
    let received = new_package(&handed(&mut book, 2, id).unwrap()).clone();
    assert_eq!(
        (received.expires_at, received.counts_from_first_use),
        (end, false)
    );
    book.act(3, reverse(used, Portion::All)).unwrap();
    assert_eq!(book.lots[&followed(&book, lot)].terms.expires_at, end);

    let waiting = package_from_first_use(10, None);
    let id = waiting.id;
    book.sell(waiting, &[(&line_for(&item()), "3", 1_000)]);
    let received = new_package(&handed(&mut book, 2, id).unwrap()).clone();
    assert_eq!(
        (received.expires_at, received.counts_from_first_use),
        (None, true)
    );
}

#[test]
fn a_package_is_moved_only_with_consent_to_another_and_if_nothing_is_held() {
    let (mut book, swim, _, id, _) = lessons(package_until(10));
    let refused = |book: &Book, hours, receiver, consent| {
        let rule = |amendment: &mut Amendment<'_>| hand_over(amendment, receiver, consent);
        book.amended(at(hours), id, rule).unwrap_err().reason()
    };
    let other = somebody_else();
    assert_eq!(
        refused(&book, 2, other, Consent::Missing),
        "TRANSFER_NOT_ALLOWED"
    );
    assert_eq!(
        refused(&book, 2, customer(), Consent::Given),
        "TRANSFER_TO_OWNER"
    );
    assert_eq!(refused(&book, 10, other, Consent::Given), "PACKAGE_EXPIRED");
    let mut frozen = book.clone();
    let until = at(48).date_naive();
    let set_aside = |amendment: &mut Amendment<'_>| freeze(amendment, until, None).map(|_| ());
    frozen.amend(2, id, set_aside).unwrap();
    assert_eq!(refused(&frozen, 3, other, Consent::Given), "PACKAGE_FROZEN");
    let mut used_up = book.clone();
    used_up.act(2, Command::Consume(units(&swim, "2"))).unwrap();
    assert_eq!(
        refused(&used_up, 3, other, Consent::Given),
        "NOTHING_TO_TRANSFER"
    );
    let mut revoked = book.clone();
    revoked.revoke(2, id);
    assert_eq!(
        refused(&revoked, 3, other, Consent::Given),
        "PACKAGE_REVOKED"
    );
    book.act(2, hold(units(&swim, "1"), Some(4))).unwrap();
    assert_eq!(
        refused(&book, 3, other, Consent::Given),
        "PACKAGE_HOLDS_CREDITS"
    );
    handed(&mut book, 4, id).unwrap();
    assert_eq!(
        refused(&book, 5, other, Consent::Given),
        "PACKAGE_TRANSFERRED"
    );
}

#[test]
fn a_package_that_was_moved_away_is_neither_revoked_nor_extended() {
    let (mut book, _, _, id, _) = lessons(package_until(10));
    handed(&mut book, 2, id).unwrap();
    let take = |amendment: &mut Amendment<'_>| revoke(amendment).map(|_| ());
    let refusal = book.amend(3, id, take).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_TRANSFERRED");
    let extension = Extension {
        expires_at: at(50),
        quarantine_days: 30,
        force: false,
        bonuses: Vec::new(),
    };
    let refusal = book.amend(3, id, |amendment| extend(amendment, extension));
    assert_eq!(refusal.unwrap_err().reason(), "PACKAGE_TRANSFERRED");
}

#[test]
fn a_lot_of_which_nothing_can_be_moved_or_come_back_stays_behind() {
    let (swim, massage) = (item(), item());
    let (swimming, massages) = (line_for(&swim), line_for(&massage));
    let mut book = Book::default();
    let package = package();
    let package_id = package.id;
    let lots = book.sell(package, &[(&swimming, "3", 300), (&massages, "5", 500)]);
    let remove = Command::Adjust(Adjust {
        package_id,
        line_id: massages.id,
        adjustment: Adjustment::Remove(credits("5")),
    });
    book.act(1, remove).unwrap();
    handed(&mut book, 2, package_id).unwrap();
    assert!(book.lots[&lots[0]].transferred_to.is_some());
    assert_eq!(book.lots[&lots[1]].transferred_to, None);
}
