//! What every command that changes a package that was sold does around its rule.

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::amend::{Amended, Amendment, Held};
use crate::domain::business::Business;
use crate::domain::change::Change;
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::ids::{LotId, PackageId, Reference};
use crate::ledger::reach::settled;
use crate::ledger::{post, queue, whole};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::resolve;
use crate::store::{businesses, holds, lots};

/// Which package is to be changed, and why.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which package.
    pub package: Reference<PackageId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// Why; for staff.
    pub reason: String,
}

/// A package that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The package after it.
    pub package: PackageView,
    /// What the command changed on it, without what time had.
    pub changes: Vec<Change>,
    /// The holds that it is about.
    pub holds: Vec<Held>,
}

/// A package that is locked with all that is in it.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) business: Business,
    pub(super) package: Package,
    pub(super) lots: Vec<Lot>,
    pub(super) holds: Vec<Hold>,
    pub(super) stamp: Stamp,
}

impl Locked {
    /// The package as it is now, to be changed.
    pub(super) fn begin(&self) -> Result<Amendment<'_>, Refusal> {
        let (lots, holds) = (self.lots.iter().cloned(), self.holds.iter().cloned());
        Amendment::begin(&self.package, Draft::with_holds(&self.stamp, lots, holds))
    }
}

/// Locks a package, then its lots, and reads what is in it.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`].
pub(super) async fn lock(
    ctx: &Context,
    txn: &DatabaseTransaction,
    call: &Call,
    target: &Target,
) -> Result<Locked, ServiceError> {
    let business_id = call.business_id();
    let id = resolve::package(txn, business_id, &target.package).await?;
    let mut whole = whole::lock(txn, &ctx.clock, business_id, &[id]).await?;
    let package = whole.packages.pop();
    let package = package.ok_or_else(|| resolve::not_found("package", &target.package))?;
    let etag = target.etag.as_deref();
    resolve::check_etag("package", id, package.version, etag)?;
    let ids: Vec<LotId> = whole.lots.iter().map(|lot| lot.id).collect();
    Ok(Locked {
        business: businesses::get(txn, business_id)
            .await?
            .ok_or_else(|| resolve::not_found("business", &business_id))?,
        package,
        holds: holds::open_in(txn, business_id, &ids).await?,
        lots: whole.lots,
        stamp: call.stamp(whole.now),
    })
}

/// Writes what was changed.
pub(super) async fn write(
    txn: &DatabaseTransaction,
    call: &Call,
    (business, stamp): (&Business, &Stamp),
    mut amended: Amended,
    reason: &str,
) -> Result<(PackageView, Vec<Change>), ServiceError> {
    let business_id = call.business_id();
    let written = post::amend(txn, stamp, &mut amended).await;
    let external_id = amended.package.external_id.as_deref();
    let changes = written.map_err(|error| ServiceError::taken(error, "package", external_id))?;
    call.post(txn, &amended.posting, reason).await?;
    queue::move_on(txn, stamp, [&amended.package]).await?;
    let all = lots::of_packages(txn, business_id, &[amended.package.id]).await?;
    let all = settled(txn, business_id, all, stamp.now).await?;
    let view = view(&amended.package, &all, business, stamp.now);
    Ok((view, changes))
}

/// Changes a package as `rule` says, which answers with the holds that the change is about.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], and those of the rule.
pub(super) async fn change(
    ctx: &Context,
    call: &Call,
    target: &Target,
    rule: impl FnOnce(&mut Amendment<'_>, &Business) -> Result<Vec<Held>, Refusal>,
) -> Result<Answer<Changed>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let locked = lock(ctx, &txn, call, target).await?;
    let changed = finish(&txn, call, &locked, target, rule).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// Changes a locked package as `rule` says, and remembers the answer.
pub(super) async fn finish(
    txn: &DatabaseTransaction,
    call: &Call,
    locked: &Locked,
    target: &Target,
    rule: impl FnOnce(&mut Amendment<'_>, &Business) -> Result<Vec<Held>, Refusal>,
) -> Result<Changed, ServiceError> {
    let mut amendment = locked.begin()?;
    let by_time = amendment.told();
    let held = rule(&mut amendment, &locked.business)?;
    let about = (&locked.business, &locked.stamp);
    let writing = write(txn, call, about, amendment.end(), &target.reason);
    let (package, mut written) = Box::pin(writing).await?;
    let changed = Changed {
        package,
        changes: written.split_off(by_time.min(written.len())),
        holds: held,
    };
    call.remember(txn, &changed).await?;
    Ok(changed)
}
