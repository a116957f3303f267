//! The parts of a posting that can be ended or undone piece by piece.
//!
//! Each part is one entry. A part whose units are 0 finishes the unit of the one before it (half a
//! bonus lesson and half a paid one), so units are counted over such groups.

use crate::domain::credits::Credits;
use crate::domain::refusal::{CountedIn, Refusal};
use crate::ids::LotId;

/// One entry's credits, and what is left of them to be ended or undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of its entry in the posting.
    pub n: i32,
    /// Its lot.
    pub lot_id: LotId,
    /// All of it.
    pub amount: Credits,
    /// What is left.
    pub left: Credits,
    /// The units that all of it pays for; none: credits by hand.
    pub units: Option<Credits>,
}

/// How much of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// All that is left.
    All,
    /// So many credits.
    Credits(Credits),
    /// So many units of the item.
    Units(Credits),
}

/// From which end parts are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// From the first on: as they were put together.
    First,
    /// From the last on: as an undoing goes (semantics 22).
    Last,
}

/// What is taken of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The number of its entry in the posting.
    pub n: i32,
    /// Its lot.
    pub lot_id: LotId,
    /// So many credits.
    pub amount: Credits,
    /// For so many units, where that can be told.
    pub units: Option<Credits>,
}

/// Why a portion cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotTake {
    /// Less than that is left.
    Short {
        /// What is left.
        left: Credits,
        /// What was asked for.
        requested: Credits,
        /// What both count.
        counted_in: CountedIn,
    },
    /// Units were asked for, and the parts were taken by hand.
    NoUnits,
    /// The credits of so many units are finer than can be kept.
    TooFine,
}

/// Takes a portion of the parts.
///
/// # Errors
/// [`CannotTake`]; nothing is taken then.
pub fn take(parts: &[Part], portion: Portion, from: From) -> Result<Vec<Slice>, CannotTake> {
    let mut groups = groups(parts);
    if from == From::Last {
        groups.reverse();
        for group in &mut groups {
            group.reverse();
        }
    }
    match portion {
        Portion::All => {
            let mut slices = Vec::new();
            for group in &groups {
                slices.extend(take_of(group, left_of(group)?)?);
            }
            Ok(slices)
        }
        Portion::Credits(amount) => take_credits(&groups, amount),
        Portion::Units(units) => take_units(&groups, units),
    }
}

/// Units that belong together: a part, and those that finish its last unit.
fn groups(parts: &[Part]) -> Vec<Vec<&Part>> {
    let mut groups: Vec<Vec<&Part>> = Vec::new();
    for part in parts {
        match groups.last_mut() {
            Some(group) if part.units == Some(Credits::ZERO) => group.push(part),
            _ => groups.push(vec![part]),
        }
    }
    groups
}

fn take_credits(groups: &[Vec<&Part>], amount: Credits) -> Result<Vec<Slice>, CannotTake> {
    let mut slices = Vec::new();
    let mut missing = amount;
    for group in groups {
        let taken = missing.min(left_of(group)?);
        missing = less(missing, taken)?;
        slices.extend(take_of(group, taken)?);
    }
    if missing > Credits::ZERO {
        return Err(short(amount, missing, CountedIn::Credits));
    }
    Ok(slices)
}

fn take_units(groups: &[Vec<&Part>], units: Credits) -> Result<Vec<Slice>, CannotTake> {
    let mut slices = Vec::new();
    let mut missing = units;
    for group in groups {
        let all = sum(group.iter().map(|part| part.amount))?;
        let counted = counted(group).ok_or(CannotTake::NoUnits)?;
        let left = left_of(group)?;
        let enough = missing
            .share_of(all, counted)
            .filter(|amount| *amount <= left);
        if let Some(amount) = enough {
            slices.extend(take_of(group, amount)?);
            return Ok(slices);
        }
        let taken = left.share_of(counted, all).ok_or(CannotTake::TooFine)?;
        missing = less(missing, taken)?;
        if missing < Credits::ZERO {
            return Err(CannotTake::TooFine);
        }
        slices.extend(take_of(group, left)?);
    }
    if missing > Credits::ZERO {
        return Err(short(units, missing, CountedIn::Units));
    }
    Ok(slices)
}

/// Takes credits of one group in its order. The first of its slices has the units of all of them, as
/// the first part of a unit has.
fn take_of(group: &[&Part], amount: Credits) -> Result<Vec<Slice>, CannotTake> {
    let all = sum(group.iter().map(|part| part.amount))?;
    let mut units = counted(group).and_then(|counted| amount.share_of(counted, all));
    let mut slices = Vec::new();
    let mut missing = amount;
    for part in group {
        let taken = missing.min(part.left);
        missing = less(missing, taken)?;
        if taken > Credits::ZERO {
            slices.push(Slice {
                n: part.n,
                lot_id: part.lot_id,
                amount: taken,
                units,
            });
            units = units.map(|_| Credits::ZERO);
        }
    }
    Ok(slices)
}

/// The units that a group pays for.
fn counted(group: &[&Part]) -> Option<Credits> {
    let units: Option<Vec<Credits>> = group.iter().map(|part| part.units).collect();
    sum(units?).ok()
}

fn left_of(group: &[&Part]) -> Result<Credits, CannotTake> {
    sum(group.iter().map(|part| part.left))
}

fn short(requested: Credits, missing: Credits, counted_in: CountedIn) -> CannotTake {
    CannotTake::Short {
        left: requested.checked_sub(missing).unwrap_or(Credits::ZERO),
        requested,
        counted_in,
    }
}

fn less(a: Credits, b: Credits) -> Result<Credits, CannotTake> {
    a.checked_sub(b).ok_or(CannotTake::TooFine)
}

fn sum(amounts: impl IntoIterator<Item = Credits>) -> Result<Credits, CannotTake> {
    amounts
        .into_iter()
        .try_fold(Credits::ZERO, Credits::checked_add)
        .ok_or(CannotTake::TooFine)
}

impl CannotTake {
    /// The refusal where less than asked for is left.
    pub fn or_else(self, short: impl FnOnce(Credits, Credits, CountedIn) -> Refusal) -> Refusal {
        match self {
            Self::Short {
                left,
                requested,
                counted_in,
            } => short(left, requested, counted_in),
            Self::NoUnits => Refusal::NotCountedInUnits,
            Self::TooFine => Refusal::UnitsTooFine,
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
