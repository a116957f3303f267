//! When a way out for e-mails rests: a circuit breaker (semantics 45).
//!
//! A failure that says nothing about any e-mail opens it: nothing is sent for a while, which doubles with each
//! failure in a row. Then one, and only one, tries; if that gets an answer all go on, and if not all rest
//! again. Who has that try has it for a bounded time, since its process may end.

use chrono::{DateTime, TimeDelta, Utc};

/// The first rest, in seconds; it doubles with each failure in a row.
const REST_SECONDS: i64 = 10;
/// The longest rest, in seconds.
const REST_SECONDS_MAX: i64 = 300;

/// How a way out has fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// How often it failed in a row.
    pub failures: i32,
    /// Until when it rests after the last failure.
    pub rests_until: Option<DateTime<Utc>>,
    /// Until when somebody has the one try.
    pub probed_until: Option<DateTime<Utc>>,
}

/// What somebody who wants to send may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Send.
    Send,
    /// Send one, and say what came of it: all others wait for that.
    Probe,
    /// Nothing now.
    Rest,
}

impl Breaker {
    /// Asks to send at `now`; a probe takes `attempt_max` at most.
    pub fn ask(&mut self, now: DateTime<Utc>, attempt_max: TimeDelta) -> Leave {
        let Some(rests_until) = self.rests_until else {
            return Leave::Send;
        };
        if now < rests_until || self.probed_until.is_some_and(|until| now < until) {
            return Leave::Rest;
        }
        self.probed_until = now.checked_add_signed(attempt_max);
        Leave::Probe
    }

    /// There was an answer: all go on.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// There was none; says until when it rests. Those who were under way when it failed first, and fail
    /// like it, make the rest no longer.
    pub fn failed(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.rests_until.is_none_or(|until| until <= now) {
            let doublings = u32::try_from(self.failures).unwrap_or(0);
            let factor = 1_i64.checked_shl(doublings).unwrap_or(i64::MAX);
            let seconds = REST_SECONDS.saturating_mul(factor).min(REST_SECONDS_MAX);
            self.failures = self.failures.saturating_add(1).min(16);
            self.rests_until = now.checked_add_signed(TimeDelta::seconds(seconds));
            self.probed_until = None;
        }
        self.rests_until
    }

    /// The try was not needed.
    pub fn give_back(&mut self) {
        self.probed_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPT_MAX: TimeDelta = TimeDelta::minutes(20);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_rest_grows_to_five_minutes_and_ends_with_an_answer() {
        let (mut breaker, mut now) = (Breaker::default(), at(0));
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            let end = now + TimeDelta::seconds(seconds);
            assert_eq!(breaker.failed(now), Some(end), "{seconds}");
            let before = end - TimeDelta::microseconds(1);
            assert_eq!(breaker.ask(before, ATTEMPT_MAX), Leave::Rest, "{seconds}");
            assert_eq!(breaker.ask(end, ATTEMPT_MAX), Leave::Probe, "{seconds}");
            now = end;
        }
        breaker.answered();
        assert_eq!(breaker.ask(now, ATTEMPT_MAX), Leave::Send);
        assert_eq!(breaker.failed(now), Some(now + TimeDelta::seconds(10)));
    }

    #[test]
    fn one_tries_and_the_others_wait_for_it() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0));
        assert_eq!(breaker.ask(at(10), ATTEMPT_MAX), Leave::Probe);
        assert_eq!(breaker.ask(at(10), ATTEMPT_MAX), Leave::Rest);
        breaker.give_back();
        assert_eq!(breaker.ask(at(11), ATTEMPT_MAX), Leave::Probe);
        // Whoever had it is gone.
        let gone = at(11) + ATTEMPT_MAX;
        assert_eq!(
            breaker.ask(gone - TimeDelta::seconds(1), ATTEMPT_MAX),
            Leave::Rest
        );
        assert_eq!(breaker.ask(gone, ATTEMPT_MAX), Leave::Probe);
    }

    #[test]
    fn all_who_were_under_way_count_as_one_failure() {
        let mut breaker = Breaker::default();
        let first = breaker.failed(at(0));
        for second in 1..9 {
            assert_eq!(breaker.failed(at(second)), first);
        }
        assert_eq!(breaker.failures, 1);
    }
}
