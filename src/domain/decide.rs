//! Deciding: what a command does to lots that are locked, or why not.
//!
//! `decide` is the whole rule. The server, `validate_only`, the verifier's tests and the benchmarks call
//! the same function; it reads no clock and no database. It settles first, so an expired package is
//! refused whether or not the expiry job has been there.

use chrono::{DateTime, Utc};

use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, EntryKind};
use crate::domain::lot::{Lot, Movement, Stamp};
use crate::domain::posting::{Draft, Effect, Posting};
use crate::domain::refusal::{CountedIn, Refusal};
use crate::domain::selection::{Wanted, WhyNot, judge, pay_order};
use crate::domain::settle::settle;
use crate::ids::{CustomerId, LotId, PackageId, UserId};

/// A command that only moves credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Use credits.
    Consume(Consume),
}

/// Use credits of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consume {
    /// Whose.
    pub customer_id: CustomerId,
    /// For what.
    pub wanted: Wanted,
    /// Only these packages, in this order; none: the best ones.
    pub package_ids: Vec<PackageId>,
    /// When the service was delivered, not later than now; none: now.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Who used them, if not the actor.
    pub consumed_by: Option<UserId>,
}

/// What one lot contributes.
struct Take {
    lot_id: LotId,
    amount: Credits,
    units: Option<Credits>,
}

/// A lot that can pay, and what is left of it while takes are worked out.
struct Payer<'a> {
    lot: &'a Lot,
    per_unit: Credits,
    left: Credits,
}

/// Settles `lots` and does what `command` says.
///
/// # Errors
/// Every refusal of the rules; nothing is kept then.
pub fn decide(
    lots: impl IntoIterator<Item = Lot>,
    command: &Command,
    stamp: &Stamp,
) -> Result<Posting, Refusal> {
    let mut draft = Draft::open(stamp, lots);
    settle(&mut draft)?;
    match command {
        Command::Consume(consume) => decide_consume(&mut draft, consume)?,
    }
    Ok(draft.close())
}

fn decide_consume(draft: &mut Draft<'_>, consume: &Consume) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let delivered_at = consume.delivered_at.unwrap_or(now);
    if delivered_at > now {
        return Err(Refusal::DeliveredInFuture { delivered_at });
    }
    if let Wanted::Item { item, .. } = &consume.wanted
        && !item.active
    {
        return Err(Refusal::ItemInactive { item_id: item.id });
    }
    let judge = |lot: &Lot| judge(lot, &consume.wanted, delivered_at, now);
    let takes = {
        let mut lots: Vec<&Lot> = draft.lots().collect();
        let named = |lot: &Lot| {
            consume
                .package_ids
                .iter()
                .position(|id| *id == lot.package_id)
        };
        lots.sort_unstable_by(|a, b| named(a).cmp(&named(b)).then_with(|| pay_order(a, b)));
        refuse_unusable(&lots, consume, &judge)?;
        let mut payers = payers(&lots, consume, &judge);
        match &consume.wanted {
            Wanted::Item { units, .. } => take_units(&mut payers, *units)?,
            Wanted::Credits { amount, .. } => take_amount(&mut payers, *amount)?,
        }
    };
    for take in takes {
        post_take(draft, consume, delivered_at, &take)?;
    }
    Ok(())
}

fn payers<'a>(
    lots: &[&'a Lot],
    consume: &Consume,
    judge: &impl Fn(&Lot) -> Result<Credits, WhyNot>,
) -> Vec<Payer<'a>> {
    lots.iter()
        .filter(|lot| {
            lot.customer_id == consume.customer_id
                && (consume.package_ids.is_empty() || consume.package_ids.contains(&lot.package_id))
        })
        .filter_map(|lot| {
            let per_unit = judge(lot).ok()?;
            Some(Payer {
                lot,
                per_unit,
                left: lot.available(),
            })
        })
        .collect()
}

/// A named package is used or refused, never silently replaced (semantics 5).
fn refuse_unusable(
    lots: &[&Lot],
    consume: &Consume,
    judge: &impl Fn(&Lot) -> Result<Credits, WhyNot>,
) -> Result<(), Refusal> {
    for package_id in &consume.package_ids {
        let package_id = *package_id;
        let mut reasons = Vec::new();
        for lot in lots.iter().filter(|lot| lot.package_id == package_id) {
            if lot.customer_id != consume.customer_id {
                return Err(Refusal::PackageOfOtherCustomer {
                    package_id,
                    customer_id: consume.customer_id,
                });
            }
            match judge(lot) {
                Ok(_) => reasons.push(WhyNot::UsedUp),
                Err(reason) => reasons.push(reason),
            }
        }
        match reasons.into_iter().min() {
            // Nothing left is said with the numbers, by whoever works out the takes.
            Some(WhyNot::UsedUp) => {}
            Some(reason) => return Err(refusal(package_id, reason, &consume.wanted)),
            None => return Err(refusal(package_id, WhyNot::NotCovered, &consume.wanted)),
        }
    }
    Ok(())
}

/// The refusal of a package that was named and cannot pay.
pub fn refusal(package_id: PackageId, reason: WhyNot, wanted: &Wanted) -> Refusal {
    match reason {
        WhyNot::NotStarted(starts_at) => Refusal::PackageNotStarted {
            package_id,
            starts_at,
        },
        WhyNot::Expired(expires_at) => Refusal::PackageExpired {
            package_id,
            expires_at,
        },
        WhyNot::Frozen => Refusal::PackageFrozen { package_id },
        WhyNot::Revoked => Refusal::PackageRevoked { package_id },
        WhyNot::NotCovered | WhyNot::UsedUp => match wanted {
            Wanted::Item { item, .. } => Refusal::ItemNotCovered {
                package_id,
                item_id: item.id,
            },
            Wanted::Credits { credit_type_id, .. } => Refusal::CreditTypeNotInPackage {
                package_id,
                credit_type_id: *credit_type_id,
            },
        },
    }
}

/// Spreads an amount of credits over the payers, in order.
fn take_amount(payers: &mut [Payer<'_>], amount: Credits) -> Result<Vec<Take>, Refusal> {
    let mut takes = Vec::new();
    let mut remaining = amount;
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

fn refuse_too_fine(lot: &Lot, amount: Credits) -> Result<(), Refusal> {
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

fn less(a: Credits, b: Credits) -> Result<Credits, Refusal> {
    a.checked_sub(b).ok_or(Refusal::AmountTooLarge)
}

fn post_take(
    draft: &mut Draft<'_>,
    consume: &Consume,
    delivered_at: DateTime<Utc>,
    take: &Take,
) -> Result<(), Refusal> {
    let corrupt = Refusal::LotCorrupt(take.lot_id);
    let lot = draft
        .lots()
        .find(|lot| lot.id == take.lot_id)
        .ok_or(corrupt.clone())?;
    let value = lot.fold.value_leaving(take.amount).ok_or(corrupt)?;
    if let Some(effect) = clock_started(lot, delivered_at) {
        draft.cause(effect);
    }
    draft.post(
        take.lot_id,
        Movement {
            kind: EntryKind::Consume,
            from: Account::Available,
            to: Account::Consumed,
            amount: take.amount,
            value,
            effective_at: delivered_at,
            by_time: false,
            undoes: None,
            about: About {
                consumed_by: consume.consumed_by,
                customer_id: Some(consume.customer_id),
                item_id: match &consume.wanted {
                    Wanted::Item { item, .. } => Some(item.id),
                    Wanted::Credits { .. } => None,
                },
                units: take.units,
                ..About::default()
            },
        },
    )
}

/// Validity from first use counts from the earliest local day of a service (semantics 9).
fn clock_started(lot: &Lot, delivered_at: DateTime<Utc>) -> Option<Effect> {
    if !lot.terms.counts_from_first_use {
        return None;
    }
    let day = calendar::local_day(delivered_at, lot.terms.zone);
    lot.terms
        .first_used_on
        .is_none_or(|first| day < first)
        .then_some(Effect::StartClock {
            package_id: lot.package_id,
            first_used_on: day,
        })
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
