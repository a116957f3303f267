//! Packages: how long they are valid.

use chrono::{Days, NaiveDate, TimeDelta, Timelike, Utc};

use crate::model::catalogue::Line;
use crate::model::reference::Instant;
use crate::support::tenant::ZONE;

/// For how many days after its last one a package can be restored.
const QUARANTINE_DAYS: u64 = 30;

/// Validity that counts from the first use.
#[derive(Clone, Debug)]
pub(super) struct UseClock {
    pub(super) days: u64,
    pub(super) first: Option<NaiveDate>,
    /// The end until the first use.
    pub(super) deadline: Option<Instant>,
    /// Whether somebody moved the end since the first use.
    pub(super) moved: bool,
}

/// A freeze that goes on.
#[derive(Clone, Debug)]
pub(in crate::model) struct Freeze {
    pub(in crate::model) at: Instant,
    /// The last frozen local day, if nobody thaws it before.
    pub(in crate::model) through: NaiveDate,
    /// The end that it has if nobody does.
    pub(in crate::model) end: Instant,
    /// The end and the first use that it had.
    pub(super) before: (Instant, Option<NaiveDate>),
}

#[derive(Clone, Debug)]
pub(in crate::model) struct Package {
    pub(in crate::model) customer: usize,
    pub(super) priority: i32,
    pub(in crate::model) lines: Vec<Line>,
    pub(in crate::model) starts_at: Instant,
    /// None: never, or it is frozen.
    pub(in crate::model) expires_at: Option<Instant>,
    pub(super) clock: Option<UseClock>,
    pub(in crate::model) frozen: Option<Freeze>,
    pub(in crate::model) revoked_at: Option<Instant>,
    pub(super) transferable: bool,
    /// What was agreed, in cents.
    pub(in crate::model) price: i64,
    /// When and into which package its credits were moved.
    pub(in crate::model) transferred: Option<(Instant, usize)>,
    /// The package that its credits came from.
    pub(in crate::model) came_from: Option<usize>,
    /// How often it was frozen, and for how many local days before this freeze.
    pub(super) freezes: (i64, i64),
    /// How often and for how many local days its template lets it be.
    pub(super) freezes_max: Option<(i64, i64)>,
}

pub(in crate::model) fn local_day(at: Instant) -> NaiveDate {
    at.with_timezone(&ZONE).date_naive()
}

/// The first instant of the day after. No zone of the tests skips midnight.
pub(in crate::model) fn end_of(day: NaiveDate) -> Instant {
    let midnight = (day + Days::new(1)).and_hms_opt(0, 0, 0).unwrap();
    let midnight = midnight.and_local_timezone(ZONE).unwrap();
    midnight.with_timezone(&Utc)
}

/// The local day of the last moment before the end.
pub(super) fn last_day(expires_at: Instant) -> NaiveDate {
    local_day(expires_at - TimeDelta::microseconds(1))
}

/// The instant so many local days later, at the same time of day.
pub(super) fn moved_by_days(at: Instant, days: i64) -> Instant {
    let there = at.with_timezone(&ZONE).naive_local() + TimeDelta::days(days);
    let moved = there.and_local_timezone(ZONE).earliest();
    // A time that the clocks leave out is the first one after.
    let after = || there.date().and_hms_opt(there.hour() + 1, 0, 0);
    let moved = moved.unwrap_or_else(|| after().unwrap().and_local_timezone(ZONE).unwrap());
    moved.with_timezone(&Utc)
}

impl Package {
    pub(in crate::model) fn has_ended(&self, at: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// When it ends, or would end if it stayed frozen for as long as it may.
    pub(super) fn end(&self) -> Option<Instant> {
        let frozen = self.frozen.as_ref().map(|freeze| freeze.end);
        frozen.or(self.expires_at)
    }

    /// Until when it can be restored.
    pub(in crate::model) fn restorable_until(&self) -> Option<Instant> {
        let last = last_day(self.expires_at?);
        Some(end_of(last + Days::new(QUARANTINE_DAYS)))
    }

    /// Semantics 9: the earliest local day of a service counts.
    pub(super) fn start_clock(&mut self, service_at: Instant) {
        let day = local_day(service_at.max(self.starts_at));
        if let Some(clock) = &mut self.clock
            && clock.first.is_none_or(|first| day < first)
        {
            clock.first = Some(day);
            if !clock.moved && self.frozen.is_none() {
                self.expires_at = Some(end_of(day + Days::new(clock.days)));
            }
        }
    }

    /// Semantics 9: an end that was moved since the first use stays, and waits for the next one.
    pub(super) fn stop_clock(&mut self) {
        let end = self.end();
        if let Some(clock) = &mut self.clock
            && clock.first.take().is_some()
        {
            if std::mem::take(&mut clock.moved) {
                clock.deadline = end;
            }
            if self.frozen.is_none() {
                self.expires_at = clock.deadline;
            }
        }
    }
}
