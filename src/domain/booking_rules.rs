//! What a template says about bookings that its packages pay.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::domain::validity::JudgedAt;

/// All of a whole, in hundredths of it.
const WHOLE_PERCENT: i64 = 100;

/// How bookings are judged and cancelled that a package pays; as sold, whatever becomes of the template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingRules {
    /// Whether the package must be valid when the service takes place or when it is booked (semantics 10).
    pub judged_at: JudgedAt,
    /// What cancelling late takes; none: nothing.
    pub cancellation: Option<CancellationPolicy>,
}

/// What a customer who cancels late loses (semantics 21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancellationPolicy {
    /// How many hours before its start cancelling a booking stops being free.
    pub free_until_hours: u32,
    /// How much of its credits is used from then on, in hundredths.
    pub captured_percent: u32,
}

impl CancellationPolicy {
    /// From when on cancelling what starts at `starts_at` is not free.
    pub fn free_until(self, starts_at: DateTime<Utc>) -> DateTime<Utc> {
        let hours = TimeDelta::try_hours(i64::from(self.free_until_hours));
        let before = hours.and_then(|hours| starts_at.checked_sub_signed(hours));
        before.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// What cancelling at `now` takes of `held`, rounded down to what the credit type divides into.
    pub fn taken(
        self,
        held: Credits,
        decimal_places: u32,
        (starts_at, now): (DateTime<Utc>, DateTime<Utc>),
    ) -> Credits {
        if now < self.free_until(starts_at) {
            return Credits::ZERO;
        }
        let share = i128::from(held.millionths())
            .saturating_mul(i128::from(self.captured_percent))
            .checked_div(i128::from(WHOLE_PERCENT))
            .unwrap_or(0);
        let finest = 10_i128.saturating_pow(6_u32.saturating_sub(decimal_places));
        let beyond = share.checked_rem(finest).unwrap_or(0);
        let taken = i64::try_from(share.saturating_sub(beyond)).unwrap_or(0);
        Credits::from_millionths(taken).min(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_is_free_before_the_limit_and_takes_the_share_from_it_on() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let credits = |text| Credits::parse(text).unwrap();
        let starts_at = at("2026-01-20T16:00:00Z");
        let policy = CancellationPolicy {
            free_until_hours: 24,
            captured_percent: 50,
        };
        for (now, held, places, taken) in [
            ("2026-01-19T15:59:59.999999Z", "2", 0, "0"),
            ("2026-01-19T16:00:00Z", "2", 0, "1"),
            ("2026-01-20T17:00:00Z", "1", 0, "0"),
            ("2026-01-20T17:00:00Z", "1", 1, "0.5"),
            ("2026-01-20T17:00:00Z", "0.25", 2, "0.12"),
        ] {
            let told = policy.taken(credits(held), places, (starts_at, at(now)));
            assert_eq!(told, credits(taken), "{held} at {now}");
        }
        let all = CancellationPolicy {
            captured_percent: 100,
            ..policy
        };
        assert_eq!(
            all.taken(credits("1"), 0, (starts_at, starts_at)),
            credits("1")
        );
    }
}
