//! The rules of undoing a use, and of moving it (semantics 22, 27).

use crate::domain::decide::*;
use crate::domain::entry::About;
use crate::domain::line::{ItemFacts, Subject};
use crate::domain::part::Portion;
use crate::domain::refusal::CountedIn;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line, line_for, stamp};
use crate::ids::{CustomerId, LotId, PackageId, UserId};

/// Three lessons for 10.00.
fn three_lessons(package: Package) -> (Book, ItemFacts, LotId) {
    let swim = item();
    let mut book = Book::default();
    let lots = book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
    (book, swim, lots[0])
}

fn relocate(posting_id: Uuid, to: &[PackageId], item: Option<&ItemFacts>) -> Command {
    Command::Move(Move {
        posting_id,
        package_ids: to.to_vec(),
        item: item.cloned(),
    })
}

#[test]
fn what_is_undone_goes_back_with_the_value_that_it_carried() {
    let (mut book, swim, lot) = three_lessons(package());
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let second = book.act(2, Command::Consume(units(&swim, "1"))).unwrap();
    assert_eq!(told(&second), [tale("consume", lot, "1", 334)]);
    let posting = book.act(3, reverse(second.id, Portion::All)).unwrap();
    assert_eq!(told(&posting), [tale("reverse", lot, "1", 334)]);
    assert_eq!(posting.entries[0].undoes, Some(second.entries[0].key));
    assert_eq!(posting.entries[0].about.item_id, Some(swim.id));
    assert_eq!(posting.entries[0].effective_at, at(3));
    assert_eq!(book.pools(lot).unused, 667);
}

#[test]
fn a_use_is_undone_in_parts_and_the_last_carries_the_rest_to_the_cent() {
    for portion in [of_units("1"), of_credits("1")] {
        let (mut book, swim, lot) = three_lessons(package());
        let used = book.act(1, Command::Consume(units(&swim, "3"))).unwrap();
        let mut undo = |portion| {
            let posting = book.act(2, reverse(used.id, portion)).unwrap();
            assert_eq!(posting.entries[0].about.units, Some(credits("1")));
            told(&posting)
        };
        assert_eq!(undo(portion), [tale("reverse", lot, "1", 333)]);
        assert_eq!(undo(portion), [tale("reverse", lot, "1", 334)]);
        assert_eq!(undo(Portion::All), [tale("reverse", lot, "1", 333)]);
        let nothing = Refusal::NothingToReverse {
            posting_id: used.id,
        };
        for portion in [Portion::All, portion] {
            assert_eq!(book.act(3, reverse(used.id, portion)), Err(nothing.clone()));
        }
        assert_eq!(book.pools(lot).unused, 1_000);
    }
}

#[test]
fn never_more_is_undone_than_was_used() {
    let (mut book, swim, _) = three_lessons(package());
    let used = book.act(1, Command::Consume(units(&swim, "3"))).unwrap();
    book.act(2, reverse(used.id, of_units("1"))).unwrap();
    let exceeds = |requested, counted_in| Refusal::ReversalExceedsUse {
        left: credits("2"),
        requested: credits(requested),
        counted_in,
    };
    assert_eq!(
        book.act(3, reverse(used.id, of_units("2.1"))),
        Err(exceeds("2.1", CountedIn::Units))
    );
    assert_eq!(
        book.act(3, reverse(used.id, of_credits("3"))),
        Err(exceeds("3", CountedIn::Credits))
    );
    let finer = book
        .act(3, reverse(used.id, of_credits("0.25")))
        .unwrap_err();
    assert_eq!(finer.reason(), "AMOUNT_TOO_FINE");
    book.act(3, reverse(used.id, of_units("2"))).unwrap();
}

#[test]
fn lots_get_back_in_the_reverse_order_of_the_posting() {
    let swim = item();
    let line = line_for(&swim);
    let mut book = Book::default();
    let soon = book.sell(package_until(50), &[(&line, "2", 200)])[0];
    let late = book.sell(package_until(90), &[(&line, "4", 800)])[0];
    let used = book.act(1, Command::Consume(units(&swim, "5"))).unwrap();
    let part = book.act(2, reverse(used.id, of_units("4"))).unwrap();
    let expected = [
        tale("reverse", late, "3", 600),
        tale("reverse", soon, "1", 100),
    ];
    assert_eq!(told(&part), expected);
    let rest = book.act(3, reverse(used.id, Portion::All)).unwrap();
    assert_eq!(told(&rest), [tale("reverse", soon, "1", 100)]);
}

#[test]
fn a_unit_of_two_lots_is_undone_as_one() {
    let flight = item();
    let line = line(&[(Subject::Item(flight.id), "2")]);
    let mut book = Book::default();
    let lots = book.sell(package(), &[(&line, "1", 0), (&line, "4", 400)]);
    let (given, paid) = (lots[0], lots[1]);
    let used = book.act(1, Command::Consume(units(&flight, "2"))).unwrap();
    let mut by_units = book.clone();
    let second = by_units.act(2, reverse(used.id, of_units("1"))).unwrap();
    assert_eq!(told(&second), [tale("reverse", paid, "2", 200)]);
    let first = by_units.act(3, reverse(used.id, of_units("1"))).unwrap();
    let expected = [
        tale("reverse", paid, "1", 100),
        tale("reverse", given, "1", 0),
    ];
    assert_eq!(told(&first), expected);
    // Half of the unit is left, and counts as half when it is used again.
    book.act(2, reverse(used.id, of_credits("3"))).unwrap();
    let again = book.act(3, relocate(used.id, &[], Some(&flight))).unwrap();
    let consumed = again.entries.last().unwrap();
    assert_eq!(consumed.about.units, Some(credits("0.5")));
    assert_eq!(consumed.amount, credits("1"));
}

#[test]
fn units_are_undone_exactly_where_credits_were_undone_before() {
    let flight = item();
    let line = line(&[(Subject::Item(flight.id), "3")]);
    let mut book = Book::default();
    let lot = book.sell(package(), &[(&line, "9", 900)])[0];
    let used = book.act(1, Command::Consume(units(&flight, "3"))).unwrap();
    book.act(2, reverse(used.id, of_credits("1"))).unwrap();
    let unit = book.act(3, reverse(used.id, of_units("2"))).unwrap();
    assert_eq!(told(&unit), [tale("reverse", lot, "6", 600)]);
    let more = book.act(3, reverse(used.id, of_units("1"))).unwrap_err();
    assert_eq!(more, Refusal::UnitsTooFine);
}

#[test]
fn what_was_used_by_hand_is_not_undone_in_units() {
    let (mut book, ..) = three_lessons(package());
    let used = book.act(1, Command::Consume(by_hand("2"))).unwrap();
    let refusal = book.act(2, reverse(used.id, of_units("1"))).unwrap_err();
    assert_eq!(refusal, Refusal::NotCountedInUnits);
    book.act(2, reverse(used.id, of_credits("1"))).unwrap();
}

#[test]
fn a_captured_hold_is_undone_with_its_excess_first() {
    let (mut book, swim, lot) = three_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "1"), None)).unwrap());
    let command = Command::Capture(Capture {
        hold_id: id,
        portion: of_units("3"),
        delivered_at: None,
        excess: Some(Some(swim)),
    });
    let captured = book.act(2, command).unwrap();
    let part = book.act(3, reverse(captured.id, of_units("1"))).unwrap();
    assert_eq!(part.entries[0].undoes, Some(captured.entries[1].key));
    book.act(4, reverse(captured.id, Portion::All)).unwrap();
    assert_eq!(book.pools(lot).unused, 1_000);
    assert_eq!(book.balances(lot).available, credits("3"));
}

#[test]
fn only_what_a_command_used_is_undone_not_what_time_had_caused() {
    let (mut book, swim, lot) = three_lessons(package());
    book.act(1, hold_to_capture(units(&swim, "1"), 5)).unwrap();
    let used = book.act(6, Command::Consume(units(&swim, "1"))).unwrap();
    assert_eq!(used.entries.len(), 2);
    let posting = book.act(7, reverse(used.id, Portion::All)).unwrap();
    assert_eq!(told(&posting), [tale("reverse", lot, "1", 334)]);
    assert_eq!(book.balances(lot).consumed, credits("1"));
}

#[test]
fn what_a_time_out_captured_is_undone_by_the_posting_that_held_it() {
    for is_written_before in [true, false] {
        let (mut book, swim, lot) = three_lessons(package());
        let placed = hold_to_capture(units(&swim, "2"), 5);
        let placed = book.act(1, placed).unwrap().id;
        book.act(2, hold_to_capture(units(&swim, "1"), 5)).unwrap();
        let early = book.act(4, reverse(placed, Portion::All)).unwrap_err();
        assert_eq!(early.reason(), "NOTHING_TO_REVERSE");
        if is_written_before {
            book.settle(at(6));
        }
        let mut undo = |portion| {
            let posting = book.act(7, reverse(placed, portion))?;
            let entry = posting.entries.last().unwrap();
            assert_eq!(entry.about.hold_id, Some(placed));
            Ok(told(&posting).into_iter().next_back().unwrap())
        };
        assert_eq!(undo(of_units("1")), Ok(tale("reverse", lot, "1", 333)));
        assert_eq!(undo(Portion::All), Ok(tale("reverse", lot, "1", 334)));
        let nothing = Refusal::NothingToReverse { posting_id: placed };
        assert_eq!(undo(Portion::All), Err(nothing));
        // The other hold's time-out is another use.
        assert_eq!(book.balances(lot).consumed, credits("1"));
    }
}

#[test]
fn what_a_time_out_freed_was_not_used_and_is_not_undone() {
    let (mut book, swim, _) = three_lessons(package());
    let placed = book.act(1, hold(units(&swim, "2"), Some(5))).unwrap().id;
    let nothing = Refusal::NothingToReverse { posting_id: placed };
    let undo = |book: &mut Book| book.act(7, reverse(placed, Portion::All));
    assert_eq!(undo(&mut book), Err(nothing.clone()));
    book.settle(at(6));
    assert_eq!(undo(&mut book), Err(nothing));
}

#[test]
fn what_a_capture_freed_was_not_used_and_is_not_undone() {
    let (mut book, swim, lot) = three_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "3"), None)).unwrap());
    let captured = book.act(2, capture(id, of_units("1"))).unwrap().id;
    let undone = book.act(3, reverse(captured, Portion::All)).unwrap();
    assert_eq!(told(&undone), [tale("reverse", lot, "1", 333)]);
}

#[test]
fn what_is_undone_says_what_the_use_was_about() {
    let (mut book, swim, _) = three_lessons(package());
    let consume = Consume {
        consumed_by: Some(UserId::generate(at(0))),
        ..units(&swim, "2")
    };
    let used = book.act(1, Command::Consume(consume)).unwrap();
    let undone = book.act(2, reverse(used.id, of_units("1"))).unwrap();
    let expected = About {
        units: Some(credits("1")),
        ..used.entries[0].about
    };
    assert_eq!(undone.entries[0].about, expected);
    assert!(expected.consumed_by.is_some());
}

#[test]
fn a_use_of_an_item_that_is_no_longer_offered_is_moved() {
    let (mut book, swim, _) = three_lessons(package());
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap().id;
    let other = package();
    let second = book.sell(other.clone(), &[(&line_for(&swim), "4", 400)])[0];
    let gone = ItemFacts {
        active: false,
        ..swim
    };
    book.act(3, relocate(used, &[other.id], Some(&gone)))
        .unwrap();
    assert_eq!(book.balances(second).consumed, credits("1"));
}

#[test]
fn what_used_nothing_cannot_be_undone() {
    let (mut book, swim, _) = three_lessons(package());
    let placed = book.act(1, hold(units(&swim, "1"), None)).unwrap();
    let refusal = book.act(2, reverse(placed.id, Portion::All)).unwrap_err();
    assert_eq!(refusal.reason(), "NOTHING_TO_REVERSE");
    let refusal = book.act(2, reverse(stamp(9).posting_id, Portion::All));
    assert_eq!(refusal.unwrap_err().reason(), "NOT_FOUND");
}

#[test]
fn what_goes_back_into_a_revoked_package_is_revoked_at_once() {
    let (mut book, swim, lot) = three_lessons(package());
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    book.revoke(2, book.lots[&lot].package_id);
    let posting = book.act(3, reverse(used.id, Portion::All)).unwrap();
    let expected = [
        tale("reverse", lot, "1", 333),
        tale("revoke", lot, "1", 333),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(book.pools(lot).revoked, 1_000);
}

#[test]
fn what_goes_back_into_a_moved_lot_follows_it() {
    let (mut book, swim, lot) = three_lessons(package());
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let second = book.transfer(2, lot, package());
    let third = book.transfer(3, second, package());
    let posting = book.act(4, reverse(used.id, Portion::All)).unwrap();
    let expected = [
        tale("reverse", lot, "1", 333),
        tale("transfer", lot, "1", 333),
        tale("transfer", second, "1", 333),
        tale("transfer", second, "1", 333),
        tale("transfer", third, "1", 333),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(book.balances(third).available, credits("3"));
    assert_eq!(book.pools(third).unused, 1_000);
    assert_eq!(book.pools(lot).transferred, 1_000);
}

#[test]
fn a_use_is_moved_to_another_package_in_one_posting() {
    let (mut book, swim, lot) = three_lessons(package_until(50));
    let other = package_until(90);
    let line = line_for(&swim);
    let second = book.sell(other.clone(), &[(&line, "4", 400)])[0];
    let used = book.act(2, Command::Consume(units(&swim, "2"))).unwrap();
    let inactive = ItemFacts {
        active: false,
        ..swim
    };
    let command = relocate(used.id, &[other.id], Some(&inactive));
    let posting = book.act(5, command).unwrap();
    let expected = [
        tale("reverse", lot, "2", 667),
        tale("consume", second, "2", 200),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[0].undoes, Some(used.entries[0].key));
    assert_eq!(
        posting.entries[1].effective_at,
        at(2),
        "when it was delivered"
    );
    assert_eq!(posting.entries[1].about.units, Some(credits("2")));
    let again = book.act(6, relocate(used.id, &[], None)).unwrap_err();
    assert_eq!(again.reason(), "NOTHING_TO_REVERSE");
}

#[test]
fn what_is_left_of_a_use_by_hand_is_moved() {
    let (mut book, swim, lot) = three_lessons(package());
    let used = book.act(1, Command::Consume(by_hand("3"))).unwrap();
    book.act(2, reverse(used.id, of_credits("1"))).unwrap();
    let other = package();
    let second = book.sell(other.clone(), &[(&line_for(&swim), "4", 400)])[0];
    let posting = book.act(3, relocate(used.id, &[other.id], None)).unwrap();
    let expected = [
        tale("reverse", lot, "2", 667),
        tale("consume", second, "2", 200),
    ];
    assert_eq!(told(&posting), expected);
}

#[test]
fn a_move_that_cannot_be_paid_is_refused_and_leaves_nothing() {
    let (mut book, swim, lot) = three_lessons(package());
    let other = package_until(90);
    let line = line_for(&swim);
    book.sell(other.clone(), &[(&line, "1", 100)]);
    let used = book.act(1, Command::Consume(units(&swim, "3"))).unwrap();
    let entries = book.entries.len();
    let command = relocate(used.id, &[other.id], Some(&swim));
    // The package that is to pay has the two that the use took beyond it, and one more.
    let refusal = Refusal::InsufficientCredits {
        available: credits("1"),
        requested: credits("3"),
        counted_in: CountedIn::Units,
    };
    let paid_by_other = used.entries.iter().any(|entry| entry.lot_id != lot);
    assert!(paid_by_other, "the package that ends pays first");
    assert_eq!(book.act(2, command), Err(refusal));
    assert_eq!(book.entries.len(), entries);
    let ended = relocate(used.id, &[other.id], Some(&swim));
    let refusal = book.act(91, ended).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_EXPIRED");
}

#[test]
fn what_one_used_who_was_merged_is_moved_for_who_took_its_place() {
    let (mut book, swim, lot) = three_lessons(package());
    let used = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let survivor = CustomerId::generate(at(2));
    book.lots.get_mut(&lot).unwrap().customer_id = survivor;
    let command = relocate(used.id, &[], None);
    let mut facts = book.facts(&command);
    let refused = decide(&facts, &command, &stamp(3)).unwrap_err();
    assert_eq!(refused.reason(), "INSUFFICIENT_CREDITS");
    facts.survivor = Some(survivor);
    let again = decide(&facts, &command, &stamp(3)).unwrap();
    let customer_id = again.entries.last().unwrap().about.customer_id;
    assert_eq!(customer_id, Some(survivor));
}
