//! Packages that were sold or given: their status, counters and validity.
//!
//! The status is derived from facts at the moment of asking and never stored, so it cannot be stale:
//! a package is expired at its instant, job or no job.

mod successor;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::booking_rules::BookingRules;
use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::entry::{Balances, coded};
use crate::domain::lot::{Lot, Terms};
use crate::domain::use_limit::UseLimit;
use crate::domain::validity::{self, Anchor, ExpirySource, MustStartBy, Validity};
use crate::ids::{BusinessId, CustomerId, GroupId, InvoiceLineId, PackageId, SaleId, TemplateId};

/// The most units that are listed one by one; above it there are counters only (D8).
pub const UNITS_MAX: usize = 200;

coded! {
    /// What a package is at one moment; the first that holds (design section 2).
    Status {
        /// Taken away early.
        Revoked = 1, "revoked";
        /// Moved to another customer.
        Transferred = 2, "transferred";
        /// All of it used, nothing lost, and paid.
        Completed = 3, "completed";
        /// Set aside: no use, no expiry.
        Frozen = 4, "frozen";
        /// Its validity has ended.
        Expired = 5, "expired";
        /// Nothing is left, but it is not paid.
        UsedUp = 6, "used_up";
        /// Waits for another package.
        Queued = 7, "queued";
        /// Starts later.
        Upcoming = 8, "upcoming";
        /// Can be used.
        Active = 9, "active";
    }
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The package.
    pub id: PackageId,
    /// Whose it is.
    pub business_id: BusinessId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// The sale that it came from; none if it was given.
    pub sale_id: Option<SaleId>,
    /// The package that its credits were moved from, if they were.
    pub came_from: Option<PackageId>,
    /// Its owner, or the contact of the group that owns it.
    pub customer_id: CustomerId,
    /// The group that owns it, if one does; its members are those who may use it.
    pub group_id: Option<GroupId>,
    /// How many customers may share it, the owner included.
    pub share_max: i32,
    /// The template and the version of it that was sold.
    pub template: Option<(TemplateId, i32)>,
    /// What the customer reads.
    pub name: String,
    /// What the template asks, in minor units.
    pub list_price_minor: i64,
    /// What was agreed, in minor units, as the business writes prices.
    pub price_minor: i64,
    /// What was agreed without tax, in minor units: the value of its credits.
    pub net_price_minor: i64,
    /// The lower number pays first.
    pub priority: i32,
    /// Days after expiry in which it can be restored; none: the business's setting.
    pub quarantine_days: Option<i32>,
    /// The rule of its validity.
    pub validity: Validity,
    /// Where that rule came from.
    pub expiry_source: ExpirySource,
    /// The business's zone when it was sold.
    pub zone: Tz,
    /// From when on it can be used.
    pub starts_at: DateTime<Utc>,
    /// From when on it cannot; none: never, or frozen.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether validity is counted from the first use.
    pub counts_from_first_use: bool,
    /// The local day of the first use.
    pub first_used_on: Option<NaiveDate>,
    /// How often its expiry was changed.
    pub expiry_epoch: i32,
    /// Since when it is frozen.
    pub frozen_at: Option<DateTime<Utc>>,
    /// When it is thawed by itself, if it is frozen.
    pub frozen_until_max: Option<DateTime<Utc>>,
    /// From when on it cannot be used then.
    pub expires_if_thawed: Option<DateTime<Utc>>,
    /// How often it was frozen.
    pub freezes: i32,
    /// For how many local days in all, those of a freeze that goes on not counted.
    pub frozen_days: i32,
    /// When it was taken away.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was moved to another customer.
    pub transferred_at: Option<DateTime<Utc>>,
    /// The package that its credits were moved to.
    pub transferred_to: Option<PackageId>,
    /// The package of the same template that it waits for, or waited for.
    pub queued_behind: Option<PackageId>,
    /// Whether another package waits for it, or waited.
    pub is_followed: bool,
    /// How much of it each customer may use on a day or in a week.
    pub use_limit: Option<UseLimit>,
    /// How bookings are judged and cancelled that it pays; none: by default.
    pub booking_rules: Option<BookingRules>,
    /// When it was paid in full; a given package is paid when it is made.
    pub paid_at: Option<DateTime<Utc>>,
    /// The line of an invoice that sold it, if one did.
    pub invoice_line_id: Option<InvoiceLineId>,
    /// How many lines of invoices used it whose payment bounced since.
    pub unpaid_uses: i32,
    /// The number of its last change.
    pub change_seq: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// What of one unit of a lot is in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The state that the unit begins with.
    pub state: UnitState,
    /// How much of it is in that state.
    pub amount: Credits,
}

/// The states of units, in the order in which a lot shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// Used.
    Used,
    /// Set aside.
    Held,
    /// Free to use.
    Unused,
    /// Lost.
    Expired,
    /// Taken away.
    Revoked,
    /// Moved elsewhere.
    Transferred,
}

impl Package {
    /// The package as its settled lots say: time may have undone all that kept its clock of first use
    /// running, before anybody wrote that.
    #[must_use]
    pub fn as_of(&self, settled: &[Lot]) -> Self {
        let mut package = self.clone();
        let mut lots = settled.iter().filter(|lot| lot.package_id == self.id);
        if let Some(until) = self.frozen_until_max
            && lots.any(|lot| !lot.terms.frozen)
        {
            package.thaw(until);
        }
        let has_stopped = settled
            .iter()
            .any(|lot| lot.package_id == self.id && lot.terms.first_used_on.is_none());
        if self.counts_from_first_use && self.first_used_on.is_some() && has_stopped {
            package.stop_clock();
        }
        package
    }

    /// The status at `now`, given the package's lots settled at `now`.
    pub fn status(&self, lots: &[Lot], now: DateTime<Utc>) -> Status {
        let nothing_left = lots
            .iter()
            .all(|lot| lot.fold.unused() == Some(Credits::ZERO));
        let nothing_lost = lots
            .iter()
            .all(|lot| lot.fold.balances.expired == Credits::ZERO);
        if self.revoked_at.is_some() {
            Status::Revoked
        } else if self.transferred_at.is_some() {
            Status::Transferred
        } else if nothing_left && nothing_lost && self.is_paid() {
            Status::Completed
        } else if self.frozen_at.is_some() {
            Status::Frozen
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Status::Expired
        } else if nothing_left {
            Status::UsedUp
        } else if self.waits(now) {
            Status::Queued
        } else if now < self.starts_at {
            Status::Upcoming
        } else {
            Status::Active
        }
    }

    /// Whether it was valid at some time from the first instant to before the second, as it is known now: it
    /// had begun, had not ended, and was neither taken away nor moved. Used up or not does not matter.
    pub fn was_valid_during(&self, (from, before): (DateTime<Utc>, DateTime<Utc>)) -> bool {
        let lasts = |until: Option<DateTime<Utc>>| until.is_none_or(|until| from < until);
        self.starts_at < before
            && lasts(self.expires_at)
            && lasts(self.revoked_at)
            && lasts(self.transferred_at)
    }

    /// Whether it is paid, and every invoice that used it (semantics 33).
    pub fn is_paid(&self) -> bool {
        self.paid_at.is_some() && self.unpaid_uses == 0
    }

    /// What was taken off the list price, in minor units; below 0 if more was agreed.
    pub fn discount_minor(&self) -> i64 {
        self.list_price_minor.saturating_sub(self.price_minor)
    }

    /// The last local day on which it can be used.
    pub fn last_usable_day(&self) -> Option<NaiveDate> {
        self.expires_at
            .map(|expires_at| calendar::last_usable_day(expires_at, self.zone))
    }

    /// Until when an expired package can be restored (E3): the end of the local day that lies
    /// `quarantine_days` after its last usable day, the business's number unless it has its own.
    pub fn restorable_until(&self, business_days: i32) -> Option<DateTime<Utc>> {
        self.restorable_after(self.expires_at?, business_days)
    }

    /// The same if it ends at `expires_at`, as its settled lots may know and it does not yet.
    pub fn restorable_after(
        &self,
        expires_at: DateTime<Utc>,
        business_days: i32,
    ) -> Option<DateTime<Utc>> {
        let days = self.quarantine_days.unwrap_or(business_days);
        let days = Days::new(u64::try_from(days).unwrap_or(0));
        let last_day = calendar::last_usable_day(expires_at, self.zone);
        calendar::end_of(last_day.checked_add_days(days)?, self.zone)
    }

    /// What its lots copy from it.
    pub fn terms(&self) -> Terms {
        Terms {
            starts_at: self.starts_at,
            expires_at: self.expires_at,
            counts_from_first_use: self.counts_from_first_use,
            first_used_on: self.first_used_on,
            expires_if_unused: self.expires_if_unused(),
            zone: self.zone,
            frozen: self.frozen_at.is_some(),
            frozen_until_max: self.frozen_until_max,
            expires_if_thawed: self.expires_if_thawed,
            revoked: self.revoked_at.is_some(),
            is_followed: self.is_followed,
            is_limited: self.use_limit.is_some(),
        }
    }

    /// Its end if all that used or held a unit of it were undone (semantics 9): what it was before its
    /// first use, unless the end was moved by hand since.
    fn expires_if_unused(&self) -> Option<DateTime<Utc>> {
        match (&self.validity, self.first_used_on) {
            (Validity::Period { length, .. }, Some(day))
                if self.expires_at == validity::started(*length, day, self.zone) =>
            {
                validity::unstarted(&self.validity, self.starts_at, self.zone)
            }
            _ => self.expires_at,
        }
    }

    /// When it ends, or would end if it is frozen until the limit; none: never.
    pub fn end(&self) -> Option<DateTime<Utc>> {
        match self.frozen_at {
            Some(_) => self.expires_if_thawed,
            None => self.expires_at,
        }
    }

    /// Ends a freeze at `at`: the end moves by the local days for which it was frozen, and by one more if it
    /// would have passed by then (semantics 15). The freeze's first day counts and that of its end does not.
    /// As with [`end_at`](Self::end_at), no undo of what was used takes that back.
    pub fn thaw(&mut self, at: DateTime<Utc>) {
        let (Some(frozen_at), Some(until), Some(end)) = (
            self.frozen_at,
            self.frozen_until_max,
            self.expires_if_thawed,
        ) else {
            return;
        };
        let day = |at| calendar::local_day(at, self.zone);
        let days = calendar::days_between(day(frozen_at), day(at));
        let not_frozen = calendar::days_between(day(at), day(until));
        let moved = |end, days| calendar::moved_by_days(end, days, self.zone).unwrap_or(end);
        let mut end = moved(end, not_frozen.saturating_neg());
        let mut is_moved = days > 0;
        if end <= at {
            end = moved(end, 1);
            is_moved = true;
        }
        self.frozen_days = self
            .frozen_days
            .saturating_add(i32::try_from(days).unwrap_or(i32::MAX));
        self.expires_at = Some(end);
        self.expiry_epoch = self.expiry_epoch.saturating_add(1);
        self.frozen_at = None;
        self.frozen_until_max = None;
        self.expires_if_thawed = None;
        if is_moved || self.first_used_on.is_none() {
            self.wait_until(end);
        }
    }

    /// Sets another end by hand; of a frozen package, that after a thaw at the limit. Of a package that counts
    /// from its first use it is also the end that it waits with, now or after an undo: no undo takes
    /// that back.
    pub fn end_at(&mut self, expires_at: DateTime<Utc>) {
        if self.frozen_at.is_some() {
            self.expires_if_thawed = Some(expires_at);
        } else {
            self.expires_at = Some(expires_at);
        }
        self.expiry_epoch = self.expiry_epoch.saturating_add(1);
        self.wait_until(expires_at);
    }

    /// Sets the end that a package waits with for its first use.
    fn wait_until(&mut self, expires_at: DateTime<Utc>) {
        if let Validity::Period {
            anchor: Anchor::FirstUse { must_start_by },
            ..
        } = &mut self.validity
        {
            *must_start_by = Some(MustStartBy::Extended {
                expires_at,
                last_day: calendar::last_usable_day(expires_at, self.zone),
            });
        }
    }

    /// Lets validity wait for its first use again: all that used or held a unit was undone.
    pub fn stop_clock(&mut self) {
        let expires_at = self.expires_if_unused();
        if self.expires_at != expires_at {
            self.expires_at = expires_at;
            self.expiry_epoch = self.expiry_epoch.saturating_add(1);
        }
        self.first_used_on = None;
    }

    /// Counts validity from the local day `first_used_on` (semantics 9). An end that was moved by hand
    /// since stays: a use that is recorded late takes no extension back.
    pub fn start_clock(&mut self, first_used_on: NaiveDate) {
        let Validity::Period {
            length,
            anchor: Anchor::FirstUse { .. },
        } = self.validity
        else {
            return;
        };
        let end_from = |day: NaiveDate| validity::started(length, day, self.zone);
        let was_moved = self
            .first_used_on
            .is_some_and(|earlier| self.expires_at != end_from(earlier));
        if !was_moved && self.frozen_at.is_none() {
            self.expires_at = end_from(first_used_on);
            self.expiry_epoch = self.expiry_epoch.saturating_add(1);
        }
        self.first_used_on = Some(first_used_on);
    }
}

/// The units of a lot one by one, or `None` if there are more than [`UNITS_MAX`] (D8). Unit i is the
/// i-th whole credit: used, held, unused, expired, revoked, transferred in this order.
pub fn units(balances: &Balances) -> Option<Vec<Unit>> {
    let segments = [
        (UnitState::Used, balances.consumed),
        (UnitState::Held, balances.held),
        (UnitState::Unused, balances.available),
        (UnitState::Expired, balances.expired),
        (UnitState::Revoked, balances.revoked),
        (UnitState::Transferred, balances.transferred),
    ];
    let mut units = Vec::new();
    let mut room = Credits::ZERO;
    for (state, mut left) in segments {
        let filled = room.min(left.max(Credits::ZERO));
        room = room.checked_sub(filled)?;
        left = left.checked_sub(filled)?;
        while left > Credits::ZERO {
            let amount = left.min(Credits::UNIT);
            units.push(Unit { state, amount });
            if units.len() > UNITS_MAX {
                return None;
            }
            room = Credits::UNIT.checked_sub(amount)?;
            left = left.checked_sub(amount)?;
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests;
