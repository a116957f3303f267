//! Taking packages away, and bringing them back (E4).

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::amend::{Amendment, Held};
use crate::domain::posting::Draft;
use crate::domain::revoke::{LineLoss, losses, reinstate, revoke};
use crate::domain::sale::Sale;
use crate::ids::{BusinessId, LotId, PackageId, Reference, SaleId};
use crate::ledger::reach;
use crate::service::amending::{self, Changed, Target};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::refund::{self, Refund};
use crate::service::resolve;
use crate::service::undo_sale::standing;
use crate::store::error::StoreError;
use crate::store::{holds, lots, packages, sales};

/// What taking a package away would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// What each line would lose.
    pub losses: Vec<LineLoss>,
    /// What would be released.
    pub holds: Vec<Held>,
    /// What could be paid back.
    pub refund: Refund,
}

/// Takes a package away: its holds are released, and what is available then is revoked.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, and those of [`revoke`].
pub async fn revoke_package(
    ctx: &Context,
    call: &Call,
    target: &Target,
) -> Result<Answer<Changed>, ServiceError> {
    amending::change(ctx, call, target, |amendment, _| revoke(amendment)).await
}

/// Brings back what was taken away.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `SALE_ALREADY_UNDONE`, and those of [`reinstate`].
pub async fn reinstate_package(
    ctx: &Context,
    call: &Call,
    target: &Target,
) -> Result<Answer<Changed>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let locked = amending::lock(ctx, &txn, call, target).await?;
    if let Some(sale_id) = locked.package.sale_id {
        standing(
            sale(&txn, call.business_id(), Some(sale_id)).await?,
            sale_id,
        )?;
    }
    let changed = amending::finish(&txn, call, &locked, target, |amendment, _| {
        reinstate(amendment)?;
        Ok(Vec::new())
    })
    .await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// What taking a package away would do now; nothing is written.
///
/// # Errors
/// `NOT_FOUND`, and those of [`revoke`].
pub async fn preview(
    ctx: &Context,
    call: &Call,
    reference: &Reference<PackageId>,
) -> Result<Preview, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let id = resolve::package(&txn, business_id, reference).await?;
    let package = packages::get(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("package", reference))?;
    let package_lots = lots::of_packages(&txn, business_id, &[id]).await?;
    let stamp = call.stamp(ctx.clock.now());
    let mut all = package_lots.clone();
    all.extend(reach::beside(&txn, business_id, &all, stamp.now).await?);
    all.extend(reach::ahead(&txn, business_id, &all).await?);
    let ids: Vec<LotId> = all.iter().map(|lot| lot.id).collect();
    let open = holds::open_in(&txn, business_id, &ids).await?;
    let draft = Draft::with_holds(&stamp, all, open);
    let mut amendment = Amendment::begin(&package, draft)?;
    let released = revoke(&mut amendment)?;
    let losses = losses(&amendment.draft);
    let entries = (package_lots.as_slice(), amendment.draft.entries());
    let sale = sale(&txn, business_id, package.sale_id).await?;
    let refund = refund::of(&txn, &package, entries, sale.as_ref(), &losses).await?;
    txn.commit().await?;
    Ok(Preview {
        losses,
        holds: released,
        refund,
    })
}

async fn sale(
    db: &DatabaseTransaction,
    business_id: BusinessId,
    id: Option<SaleId>,
) -> Result<Option<Sale>, StoreError> {
    match id {
        Some(id) => sales::get(db, business_id, id).await,
        None => Ok(None),
    }
}
