//! Quiet hours, in which customers are not written to (semantics 44).

use chrono::{DateTime, Days, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::calendar;

/// The hours of each local day from one on and before another one; over midnight if the first is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// The first quiet hour, 0 to 23.
    pub from_hour: u32,
    /// The first hour that is not quiet any more, 0 to 23; not the same.
    pub until_hour: u32,
}

impl QuietHours {
    /// When the quiet time ends in which `at` lies; none if it lies in none.
    pub fn end_of(self, at: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = at.with_timezone(&zone);
        let (hour, day) = (local.hour(), local.date_naive());
        let is_over_midnight = self.from_hour > self.until_hour;
        let is_quiet = if is_over_midnight {
            hour >= self.from_hour || hour < self.until_hour
        } else {
            (self.from_hour..self.until_hour).contains(&hour)
        };
        if !is_quiet {
            return None;
        }
        let ends_next_day = is_over_midnight && hour >= self.from_hour;
        let last_day = if ends_next_day {
            day.checked_add_days(Days::new(1))?
        } else {
            day
        };
        // Where clocks go back over the end it comes twice, and the first may have passed.
        calendar::at_local_hour(last_day, self.until_hour, zone).filter(|end| *end > at)
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const TALLINN: Tz = Tz::Europe__Tallinn;

    fn end(from_hour: u32, until_hour: u32, at: &str) -> Option<String> {
        let quiet = QuietHours {
            from_hour,
            until_hour,
        };
        let end = quiet.end_of(at.parse().unwrap(), TALLINN)?;
        Some(end.with_timezone(&TALLINN).format("%d %H:%M").to_string())
    }

    #[test]
    fn quiet_time_ends_at_its_hour_of_the_same_or_the_next_day() {
        // In winter clocks in Tallinn show two hours more than UTC.
        for (from, until, at, expected) in [
            (22, 8, "2026-01-15T19:59:59Z", None),
            (22, 8, "2026-01-15T20:00:00Z", Some("16 08:00")),
            (22, 8, "2026-01-15T22:30:00Z", Some("16 08:00")),
            (22, 8, "2026-01-16T05:59:59Z", Some("16 08:00")),
            (22, 8, "2026-01-16T06:00:00Z", None),
            (12, 14, "2026-01-15T09:59:59Z", None),
            (12, 14, "2026-01-15T10:00:00Z", Some("15 14:00")),
            (12, 14, "2026-01-15T12:00:00Z", None),
            (20, 0, "2026-01-15T21:00:00Z", Some("16 00:00")),
            (0, 7, "2026-01-15T22:00:00Z", Some("16 07:00")),
            // Clocks go from three to four.
            (0, 3, "2026-03-29T00:30:00Z", Some("29 04:00")),
        ] {
            assert_eq!(end(from, until, at).as_deref(), expected, "{at}");
        }
    }

    proptest! {
        #[test]
        fn quiet_time_ends_later_within_a_day_and_is_then_over(
            from_hour in 0_u32..24,
            length in 1_u32..23,
            minutes in 0_i64..3 * 366 * 24 * 60,
        ) {
            let quiet = QuietHours { from_hour, until_hour: (from_hour + length) % 24 };
            let at = "2025-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap()
                + TimeDelta::minutes(minutes);
            if let Some(end) = quiet.end_of(at, TALLINN) {
                prop_assert!(at < end && end <= at + TimeDelta::hours(25));
                prop_assert_eq!(quiet.end_of(end, TALLINN), None);
            }
        }
    }
}
