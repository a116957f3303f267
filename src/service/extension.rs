//! Extending a package, and restoring an expired one (E2, E3).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
pub use crate::domain::extend::Until;
use crate::domain::extend::{Extension, NewLot, extend};
use crate::domain::line::Line;
use crate::domain::lot::{Lot, Origin};
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::ids::{LineId, LotId};
use crate::service::amending::{self, Changed, Target};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;

/// A later end, and what goes with it.
#[derive(Clone, Debug)]
pub struct ExtensionEntry {
    /// Which package, and why.
    pub target: Target,
    /// The new end.
    pub until: Until,
    /// Credits to add for nothing, each to a line of the package.
    pub bonuses: Vec<(LineId, Credits)>,
    /// Restore even though the quarantine is over.
    pub force: bool,
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
) -> Result<Answer<Changed>, ServiceError> {
    if input.force {
        call.require(Permission::PackagesForceRestore)?;
    }
    amending::change(ctx, call, &input.target, |amendment, business| {
        let package_lots: Vec<Lot> = amendment.lots().cloned().collect();
        let extension = Extension {
            expires_at: input.until.for_package(&amendment.package)?,
            quarantine_days: business.quarantine_days,
            force: input.force,
            bonuses: bonuses(&package_lots, &input.bonuses, amendment.now())?,
        };
        extend(amendment, extension)?;
        Ok(Vec::new())
    })
    .await
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
            bonus(line, *quantity, now)
        })
        .collect()
}

/// A lot that a line gets for nothing.
pub(super) fn bonus(
    line: &Arc<Line>,
    quantity: Credits,
    now: DateTime<Utc>,
) -> Result<NewLot, Refusal> {
    if quantity.is_finer_than(line.decimal_places) {
        return Err(Refusal::AmountTooFine {
            amount: quantity,
            decimal_places: line.decimal_places,
            credit_type_id: line.credit_type_id,
        });
    }
    Ok(NewLot {
        id: LotId::generate(now),
        line: Arc::clone(line),
        origin: Origin::Bonus,
        quantity,
        value: 0,
    })
}
