//! What is owed, from one instant to another (H4, semantics 28), proved against the lots.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::liability::{Moved, Phase, RollForward, Worth, counts_at};
use crate::domain::line::LineKind;
use crate::domain::refusal::Refusal;
use crate::ids::{CreditTypeId, Reference};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::reports::{Period, Range, only_type, unwritten};
use crate::store::{entries, lots};

/// Which roll-forward.
#[derive(Clone, Debug)]
pub struct LiabilityQuery {
    /// Over which period.
    pub period: Period,
    /// Only of this credit type.
    pub credit_type: Option<Reference<CreditTypeId>>,
}

/// A roll-forward of each credit type.
#[derive(Clone, Debug)]
pub struct Liability {
    /// The period, as instants.
    pub range: Range,
    /// The moment at which it was made: nothing later counts.
    pub as_of: DateTime<Utc>,
    /// One for each credit type that was ever sold or given, in the order of their ids.
    pub credit_types: Vec<Rolled>,
    /// The money of all of them.
    pub total: RollForward,
    /// By how much entries and lots differ in all.
    pub difference: Worth,
}

/// The roll-forward of one credit type.
#[derive(Clone, Debug)]
pub struct Rolled {
    /// The type.
    pub credit_type_id: CreditTypeId,
    /// How what is owed went.
    pub report: RollForward,
    /// By how much entries and lots differ: nothing, unless one is damaged.
    pub difference: Worth,
}

/// The roll-forward over a period.
///
/// # Errors
/// [`NotFound`](Refusal::NotFound); [`AmountTooLarge`](Refusal::AmountTooLarge) where a sum is more than can
/// be kept.
pub async fn get(
    ctx: &Context,
    call: &Call,
    input: &LiabilityQuery,
) -> Result<Liability, ServiceError> {
    let _place = ctx.report_place().await?;
    let business_id = call.business_id();
    let range = input.period.range(&call.caller.business)?;
    let txn = ctx.db.long_snapshot().await?;
    let only = only_type(&txn, business_id, input.credit_type.as_ref()).await?;
    let mut reports: BTreeMap<CreditTypeId, RollForward> = BTreeMap::new();
    for (id, phase, moved) in entries::sums::by_credit_type(&txn, business_id, range).await? {
        count(&mut reports, id, &moved, phase)?;
    }
    let as_of = ctx.clock.now();
    let mut unused: BTreeMap<CreditTypeId, Worth> = BTreeMap::new();
    let stored = lots::sums::stored(&txn, business_id, as_of).await?;
    for (id, stored) in &stored {
        add(unused.entry(*id).or_default(), stored.worth())?;
    }
    if lots::sums::has_unwritten(&stored) {
        unwritten::each_part(&txn, business_id, as_of, |lots, caused| {
            for entry in &caused.entries {
                let Some(lot) = lots.iter().find(|lot| lot.id == entry.lot_id) else {
                    return Err(Refusal::LotCorrupt(entry.lot_id));
                };
                if lot.line.kind != LineKind::Prepaid {
                    continue;
                }
                let (id, moved) = (lot.line.credit_type_id, Moved::by(entry));
                count(&mut reports, id, &moved, Phase::of(counts_at(entry), range))?;
                add(unused.entry(id).or_default(), moved.change())?;
            }
            Ok(())
        })
        .await?;
    }
    txn.commit().await?;
    reports.retain(|id, _| only.is_none_or(|only| only == *id));
    Ok(rolled(range, as_of, reports, &unused)?)
}

fn count(
    reports: &mut BTreeMap<CreditTypeId, RollForward>,
    id: CreditTypeId,
    moved: &Moved,
    phase: Phase,
) -> Result<(), Refusal> {
    let counted = reports.entry(id).or_default().count(moved, phase);
    counted.ok_or(Refusal::AmountTooLarge)
}

fn add(sum: &mut Worth, more: Option<Worth>) -> Result<(), Refusal> {
    let both = more.and_then(|more| sum.plus(more));
    *sum = both.ok_or(Refusal::AmountTooLarge)?;
    Ok(())
}

fn rolled(
    range: Range,
    as_of: DateTime<Utc>,
    reports: BTreeMap<CreditTypeId, RollForward>,
    unused: &BTreeMap<CreditTypeId, Worth>,
) -> Result<Liability, Refusal> {
    let too_large = || Refusal::AmountTooLarge;
    let mut liability = Liability {
        range,
        as_of,
        credit_types: Vec::with_capacity(reports.len()),
        total: RollForward::default(),
        difference: Worth::default(),
    };
    for (credit_type_id, report) in reports {
        let unused = unused.get(&credit_type_id).copied().unwrap_or_default();
        let difference = report.difference(unused).ok_or_else(too_large)?;
        liability.total.add_money(&report).ok_or_else(too_large)?;
        let value = liability.difference.value.checked_add(difference.value);
        liability.difference.value = value.ok_or_else(too_large)?;
        liability.credit_types.push(Rolled {
            credit_type_id,
            report,
            difference,
        });
    }
    Ok(liability)
}
