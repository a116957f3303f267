//! How portions are taken of parts.

use proptest::prelude::*;

use super::*;
use crate::domain::testing::{credits, start};

fn parts(of: &[(&str, &str, Option<&str>)]) -> Vec<Part> {
    (0..)
        .zip(of)
        .map(|(n, (amount, left, units))| Part {
            n,
            lot_id: LotId::generate(start()),
            amount: credits(amount),
            left: credits(left),
            units: units.map(credits),
        })
        .collect()
}

/// The numbers, amounts and units of what was taken.
fn said(slices: &[Slice]) -> Vec<(i32, String, Option<String>)> {
    let text = |slice: &Slice| {
        let units = slice.units.map(|units| units.to_string());
        (slice.n, slice.amount.to_string(), units)
    };
    slices.iter().map(text).collect()
}

fn check(parts: &[Part], portion: Portion, from: From, expected: &[(i32, &str, Option<&str>)]) {
    let taken = take(parts, portion, from).unwrap();
    let expected: Vec<_> = expected
        .iter()
        .map(|(n, amount, units)| (*n, (*amount).to_owned(), units.map(str::to_owned)))
        .collect();
    assert_eq!(said(&taken), expected);
}

#[test]
fn all_is_all_that_is_left() {
    let parts = parts(&[("4", "1", Some("2")), ("3", "0", Some("3"))]);
    check(&parts, Portion::All, From::First, &[(0, "1", Some("0.5"))]);
}

#[test]
fn parts_are_taken_from_either_end() {
    let parts = parts(&[("2", "2", Some("2")), ("3", "3", Some("3"))]);
    let four = Portion::Units(credits("4"));
    let first = [(0, "2", Some("2")), (1, "2", Some("2"))];
    check(&parts, four, From::First, &first);
    let last = [(1, "3", Some("3")), (0, "1", Some("1"))];
    check(&parts, four, From::Last, &last);
    check(&parts, Portion::Credits(credits("4")), From::Last, &last);
}

#[test]
fn parts_that_share_a_unit_are_counted_together() {
    // Two units at three credits: one of them from three lots, then a lone one.
    let parts = parts(&[
        ("1", "1", Some("1")),
        ("0.5", "0.5", Some("0")),
        ("1.5", "1.5", Some("0")),
        ("3", "3", Some("1")),
    ]);
    let one = Portion::Units(credits("1"));
    let shared = [
        (0, "1", Some("1")),
        (1, "0.5", Some("0")),
        (2, "1.5", Some("0")),
    ];
    check(&parts, one, From::First, &shared);
    check(&parts, one, From::Last, &[(3, "3", Some("1"))]);
    let half_more = [(3, "3", Some("1")), (2, "1.5", Some("0.5"))];
    check(
        &parts,
        Portion::Units(credits("1.5")),
        From::Last,
        &half_more,
    );
}

#[test]
fn credits_that_are_no_exact_units_have_none() {
    let parts = parts(&[("3", "3", Some("1"))]);
    check(
        &parts,
        Portion::Credits(credits("1")),
        From::First,
        &[(0, "1", None)],
    );
    let third = Portion::Units(Credits::from_millionths(1));
    let three_millionths = take(&parts, third, From::First).unwrap();
    assert_eq!(three_millionths[0].amount.millionths(), 3);
}

#[test]
fn units_finer_than_credits_can_be_are_refused() {
    let parts = parts(&[("1", "1", Some("3"))]);
    let one = Portion::Units(credits("1"));
    assert_eq!(take(&parts, one, From::First), Err(CannotTake::TooFine));
    let all = Portion::Units(credits("3"));
    check(&parts, all, From::First, &[(0, "1", Some("3"))]);
}

#[test]
fn what_was_taken_by_hand_has_no_units() {
    let parts = parts(&[("2", "2", None), ("1", "1", None)]);
    let one = Portion::Units(credits("1"));
    assert_eq!(take(&parts, one, From::First), Err(CannotTake::NoUnits));
    let expected = [(0, "2", None), (1, "0.5", None)];
    check(
        &parts,
        Portion::Credits(credits("2.5")),
        From::First,
        &expected,
    );
}

#[test]
fn less_than_asked_for_is_said_with_the_numbers() {
    let parts = parts(&[("4", "3", Some("2")), ("3", "3", Some("3"))]);
    for (portion, left, counted_in) in [
        (Portion::Units(credits("5")), "4.5", CountedIn::Units),
        (Portion::Credits(credits("7")), "6", CountedIn::Credits),
    ] {
        let requested = match portion {
            Portion::Units(amount) | Portion::Credits(amount) => amount,
            Portion::All => Credits::ZERO,
        };
        let short = CannotTake::Short {
            left: credits(left),
            requested,
            counted_in,
        };
        assert_eq!(take(&parts, portion, From::First), Err(short));
    }
}

#[test]
fn nothing_is_taken_of_nothing() {
    for portion in [
        Portion::All,
        Portion::Credits(Credits::ZERO),
        Portion::Units(Credits::ZERO),
    ] {
        check(&[], portion, From::First, &[]);
    }
}

proptest! {
    /// What is taken is what was asked for, of what is left, and the units of all pieces are all units.
    #[test]
    fn pieces_add_up_to_all(
        sizes in proptest::collection::vec((1_i64..50, 1_i64..5, any::<bool>()), 1..6),
        pieces in proptest::collection::vec(1_i64..60, 0..20),
        from_last: bool,
    ) {
        let mut parts = Vec::new();
        for (n, (units, per_unit, shares)) in (0..).zip(sizes) {
            let tenth = |n: i64| Credits::from_millionths(n * 100_000);
            let is_tail = shares && !parts.is_empty();
            parts.push(Part {
                n,
                lot_id: LotId::generate(start()),
                amount: tenth(units * per_unit),
                left: tenth(units * per_unit),
                units: Some(if is_tail { Credits::ZERO } else { tenth(units) }),
            });
        }
        let from = if from_last { From::Last } else { From::First };
        let all: i64 = parts.iter().map(|part| part.left.millionths()).sum();
        let mut left = all;
        for tenths in pieces {
            let amount = Credits::from_millionths(tenths * 100_000);
            match take(&parts, Portion::Credits(amount), from) {
                Ok(slices) => {
                    let taken: i64 = slices.iter().map(|slice| slice.amount.millionths()).sum();
                    prop_assert_eq!(taken, amount.millionths());
                    left -= taken;
                    for slice in slices {
                        let part = parts.iter_mut().find(|part| part.n == slice.n).unwrap();
                        part.left = part.left.checked_sub(slice.amount).unwrap();
                        prop_assert!(part.left >= Credits::ZERO);
                    }
                }
                Err(_) => prop_assert!(amount.millionths() > left),
            }
        }
        let rest = take(&parts, Portion::All, from).unwrap();
        let rest: i64 = rest.iter().map(|slice| slice.amount.millionths()).sum();
        prop_assert_eq!(rest, left);
    }
}
