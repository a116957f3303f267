//! Extending a package, and restoring an expired one, which is the same thing (semantics 14).

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::amend::Amendment;
use crate::domain::calendar;
use crate::domain::change::{ChangeKind, Expiry};
use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, EntryKind};
use crate::domain::line::Line;
use crate::domain::lot::{Basis, Fold, Lot, Movement, Origin, Tail};
use crate::domain::package::Package;
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::domain::validity::{self, Period};
use crate::domain::value;
use crate::ids::{LotId, PackageId};

/// A later expiry, with what the caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The new expiry, exclusive.
    pub expires_at: DateTime<Utc>,
    /// The quarantine of the business, in days.
    pub quarantine_days: i32,
    /// Whether to restore after the quarantine; the caller's permission was checked.
    pub force: bool,
    /// Credits to add for nothing.
    pub bonuses: Vec<NewLot>,
}

/// A new end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The new last usable day.
    LastUsableDay(NaiveDate),
    /// The very instant.
    Instant(DateTime<Utc>),
    /// So much later than the present last usable day.
    By(Period),
}

impl Until {
    /// When that is for this package.
    ///
    /// # Errors
    /// [`Refusal::PackageNeverExpires`], [`Refusal::ValidityImpossible`].
    pub fn for_package(self, package: &Package) -> Result<DateTime<Utc>, Refusal> {
        let last_day = match self {
            Self::Instant(expires_at) => return Ok(expires_at),
            Self::LastUsableDay(day) => Some(day),
            Self::By(period) => {
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
}

/// A lot to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLot {
    /// Its id.
    pub id: LotId,
    /// Its line.
    pub line: Arc<Line>,
    /// Why it exists.
    pub origin: Origin,
    /// How many credits.
    pub quantity: Credits,
    /// For which value, in minor units and without tax.
    pub value: i64,
}

/// Extends a package. Of a frozen one it moves the end that it has if it is thawed at the limit.
///
/// # Errors
/// The package never expires, the new expiry is not later than both the old one and now, or its
/// quarantine is over.
pub fn extend(amendment: &mut Amendment<'_>, extension: Extension) -> Result<(), Refusal> {
    amendment.refuse_revoked()?;
    amendment.refuse_transferred()?;
    let kind = check(&amendment.package, &extension, amendment.now())?;
    let old = Expiry::of(&amendment.package);
    amendment.package.end_at(extension.expires_at);
    amendment.retell();
    amendment.tell_expiry(kind, old);
    restore_all(&mut amendment.draft, amendment.package.id)?;
    for bonus in extension.bonuses {
        issue(&mut amendment.draft, &amendment.package, bonus)?;
    }
    Ok(())
}

fn check(
    package: &Package,
    extension: &Extension,
    now: DateTime<Utc>,
) -> Result<ChangeKind, Refusal> {
    let package_id = package.id;
    let old = package
        .end()
        .ok_or(Refusal::PackageNeverExpires { package_id })?;
    let new = extension.expires_at;
    if new <= old || new <= now {
        return Err(Refusal::ExpiryNotLater {
            old: old.max(now),
            new,
        });
    }
    if now < old {
        return Ok(ChangeKind::Extended);
    }
    match package.restorable_until(extension.quarantine_days) {
        Some(restorable_until) if now >= restorable_until && !extension.force => {
            Err(Refusal::QuarantineOver {
                package_id,
                restorable_until,
            })
        }
        _ => Ok(ChangeKind::Restored),
    }
}

/// Brings back what the latest expiry took of a package, with the value that it took.
fn restore_all(draft: &mut Draft<'_>, package_id: PackageId) -> Result<(), Refusal> {
    let effective_at = draft.stamp().now;
    let lost: Vec<_> = draft
        .lots_of(package_id)
        .map(|lot| (lot.id, lot.fold.balances.expired, lot.fold.pools.expired))
        .filter(|(_, expired, _)| *expired > Credits::ZERO)
        .collect();
    for (lot_id, expired, expired_value) in lost {
        draft.post(
            lot_id,
            Movement {
                kind: EntryKind::Restore,
                from: Account::Expired,
                to: Account::Available,
                amount: expired,
                value: value::share(expired_value, expired, expired),
                effective_at,
                by_time: false,
                undoes: None,
                about: About::default(),
            },
        )?;
    }
    Ok(())
}

/// Makes a lot of `package` and issues its credits.
pub fn issue(draft: &mut Draft<'_>, package: &Package, new: NewLot) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let lot_id = new.id;
    draft.add(Lot {
        id: lot_id,
        business_id: package.business_id,
        package_id: package.id,
        line: new.line,
        customer_id: package.customer_id,
        origin: new.origin,
        priority: package.priority,
        terms: package.terms(),
        issued: Basis {
            value: new.value,
            quantity: new.quantity,
        },
        fold: Fold::default(),
        tail: Tail::default(),
        next_timeout_at: None,
        transferred_to: None,
        created_at: now,
        version: 0,
    });
    draft.post(
        lot_id,
        Movement {
            kind: EntryKind::Issue,
            from: Account::Issued,
            to: Account::Available,
            amount: new.quantity,
            value: new.value,
            effective_at: now,
            by_time: false,
            undoes: None,
            about: About {
                customer_id: Some(package.customer_id),
                ..About::default()
            },
        },
    )
}

#[cfg(test)]
mod tests;
