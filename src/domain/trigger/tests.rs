//! The rules of triggers (semantics 35).

use chrono::TimeDelta;

use super::*;
use crate::domain::entry::Account;
use crate::domain::returned::bare;
use crate::domain::testing::book::{package, package_until};
use crate::domain::testing::{at, credits, customer, ending, item, line_for, lot, stamp};

fn trigger(kind: EventKind) -> Trigger {
    Trigger {
        id: TriggerId::generate(at(1)),
        business_id: package().business_id,
        name: "A welcome".to_owned(),
        occasion: Occasion {
            kind,
            name: String::new(),
            template_id: None,
            item_id: None,
        },
        award: Award::Credits {
            credit_type_id: CreditTypeId::generate(at(0)),
            amount: credits("1"),
        },
        archived_at: Some(at(5)),
        created_at: at(1),
        version: 1,
    }
}

fn event(kind: EventKind, hours: i64) -> Event {
    Event {
        id: EventId::generate(at(hours)),
        business_id: package().business_id,
        kind,
        name: String::new(),
        subject: "1".to_owned(),
        customer_id: customer(),
        package_id: None,
        item_id: None,
        occurred_at: at(hours),
    }
}

#[test]
fn a_trigger_acts_on_what_happens_from_when_it_was_made_until_it_is_archived() {
    let trigger = trigger(EventKind::CustomerCreated);
    let acts = |hours| trigger.acts_on(&event(EventKind::CustomerCreated, hours), None);
    assert_eq!([0, 1, 4, 5].map(acts), [false, true, true, false]);
    let just_before = Event {
        occurred_at: at(5) - TimeDelta::microseconds(1),
        ..event(EventKind::CustomerCreated, 4)
    };
    assert!(trigger.acts_on(&just_before, None));
}

#[test]
fn a_trigger_acts_on_its_kind_and_name_only() {
    let mut finished = trigger(EventKind::Fired);
    finished.occasion.name = "course.finished".to_owned();
    let mut fired = event(EventKind::Fired, 2);
    assert!(!finished.acts_on(&fired, None));
    fired.name.clone_from(&finished.occasion.name);
    assert!(finished.acts_on(&fired, None));
    assert!(!trigger(EventKind::PackageSold).acts_on(&fired, None));
}

#[test]
fn a_trigger_may_wait_for_packages_of_a_template_or_with_an_item() {
    let (swim, yoga) = (item(), item());
    let mut wanted = trigger(EventKind::PackageSold);
    let sold = event(EventKind::PackageSold, 2);
    let of = |template_id| Package {
        template: Some((template_id, 3)),
        ..package()
    };
    let template_id = TemplateId::generate(at(0));
    let lines = [Line::clone(&line_for(&swim))];
    wanted.occasion.template_id = Some(template_id);
    assert!(wanted.acts_on(&sold, Some((&of(template_id), &lines))));
    let other = of(TemplateId::generate(at(0)));
    assert!(!wanted.acts_on(&sold, Some((&other, &lines))));
    assert!(!wanted.acts_on(&sold, Some((&package(), &lines))));
    wanted.occasion.template_id = None;
    wanted.occasion.item_id = Some(swim.id);
    assert!(wanted.acts_on(&sold, Some((&other, &lines))));
    wanted.occasion.item_id = Some(yoga.id);
    assert!(!wanted.acts_on(&sold, Some((&other, &lines))));
    assert!(!wanted.acts_on(&sold, None));
}

/// A lot of two credits after so many of them moved there.
fn after(moved: &[(EntryKind, Account, &str)]) -> Lot {
    let mut found = ending(lot(&line_for(&item()), "2", 100), 10);
    for (n, (kind, to, amount)) in (1..).zip(moved) {
        let accounts = (Account::Available, *to);
        let movement = bare(*kind, accounts, (credits(amount), 0), at(n.into()), false);
        found.post(&stamp(n.into()), n, movement).unwrap();
    }
    found
}

#[test]
fn what_happened_is_told_by_the_state_and_by_what_was_written() {
    let use_of = |amount| (EntryKind::Consume, Account::Consumed, amount);
    let held = (EntryKind::Hold, Account::Held, "1");
    let lost = (EntryKind::Expire, Account::Expired, "1");
    let told =
        |moved: &[_], kinds: &[EntryKind]| happened(&package_until(10), &[after(moved)], kinds);
    let (consume, expire) = (&[EntryKind::Consume], &[EntryKind::Expire]);
    let used_up = Some(EventKind::PackageUsedUp);
    assert_eq!(told(&[use_of("2")], consume), used_up);
    assert_eq!(told(&[use_of("2")], &[EntryKind::Capture]), used_up);
    assert_eq!(told(&[use_of("1")], consume), None);
    assert_eq!(
        told(&[use_of("1"), held], consume),
        None,
        "it may come back"
    );
    assert_eq!(told(&[use_of("2")], expire), None, "nothing was lost");
    let moved = (EntryKind::Transfer, Account::Transferred, "1");
    assert_eq!(told(&[use_of("1"), moved], consume), None, "it went on");
    let expired = Some(EventKind::PackageExpired);
    assert_eq!(told(&[use_of("1"), lost], expire), expired);
    assert_eq!(
        told(&[use_of("1"), lost], consume),
        None,
        "it ended otherwise"
    );
    let revoked = Package {
        revoked_at: Some(at(3)),
        ..package_until(10)
    };
    assert_eq!(happened(&revoked, &[after(&[use_of("2")])], consume), None);
}

#[test]
fn a_trigger_for_an_item_acts_on_paid_lines_of_that_item_only() {
    let [swim, other] = [item().id, item().id];
    let mut wanted = trigger(EventKind::InvoicePaid);
    wanted.occasion.item_id = Some(swim);
    let paid = |item_id| Event {
        item_id: Some(item_id),
        ..event(EventKind::InvoicePaid, 2)
    };
    assert!(wanted.acts_on(&paid(swim), None));
    assert!(!wanted.acts_on(&paid(other), None));
    assert!(trigger(EventKind::InvoicePaid).acts_on(&paid(other), None));
}

#[test]
fn what_happens_to_a_package_is_about_its_items_too_and_a_paid_invoice_about_items_alone() {
    let about = |kind: EventKind| (kind.is_about_package(), kind.is_about_items());
    assert_eq!(about(EventKind::PackageSold), (true, true));
    assert_eq!(about(EventKind::InvoicePaid), (false, true));
    assert_eq!(about(EventKind::CustomerCreated), (false, false));
}
