//! The rules of holds (semantics 11, 17 to 20).

use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::decide::*;
use crate::domain::entry::{About, EntryKind};
use crate::domain::hold::{HoldEnd, OnTimeOut};
use crate::domain::line::{ItemFacts, Line, Subject};
use crate::domain::part::Portion;
use crate::domain::refusal::CountedIn;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line, line_for};
use crate::ids::{HoldId, LotId, UserId};

/// Eight lessons for 120.00.
fn eight_lessons(package: Package) -> (Book, ItemFacts, LotId) {
    let swim = item();
    let mut book = Book::default();
    let lots = book.sell(package, &[(&line_for(&swim), "8", 12_000)]);
    (book, swim, lots[0])
}

/// A flight takes two credits: one was given, four were paid.
fn flights() -> (Book, ItemFacts, LotId, LotId) {
    let flight = item();
    let line: Arc<Line> = line(&[(Subject::Item(flight.id), "2")]);
    let mut book = Book::default();
    let lots = book.sell(package(), &[(&line, "1", 0), (&line, "4", 400)]);
    (book, flight, lots[0], lots[1])
}

fn capture_with(hold_id: HoldId, portion: Portion, item: Option<ItemFacts>) -> Command {
    Command::Capture(Capture {
        hold_id,
        portion,
        delivered_at: None,
        excess: Some(item),
    })
}

#[test]
fn a_hold_moves_no_value_and_nobody_else_gets_what_is_held() {
    let (mut book, swim, lot) = eight_lessons(package());
    let held = book.act(1, hold(units(&swim, "6"), None)).unwrap();
    assert_eq!(told(&held), [tale("hold", lot, "6", 0)]);
    assert_eq!(book.pools(lot).unused, 12_000);
    assert_eq!(book.balances(lot).available, credits("2"));
    let insufficient = Refusal::InsufficientCredits {
        available: credits("2"),
        requested: credits("3"),
        counted_in: CountedIn::Units,
    };
    let consume = Command::Consume(units(&swim, "3"));
    assert_eq!(book.act(1, consume), Err(insufficient.clone()));
    let another = hold(units(&swim, "3"), None);
    assert_eq!(book.act(1, another), Err(insufficient));
    book.act(1, Command::Consume(units(&swim, "2"))).unwrap();
}

#[test]
fn a_hold_says_who_for_what_and_where_it_came_from() {
    let (mut book, swim, lot) = eight_lessons(package());
    let mut taking = units(&swim, "2");
    taking.delivered_at = Some(at(48));
    let posting = book.act(1, hold(taking, Some(72))).unwrap();
    let placed = &posting.holds[0];
    assert_eq!(placed.id.uuid(), posting.id);
    assert_eq!(placed.item_id, Some(swim.id));
    assert_eq!(
        (placed.service_at, placed.times_out_at),
        (at(48), Some(at(72)))
    );
    let part = &placed.parts[0];
    assert_eq!((part.n, part.lot_id), (0, lot));
    assert_eq!((part.left, part.units), (credits("2"), Some(credits("2"))));
    let entry = &posting.entries[0];
    assert_eq!(entry.effective_at, at(1));
    assert_eq!(entry.about.hold_id, Some(posting.id));
    let captured = book.act(50, capture(placed.id, Portion::All)).unwrap();
    assert_eq!(captured.entries[0].effective_at, at(48));
    assert_eq!(captured.entries[0].about.hold_id, Some(posting.id));
    assert_eq!(captured.entries[0].about.units, Some(credits("2")));
    assert_eq!(captured.entries[0].about.item_id, Some(swim.id));
}

#[test]
fn every_movement_of_a_hold_says_what_it_is_about() {
    let (book, swim, _) = eight_lessons(package());
    let taking = Consume {
        consumed_by: Some(UserId::generate(at(0))),
        ..units(&swim, "4")
    };
    let about = |hold_id: HoldId, units| About {
        consumed_by: taking.consumed_by,
        customer_id: Some(taking.customer_id),
        item_id: Some(swim.id),
        units: Some(credits(units)),
        hold_id: Some(hold_id.uuid()),
        ..About::default()
    };
    let abouts = |posting: &Posting| -> Vec<_> {
        let entries = posting.entries.iter();
        entries.map(|entry| (entry.kind, entry.about)).collect()
    };
    let mut ended = book.clone();
    let placed = ended.act(1, hold(taking.clone(), None)).unwrap();
    let id = hold_of(&placed);
    assert_eq!(abouts(&placed), [(EntryKind::Hold, about(id, "4"))]);
    let captured = ended.act(2, capture(id, of_units("3"))).unwrap();
    let expected = [
        (EntryKind::Capture, about(id, "3")),
        (EntryKind::Release, about(id, "1")),
    ];
    assert_eq!(abouts(&captured), expected);
    for (command, kind) in [
        (hold(taking.clone(), Some(5)), EntryKind::TimeOut),
        (hold_to_capture(taking.clone(), 5), EntryKind::Capture),
    ] {
        let mut timed_out = book.clone();
        let id = hold_of(&timed_out.act(1, command).unwrap());
        let settled = timed_out.settle(at(5));
        assert_eq!(abouts(&settled), [(kind, about(id, "4"))]);
    }
}

#[test]
fn a_capture_of_all_uses_what_is_held() {
    let (mut book, swim, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "6"), None)).unwrap());
    let posting = book.act(2, capture(id, Portion::All)).unwrap();
    assert_eq!(told(&posting), [tale("capture", lot, "6", 9_000)]);
    assert_eq!(book.balances(lot).held, NOTHING);
    let ended = &book.holds[&id];
    assert_eq!(ended.ended, Some((HoldEnd::Captured, posting.id)));
    assert!(!ended.holds_in(lot));
}

#[test]
fn what_a_capture_leaves_goes_back_to_the_same_lots() {
    let swim = item();
    let line = line_for(&swim);
    let mut book = Book::default();
    let soon = book.sell(package_until(100), &[(&line, "3", 300)])[0];
    let late = book.sell(package_until(200), &[(&line, "8", 800)])[0];
    for portion in [of_units("2"), of_credits("2")] {
        let mut book = book.clone();
        let id = hold_of(&book.act(1, hold(units(&swim, "5"), None)).unwrap());
        let posting = book.act(2, capture(id, portion)).unwrap();
        let expected = [
            tale("capture", soon, "2", 200),
            tale("release", soon, "1", 0),
            tale("release", late, "2", 0),
        ];
        assert_eq!(told(&posting), expected);
        assert_eq!(book.balances(soon).available, credits("1"));
        assert_eq!(book.balances(late).available, credits("8"));
    }
}

#[test]
fn a_capture_by_units_takes_whole_units_of_lots_that_share_one() {
    let (mut book, flight, given, paid) = flights();
    let id = hold_of(&book.act(1, hold(units(&flight, "2"), None)).unwrap());
    let posting = book.act(2, capture(id, of_units("1"))).unwrap();
    let expected = [
        tale("capture", given, "1", 0),
        tale("capture", paid, "1", 100),
        tale("release", paid, "2", 0),
    ];
    assert_eq!(told(&posting), expected);
    let units: Vec<_> = posting
        .entries
        .iter()
        .map(|entry| entry.about.units)
        .collect();
    let expected = ["1", "0", "1"].map(|units| Some(credits(units)));
    assert_eq!(units, expected);
}

#[test]
fn a_part_of_a_unit_that_two_lots_share_counts_as_that_part() {
    let (book, flight, given, paid) = flights();
    for portion in [of_credits("1"), of_units("0.5")] {
        let mut book = book.clone();
        let id = hold_of(&book.act(1, hold(units(&flight, "1"), None)).unwrap());
        let posting = book.act(2, capture(id, portion)).unwrap();
        let expected = [
            tale("capture", given, "1", 0),
            tale("release", paid, "1", 0),
        ];
        assert_eq!(told(&posting), expected);
        assert_eq!(posting.entries[0].about.units, Some(credits("0.5")));
        assert_eq!(posting.entries[1].about.units, Some(credits("0.5")));
    }
}

#[test]
fn more_than_is_held_is_refused_with_the_numbers() {
    let (mut book, flight, ..) = flights();
    let id = hold_of(&book.act(1, hold(units(&flight, "2"), None)).unwrap());
    let exceeds = |held, requested, counted_in| Refusal::CaptureExceedsHold {
        held: credits(held),
        requested: credits(requested),
        counted_in,
    };
    assert_eq!(
        book.act(2, capture(id, of_units("2.5"))),
        Err(exceeds("2", "2.5", CountedIn::Units))
    );
    assert_eq!(
        book.act(2, capture(id, of_credits("4.1"))),
        Err(exceeds("4", "4.1", CountedIn::Credits))
    );
    book.act(2, capture(id, of_units("2"))).unwrap();
}

#[test]
fn credits_that_were_held_by_hand_are_not_captured_in_units() {
    let (mut book, ..) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(by_hand("2"), None)).unwrap());
    let refusal = book.act(2, capture(id, of_units("1"))).unwrap_err();
    assert_eq!(refusal, Refusal::NotCountedInUnits);
    let finer = book.act(2, capture(id, of_credits("0.25"))).unwrap_err();
    assert_eq!(finer.reason(), "AMOUNT_TOO_FINE");
    book.act(2, capture(id, of_credits("2"))).unwrap();
}

#[test]
fn more_than_is_held_may_be_a_fresh_use_in_the_same_posting() {
    let (mut book, swim, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "3"), None)).unwrap());
    let command = capture_with(id, of_units("5"), Some(swim.clone()));
    let posting = book.act(2, command).unwrap();
    let expected = [
        tale("capture", lot, "3", 4_500),
        tale("consume", lot, "2", 3_000),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[1].about.units, Some(credits("2")));
    assert_eq!(posting.entries[1].about.hold_id, None);
    assert_eq!(book.balances(lot).held, NOTHING);
}

#[test]
fn an_excess_that_nothing_can_pay_is_refused_and_the_hold_stays() {
    let (mut book, swim, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "3"), None)).unwrap());
    let command = capture_with(id, of_units("9"), Some(swim.clone()));
    let refusal = Refusal::InsufficientCredits {
        available: credits("5"),
        requested: credits("6"),
        counted_in: CountedIn::Units,
    };
    assert_eq!(book.act(2, command), Err(refusal));
    assert_eq!(book.balances(lot).held, credits("3"));
    book.act(2, release(id)).unwrap();
}

#[test]
fn an_excess_of_credits_is_no_finer_than_they_are() {
    let (mut book, _, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(by_hand("3"), None)).unwrap());
    let finer = book.act(2, capture_with(id, of_credits("3.25"), None));
    assert_eq!(finer.unwrap_err().reason(), "AMOUNT_TOO_FINE");
    let posting = book.act(2, capture_with(id, of_credits("3.5"), None));
    let expected = [
        tale("capture", lot, "3", 4_500),
        tale("consume", lot, "0.5", 750),
    ];
    assert_eq!(told(&posting.unwrap()), expected);
}

#[test]
fn a_release_frees_all_that_is_held() {
    let (mut book, swim, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "6"), Some(9))).unwrap());
    let posting = book.act(2, release(id)).unwrap();
    assert_eq!(told(&posting), [tale("release", lot, "6", 0)]);
    assert_eq!(posting.entries[0].effective_at, at(2));
    assert_eq!(book.balances(lot).available, credits("8"));
    assert!(book.settle(at(10)).entries.is_empty());
}

#[test]
fn a_hold_ends_once_and_says_how_it_ended() {
    let (mut book, swim, _) = eight_lessons(package());
    let used = hold_of(&book.act(1, hold(units(&swim, "1"), Some(9))).unwrap());
    let freed = hold_of(&book.act(1, hold(units(&swim, "1"), Some(9))).unwrap());
    let captured = book.act(2, capture(used, Portion::All)).unwrap().id;
    let released = book.act(2, release(freed)).unwrap().id;
    // Also long after their time-outs.
    for hours in [3, 9, 20] {
        for command in [capture(used, Portion::All), release(used)] {
            let refusal = Refusal::HoldAlreadyCaptured {
                hold_id: used,
                posting_id: captured,
            };
            assert_eq!(book.act(hours, command), Err(refusal));
        }
        for command in [capture(freed, Portion::All), release(freed)] {
            let refusal = Refusal::HoldAlreadyReleased {
                hold_id: freed,
                posting_id: released,
            };
            assert_eq!(book.act(hours, command), Err(refusal));
        }
    }
}

#[test]
fn a_hold_can_be_ended_just_before_its_time_out_and_not_at_it() {
    let (book, swim, _) = eight_lessons(package());
    for (placed, outcome) in [
        (hold(units(&swim, "1"), Some(9)), OnTimeOut::Release),
        (hold_to_capture(units(&swim, "1"), 9), OnTimeOut::Capture),
    ] {
        let mut book = book.clone();
        let id = hold_of(&book.act(1, placed).unwrap());
        for command in [capture(id, Portion::All), release(id)] {
            let before = at(9) - TimeDelta::microseconds(1);
            book.clone().act_at(before, command.clone()).unwrap();
            let refusal = Refusal::HoldTimedOut {
                hold_id: id,
                timed_out_at: at(9),
                outcome,
            };
            assert_eq!(book.act(9, command.clone()), Err(refusal.clone()));
            // The same once somebody has written it.
            book.settle(at(9));
            assert_eq!(book.act(10, command), Err(refusal));
        }
    }
}

#[test]
fn a_hold_that_does_not_exist_is_not_found() {
    let (mut book, ..) = eight_lessons(package());
    let refusal = book.act(1, release(HoldId::generate(at(1)))).unwrap_err();
    assert_eq!(refusal.reason(), "NOT_FOUND");
}

#[test]
fn a_hold_times_out_later_than_now() {
    let (mut book, swim, _) = eight_lessons(package());
    for hours in [2, 3] {
        let refusal = Refusal::TimeOutNotLater {
            times_out_at: at(hours),
        };
        let command = hold(units(&swim, "1"), Some(hours));
        assert_eq!(book.act(3, command), Err(refusal));
    }
    book.act(3, hold(units(&swim, "1"), Some(4))).unwrap();
}

#[test]
fn a_hold_that_is_kept_does_not_time_out() {
    let (mut book, swim, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "1"), Some(5))).unwrap());
    book.act(2, Command::Keep(Keep { hold_id: id })).unwrap();
    assert_eq!(book.settle(at(9)).entries, []);
    assert_eq!(book.balances(lot).held, credits("1"));
}

#[test]
fn a_capture_says_when_and_not_in_the_future() {
    let (mut book, swim, _) = eight_lessons(package());
    let mut taking = units(&swim, "1");
    taking.delivered_at = Some(at(20));
    let id = hold_of(&book.act(1, hold(taking, None)).unwrap());
    let delivered = |hours| {
        Command::Capture(Capture {
            hold_id: id,
            portion: Portion::All,
            delivered_at: Some(at(hours)),
            excess: None,
        })
    };
    let refusal = Refusal::DeliveredInFuture {
        delivered_at: at(11),
    };
    assert_eq!(book.act(10, delivered(11)), Err(refusal));
    let told_when = book.clone().act(10, delivered(9)).unwrap();
    assert_eq!(told_when.entries[0].effective_at, at(9));
    // Captured before its service takes place: true from now on.
    let early = book.act(10, capture(id, Portion::All)).unwrap();
    assert_eq!(early.entries[0].effective_at, at(10));
}

#[test]
fn a_hold_is_judged_when_its_service_takes_place() {
    let upcoming = Package {
        starts_at: at(24),
        ..package_until(48)
    };
    let (mut book, swim, _) = eight_lessons(upcoming.clone());
    let held_for = |hours| {
        let mut taking = units(&swim, "1");
        taking.package_ids = vec![upcoming.id];
        taking.delivered_at = Some(at(hours));
        hold(taking, None)
    };
    let too_early = book.act(1, held_for(23)).unwrap_err();
    assert_eq!(too_early.reason(), "PACKAGE_NOT_STARTED");
    let too_late = book.act(1, held_for(48)).unwrap_err();
    assert_eq!(too_late.reason(), "PACKAGE_EXPIRED");
    book.act(1, held_for(24)).unwrap();
    book.act(1, held_for(47)).unwrap();
}

#[test]
fn what_is_held_in_a_frozen_package_can_be_captured_and_nothing_more_is_held() {
    let (mut book, swim, lot) = eight_lessons(package());
    let id = hold_of(&book.act(1, hold(units(&swim, "1"), None)).unwrap());
    let package_id = book.lots[&lot].package_id;
    book.change(package_id, |package| package.frozen_at = Some(at(2)));
    let mut taking = units(&swim, "1");
    taking.package_ids = vec![package_id];
    let refusal = book.act(3, hold(taking, None)).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_FROZEN");
    book.act(3, capture(id, Portion::All)).unwrap();
    assert_eq!(book.balances(lot).consumed, credits("1"));
}

#[test]
fn the_next_time_out_of_a_lot_is_that_of_its_earliest_open_hold() {
    let (mut book, swim, lot) = eight_lessons(package());
    let mut place = |hours| {
        let posting = book.act(1, hold(units(&swim, "1"), hours)).unwrap();
        hold_of(&posting)
    };
    let (late, soon, _never) = (place(Some(9)), place(Some(5)), place(None));
    assert_eq!(book.lots[&lot].next_timeout_at, Some(at(5)));
    book.act(2, release(soon)).unwrap();
    assert_eq!(book.lots[&lot].next_timeout_at, Some(at(9)));
    book.act(3, capture(late, Portion::All)).unwrap();
    assert_eq!(book.lots[&lot].next_timeout_at, None);
    assert_eq!(book.balances(lot).held, credits("1"));
}
