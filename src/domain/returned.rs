//! What comes back into a lot: free again, or gone on at once.
//!
//! Credits that are released or undone go back to the lot they came from. If that lot has expired, was
//! revoked or was moved to another one meanwhile, they go on to where its other credits are, in the
//! same posting (design section 2, semantics 11 and 22).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, EntryKind};
use crate::domain::lot::{Fold, Lot, Movement, Origin, Tail};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Effect};
use crate::domain::refusal::Refusal;
use crate::domain::value;
use crate::ids::{LotId, PackageId};

/// A movement that is about nothing but the credits themselves.
pub fn bare(
    kind: EntryKind,
    (from, to): (Account, Account),
    (amount, value): (Credits, i64),
    effective_at: DateTime<Utc>,
    by_time: bool,
) -> Movement {
    Movement {
        kind,
        from,
        to,
        amount,
        value,
        effective_at,
        by_time,
        undoes: None,
        about: About::default(),
    }
}

/// Sends on what has just come back into the lot, if the lot cannot keep it, and says whether.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn send_on(
    draft: &mut Draft<'_>,
    lot_id: LotId,
    at: DateTime<Utc>,
    by_time: bool,
) -> Result<bool, Refusal> {
    let lot = draft.lot(lot_id)?;
    let amount = lot.available();
    if amount <= Credits::ZERO {
        return Ok(false);
    }
    let target = if let Some(to) = lot.transferred_to {
        return follow(draft, lot_id, to, at, by_time).map(|()| true);
    } else if lot.terms.revoked {
        (EntryKind::Revoke, Account::Revoked)
    } else if lot.has_expired(at) {
        (EntryKind::Expire, Account::Expired)
    } else {
        return Ok(false);
    };
    let value = value_of(draft, lot_id, amount)?;
    let (kind, to) = target;
    let movement = bare(kind, (Account::Available, to), (amount, value), at, by_time);
    draft.post(lot_id, movement)?;
    Ok(true)
}

/// The lots that are missing among these, though credits go on to them from one of these in which something
/// `comes_back`: whatever frees or undoes credits there is decided with those.
pub fn missing(lots: &[Lot], comes_back: impl Fn(&Lot) -> bool) -> BTreeSet<LotId> {
    let known: BTreeMap<LotId, &Lot> = lots.iter().map(|lot| (lot.id, lot)).collect();
    let sources = lots.iter().filter(|lot| comes_back(lot));
    sources.filter_map(|lot| end_of(lot, &known)).collect()
}

/// Where the chain that begins with a lot leaves those that are known, if it does.
fn end_of(lot: &Lot, known: &BTreeMap<LotId, &Lot>) -> Option<LotId> {
    let mut at = lot;
    // Only a damaged chain goes in a circle.
    for _ in 0..known.len() {
        let to = at.transferred_to?;
        match known.get(&to) {
            Some(next) => at = next,
            None => return Some(to),
        }
    }
    None
}

/// Moves all that is available in one lot into another, with its value.
fn follow(
    draft: &mut Draft<'_>,
    from: LotId,
    to: LotId,
    at: DateTime<Utc>,
    by_time: bool,
) -> Result<(), Refusal> {
    transfer(draft, from, to, at, by_time)?;
    // The receiving lot may have expired, or was moved on itself. A chain of lots has no loops: a lot is
    // moved once, to a newer one.
    send_on(draft, to, at, by_time)?;
    Ok(())
}

/// Moves all that is available in `from` into `to`: an entry in each (semantics 25).
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn transfer(
    draft: &mut Draft<'_>,
    from: LotId,
    to: LotId,
    at: DateTime<Utc>,
    by_time: bool,
) -> Result<(), Refusal> {
    let amount = draft.lot(from)?.available();
    transfer_part(draft, (from, to), amount, at, by_time)
}

/// Moves `amount` of what is available in the first lot into the second one, with its value.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn transfer_part(
    draft: &mut Draft<'_>,
    (from, to): (LotId, LotId),
    amount: Credits,
    at: DateTime<Utc>,
    by_time: bool,
) -> Result<(), Refusal> {
    let value = value_of(draft, from, amount)?;
    for (lot_id, accounts) in [
        (from, (Account::Available, Account::Transferred)),
        (to, (Account::Transferred, Account::Available)),
    ] {
        let moved = bare(EntryKind::Transfer, accounts, (amount, value), at, by_time);
        draft.post(lot_id, moved)?;
    }
    Ok(())
}

/// A lot of `package` for what is moved out of `lot`: it is worth and pays in the order of that one.
pub fn receiving(lot: &Lot, id: LotId, package: &Package, now: DateTime<Utc>) -> Lot {
    Lot {
        id,
        package_id: package.id,
        customer_id: package.customer_id,
        origin: Origin::Transferred,
        terms: package.terms(),
        fold: Fold::default(),
        tail: Tail::default(),
        next_timeout_at: None,
        transferred_to: None,
        created_at: now,
        version: 0,
        ..lot.clone()
    }
}

/// Brings back so many of the credits that the lot's end took, with their value.
///
/// # Errors
/// [`Refusal::LotCorrupt`] if it took fewer.
pub fn restore_part(draft: &mut Draft<'_>, lot_id: LotId, amount: Credits) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let fold = &draft.lot(lot_id)?.fold;
    let (expired, expired_value) = (fold.balances.expired, fold.pools.expired);
    let remaining = expired.checked_sub(amount);
    let remaining = remaining.ok_or(Refusal::LotCorrupt(lot_id))?;
    let value = value::carried(expired_value, expired_value, expired, remaining);
    let accounts = (Account::Expired, Account::Available);
    let movement = bare(EntryKind::Restore, accounts, (amount, value), now, false);
    draft.post(lot_id, movement)
}

/// The value that leaves a lot with `amount` of its unused credits.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn value_of(draft: &Draft<'_>, lot_id: LotId, amount: Credits) -> Result<i64, Refusal> {
    let lot = draft.lot(lot_id)?;
    let value = lot.fold.value_leaving(amount);
    value.ok_or(Refusal::LotCorrupt(lot_id))
}

/// Unsets the clock of a package if all that used or held a unit of it is undone (semantics 9); a
/// package that has ended stays ended. If it should have been started by an instant that has passed,
/// what is left in it is lost with that. Exact only where the draft has all lots of the package.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn stop_clock(
    draft: &mut Draft<'_>,
    package_id: PackageId,
    at: DateTime<Utc>,
    by_time: bool,
) -> Result<(), Refusal> {
    let is_undone = draft
        .lots_of(package_id)
        .all(|lot| lot.might_stop_clock() && !lot.has_expired(at));
    if !is_undone || draft.lots_of(package_id).next().is_none() {
        return Ok(());
    }
    draft.retell(package_id, |terms| {
        terms.first_used_on = None;
        terms.expires_at = terms.expires_if_unused;
    });
    draft.cause(Effect::StopClock { package_id });
    send_on_all(draft, package_id, at, by_time)
}

/// Sends on what the lots of a package cannot keep, now that its end has moved.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn send_on_all(
    draft: &mut Draft<'_>,
    package_id: PackageId,
    at: DateTime<Utc>,
    by_time: bool,
) -> Result<(), Refusal> {
    let lot_ids: Vec<LotId> = draft.lots_of(package_id).map(|lot| lot.id).collect();
    for lot_id in lot_ids {
        send_on(draft, lot_id, at, by_time)?;
    }
    Ok(())
}
