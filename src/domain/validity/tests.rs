//! Tests of validity, named after the semantics that they hold to.

use chrono::{Datelike, TimeDelta};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;
use crate::domain::calendar::{first_instant_of, last_usable_day, local_day};

const VIENNA: Tz = Tz::Europe__Vienna;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn period(count: u32, unit: PeriodUnit) -> Period {
    Period::new(count, unit).unwrap()
}

fn from(anchor: Anchor, count: u32, unit: PeriodUnit) -> Validity {
    Validity::Period {
        length: period(count, unit),
        anchor,
    }
}

/// The last usable day of `validity` when sold at `sold_at` in Vienna.
fn last_day_of(validity: &Validity, sold_at: &str) -> Option<NaiveDate> {
    let resolved = resolve(validity, instant(sold_at), None, VIENNA).unwrap();
    resolved.expires_at.map(|at| last_usable_day(at, VIENNA))
}

#[test]
fn semantics_7_a_package_is_unusable_at_its_expiry_instant() {
    let sold_at = instant("2026-03-16T10:00:00Z");
    let rule = from(Anchor::Sale, 1, PeriodUnit::Month);
    let resolved = resolve(&rule, sold_at, None, VIENNA).unwrap();
    let end = instant("2026-04-16T22:00:00Z");
    assert_eq!(resolved.expires_at, Some(end));
    assert!(!resolved.contains(sold_at - TimeDelta::microseconds(1)));
    assert!(resolved.contains(sold_at));
    assert!(resolved.contains(end - TimeDelta::microseconds(1)));
    assert!(!resolved.contains(end));
}

#[test]
fn semantics_7_the_last_usable_day_is_the_anchors_date_plus_n() {
    for (count, unit, sold_at, through) in [
        (1, PeriodUnit::Month, "2026-03-16T10:00:00Z", "2026-04-16"),
        (1, PeriodUnit::Day, "2026-03-03T10:00:00Z", "2026-03-04"),
        (2, PeriodUnit::Week, "2026-03-03T10:00:00Z", "2026-03-17"),
        (1, PeriodUnit::Year, "2024-02-29T10:00:00Z", "2025-02-28"),
        // Late in the evening, UTC, it is the next day in Vienna.
        (1, PeriodUnit::Day, "2026-03-03T23:30:00Z", "2026-03-05"),
    ] {
        let rule = from(Anchor::Sale, count, unit);
        assert_eq!(
            last_day_of(&rule, sold_at),
            Some(date(through)),
            "{count} {unit:?}"
        );
    }
}

#[test]
fn semantics_7_a_date_means_through_that_local_day() {
    let rule = Validity::Until(date("2026-12-31"));
    let sold_at = instant("2026-01-01T00:00:00Z");
    let resolved = resolve(&rule, sold_at, None, VIENNA).unwrap();
    assert_eq!(resolved.expires_at, Some(instant("2026-12-31T23:00:00Z")));
}

#[test]
fn semantics_7_a_package_sold_on_its_last_day_is_usable_until_its_end() {
    let rule = Validity::Until(date("2026-03-03"));
    assert_eq!(
        last_day_of(&rule, "2026-03-03T22:59:59.999999Z"),
        Some(date("2026-03-03"))
    );
    assert_eq!(
        resolve(&rule, instant("2026-03-03T23:00:00Z"), None, VIENNA),
        Err(ValidityError::EndsBeforeStart {
            last_usable_day: date("2026-03-03"),
            starts_on: date("2026-03-04"),
        })
    );
}

#[test]
fn semantics_8_months_clamp_and_keep_the_anchor_day() {
    for (anchor, count, unit, day) in [
        ("2026-01-31", 1, PeriodUnit::Month, "2026-02-28"),
        ("2028-01-31", 1, PeriodUnit::Month, "2028-02-29"),
        ("2026-01-31", 2, PeriodUnit::Month, "2026-03-31"),
        ("2026-01-31", 3, PeriodUnit::Month, "2026-04-30"),
        ("2026-10-31", 4, PeriodUnit::Month, "2027-02-28"),
        ("2024-02-29", 4, PeriodUnit::Year, "2028-02-29"),
        ("2026-12-31", 1, PeriodUnit::Week, "2027-01-07"),
    ] {
        assert_eq!(
            add(period(count, unit), date(anchor)),
            Some(date(day)),
            "{anchor}"
        );
    }
}

#[test]
fn semantics_8_days_keep_the_wall_clock_over_dst() {
    let rule = from(Anchor::Sale, 2, PeriodUnit::Day);
    let ends = |sold_at| {
        let resolved = resolve(&rule, instant(sold_at), None, VIENNA).unwrap();
        resolved.expires_at.unwrap()
    };
    assert_eq!(
        ends("2026-03-27T12:00:00Z"),
        instant("2026-03-29T22:00:00Z")
    );
    assert_eq!(
        ends("2026-10-23T12:00:00Z"),
        instant("2026-10-25T23:00:00Z")
    );
}

#[test]
fn semantics_8_the_zone_is_the_businesss() {
    let rule = from(Anchor::Sale, 1, PeriodUnit::Day);
    let sold_at = instant("2026-03-03T12:00:00Z");
    for (zone, end) in [
        (Tz::Pacific__Kiritimati, "2026-03-05T10:00:00Z"),
        (Tz::Pacific__Pago_Pago, "2026-03-05T11:00:00Z"),
        (Tz::UTC, "2026-03-05T00:00:00Z"),
    ] {
        let resolved = resolve(&rule, sold_at, None, zone).unwrap();
        assert_eq!(resolved.expires_at, Some(instant(end)), "{zone}");
    }
}

#[test]
fn semantics_9_until_its_first_use_a_package_ends_with_must_start_by() {
    let sold_at = "2026-03-03T12:00:00Z";
    for (must_start_by, through) in [
        (None, None),
        (
            Some(MustStartBy::On(date("2026-06-30"))),
            Some("2026-06-30"),
        ),
        (
            Some(MustStartBy::Within(period(6, PeriodUnit::Month))),
            Some("2026-09-03"),
        ),
    ] {
        let rule = from(Anchor::FirstUse { must_start_by }, 1, PeriodUnit::Month);
        assert_eq!(last_day_of(&rule, sold_at), through.map(date));
        let resolved = resolve(&rule, instant(sold_at), None, VIENNA).unwrap();
        assert!(resolved.counts_from_first_use);
    }
}

#[test]
fn semantics_9_the_first_use_sets_the_end_even_beyond_must_start_by() {
    let ends_at = started(period(1, PeriodUnit::Month), date("2026-06-30"), VIENNA).unwrap();
    assert_eq!(last_usable_day(ends_at, VIENNA), date("2026-07-30"));
}

#[test]
fn semantics_10_validity_is_judged_at_service_time_unless_the_template_says_otherwise() {
    let (service_at, booked_at) = (
        instant("2026-05-02T08:00:00Z"),
        instant("2026-04-01T08:00:00Z"),
    );
    assert_eq!(
        JudgedAt::default().instant(service_at, booked_at),
        service_at
    );
    assert_eq!(
        JudgedAt::BookingTime.instant(service_at, booked_at),
        booked_at
    );
}

#[test]
fn a_future_start_date_is_the_first_instant_and_the_anchor() {
    let sold_at = instant("2026-03-03T12:00:00Z");
    let rule = from(Anchor::StartDate, 1, PeriodUnit::Month);
    let resolved = resolve(&rule, sold_at, Some(date("2026-04-15")), VIENNA).unwrap();
    assert_eq!(resolved.starts_at, instant("2026-04-14T22:00:00Z"));
    assert_eq!(resolved.expires_at, Some(instant("2026-05-15T22:00:00Z")));
    assert!(!resolved.counts_from_first_use);
}

#[test]
fn a_start_date_that_is_not_ahead_counts_but_the_package_starts_at_the_sale() {
    let sold_at = instant("2026-03-03T12:00:00Z");
    let rule = from(Anchor::StartDate, 1, PeriodUnit::Month);
    for (start, through) in [("2026-03-03", "2026-04-03"), ("2026-02-20", "2026-03-20")] {
        let resolved = resolve(&rule, sold_at, Some(date(start)), VIENNA).unwrap();
        assert_eq!(resolved.starts_at, sold_at);
        assert_eq!(
            last_usable_day(resolved.expires_at.unwrap(), VIENNA),
            date(through)
        );
    }
}

#[test]
fn a_rule_that_comes_to_nothing_says_why() {
    let sold_at = instant("2026-03-03T12:00:00Z");
    let check = |rule: Validity, start: Option<&str>, error| {
        assert_eq!(
            resolve(&rule, sold_at, start.map(date), VIENNA),
            Err(error),
            "{rule:?}"
        );
    };
    let ends = |last: &str, starts: &str| ValidityError::EndsBeforeStart {
        last_usable_day: date(last),
        starts_on: date(starts),
    };
    let month = PeriodUnit::Month;
    check(
        from(Anchor::StartDate, 1, month),
        None,
        ValidityError::StartDateMissing,
    );
    check(
        Validity::Until(date("2026-03-02")),
        None,
        ends("2026-03-02", "2026-03-03"),
    );
    check(
        from(Anchor::Sale, 1, month),
        Some("2026-05-01"),
        ends("2026-04-03", "2026-05-01"),
    );
    check(
        from(Anchor::StartDate, 1, month),
        Some("2026-01-01"),
        ends("2026-02-01", "2026-03-03"),
    );
    let must_start_by = Some(MustStartBy::On(date("2026-03-01")));
    let late = from(Anchor::FirstUse { must_start_by }, 1, month);
    check(late, None, ends("2026-03-01", "2026-03-03"));
    check(
        Validity::Never,
        Some("+12000-01-01"),
        ValidityError::OutsideCalendar,
    );
    check(
        Validity::Until(NaiveDate::MAX),
        None,
        ValidityError::OutsideCalendar,
    );
}

#[test]
fn a_period_is_from_one_unit_to_a_hundred_years() {
    for unit in [
        PeriodUnit::Day,
        PeriodUnit::Week,
        PeriodUnit::Month,
        PeriodUnit::Year,
    ] {
        for count in [0, unit.count_max() + 1, u32::MAX] {
            let error = Err(ValidityError::PeriodOutOfRange { count, unit });
            assert_eq!(Period::new(count, unit), error);
            let must_start_by = Some(MustStartBy::Within(Period { count, unit }));
            let rule = from(Anchor::FirstUse { must_start_by }, 1, unit);
            assert_eq!(rule.check().err(), error.err());
            assert_eq!(add(Period { count, unit }, date("2026-01-01")), None);
        }
        let longest = add(period(unit.count_max(), unit), date("2026-01-01")).unwrap();
        assert!((2125..=2126).contains(&longest.year()), "{longest}");
    }
}

#[test]
fn mission_a6_the_sale_goes_before_the_template_before_the_credit_type() {
    let (sale, template, credit_type) = (
        Validity::Until(date("2026-12-31")),
        from(Anchor::Sale, 1, PeriodUnit::Year),
        Validity::Never,
    );
    let all = effective(Some(&sale), Some(&template), Some(&credit_type));
    assert_eq!(all, (sale, ExpirySource::Sale));
    let two = effective(None, Some(&template), Some(&credit_type));
    assert_eq!(two, (template, ExpirySource::Template));
    let one = effective(None, None, Some(&credit_type));
    assert_eq!(one, (credit_type, ExpirySource::CreditType));
    assert_eq!(
        effective(None, None, None),
        (Validity::Never, ExpirySource::CreditType)
    );
}

#[test]
fn the_json_of_a_rule_is_stable() {
    let six_months = MustStartBy::Within(period(6, PeriodUnit::Month));
    for (rule, json) in [
        (Validity::Never, r#""never""#),
        (
            Validity::Until(date("2026-12-31")),
            r#"{"until":"2026-12-31"}"#,
        ),
        (
            from(Anchor::Sale, 3, PeriodUnit::Week),
            r#"{"period":{"length":{"count":3,"unit":"week"},"anchor":"sale"}}"#,
        ),
        (
            from(
                Anchor::FirstUse {
                    must_start_by: None,
                },
                1,
                PeriodUnit::Year,
            ),
            r#"{"period":{"length":{"count":1,"unit":"year"},"anchor":{"first_use":{"must_start_by":null}}}}"#,
        ),
        (
            from(
                Anchor::FirstUse {
                    must_start_by: Some(six_months),
                },
                1,
                PeriodUnit::Day,
            ),
            r#"{"period":{"length":{"count":1,"unit":"day"},"anchor":{"first_use":{"must_start_by":{"within":{"count":6,"unit":"month"}}}}}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&rule).unwrap(), json);
        assert_eq!(serde_json::from_str::<Validity>(json).unwrap(), rule);
    }
    assert_eq!(
        serde_json::to_string(&Anchor::StartDate).unwrap(),
        r#""start_date""#
    );
    let on = MustStartBy::On(date("2026-01-01"));
    assert_eq!(
        serde_json::to_string(&on).unwrap(),
        r#"{"on":"2026-01-01"}"#
    );
    assert_eq!(
        serde_json::to_string(&ExpirySource::CreditType).unwrap(),
        r#""credit_type""#
    );
    assert_eq!(
        serde_json::to_string(&JudgedAt::ServiceTime).unwrap(),
        r#""service_time""#
    );
}

fn any_unit() -> impl Strategy<Value = PeriodUnit> {
    use PeriodUnit::{Day, Month, Week, Year};
    prop::sample::select(vec![Day, Week, Month, Year])
}

proptest! {
    #[test]
    fn semantics_7_and_8_a_period_ends_with_the_last_instant_of_its_last_day_in_every_zone(
        zone in prop::sample::select(&TZ_VARIANTS[..]),
        sold_seconds in 0_i64..4_000_000_000,
        count in 1_u32..=100,
        unit in any_unit(),
    ) {
        let sold_at = DateTime::from_timestamp(sold_seconds, 0).unwrap();
        let sold_on = local_day(sold_at, zone);
        let resolved = resolve(&from(Anchor::Sale, count, unit), sold_at, None, zone).unwrap();
        let end = resolved.expires_at.unwrap();
        let through = add(period(count, unit), sold_on).unwrap();
        prop_assert!(end > sold_at);
        prop_assert_eq!(Some(end), first_instant_of(through.succ_opt().unwrap(), zone));
        prop_assert_eq!(Some(end), started(period(count, unit), sold_on, zone));
        // A day that its zone left out ends with the one before it.
        if first_instant_of(through, zone) != Some(end) {
            prop_assert_eq!(last_usable_day(end, zone), through);
        }
        if matches!(unit, PeriodUnit::Month | PeriodUnit::Year) && through.day() != sold_on.day() {
            prop_assert_eq!(through.succ_opt().unwrap().day(), 1, "only clamped at a month's end");
        }
    }

    #[test]
    fn a_later_anchor_never_ends_earlier(
        day in 0_u64..40_000,
        count in 1_u32..=1_200,
        unit in any_unit(),
    ) {
        let anchor = date("1990-01-01") + Days::new(day);
        let count = count.min(unit.count_max());
        let ends = |anchor| add(Period { count, unit }, anchor).unwrap();
        prop_assert!(ends(anchor) <= ends(anchor.succ_opt().unwrap()));
        prop_assert!(ends(anchor) > anchor);
    }

    #[test]
    fn a_start_date_ahead_starts_with_its_day_in_every_zone(
        zone in prop::sample::select(&TZ_VARIANTS[..]),
        sold_seconds in 0_i64..4_000_000_000,
        ahead in 2_u64..4_000,
    ) {
        let sold_at = DateTime::from_timestamp(sold_seconds, 0).unwrap();
        let start = local_day(sold_at, zone) + Days::new(ahead);
        let rule = from(Anchor::StartDate, 1, PeriodUnit::Week);
        let resolved = resolve(&rule, sold_at, Some(start), zone).unwrap();
        prop_assert!(local_day(resolved.starts_at, zone) >= start);
        prop_assert!(local_day(resolved.starts_at - TimeDelta::microseconds(1), zone) < start);
        prop_assert!(resolved.contains(resolved.starts_at));
        prop_assert!(!resolved.contains(sold_at));
    }
}
