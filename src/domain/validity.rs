//! How long a package is valid: the rule, where it comes from, and the instants it resolves to
//! (mission A6, semantics 7 to 10).
//!
//! A rule is kept as JSON beside the zone and the instant that it resolved to, so its form is
//! stable. The end is exclusive; a date and the end of any period mean *through that local day*.
//! Changing an end later (extending, freezing, closures) is not here: that moves the instant and
//! leaves the rule alone.

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::calendar;

/// The longest that a period can be, in years.
pub const PERIOD_YEARS_MAX: u32 = 100;

/// What a period is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodUnit {
    /// Local days, whatever their length in hours.
    Day,
    /// Seven local days.
    Week,
    /// Calendar months; a day that a month does not have becomes its last.
    Month,
    /// Twelve calendar months.
    Year,
}

impl PeriodUnit {
    /// The most of this unit that a period can have: about [`PERIOD_YEARS_MAX`] years.
    pub const fn count_max(self) -> u32 {
        match self {
            Self::Day => 36_500,
            Self::Week => 5_200,
            Self::Month => 1_200,
            Self::Year => PERIOD_YEARS_MAX,
        }
    }
}

/// A length of time on the calendar, such as three months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// How many units, from 1 to [`PeriodUnit::count_max`].
    pub count: u32,
    /// What is counted.
    pub unit: PeriodUnit,
}

impl Period {
    /// The period of `count` units; [`ValidityError::PeriodOutOfRange`] if that is none or too many.
    pub fn new(count: u32, unit: PeriodUnit) -> Result<Self, ValidityError> {
        let period = Self { count, unit };
        period.check()?;
        Ok(period)
    }

    /// Refuses a period of nothing and one of over [`PERIOD_YEARS_MAX`] years.
    pub fn check(self) -> Result<(), ValidityError> {
        if (1..=self.unit.count_max()).contains(&self.count) {
            Ok(())
        } else {
            Err(ValidityError::PeriodOutOfRange {
                count: self.count,
                unit: self.unit,
            })
        }
    }
}

/// The rule that says how long a package is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It never expires.
    Never,
    /// Through this local day.
    Until(NaiveDate),
    /// Through the local day that is `length` after the anchor's.
    Period {
        /// How long.
        length: Period,
        /// From when it is counted.
        anchor: Anchor,
    },
}

/// The day from which a period is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The local day of the sale.
    Sale,
    /// The start date that the sale names.
    StartDate,
    /// The earliest local day of a service that used or held a unit (semantics 9).
    FirstUse {
        /// When the package ends if it was not used until then; `None`: it waits for ever.
        must_start_by: Option<MustStartBy>,
    },
}

/// The last local day for the first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MustStartBy {
    /// Through this day.
    On(NaiveDate),
    /// Through the day that is this long after the package's first day.
    Within(Period),
    /// Until an instant that somebody set on the package by hand.
    Extended {
        /// From then on it has ended.
        expires_at: DateTime<Utc>,
        /// The last local day on which it could be used.
        last_day: NaiveDate,
    },
}

/// Where the rule of a package comes from (mission A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpirySource {
    /// It was given at the sale.
    Sale,
    /// It is the template's.
    Template,
    /// It is the default of the credit type.
    CreditType,
}

/// Whether a use must lie within the validity at the time of the service or of the booking
/// (semantics 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedAt {
    /// When the service takes place; the default.
    #[default]
    ServiceTime,
    /// When it was booked.
    BookingTime,
}

impl JudgedAt {
    /// The instant, of the two, that must lie within the validity.
    pub const fn instant(
        self,
        service_at: DateTime<Utc>,
        booked_at: DateTime<Utc>,
    ) -> DateTime<Utc> {
        match self {
            Self::ServiceTime => service_at,
            Self::BookingTime => booked_at,
        }
    }
}

/// What a rule comes to for one package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// The first instant at which it is usable.
    pub starts_at: DateTime<Utc>,
    /// The first instant at which it no longer is; `None`: never, or not before its first use.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether the first use replaces `expires_at`, which until then is the end of its
    /// `must_start_by`.
    pub counts_from_first_use: bool,
}

impl Resolved {
    /// Whether `at` lies within the validity, its start included and its end not (semantics 7).
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.starts_at <= at && self.expires_at.is_none_or(|expires_at| at < expires_at)
    }
}

/// Why a rule comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidityError {
    /// The period is of nothing, or longer than [`PERIOD_YEARS_MAX`] years.
    #[error("a period must be from 1 day to 100 years")]
    PeriodOutOfRange {
        /// How many units were asked for.
        count: u32,
        /// The unit.
        unit: PeriodUnit,
    },
    /// The period counts from the start date and none was given.
    #[error("the validity counts from a start date: name one")]
    StartDateMissing,
    /// The last usable day lies before the first.
    #[error("the validity ends with {last_usable_day}, before it starts on {starts_on}")]
    EndsBeforeStart {
        /// The last local day of the validity.
        last_usable_day: NaiveDate,
        /// The local day on which it would start.
        starts_on: NaiveDate,
    },
    /// A day lies outside the years 1 to 9999.
    #[error("the validity leads to a day outside the years 1 to 9999")]
    OutsideCalendar,
}

/// The rule that holds, and where it comes from: the sale's, else the template's, else the credit
/// type's (mission A6). Where nobody says anything the package never expires.
pub fn effective(
    sale: Option<&Validity>,
    template: Option<&Validity>,
    credit_type: Option<&Validity>,
) -> (Validity, ExpirySource) {
    match (sale, template, credit_type) {
        (Some(rule), _, _) => (*rule, ExpirySource::Sale),
        (None, Some(rule), _) => (*rule, ExpirySource::Template),
        (None, None, Some(rule)) => (*rule, ExpirySource::CreditType),
        (None, None, None) => (Validity::Never, ExpirySource::CreditType),
    }
}

impl Validity {
    /// Refuses a rule whose periods are out of range, before anything is sold by it.
    pub fn check(&self) -> Result<(), ValidityError> {
        let Self::Period { length, anchor } = self else {
            return Ok(());
        };
        length.check()?;
        match anchor {
            Anchor::FirstUse {
                must_start_by: Some(MustStartBy::Within(period)),
            } => period.check(),
            Anchor::Sale | Anchor::StartDate | Anchor::FirstUse { .. } => Ok(()),
        }
    }
}

/// What the rule comes to for a package sold at `sold_at` in a business of `zone`.
///
/// It starts with the first instant of `start_date` if that is still ahead, otherwise at the sale.
/// Fails with the [`ValidityError`] that applies; a package that would not be usable for a single
/// instant is [`ValidityError::EndsBeforeStart`].
pub fn resolve(
    validity: &Validity,
    sold_at: DateTime<Utc>,
    start_date: Option<NaiveDate>,
    zone: Tz,
) -> Result<Resolved, ValidityError> {
    validity.check()?;
    let starts_at = match start_date {
        Some(day) => calendar::first_instant_of(day, zone)
            .ok_or(ValidityError::OutsideCalendar)?
            .max(sold_at),
        None => sold_at,
    };
    let starts_on = calendar::local_day(starts_at, zone);
    let last_usable_day = last_day(validity, sold_at, start_date, starts_on, zone)?;
    let expires_at = match last_usable_day {
        Some(day) => Some(calendar::end_of(day, zone).ok_or(ValidityError::OutsideCalendar)?),
        None => None,
    };
    match (last_usable_day, expires_at) {
        (Some(last_usable_day), Some(expires_at)) if expires_at <= starts_at => {
            Err(ValidityError::EndsBeforeStart {
                last_usable_day,
                starts_on,
            })
        }
        _ => Ok(Resolved {
            starts_at,
            expires_at,
            counts_from_first_use: counts_from_first_use(validity),
        }),
    }
}

/// Whether the rule waits for the first use.
const fn counts_from_first_use(validity: &Validity) -> bool {
    match validity {
        Validity::Period {
            anchor: Anchor::FirstUse { .. },
            ..
        } => true,
        Validity::Never | Validity::Until(_) | Validity::Period { .. } => false,
    }
}

/// The last usable local day as far as it is known at the sale.
fn last_day(
    validity: &Validity,
    sold_at: DateTime<Utc>,
    start_date: Option<NaiveDate>,
    starts_on: NaiveDate,
    zone: Tz,
) -> Result<Option<NaiveDate>, ValidityError> {
    let (length, anchor) = match validity {
        Validity::Never => return Ok(None),
        Validity::Until(day) => return Ok(Some(*day)),
        Validity::Period { length, anchor } => (*length, anchor),
    };
    let (period, from) = match anchor {
        Anchor::Sale => (length, calendar::local_day(sold_at, zone)),
        Anchor::StartDate => (length, start_date.ok_or(ValidityError::StartDateMissing)?),
        Anchor::FirstUse { must_start_by } => match must_start_by {
            None => return Ok(None),
            Some(MustStartBy::On(day) | MustStartBy::Extended { last_day: day, .. }) => {
                return Ok(Some(*day));
            }
            Some(MustStartBy::Within(period)) => (*period, starts_on),
        },
    };
    add(period, from)
        .ok_or(ValidityError::OutsideCalendar)
        .map(Some)
}

/// The end, exclusive, of a package whose validity waits for its first use: `must_start_by`, counted
/// from the local day of `starts_at`. `None`: nothing bounds it, or it does not wait.
pub fn unstarted(validity: &Validity, starts_at: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let Validity::Period {
        anchor: Anchor::FirstUse { must_start_by },
        ..
    } = validity
    else {
        return None;
    };
    let last_day = match must_start_by.as_ref()? {
        MustStartBy::On(day) => *day,
        MustStartBy::Within(period) => add(*period, calendar::local_day(starts_at, zone))?,
        MustStartBy::Extended { expires_at, .. } => return Some(*expires_at),
    };
    calendar::end_of(last_day, zone)
}

/// The end, exclusive, of a package whose clock of first use counts `length` from the local day
/// `first_used_on` (semantics 9); `None` only outside the calendar.
///
/// From then on `must_start_by` no longer matters. If every use is undone the clock is unset and the
/// package has again the end that [`unstarted`] says.
pub fn started(length: Period, first_used_on: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    calendar::end_of(add(length, first_used_on)?, zone)
}

/// The local day that is `period` after `anchor`: the last usable day of that period (semantics 7).
///
/// Months and years are added to the anchor in one step and clamp, so they keep the anchor's day
/// (semantics 8). `None` if the period is out of range or leads outside the calendar.
pub fn add(period: Period, anchor: NaiveDate) -> Option<NaiveDate> {
    period.check().ok()?;
    match period.unit {
        PeriodUnit::Day => anchor.checked_add_days(Days::new(period.count.into())),
        PeriodUnit::Week => {
            let days = u64::from(period.count).checked_mul(7)?;
            anchor.checked_add_days(Days::new(days))
        }
        PeriodUnit::Month => anchor.checked_add_months(Months::new(period.count)),
        PeriodUnit::Year => anchor.checked_add_months(Months::new(period.count.checked_mul(12)?)),
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
