//! Local days and the instants at which they begin (semantics 7 and 8).
//!
//! Arithmetic is done on dates and only then turned into an instant, because a local time may not
//! exist (clocks go forward, at midnight in some zones; a zone that crosses the date line leaves out a
//! whole day) or exist twice (clocks go back). Days are those of the years 1 to 9999, the range of
//! protobuf's `Timestamp`; outside it there is no answer. Nothing here knows today's date.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// The years that a day or an instant may lie in.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// The first instant of the local `day` in `zone`.
///
/// Where the day has no midnight it is the first instant after the gap; a day that the zone left
/// out has the first instant of the next one. Where midnight comes twice it is the earlier. `None`
/// only outside the years 1 to 9999.
pub fn first_instant_of(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    at_local_hour(day, 0, zone)
}

/// The first instant of the local day after `day`: where a validity through `day` ends (semantics 7).
///
/// `None` only outside the years 1 to 9999.
pub fn end_of(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    first_instant_of(day.succ_opt()?, zone)
}

/// The first instant at which the wall clock of `zone` shows `hour` o'clock or later on `day`.
///
/// Where that hour comes twice it is the earlier, where it does not come it is the end of the gap.
/// `None` for an hour beyond 23 or outside the years 1 to 9999.
pub fn at_local_hour(day: NaiveDate, hour: u32, zone: Tz) -> Option<DateTime<Utc>> {
    if !YEARS.contains(&day.year()) {
        return None;
    }
    let at = first_instant_from(day.and_hms_opt(hour, 0, 0)?, zone)?;
    YEARS.contains(&at.year()).then_some(at)
}

/// The first instant at which the wall clock of `zone` shows `local` or has jumped past it.
fn first_instant_from(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let at = match zone.from_local_datetime(&local).earliest() {
        Some(at) => at,
        None => GapInfo::new(&local, &zone)?.end?,
    };
    Some(at.with_timezone(&Utc))
}

/// The local date in `zone` at the instant `at`.
pub fn local_day(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The last local day on which something is usable that ends, exclusively, at `expires_at`.
///
/// It is the day of `expires_at` less a microsecond, the day that e-mails and pages print
/// (semantics 7).
pub fn last_usable_day(expires_at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let before = expires_at.checked_sub_signed(TimeDelta::microseconds(1));
    local_day(before.unwrap_or(expires_at), zone)
}

/// The instant that is so many local days after `at`, or before it if `days` is below zero: the beginning
/// of a day becomes that of the other day, anything else keeps its wall clock.
///
/// `None` only outside the years 1 to 9999.
pub fn moved_by_days(at: DateTime<Utc>, days: i64, zone: Tz) -> Option<DateTime<Utc>> {
    let local = at.with_timezone(&zone).naive_local();
    let day = local
        .date()
        .checked_add_signed(TimeDelta::try_days(days)?)?;
    if first_instant_of(local.date(), zone) == Some(at) {
        return first_instant_of(day, zone);
    }
    let moved = first_instant_from(day.and_time(local.time()), zone)?;
    YEARS.contains(&moved.year()).then_some(moved)
}

/// How many days `to` is after `from`; below zero if it is before.
pub fn days_between(from: NaiveDate, to: NaiveDate) -> i64 {
    to.signed_duration_since(from).num_days()
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests {
    use chrono_tz::TZ_VARIANTS;
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_starts_at_midnight_or_right_after_the_gap() {
        for (zone, day, at) in [
            (Tz::Europe__Vienna, "2026-03-29", "2026-03-28T23:00:00Z"),
            (Tz::Europe__Vienna, "2026-03-30", "2026-03-29T22:00:00Z"),
            // Clocks went from 00:00 to 01:00.
            (Tz::America__Sao_Paulo, "2018-11-04", "2018-11-04T03:00:00Z"),
            (Tz::Africa__Cairo, "2026-04-24", "2026-04-23T22:00:00Z"),
            // Clocks went from 24:00 back to 23:00: midnight comes once.
            (Tz::America__Sao_Paulo, "2018-02-18", "2018-02-18T03:00:00Z"),
            // Clocks went from 01:00 back to 00:00: midnight comes twice, the day starts with the first.
            (Tz::America__Havana, "2026-11-01", "2026-11-01T04:00:00Z"),
            // Clocks went from 00:01 back to 23:01 of the day before.
            (Tz::America__St_Johns, "2006-10-29", "2006-10-29T02:30:00Z"),
        ] {
            assert_eq!(
                first_instant_of(date(day), zone),
                Some(instant(at)),
                "{zone} {day}"
            );
        }
    }

    #[test]
    fn an_instant_moves_by_local_days() {
        let zone = Tz::Europe__Vienna;
        // The clocks go forward on 29 March, at two.
        for (at, days, moved) in [
            ("2026-03-27T23:00:00Z", 2, "2026-03-29T22:00:00Z"),
            ("2026-03-29T22:00:00Z", -2, "2026-03-27T23:00:00Z"),
            ("2026-03-28T14:30:00Z", 1, "2026-03-29T13:30:00Z"),
            ("2026-03-28T01:30:00Z", 1, "2026-03-29T01:00:00Z"),
            ("2026-03-28T14:30:00Z", 0, "2026-03-28T14:30:00Z"),
        ] {
            let found = moved_by_days(instant(at), days, zone);
            assert_eq!(found, Some(instant(moved)), "{at} and {days} days");
        }
        assert_eq!(
            moved_by_days(instant("9999-12-30T00:00:00Z"), 9, zone),
            None
        );
    }

    #[test]
    fn a_day_that_a_zone_left_out_starts_with_the_next_one() {
        let zone = Tz::Pacific__Apia;
        let at = Some(instant("2011-12-30T10:00:00Z"));
        assert_eq!(first_instant_of(date("2011-12-30"), zone), at);
        assert_eq!(first_instant_of(date("2011-12-31"), zone), at);
        assert_eq!(end_of(date("2011-12-29"), zone), at);
        assert_eq!(at_local_hour(date("2011-12-30"), 9, zone), at);
        let expires_at = instant("2011-12-30T10:00:00Z");
        assert_eq!(last_usable_day(expires_at, zone), date("2011-12-29"));
    }

    #[test]
    fn an_hour_in_a_gap_is_its_end_and_in_a_fold_the_earlier() {
        let zone = Tz::Europe__Vienna;
        let at = |day: &str, hour| at_local_hour(date(day), hour, zone);
        assert_eq!(at("2026-03-29", 2), Some(instant("2026-03-29T01:00:00Z")));
        assert_eq!(at("2026-03-29", 3), Some(instant("2026-03-29T01:00:00Z")));
        assert_eq!(at("2026-10-25", 2), Some(instant("2026-10-25T00:00:00Z")));
        assert_eq!(at("2026-10-25", 9), Some(instant("2026-10-25T08:00:00Z")));
        assert_eq!(at("2026-10-25", 24), None);
    }

    #[test]
    fn there_is_no_answer_outside_the_calendar() {
        for zone in TZ_VARIANTS {
            assert_eq!(first_instant_of(NaiveDate::MIN, zone), None);
            assert_eq!(first_instant_of(NaiveDate::MAX, zone), None);
            assert_eq!(end_of(NaiveDate::MAX, zone), None);
            assert!(first_instant_of(date("0001-01-03"), zone).is_some());
            assert!(first_instant_of(date("9999-12-30"), zone).is_some());
        }
    }

    #[test]
    fn days_are_counted_forwards_and_backwards() {
        assert_eq!(days_between(date("2026-02-27"), date("2026-03-01")), 2);
        assert_eq!(days_between(date("2026-03-01"), date("2026-02-27")), -2);
    }

    /// The rules of a day's first instant, for one day in one zone.
    fn check_day(day: NaiveDate, zone: Tz) {
        let first = first_instant_of(day, zone).unwrap();
        let before = first - TimeDelta::microseconds(1);
        assert!(
            local_day(first, zone) >= day,
            "{zone} {day}: {first} is before the day"
        );
        assert!(
            local_day(before, zone) < day,
            "{zone} {day}: {first} is not the first"
        );
        let end = end_of(day, zone).unwrap();
        assert!(end >= first, "{zone} {day}");
        if end > first {
            assert_eq!(local_day(first, zone), day, "{zone} {day}");
            assert_eq!(last_usable_day(end, zone), day, "{zone} {day}");
        }
    }

    #[test]
    fn every_day_of_some_years_starts_once_in_every_zone() {
        for zone in TZ_VARIANTS {
            for year in [2011, 2026] {
                let start = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
                start
                    .iter_days()
                    .take(366)
                    .for_each(|day| check_day(day, zone));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn every_day_starts_once_in_every_zone(
            zone in prop::sample::select(&TZ_VARIANTS[..]),
            days in 0_u64..110_000,
        ) {
            let day = date("1840-01-01") + chrono::Days::new(days);
            check_day(day, zone);
        }

        #[test]
        fn an_hour_is_reached_and_not_reached_before(
            zone in prop::sample::select(&TZ_VARIANTS[..]),
            days in 0_u64..70_000,
            hour in 0_u32..24,
        ) {
            let day = date("1950-01-01") + chrono::Days::new(days);
            let wanted = day.and_hms_opt(hour, 0, 0).unwrap();
            let at = at_local_hour(day, hour, zone).unwrap();
            let before = at - TimeDelta::microseconds(1);
            prop_assert!(at.with_timezone(&zone).naive_local() >= wanted);
            prop_assert!(before.with_timezone(&zone).naive_local() < wanted
                // Clocks went back at this very moment: the hour before was shown already.
                || before.with_timezone(&zone).naive_local() >= at.with_timezone(&zone).naive_local());
        }
    }
}
