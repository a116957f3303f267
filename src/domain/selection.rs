//! Which lots can pay, and which of them pay first.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::domain::line::{ItemFacts, LineKind};
use crate::domain::lot::{Basis, Lot};
use crate::domain::use_limit::Allowance;
use crate::ids::{CreditTypeId, LineId, PackageId};

/// What is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Units of an item; a part of a unit counts as a unit that one line pays.
    Item {
        /// The item.
        item: ItemFacts,
        /// How many units.
        units: Credits,
    },
    /// An amount of a credit type, by hand.
    Credits {
        /// The credit type.
        credit_type_id: CreditTypeId,
        /// How many credits.
        amount: Credits,
    },
    /// Units of an item that a line of an invoice charges at a package rate: nothing else is counted by rate
    /// lines (semantics 32).
    AtRate {
        /// The item.
        item: ItemFacts,
        /// How many units.
        units: Credits,
        /// Only this rate line; none: any.
        line_id: Option<LineId>,
    },
}

impl Wanted {
    /// The item, if one is wanted.
    pub fn item(&self) -> Option<&ItemFacts> {
        match self {
            Self::Item { item, .. } | Self::AtRate { item, .. } => Some(item),
            Self::Credits { .. } => None,
        }
    }
}

/// Why a lot cannot pay; of the lots of a package the first of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyNot {
    /// Nothing is available.
    UsedUp,
    /// It had ended.
    Expired(DateTime<Utc>),
    /// It could be used from later on only, or did not exist yet.
    NotStarted(DateTime<Utc>),
    /// The customer has used as much of its package as a limit allows.
    Limited(Allowance),
    /// Its package is frozen.
    Frozen,
    /// Its package was taken away.
    Revoked,
    /// Its line has a rate for it and never pays.
    AtRate,
    /// It pays for other things.
    NotCovered,
}

/// The credits that one unit takes from this lot for a service at `at`, recorded at `now`.
///
/// # Errors
/// The reason why the lot cannot pay.
pub fn judge(
    lot: &Lot,
    wanted: &Wanted,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Credits, WhyNot> {
    judge_with(lot, wanted, at, now, lot.available())
}

/// The same for a lot in which so much counts as `available`.
///
/// # Errors
/// The reason why the lot cannot pay.
pub fn judge_with(
    lot: &Lot,
    wanted: &Wanted,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    available: Credits,
) -> Result<Credits, WhyNot> {
    let per_unit = covered(lot, wanted)?;
    if lot.terms.revoked {
        return Err(WhyNot::Revoked);
    }
    if lot.terms.frozen {
        return Err(WhyNot::Frozen);
    }
    let usable_from = lot.terms.starts_at.max(lot.created_at);
    if usable_from > at {
        return Err(WhyNot::NotStarted(usable_from));
    }
    if let Some(expires_at) = lot.terms.expires_at
        && (expires_at <= at || expires_at <= now)
    {
        return Err(WhyNot::Expired(expires_at));
    }
    if available <= Credits::ZERO {
        return Err(WhyNot::UsedUp);
    }
    Ok(per_unit)
}

fn covered(lot: &Lot, wanted: &Wanted) -> Result<Credits, WhyNot> {
    let line = &lot.line;
    let per_unit = match wanted {
        Wanted::Item { item, .. } | Wanted::AtRate { item, .. } => line.credits_per_unit(item),
        Wanted::Credits { credit_type_id, .. } => {
            (line.credit_type_id == *credit_type_id).then_some(Credits::UNIT)
        }
    };
    let per_unit = per_unit.ok_or(WhyNot::NotCovered)?;
    match (line.kind, wanted) {
        (LineKind::Prepaid, Wanted::Item { .. } | Wanted::Credits { .. }) => Ok(per_unit),
        (LineKind::Rate { .. }, Wanted::Item { .. } | Wanted::Credits { .. }) => {
            Err(WhyNot::AtRate)
        }
        (LineKind::Rate { .. }, Wanted::AtRate { line_id, .. })
            if line_id.is_none_or(|line_id| line_id == line.id) =>
        {
            Ok(per_unit)
        }
        (_, Wanted::AtRate { .. }) => Err(WhyNot::NotCovered),
    }
}

/// What decides which of two lots pays first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// The order in which their packages are named.
    Named,
    /// Priority.
    Priority,
    /// The earlier end.
    Expiry,
    /// The narrower line.
    Narrowness,
    /// The lower value of one credit as issued.
    UnitValue,
    /// The older lot.
    Age,
    /// Nothing but their ids.
    Id,
}

/// What comes first in the order in which lots pay, and stands in the row of a lot: its priority, then its
/// end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    priority: i32,
    never_ends: bool,
    expires_at: Option<DateTime<Utc>>,
}

impl Turn {
    /// The turn of a lot, which it shares with others.
    pub fn of(lot: &Lot) -> Self {
        let expires_at = lot.terms.expires_at;
        Self {
            priority: lot.priority,
            never_ends: expires_at.is_none(),
            expires_at,
        }
    }
}

/// The first thing that tells two lots apart that stand in the order in which they are looked at.
pub fn rank(a: &Lot, b: &Lot, named: &[PackageId]) -> Rank {
    let ranks = [
        (named_order(named, a, b), Rank::Named),
        (a.priority.cmp(&b.priority), Rank::Priority),
        (
            earliest(a.terms.expires_at, b.terms.expires_at),
            Rank::Expiry,
        ),
        (
            a.line.narrowness().cmp(&b.line.narrowness()),
            Rank::Narrowness,
        ),
        (unit_value(a.issued, b.issued), Rank::UnitValue),
        (a.created_at.cmp(&b.created_at), Rank::Age),
    ];
    let first = ranks.iter().find(|(order, _)| *order != Ordering::Equal);
    first.map_or(Rank::Id, |(_, rank)| *rank)
}

/// Lots of packages that are named come in that order, before all others.
pub fn named_order(named: &[PackageId], a: &Lot, b: &Lot) -> Ordering {
    let place = |lot: &Lot| {
        let place = named.iter().position(|id| *id == lot.package_id);
        (place.is_none(), place)
    };
    place(a).cmp(&place(b))
}

/// The order in which lots pay: priority, earliest expiry (never last), narrower line, lower unit value
/// as issued (so a bonus first), oldest, id. A total order (design section 2).
pub fn pay_order(a: &Lot, b: &Lot) -> Ordering {
    Turn::of(a)
        .cmp(&Turn::of(b))
        .then_with(|| a.line.narrowness().cmp(&b.line.narrowness()))
        .then_with(|| unit_value(a.issued, b.issued))
        .then_with(|| a.created_at.cmp(&b.created_at))
        .then_with(|| a.id.cmp(&b.id))
}

fn earliest(a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>) -> Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}

/// Compares value per credit without dividing.
fn unit_value(a: Basis, b: Basis) -> Ordering {
    let of_a = i128::from(a.value).saturating_mul(i128::from(b.quantity.millionths()));
    let of_b = i128::from(b.value).saturating_mul(i128::from(a.quantity.millionths()));
    of_a.cmp(&of_b)
}

#[cfg(test)]
mod tests;
