//! Whether this process may be given work: it reaches the database, and agrees with it on the time.
//!
//! A database that is asked and says nothing counts as one that cannot be reached.
//!
//! [`follow`] keeps it up to date; health checks, the HTTP side and the jobs read it. A clock that is
//! set by hand is not held against the database's.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::clock::Clock;
use crate::service::context::Context;
use crate::store::database_clock::database_now;
use crate::store::error::StoreError;

/// How often the database is asked.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How long the database may think about it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often a clock that is wrong but bearable is complained of.
const WARN_EVERY: Duration = Duration::from_mins(1);
/// By how much the clocks may differ without a word.
const SKEW_SILENT_MAX: TimeDelta = TimeDelta::seconds(1);
/// By how much the clocks may differ at all.
const SKEW_MAX: TimeDelta = TimeDelta::seconds(5);

/// Why this process takes no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It has not asked the database yet.
    Starting,
    /// The database cannot be reached.
    DatabaseUnavailable,
    /// Its clock and the database's differ by too much.
    ClockApart,
    /// It was told to stop.
    Stopping,
}

impl NotReady {
    /// The cause as a stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::DatabaseUnavailable => "database_unavailable",
            Self::ClockApart => "clock_apart",
            Self::Stopping => "stopping",
        }
    }
}

/// The state that all parts of the process share.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: watch::Sender<Result<(), NotReady>>,
}

impl Default for Readiness {
    fn default() -> Self {
        let (state, _) = watch::channel(Err(NotReady::Starting));
        Self { state }
    }
}

impl Readiness {
    /// Whether there may be work now.
    pub fn get(&self) -> Result<(), NotReady> {
        *self.state.borrow()
    }

    /// Changes as they come; the state of now counts as seen.
    pub fn watch(&self) -> watch::Receiver<Result<(), NotReady>> {
        self.state.subscribe()
    }

    /// No more work, for good.
    pub fn stop(&self) {
        self.state
            .send_modify(|state| *state = Err(NotReady::Stopping));
    }

    /// Notes what a check found, unless the process is stopping, and logs what changed.
    fn note(&self, found: Result<(), NotReady>) {
        self.state.send_if_modified(|state| {
            let changes = *state != found && *state != Err(NotReady::Stopping);
            if changes {
                match found {
                    Ok(()) => tracing::info!("ready"),
                    Err(cause) => {
                        tracing::warn!(cause = cause.as_str(), "not ready: {}", cause.as_str());
                    }
                }
                *state = found;
            }
            changes
        });
    }
}

/// A question to the database, in a task of its own: taken back it would leave its connection in the middle of it.
type Question = JoinHandle<Result<TimeDelta, StoreError>>;

/// Asks the database once and notes what came of it.
pub async fn check(ctx: &Context) {
    ask(ctx, &mut None).await;
}

/// Asks the database, unless a question is open: then its answer is waited for on. The answer is how far our clock
/// is ahead of the database's.
async fn ask(ctx: &Context, open: &mut Option<Question>) -> TimeDelta {
    let question = open.get_or_insert_with(|| {
        let ctx = ctx.clone();
        tokio::spawn(async move { skew(&ctx).await })
    });
    let answer = timeout(ANSWER_WITHIN, question).await;
    if answer.is_ok() {
        *open = None;
    }
    let (found, skew) = match answer {
        Ok(Ok(Ok(skew))) if skew.abs() > SKEW_MAX => (Err(NotReady::ClockApart), skew),
        Ok(Ok(Ok(skew))) => (Ok(()), skew),
        Ok(_) | Err(_) => (Err(NotReady::DatabaseUnavailable), TimeDelta::zero()),
    };
    ctx.readiness.note(found);
    skew
}

/// Keeps the readiness up to date until it is dropped.
pub async fn follow(ctx: Context) {
    let mut ticks = interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned_at: Option<Instant> = None;
    let mut open = None;
    loop {
        ticks.tick().await;
        let skew = ask(&ctx, &mut open).await;
        let is_due = warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if skew.abs() > SKEW_SILENT_MAX && is_due {
            warned_at = Some(Instant::now());
            let ahead_ms = skew.num_milliseconds();
            tracing::warn!(
                ahead_ms,
                "our clock is {ahead_ms} ms ahead of the database's"
            );
        }
    }
}

async fn skew(ctx: &Context) -> Result<TimeDelta, StoreError> {
    let before = ctx.clock.now();
    ctx.db.ping().await?;
    if matches!(ctx.clock, Clock::Manual(_)) {
        return Ok(TimeDelta::zero());
    }
    let theirs = database_now(ctx.db.reader()).await?;
    Ok(theirs.map_or(TimeDelta::zero(), |theirs| {
        ahead(before, theirs, ctx.clock.now())
    }))
}

/// How far our clock is ahead of theirs, which was read at some time from `before` to `after`.
fn ahead(before: DateTime<Utc>, theirs: DateTime<Utc>, after: DateTime<Utc>) -> TimeDelta {
    if theirs < before {
        before.signed_duration_since(theirs)
    } else if theirs > after {
        after.signed_duration_since(theirs)
    } else {
        TimeDelta::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn clocks_agree_if_theirs_was_read_while_we_waited() {
        assert_eq!(ahead(at(10), at(12), at(13)), TimeDelta::zero());
        assert_eq!(ahead(at(10), at(8), at(13)), TimeDelta::seconds(2));
        assert_eq!(ahead(at(10), at(20), at(13)), TimeDelta::seconds(-7));
    }

    #[test]
    fn who_is_stopping_does_not_become_ready_again() {
        let readiness = Readiness::default();
        assert_eq!(readiness.get(), Err(NotReady::Starting));
        readiness.note(Ok(()));
        assert_eq!(readiness.get(), Ok(()));
        readiness.stop();
        readiness.note(Ok(()));
        assert_eq!(readiness.get(), Err(NotReady::Stopping));
    }
}
