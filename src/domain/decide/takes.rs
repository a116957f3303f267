//! Spreading what is wanted over the lots that can pay.

use crate::domain::credits::Credits;
use crate::domain::lot::Lot;
use crate::domain::refusal::{CountedIn, Refusal};
use crate::domain::selection::Wanted;
use crate::ids::LotId;

/// What one lot contributes.
pub(super) struct Take {
    pub(super) lot_id: LotId,
    pub(super) amount: Credits,
    pub(super) units: Option<Credits>,
}

/// A lot that can pay, and what is left of it while takes are worked out.
pub(super) struct Payer<'a> {
    pub(super) lot: &'a Lot,
    pub(super) per_unit: Credits,
    pub(super) left: Credits,
}

/// Spreads what is wanted over the payers, in order.
pub(super) fn spread(payers: &mut [Payer<'_>], wanted: &Wanted) -> Result<Vec<Take>, Refusal> {
    match wanted {
        Wanted::Item { units, .. } | Wanted::AtRate { units, .. } => take_units(payers, *units),
        Wanted::Credits { amount, .. } => take_amount(payers, *amount),
    }
}

/// Spreads an amount of credits over the payers, in order.
fn take_amount(payers: &mut [Payer<'_>], amount: Credits) -> Result<Vec<Take>, Refusal> {
    let mut takes = Vec::new();
    let mut remaining = amount;
    if let Some(payer) = payers.first() {
        refuse_too_fine(payer.lot, amount)?;
    }
    for payer in payers {
        let part = remaining.min(payer.left);
        remaining = less(remaining, part)?;
        if part > Credits::ZERO {
            takes.push(Take {
                lot_id: payer.lot.id,
                amount: part,
                units: None,
            });
        }
    }
    if remaining > Credits::ZERO {
        return Err(Refusal::InsufficientCredits {
            available: less(amount, remaining)?,
            requested: amount,
            counted_in: CountedIn::Credits,
        });
    }
    Ok(takes)
}

/// Spreads units over the payers, in order. Each unit, and a last part of one, is paid by one line of
/// one package; within it a unit may be finished by the line's other lots (a bonus lesson's last half
/// and half a paid one).
fn take_units(payers: &mut [Payer<'_>], units: Credits) -> Result<Vec<Take>, Refusal> {
    let mut takes = Vec::new();
    let mut remaining = units;
    for first in 0..payers.len() {
        remaining = take_whole(payers, first, remaining, &mut takes)?;
        remaining = finish_one(payers, first, remaining, &mut takes)?;
    }
    if remaining > Credits::ZERO {
        let part = remaining.min(Credits::UNIT);
        let too_fine = payers.iter().find_map(|payer| cost(payer, part).err());
        return Err(too_fine.unwrap_or(Refusal::InsufficientCredits {
            available: less(units, remaining)?,
            requested: units,
            counted_in: CountedIn::Units,
        }));
    }
    Ok(takes)
}

/// Takes from one payer what it can pay alone, and answers with the units that remain.
fn take_whole(
    payers: &mut [Payer<'_>],
    at: usize,
    remaining: Credits,
    takes: &mut Vec<Take>,
) -> Result<Credits, Refusal> {
    let Some(payer) = payers.get_mut(at) else {
        return Ok(remaining);
    };
    let units = match cost(payer, remaining) {
        Ok(cost) if cost <= payer.left => remaining,
        _ => {
            let affordable = payer.left.whole_multiples_of(payer.per_unit);
            let wanted = remaining.whole_multiples_of(Credits::UNIT);
            Credits::UNIT
                .checked_times(affordable.min(wanted))
                .ok_or(Refusal::AmountTooLarge)?
        }
    };
    if units <= Credits::ZERO {
        return Ok(remaining);
    }
    let amount = cost(payer, units)?;
    payer.left = less(payer.left, amount)?;
    takes.push(Take {
        lot_id: payer.lot.id,
        amount,
        units: Some(units),
    });
    less(remaining, units)
}

/// Pays one more unit with what is left in this payer and in later lots of the same line and package.
fn finish_one(
    payers: &mut [Payer<'_>],
    at: usize,
    remaining: Credits,
    takes: &mut Vec<Take>,
) -> Result<Credits, Refusal> {
    let unit = remaining.min(Credits::UNIT);
    let Some((head, rest)) = payers.get_mut(at..).and_then(<[_]>::split_first_mut) else {
        return Ok(remaining);
    };
    if unit <= Credits::ZERO || head.left <= Credits::ZERO {
        return Ok(remaining);
    }
    // What is finer than this credit type allows may be paid by another one.
    let Ok(cost) = cost(head, unit) else {
        return Ok(remaining);
    };
    let needed = less(cost, head.left)?;
    let beside = |payer: &&mut Payer<'_>| {
        payer.lot.package_id == head.lot.package_id && payer.lot.line.id == head.lot.line.id
    };
    let supply = rest
        .iter_mut()
        .filter(beside)
        .try_fold(Credits::ZERO, |sum, payer| sum.checked_add(payer.left))
        .ok_or(Refusal::AmountTooLarge)?;
    if supply < needed {
        return Ok(remaining);
    }
    takes.push(Take {
        lot_id: head.lot.id,
        amount: head.left,
        units: Some(unit),
    });
    let mut missing = needed;
    for payer in rest.iter_mut().filter(beside) {
        let part = missing.min(payer.left);
        if part > Credits::ZERO {
            payer.left = less(payer.left, part)?;
            missing = less(missing, part)?;
            takes.push(Take {
                lot_id: payer.lot.id,
                amount: part,
                units: Some(Credits::ZERO),
            });
        }
    }
    head.left = Credits::ZERO;
    less(remaining, unit)
}

/// What `units` cost of this payer; finer than its credit type allows is refused (semantics 6).
fn cost(payer: &Payer<'_>, units: Credits) -> Result<Credits, Refusal> {
    let amount = payer
        .per_unit
        .checked_mul(units)
        .ok_or(Refusal::AmountTooFine {
            amount: units,
            decimal_places: payer.lot.line.decimal_places,
            credit_type_id: payer.lot.line.credit_type_id,
        })?;
    refuse_too_fine(payer.lot, amount)?;
    Ok(amount)
}

pub(super) fn refuse_too_fine(lot: &Lot, amount: Credits) -> Result<(), Refusal> {
    let decimal_places = lot.line.decimal_places;
    if amount.is_finer_than(decimal_places) {
        return Err(Refusal::AmountTooFine {
            amount,
            decimal_places,
            credit_type_id: lot.line.credit_type_id,
        });
    }
    Ok(())
}

pub(super) fn less(a: Credits, b: Credits) -> Result<Credits, Refusal> {
    a.checked_sub(b).ok_or(Refusal::AmountTooLarge)
}
