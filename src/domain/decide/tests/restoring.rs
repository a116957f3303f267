//! The rules of undoing a use whose package has ended meanwhile (semantics 22).

use crate::domain::decide::*;
use crate::domain::line::ItemFacts;
use crate::domain::lot::Origin;
use crate::domain::part::Portion;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for, stamp_at};
use crate::domain::validity::{ExpirySource, Validity};
use crate::ids::{LotId, SaleId};

/// Three lessons for 10.00 until the tenth hour, two of them used by two postings.
fn used_lessons() -> (Book, ItemFacts, LotId, Uuid, Uuid) {
    let swim = item();
    let mut book = Book::default();
    let lot = book.sell(package_until(10), &[(&line_for(&swim), "3", 1_000)])[0];
    let mut use_one = || book.act(1, Command::Consume(units(&swim, "1"))).unwrap().id;
    let (first, second) = (use_one(), use_one());
    (book, swim, lot, first, second)
}

fn restore(posting_id: Uuid, portion: Portion, until: i64) -> Command {
    let ids = (0..8).map(|_| stamp_at(at(12)).posting_id).collect();
    Command::Reverse(Reverse {
        posting_id,
        portion,
        meanwhile: Meanwhile::Restore {
            expires_at: at(until),
            ids,
        },
    })
}

#[test]
fn what_goes_back_into_an_ended_package_is_lost_at_once() {
    let (mut book, _, lot, first, _) = used_lessons();
    let posting = book.act(12, reverse(first, Portion::All)).unwrap();
    let expected = [
        tale("expire by time", lot, "1", 333),
        tale("reverse", lot, "1", 333),
        tale("expire", lot, "1", 333),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[0].effective_at, at(10));
    assert_eq!(posting.entries[2].effective_at, at(12));
}

#[test]
fn only_what_is_undone_is_restored_as_a_package_of_its_own() {
    let (mut book, swim, lot, first, second) = used_lessons();
    let posting = book.act(12, restore(second, Portion::All, 100)).unwrap();
    let made = posting.packages[0].clone();
    let new = posting.lots.iter().find(|found| found.id != lot).unwrap();
    let new_id = new.id;
    let expected = [
        tale("expire by time", lot, "1", 333),
        tale("reverse", lot, "1", 334),
        tale("transfer", lot, "1", 334),
        tale("transfer", new_id, "1", 334),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(made.came_from, Some(book.lots[&lot].package_id));
    assert_eq!(made.expires_at, Some(at(100)));
    assert_eq!(made.validity, Validity::Until(at(100).date_naive()));
    assert_eq!((made.price_minor, made.sale_id), (0, None));
    assert_eq!(new.origin, Origin::Transferred);
    assert_eq!(new.issued, book.lots[&lot].issued);
    assert_eq!((new.fold.basis.value, new.fold.pools.unused), (334, 334));
    assert_eq!(
        book.balances(lot).expired,
        credits("1"),
        "the rest stays lost"
    );
    // It is used like any other, and a second undoing makes another one.
    book.act(13, Command::Consume(units(&swim, "1"))).unwrap();
    let posting = book.act(14, restore(first, Portion::All, 90)).unwrap();
    assert_ne!(posting.packages[0].id, made.id);
    assert_eq!(book.pools(lot).consumed, 0);
}

#[test]
fn a_restored_package_is_like_the_ended_one_but_begins_anew() {
    let swim = item();
    let ended = Package {
        external_id: Some("A-7".to_owned()),
        sale_id: Some(SaleId::generate(at(0))),
        list_price_minor: 1_200,
        price_minor: 1_220,
        net_price_minor: 1_000,
        priority: 7,
        quarantine_days: Some(9),
        expiry_source: ExpirySource::Template,
        expiry_epoch: 3,
        change_seq: 4,
        version: 5,
        ..package_from_first_use(10, None)
    };
    let mut book = Book::default();
    let lot = book.sell(ended, &[(&line_for(&swim), "3", 1_000)])[0];
    let used = book.act(1, Command::Consume(units(&swim, "2"))).unwrap().id;
    book.act(2, hold(units(&swim, "1"), Some(900))).unwrap();
    let ended = book.package(book.lots[&lot].package_id).clone();
    assert!(ended.first_used_on.is_some());
    let posting = book.act(500, restore(used, Portion::All, 600)).unwrap();
    let made = &posting.packages[0];
    let expected = Package {
        id: made.id,
        external_id: None,
        sale_id: None,
        came_from: Some(ended.id),
        list_price_minor: 0,
        price_minor: 0,
        net_price_minor: 0,
        validity: Validity::Until(at(600).date_naive()),
        expiry_source: ExpirySource::Sale,
        expires_at: Some(at(600)),
        counts_from_first_use: false,
        first_used_on: None,
        expiry_epoch: 0,
        change_seq: 0,
        created_at: at(500),
        version: 0,
        ..ended
    };
    assert_eq!(*made, expected);
    let new = posting.lots.iter().find(|found| found.id != lot).unwrap();
    assert_eq!((new.created_at, new.version), (at(500), 0));
    assert_eq!(new.next_timeout_at, None, "what is held stays where it is");
    assert_eq!(new.terms, made.terms());
}

#[test]
fn lots_of_one_package_are_restored_into_one_package() {
    let swim = item();
    let line = line_for(&swim);
    let mut book = Book::default();
    book.sell(package_until(10), &[(&line, "1", 0), (&line, "2", 200)]);
    book.sell(package_until(11), &[(&line, "1", 100)]);
    let used = book.act(1, Command::Consume(units(&swim, "4"))).unwrap();
    let posting = book.act(12, restore(used.id, Portion::All, 100)).unwrap();
    assert_eq!(posting.packages.len(), 2);
    let new = book
        .lots
        .values()
        .filter(|lot| lot.origin == Origin::Transferred);
    let mut sizes: Vec<_> = posting
        .packages
        .iter()
        .map(|made| new.clone().filter(|lot| lot.package_id == made.id).count())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
}

#[test]
fn nothing_is_restored_where_the_package_has_not_ended() {
    let (book, _, lot, first, _) = used_lessons();
    let mut before = book.clone();
    let posting = before.act(9, restore(first, Portion::All, 100)).unwrap();
    assert_eq!(told(&posting), [tale("reverse", lot, "1", 333)]);
    assert!(posting.packages.is_empty());
    let mut at_the_end = book.clone();
    let posting = at_the_end
        .act(10, restore(first, Portion::All, 100))
        .unwrap();
    assert_eq!(posting.packages.len(), 1);
    let mut revoked = book;
    revoked.revoke(2, revoked.lots[&lot].package_id);
    let posting = revoked.act(12, restore(first, Portion::All, 100)).unwrap();
    assert!(posting.packages.is_empty());
    assert_eq!(revoked.balances(lot).revoked, credits("2"));
}

#[test]
fn what_was_moved_is_restored_from_where_it_was_moved_to() {
    let swim = item();
    let mut book = Book::default();
    let lot = book.sell(package(), &[(&line_for(&swim), "3", 1_000)])[0];
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap().id;
    let moved = package_until(10);
    let second = book.transfer(2, lot, moved.clone());
    let posting = book.act(12, restore(used, Portion::All, 100)).unwrap();
    assert_eq!(posting.packages[0].came_from, Some(moved.id));
    assert_eq!(book.balances(second).expired, credits("2"));
    let new = book
        .lots
        .values()
        .find(|lot| lot.package_id == posting.packages[0].id);
    assert_eq!(new.unwrap().available(), credits("1"));
    assert_eq!(new.unwrap().fold.pools.unused, 333);
}

#[test]
fn what_was_moved_to_a_package_that_was_revoked_is_revoked_not_restored() {
    let swim = item();
    let mut book = Book::default();
    let lot = book.sell(package(), &[(&line_for(&swim), "3", 1_000)])[0];
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap().id;
    let moved = package_until(10);
    let second = book.transfer(2, lot, moved.clone());
    book.revoke(3, moved.id);
    let posting = book.act(12, restore(used, Portion::All, 100)).unwrap();
    assert!(posting.packages.is_empty());
    assert_eq!(book.balances(second).revoked, credits("3"));
}

#[test]
fn a_restored_package_ends_later_than_now() {
    let (mut book, _, _, first, _) = used_lessons();
    for until in [11, 12] {
        let refusal = Refusal::ExpiryNotLater {
            old: at(12),
            new: at(until),
        };
        assert_eq!(
            book.act(12, restore(first, Portion::All, until)),
            Err(refusal)
        );
    }
    book.act(12, restore(first, Portion::All, 13)).unwrap();
}
