//! Policies of templates and of the business, as messages.

use crate::domain::booking_rules::{BookingRules, CancellationPolicy};
use crate::domain::credits::Credits;
use crate::domain::freeze::FreezePolicy;
use crate::domain::policies::Policies;
use crate::domain::use_limit::UseLimit;
use crate::domain::validity::JudgedAt;
use crate::grpc::convert::common::amount;
use crate::grpc::faults::Faults;
use crate::proto::v1;

/// The most freezes that a policy may allow.
const FREEZES_MAX: i32 = 1_000;
/// The most frozen days that a policy may allow.
const FROZEN_DAYS_MAX: i32 = 3_650;
/// The longest time before a booking from which on cancelling is not free: a year.
const FREE_HOURS_MAX: i32 = 8_784;

/// What a business says where templates say nothing.
pub fn policies(message: &v1::Policies, faults: &mut Faults) -> Option<Policies> {
    let freeze = freeze(message.freeze.as_ref(), faults);
    let use_limit = use_limit(message.use_limit.as_ref(), faults);
    let booking_rules = booking_rules(message.booking_rules.as_ref(), faults);
    Some(Policies {
        freeze: freeze?,
        transferable: message.transferable,
        use_limit: use_limit?,
        booking_rules: booking_rules?,
    })
}

/// The same as a message.
pub fn to_policies(policies: Policies) -> v1::Policies {
    v1::Policies {
        freeze: policies.freeze.map(to_freeze),
        transferable: policies.transferable,
        use_limit: policies.use_limit.map(to_use_limit),
        booking_rules: policies.booking_rules.map(to_booking_rules),
    }
}

/// How often and for how long packages may be frozen, if that is said.
pub fn freeze(
    message: Option<&v1::FreezePolicy>,
    faults: &mut Faults,
) -> Option<Option<FreezePolicy>> {
    let Some(policy) = message else {
        return Some(None);
    };
    faults.within("freeze", |faults| {
        let times_max = faults.number("times_max", policy.times_max, 0..=FREEZES_MAX);
        let days_max = faults.number("days_max", policy.days_max, 0..=FROZEN_DAYS_MAX);
        Some(Some(FreezePolicy {
            times_max: times_max?,
            days_max: days_max?,
        }))
    })
}

/// How much each customer may use, if that is said.
pub fn use_limit(message: Option<&v1::UseLimit>, faults: &mut Faults) -> Option<Option<UseLimit>> {
    let Some(limit) = message else {
        return Some(None);
    };
    faults.within("use_limit", |faults| {
        let mut credits = |field: &'static str, text: &str| match text {
            "" => Some(None),
            text => amount(faults, field, text).map(Some),
        };
        let per_day = credits("per_day", &limit.per_day);
        let per_week = credits("per_week", &limit.per_week);
        Some(Some(UseLimit {
            per_day: per_day?,
            per_week: per_week?,
        }))
    })
}

/// A limit as a message.
pub fn to_use_limit(limit: UseLimit) -> v1::UseLimit {
    let text = |credits: Option<Credits>| credits.map(|it| it.to_string()).unwrap_or_default();
    v1::UseLimit {
        per_day: text(limit.per_day),
        per_week: text(limit.per_week),
    }
}

/// How bookings are judged and cancelled, if that is said.
pub fn booking_rules(
    message: Option<&v1::BookingRules>,
    faults: &mut Faults,
) -> Option<Option<BookingRules>> {
    let Some(rules) = message else {
        return Some(None);
    };
    faults.within("booking_rules", |faults| {
        let judged_at =
            match rules.judged_at {
                0 => Some(JudgedAt::ServiceTime),
                number => faults
                    .choice::<v1::JudgedAt>("judged_at", number)
                    .map(|judged| match judged {
                        v1::JudgedAt::BookingTime => JudgedAt::BookingTime,
                        v1::JudgedAt::ServiceTime | v1::JudgedAt::Unspecified => {
                            JudgedAt::ServiceTime
                        }
                    }),
            };
        let cancellation = match &rules.cancellation {
            None => Some(None),
            Some(policy) => faults.within("cancellation", |faults| {
                let hours = policy.free_until_hours;
                let hours = faults.number("free_until_hours", hours, 0..=FREE_HOURS_MAX);
                let percent = faults.number("captured_percent", policy.captured_percent, 1..=100);
                Some(Some(CancellationPolicy {
                    free_until_hours: u32::try_from(hours?).ok()?,
                    captured_percent: u32::try_from(percent?).ok()?,
                }))
            }),
        };
        Some(Some(BookingRules {
            judged_at: judged_at?,
            cancellation: cancellation?,
        }))
    })
}

/// Rules of bookings as a message.
pub fn to_booking_rules(rules: BookingRules) -> v1::BookingRules {
    let judged_at = match rules.judged_at {
        JudgedAt::ServiceTime => v1::JudgedAt::ServiceTime,
        JudgedAt::BookingTime => v1::JudgedAt::BookingTime,
    };
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    v1::BookingRules {
        judged_at: judged_at.into(),
        cancellation: rules.cancellation.map(|policy| v1::CancellationPolicy {
            free_until_hours: number(policy.free_until_hours),
            captured_percent: number(policy.captured_percent),
        }),
    }
}

/// A policy of freezes as a message.
pub fn to_freeze(policy: FreezePolicy) -> v1::FreezePolicy {
    v1::FreezePolicy {
        times_max: policy.times_max,
        days_max: policy.days_max,
    }
}
