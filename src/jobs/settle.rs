//! Writes what time has caused in lots that nobody touched: expiries, holds that timed out, and freezes
//! that reached their limit.
//!
//! Every reader settles in memory, so nothing waits for this job (G1); it only makes the ledger say
//! what is true already. Expired lots that others hold are left for the next step. A hold that timed out
//! may unset its package's clock of first use, and a thaw changes its package, so those are locked whole.
//!
//! What cannot be settled, because a row is damaged, is told of and left; it holds up nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use crate::ids::{BusinessId, LotId, PackageId};
use crate::ledger::{post, whole};
use crate::service::{Context, ServiceError};
use crate::store::{lots, packages};

/// How often one step looks for more.
const PASSES_MAX: usize = 20;
/// How many lots one look finds.
const LOTS_PER_PASS_MAX: u64 = 1_000;
/// How many lots, and so packages, one transaction settles.
const LOTS_PER_TRANSACTION_MAX: usize = 200;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// In how many lots something was written.
    pub lots: usize,
    /// How many lots and packages could not be settled.
    pub skipped: usize,
}

/// What could not be settled, and is left from then on.
type Skipped = BTreeSet<(BusinessId, Uuid)>;

/// What one transaction settles.
#[derive(Clone, Debug)]
enum Part {
    /// These lots alone.
    Lots(Vec<LotId>),
    /// These packages, with all that is in them.
    Packages(Vec<PackageId>),
}

/// Settles what is due, until nothing is or the bound of a step is reached.
pub async fn step(ctx: &Context) -> Result<Settled, ServiceError> {
    let mut settled = Settled::default();
    let mut skipped = Skipped::new();
    for _ in 0..PASSES_MAX {
        let thawed = thaw(ctx, &mut skipped).await?;
        let timed_out = time_out_holds(ctx, &mut skipped).await?;
        let expired = expire_lots(ctx, &mut skipped).await?;
        let passed = timed_out.saturating_add(expired);
        if passed == 0 && thawed == 0 {
            break;
        }
        settled.lots = settled.lots.saturating_add(passed);
    }
    settled.skipped = skipped.len();
    if settled.lots > 0 {
        tracing::info!(lots = settled.lots, "settled {} lots", settled.lots);
    }
    Ok(settled)
}

/// Writes which freezes have reached their limit, and says how many: the mail day wants to know before it
/// looks for packages by their ends.
pub(super) async fn thaw_packages(ctx: &Context) -> Result<usize, ServiceError> {
    thaw(ctx, &mut Skipped::new()).await
}

async fn thaw(ctx: &Context, skipped: &mut Skipped) -> Result<usize, ServiceError> {
    let mut due = packages::thawing(ctx.db.reader(), ctx.clock.now(), LOTS_PER_PASS_MAX).await?;
    due.retain(|(business_id, id)| !skipped.contains(&(*business_id, id.uuid())));
    let thawed = due.len();
    settle_parts(ctx, due, Part::Packages, skipped).await?;
    Ok(thawed)
}

async fn time_out_holds(ctx: &Context, skipped: &mut Skipped) -> Result<usize, ServiceError> {
    let mut due = lots::timing_out(ctx.db.reader(), ctx.clock.now(), LOTS_PER_PASS_MAX).await?;
    due.retain(|(business_id, id)| !skipped.contains(&(*business_id, id.uuid())));
    settle_parts(ctx, due, Part::Packages, skipped).await
}

async fn expire_lots(ctx: &Context, skipped: &mut Skipped) -> Result<usize, ServiceError> {
    let mut due = lots::due(ctx.db.reader(), ctx.clock.now(), LOTS_PER_PASS_MAX).await?;
    due.retain(|(business_id, id)| !skipped.contains(&(*business_id, id.uuid())));
    settle_parts(ctx, due, Part::Lots, skipped).await
}

/// Settles what is due, each business's for itself, and says in how many lots something was written.
async fn settle_parts<Id: Copy + Ord>(
    ctx: &Context,
    due: Vec<(BusinessId, Id)>,
    part_of: fn(Vec<Id>) -> Part,
    skipped: &mut Skipped,
) -> Result<usize, ServiceError> {
    let mut businesses: BTreeMap<BusinessId, BTreeSet<Id>> = BTreeMap::new();
    for (business_id, id) in due {
        businesses.entry(business_id).or_default().insert(id);
    }
    let mut passed = 0_usize;
    for (business_id, ids) in businesses {
        let ids: Vec<Id> = ids.into_iter().collect();
        for chunk in ids.chunks(LOTS_PER_TRANSACTION_MAX) {
            let part = part_of(chunk.to_vec());
            let lots = settle_apart(ctx, business_id, part, skipped).await?;
            passed = passed.saturating_add(lots);
        }
    }
    Ok(passed)
}

/// Settles a part; where something in it cannot be settled, everything else in it.
async fn settle_apart(
    ctx: &Context,
    business_id: BusinessId,
    part: Part,
    skipped: &mut Skipped,
) -> Result<usize, ServiceError> {
    match settle(ctx, business_id, &part).await {
        Err(error) if is_damage(&error) => {}
        result => return result,
    }
    let mut passed = 0_usize;
    for (id, piece) in part.pieces() {
        match settle(ctx, business_id, &piece).await {
            Ok(lots) => passed = passed.saturating_add(lots),
            Err(error) if is_damage(&error) => {
                tracing::error!(%business_id, %piece, %error, "{piece} cannot be settled: {error}");
                skipped.insert((business_id, id));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(passed)
}

/// Whether a failure is one of what was to be settled, and not of the database as a whole.
fn is_damage(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Refused(_) | ServiceError::Broken(_))
}

/// Settles a part in one transaction, and says in how many lots something was written.
async fn settle(
    ctx: &Context,
    business_id: BusinessId,
    part: &Part,
) -> Result<usize, ServiceError> {
    match part {
        Part::Lots(ids) => settle_lots(ctx, business_id, ids).await,
        Part::Packages(ids) => settle_packages(ctx, business_id, ids).await,
    }
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
    let stamp = whole::stamp(ctx.clock.now());
    locked.retain(|lot| !lot.has_timed_out_hold(stamp.now));
    let posting = whole::settled(&stamp, locked, [])?;
    if posting.entries.is_empty() {
        txn.rollback().await?;
        return Ok(0);
    }
    post::post_in(&txn, business_id, &posting, "").await?;
    txn.commit().await?;
    Ok(posting.lots.len())
}

/// Settles all lots of these packages, in a posting of their own.
async fn settle_packages(
    ctx: &Context,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<usize, ServiceError> {
    let txn = ctx.db.begin().await?;
    let lots = whole::settle_packages(&txn, &ctx.clock, business_id, ids).await?;
    txn.commit().await?;
    Ok(lots)
}

impl Part {
    /// Each thing in it for itself, with its id.
    fn pieces(self) -> Vec<(Uuid, Self)> {
        match self {
            Self::Lots(ids) => {
                let pieces = ids.into_iter();
                pieces.map(|id| (id.uuid(), Self::Lots(vec![id]))).collect()
            }
            Self::Packages(ids) => {
                let pieces = ids.into_iter();
                pieces
                    .map(|id| (id.uuid(), Self::Packages(vec![id])))
                    .collect()
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = match self {
            Self::Lots(ids) => ids.iter().map(LotId::to_string).collect(),
            Self::Packages(ids) => ids.iter().map(PackageId::to_string).collect(),
        };
        let kind = match self {
            Self::Lots(_) => "lot",
            Self::Packages(_) => "package",
        };
        write!(f, "{kind} {}", ids.join(", "))
    }
}
