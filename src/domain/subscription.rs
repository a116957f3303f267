//! Subscriptions (C6): the same package again and again, one for each period that is paid (semantics 34).
//!
//! Every period starts so many periods after the first day, counted in one step, so the anchor's day is
//! kept over short months (semantics 8), and ends at the very instant at which the next one starts
//! (semantics 7). Days are those of the zone that the business had when the subscription was made. A
//! subscription has periods for about [`PERIOD_YEARS_MAX`](crate::domain::validity::PERIOD_YEARS_MAX) years.
//!
//! What is due follows from the time alone: that a period has a row says that it was noticed, or paid.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::calendar;
use crate::domain::entry::coded;
use crate::domain::pricing::CarryOver;
use crate::domain::refusal::SubscribingRefusal;
use crate::domain::validity::{self, Period};
use crate::ids::{BusinessId, CustomerId, PackageId, SaleId, SubscriptionId, TemplateId};

/// A customer's standing agreement to pay for the same package each period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The subscription.
    pub id: SubscriptionId,
    /// Whose.
    pub business_id: BusinessId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// Who subscribed.
    pub customer_id: CustomerId,
    /// The template, and its version that was agreed on.
    pub template: (TemplateId, i32),
    /// How many units of the template each package has.
    pub quantity: u32,
    /// What each period costs, all units, in minor units, as the business writes prices.
    pub price_minor: i64,
    /// What of a period's unused credits goes on into the next one.
    pub carry_over: CarryOver,
    /// The days of its periods.
    pub rhythm: Rhythm,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The number of the first period that is not marked due yet.
    pub next_number: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// When the periods of a subscription start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The local day on which the first one starts: the anchor of all.
    pub starts_on: NaiveDate,
    /// How long each is.
    pub every: Period,
    /// Whose days count.
    pub zone: Tz,
}

/// One period: its days, and the instants at which these begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The local day on which it starts; its name within the subscription.
    pub starts_on: NaiveDate,
    /// The local day on which the next one starts.
    pub next_starts_on: NaiveDate,
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When the next one starts.
    pub ends_at: DateTime<Utc>,
}

impl Span {
    /// Whether the zone left all of its days out, so that it is no period.
    fn is_left_out(&self) -> bool {
        self.ends_at <= self.starts_at
    }
}

/// What paying a period made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The package.
    pub package_id: PackageId,
    /// The sale.
    pub sale_id: SaleId,
    /// When the payment was written down.
    pub paid_at: DateTime<Utc>,
}

/// A period that is due or paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionPeriod {
    /// From when until when.
    pub span: Span,
    /// What paying it made; none: it is not paid.
    pub renewal: Option<Renewal>,
    /// The package with what went on from the period before; it stays if the payment was a mistake, so
    /// that nothing goes on twice.
    pub carried_over: Option<PackageId>,
}

coded! {
    /// What became of a period.
    PeriodState {
        /// It has begun and is not paid.
        Due = 1, "due";
        /// It is paid and has its package.
        Paid = 2, "paid";
        /// It is over and was not paid.
        Missed = 3, "missed";
    }
}

impl SubscriptionPeriod {
    /// What became of it at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> PeriodState {
        if self.renewal.is_some() {
            PeriodState::Paid
        } else if self.span.ends_at <= now {
            PeriodState::Missed
        } else {
            PeriodState::Due
        }
    }
}

impl Rhythm {
    /// The local day on which a period starts, by its number from 0; `None` outside the calendar.
    fn start(&self, number: u32) -> Option<NaiveDate> {
        if number == 0 {
            return Some(self.starts_on);
        }
        let Period { count, unit } = self.every;
        let count = count.checked_mul(number)?;
        validity::add(Period { count, unit }, self.starts_on)
    }

    fn starts_at(&self, number: u32) -> Option<DateTime<Utc>> {
        calendar::first_instant_of(self.start(number)?, self.zone)
    }

    /// A period by its number from 0; `None` if there is none so late.
    pub fn span(&self, number: u32) -> Option<Span> {
        let next = number.checked_add(1)?;
        Some(Span {
            starts_on: self.start(number)?,
            next_starts_on: self.start(next)?,
            starts_at: self.starts_at(number)?,
            ends_at: self.starts_at(next)?,
        })
    }

    /// How many periods have begun at `now`; so it is the number of the next one, too.
    pub fn begun(&self, now: DateTime<Utc>) -> u32 {
        self.first(|number| self.starts_at(number).is_none_or(|at| at > now))
    }

    /// The number of the period that starts on this day.
    fn number_of(&self, starts_on: NaiveDate) -> Option<u32> {
        let number = self.first(|number| self.start(number).is_none_or(|day| day >= starts_on));
        (self.start(number) == Some(starts_on)).then_some(number)
    }

    /// The period that starts on this day, with its number; `None` if none does.
    fn period_of(&self, starts_on: NaiveDate) -> Option<(u32, Span)> {
        let number = self.number_of(starts_on)?;
        let span = self.span(number)?;
        (!span.is_left_out()).then_some((number, span))
    }

    /// The period that starts on this day; `None` if none does.
    pub fn span_of(&self, starts_on: NaiveDate) -> Option<Span> {
        Some(self.period_of(starts_on)?.1)
    }

    /// The least number that `is_reached` holds for; it holds for all later ones, and for those that no
    /// period has.
    fn first(&self, is_reached: impl Fn(u32) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.every.unit.count_max().saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            if is_reached(middle) {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        low
    }
}

impl Subscription {
    /// Whether a period comes in spite of a cancellation: it has begun by then.
    fn comes(&self, span: &Span) -> bool {
        self.cancelled_at.is_none_or(|at| span.starts_at <= at)
    }

    /// The first period that is not marked yet and comes.
    fn unmarked(&self, number: u32) -> Option<Span> {
        self.rhythm.span(number).filter(|span| self.comes(span))
    }

    /// When the first period that is not marked yet starts; `None`: no further one comes.
    pub fn next_due_at(&self) -> Option<DateTime<Utc>> {
        Some(self.unmarked(self.next_number)?.starts_at)
    }

    /// The local day on which the next period after `now` starts; `None`: no further one comes.
    pub fn next_starts_on(&self, now: DateTime<Utc>) -> Option<NaiveDate> {
        Some(self.unmarked(self.rhythm.begun(now))?.starts_on)
    }

    /// Marks at most `max` periods that have begun at `now`, and says which.
    pub fn mark_due(&mut self, now: DateTime<Utc>, max: usize) -> Vec<Span> {
        let mut marked = Vec::new();
        while marked.len() < max
            && let Some(span) = self.unmarked(self.next_number)
            && span.starts_at <= now
        {
            if !span.is_left_out() {
                marked.push(span);
            }
            self.next_number = self.next_number.saturating_add(1);
        }
        marked
    }

    /// Ends it: no period that starts later comes.
    ///
    /// # Errors
    /// [`SubscribingRefusal::Cancelled`] if it was before.
    pub fn cancel(&mut self, now: DateTime<Utc>) -> Result<(), SubscribingRefusal> {
        if let Some(cancelled_at) = self.cancelled_at {
            return Err(self.cancelled(cancelled_at));
        }
        self.cancelled_at = Some(now);
        Ok(())
    }

    fn cancelled(&self, cancelled_at: DateTime<Utc>) -> SubscribingRefusal {
        SubscribingRefusal::Cancelled {
            subscription_id: self.id,
            cancelled_at,
        }
    }

    /// The period that starts on this day, if it can be paid at `now`: the one that has begun, or the next.
    ///
    /// # Errors
    /// [`SubscribingRefusal::PeriodUnknown`], [`SubscribingRefusal::Cancelled`],
    /// [`SubscribingRefusal::PeriodOver`], [`SubscribingRefusal::PeriodTooEarly`].
    pub fn payable(
        &self,
        starts_on: NaiveDate,
        now: DateTime<Utc>,
    ) -> Result<Span, SubscribingRefusal> {
        let subscription_id = self.id;
        let found = self.rhythm.period_of(starts_on);
        let (number, span) = found.ok_or(SubscribingRefusal::PeriodUnknown {
            subscription_id,
            starts_on,
        })?;
        if let Some(cancelled_at) = self.cancelled_at
            && !self.comes(&span)
        {
            return Err(self.cancelled(cancelled_at));
        }
        if span.ends_at <= now {
            return Err(SubscribingRefusal::PeriodOver {
                subscription_id,
                starts_on,
                ended_at: span.ends_at,
            });
        }
        if number > self.rhythm.begun(now)
            && let Some(payable_from) = self.rhythm.starts_at(number.saturating_sub(1))
        {
            return Err(SubscribingRefusal::PeriodTooEarly {
                subscription_id,
                starts_on,
                payable_from,
            });
        }
        Ok(span)
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
