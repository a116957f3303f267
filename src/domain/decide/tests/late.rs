//! The rules of services that are recorded after their package has ended (semantics 3).

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::decide::*;
use crate::domain::line::ItemFacts;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for};
use crate::ids::LotId;

/// Three lessons for 10.00 until the tenth hour; it can be restored for five days.
fn ended() -> (Book, ItemFacts, LotId, DateTime<Utc>) {
    let swim = item();
    let mut book = Book::default();
    let package = package_until(10);
    let restorable_until = package.restorable_until(5).unwrap();
    let lot = book.sell(package, &[(&line_for(&swim), "3", 1_000)])[0];
    (book, swim, lot, restorable_until)
}

fn late(item: &ItemFacts, amount: &str, delivered: i64) -> Consume {
    Consume {
        delivered_at: Some(at(delivered)),
        past_expiry: Some(5),
        ..units(item, amount)
    }
}

#[test]
fn a_late_use_restores_only_what_it_needs() {
    let (mut book, swim, lot, _) = ended();
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    let posting = book.act(50, Command::Consume(late(&swim, "1", 9))).unwrap();
    let expected = [
        tale("expire by time", lot, "2", 667),
        tale("restore", lot, "1", 333),
        tale("consume", lot, "1", 333),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[1].effective_at, at(50));
    assert_eq!(posting.entries[2].effective_at, at(9));
    assert_eq!(book.balances(lot).expired, credits("1"));
    assert_eq!(book.pools(lot).expired, 334);
    book.act(51, Command::Consume(late(&swim, "1", 9))).unwrap();
    assert_eq!(book.pools(lot).consumed, 1_000);
    let more = book.act(52, Command::Consume(late(&swim, "1", 9)));
    assert_eq!(more.unwrap_err().reason(), "INSUFFICIENT_CREDITS");
}

#[test]
fn a_late_use_needs_permission() {
    let (mut book, swim, lot, _) = ended();
    let unnamed = Consume {
        past_expiry: None,
        ..late(&swim, "1", 9)
    };
    let refusal = book.act(50, Command::Consume(unnamed.clone())).unwrap_err();
    assert_eq!(refusal.reason(), "INSUFFICIENT_CREDITS");
    let named = Consume {
        package_ids: vec![book.lots[&lot].package_id],
        ..unnamed
    };
    let refusal = book.act(50, Command::Consume(named)).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_EXPIRED");
}

#[test]
fn a_service_at_or_after_the_end_is_refused_with_permission_too() {
    let (mut book, swim, lot, _) = ended();
    for delivered in [10, 11] {
        let named = Consume {
            package_ids: vec![book.lots[&lot].package_id],
            ..late(&swim, "1", delivered)
        };
        let refusal = book.act(50, Command::Consume(named)).unwrap_err();
        assert_eq!(refusal.reason(), "PACKAGE_EXPIRED");
    }
    let just_before = Consume {
        delivered_at: Some(at(10) - TimeDelta::microseconds(1)),
        ..late(&swim, "1", 9)
    };
    book.act(50, Command::Consume(just_before)).unwrap();
}

#[test]
fn a_late_use_is_refused_from_the_end_of_the_quarantine_on() {
    let (mut book, swim, _, restorable_until) = ended();
    let command = Command::Consume(late(&swim, "1", 9));
    let before = restorable_until - TimeDelta::microseconds(1);
    book.clone().act_at(before, command.clone()).unwrap();
    let refusal = book.act_at(restorable_until, command).unwrap_err();
    assert_eq!(refusal.reason(), "INSUFFICIENT_CREDITS");
}

#[test]
fn a_late_use_leaves_what_is_held_alone() {
    let (mut book, swim, lot, _) = ended();
    book.act(1, hold(units(&swim, "2"), None)).unwrap();
    let too_many = book.act(50, Command::Consume(late(&swim, "2", 9)));
    assert_eq!(too_many.unwrap_err().reason(), "INSUFFICIENT_CREDITS");
    book.act(50, Command::Consume(late(&swim, "1", 9))).unwrap();
    assert_eq!(book.balances(lot).held, credits("2"));
    assert_eq!(book.pools(lot).consumed, 333);
}

#[test]
fn a_late_use_is_judged_by_what_was_not_yet_revoked() {
    let (mut book, swim, lot, _) = ended();
    book.settle(at(11));
    book.revoke(12, book.lots[&lot].package_id);
    let refusal = book.act(50, Command::Consume(late(&swim, "1", 9)));
    assert_eq!(refusal.unwrap_err().reason(), "INSUFFICIENT_CREDITS");
}

#[test]
fn what_an_earlier_end_took_is_not_brought_back_while_the_package_runs() {
    let (mut book, swim, lot, _) = ended();
    book.settle(at(11));
    let package_id = book.lots[&lot].package_id;
    book.change(package_id, |package| package.expires_at = Some(at(900)));
    let refusal = book.act(50, Command::Consume(late(&swim, "1", 9)));
    assert_eq!(refusal.unwrap_err().reason(), "INSUFFICIENT_CREDITS");
}

#[test]
fn an_ended_package_pays_before_one_that_still_runs() {
    let (mut book, swim, lot, _) = ended();
    let runs = book.sell(package_until(900), &[(&line_for(&swim), "8", 800)])[0];
    let posting = book.act(50, Command::Consume(late(&swim, "4", 9))).unwrap();
    let expected = [
        tale("expire by time", lot, "3", 1_000),
        tale("restore", lot, "3", 1_000),
        tale("consume", lot, "3", 1_000),
        tale("consume", runs, "1", 100),
    ];
    assert_eq!(told(&posting), expected);
    assert!(book.settle(at(60)).entries.is_empty());
}
