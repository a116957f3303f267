//! The rules of notices, each by name.

mod uses;

use uuid::Uuid;

use super::*;
use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, Actor, EntryKind};
use crate::domain::lot::{Basis, Fold, Lot, Movement, Origin, Stamp, Tail};
use crate::domain::package::Package;
use crate::domain::settle;
use crate::domain::testing::{book, business, line};
use crate::domain::validity::Validity;
use crate::ids::LotId;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A package that can be used through 10 January and was sold in October.
fn timeline() -> Timeline {
    Timeline {
        last_usable_day: day("2026-01-10"),
        since: day("2025-10-01"),
        reminded_on: None,
    }
}

fn due(last_finished: &str, today: &str, timeline: &Timeline) -> Reminders {
    let window = Window::after(Some(day(last_finished)), day(today));
    reminders_due(&[30, 7, 1], timeline, &window)
}

fn told(lead: u32) -> Reminders {
    Reminders {
        told: Some(lead),
        untold: Vec::new(),
    }
}

#[test]
fn a_lead_falls_due_that_many_days_before_the_last_usable_day() {
    assert_eq!(due("2025-12-10", "2025-12-11", &timeline()), told(30));
    assert_eq!(due("2026-01-02", "2026-01-03", &timeline()), told(7));
    assert_eq!(due("2026-01-08", "2026-01-09", &timeline()), told(1));
    assert_eq!(
        due("2026-01-03", "2026-01-04", &timeline()),
        Reminders::default()
    );
}

#[test]
fn a_lead_of_nothing_is_told_on_the_last_usable_day() {
    let window = Window::after(Some(day("2026-01-09")), day("2026-01-10"));
    assert_eq!(reminders_due(&[0], &timeline(), &window), told(0));
}

#[test]
fn after_days_without_a_run_the_latest_lead_is_told_and_the_others_are_recorded() {
    let reminders = due("2026-01-02", "2026-01-09", &timeline());
    assert_eq!(reminders.told, Some(1));
    assert_eq!(reminders.untold, [(7, DropReason::Missed)]);
}

#[test]
fn what_fell_due_more_than_seven_days_ago_is_recorded_and_not_told() {
    let reminders = due("2025-12-10", "2025-12-18", &timeline());
    assert_eq!(reminders.told, Some(30), "seven days ago");
    let reminders = due("2025-12-10", "2025-12-19", &timeline());
    assert_eq!(reminders.told, None);
    assert_eq!(reminders.untold, [(30, DropReason::Missed)]);
}

#[test]
fn a_reminder_is_not_told_once_the_last_usable_day_is_over() {
    let reminders = due("2026-01-08", "2026-01-11", &timeline());
    assert_eq!(reminders.told, None);
    assert_eq!(reminders.untold, [(1, DropReason::Missed)]);
}

#[test]
fn a_package_gets_only_leads_later_than_the_day_of_its_sale() {
    let sold = Timeline {
        since: day("2026-01-03"),
        ..timeline()
    };
    assert_eq!(due("2026-01-02", "2026-01-03", &sold), Reminders::default());
    assert_eq!(due("2026-01-08", "2026-01-09", &sold), told(1));
}

#[test]
fn an_extension_does_not_remind_again_within_three_days() {
    let reminded = |on: &str| Timeline {
        reminded_on: Some(day(on)),
        ..timeline()
    };
    let reminders = due("2026-01-02", "2026-01-03", &reminded("2026-01-01"));
    assert_eq!(reminders.told, None);
    assert_eq!(reminders.untold, [(7, DropReason::RemindedRecently)]);
    assert_eq!(
        due("2026-01-02", "2026-01-03", &reminded("2025-12-31")),
        told(7)
    );
}

#[test]
fn a_cause_is_one_for_each_lead_and_expiry() {
    assert_eq!(lead_cause(30, 2), "lead:30:2");
    assert_eq!(expired_cause(2), "expired:2");
}

#[test]
fn a_business_that_never_had_a_run_looks_only_at_today() {
    let window = Window::after(None, day("2026-01-04"));
    assert_eq!(
        reminders_due(&[30, 7, 1], &timeline(), &window),
        Reminders::default()
    );
    let window = Window::after(None, day("2026-01-03"));
    assert_eq!(reminders_due(&[30, 7, 1], &timeline(), &window), told(7));
}

#[test]
fn a_day_that_had_a_run_is_not_looked_at_again() {
    let window = Window::after(Some(day("2026-01-03")), day("2026-01-03"));
    assert_eq!(
        reminders_due(&[7], &timeline(), &window),
        Reminders::default()
    );
    assert!(days_to_look_at([7], true, &window).is_empty());
}

#[test]
fn the_expired_notice_falls_due_on_the_first_day_after() {
    let on = |last: &str, today: &str| {
        expired_due(&timeline(), &Window::after(Some(day(last)), day(today)))
    };
    assert_eq!(on("2026-01-09", "2026-01-10"), None);
    assert_eq!(on("2026-01-10", "2026-01-11"), Some(Ok(())));
    assert_eq!(on("2026-01-11", "2026-01-12"), None);
    assert_eq!(on("2026-01-05", "2026-01-18"), Some(Ok(())));
    assert_eq!(
        on("2026-01-05", "2026-01-19"),
        Some(Err(DropReason::Missed))
    );
}

#[test]
fn a_package_that_was_over_when_it_was_imported_is_not_told_of() {
    let imported = Timeline {
        since: day("2026-01-11"),
        ..timeline()
    };
    let window = Window::after(Some(day("2026-01-10")), day("2026-01-11"));
    assert_eq!(expired_due(&imported, &window), None);
    let sold_on_its_last_day = Timeline {
        since: day("2026-01-10"),
        ..timeline()
    };
    assert_eq!(expired_due(&sold_on_its_last_day, &window), Some(Ok(())));
}

#[test]
fn a_run_looks_at_each_day_once() {
    let window = Window::after(Some(day("2026-01-02")), day("2026-01-03"));
    assert_eq!(
        days_to_look_at([7, 1, 7], true, &window),
        [
            (day("2026-01-02"), day("2026-01-02")),
            (day("2026-01-04"), day("2026-01-04")),
            (day("2026-01-10"), day("2026-01-10")),
        ]
    );
    let window = Window::after(Some(day("2025-12-30")), day("2026-01-03"));
    assert_eq!(
        days_to_look_at([1, 3], false, &window),
        [(day("2026-01-01"), day("2026-01-06"))]
    );
}

const RECIPIENT: Recipient = Recipient {
    is_erased: false,
    is_active: true,
    has_address: true,
    is_suppressed: false,
    is_unsubscribed: false,
};

type Change = fn(&mut Business, &mut Recipient);

#[test]
fn who_must_not_be_told_is_not_told_and_the_reason_says_why() {
    let check = |change: fn(&mut Business, &mut Recipient)| {
        let (mut business, mut recipient) = (business(), RECIPIENT);
        change(&mut business, &mut recipient);
        NoticeKind::ALL
            .iter()
            .take(3)
            .map(|kind| may_be_told(*kind, &business, &business.reminder_policy, &recipient).err())
            .collect::<Vec<_>>()
    };
    assert_eq!(check(|_, _| ()), [None, None, None]);
    let changes: [(Change, DropReason); 6] = [
        (|it, _| it.feature_enabled = false, DropReason::FeatureOff),
        (|_, it| it.is_erased = true, DropReason::Erased),
        (|_, it| it.is_active = false, DropReason::Inactive),
        (|_, it| it.has_address = false, DropReason::NoAddress),
        (|_, it| it.is_suppressed = true, DropReason::Suppressed),
        (|_, it| it.is_unsubscribed = true, DropReason::Unsubscribed),
    ];
    for (change, reason) in changes {
        assert_eq!(check(change), [Some(reason); 3]);
    }
    let off = Some(DropReason::KindOff);
    let confirmation = check(|business, _| business.reminder_policy.confirmation = false);
    assert_eq!(confirmation, [off, None, None]);
    let reminders = check(|business, _| business.reminder_policy.lead_days.clear());
    assert_eq!(reminders, [None, off, None]);
    let expired = check(|business, _| business.reminder_policy.expired_notice = false);
    assert_eq!(expired, [None, None, off]);
}

/// A package of ten credits that can be used through 10 January, and its lot.
fn package() -> (Package, Lot) {
    let package = Package {
        business_id: BusinessId::generate(DateTime::UNIX_EPOCH),
        customer_id: CustomerId::generate(DateTime::UNIX_EPOCH),
        name: "Ten lessons".to_owned(),
        priority: 100,
        validity: Validity::Until(day("2026-01-10")),
        starts_at: instant("2025-10-01T09:00:00Z"),
        expires_at: Some(instant("2026-01-10T22:00:00Z")),
        paid_at: None,
        created_at: instant("2025-10-01T09:00:00Z"),
        ..book::package()
    };
    let lot = lot_of(&package);
    (package, lot)
}

/// Its lot; its credits are all available.
fn lot_of(package: &Package) -> Lot {
    let mut lot = Lot {
        id: LotId::generate(DateTime::UNIX_EPOCH),
        business_id: package.business_id,
        package_id: package.id,
        line: line(&[]),
        customer_id: package.customer_id,
        origin: Origin::Sold,
        priority: 100,
        terms: package.terms(),
        issued: Basis {
            value: 0,
            quantity: ten(),
        },
        fold: Fold::default(),
        tail: Tail::default(),
        next_timeout_at: None,
        transferred_to: None,
        created_at: package.created_at,
        version: 1,
    };
    let (from, to) = (Account::Issued, Account::Available);
    shift(&mut lot, EntryKind::Issue, from, to);
    lot
}

fn ten() -> Credits {
    Credits::parse("10").unwrap()
}

fn shift(lot: &mut Lot, kind: EntryKind, from: Account, to: Account) {
    let stamp = Stamp {
        posting_id: Uuid::nil(),
        now: instant("2025-10-01T09:00:00Z"),
        request_hash: None,
        method: "test".to_owned(),
        actor: Actor::System,
        purpose: None,
    };
    let movement = Movement {
        kind,
        from,
        to,
        amount: ten(),
        value: 0,
        effective_at: stamp.now,
        by_time: false,
        undoes: None,
        about: About::default(),
    };
    lot.post(&stamp, 0, movement).unwrap();
}

/// A notice of this kind about a package, found at `at`.
fn notice_of(package: &Package, kind: NoticeKind, at: DateTime<Utc>) -> Notice {
    Notice {
        id: NoticeId::generate(at),
        business_id: package.business_id,
        kind,
        package_id: package.id,
        cause: String::new(),
        customer_id: package.customer_id,
        email_id: None,
        expiry_epoch: 0,
        lead_days: None,
        dropped: None,
        created_at: at,
    }
}

/// Whether a notice of each kind, found at `found_at`, still holds at `now`.
fn truths(
    found_at: &str,
    now: &str,
    change: impl Fn(&mut Package, &mut Lot),
) -> Vec<Option<DropReason>> {
    let (mut package, mut lot) = package();
    let notice = |kind| notice_of(&package, kind, instant(found_at));
    let notices: Vec<_> = NoticeKind::ALL
        .iter()
        .copied()
        .take(3)
        .map(notice)
        .collect();
    let policy = ReminderPolicy::default();
    change(&mut package, &mut lot);
    lot.terms = package.terms();
    let settled = settle::as_of(std::slice::from_ref(&lot), &[], instant(now));
    let facts = Facts {
        package: &package,
        lots: &settled,
        policy: &policy,
        others: &[],
    };
    notices
        .iter()
        .map(|notice| still_true(notice, &facts, instant(now)).err())
        .collect()
}

const BEFORE: &str = "2026-01-03T07:00:00Z";
const AFTER: &str = "2026-01-11T07:00:00Z";

#[test]
fn a_notice_holds_while_its_fact_does() {
    use DropReason::{AlreadyExpired, NotExpired};
    let leave = |_: &mut Package, _: &mut Lot| ();
    assert_eq!(
        truths(BEFORE, BEFORE, leave),
        [None, None, Some(NotExpired)]
    );
    assert_eq!(
        truths("2026-01-09T07:00:00Z", "2026-01-10T21:59:59Z", leave),
        [None, None, Some(NotExpired)]
    );
    assert_eq!(
        truths(AFTER, "2026-01-10T22:00:00Z", leave),
        [None, Some(AlreadyExpired), None],
        "expired at its instant, though nobody wrote it"
    );
}

#[test]
fn a_notice_is_dropped_when_its_package_is_revoked_moved_or_frozen() {
    use DropReason::{Frozen, Revoked, Transferred};
    let revoked = truths(BEFORE, BEFORE, |package, _| {
        package.revoked_at = package.expires_at;
    });
    assert_eq!(revoked, [Some(Revoked); 3]);
    let moved = truths(BEFORE, BEFORE, |package, _| {
        package.transferred_at = package.expires_at;
    });
    assert_eq!(moved, [Some(Transferred); 3]);
    let frozen = truths(BEFORE, BEFORE, |package, _| {
        package.frozen_at = package.expires_at;
        package.expires_at = None;
    });
    assert_eq!(frozen, [None, Some(Frozen), Some(Frozen)]);
}

#[test]
fn a_timed_notice_is_dropped_when_the_expiry_was_changed() {
    use DropReason::Extended;
    let extended = truths(BEFORE, BEFORE, |package, _| package.expiry_epoch = 1);
    assert_eq!(extended, [None, Some(Extended), Some(Extended)]);
}

#[test]
fn a_fact_is_not_told_more_than_seven_days_late() {
    use DropReason::{AlreadyExpired, TooLate};
    let in_time = truths(AFTER, "2026-01-18T07:00:00Z", |_, _| ());
    assert_eq!(in_time, [None, Some(AlreadyExpired), None]);
    let late = truths(AFTER, "2026-01-18T07:00:01Z", |_, _| ());
    assert_eq!(late, [Some(TooLate), Some(AlreadyExpired), Some(TooLate)]);
}

#[test]
fn semantics_44_what_tells_of_a_package_does_not_wait_until_that_has_ended() {
    let (package, lot) = package();
    let expires_at = package.expires_at.unwrap();
    let waits = |kind, at: DateTime<Utc>, end| {
        let notice = notice_of(&package, kind, at);
        let settled = settle::as_of(std::slice::from_ref(&lot), &[], at);
        let facts = Facts {
            package: &package,
            lots: &settled,
            policy: &ReminderPolicy::default(),
            others: &[],
        };
        can_wait(&notice, &facts, (at, end))
    };
    let hour = chrono::TimeDelta::hours(1);
    let micro = chrono::TimeDelta::microseconds(1);
    for kind in [NoticeKind::Confirmation, NoticeKind::Renewed] {
        let at = expires_at - hour;
        assert!(waits(kind, at, expires_at - micro), "{kind:?}");
        assert!(!waits(kind, at, expires_at), "{kind:?}");
        assert!(!waits(kind, at, expires_at + hour), "{kind:?}");
        // It is over already, so there is no hurry.
        assert!(waits(kind, expires_at, expires_at + hour), "{kind:?}");
    }
    assert!(waits(NoticeKind::Expired, expires_at, expires_at + hour));
}
