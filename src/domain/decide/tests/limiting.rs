//! The rules of how much each customer may use of a package on a day (A13).

use crate::domain::decide::*;
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::refusal::HolderRefusal;
use crate::domain::testing::book::*;
use crate::domain::testing::{credits, item, line_for, start};
use crate::domain::use_limit::UseLimit;
use crate::ids::CustomerId;

/// Eight lessons, of which each customer may use two on one day.
fn two_a_day() -> (Book, ItemFacts, PackageId) {
    let swim = item();
    let package = Package {
        use_limit: Some(UseLimit {
            per_day: Some(credits("2")),
            per_week: None,
        }),
        ..package()
    };
    let id = package.id;
    let mut book = Book::default();
    book.sell(package, &[(&line_for(&swim), "8", 800)]);
    (book, swim, id)
}

fn used(book: &mut Book, hours: i64, consume: Consume) -> Result<Uuid, Refusal> {
    let posting = book.act(hours, Command::Consume(consume))?;
    Ok(posting.id)
}

/// Refused by the limit, with so much used or held.
fn refused(told: Result<Uuid, Refusal>, used: &str) {
    let refusal = told.unwrap_err();
    let Refusal::Holder(HolderRefusal::UseLimit { allowance, .. }) = refusal else {
        panic!("{refusal}");
    };
    assert_eq!(allowance.used, credits(used));
}

#[test]
fn no_more_is_used_on_one_day_than_the_limit_allows() {
    let (mut book, swim, _) = two_a_day();
    refused(used(&mut book, 1, units(&swim, "2.5")), "0");
    used(&mut book, 1, units(&swim, "1")).unwrap();
    refused(used(&mut book, 2, units(&swim, "2")), "1");
    used(&mut book, 2, units(&swim, "1")).unwrap();
    refused(used(&mut book, 3, by_hand("0.1")), "2");
    used(&mut book, 24, units(&swim, "2")).unwrap();
    // A limit is not what stands in the way of more than there is.
    let too_many = used(&mut book, 48, units(&swim, "5")).unwrap_err();
    assert_eq!(too_many.reason(), "INSUFFICIENT_CREDITS");
}

#[test]
fn what_is_undone_of_a_use_can_be_used_again_on_the_same_day() {
    let (mut book, swim, _) = two_a_day();
    let first = used(&mut book, 1, units(&swim, "1")).unwrap();
    used(&mut book, 1, units(&swim, "1")).unwrap();
    book.act(2, reverse(first, of_units("0.5"))).unwrap();
    refused(used(&mut book, 3, units(&swim, "1")), "1.5");
    book.act(3, reverse(first, Portion::All)).unwrap();
    used(&mut book, 4, units(&swim, "1")).unwrap();
    refused(used(&mut book, 5, units(&swim, "1")), "2");
}

#[test]
fn what_is_held_counts_once_until_it_is_free() {
    let (mut book, swim, _) = two_a_day();
    let held = book.act(1, hold(units(&swim, "1"), None)).unwrap();
    used(&mut book.clone(), 1, units(&swim, "1")).unwrap();
    refused(used(&mut book, 1, units(&swim, "2")), "1");
    let refusal = book.act(1, hold(units(&swim, "2"), None)).unwrap_err();
    assert_eq!(refusal.reason(), "USE_LIMIT");
    book.act(2, release(hold_of(&held))).unwrap();
    used(&mut book, 3, units(&swim, "2")).unwrap();
}

#[test]
fn what_was_held_and_is_used_with_more_counts_too() {
    let (mut book, swim, _) = two_a_day();
    let held = hold_of(&book.act(1, hold(units(&swim, "1"), None)).unwrap());
    let captured = |amount| {
        Command::Capture(Capture {
            hold_id: held,
            portion: of_units(amount),
            delivered_at: None,
            excess: Some(Some(swim.clone())),
        })
    };
    let refusal = book.act(2, captured("3")).unwrap_err();
    assert_eq!(refusal.reason(), "USE_LIMIT");
    book.act(2, captured("2")).unwrap();
}

#[test]
fn each_customer_has_a_limit_of_their_own() {
    let (mut book, swim, id) = two_a_day();
    book.shared_with.insert(id);
    let by_member = Consume {
        customer_id: CustomerId::generate(start()),
        ..units(&swim, "2")
    };
    let (mut used_by_member, mut held_by_member) = (book.clone(), book.clone());
    used(&mut used_by_member, 1, by_member.clone()).unwrap();
    used(&mut used_by_member, 2, units(&swim, "2")).unwrap();
    refused(used(&mut used_by_member, 2, by_member.clone()), "2");
    held_by_member
        .act(1, hold(by_member.clone(), None))
        .unwrap();
    used(&mut held_by_member, 2, units(&swim, "2")).unwrap();
    // What time has used counts with whose it was, written or not.
    book.act(1, hold_to_capture(by_member.clone(), 5)).unwrap();
    used(&mut book.clone(), 6, units(&swim, "2")).unwrap();
    refused(used(&mut book, 6, by_member), "2");
}

#[test]
fn a_named_package_whose_limit_is_reached_is_not_replaced_by_another_named_one() {
    let (mut book, swim, limited) = two_a_day();
    let other = package();
    let named = vec![limited, other.id];
    book.sell(other, &[(&line_for(&swim), "8", 800)]);
    let only_limited = Consume {
        package_ids: vec![limited],
        ..units(&swim, "2")
    };
    let both = Consume {
        package_ids: named,
        ..units(&swim, "3")
    };
    used(&mut book.clone(), 1, both.clone()).unwrap();
    used(&mut book, 1, only_limited).unwrap();
    refused(used(&mut book, 2, both), "2");
}
