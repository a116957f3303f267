//! Writes what time has caused in lots that nobody touched: expiries, holds that timed out, and freezes
//! that reached their limit.
//!
//! Every reader settles in memory, so nothing waits for this job (G1); it only makes the ledger say
//! what is true already. Expired lots that others hold are left for the next step. A hold that timed out
//! may unset its package's clock of first use, and a thaw changes its package, so those are locked whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::decide::Facts;
use crate::domain::entry::Actor;
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::settle;
use crate::ids::{self, BusinessId, LotId, PackageId};
use crate::ledger::{post, queue};
use crate::service::{Context, ServiceError};
use crate::store::{holds, lots, packages};

/// How often one step looks for more.
const PASSES_MAX: usize = 20;
/// How many lots one look finds.
const LOTS_PER_PASS_MAX: u64 = 1_000;
/// How many lots, and so packages, one transaction settles.
const LOTS_PER_TRANSACTION_MAX: usize = 200;
/// What entries of this job say that they come from.
const METHOD: &str = "settle";

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// In how many lots something was written.
    pub lots: usize,
}

/// Settles what is due, until nothing is or the bound of a step is reached.
pub async fn step(ctx: &Context) -> Result<Settled, ServiceError> {
    let mut settled = Settled::default();
    for _ in 0..PASSES_MAX {
        let thawed = thaw_packages(ctx).await?;
        let timed_out = time_out_holds(ctx).await?;
        let passed = timed_out.saturating_add(expire_lots(ctx).await?);
        if passed == 0 && thawed == 0 {
            break;
        }
        settled.lots = settled.lots.saturating_add(passed);
    }
    if settled.lots > 0 {
        tracing::info!(lots = settled.lots, "settled {} lots", settled.lots);
    }
    Ok(settled)
}

async fn expire_lots(ctx: &Context) -> Result<usize, ServiceError> {
    let due = lots::due(ctx.db.reader(), ctx.clock.now(), LOTS_PER_PASS_MAX).await?;
    let mut businesses: BTreeMap<BusinessId, Vec<LotId>> = BTreeMap::new();
    for (business_id, lot_id) in due {
        businesses.entry(business_id).or_default().push(lot_id);
    }
    let mut passed = 0_usize;
    for (business_id, lot_ids) in businesses {
        for chunk in lot_ids.chunks(LOTS_PER_TRANSACTION_MAX) {
            passed = passed.saturating_add(settle_lots(ctx, business_id, chunk).await?);
        }
    }
    Ok(passed)
}

/// Settles those of these lots that nobody else holds and in which no hold is due, in a posting of their
/// own.
async fn settle_lots(
    ctx: &Context,
    business_id: BusinessId,
    ids: &[LotId],
) -> Result<usize, ServiceError> {
    let txn = ctx.db.begin().await?;
    let mut locked = lots::lock_free(&txn, business_id, ids).await?;
    let stamp = stamp(ctx);
    locked.retain(|lot| !lot.has_timed_out_hold(stamp.now));
    let posting = settled(&stamp, locked, &[])?;
    if posting.entries.is_empty() {
        txn.rollback().await?;
        return Ok(0);
    }
    post::post_in(&txn, business_id, &posting, "").await?;
    txn.commit().await?;
    Ok(posting.lots.len())
}

/// Writes which freezes have reached their limit, and says how many: the mail day wants to know before it
/// looks for packages by their ends.
pub(super) async fn thaw_packages(ctx: &Context) -> Result<usize, ServiceError> {
    let due = packages::thawing(ctx.db.reader(), ctx.clock.now(), LOTS_PER_PASS_MAX).await?;
    let thawed = due.len();
    settle_whole(ctx, due).await?;
    Ok(thawed)
}

async fn time_out_holds(ctx: &Context) -> Result<usize, ServiceError> {
    let due = lots::timing_out(ctx.db.reader(), ctx.clock.now(), LOTS_PER_PASS_MAX).await?;
    settle_whole(ctx, due).await
}

/// Settles these packages with all that is in them.
async fn settle_whole(
    ctx: &Context,
    due: Vec<(BusinessId, PackageId)>,
) -> Result<usize, ServiceError> {
    let mut businesses: BTreeMap<BusinessId, BTreeSet<PackageId>> = BTreeMap::new();
    for (business_id, package_id) in due {
        businesses
            .entry(business_id)
            .or_default()
            .insert(package_id);
    }
    let mut passed = 0_usize;
    for (business_id, package_ids) in businesses {
        let package_ids: Vec<PackageId> = package_ids.into_iter().collect();
        for chunk in package_ids.chunks(LOTS_PER_TRANSACTION_MAX) {
            passed = passed.saturating_add(settle_packages(ctx, business_id, chunk).await?);
        }
    }
    Ok(passed)
}

/// Settles all lots of these packages, in a posting of their own.
async fn settle_packages(
    ctx: &Context,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<usize, ServiceError> {
    let txn = ctx.db.begin().await?;
    let locked = packages::lock(&txn, business_id, ids).await?;
    let mut facts = Facts {
        packages: locked,
        lots: lots::lock_of_packages(&txn, business_id, ids).await?,
        ..Facts::default()
    };
    let stamp = stamp(ctx);
    let due = holds::due_in(&txn, business_id, &facts.lots, stamp.now).await?;
    let mut posting = settled(&stamp, facts.lots.clone(), &due)?;
    if posting.entries.is_empty() && posting.effects.is_empty() {
        txn.rollback().await?;
        return Ok(0);
    }
    post::apply_effects(&txn, &stamp, &mut posting, &mut facts).await?;
    post::post_in(&txn, business_id, &posting, "").await?;
    queue::move_on(&txn, &stamp, &facts.packages).await?;
    txn.commit().await?;
    Ok(posting.lots.len())
}

fn stamp(ctx: &Context) -> Stamp {
    let now = ctx.clock.now();
    Stamp {
        posting_id: ids::new_uuid(now),
        now,
        request_hash: None,
        method: METHOD.to_owned(),
        actor: Actor::System,
        purpose: None,
    }
}

/// The posting of all lots that add up; one that does not is told of and holds up no other.
fn settled(stamp: &Stamp, mut locked: Vec<Lot>, due: &[Hold]) -> Result<Posting, Refusal> {
    loop {
        let mut draft = Draft::with_holds(stamp, locked.iter().cloned(), due.iter().cloned());
        match settle::settle(&mut draft) {
            Ok(()) => return Ok(draft.close()),
            Err(Refusal::LotCorrupt(lot_id)) if locked.iter().any(|lot| lot.id == lot_id) => {
                tracing::error!(%lot_id, "lot {lot_id} does not add up and cannot be settled");
                locked.retain(|lot| lot.id != lot_id);
            }
            Err(refusal) => return Err(refusal),
        }
    }
}
