//! Tests of the rules of subscriptions.

use chrono::{Datelike, Days, Months, TimeDelta};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;
use crate::domain::validity::PeriodUnit;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn rhythm(starts_on: &str, count: u32, unit: PeriodUnit, zone: Tz) -> Rhythm {
    Rhythm {
        starts_on: day(starts_on),
        every: Period { count, unit },
        zone,
    }
}

fn subscription(rhythm: Rhythm) -> Subscription {
    let made_at = calendar::first_instant_of(rhythm.starts_on, rhythm.zone).unwrap();
    Subscription {
        id: SubscriptionId::generate(made_at),
        business_id: BusinessId::generate(made_at),
        external_id: None,
        customer_id: CustomerId::generate(made_at),
        template: (TemplateId::generate(made_at), 1),
        quantity: 1,
        price_minor: 4_000,
        carry_over: CarryOver::None,
        rhythm,
        cancelled_at: None,
        next_number: 0,
        created_at: made_at,
        version: 1,
    }
}

fn monthly_from_31_january() -> Subscription {
    subscription(rhythm(
        "2026-01-31",
        1,
        PeriodUnit::Month,
        Tz::Europe__Vienna,
    ))
}

#[test]
fn a_period_from_the_31st_keeps_that_day_over_short_months() {
    let found = monthly_from_31_january().rhythm;
    let starts: Vec<String> = (0..5)
        .map(|number| found.span(number).unwrap().starts_on.to_string())
        .collect();
    assert_eq!(
        starts,
        [
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
            "2026-04-30",
            "2026-05-31"
        ]
    );
    let yearly = rhythm("2024-02-29", 1, PeriodUnit::Year, Tz::UTC);
    assert_eq!(yearly.span(1).unwrap().starts_on, day("2025-02-28"));
    assert_eq!(yearly.span(4).unwrap().starts_on, day("2028-02-29"));
}

#[test]
fn a_period_is_found_by_the_day_on_which_it_starts() {
    let rhythm = monthly_from_31_january().rhythm;
    assert_eq!(rhythm.span_of(day("2026-02-28")), rhythm.span(1));
    assert_eq!(rhythm.span_of(day("2026-02-27")), None);
}

#[test]
fn the_next_period_starts_after_now_unless_a_cancellation_comes_first() {
    let mut subscription = monthly_from_31_january();
    let now = at("2026-02-01T12:00:00Z");
    assert_eq!(subscription.next_starts_on(now), Some(day("2026-02-28")));
    subscription.cancelled_at = Some(now);
    assert_eq!(subscription.next_starts_on(now), None);
}

#[test]
fn days_begin_in_the_zone_of_the_business() {
    let march = monthly_from_31_january().rhythm.span(1).unwrap();
    assert_eq!(march.starts_at, at("2026-02-27T23:00:00Z"));
    // The clocks have gone forward by then.
    assert_eq!(march.ends_at, at("2026-03-30T22:00:00Z"));
}

#[test]
fn a_period_is_due_at_its_first_instant_and_marked_once() {
    let mut found = monthly_from_31_january();
    let first = found.rhythm.span(0).unwrap();
    assert_eq!(found.next_due_at(), Some(first.starts_at));
    let before = first.starts_at - TimeDelta::microseconds(1);
    assert_eq!(found.mark_due(before, 9), []);
    assert_eq!(found.mark_due(first.starts_at, 9), [first]);
    assert_eq!(found.mark_due(first.starts_at, 9), []);
    assert_eq!(found.next_due_at(), Some(first.ends_at));
    let later: Vec<NaiveDate> = found
        .mark_due(at("2026-06-01T00:00:00Z"), 3)
        .iter()
        .map(|span| span.starts_on)
        .collect();
    let wanted = ["2026-02-28", "2026-03-31", "2026-04-30"].map(day);
    assert_eq!(later, wanted, "and no more than asked for");
}

#[test]
fn a_day_that_the_zone_left_out_is_never_due() {
    let zone = Tz::Pacific__Apia;
    let mut found = subscription(rhythm("2011-12-29", 1, PeriodUnit::Day, zone));
    let marked = found.mark_due(at("2011-12-31T12:00:00Z"), 9);
    let days: Vec<NaiveDate> = marked.iter().map(|span| span.starts_on).collect();
    assert_eq!(days, ["2011-12-29", "2011-12-31", "2012-01-01"].map(day));
    let unknown = SubscribingRefusal::PeriodUnknown {
        subscription_id: found.id,
        starts_on: day("2011-12-30"),
    };
    let paid_at = at("2011-12-29T12:00:00Z");
    assert_eq!(found.payable(day("2011-12-30"), paid_at), Err(unknown));
}

#[test]
fn the_period_that_has_begun_and_the_next_one_can_be_paid() {
    let found = monthly_from_31_january();
    let tried = |starts_on: &str, now: &str| found.payable(day(starts_on), at(now));
    let subscription_id = found.id;
    assert!(tried("2026-01-31", "2026-01-02T00:00:00Z").is_ok());
    assert!(tried("2026-02-28", "2026-01-30T23:00:00Z").is_ok());
    let starts_on = day("2026-02-28");
    let early = Err(SubscribingRefusal::PeriodTooEarly {
        subscription_id,
        starts_on,
        payable_from: at("2026-01-30T23:00:00Z"),
    });
    assert_eq!(tried("2026-02-28", "2026-01-30T22:59:59Z"), early);
    let over = Err(SubscribingRefusal::PeriodOver {
        subscription_id,
        starts_on,
        ended_at: at("2026-03-30T22:00:00Z"),
    });
    assert!(tried("2026-02-28", "2026-03-30T21:59:59Z").is_ok());
    assert_eq!(tried("2026-02-28", "2026-03-30T22:00:00Z"), over);
    for starts_on in ["2026-02-27", "2026-03-28", "2026-01-30", "9999-12-31"] {
        let unknown = Err(SubscribingRefusal::PeriodUnknown {
            subscription_id,
            starts_on: day(starts_on),
        });
        assert_eq!(tried(starts_on, "2026-02-01T00:00:00Z"), unknown);
    }
}

#[test]
fn after_a_cancellation_only_what_had_begun_is_due_and_payable() {
    let mut found = monthly_from_31_january();
    let (second, third) = (found.rhythm.span(1).unwrap(), found.rhythm.span(2).unwrap());
    found.cancel(second.starts_at).unwrap();
    let refused = Err(SubscribingRefusal::Cancelled {
        subscription_id: found.id,
        cancelled_at: second.starts_at,
    });
    assert_eq!(found.cancel(third.starts_at), refused);
    assert_eq!(
        found.payable(second.starts_on, second.starts_at),
        Ok(second)
    );
    let late = found.payable(third.starts_on, second.starts_at);
    assert_eq!(late.map(|_| ()), refused);
    assert_eq!(found.mark_due(third.ends_at, 9).len(), 2);
    assert_eq!(found.next_due_at(), None);
    assert_eq!(found.next_starts_on(second.starts_at), None);
}

#[test]
fn a_period_is_missed_once_it_is_over_unless_it_was_paid() {
    let span = monthly_from_31_january().rhythm.span(0).unwrap();
    let mut period = SubscriptionPeriod {
        span,
        renewal: None,
        carried_over: None,
    };
    let before = span.ends_at - TimeDelta::microseconds(1);
    assert_eq!(period.state(before), PeriodState::Due);
    assert_eq!(period.state(span.ends_at), PeriodState::Missed);
    period.renewal = Some(Renewal {
        package_id: PackageId::generate(before),
        sale_id: SaleId::generate(before),
        paid_at: before,
    });
    assert_eq!(period.state(span.ends_at), PeriodState::Paid);
}

fn any_rhythm() -> impl Strategy<Value = Rhythm> {
    let unit = prop::sample::select(vec![
        PeriodUnit::Day,
        PeriodUnit::Week,
        PeriodUnit::Month,
        PeriodUnit::Year,
    ]);
    let zone = prop::sample::select(&TZ_VARIANTS[..]);
    (0_u64..60_000, 1_u32..40, unit, zone).prop_map(|(days, count, unit, zone)| Rhythm {
        starts_on: day("1950-01-01") + Days::new(days),
        every: Period { count, unit },
        zone,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_period_ends_where_the_next_one_starts(rhythm in any_rhythm(), number in 0_u32..60) {
        if let (Some(span), Some(next)) = (rhythm.span(number), rhythm.span(number + 1)) {
            prop_assert_eq!(span.ends_at, next.starts_at);
            prop_assert_eq!(span.next_starts_on, next.starts_on);
            prop_assert!(span.starts_on < next.starts_on);
            prop_assert!(span.starts_at <= span.ends_at);
            prop_assert_eq!(rhythm.number_of(span.starts_on), Some(number));
        }
    }

    #[test]
    fn every_instant_lies_in_one_period(rhythm in any_rhythm(), hours in 0_i64..200_000) {
        let first = rhythm.span(0).unwrap();
        let now = first.starts_at + TimeDelta::hours(hours);
        let begun = rhythm.begun(now);
        prop_assert!(begun > 0);
        if let Some(span) = rhythm.span(begun - 1) {
            prop_assert!(span.starts_at <= now && now < span.ends_at);
        }
        let before = first.starts_at - TimeDelta::microseconds(1);
        prop_assert_eq!(rhythm.begun(before), 0);
    }

    #[test]
    fn a_monthly_period_starts_on_the_anchors_day_or_the_last_of_a_shorter_month(
        rhythm in any_rhythm(),
        number in 1_u32..400,
    ) {
        let every = Period { count: 1, unit: PeriodUnit::Month };
        let rhythm = Rhythm { every, ..rhythm };
        let start = rhythm.span(number).unwrap().starts_on;
        let anchor = rhythm.starts_on;
        let months = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
        prop_assert_eq!(months(start), months(anchor) + i64::from(number));
        let is_last = (start + Days::new(1)).day() == 1;
        prop_assert!(start.day() == anchor.day() || start.day() < anchor.day() && is_last);
        prop_assert_eq!(start, anchor + Months::new(number));
    }

    #[test]
    fn marking_step_by_step_marks_what_one_step_marks(
        rhythm in any_rhythm(),
        steps in prop::collection::vec(0_i64..20_000, 1..8),
    ) {
        let mut now = rhythm.span(0).unwrap().starts_at - TimeDelta::hours(1);
        let mut often = subscription(rhythm);
        let mut once = often.clone();
        let mut marked = Vec::new();
        for hours in steps {
            now += TimeDelta::hours(hours);
            marked.extend(often.mark_due(now, usize::MAX));
        }
        prop_assert_eq!(once.mark_due(now, usize::MAX), marked);
        prop_assert_eq!(&once, &often);
        prop_assert!(once.next_due_at().is_none_or(|due_at| due_at > now));
    }
}
