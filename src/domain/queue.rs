//! Packages that wait for an earlier one of the same template (A10, semantics 29): each starts when the one
//! before it ends, or as soon as nothing in that is available, what is held counting as used. Once it has
//! started it stays so: neither an undo nor an extension of the earlier one takes that back.
//!
//! The start is stored, so that it needs no job: it is moved by whatever moves the end of the earlier
//! package or takes the last of what is available in it, and so on along the queue.

use chrono::{DateTime, Utc};

use crate::domain::calendar;
use crate::domain::change::{ChangeKind, Expiry, NewChange, Span, Value};
use crate::domain::credits::Credits;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::posting::Posting;
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::validity::{self, Anchor, Period, Validity};

/// The start of a package that waits for one without an end: 9999-12-31, the last day of the API's
/// timestamps.
pub const UNKNOWN_START: DateTime<Utc> = match DateTime::from_timestamp_secs(253_402_214_400) {
    Some(at) => at,
    None => DateTime::<Utc>::MAX_UTC,
};

/// When a package starts that is queued behind `earlier`, in which something is available or not.
pub fn start_behind(earlier: &Package, has_available: bool, now: DateTime<Utc>) -> DateTime<Utc> {
    let start = if has_available {
        earlier.end().unwrap_or(UNKNOWN_START)
    } else {
        // One that never started hands its own place on.
        earlier.starts_at
    };
    start.max(now)
}

/// What moves the start of `package`, which is queued behind `earlier`; none if nothing does. A package with
/// an end of its own that would be over before it starts keeps its start.
pub fn follow(
    package: &mut Package,
    (earlier, lots): (&Package, &[Lot]),
    now: DateTime<Utc>,
) -> Option<NewChange> {
    if !package.waits(now) {
        return None;
    }
    let starts_at = start_behind(earlier, has_available(earlier, lots), now);
    if starts_at == package.starts_at {
        return None;
    }
    let old = Span::of(package);
    let expires_at = end_from(package, starts_at);
    if expires_at.is_some_and(|end| end <= starts_at) {
        return None;
    }
    package.starts_at = starts_at;
    if package.expires_at != expires_at {
        package.expires_at = expires_at;
        package.expiry_epoch = package.expiry_epoch.saturating_add(1);
    }
    Some(NewChange {
        kind: ChangeKind::QueueMoved,
        old: Value::Span(old),
        new: Value::Span(Span::of(package)),
        effective_at: now,
        by_time: false,
    })
}

/// A start as people read it.
pub fn told(starts_at: DateTime<Utc>) -> String {
    if starts_at == UNKNOWN_START {
        "the use of all of an earlier one".to_owned()
    } else {
        starts_at.to_string()
    }
}

/// Whether a posting took the last of what was available in a lot whose package another one waits for.
pub fn calls_the_next(posting: &Posting) -> bool {
    let mut lots = posting.lots.iter();
    lots.any(|lot| lot.terms.is_followed && lot.available() == Credits::ZERO)
}

/// Refuses a package that waits for an earlier one.
///
/// # Errors
/// [`CannotAmend::Queued`].
pub fn refuse_waiting(package: &Package, now: DateTime<Utc>) -> Result<(), Refusal> {
    match package.queued_behind {
        Some(behind) if package.waits(now) => Err(CannotAmend::Queued {
            package_id: package.id,
            behind,
        }
        .into()),
        _ => Ok(()),
    }
}

impl Package {
    /// Whether it waits for the package before it in the queue.
    pub fn waits(&self, now: DateTime<Utc>) -> bool {
        self.queued_behind.is_some() && now < self.starts_at
    }

    /// From when on it can be used; none: it waits for a package that has no end.
    pub fn known_start(&self) -> Option<DateTime<Utc>> {
        (self.starts_at != UNKNOWN_START).then_some(self.starts_at)
    }

    /// Puts a new package behind an earlier one. A period of validity is counted from the start.
    ///
    /// # Errors
    /// [`Refusal::ValidityImpossible`] if it ended before it started.
    pub fn queue_behind(
        &mut self,
        earlier: &Self,
        starts_at: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let expires_at = end_from(self, starts_at);
        if expires_at.is_some_and(|end| end <= starts_at) {
            let problem = format!(
                "it would end before it starts: it waits for package {}, from {} on",
                earlier.id,
                told(starts_at)
            );
            return Err(Refusal::ValidityImpossible { problem });
        }
        self.queued_behind = Some(earlier.id);
        self.starts_at = starts_at;
        self.expires_at = expires_at;
        Ok(())
    }
}

/// A period of validity whose first day is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodToCome {
    /// Counted from the first use.
    FromFirstUse(Period),
    /// Counted from the start, which an earlier package may bring forward.
    FromStart(Period),
}

impl Package {
    /// The period of its validity, as long as nobody knows when that begins. One whose end was moved by
    /// hand while it waits for another has that end instead.
    pub fn period_to_come(&self, now: DateTime<Utc>) -> Option<PeriodToCome> {
        let Validity::Period { length, anchor } = self.validity else {
            return None;
        };
        match anchor {
            Anchor::FirstUse { .. } => self
                .first_used_on
                .is_none()
                .then_some(PeriodToCome::FromFirstUse(length)),
            Anchor::Sale | Anchor::StartDate => {
                let follows_rule = self.expires_at == end_of_rule(self, self.starts_at);
                (self.waits(now) && follows_rule).then_some(PeriodToCome::FromStart(length))
            }
        }
    }
}

impl Span {
    /// The package's validity as a change tells it.
    fn of(package: &Package) -> Self {
        Self {
            starts_at: package.known_start(),
            expiry: Expiry::of(package),
        }
    }
}

/// Whether something is available in a package, given its settled lots.
pub fn has_available(package: &Package, lots: &[Lot]) -> bool {
    let mut lots = lots.iter().filter(|lot| lot.package_id == package.id);
    lots.any(|lot| lot.available() > Credits::ZERO)
}

/// The end of a package that has not started, if it started at `starts_at`. One that was moved by hand goes
/// along by local days.
fn end_from(package: &Package, starts_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Validity::Period { .. } = package.validity else {
        return package.expires_at;
    };
    if package.expires_at == end_of_rule(package, package.starts_at) {
        return end_of_rule(package, starts_at);
    }
    let (Some(end), Some(_)) = (package.expires_at, package.known_start()) else {
        return package.expires_at;
    };
    if starts_at == UNKNOWN_START {
        return package.expires_at;
    }
    let day = |at| calendar::local_day(at, package.zone);
    let days = calendar::days_between(day(package.starts_at), day(starts_at));
    calendar::moved_by_days(end, days, package.zone).or(package.expires_at)
}

fn end_of_rule(package: &Package, starts_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if starts_at == UNKNOWN_START {
        return None;
    }
    let day = calendar::local_day(starts_at, package.zone);
    let resolved = validity::resolve(&package.validity, starts_at, Some(day), package.zone);
    resolved.ok().and_then(|resolved| resolved.expires_at)
}

#[cfg(test)]
mod tests;
