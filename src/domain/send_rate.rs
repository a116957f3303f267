//! How many e-mails go out in a minute, and whether one more may.
//!
//! What went out is counted in slices of a few seconds, and a slice counts until all of it is a minute ago. So
//! in no minute, wherever it begins, there are more than allowed; nothing has to be waited for evenly, and
//! what is kept stays small however high the limit is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How long a slice is, in seconds.
const SLICE_SECONDS: i64 = 5;
/// How long what went out counts, in seconds.
const COUNTED_SECONDS: i64 = 60;

/// What went out of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendRate {
    /// The beginning of each slice in seconds since 1970, and how many went out in it; oldest first.
    slices: Vec<(i64, u32)>,
}

impl SendRate {
    /// Counts one that goes out at `now`, and says whether it may: not if that made more than
    /// `per_minute_max` within a minute.
    pub fn take(&mut self, now: DateTime<Utc>, per_minute_max: u32) -> bool {
        let now = now.timestamp();
        self.slices.retain(|(begins, _)| {
            let ends = begins.saturating_add(SLICE_SECONDS);
            now < ends.saturating_add(COUNTED_SECONDS)
        });
        let sent = self.slices.iter().map(|(_, sent)| *sent);
        if sent.fold(0, u32::saturating_add) >= per_minute_max {
            return false;
        }
        let begins = slice_of(now);
        match self.slices.last_mut() {
            // A clock of another replica may be a little behind.
            Some((last, sent)) if begins <= *last => *sent = sent.saturating_add(1),
            _ => self.slices.push((begins, 1)),
        }
        true
    }

    /// One that was counted at `at` did not go out.
    pub fn give_back(&mut self, at: DateTime<Utc>) {
        let begins = slice_of(at.timestamp());
        let slice = self.slices.iter_mut().find(|(of, _)| *of == begins);
        if let Some((_, sent)) = slice {
            *sent = sent.saturating_sub(1);
        }
    }
}

/// The beginning of the slice of a second.
fn slice_of(second: i64) -> i64 {
    let offset = second.checked_rem_euclid(SLICE_SECONDS).unwrap_or(0);
    second.saturating_sub(offset)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_burst_may_use_all_of_a_minute_and_then_waits_for_the_next() {
        let mut rate = SendRate::default();
        let burst = (0..10).filter(|_| rate.take(at(2), 3)).count();
        assert_eq!(burst, 3);
        assert!(!rate.take(at(61), 3));
        assert!(rate.take(at(65), 3));
    }

    #[test]
    fn what_did_not_go_out_does_not_count() {
        let mut rate = SendRate::default();
        assert!(rate.take(at(2), 1) && !rate.take(at(3), 1));
        rate.give_back(at(2));
        assert!(rate.take(at(9), 1) && !rate.take(at(10), 1));
        rate.give_back(at(1));
        assert!(!rate.take(at(11), 1), "nothing was counted then");
    }

    proptest! {
        #[test]
        fn in_no_minute_there_are_more_than_allowed(
            per_minute_max in 1_u32..20,
            pauses in prop::collection::vec(0_i64..12, 1..200),
        ) {
            let (mut rate, mut now, mut sent) = (SendRate::default(), 1_000_000, Vec::new());
            for pause in pauses {
                now += pause;
                if rate.take(at(now), per_minute_max) {
                    sent.push(now);
                }
                let within = sent.iter().filter(|at| now - **at < COUNTED_SECONDS).count();
                prop_assert!(u32::try_from(within).unwrap() <= per_minute_max, "{sent:?}");
                prop_assert!(rate.slices.len() <= 14);
            }
        }

        #[test]
        fn who_waits_long_enough_may_always_send(
            per_minute_max in 1_u32..20,
            before in prop::collection::vec(0_i64..12, 1..100),
        ) {
            let (mut rate, mut now) = (SendRate::default(), 1_000_000);
            for pause in before {
                now += pause;
                rate.take(at(now), per_minute_max);
            }
            prop_assert!(rate.take(at(now + COUNTED_SECONDS + SLICE_SECONDS), per_minute_max));
        }
    }
}
