//! The rules of extending and restoring (semantics 13 and 14).

use chrono::TimeDelta;

use super::*;
use crate::domain::decide::Command;
use crate::domain::line::ItemFacts;
use crate::domain::posting::Posting;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, item, line_for, stamp_at};

/// Three lessons for 10.00 until the tenth hour; one of them is used.
fn lessons() -> (Book, ItemFacts, LotId, Package) {
    let swim = item();
    let mut book = Book::default();
    let package = package_until(10);
    let lot = book.sell(package.clone(), &[(&line_for(&swim), "3", 1_000)])[0];
    book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
    (book, swim, lot, package)
}

fn until(expires_at: DateTime<Utc>) -> Extension {
    Extension {
        expires_at,
        quarantine_days: 5,
        force: false,
        bonuses: Vec::new(),
    }
}

/// The package after its extension, with what was posted and what kind of change it was.
fn extended(
    book: &Book,
    package: &Package,
    now: DateTime<Utc>,
    extension: Extension,
) -> Result<(Package, Posting, ChangeKind), Refusal> {
    let stamp = stamp_at(now);
    let lots = book.lots.values().cloned();
    let draft = Draft::with_holds(&stamp, lots, book.holds.values().cloned());
    let mut amendment = Amendment::begin(package, draft)?;
    extend(&mut amendment, extension)?;
    let amended = amendment.end();
    let kind = amended.changes.last().unwrap().kind;
    Ok((amended.package, amended.posting, kind))
}

#[test]
fn an_extension_before_the_end_moves_the_end_and_no_credits() {
    let (book, _, _, package) = lessons();
    let before = at(10) - TimeDelta::microseconds(1);
    let (after, posting, kind) = extended(&book, &package, before, until(at(20))).unwrap();
    assert_eq!(kind, ChangeKind::Extended);
    assert_eq!((after.expires_at, after.expiry_epoch), (Some(at(20)), 1));
    assert!(posting.entries.is_empty());
}

#[test]
fn semantics_14_extending_an_expired_package_brings_back_what_its_expiry_took() {
    let (mut book, _, lot, package) = lessons();
    let (after, posting, kind) = extended(&book, &package, at(10), until(at(20))).unwrap();
    assert_eq!(kind, ChangeKind::Restored);
    assert_eq!((after.expires_at, after.expiry_epoch), (Some(at(20)), 1));
    let expected = [
        tale("expire by time", lot, "2", 667),
        tale("restore", lot, "2", 667),
    ];
    assert_eq!(told(&posting), expected);
    assert_eq!(posting.entries[1].effective_at, at(10));
    assert_eq!(posting.lots[0].terms, after.terms());
    // The same once somebody has written the expiry.
    book.settle(at(11));
    let (_, posting, kind) = extended(&book, &package, at(12), until(at(20))).unwrap();
    assert_eq!(kind, ChangeKind::Restored);
    assert_eq!(told(&posting), expected[1..]);
}

#[test]
fn a_new_end_is_later_than_the_old_one_and_than_now() {
    let (book, _, _, package) = lessons();
    for (now, new, old) in [(5, 10, 10), (5, 9, 10), (15, 15, 15), (15, 12, 15)] {
        let refusal = Refusal::ExpiryNotLater {
            old: at(old),
            new: at(new),
        };
        let refused = extended(&book, &package, at(now), until(at(new)));
        assert_eq!(refused.unwrap_err(), refusal);
    }
    let just_later = at(10) + TimeDelta::microseconds(1);
    extended(&book, &package, at(5), until(just_later)).unwrap();
    extended(&book, &package, at(15), until(at(16))).unwrap();
}

#[test]
fn a_package_is_restored_until_the_end_of_its_quarantine_and_later_only_by_force() {
    let (book, _, _, package) = lessons();
    let restorable_until = package.restorable_until(5).unwrap();
    let new = restorable_until + TimeDelta::days(9);
    let before = restorable_until - TimeDelta::microseconds(1);
    extended(&book, &package, before, until(new)).unwrap();
    let over = Refusal::QuarantineOver {
        package_id: package.id,
        restorable_until,
    };
    let refused = extended(&book, &package, restorable_until, until(new));
    assert_eq!(refused.unwrap_err(), over);
    let forced = Extension {
        force: true,
        ..until(new)
    };
    let (_, _, kind) = extended(&book, &package, restorable_until, forced).unwrap();
    assert_eq!(kind, ChangeKind::Restored);
}

#[test]
fn what_was_taken_away_or_never_ends_is_not_extended() {
    let (book, _, _, package) = lessons();
    let package_id = package.id;
    let revoked = Package {
        revoked_at: Some(at(2)),
        ..package.clone()
    };
    let endless = Package {
        expires_at: None,
        ..package
    };
    for (package, refusal) in [
        (revoked, Refusal::PackageRevoked { package_id }),
        (endless, Refusal::PackageNeverExpires { package_id }),
    ] {
        let refused = extended(&book, &package, at(5), until(at(20)));
        assert_eq!(refused.unwrap_err(), refusal);
    }
}

#[test]
fn semantics_14_bonus_credits_come_in_the_same_call_as_a_lot_of_their_own() {
    let (book, swim, lot, package) = lessons();
    let package = Package {
        priority: 7,
        ..package
    };
    let line = line_for(&swim);
    let bonus = NewLot {
        origin: Origin::Bonus,
        ..new_lot(&line, "0.5", 0)
    };
    let bonus_id = bonus.id;
    let extension = Extension {
        bonuses: vec![bonus],
        ..until(at(20))
    };
    let (after, posting, _) = extended(&book, &package, at(12), extension).unwrap();
    let expected = [
        tale("expire by time", lot, "2", 667),
        tale("restore", lot, "2", 667),
        tale("issue", bonus_id, "0.5", 0),
    ];
    assert_eq!(told(&posting), expected);
    let entry = &posting.entries[2];
    assert_eq!(entry.effective_at, at(12));
    assert_eq!(entry.about.customer_id, Some(package.customer_id));
    let made = posting.lots.iter().find(|lot| lot.id == bonus_id).unwrap();
    assert_eq!((made.package_id, made.priority), (package.id, 7));
    assert_eq!((made.origin, made.version), (Origin::Bonus, 0));
    assert_eq!((made.created_at, &made.line), (at(12), &line));
    assert_eq!(made.terms, after.terms());
    assert_eq!(
        (made.issued.value, made.issued.quantity),
        (0, credits("0.5"))
    );
}

#[test]
fn a_time_out_that_stopped_the_clock_is_judged_by_and_told_whether_or_not_a_job_wrote_it() {
    for swept in [true, false] {
        let swim = item();
        let mut book = Book::default();
        // Ten days from the first use, without a day by which that must come.
        let package = package_from_first_use(10, None);
        let id = package.id;
        book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
        book.act(1, hold(units(&swim, "1"), Some(5))).unwrap();
        assert!(book.package(id).expires_at.is_some());
        if swept {
            book.settle(at(6));
        }
        let refused = book.amended(at(7), id, |amendment| extend(amendment, until(at(24 * 30))));
        let never = Refusal::PackageNeverExpires { package_id: id };
        assert_eq!(refused.unwrap_err(), never, "swept: {swept}");
    }
    // Where it waits with an end of its own, that end is extended and the clock stays stopped.
    let swim = item();
    let mut book = Book::default();
    let package = package_from_first_use(10, Some(at(24 * 5).date_naive()));
    let id = package.id;
    let waiting_until = package.expires_at;
    book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
    book.act(1, hold(units(&swim, "1"), Some(5))).unwrap();
    let extended = book
        .amend(7, id, |amendment| extend(amendment, until(at(24 * 8))))
        .unwrap();
    let told: Vec<_> = extended
        .changes
        .iter()
        .map(|change| (change.kind, change.old.clone()))
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].0, ChangeKind::ClockStopped);
    let old = crate::domain::change::Value::Expiry(Expiry {
        expires_at: waiting_until,
        expires_if_thawed: None,
        expiry_epoch: 2,
    });
    assert_eq!(told[1], (ChangeKind::Extended, old));
    assert_eq!(book.package(id).first_used_on, None);
    assert_eq!(book.package(id).expires_at, Some(at(24 * 8)));
}
