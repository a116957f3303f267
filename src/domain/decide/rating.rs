//! Which units of an item the rate lines of packages price (F3, semantics 32).
//!
//! The lots are judged and ordered as for a use of credits, so what is told here is what an invoice's line can
//! hold. It holds exactly that, line by line, by a command that names package and line.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::credits::{Credits, DECIMAL_PLACES_MAX};
use crate::domain::decide::Facts;
use crate::domain::decide::takes::{Payer, less};
use crate::domain::decide::using::{Consume, Moment, allowances, ordered, payers, refuse_inactive};
use crate::domain::line::{ItemFacts, Line, LineKind};
use crate::domain::lot::Stamp;
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::domain::selection::Wanted;
use crate::domain::settle::settle;
use crate::ids::{CustomerId, LineId, PackageId};

/// Units of an item that rates are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateQuery {
    /// Whose packages.
    pub customer_id: CustomerId,
    /// The item.
    pub item: ItemFacts,
    /// How many units.
    pub units: Credits,
    /// When the service takes place; none: now.
    pub at: Option<DateTime<Utc>>,
    /// As [`Consume::past_expiry`].
    pub past_expiry: Option<i32>,
}

/// Units that one line of a package prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatePart {
    /// The package.
    pub package_id: PackageId,
    /// Its line.
    pub line_id: LineId,
    /// What one unit costs, in minor units.
    pub rate_minor: i64,
    /// How many units.
    pub units: Credits,
}

impl RateQuery {
    /// The use of units of any rate line.
    pub fn taking(&self) -> Consume {
        Consume {
            customer_id: self.customer_id,
            wanted: Wanted::AtRate {
                item: self.item.clone(),
                units: self.units,
                line_id: None,
            },
            package_ids: Vec::new(),
            delivered_at: self.at,
            consumed_by: None,
            past_expiry: self.past_expiry,
        }
    }
}

/// The units of one line of a package that are left.
struct Supply {
    package_id: PackageId,
    line: Arc<Line>,
    per_unit: Credits,
    left: Credits,
}

/// The units that rate lines price, in the order in which lots pay. What is asked for beyond them has the
/// standard rate.
///
/// # Errors
/// [`Refusal::ItemInactive`], [`Refusal::AmountTooLarge`].
pub fn rate(facts: &Facts, query: &RateQuery, stamp: &Stamp) -> Result<Vec<RatePart>, Refusal> {
    let taking = query.taking();
    refuse_inactive(&taking.wanted)?;
    let (lots, holds) = (facts.lots.iter().cloned(), facts.holds.iter().cloned());
    let mut draft = Draft::with_holds(stamp, lots, holds);
    settle(&mut draft)?;
    let at = query.at.unwrap_or(stamp.now);
    let allowances = allowances(&draft, query.customer_id, facts, at);
    let moment = Moment {
        at,
        now: stamp.now,
        past_expiry: query
            .past_expiry
            .map(|days| (facts.packages.as_slice(), days)),
        shared_with: &facts.shared_with,
        allowances: &allowances,
        booked_in: &[],
    };
    let lots = ordered(draft.lots(), &taking);
    let mut remaining = query.units;
    let mut parts = Vec::new();
    for supply in supplies(payers(&lots, &taking, moment))? {
        let units = priced(&supply, remaining)?;
        if let LineKind::Rate { rate_minor } = supply.line.kind
            && units > Credits::ZERO
        {
            remaining = less(remaining, units)?;
            parts.push(RatePart {
                package_id: supply.package_id,
                line_id: supply.line.id,
                rate_minor,
                units,
            });
        }
    }
    Ok(parts)
}

/// What is left of each line of each package, in the order of their first lots.
fn supplies(payers: Vec<Payer<'_>>) -> Result<Vec<Supply>, Refusal> {
    let mut supplies: Vec<Supply> = Vec::new();
    for payer in payers {
        let (package_id, line) = (payer.lot.package_id, &payer.lot.line);
        let known = supplies
            .iter_mut()
            .find(|supply| supply.package_id == package_id && supply.line.id == line.id);
        if let Some(known) = known {
            let left = known.left.checked_add(payer.left);
            known.left = left.ok_or(Refusal::AmountTooLarge)?;
        } else {
            supplies.push(Supply {
                package_id,
                line: Arc::clone(line),
                per_unit: payer.per_unit,
                left: payer.left,
            });
        }
    }
    Ok(supplies)
}

/// How many of `units` a line prices: as many as its credits count exactly.
fn priced(supply: &Supply, units: Credits) -> Result<Credits, Refusal> {
    let wanted = supply.per_unit.checked_mul(units);
    let most = wanted.map_or(supply.left, |wanted| wanted.min(supply.left));
    let places = DECIMAL_PLACES_MAX.saturating_sub(supply.line.decimal_places);
    let finest = 10_i64.checked_pow(places).map(Credits::from_millionths);
    let countable = finest.and_then(|finest| finest.checked_times(most.whole_multiples_of(finest)));
    let countable = countable.ok_or(Refusal::AmountTooLarge)?;
    let whole = || Credits::UNIT.checked_times(countable.whole_multiples_of(supply.per_unit));
    let priced = Credits::UNIT.share_of(countable, supply.per_unit);
    let priced = priced.or_else(whole).ok_or(Refusal::AmountTooLarge)?;
    Ok(priced.min(units))
}
