//! Freezing packages and thawing them, by a call or at the limit (semantics 15).

use chrono::NaiveDate;

use crate::model::reference::calls::{Answer, Outcome};
use crate::model::reference::package::{Freeze, Package, end_of, local_day, moved_by_days};
use crate::model::reference::{HoldState, Instant, Ledger, refuse};

/// How often and for how many local days at once a package may be frozen if nobody says otherwise.
const FREEZES_MAX: i64 = 12;
const DAYS_MAX: i64 = 366;

impl Ledger {
    /// No use and no end until it is thawed; what is held in it stays, and is told.
    pub(super) fn freeze(&mut self, package: usize, through: NaiveDate) -> Outcome {
        let now = self.now;
        let known = &mut self.packages[package];
        if known.is_revoked() {
            return refuse("PACKAGE_REVOKED");
        }
        if known.is_transferred() {
            return refuse("PACKAGE_TRANSFERRED");
        }
        if known.frozen.is_some() {
            return refuse("PACKAGE_FROZEN");
        }
        let Some(end) = known.expires_at else {
            return refuse("PACKAGE_NEVER_EXPIRES");
        };
        if known.has_ended(now) {
            return refuse("PACKAGE_EXPIRED");
        }
        // Today counts, and so does the last day.
        let days = (through - local_day(now)).num_days() + 1;
        if days < 1 {
            return refuse("FREEZE_NOT_AHEAD");
        }
        let (times, days_before) = known.freezes;
        let (times_max, days_max) = match known.freezes_max {
            Some((times_max, days_max)) => (times_max, days_max - days_before),
            None => (FREEZES_MAX, DAYS_MAX),
        };
        if times >= times_max {
            return refuse("FREEZE_TOO_OFTEN");
        }
        if days > days_max {
            return refuse("FREEZE_TOO_LONG");
        }
        known.frozen = Some(Freeze {
            at: now,
            through,
            end: moved_by_days(end, days),
            before: (end, known.first_use()),
        });
        known.expires_at = None;
        known.freezes.0 += 1;
        Ok(Answer {
            held: self.held_in(package),
            ..Answer::default()
        })
    }

    pub(super) fn unfreeze(&mut self, package: usize) -> Outcome {
        if self.packages[package].is_revoked() {
            return refuse("PACKAGE_REVOKED");
        }
        if self.packages[package].frozen.is_none() {
            return refuse("PACKAGE_NOT_FROZEN");
        }
        self.packages[package].thaw(self.now);
        Ok(Answer {
            held: self.held_in(package),
            ..Answer::default()
        })
    }

    /// The open holds that hold credits of a package, and how many.
    pub(super) fn held_in(&self, package: usize) -> Vec<(usize, i64)> {
        let open = self.holds.iter().enumerate();
        let open = open.filter(|(_, hold)| hold.state == HoldState::Open);
        let held = open.map(|(index, hold)| {
            let here = hold.parts.iter();
            let here = here.filter(|part| self.lots[part.lot].package == package);
            (index, here.map(|part| part.left).sum())
        });
        held.filter(|(_, amount)| *amount > 0).collect()
    }
}

impl Package {
    fn first_use(&self) -> Option<NaiveDate> {
        self.clock.as_ref()?.first
    }

    /// When it is thawed by itself.
    pub(super) fn thaws_at(&self) -> Option<Instant> {
        let freeze = self.frozen.as_ref()?;
        Some(end_of(freeze.through))
    }

    /// The end moves by the frozen local days: the day of the freeze counts, that of the thaw only if the
    /// package would have ended before. That is the end that it waits with for its first use, too.
    pub(super) fn thaw(&mut self, at: Instant) {
        let Some(freeze) = self.frozen.take() else {
            return;
        };
        let days_left = (freeze.through - local_day(at)).num_days() + 1;
        let mut end = moved_by_days(freeze.end, -days_left);
        if end <= at {
            end = moved_by_days(end, 1);
        }
        self.freezes.1 += (local_day(at) - local_day(freeze.at)).num_days();
        self.expires_at = Some(end);
        if let Some(clock) = &mut self.clock {
            if clock.first.is_none() {
                clock.deadline = Some(end);
            }
            clock.moved |= clock.first.is_some() && (end, clock.first) != freeze.before;
        }
    }
}
