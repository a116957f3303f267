//! The rules of validity from the first use (semantics 9).

use chrono::NaiveDate;

use crate::domain::calendar;
use crate::domain::decide::*;
use crate::domain::entry::Account;
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::posting::Effect;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for};
use crate::ids::{LotId, PackageId};

/// How many hours a day has.
const DAY: i64 = 24;

fn day(days: i64) -> NaiveDate {
    at(days * DAY).date_naive()
}

/// Through this day.
fn through(days: i64) -> Option<chrono::DateTime<chrono::Utc>> {
    calendar::end_of(day(days), chrono_tz::Tz::Europe__Tallinn)
}

/// Two kinds of lessons, valid for ten days from the first one, which must come within five days.
fn unstarted() -> (Book, ItemFacts, [LotId; 2], PackageId) {
    let swim = item();
    let line = line_for(&swim);
    let package = package_from_first_use(10, Some(day(5)));
    let id = package.id;
    let mut book = Book::default();
    let lots = book.sell(package, &[(&line, "3", 1_000), (&line, "2", 1_000)]);
    (book, swim, [lots[0], lots[1]], id)
}

fn for_day(item: &ItemFacts, days: i64) -> Consume {
    Consume {
        delivered_at: Some(at(days * DAY)),
        ..units(item, "1")
    }
}

#[test]
fn the_clock_starts_with_the_day_of_the_service_that_is_held_or_used() {
    let swim = item();
    for (command, first) in [
        (hold(for_day(&swim, 3), None), 3),
        (Command::Consume(units(&swim, "1")), 1),
    ] {
        let package = package_from_first_use(10, Some(day(5)));
        let id = package.id;
        let mut book = Book::default();
        book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
        assert_eq!(book.package(id).expires_at, through(5));
        let posting = book.act(DAY, command).unwrap();
        let started = Effect::StartClock {
            package_id: id,
            first_used_on: day(first),
        };
        assert_eq!(posting.effects, [started]);
        assert_eq!(book.package(id).expires_at, through(first + 10));
    }
}

#[test]
fn an_earlier_service_moves_the_clock_and_a_later_one_does_not() {
    let (mut book, swim, _, id) = unstarted();
    book.act(DAY, hold(for_day(&swim, 3), None)).unwrap();
    for days in [4, 3] {
        let later = book.act(DAY, hold(for_day(&swim, days), None)).unwrap();
        assert!(later.effects.is_empty(), "nor does one of the same day");
    }
    let earlier = book.act(DAY, hold(for_day(&swim, 2), None)).unwrap();
    assert_eq!(earlier.effects.len(), 1);
    assert_eq!(book.package(id).expires_at, through(12));
    // Captured as delivered a day before what the hold said.
    let capture = Command::Capture(Capture {
        hold_id: hold_of(&earlier),
        portion: Portion::All,
        delivered_at: Some(at(DAY)),
        excess: None,
    });
    book.act(2 * DAY, capture).unwrap();
    assert_eq!(book.package(id).first_used_on, Some(day(1)));
}

#[test]
fn the_clock_stops_when_the_last_use_or_hold_is_undone_and_starts_again() {
    let (mut book, swim, _, id) = unstarted();
    let held = hold_of(&book.act(DAY, hold(for_day(&swim, 3), None)).unwrap());
    let used = book
        .act(DAY, Command::Consume(units(&swim, "1")))
        .unwrap()
        .id;
    let still = book.act(2 * DAY, release(held)).unwrap();
    assert!(still.effects.is_empty(), "a use keeps it running");
    let undone = book.act(2 * DAY, reverse(used, Portion::All)).unwrap();
    assert_eq!(undone.effects, [Effect::StopClock { package_id: id }]);
    assert_eq!(book.package(id).first_used_on, None);
    assert_eq!(book.package(id).expires_at, through(5));
    book.act(4 * DAY, Command::Consume(units(&swim, "1")))
        .unwrap();
    assert_eq!(book.package(id).expires_at, through(14));
}

#[test]
fn the_clock_runs_on_while_another_lot_of_the_package_is_used_or_held() {
    let (book, swim, _, id) = unstarted();
    let four = |command: fn(Consume) -> Command| command(units(&swim, "4"));
    for other in [Command::Consume, |taking| hold(taking, None)] {
        let mut book = book.clone();
        let used = book
            .act(DAY, Command::Consume(units(&swim, "1")))
            .unwrap()
            .id;
        book.act(DAY, four(other)).unwrap();
        let undone = book.act(DAY, reverse(used, Portion::All)).unwrap();
        assert!(undone.effects.is_empty());
        assert_eq!(book.package(id).first_used_on, Some(day(1)));
    }
}

#[test]
fn a_partly_undone_use_keeps_the_clock_running() {
    let (mut book, swim, ..) = unstarted();
    let used = book
        .act(DAY, Command::Consume(units(&swim, "2")))
        .unwrap()
        .id;
    let part = book.act(DAY, reverse(used, of_units("1"))).unwrap();
    assert!(part.effects.is_empty());
    let rest = book.act(DAY, reverse(used, Portion::All)).unwrap();
    assert_eq!(rest.effects.len(), 1);
}

#[test]
fn a_package_that_has_ended_stays_ended() {
    let (mut book, swim, lots, id) = unstarted();
    let used = book
        .act(DAY, Command::Consume(units(&swim, "1")))
        .unwrap()
        .id;
    let posting = book.act(20 * DAY, reverse(used, Portion::All)).unwrap();
    assert!(posting.effects.is_empty());
    assert_eq!(book.package(id).expires_at, through(11));
    let lost: i64 = lots.iter().map(|lot| book.pools(*lot).expired).sum();
    assert_eq!(lost, 2_000);
}

#[test]
fn a_clock_that_time_stops_is_stopped_from_that_instant_on() {
    let (mut book, swim, _, id) = unstarted();
    book.act(DAY, hold(for_day(&swim, 3), Some(4 * DAY)))
        .unwrap();
    let posting = book
        .act(5 * DAY, Command::Consume(for_day(&swim, 5)))
        .unwrap();
    let expected = [
        Effect::StopClock { package_id: id },
        Effect::StartClock {
            package_id: id,
            first_used_on: day(5),
        },
    ];
    assert_eq!(posting.effects, expected);
    assert_eq!(book.package(id).expires_at, through(15));
}

#[test]
fn a_clock_that_stops_after_the_last_day_to_start_it_ends_the_package_then() {
    let (book, swim, lots, id) = unstarted();
    let check = |book: &Book, when: i64| {
        for lot in lots {
            assert_eq!(book.balances(lot).available, NOTHING);
        }
        let lost = book
            .entries
            .iter()
            .filter(|entry| entry.to == Account::Expired);
        assert!(lost.clone().count() >= 2);
        // Until that instant it could be used, so nothing was lost before.
        assert!(lost.clone().all(|entry| entry.effective_at == at(when)));
        assert_eq!(book.package(id).expires_at, through(5));
    };
    let mut timed_out = book.clone();
    timed_out
        .act(DAY, hold(for_day(&swim, 3), Some(8 * DAY)))
        .unwrap();
    timed_out.settle(at(9 * DAY));
    check(&timed_out, 8 * DAY);
    let mut released = book.clone();
    let held = hold_of(&released.act(DAY, hold(for_day(&swim, 3), None)).unwrap());
    let posting = released.act(8 * DAY, release(held)).unwrap();
    assert!(posting.entries.iter().all(|entry| !entry.by_time));
    check(&released, 8 * DAY);
    let mut undone = book;
    let used = undone
        .act(DAY, Command::Consume(units(&swim, "1")))
        .unwrap()
        .id;
    undone.act(8 * DAY, reverse(used, Portion::All)).unwrap();
    check(&undone, 8 * DAY);
}

#[test]
fn a_use_recorded_so_late_that_its_package_has_ended_since_loses_the_rest_then() {
    let swim = item();
    let line = line_for(&swim);
    let package = package_from_first_use(10, None);
    let id = package.id;
    let mut book = Book::default();
    let lots = book.sell(package, &[(&line, "3", 1_000), (&line, "2", 1_000)]);
    book.act(30 * DAY, Command::Consume(for_day(&swim, 1)))
        .unwrap();
    assert_eq!(book.package(id).expires_at, through(11));
    assert!(book.settle(at(31 * DAY)).entries.is_empty());
    let lost = book
        .entries
        .iter()
        .filter(|entry| entry.to == Account::Expired);
    assert_eq!(lost.clone().count(), lots.len());
    assert!(lost.clone().all(|entry| entry.effective_at == at(30 * DAY)));
}

#[test]
fn an_end_that_was_moved_by_hand_outlives_the_clock() {
    let (mut book, swim, _, id) = unstarted();
    let used = book
        .act(DAY, Command::Consume(units(&swim, "1")))
        .unwrap()
        .id;
    book.change(id, |package| package.expires_at = through(40));
    book.act(2 * DAY, reverse(used, Portion::All)).unwrap();
    assert_eq!(book.package(id).first_used_on, None);
    assert_eq!(book.package(id).expires_at, through(40));
}

#[test]
fn a_lot_that_is_added_after_time_stopped_the_clock_waits_with_the_package() {
    let (mut book, swim, lots, id) = unstarted();
    book.act(DAY, hold(for_day(&swim, 3), Some(2 * DAY)))
        .unwrap();
    let line = std::sync::Arc::clone(&book.lots[&lots[0]].line);
    let add = |line_id| {
        Command::Adjust(Adjust {
            package_id: id,
            line_id,
            adjustment: Adjustment::Add {
                lot: new_lot(&line, "1", 0),
            },
        })
    };
    let mut late = book.clone();
    let posting = book.act(3 * DAY, add(line.id)).unwrap();
    assert_eq!(posting.effects, [Effect::StopClock { package_id: id }]);
    assert_eq!(posting.entries.last().unwrap().amount, credits("1"));
    // After the last day to start it, that package has ended.
    let refusal = late.act(7 * DAY, add(line.id)).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_EXPIRED");
}
