//! Freezing packages, and thawing them before the limit (E6).

use chrono::NaiveDate;
use sea_orm::DatabaseTransaction;

use crate::domain::catalog::Definition;
use crate::domain::freeze::{freeze, unfreeze};
use crate::domain::package::Package;
use crate::service::amending::{self, Changed, Target};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::template_versions;

/// Which package is to be frozen until when.
#[derive(Clone, Debug)]
pub struct FreezeEntry {
    /// Which package, and why.
    pub target: Target,
    /// The last frozen local day.
    pub until: NaiveDate,
}

/// Freezes a package.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, and those of [`freeze`].
pub async fn freeze_package(
    ctx: &Context,
    call: &Call,
    input: &FreezeEntry,
) -> Result<Answer<Changed>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let locked = amending::lock(ctx, &txn, call, &input.target).await?;
    let sold_as = definition(&txn, &locked.package).await?;
    let policy = sold_as.and_then(|definition| definition.freeze);
    let changed = amending::finish(&txn, call, &locked, &input.target, |amendment, business| {
        freeze(amendment, input.until, policy.or(business.policies.freeze))
    })
    .await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// Thaws a package now.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, and those of [`unfreeze`].
pub async fn unfreeze_package(
    ctx: &Context,
    call: &Call,
    target: &Target,
) -> Result<Answer<Changed>, ServiceError> {
    amending::change(ctx, call, target, |amendment, _| unfreeze(amendment)).await
}

/// The version of its template that a package was sold with; none if it was given without one.
pub(super) async fn definition(
    txn: &DatabaseTransaction,
    package: &Package,
) -> Result<Option<Definition>, ServiceError> {
    let Some((template_id, number)) = package.template else {
        return Ok(None);
    };
    Ok(template_versions::get(txn, package.business_id, template_id, number).await?)
}
