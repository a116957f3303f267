//! A rate of calls, counted for each of many.

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::CallRate;

/// A limit that was reached, and after which time another call is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) per_second: u32,
    pub(super) burst: u32,
    pub(super) wait: Duration,
}

/// Counts calls by whose they are.
pub(super) struct Rate<K: Hash + Eq + Clone>(Option<Limited<K>>);

struct Limited<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, Passing, NoOpMiddleware<Duration>>,
    passing: Passing,
    per_second: u32,
    burst: u32,
}

impl<K: Hash + Eq + Clone> Rate<K> {
    pub(super) fn new(rate: CallRate, clock: &Clock) -> Self {
        let CallRate::Limited { per_second, burst } = rate else {
            return Self(None);
        };
        let passing = Passing::of(clock);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self(Some(Limited {
            limiter: RateLimiter::dashmap_with_clock(quota, passing.clone()),
            passing,
            per_second: per_second.get(),
            burst: burst.get(),
        }))
    }

    /// Counts a call, or says when it would be taken.
    pub(super) fn count(&self, key: &K) -> Result<(), Exceeded> {
        let Some(limited) = &self.0 else {
            return Ok(());
        };
        limited.limiter.check_key(key).map_err(|until| Exceeded {
            per_second: limited.per_second,
            burst: limited.burst,
            wait: until.wait_time_from(limited.passing.now()),
        })
    }

    /// Forgets those whose allowance is whole again.
    pub(super) fn forget(&self) {
        if let Some(limited) = &self.0 {
            limited.limiter.retain_recent();
            limited.limiter.shrink_to_fit();
        }
    }

    /// How many are counted.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |limited| limited.limiter.len())
    }
}

impl<K: Hash + Eq + Clone> Debug for Rate<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("keys", &self.len()).finish()
    }
}

/// How time passes for a rate: never backwards, whatever is done to the system's date.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    clock: Clock,
    begun: Instant,
}

impl Passing {
    pub(super) fn of(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            begun: Instant::now(),
        }
    }
}

impl governor::clock::Clock for Passing {
    type Instant = Duration;

    fn now(&self) -> Duration {
        match &self.clock {
            Clock::System => self.begun.elapsed(),
            Clock::Manual(_) => {
                let micros = self.clock.now().timestamp_micros();
                Duration::from_micros(u64::try_from(micros).unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn a_burst_then_a_rate_and_the_wait_is_the_true_one() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let rate = Rate::new("4/10".parse().unwrap(), &clock);
        let taken = |count| (0..count).filter(|_| rate.count(&"a").is_ok()).count();
        assert_eq!(taken(20), 10);
        let wait = rate.count(&"a").unwrap_err().wait;
        assert_eq!(wait, Duration::from_millis(250));
        clock.advance(TimeDelta::milliseconds(249));
        assert!(rate.count(&"a").is_err());
        clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(taken(20), 1);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(taken(20), 4);
        assert!(rate.count(&"b").is_ok(), "another one has its own");
        clock.advance(TimeDelta::hours(1));
        assert_eq!(taken(20), 10);
    }

    #[test]
    fn who_no_longer_calls_is_forgotten() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let rate = Rate::new("1/5".parse().unwrap(), &clock);
        for key in 0..1_000 {
            rate.count(&key).unwrap();
        }
        assert_eq!(rate.len(), 1_000);
        clock.advance(TimeDelta::seconds(10));
        rate.count(&0).unwrap();
        rate.forget();
        assert_eq!(rate.len(), 1);
    }

    #[test]
    fn no_limit_counts_nothing() {
        let rate = Rate::new(CallRate::Unlimited, &Clock::System);
        assert!((0..1_000).all(|key| rate.count(&key).is_ok()));
        assert_eq!(rate.len(), 0);
    }
}
