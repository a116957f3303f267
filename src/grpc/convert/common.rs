//! What the messages of several services have in common: credits, money, validity, etags.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

use crate::domain::credits::Credits;
use crate::domain::money::Currency;
use crate::domain::validity::{Anchor, ExpirySource, MustStartBy, Period, PeriodUnit, Validity};
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;

/// The largest sum of money that a field takes, in minor units.
const MONEY_MINOR_MAX: i64 = 1_000_000_000_000;

/// The most reminders before an end.
const LEADS_MAX: usize = 10;
/// The most days that a reminder goes out before an end.
const LEAD_DAYS_MAX: i32 = 365;

/// An amount of credits that must be given and more than nothing.
pub fn amount(faults: &mut Faults, field: &str, text: &str) -> Option<Credits> {
    if text.is_empty() {
        faults.add(field, "must be given, as a decimal such as \"1.5\"");
        return None;
    }
    match Credits::parse(text) {
        Ok(credits) if credits > Credits::ZERO => Some(credits),
        Ok(_) => {
            faults.add(field, "must be more than 0");
            None
        }
        Err(error) => {
            faults.add(field, error.to_string());
            None
        }
    }
}

/// An amount of credits that must be given and may be nothing.
pub fn amount_or_nothing(faults: &mut Faults, field: &str, text: &str) -> Option<Credits> {
    match Credits::parse(text) {
        Ok(credits) if credits >= Credits::ZERO => Some(credits),
        Ok(_) => {
            faults.add(field, "must not be below 0");
            None
        }
        Err(error) => {
            faults.add(field, error.to_string());
            None
        }
    }
}

/// A sum of money that is not negative, in the currency of the business.
pub fn money(
    faults: &mut Faults,
    field: &str,
    money: &v1::Money,
    currency: Currency,
) -> Option<i64> {
    let mut read = Some(money.minor_units);
    faults.within(field, |faults| {
        if money.currency_code != currency.code() {
            faults.add(
                "currency_code",
                format!("must be {}, the currency of the business", currency.code()),
            );
            read = None;
        }
        if !(0..=MONEY_MINOR_MAX).contains(&money.minor_units) {
            faults.add(
                "minor_units",
                format!("must be from 0 to {MONEY_MINOR_MAX}"),
            );
            read = None;
        }
    });
    read
}

/// A sum of money as a message.
pub fn to_money(minor_units: i64, currency: Currency) -> v1::Money {
    v1::Money {
        currency_code: currency.code().to_owned(),
        minor_units,
    }
}

/// An instant as a message.
pub fn to_timestamp(at: Option<DateTime<Utc>>) -> Option<Timestamp> {
    at.map(timestamp)
}

/// The etag of a thing that was written so often.
pub fn etag(version: i64) -> String {
    version.to_string()
}

/// An etag that may be left out.
pub fn optional_etag(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// An amount of credits that may be left out, which is one.
pub fn amount_or_one(faults: &mut Faults, field: &str, text: &str) -> Option<Credits> {
    if text.is_empty() {
        return Some(Credits::UNIT);
    }
    amount(faults, field, text)
}

/// Days before the last usable day on which reminders go out, each once; the largest comes first.
pub fn lead_days(faults: &mut Faults, field: &str, days: &[i32]) -> Option<Vec<u32>> {
    faults.count(field, days.len(), 0..=LEADS_MAX)?;
    let mut read = Vec::with_capacity(days.len());
    for (index, day) in days.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let day = u32::try_from(faults.number(&field, *day, 0..=LEAD_DAYS_MAX)?).ok()?;
        if read.contains(&day) {
            faults.add(&field, "must not be there twice");
            return None;
        }
        read.push(day);
    }
    read.sort_unstable_by(|a, b| b.cmp(a));
    Some(read)
}

/// A number of days as a message has it.
pub fn to_days(days: &[u32]) -> Vec<i32> {
    days.iter()
        .map(|day| i32::try_from(*day).unwrap_or(i32::MAX))
        .collect()
}

/// A rule of validity that may be left out.
pub fn optional_validity(
    faults: &mut Faults,
    field: &str,
    message: Option<&v1::Validity>,
) -> Option<Option<Validity>> {
    match message {
        None => Some(None),
        Some(message) => validity(faults, field, message).map(Some),
    }
}

/// A rule of validity.
pub fn validity(faults: &mut Faults, field: &str, message: &v1::Validity) -> Option<Validity> {
    faults.within(field, |faults| {
        let rule = faults.required("rule", message.rule.as_ref())?;
        let read = match rule {
            v1::validity::Rule::Never(_) => Validity::Never,
            v1::validity::Rule::UntilDate(date) => {
                Validity::Until(faults.date("until_date", date)?)
            }
            v1::validity::Rule::Period(period) => {
                faults.within("period", |faults| period_rule(faults, period))?
            }
        };
        if let Err(error) = read.check() {
            faults.add("", error.to_string());
            return None;
        }
        Some(read)
    })
}

fn period_rule(faults: &mut Faults, message: &v1::ValidityPeriod) -> Option<Validity> {
    let length = period(faults, message.count, message.unit);
    let anchor = faults.choice::<v1::Anchor>("anchor", message.anchor);
    let must_start_by = match &message.must_start_by {
        None => Some(None),
        Some(deadline) => faults
            .within("must_start_by", |faults| start_deadline(faults, deadline))
            .map(Some),
    };
    let (length, anchor, must_start_by) = (length?, anchor?, must_start_by?);
    if must_start_by.is_some() && anchor != v1::Anchor::FirstUse {
        faults.add("must_start_by", "fits only the anchor FIRST_USE");
        return None;
    }
    let anchor = match anchor {
        v1::Anchor::StartDate => Anchor::StartDate,
        v1::Anchor::FirstUse => Anchor::FirstUse { must_start_by },
        v1::Anchor::Sale | v1::Anchor::Unspecified => Anchor::Sale,
    };
    Some(Validity::Period { length, anchor })
}

fn start_deadline(faults: &mut Faults, message: &v1::StartDeadline) -> Option<MustStartBy> {
    match faults.required("deadline", message.deadline.as_ref())? {
        v1::start_deadline::Deadline::Date(date) => faults.date("date", date).map(MustStartBy::On),
        v1::start_deadline::Deadline::AfterSale(after) => faults
            .within("after_sale", |faults| {
                period(faults, after.count, after.unit)
            })
            .map(MustStartBy::Within),
    }
}

/// A length of time on the calendar.
pub fn period(faults: &mut Faults, count: i32, unit: i32) -> Option<Period> {
    let Some(unit) = faults.choice::<v1::PeriodUnit>("unit", unit) else {
        faults.number("count", count, 1..=i32::MAX);
        return None;
    };
    let unit = match unit {
        v1::PeriodUnit::Week => PeriodUnit::Week,
        v1::PeriodUnit::Month => PeriodUnit::Month,
        v1::PeriodUnit::Year => PeriodUnit::Year,
        v1::PeriodUnit::Day | v1::PeriodUnit::Unspecified => PeriodUnit::Day,
    };
    let most = i32::try_from(unit.count_max()).unwrap_or(i32::MAX);
    let count = faults.number("count", count, 1..=most)?;
    Some(Period {
        count: u32::try_from(count).ok()?,
        unit,
    })
}

/// A rule of validity as a message.
pub fn to_validity(validity: &Validity) -> v1::Validity {
    let rule = match validity {
        Validity::Never => v1::validity::Rule::Never(v1::Never {}),
        Validity::Until(date) => v1::validity::Rule::UntilDate(date.to_string()),
        Validity::Period { length, anchor } => {
            let (anchor, must_start_by) = to_anchor(*anchor);
            let period = to_period(*length);
            v1::validity::Rule::Period(v1::ValidityPeriod {
                count: period.count,
                unit: period.unit,
                anchor: anchor.into(),
                must_start_by,
            })
        }
    };
    v1::Validity { rule: Some(rule) }
}

fn to_anchor(anchor: Anchor) -> (v1::Anchor, Option<v1::StartDeadline>) {
    match anchor {
        Anchor::Sale => (v1::Anchor::Sale, None),
        Anchor::StartDate => (v1::Anchor::StartDate, None),
        Anchor::FirstUse { must_start_by } => {
            let deadline = must_start_by.map(|by| match by {
                MustStartBy::On(date) | MustStartBy::Extended { last_day: date, .. } => {
                    v1::start_deadline::Deadline::Date(date.to_string())
                }
                MustStartBy::Within(period) => {
                    v1::start_deadline::Deadline::AfterSale(to_period(period))
                }
            });
            let deadline = deadline.map(|deadline| v1::StartDeadline {
                deadline: Some(deadline),
            });
            (v1::Anchor::FirstUse, deadline)
        }
    }
}

/// A length of time on the calendar, as a message.
pub fn to_period(period: Period) -> v1::Period {
    let unit = match period.unit {
        PeriodUnit::Day => v1::PeriodUnit::Day,
        PeriodUnit::Week => v1::PeriodUnit::Week,
        PeriodUnit::Month => v1::PeriodUnit::Month,
        PeriodUnit::Year => v1::PeriodUnit::Year,
    };
    v1::Period {
        count: i32::try_from(period.count).unwrap_or(i32::MAX),
        unit: unit.into(),
    }
}

/// Where a validity came from, as a message.
pub fn to_expiry_source(source: ExpirySource) -> v1::ExpirySource {
    match source {
        ExpirySource::Sale => v1::ExpirySource::Sale,
        ExpirySource::Template => v1::ExpirySource::Template,
        ExpirySource::CreditType => v1::ExpirySource::CreditType,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lead_days_are_each_there_once_and_the_largest_comes_first() {
        let read = |days: &[i32]| lead_days(&mut Faults::new(), "days", days);
        assert_eq!(read(&[1, 30, 7]), Some(vec![30, 7, 1]));
        assert_eq!(read(&[]), Some(Vec::new()));
        for wrong in [vec![7, 7], vec![366], vec![-1], (0..11).collect()] {
            assert_eq!(read(&wrong), None, "{wrong:?}");
        }
    }
}
