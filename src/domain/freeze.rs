//! Freezing a package, and thawing it before the limit (semantics 15). At the limit it is thawed by itself:
//! see [`settle`](crate::domain::settle::settle).
//!
//! While frozen it is not used, does not end, and reminds nobody; holds in it stay and can be captured.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::amend::{Amendment, Held};
use crate::domain::calendar;
use crate::domain::change::{ChangeKind, Expiry};
use crate::domain::package::Package;
use crate::domain::queue;
use crate::domain::refusal::{CannotAmend, Refusal};

/// How often a package may be frozen unless its template says otherwise.
const TIMES_MAX: i32 = 12;
/// For how many days one freeze may last unless the template says otherwise.
const DAYS_MAX: i32 = 366;

/// How often and for how long packages of a template may be frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezePolicy {
    /// How often; 0: never.
    pub times_max: i32,
    /// For how many local days in all freezes of one package.
    pub days_max: i32,
}

impl FreezePolicy {
    /// Refuses a freeze for so many days of a package that was frozen before as it says. Without a policy
    /// a package is frozen at most 12 times, each for at most 366 days.
    ///
    /// # Errors
    /// [`CannotAmend::FrozenTooOften`], [`CannotAmend::FrozenTooLong`].
    pub fn within(policy: Option<Self>, package: &Package, days: i64) -> Result<(), CannotAmend> {
        let package_id = package.id;
        let times_max = policy.map_or(TIMES_MAX, |policy| policy.times_max);
        if package.freezes >= times_max {
            return Err(CannotAmend::FrozenTooOften {
                package_id,
                times_max,
            });
        }
        let days_max = match policy {
            Some(policy) => policy.days_max.saturating_sub(package.frozen_days).max(0),
            None => DAYS_MAX,
        };
        if days > i64::from(days_max) {
            return Err(CannotAmend::FrozenTooLong {
                package_id,
                days,
                days_max,
            });
        }
        Ok(())
    }
}

/// Freezes a package through the local day `until`, and says what is held in it.
///
/// # Errors
/// [`Refusal::PackageRevoked`], [`CannotAmend::Transferred`], [`CannotAmend::Queued`],
/// [`Refusal::PackageFrozen`], [`Refusal::PackageNeverExpires`] (also for one that waits for its first use without an end),
/// [`Refusal::PackageExpired`], [`CannotAmend::FreezeNotAhead`], [`CannotAmend::FrozenTooOften`],
/// [`CannotAmend::FrozenTooLong`].
pub fn freeze(
    amendment: &mut Amendment<'_>,
    until: NaiveDate,
    policy: Option<FreezePolicy>,
) -> Result<Vec<Held>, Refusal> {
    amendment.refuse_revoked()?;
    amendment.refuse_transferred()?;
    let now = amendment.now();
    queue::refuse_waiting(&amendment.package, now)?;
    let package = &mut amendment.package;
    let package_id = package.id;
    if package.frozen_at.is_some() {
        return Err(Refusal::PackageFrozen { package_id });
    }
    let expires_at = package
        .expires_at
        .ok_or(Refusal::PackageNeverExpires { package_id })?;
    if expires_at <= now {
        return Err(Refusal::PackageExpired {
            package_id,
            expires_at,
        });
    }
    let today = calendar::local_day(now, package.zone);
    if until < today {
        return Err(CannotAmend::FreezeNotAhead { until, today }.into());
    }
    let days = calendar::days_between(today, until).saturating_add(1);
    FreezePolicy::within(policy, package, days)?;
    let impossible = || Refusal::ValidityImpossible {
        problem: "no calendar reaches the end after the freeze".to_owned(),
    };
    let old = Expiry::of(package);
    let thawed = calendar::moved_by_days(expires_at, days, package.zone);
    package.frozen_until_max = Some(calendar::end_of(until, package.zone).ok_or_else(impossible)?);
    package.expires_if_thawed = Some(thawed.ok_or_else(impossible)?);
    package.frozen_at = Some(now);
    package.expires_at = None;
    package.freezes = package.freezes.saturating_add(1);
    amendment.retell();
    amendment.tell_expiry(ChangeKind::Frozen, old);
    Ok(amendment.held())
}

/// Thaws a package now.
///
/// # Errors
/// [`Refusal::PackageRevoked`], [`CannotAmend::NotFrozen`].
pub fn unfreeze(amendment: &mut Amendment<'_>) -> Result<Vec<Held>, Refusal> {
    amendment.refuse_revoked()?;
    let now = amendment.now();
    let package = &mut amendment.package;
    if package.frozen_at.is_none() {
        let package_id = package.id;
        return Err(CannotAmend::NotFrozen { package_id }.into());
    }
    let old = Expiry::of(package);
    package.thaw(now);
    amendment.retell();
    amendment.tell_expiry(ChangeKind::Thawed, old);
    Ok(amendment.held())
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
