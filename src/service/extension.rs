//! Extending a package, and restoring an expired one (E2, E3).

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::calendar;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::credits::Credits;
use crate::domain::extend::{Extension, NewLot, extend};
use crate::domain::lot::{Lot, Origin};
use crate::domain::package::Package;
use crate::domain::permission::Permission;
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::domain::settle;
use crate::domain::validity::{self, Period};
use crate::ids::{LineId, LotId, PackageId, Reference};
use crate::ledger::post;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::resolve;
use crate::service::settled::settled;
use crate::store::{businesses, holds, lots, packages};

/// A later end, and what goes with it.
#[derive(Clone, Debug)]
pub struct ExtensionEntry {
    /// Which package.
    pub package: Reference<PackageId>,
    /// The new end.
    pub until: Until,
    /// Credits to add for nothing, each to a line of the package.
    pub bonuses: Vec<(LineId, Credits)>,
    /// Restore even though the quarantine is over.
    pub force: bool,
    /// Why; for staff.
    pub reason: String,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// A new end.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// The new last usable day.
    LastUsableDay(NaiveDate),
    /// The very instant.
    Instant(DateTime<Utc>),
    /// So much later than the present last usable day.
    By(Period),
}

/// An extended package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// The package after it.
    pub package: PackageView,
    /// The change that was written.
    pub change: Change,
}

/// Extends a package.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`Refusal::PackageNeverExpires`],
/// [`Refusal::ExpiryNotLater`], [`Refusal::QuarantineOver`], [`Refusal::AmountTooFine`];
/// [`Refusal::PermissionDenied`] if it is forced without [`Permission::PackagesForceRestore`].
pub async fn extend_package(
    ctx: &Context,
    call: &Call,
    input: &ExtensionEntry,
) -> Result<Answer<Extended>, ServiceError> {
    if input.force {
        call.require(Permission::PackagesForceRestore)?;
    }
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (package, package_lots) = lock(&txn, call, &input.package).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    resolve::check_etag(
        "package",
        package.id,
        package.version,
        input.etag.as_deref(),
    )?;
    let now = ctx.clock.now();
    let stamp = call.stamp(now);
    let due = holds::due_in(&txn, business_id, &package_lots, now).await?;
    // A hold that timed out may have unset the clock of first use, and nobody has written that yet.
    let mut package = {
        let (stored, settled) = (package, settle::as_of(&package_lots, &due, now));
        let mut package = stored.as_of(&settled);
        if package != stored {
            let old = post::expiry(&stored);
            post::record_change(&txn, &stamp, &mut package, ChangeKind::ClockStopped, old).await?;
        }
        package
    };
    let extension = Extension {
        expires_at: new_end(&package, input.until)?,
        quarantine_days: business.quarantine_days,
        force: input.force,
        bonuses: bonuses(&package_lots, &input.bonuses, now)?,
    };
    let old = post::expiry(&package);
    let draft = Draft::with_holds(&stamp, package_lots.clone(), due);
    let (posting, kind) = extend(&mut package, extension, draft)?;
    let change = post::record_change(&txn, &stamp, &mut package, kind, old).await?;
    lots::update(&txn, &unmoved(&package_lots, &posting.lots, &package)).await?;
    call.post(&txn, &posting, &input.reason).await?;
    let all = lots::of_packages(&txn, business_id, &[package.id]).await?;
    let all = settled(&txn, business_id, all, now).await?;
    let extended = Extended {
        package: view(&package, &all, &business, now),
        change,
    };
    call.remember(&txn, &extended).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(extended))
}

async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    reference: &Reference<PackageId>,
) -> Result<(Package, Vec<Lot>), ServiceError> {
    let business_id = call.business_id();
    let id = resolve::package(txn, business_id, reference).await?;
    let package = packages::lock(txn, business_id, &[id])
        .await?
        .pop()
        .ok_or_else(|| resolve::not_found("package", reference))?;
    let package_lots = lots::lock_of_packages(txn, business_id, &[id]).await?;
    Ok((package, package_lots))
}

fn new_end(package: &Package, until: Until) -> Result<DateTime<Utc>, Refusal> {
    let last_day = match until {
        Until::Instant(expires_at) => return Ok(expires_at),
        Until::LastUsableDay(day) => Some(day),
        Until::By(period) => {
            let present = package
                .last_usable_day()
                .ok_or(Refusal::PackageNeverExpires {
                    package_id: package.id,
                })?;
            validity::add(period, present)
        }
    };
    last_day
        .and_then(|day| calendar::end_of(day, package.zone))
        .ok_or_else(|| Refusal::ValidityImpossible {
            problem: "no calendar reaches the new end".to_owned(),
        })
}

fn bonuses(
    package_lots: &[Lot],
    bonuses: &[(LineId, Credits)],
    now: DateTime<Utc>,
) -> Result<Vec<NewLot>, Refusal> {
    bonuses
        .iter()
        .map(|(line_id, quantity)| {
            let line = package_lots
                .iter()
                .map(|lot| &lot.line)
                .find(|line| line.id == *line_id)
                .ok_or_else(|| resolve::not_found("line", line_id))?;
            if quantity.is_finer_than(line.decimal_places) {
                return Err(Refusal::AmountTooFine {
                    amount: *quantity,
                    decimal_places: line.decimal_places,
                    credit_type_id: line.credit_type_id,
                });
            }
            Ok(NewLot {
                id: LotId::generate(now),
                line: Arc::clone(line),
                origin: Origin::Bonus,
                quantity: *quantity,
                value: 0,
            })
        })
        .collect()
}

/// The lots that the posting did not move, with the package's new terms.
fn unmoved(package_lots: &[Lot], moved: &[Lot], package: &Package) -> Vec<Lot> {
    package_lots
        .iter()
        .filter(|lot| moved.iter().all(|other| other.id != lot.id))
        .map(|lot| Lot {
            terms: package.terms(),
            ..lot.clone()
        })
        .collect()
}
