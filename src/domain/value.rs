//! The money that credits stand for, split to the cent (design section 2, "Value").
//!
//! Everything is in minor units of one currency and adds up exactly: what is carried out of a lot in
//! any number of pieces sums to what the lot was worth. Products are taken in `i128`, where two
//! `i64` always fit; nothing is rounded twice.

use std::cmp::Reverse;

use crate::domain::credits::Credits;

/// The value, in minor units, that an entry carries which leaves `remaining` credits unused.
///
/// It is `unused_value − round_half_even(value × remaining ÷ quantity)`, never below 0 nor above
/// `unused_value`, and all of it when nothing remains. `value` and `quantity` are the lot's since its
/// last revaluation, `unused_value` is its pool before the entry. A part of an undo is carried by
/// the same formula over the original entry: its value, its amount, and what is not yet undone.
pub fn carried(unused_value: i64, value: i64, quantity: Credits, remaining: Credits) -> i64 {
    if remaining <= Credits::ZERO {
        return unused_value;
    }
    let kept = share(value, remaining, quantity);
    unused_value.saturating_sub(kept).min(unused_value).max(0)
}

/// The share of `total` minor units that falls to `part` of `whole`, rounded half to even.
///
/// All of `total` when `part` is `whole`. Where there is no `whole` to speak of (zero or less), a
/// differing part has no share: 0. A share that an `i64` cannot hold is the nearest that it can.
pub fn share(total: i64, part: Credits, whole: Credits) -> i64 {
    if part == whole {
        return total;
    }
    if whole <= Credits::ZERO {
        return 0;
    }
    let product = i128::from(total).saturating_mul(i128::from(part.millionths()));
    let rounded = round_half_even(product, i128::from(whole.millionths()));
    let nearest = if rounded.is_negative() {
        i64::MIN
    } else {
        i64::MAX
    };
    i64::try_from(rounded).unwrap_or(nearest)
}

/// `numerator ÷ denominator` to the nearest whole number, halves to the even one; 0 unless the
/// denominator is positive.
fn round_half_even(numerator: i128, denominator: i128) -> i128 {
    if denominator <= 0 {
        return 0;
    }
    let floor = numerator.checked_div_euclid(denominator).unwrap_or(0);
    let rest = numerator.checked_rem_euclid(denominator).unwrap_or(0);
    // Compared with what is missing to the next whole number, instead of doubling the rest.
    let missing = denominator.saturating_sub(rest);
    let up = rest > missing || (rest == missing && floor & 1 == 1);
    if up { floor.saturating_add(1) } else { floor }
}

/// Splits `total` minor units by `weights`, by largest remainder; the parts sum to `total` exactly.
///
/// A weight below zero counts as zero; if all are zero, all count alike. Equal remainders go to the
/// earlier index. The parts of a negative `total` are those of the positive one, negated. Without
/// any weights there are no parts. Exact for weights that sum to less than 2^126; larger ones are
/// first halved until they do.
pub fn allocate(total: i64, weights: &[i128]) -> Vec<i64> {
    let (weights, sum) = usable_weights(weights);
    let magnitude = total.unsigned_abs();
    let mut parts: Vec<u64> = Vec::with_capacity(weights.len());
    let mut remainders: Vec<(usize, u128)> = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        let (part, remainder) = multiply_and_divide(magnitude, *weight, sum);
        parts.push(part);
        remainders.push((index, remainder));
    }
    let given: u64 = parts.iter().sum();
    let left = usize::try_from(magnitude.saturating_sub(given)).unwrap_or(usize::MAX);
    // A stable sort: equal remainders stay in the order of their index.
    remainders.sort_by_key(|(_, remainder)| Reverse(*remainder));
    for (index, _) in remainders.into_iter().take(left) {
        if let Some(part) = parts.get_mut(index) {
            *part = part.saturating_add(1);
        }
    }
    let signed = |part: u64| {
        if total.is_negative() {
            0_i64.saturating_sub_unsigned(part)
        } else {
            0_i64.saturating_add_unsigned(part)
        }
    };
    parts.into_iter().map(signed).collect()
}

/// The weights that count, none below zero and not all zero, and their sum, below 2^126.
fn usable_weights(weights: &[i128]) -> (Vec<u128>, u128) {
    const SUM_MAX: u128 = (1 << 126) - 1;
    let mut usable: Vec<u128> = weights
        .iter()
        .map(|weight| u128::try_from(*weight).unwrap_or(0))
        .collect();
    if usable.iter().all(|weight| *weight == 0) {
        usable.fill(1);
    }
    loop {
        let sum = usable
            .iter()
            .try_fold(0_u128, |sum, weight| sum.checked_add(*weight));
        match sum {
            Some(sum) if sum <= SUM_MAX => return (usable, sum),
            _ => usable.iter_mut().for_each(|weight| *weight /= 2),
        }
    }
}

/// Quotient and remainder of `total × weight ÷ sum`, for `weight <= sum < 2^126` and a `sum` above 0.
///
/// The product can need 190 bits, so it is divided while it is built, one bit of `total` at a time;
/// the rest stays below `sum`, and so every step below 2^128.
fn multiply_and_divide(total: u64, weight: u128, sum: u128) -> (u64, u128) {
    let (mut quotient, mut rest) = (0_u64, 0_u128);
    for bit in (0..u64::BITS).rev() {
        quotient = quotient.saturating_mul(2);
        rest = rest.saturating_mul(2);
        if (total >> bit) & 1 == 1 {
            rest = rest.saturating_add(weight);
        }
        while rest >= sum {
            rest = rest.saturating_sub(sum);
            quotient = quotient.saturating_add(1);
        }
    }
    (quotient, rest)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millionths(n: i64) -> Credits {
        Credits::from_millionths(n)
    }

    #[test]
    fn ten_euros_over_three_credits_leave_no_cent_behind() {
        let quantity = Credits::UNIT.checked_times(3).unwrap();
        let mut unused = 1_000;
        let mut taken = Vec::new();
        for left in [2, 1, 0] {
            let value = carried(
                unused,
                1_000,
                quantity,
                Credits::UNIT.checked_times(left).unwrap(),
            );
            taken.push(value);
            unused -= value;
        }
        assert_eq!(taken, [333, 334, 333]);
        assert_eq!(unused, 0);
    }

    #[test]
    fn what_is_carried_stays_between_nothing_and_all() {
        let quantity = millionths(10);
        assert_eq!(carried(3, 100, quantity, millionths(9)), 0);
        assert_eq!(carried(500, 100, quantity, millionths(9)), 410);
        assert_eq!(carried(7, 100, quantity, Credits::ZERO), 7);
        assert_eq!(carried(0, 0, quantity, millionths(4)), 0);
        assert_eq!(carried(9, 100, Credits::ZERO, Credits::ZERO), 9);
    }

    #[test]
    fn halves_go_to_the_even_cent() {
        for (total, cents) in [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2)] {
            assert_eq!(
                share(total, millionths(1), millionths(2)),
                cents,
                "{total} ÷ 2"
            );
        }
        assert_eq!(share(100, millionths(1), millionths(3)), 33);
        assert_eq!(share(100, millionths(2), millionths(3)), 67);
        assert_eq!(share(100, millionths(3), millionths(3)), 100);
        assert_eq!(share(100, millionths(3), Credits::ZERO), 0);
        assert_eq!(
            share(i64::MAX, millionths(i64::MAX), millionths(1)),
            i64::MAX
        );
        assert_eq!(
            share(i64::MIN, millionths(i64::MAX), millionths(1)),
            i64::MIN
        );
    }

    #[test]
    fn semantics_26_the_largest_remainder_gets_the_odd_cent() {
        assert_eq!(allocate(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(allocate(100, &[1, 2, 3]), [17, 33, 50]);
        assert_eq!(allocate(101, &[0, 0]), [51, 50]);
        assert_eq!(allocate(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(allocate(5, &[0, 7, -3]), [0, 5, 0]);
        assert_eq!(allocate(i64::MIN, &[i128::MAX]), [i64::MIN]);
        assert_eq!(allocate(9, &[i128::MAX, i128::MAX, i128::MAX]), [3, 3, 3]);
        assert!(allocate(100, &[]).is_empty());
    }

    #[test]
    fn weights_are_halved_only_where_their_sum_reaches_two_to_the_126() {
        let limit = 1_i128 << 126;
        for (weights, usable) in [
            ([limit - 2, 1], [limit - 2, 1]),
            ([limit - 1, 1], [limit / 2 - 1, 0]),
            ([limit, 1], [limit / 2, 0]),
        ] {
            let usable = usable.map(i128::unsigned_abs);
            assert_eq!(
                usable_weights(&weights),
                (usable.to_vec(), usable.iter().sum())
            );
        }
    }

    proptest! {
        #[test]
        fn consuming_in_any_pieces_sums_to_the_value_and_never_strays_by_more_than_half_a_cent(
            value in 0_i64..=100_000_000_000,
            pieces in prop::collection::vec(1_i64..=50_000_000, 1..40),
        ) {
            let quantity: i64 = pieces.iter().sum();
            let (mut unused, mut remaining) = (value, quantity);
            for piece in pieces {
                remaining -= piece;
                let taken = carried(unused, value, millionths(quantity), millionths(remaining));
                prop_assert!((0..=unused).contains(&taken));
                unused -= taken;
                // |unused ÷ 1 − value × remaining ÷ quantity| ≤ ½, without a division.
                let exact = i128::from(value) * i128::from(remaining);
                let stray = (i128::from(unused) * i128::from(quantity) - exact).abs();
                prop_assert!(stray * 2 <= i128::from(quantity));
            }
            prop_assert_eq!(unused, 0);
        }

        #[test]
        fn undoing_an_entry_in_any_pieces_gives_back_what_it_carried(
            value in 0_i64..=100_000_000,
            pieces in prop::collection::vec(1_i64..=9_000_000, 1..20),
        ) {
            let amount: i64 = pieces.iter().sum();
            let (mut rest, mut not_undone, mut back) = (value, amount, 0);
            for piece in pieces {
                not_undone -= piece;
                let part = carried(rest, value, millionths(amount), millionths(not_undone));
                rest -= part;
                back += part;
            }
            prop_assert_eq!(back, value);
        }

        #[test]
        fn what_is_carried_never_panics_and_never_exceeds_the_pool(
            unused in 0_i64..=i64::MAX,
            value: i64,
            quantity: i64,
            remaining: i64,
        ) {
            let taken = carried(unused, value, millionths(quantity), millionths(remaining));
            prop_assert!((0..=unused).contains(&taken));
        }

        #[test]
        fn parts_sum_to_the_total_and_are_within_a_cent_of_their_share(
            total: i64,
            weights in prop::collection::vec(-5_i64..1_000_000_000_000, 1..20),
        ) {
            let weights: Vec<i128> = weights.into_iter().map(i128::from).collect();
            let parts = allocate(total, &weights);
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(parts.iter().copied().map(i128::from).sum::<i128>(), i128::from(total));
            let sum: i128 = weights.iter().map(|weight| weight.max(&0)).sum();
            for (part, weight) in parts.iter().zip(&weights).filter(|_| sum > 0) {
                let stray = i128::from(*part) * sum - i128::from(total) * weight.max(&0);
                prop_assert!(stray.abs() < sum);
            }
        }

        #[test]
        fn parts_of_huge_weights_still_sum_to_the_total(
            total: i64,
            weights in prop::collection::vec(any::<i128>(), 1..8),
        ) {
            let parts = allocate(total, &weights);
            prop_assert_eq!(parts.iter().copied().map(i128::from).sum::<i128>(), i128::from(total));
        }
    }
}
