//! Extending a package, and restoring an expired one (E2, E3).

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::extend::{Extension, NewLot, extend};
use crate::domain::lot::{Lot, Origin};
use crate::domain::package::Package;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::domain::validity::{self, Period};
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
        let package_lots: Vec<Lot> = amendment.draft.lots().cloned().collect();
        let extension = Extension {
            expires_at: new_end(&amendment.package, input.until)?,
            quarantine_days: business.quarantine_days,
            force: input.force,
            bonuses: bonuses(&package_lots, &input.bonuses, amendment.now())?,
        };
        extend(amendment, extension)?;
        Ok(Vec::new())
    })
    .await
}

/// The instant that a new end is.
pub(super) fn new_end(package: &Package, until: Until) -> Result<DateTime<Utc>, Refusal> {
    let last_day = match until {
        Until::Instant(expires_at) => return Ok(expires_at),
        Until::LastUsableDay(day) => Some(day),
        Until::By(period) => {
            let end = package.end().ok_or(Refusal::PackageNeverExpires {
                package_id: package.id,
            })?;
            validity::add(period, calendar::last_usable_day(end, package.zone))
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
