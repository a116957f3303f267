//! The rules of using credits, one by one.

use chrono::TimeDelta;
use proptest::prelude::*;

use crate::domain::credits::Credits;
use crate::domain::decide::*;
use crate::domain::entry::EntryKind;
use crate::domain::line::{ItemFacts, Subject};
use crate::domain::lot::Fold;
use crate::domain::posting::Effect;
use crate::domain::refusal::CountedIn;
use crate::domain::selection::Wanted;
use crate::domain::testing::book::by_hand;
use crate::domain::testing::{credits, customer, ending, item, line, line_for, lot, stamp, start};
use crate::ids::{CustomerId, LotId};

fn units(item: &ItemFacts, units: &str) -> Consume {
    Consume {
        customer_id: customer(),
        wanted: Wanted::Item {
            item: item.clone(),
            units: credits(units),
        },
        package_ids: Vec::new(),
        delivered_at: None,
        consumed_by: None,
        past_expiry: None,
    }
}

fn consume(lots: &[Lot], consume: Consume, hours: i64) -> Result<Posting, Refusal> {
    let stamp = stamp(hours);
    decide(
        &Facts::of_lots(lots.iter().cloned()),
        &Command::Consume(consume),
        &stamp,
    )
}

/// What was taken from which lot.
fn taken(posting: &Posting) -> Vec<(LotId, String)> {
    posting
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Consume)
        .map(|entry| (entry.lot_id, entry.amount.to_string()))
        .collect()
}

#[test]
fn one_lesson_of_eight_is_used() {
    let swim = item();
    let lot = lot(&line_for(&swim), "8", 12_000);
    let posting = consume(&[lot], units(&swim, "1"), 1).unwrap();
    let after = &posting.lots[0];
    assert_eq!(after.available(), credits("7"));
    assert_eq!(after.fold.balances.consumed, credits("1"));
    assert_eq!(posting.entries[0].value, 1_500);
    assert_eq!(after.fold.pools.unused, 10_500);
}

#[test]
fn more_than_is_left_is_refused_with_the_numbers() {
    let swim = item();
    let lot = lot(&line_for(&swim), "1", 0);
    let refusal = consume(&[lot], units(&swim, "2"), 1).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::InsufficientCredits {
            available: credits("1"),
            requested: credits("2"),
            counted_in: CountedIn::Units,
        }
    );
}

#[test]
fn more_credits_by_hand_than_are_left_are_refused_with_the_numbers() {
    let line = line_for(&item());
    let lots = [lot(&line, "3", 300), lot(&line, "2", 200)];
    let refusal = consume(&lots, by_hand("5.1"), 1).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::InsufficientCredits {
            available: credits("5"),
            requested: credits("5.1"),
            counted_in: CountedIn::Credits,
        }
    );
    assert!(consume(&lots, by_hand("5"), 1).is_ok());
}

#[test]
fn a_package_is_unusable_at_its_expiry_instant_and_usable_just_before() {
    let swim = item();
    let lot = ending(lot(&line_for(&swim), "8", 800), 5);
    let package_id = lot.package_id;
    let named = |hours, micros| {
        let mut stamp = stamp(hours);
        stamp.now += TimeDelta::microseconds(micros);
        let mut command = units(&swim, "1");
        command.package_ids = vec![package_id];
        decide(
            &Facts::of_lots([lot.clone()]),
            &Command::Consume(command),
            &stamp,
        )
    };
    assert!(named(5, -1).is_ok());
    assert_eq!(
        named(5, 0).unwrap_err(),
        Refusal::PackageExpired {
            package_id,
            expires_at: start() + TimeDelta::hours(5),
        }
    );
}

#[test]
fn an_unnamed_call_looks_past_an_expired_package_and_writes_its_expiry() {
    let swim = item();
    let line = line_for(&swim);
    let old = ending(lot(&line, "3", 300), 2);
    let new = ending(lot(&line, "8", 800), 50);
    let posting = consume(&[old.clone(), new.clone()], units(&swim, "1"), 3).unwrap();
    assert_eq!(taken(&posting), [(new.id, "1".to_owned())]);
    let expiry = &posting.entries[0];
    assert!(expiry.by_time);
    assert_eq!(expiry.lot_id, old.id);
    assert_eq!(expiry.effective_at, start() + TimeDelta::hours(2));
    assert_eq!(expiry.recorded_at, start() + TimeDelta::hours(3));
}

#[test]
fn a_refused_command_keeps_nothing_not_even_its_settling() {
    let swim = item();
    let old = ending(lot(&line_for(&swim), "3", 300), 2);
    assert!(consume(&[old], units(&swim, "1"), 3).is_err());
}

#[test]
fn earliest_expiry_pays_before_later_and_never() {
    let swim = item();
    let line = line_for(&swim);
    let never = lot(&line, "8", 800);
    let later = ending(lot(&line, "8", 800), 90);
    let sooner = ending(lot(&line, "2", 200), 30);
    let all = [never.clone(), later.clone(), sooner.clone()];
    let posting = consume(&all, units(&swim, "11"), 1).unwrap();
    let expected = [
        (sooner.id, "2".to_owned()),
        (later.id, "8".to_owned()),
        (never.id, "1".to_owned()),
    ];
    assert_eq!(taken(&posting), expected);
}

#[test]
fn priority_goes_before_expiry() {
    let swim = item();
    let line = line_for(&swim);
    let soon = ending(lot(&line, "8", 800), 30);
    let mut first = lot(&line, "8", 800);
    first.priority = -1;
    let posting = consume(&[soon, first.clone()], units(&swim, "1"), 1).unwrap();
    assert_eq!(taken(&posting), [(first.id, "1".to_owned())]);
}

#[test]
fn the_narrower_line_pays_first() {
    let swim = ItemFacts {
        category: "lessons".to_owned(),
        ..item()
    };
    let broad = lot(
        &line(&[(Subject::Category("lessons".to_owned()), "1")]),
        "8",
        800,
    );
    let narrow = lot(&line_for(&swim), "8", 800);
    let posting = consume(&[broad, narrow.clone()], units(&swim, "1"), 1).unwrap();
    assert_eq!(taken(&posting), [(narrow.id, "1".to_owned())]);
}

#[test]
fn a_bonus_is_used_before_what_was_paid() {
    let swim = item();
    let line = line_for(&swim);
    let paid = lot(&line, "8", 800);
    let mut bonus = lot(&line, "1", 0);
    bonus.package_id = paid.package_id;
    let posting = consume(&[paid.clone(), bonus.clone()], units(&swim, "2"), 1).unwrap();
    let expected = [(bonus.id, "1".to_owned()), (paid.id, "1".to_owned())];
    assert_eq!(taken(&posting), expected);
}

#[test]
fn a_named_package_is_used_or_refused_never_replaced() {
    let swim = item();
    let massage = item();
    let swimming = lot(&line_for(&swim), "8", 800);
    let massages = lot(&line_for(&massage), "8", 800);
    let mut command = units(&swim, "1");
    command.package_ids = vec![massages.package_id];
    let refusal = consume(&[swimming, massages.clone()], command, 1).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::ItemNotCovered {
            package_id: massages.package_id,
            item_id: swim.id,
        }
    );
}

#[test]
fn named_packages_are_used_in_the_order_named() {
    let swim = item();
    let line = line_for(&swim);
    let soon = ending(lot(&line, "8", 800), 30);
    let late = ending(lot(&line, "2", 200), 90);
    let mut command = units(&swim, "3");
    command.package_ids = vec![late.package_id, soon.package_id];
    let posting = consume(&[soon.clone(), late.clone()], command, 1).unwrap();
    let expected = [(late.id, "2".to_owned()), (soon.id, "1".to_owned())];
    assert_eq!(taken(&posting), expected);
}

#[test]
fn a_unit_never_spans_two_packages() {
    let flight = item();
    let line = line(&[(Subject::Item(flight.id), "2")]);
    let odd = ending(lot(&line, "3", 300), 30);
    let even = ending(lot(&line, "4", 400), 90);
    let posting = consume(&[odd.clone(), even.clone()], units(&flight, "2"), 1).unwrap();
    let expected = [(odd.id, "2".to_owned()), (even.id, "2".to_owned())];
    assert_eq!(taken(&posting), expected);
}

#[test]
fn a_unit_may_be_finished_by_another_lot_of_its_line() {
    let flight = item();
    let line = line(&[(Subject::Item(flight.id), "2")]);
    let paid = lot(&line, "4", 400);
    let mut bonus = lot(&line, "1", 0);
    bonus.package_id = paid.package_id;
    let posting = consume(&[paid.clone(), bonus.clone()], units(&flight, "2"), 1).unwrap();
    let sum: i64 = posting
        .entries
        .iter()
        .map(|entry| entry.amount.millionths())
        .sum();
    assert_eq!(sum, credits("4").millionths());
    assert_eq!(taken(&posting)[0], (bonus.id, "1".to_owned()));
}

#[test]
fn a_unit_may_be_finished_by_the_very_last_of_its_line_and_by_no_more() {
    let flight = item();
    let line = line(&[(Subject::Item(flight.id), "2")]);
    let paid = lot(&line, "1", 100);
    let mut bonus = lot(&line, "1", 0);
    let mut spare = lot(&line, "3", 600);
    bonus.package_id = paid.package_id;
    spare.package_id = paid.package_id;
    let both = [paid.clone(), bonus.clone()];
    let posting = consume(&both, units(&flight, "1"), 1).unwrap();
    let expected = [(bonus.id, "1".to_owned()), (paid.id, "1".to_owned())];
    assert_eq!(taken(&posting), expected);
    // What is not needed is not named in the posting.
    let all = [paid, bonus, spare];
    let posting = consume(&all, units(&flight, "1"), 1).unwrap();
    assert_eq!(taken(&posting), expected);
}

#[test]
fn an_amount_finer_than_the_credit_type_is_refused_not_rounded() {
    let swim = item();
    let lot = lot(&line_for(&swim), "8", 800);
    assert!(consume(std::slice::from_ref(&lot), units(&swim, "0.5"), 1).is_ok());
    let refusal = consume(&[lot], units(&swim, "0.25"), 1).unwrap_err();
    assert_eq!(refusal.reason(), "AMOUNT_TOO_FINE");
}

#[test]
fn a_package_that_starts_later_is_refused_until_then() {
    let swim = item();
    let mut lot = lot(&line_for(&swim), "8", 800);
    lot.terms.starts_at = start() + TimeDelta::hours(10);
    let mut command = units(&swim, "1");
    command.package_ids = vec![lot.package_id];
    let refusal = consume(std::slice::from_ref(&lot), command.clone(), 9).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_NOT_STARTED");
    assert!(consume(&[lot], command, 10).is_ok());
}

#[test]
fn a_service_of_the_future_is_refused() {
    let swim = item();
    let lot = lot(&line_for(&swim), "8", 800);
    let mut command = units(&swim, "1");
    command.delivered_at = Some(start() + TimeDelta::hours(2));
    assert_eq!(
        consume(&[lot], command, 1).unwrap_err().reason(),
        "DELIVERED_IN_FUTURE"
    );
}

#[test]
fn the_first_use_starts_the_clock_at_the_local_day_of_the_service() {
    let swim = item();
    let mut lot = lot(&line_for(&swim), "8", 800);
    lot.terms.counts_from_first_use = true;
    // 22:30 UTC is past midnight in Tallinn.
    let mut late = stamp(0);
    late.now = "2026-03-16T22:30:00Z".parse().unwrap();
    let command = Command::Consume(units(&swim, "1"));
    let posting = decide(&Facts::of_lots([lot.clone()]), &command, &late).unwrap();
    assert_eq!(
        posting.effects,
        [Effect::StartClock {
            package_id: lot.package_id,
            first_used_on: "2026-03-17".parse().unwrap(),
        }]
    );
    lot.terms.first_used_on = Some("2026-03-16".parse().unwrap());
    assert!(
        decide(&Facts::of_lots([lot]), &command, &late)
            .unwrap()
            .effects
            .is_empty()
    );
}

#[test]
fn frozen_and_revoked_packages_are_refused_by_name() {
    let swim = item();
    let mut lot = lot(&line_for(&swim), "8", 800);
    let mut command = units(&swim, "1");
    command.package_ids = vec![lot.package_id];
    lot.terms.frozen = true;
    let frozen = consume(std::slice::from_ref(&lot), command.clone(), 1).unwrap_err();
    assert_eq!(frozen.reason(), "PACKAGE_FROZEN");
    lot.terms.revoked = true;
    let revoked = consume(&[lot], command, 1).unwrap_err();
    assert_eq!(revoked.reason(), "PACKAGE_REVOKED");
}

#[test]
fn another_customers_package_is_refused() {
    let swim = item();
    let lot = lot(&line_for(&swim), "8", 800);
    let mut command = units(&swim, "1");
    command.customer_id = CustomerId::generate(start());
    command.package_ids = vec![lot.package_id];
    let refusal = consume(&[lot], command, 1).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_OF_OTHER_CUSTOMER");
}

proptest! {
    /// However a lot is used up and runs out, no credit and no cent goes missing, and the chain holds.
    #[test]
    fn credits_and_cents_are_conserved(
        quantity in 1_i64..2_000,
        value in 0_i64..1_000_000,
        takes in proptest::collection::vec(1_i64..300, 0..20),
    ) {
        let swim = item();
        let tenths = |n: i64| Credits::from_millionths(n * 100_000);
        let mut lot = ending(lot(&line_for(&swim), &tenths(quantity).to_string(), value), 1_000);
        let mut hash = lot.tail.hash;
        let mut left = quantity;
        for (take, hours) in takes.into_iter().zip(1..) {
            let command = units(&swim, &tenths(take).to_string());
            match consume(std::slice::from_ref(&lot), command, hours) {
                Ok(posting) => {
                    prop_assert!(take <= left);
                    left -= take;
                    lot = posting.lots[0].clone();
                    prop_assert_eq!(posting.entries[0].digest(&hash), lot.tail.hash);
                    hash = lot.tail.hash;
                }
                Err(_) => prop_assert!(take > left),
            }
            sound(&lot.fold, tenths(quantity), value)?;
            let true_share = i128::from(value) * i128::from(left) * 2;
            let off = i128::from(lot.fold.pools.unused) * i128::from(quantity) * 2 - true_share;
            prop_assert!(off.abs() <= i128::from(quantity), "more than half a cent off");
        }
        let late = start() + TimeDelta::hours(1_000);
        let settled = crate::domain::settle::as_of(std::slice::from_ref(&lot), &[], late)[0].clone();
        sound(&settled.fold, tenths(quantity), value)?;
        prop_assert_eq!(settled.available(), Credits::ZERO);
        prop_assert_eq!(settled.fold.balances.expired, tenths(left));
    }
}

fn sound(fold: &Fold, quantity: Credits, value: i64) -> Result<(), TestCaseError> {
    prop_assert_eq!(fold.balances.total(), Some(quantity));
    let pools = fold.pools;
    prop_assert_eq!(
        pools.unused + pools.consumed + pools.expired + pools.revoked + pools.transferred,
        value
    );
    Ok(())
}
