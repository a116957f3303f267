//! Using credits.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::decide::Facts;
use crate::domain::decide::takes::{Payer, Take, spread};
use crate::domain::entry::{About, Account, EntryKind, Purpose};
use crate::domain::lot::{Lot, Movement};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Effect};
use crate::domain::refusal::{InvoiceRefusal, RateRefusal, Refusal};
use crate::domain::returned::{bare, restore_part, value_of};
use crate::domain::selection::{Wanted, WhyNot, judge_with, named_order, pay_order};
use crate::domain::use_limit::{Allowances, Use};
use crate::ids::{CustomerId, PackageId, UserId};

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
    /// The business's quarantine in days, if an expiry later than `delivered_at` does not count: what is
    /// needed is restored (semantics 3). The caller's permission was checked.
    pub past_expiry: Option<i32>,
}

/// How a lot that can pay is judged: for a service at `at`, decided at `now`.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) at: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
    /// The locked packages whose later expiry may be looked past, with the business's quarantine.
    pub(super) past_expiry: Option<(&'a [Package], i32)>,
    /// The packages of others that the customer may use.
    pub(super) shared_with: &'a BTreeSet<PackageId>,
    /// What limits leave the customer of packages.
    pub(super) allowances: &'a Allowances,
    /// The locked packages, if this is for a booking: some are judged when it is made (semantics 10).
    pub(super) booked_in: &'a [Package],
}

impl Moment<'_> {
    /// The credits that one unit takes from this lot, and how many it has.
    pub(super) fn judge(&self, lot: &Lot, wanted: &Wanted) -> Result<(Credits, Credits), WhyNot> {
        let (available, now) = if self.looks_past_expiry(lot) {
            let expired = lot.fold.balances.expired;
            (
                lot.available().checked_add(expired).unwrap_or(expired),
                self.at,
            )
        } else {
            (lot.available(), self.now)
        };
        let per_unit = judge_with(lot, wanted, self.judged_at(lot), now, available)?;
        match self.allowances.get(&lot.package_id) {
            Some(allowance) if allowance.left == Credits::ZERO => Err(WhyNot::Limited(*allowance)),
            _ => Ok((per_unit, available)),
        }
    }

    /// When the lot must be valid.
    fn judged_at(&self, lot: &Lot) -> DateTime<Utc> {
        let package = self.booked_in.iter().find(|it| it.id == lot.package_id);
        let rules = package.and_then(|package| package.booking_rules);
        rules
            .unwrap_or_default()
            .judged_at
            .instant(self.at, self.now)
    }

    /// Whether the customer owns the lot, or shares its package (semantics 30).
    pub(super) fn may_use(&self, lot: &Lot, customer_id: CustomerId) -> bool {
        lot.customer_id == customer_id || self.shared_with.contains(&lot.package_id)
    }

    /// Whether the lot ended after the service, recently enough to be restored.
    fn looks_past_expiry(&self, lot: &Lot) -> bool {
        let ended_since = |at: &DateTime<Utc>| self.at < *at && *at <= self.now;
        let ended_at = lot.terms.expires_at.filter(ended_since);
        let (Some((packages, quarantine_days)), Some(ended_at)) = (self.past_expiry, ended_at)
        else {
            return false;
        };
        packages
            .iter()
            .find(|package| package.id == lot.package_id)
            .and_then(|package| package.restorable_after(ended_at, quarantine_days))
            .is_some_and(|restorable_until| self.now < restorable_until)
    }
}

pub(super) fn consume(
    draft: &mut Draft<'_>,
    consume: &Consume,
    facts: &Facts,
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let at = consume.delivered_at.unwrap_or(now);
    if at > now {
        return Err(Refusal::DeliveredInFuture { delivered_at: at });
    }
    let allowances = allowances(draft, consume.customer_id, facts, at);
    let moment = Moment {
        allowances: &allowances,
        at,
        now,
        past_expiry: consume
            .past_expiry
            .map(|days| (facts.packages.as_slice(), days)),
        shared_with: &facts.shared_with,
        booked_in: &[],
    };
    for take in pick(draft, consume, moment)? {
        restore_missing(draft, &take)?;
        let value = value_of(draft, take.lot_id, take.amount)?;
        let accounts = (Account::Available, Account::Consumed);
        start_clock(draft, &take, at)?;
        draft.post(
            take.lot_id,
            Movement {
                about: about(draft, consume, take.units),
                ..bare(
                    EntryKind::Consume,
                    accounts,
                    (take.amount, value),
                    at,
                    false,
                )
            },
        )?;
    }
    Ok(())
}

/// What movements of this use are about.
pub(super) fn about(draft: &Draft<'_>, consume: &Consume, units: Option<Credits>) -> About {
    About {
        consumed_by: consume.consumed_by,
        customer_id: Some(consume.customer_id),
        item_id: consume.wanted.item().map(|item| item.id),
        units,
        ..About::default()
    }
    .for_purpose(draft.stamp().purpose)
}

/// Refuses to free or undo what is held or used for something else than this command is.
pub(super) fn refuse_bound(purpose: Option<Purpose>, draft: &Draft<'_>) -> Result<(), Refusal> {
    match purpose {
        Some(purpose) if draft.stamp().purpose != Some(purpose) => {
            Err(InvoiceRefusal::CreditsBound { purpose }.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Works out which lots pay how much.
pub(super) fn pick(
    draft: &Draft<'_>,
    consume: &Consume,
    moment: Moment<'_>,
) -> Result<Vec<Take>, Refusal> {
    refuse_inactive(&consume.wanted)?;
    let lots = ordered(draft.lots(), consume);
    refuse_unusable(&lots, consume, moment)?;
    let takes = spread(&mut payers(&lots, consume, moment), &consume.wanted);
    match takes {
        Err(Refusal::InsufficientCredits { .. }) => Err(limited(&lots, consume, moment)
            .or(takes.err())
            .unwrap_or(Refusal::AmountTooLarge)),
        _ => takes,
    }
}

/// Refuses an item that is no longer offered.
pub(super) fn refuse_inactive(wanted: &Wanted) -> Result<(), Refusal> {
    match wanted.item() {
        Some(item) if !item.active => Err(Refusal::ItemInactive { item_id: item.id }),
        Some(_) | None => Ok(()),
    }
}

/// The lots in the order in which they are looked at: as their packages are named, then as they pay.
pub(super) fn ordered<'a>(
    lots: impl IntoIterator<Item = &'a Lot>,
    consume: &Consume,
) -> Vec<&'a Lot> {
    let named = &consume.package_ids;
    let mut lots: Vec<&Lot> = lots.into_iter().collect();
    lots.sort_unstable_by(|a, b| named_order(named, a, b).then_with(|| pay_order(a, b)));
    lots
}

/// What limits leave the customer of packages for a service at `at`, holds that the draft has settled and
/// what it has captured so far included.
pub(super) fn allowances(
    draft: &Draft<'_>,
    customer_id: CustomerId,
    facts: &Facts,
    at: DateTime<Utc>,
) -> Allowances {
    let limited = facts.packages.iter().filter(|it| it.use_limit.is_some());
    let mut uses = facts.uses.clone();
    uses.extend(held_by(draft, customer_id));
    uses.extend(used_in(draft, customer_id));
    limited
        .filter_map(|package| {
            Some((
                package.id,
                package.use_limit?.allowance(package, &uses, at)?,
            ))
        })
        .collect()
}

/// What a customer holds in the lots of the draft.
fn held_by<'a>(draft: &'a Draft<'_>, customer_id: CustomerId) -> impl Iterator<Item = Use> + 'a {
    let holds = draft
        .holds()
        .filter(move |hold| hold.customer_id == customer_id);
    holds.flat_map(|hold| {
        hold.parts.iter().filter_map(|part| {
            let package_id = draft.lot(part.lot_id).ok()?.package_id;
            Some(Use {
                package_id,
                at: hold.service_at,
                amount: part.left,
            })
        })
    })
}

/// What a customer used so far in the draft.
fn used_in<'a>(draft: &'a Draft<'_>, customer_id: CustomerId) -> impl Iterator<Item = Use> + 'a {
    let entries = draft.entries().iter();
    let used = entries
        .filter(move |it| it.to == Account::Consumed && it.about.customer_id == Some(customer_id));
    used.filter_map(|entry| {
        let package_id = draft.lot(entry.lot_id).ok()?.package_id;
        Some(Use {
            package_id,
            at: entry.effective_at,
            amount: entry.amount,
        })
    })
}

/// The refusal of a use that nothing but limits stands in the way of.
fn limited(lots: &[&Lot], consume: &Consume, moment: Moment<'_>) -> Option<Refusal> {
    let allowances = Allowances::new();
    let unlimited = Moment {
        allowances: &allowances,
        ..moment
    };
    let mut payers = payers(lots, consume, unlimited);
    spread(&mut payers, &consume.wanted).ok()?;
    let limit = |payer: &Payer<'_>| {
        let package_id = payer.lot.package_id;
        let allowance = moment.allowances.get(&package_id)?;
        Some(allowance.refusal(package_id))
    };
    payers.iter().find_map(limit)
}

pub(super) fn payers<'a>(
    lots: &[&'a Lot],
    consume: &Consume,
    moment: Moment<'_>,
) -> Vec<Payer<'a>> {
    let mut allowances = moment.allowances.clone();
    lots.iter()
        .filter(|lot| {
            moment.may_use(lot, consume.customer_id)
                && (consume.package_ids.is_empty() || consume.package_ids.contains(&lot.package_id))
        })
        .filter_map(|lot| {
            let (per_unit, mut left) = moment.judge(lot, &consume.wanted).ok()?;
            if let Some(allowance) = allowances.get_mut(&lot.package_id) {
                // The lots that pay first have what there is.
                left = left.min(allowance.left);
                allowance.left = allowance.left.checked_sub(left).unwrap_or(Credits::ZERO);
            }
            Some(Payer {
                lot,
                per_unit,
                left,
            })
        })
        .collect()
}

/// A named package is used or refused, never silently replaced (semantics 5).
fn refuse_unusable(lots: &[&Lot], consume: &Consume, moment: Moment<'_>) -> Result<(), Refusal> {
    for package_id in &consume.package_ids {
        let package_id = *package_id;
        let mut reasons = Vec::new();
        for lot in lots.iter().filter(|lot| lot.package_id == package_id) {
            if !moment.may_use(lot, consume.customer_id) {
                return Err(Refusal::PackageOfOtherCustomer {
                    package_id,
                    customer_id: consume.customer_id,
                });
            }
            match moment.judge(lot, &consume.wanted) {
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
        WhyNot::Limited(allowance) => allowance.refusal(package_id),
        WhyNot::Frozen => Refusal::PackageFrozen { package_id },
        WhyNot::Revoked => Refusal::PackageRevoked { package_id },
        WhyNot::AtRate => RateRefusal::NeverPays { package_id }.into(),
        WhyNot::NotCovered | WhyNot::UsedUp => match wanted {
            Wanted::Item { item, .. } | Wanted::AtRate { item, .. } => Refusal::ItemNotCovered {
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

/// Brings back what a take needs beyond what is available: only where an expiry is looked past.
pub(super) fn restore_missing(draft: &mut Draft<'_>, take: &Take) -> Result<(), Refusal> {
    let missing = take
        .amount
        .checked_sub(draft.lot(take.lot_id)?.available())
        .ok_or(Refusal::LotCorrupt(take.lot_id))?;
    if missing <= Credits::ZERO {
        return Ok(());
    }
    restore_part(draft, take.lot_id, missing)
}

/// Validity from first use counts from the earliest local day of a service (semantics 9).
pub(super) fn start_clock(
    draft: &mut Draft<'_>,
    take: &Take,
    service_at: DateTime<Utc>,
) -> Result<(), Refusal> {
    let lot = draft.lot(take.lot_id)?;
    let package_id = lot.package_id;
    // A hold may be captured for a time before its package started; the validity does not count from there.
    let first_used_on = calendar::local_day(service_at.max(lot.terms.starts_at), lot.terms.zone);
    let is_first = lot
        .terms
        .first_used_on
        .is_none_or(|first| first_used_on < first);
    if lot.terms.counts_from_first_use && is_first {
        draft.retell(package_id, |terms| {
            terms.first_used_on = Some(first_used_on);
        });
        draft.cause(Effect::StartClock {
            package_id,
            first_used_on,
        });
    }
    Ok(())
}
