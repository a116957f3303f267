//! Balances as they were at any instant (H5): what the lots say, less what counts later.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::entry::Balances;
use crate::domain::liability::{Moved, Phase, Standing, counts_at};
use crate::domain::line::LineKind;
use crate::domain::lot::{Lot, Pools};
use crate::domain::refusal::Refusal;
use crate::domain::settle;
use crate::ids::{BusinessId, CreditTypeId, LotId, Reference};
use crate::ledger::reach;
use crate::service::balances::{BalanceQuery, BalanceScope, lots_of};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::reports::{only_type, unwritten};
use crate::store::{entries, holds};

/// Whose balance, of what, and when.
#[derive(Clone, Debug)]
pub struct PastBalanceQuery {
    /// When; later than now is now.
    pub at: DateTime<Utc>,
    /// Whose; none: the business's.
    pub scope: Option<BalanceScope>,
    /// Only of this credit type.
    pub credit_type: Option<Reference<CreditTypeId>>,
}

/// Balances at one instant.
#[derive(Clone, Debug)]
pub struct PastBalances {
    /// The instant.
    pub as_of: DateTime<Utc>,
    /// One for each credit type, in the order of their ids.
    pub balances: Vec<PastBalance>,
}

/// The credits of one type at one instant.
#[derive(Clone, Debug)]
pub struct PastBalance {
    /// The type.
    pub credit_type_id: CreditTypeId,
    /// All of them, by what had become of them.
    pub balances: Balances,
    /// Their value.
    pub pools: Pools,
}

type Standings = BTreeMap<CreditTypeId, Standing>;

/// The balances at an instant, with all that counts at it.
///
/// # Errors
/// [`NotFound`](Refusal::NotFound); [`AmountTooLarge`](Refusal::AmountTooLarge) where a sum is more than can
/// be kept.
pub async fn get(
    ctx: &Context,
    call: &Call,
    input: &PastBalanceQuery,
) -> Result<PastBalances, ServiceError> {
    let business_id = call.business_id();
    let standings;
    let as_of;
    if let Some(scope) = &input.scope {
        let txn = ctx.db.snapshot().await?;
        let query = BalanceQuery {
            scope: scope.clone(),
            credit_type: input.credit_type.clone(),
        };
        let lots = lots_of(&txn, business_id, &query).await?;
        let now = ctx.clock.now();
        as_of = input.at.min(now);
        standings = of_lots(&txn, business_id, &lots, (as_of, now)).await?;
        txn.commit().await?;
    } else {
        let _place = ctx.report_place().await?;
        let txn = ctx.db.long_snapshot().await?;
        let now = ctx.clock.now();
        as_of = input.at.min(now);
        let mut all = of_business(&txn, business_id, (as_of, now)).await?;
        let only = only_type(&txn, business_id, input.credit_type.as_ref()).await?;
        all.retain(|id, _| only.is_none_or(|only| only == *id));
        standings = all;
        txn.commit().await?;
    }
    let mut balances = Vec::with_capacity(standings.len());
    for (credit_type_id, standing) in standings {
        balances.push(PastBalance {
            credit_type_id,
            balances: standing.balances(),
            pools: standing.pools().ok_or(Refusal::AmountTooLarge)?,
        });
    }
    Ok(PastBalances { as_of, balances })
}

/// What lots said at `at`: what they say now, less what counts later.
async fn of_lots(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    lots: &[Lot],
    (at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Standings, ServiceError> {
    let too_large = || Refusal::AmountTooLarge;
    let mut of_lots: BTreeMap<LotId, Standing> = lots
        .iter()
        .filter(|lot| lot.created_at <= at)
        .map(|lot| (lot.id, Standing::of(&lot.fold)))
        .collect();
    let ids: Vec<LotId> = of_lots.keys().copied().collect();
    for (lot_id, moved) in entries::sums::after(txn, business_id, &ids, at).await? {
        if let Some(standing) = of_lots.get_mut(&lot_id) {
            standing.discount(&moved).ok_or_else(too_large)?;
        }
    }
    let mut all = lots.to_vec();
    all.extend(reach::beside(txn, business_id, lots, now).await?);
    let due = holds::due_in(txn, business_id, &all, now).await?;
    for entry in settle::unwritten(&all, &due, now)?.entries {
        if let Some(standing) = of_lots.get_mut(&entry.lot_id)
            && counts_at(&entry) <= at
        {
            standing.count(&Moved::by(&entry)).ok_or_else(too_large)?;
        }
    }
    let mut sums = Standings::new();
    for lot in lots {
        if let Some(standing) = of_lots.get(&lot.id) {
            let sum = sums.entry(lot.line.credit_type_id).or_default();
            sum.add(standing).ok_or_else(too_large)?;
        }
    }
    Ok(sums)
}

/// What all entries of a business that count by `at` add up to.
async fn of_business(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    (at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Standings, ServiceError> {
    let too_large = || Refusal::AmountTooLarge;
    let next = at.checked_add_signed(TimeDelta::microseconds(1));
    let next = next.ok_or_else(too_large)?;
    let mut sums = Standings::new();
    let range = (next, next);
    for (id, phase, moved) in entries::sums::by_credit_type(txn, business_id, range).await? {
        if phase == Phase::Before {
            let sum = sums.entry(id).or_default();
            sum.count(&moved).ok_or_else(too_large)?;
        }
    }
    unwritten::each_part(txn, business_id, now, |lots, caused| {
        let counting = caused.entries.iter().filter(|entry| counts_at(entry) <= at);
        for entry in counting {
            let lot = lots.iter().find(|lot| lot.id == entry.lot_id);
            let lot = lot.ok_or(Refusal::LotCorrupt(entry.lot_id))?;
            if lot.line.kind == LineKind::Prepaid {
                let sum = sums.entry(lot.line.credit_type_id).or_default();
                sum.count(&Moved::by(entry)).ok_or_else(too_large)?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(sums)
}
