//! Carrying over: what of the packages of an ending period goes on into the next one (C6, semantics 34).
//!
//! It goes at the instant of the renewal, by the transfer entries of the ledger, into a package of its own
//! that ends with the new period. Whatever ends first is used first, so it makes no difference whether the
//! renewal comes before the period ends or after: of what is unused in the end, as much goes on as may. If
//! the end was faster, it is undone for just those credits; a quarantine does not count, since the
//! subscription agreed on it and only the period that has begun can be paid.
//!
//! What is held stays where it is (semantics 11). What comes back later into a lot from which all went on
//! follows; where there is a cap, it stays and ends with its package, so that the cap holds.

use std::collections::BTreeMap;

use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::posting::Draft;
use crate::domain::pricing::CarryOver;
use crate::domain::refusal::Refusal;
use crate::domain::returned::{receiving, restore_part, transfer_part};
use crate::domain::subscription::Span;
use crate::domain::validity::{ExpirySource, Validity};
use crate::ids::{CreditTypeId, CustomerId, LotId, PackageId};

/// Moves what goes on from `ending`, the packages of the period that ends, into a new package of
/// `customer_id` in the period `into`. The draft has all their lots, settled. `None` if nothing goes on.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn carry_over(
    draft: &mut Draft<'_>,
    agreed: CarryOver,
    ending: &[Package],
    customer_id: CustomerId,
    into: &Span,
) -> Result<Option<Package>, Refusal> {
    let goes_on = |it: &&Package| it.customer_id == customer_id && ends_in_time(it, into);
    let ending: Vec<&Package> = ending.iter().filter(goes_on).collect();
    let Some(latest) = ending
        .iter()
        .max_by_key(|it| (it.created_at, it.sale_id.is_some()))
    else {
        return Ok(None);
    };
    let moves = moves(draft, agreed, &ending);
    if moves.is_empty() {
        return Ok(None);
    }
    let package = carried(latest, into, draft);
    for (lot, amount) in moves {
        move_on(draft, (&lot, amount), &package, agreed)?;
    }
    draft.add_package(package.clone());
    Ok(Some(package))
}

/// Whether the package ends with the period before `into`, or in it: one that was ended early stays so,
/// one that ends later loses nothing, and a frozen one does not end.
fn ends_in_time(package: &Package, into: &Span) -> bool {
    let ends = package
        .expires_at
        .is_some_and(|at| into.starts_at <= at && at < into.ends_at);
    ends && package.frozen_at.is_none()
        && package.revoked_at.is_none()
        && package.transferred_at.is_none()
}

/// What goes on out of which lot: the oldest credits first.
fn moves(draft: &Draft<'_>, agreed: CarryOver, ending: &[&Package]) -> Vec<(Lot, Credits)> {
    let now = draft.stamp().now;
    let mut lots: Vec<&Lot> = ending
        .iter()
        .flat_map(|package| draft.lots_of(package.id))
        // A rate holds from the sale of its own period.
        .filter(|lot| lot.line.kind == LineKind::Prepaid)
        .collect();
    lots.sort_unstable_by_key(|lot| (lot.created_at, lot.id));
    let mut gone: BTreeMap<CreditTypeId, Credits> = BTreeMap::new();
    let mut moves = Vec::new();
    for lot in lots {
        let mut unused = lot.available();
        if lot.has_expired(now) {
            unused = unused
                .checked_add(lot.fold.balances.expired)
                .unwrap_or(unused);
        }
        let gone = gone.entry(lot.line.credit_type_id).or_default();
        let amount = room(agreed, *gone).map_or(unused, |room| room.min(unused));
        if amount > Credits::ZERO {
            *gone = gone.checked_add(amount).unwrap_or(*gone);
            moves.push((lot.clone(), amount));
        }
    }
    moves
}

/// How many more credits may go on; none: any number.
fn room(agreed: CarryOver, gone: Credits) -> Option<Credits> {
    match agreed {
        CarryOver::None => Some(Credits::ZERO),
        CarryOver::Capped(most) => {
            let most = Credits::UNIT.checked_times(i64::from(most));
            most.map(|most| most.checked_sub(gone).unwrap_or(Credits::ZERO))
        }
        CarryOver::All => None,
    }
}

/// Moves `amount` out of a lot into a new one of `package`, which is as old as the credits in it.
fn move_on(
    draft: &mut Draft<'_>,
    (lot, amount): (&Lot, Credits),
    package: &Package,
    agreed: CarryOver,
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let missing = amount.checked_sub(lot.available());
    let missing = missing.ok_or(Refusal::LotCorrupt(lot.id))?;
    if missing > Credits::ZERO {
        restore_part(draft, lot.id, missing)?;
    }
    let id = LotId::generate(now);
    draft.add(Lot {
        created_at: lot.created_at,
        ..receiving(lot, id, package, now)
    });
    transfer_part(draft, (lot.id, id), amount, now, false)?;
    if agreed == CarryOver::All {
        draft.link(lot.id, id);
    }
    Ok(())
}

/// The package of what goes on: given, with the policies of the one that it came from.
fn carried(from: &Package, into: &Span, draft: &Draft<'_>) -> Package {
    let now = draft.stamp().now;
    Package {
        validity: Validity::Until(calendar::last_usable_day(into.ends_at, from.zone)),
        expiry_source: ExpirySource::Sale,
        expires_at: Some(into.ends_at),
        counts_from_first_use: false,
        ..from.given_successor(PackageId::generate(now), now)
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
