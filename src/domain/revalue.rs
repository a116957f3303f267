//! Changing what the unused credits of a package are worth: a price edit, a discount, a credit note.
//!
//! No credits move. The change is spread over the package's lots by their unused value, and resets what
//! the formula of design section 2 is over; whatever comes back into such a lot raises it again.

use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::domain::returned::bare;
use crate::domain::value;
use crate::ids::{LotId, PackageId};

/// Changes the value of what is unused in a package by `change_minor` minor units; units of rate lines stay
/// worth nothing. All lots of the
/// package are in the draft, settled. If all of them are worth nothing, the change is spread by
/// `weight_of` a lot (semantics 26).
///
/// # Errors
/// [`Refusal::NothingToRevalue`] if nothing is unused or the value would fall below 0.
pub fn revalue(
    draft: &mut Draft<'_>,
    package_id: PackageId,
    change_minor: i64,
    weight_of: impl Fn(&Lot) -> i128,
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let unused: Vec<(LotId, i64, i128)> = draft
        .lots_of(package_id)
        .filter(|lot| {
            let unused = lot.fold.unused();
            lot.line.kind == LineKind::Prepaid && unused.is_some_and(|it| it > Credits::ZERO)
        })
        .map(|lot| (lot.id, lot.fold.pools.unused, weight_of(lot)))
        .collect();
    let unused_minor = unused
        .iter()
        .fold(0_i64, |sum, (_, value, _)| sum.saturating_add(*value));
    let refusal = Refusal::NothingToRevalue {
        unused_minor,
        change_minor,
    };
    let is_below_zero = unused_minor
        .checked_add(change_minor)
        .is_none_or(|after| after < 0);
    if unused.is_empty() || is_below_zero {
        return Err(refusal);
    }
    let weights: Vec<i128> = unused
        .iter()
        .map(|(_, value, weight)| match unused_minor {
            0 => *weight,
            _ => i128::from(*value),
        })
        .collect();
    let parts = value::allocate(change_minor, &weights);
    for ((lot_id, _, _), part) in unused.iter().zip(parts) {
        if part == 0 {
            continue;
        }
        let accounts = if part > 0 {
            (Account::Issued, Account::Available)
        } else {
            (Account::Available, Account::Issued)
        };
        let value = part.checked_abs().ok_or(Refusal::AmountTooLarge)?;
        let movement = bare(
            EntryKind::Revalue,
            accounts,
            (Credits::ZERO, value),
            now,
            false,
        );
        draft.post(*lot_id, movement)?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
