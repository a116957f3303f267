//! Closures: days on which a business is closed, which packages get back at their end (semantics 16).
//!
//! A package keeps which closed days were added to it. Its end without them, and the closures that are in
//! force, say where it ends; so several closures count each day once, their order does not matter, and a
//! change of a closure is nothing but counting again. A day that is over stays a package's, whatever becomes
//! of its closure.

use std::collections::BTreeSet;

use chrono::{DateTime, Days as Many, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::amend::Amendment;
use crate::domain::calendar;
use crate::domain::change::{ChangeKind, Expiry};
use crate::domain::extend::{Extension, extend};
use crate::domain::package::Package;
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::ids::{BulkRunId, ClosureId, TemplateId};

/// The most days of one closure.
pub const DAYS_MAX: i64 = 366;

/// Local days, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// The first.
    pub first: NaiveDate,
    /// The last, not before the first.
    pub last: NaiveDate,
}

/// Days on which a business is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// The closure.
    pub id: ClosureId,
    /// What it is called.
    pub name: String,
    /// The closed days.
    pub days: Days,
    /// Only packages of this template; none: all.
    pub template_id: Option<TemplateId>,
    /// What applies it, or its last change.
    pub run_id: BulkRunId,
    /// When it was undone.
    pub undone_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// Which days of a closure a package got back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The closure.
    pub closure_id: ClosureId,
    /// The days, in their order.
    pub days: Vec<Days>,
    /// Whether the package waited for its first use then; the first use has set another end since.
    pub waiting: bool,
}

/// Where a package ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reckoning {
    /// Its last usable day.
    pub last_day: NaiveDate,
    /// The days that it got back for it, by closure; closures without any are left out.
    pub counted: Vec<(ClosureId, Vec<Days>)>,
}

/// What is known of a package's days.
#[derive(Clone, Copy, Debug)]
pub struct Stay<'a> {
    /// The first day of its validity.
    pub first_day: NaiveDate,
    /// Its last usable day, with what was counted.
    pub last_day: NaiveDate,
    /// The days that it got back before, by closure.
    pub counted: &'a [(ClosureId, Vec<Days>)],
}

impl Days {
    /// All of them.
    pub fn each(self) -> impl Iterator<Item = NaiveDate> {
        let days = self.first.iter_days();
        days.take_while(move |day| *day <= self.last)
    }

    /// How many.
    pub fn count(self) -> i64 {
        calendar::days_between(self.first, self.last).saturating_add(1)
    }

    /// Days that may have gaps, as days without.
    fn of(days: &BTreeSet<NaiveDate>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for day in days {
            match all.last_mut() {
                Some(run) if run.last.succ_opt() == Some(*day) => run.last = *day,
                _ => all.push(Self {
                    first: *day,
                    last: *day,
                }),
            }
        }
        all
    }
}

impl Closure {
    /// Refuses a closure that was undone.
    ///
    /// # Errors
    /// [`CannotAmend::ClosureUndone`].
    pub fn refuse_undone(&self) -> Result<(), CannotAmend> {
        match self.undone_at {
            Some(undone_at) => Err(CannotAmend::ClosureUndone {
                closure_id: self.id,
                undone_at,
            }),
            None => Ok(()),
        }
    }

    /// Whether it is in force for a package: one that was made later was sold knowing it.
    fn concerns(&self, package: &Package) -> bool {
        let template = package.template.map(|(id, _)| id);
        self.undone_at.is_none()
            && package.created_at <= self.created_at
            && (self.template_id.is_none() || self.template_id == template)
    }
}

/// Counts again which days a package gets back, with these closures in force. Days through `today` that were
/// counted before stay. Nothing makes a package end before today, or end earlier if it has ended.
pub fn reckon(stay: Stay<'_>, today: NaiveDate, closures: &[(ClosureId, Days)]) -> Reckoning {
    let before: BTreeSet<NaiveDate> = all_days(stay.counted).collect();
    let without = how_many(&before).and_then(|days| stay.last_day.checked_sub_days(days));
    let Some(without) = without else {
        return unchanged(stay);
    };
    let kept: BTreeSet<NaiveDate> = before.range(..=today).copied().collect();
    let closed = closures.iter().flat_map(|(_, days)| days.each());
    let closed: BTreeSet<NaiveDate> = closed.filter(|day| *day >= stay.first_day).collect();
    let closed: BTreeSet<NaiveDate> = closed.union(&kept).copied().collect();
    let mut counted = kept.clone();
    let last_day = loop {
        let last_day = how_many(&counted).and_then(|days| without.checked_add_days(days));
        let Some(last_day) = last_day else {
            return unchanged(stay);
        };
        let had = closed.range(..=last_day).copied();
        let more: BTreeSet<NaiveDate> = had.chain(kept.iter().copied()).collect();
        if more.len() == counted.len() {
            break last_day;
        }
        counted = more;
    };
    if last_day < stay.last_day && stay.last_day < today {
        return unchanged(stay);
    }
    Reckoning {
        last_day: last_day.max(stay.last_day.min(today)),
        counted: by_closure(stay, &kept, &counted, closures),
    }
}

fn unchanged(stay: Stay<'_>) -> Reckoning {
    Reckoning {
        last_day: stay.last_day,
        counted: stay.counted.to_vec(),
    }
}

fn all_days(counted: &[(ClosureId, Vec<Days>)]) -> impl Iterator<Item = NaiveDate> {
    let runs = counted.iter().flat_map(|(_, runs)| runs);
    runs.copied().flat_map(Days::each)
}

fn how_many(days: &BTreeSet<NaiveDate>) -> Option<Many> {
    u64::try_from(days.len()).ok().map(Many::new)
}

/// Which of the counted days are of which closure; those of several are of each.
fn by_closure(
    stay: Stay<'_>,
    kept: &BTreeSet<NaiveDate>,
    counted: &BTreeSet<NaiveDate>,
    closures: &[(ClosureId, Days)],
) -> Vec<(ClosureId, Vec<Days>)> {
    let earlier = stay.counted.iter().map(|(id, _)| *id);
    let ids: BTreeSet<ClosureId> = earlier.chain(closures.iter().map(|(id, _)| *id)).collect();
    let of = |wanted: ClosureId| {
        let had = stay.counted.iter().filter(|(id, _)| *id == wanted);
        let had = had.flat_map(|(_, runs)| runs).copied().flat_map(Days::each);
        let had = had.filter(|day| kept.contains(day));
        let in_force = closures.iter().filter(|(id, _)| *id == wanted);
        let in_force = in_force.flat_map(|(_, days)| days.each());
        let in_force = in_force.filter(|day| counted.contains(day));
        Days::of(&had.chain(in_force).collect())
    };
    ids.into_iter()
        .map(|id| (id, of(id)))
        .filter(|(_, days)| !days.is_empty())
        .collect()
}

/// Moves the end of a package to where these closures put it. The answer is which days it has got back in
/// all, or nothing if nothing is to be done.
///
/// # Errors
/// [`Refusal::QuarantineOver`], [`Refusal::ExpiryNotLater`] if it had ended and would have ended again.
pub fn close(
    amendment: &mut Amendment<'_>,
    closures: &[Closure],
    counted: &[Counted],
    quarantine_days: i32,
) -> Result<Option<Vec<Counted>>, Refusal> {
    let now = amendment.now();
    let package = &amendment.package;
    if package.revoked_at.is_some() || package.transferred_at.is_some() {
        return Ok(None);
    }
    let Some(end) = package.end() else {
        return Ok(None);
    };
    let waiting = package.counts_from_first_use && package.first_used_on.is_none();
    let zone = package.zone;
    let before: Vec<(ClosureId, Vec<Days>)> = counted
        .iter()
        .filter(|counted| !counted.waiting || waiting)
        .map(|counted| (counted.closure_id, counted.days.clone()))
        .collect();
    let stay = Stay {
        first_day: package
            .first_used_on
            .unwrap_or_else(|| calendar::local_day(package.starts_at, zone)),
        last_day: calendar::last_usable_day(end, zone),
        counted: &before,
    };
    let in_force: Vec<(ClosureId, Days)> = closures
        .iter()
        .filter(|closure| closure.concerns(package))
        .map(|closure| (closure.id, closure.days))
        .collect();
    let reckoning = reckon(stay, calendar::local_day(now, zone), &in_force);
    let days = calendar::days_between(stay.last_day, reckoning.last_day);
    if days == 0 && reckoning.counted == before {
        return Ok(None);
    }
    if days != 0 {
        let moved = calendar::moved_by_days(end, days, zone).ok_or_else(impossible)?;
        move_to(amendment, moved, days, quarantine_days)?;
    }
    let counted = reckoning.counted.into_iter();
    let counted = counted.map(|(closure_id, days)| Counted {
        closure_id,
        days,
        waiting,
    });
    Ok(Some(counted.collect()))
}

fn impossible() -> Refusal {
    Refusal::ValidityImpossible {
        problem: "no calendar reaches the end after the closure".to_owned(),
    }
}

fn move_to(
    amendment: &mut Amendment<'_>,
    moved: DateTime<Utc>,
    days: i64,
    quarantine_days: i32,
) -> Result<(), Refusal> {
    if days > 0 {
        let extension = Extension {
            expires_at: moved,
            quarantine_days,
            force: false,
            bonuses: Vec::new(),
        };
        return extend(amendment, extension);
    }
    let now = amendment.now();
    let today = calendar::local_day(now, amendment.package.zone);
    let end_of_today = calendar::end_of(today, amendment.package.zone).ok_or_else(impossible)?;
    let old = Expiry::of(&amendment.package);
    // An end in the middle of today may have passed; nobody loses a package by an undo.
    let end = if moved <= now { end_of_today } else { moved };
    amendment.package.end_at(end);
    amendment.retell();
    amendment.tell_expiry(ChangeKind::Shortened, old);
    Ok(())
}

/// The instants between which a package must be valid to have one of these days, in any zone.
pub fn around(days: Days) -> (DateTime<Utc>, DateTime<Utc>) {
    let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
    let (from, before) = (midnight(days.first), midnight(days.last));
    let (day, two_days) = (TimeDelta::days(1), TimeDelta::days(2));
    (
        from.checked_sub_signed(day).unwrap_or(from),
        before.checked_add_signed(two_days).unwrap_or(before),
    )
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
