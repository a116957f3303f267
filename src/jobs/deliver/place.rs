//! What the workers of a process know of each other: how many of them the mail server serves.
//!
//! Many servers allow a client only a few connections at once. A worker that gets none while others have theirs
//! has learnt nothing of the server, so it does not make all rest (semantics 45): it rests alone, longer each
//! time, and its e-mail is left to the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};

use crate::domain::breaker::Breaker;
use crate::mail::transport::{Outcome, Stage};

/// The place of one worker among those of its process.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// How many of them the server serves.
    served: Arc<AtomicUsize>,
    /// Whether it serves this one.
    is_served: bool,
    /// How this one fares in getting a connection that others leave it.
    alone: Breaker,
}

impl Place {
    /// A further place among the same workers.
    pub(super) fn beside(&self) -> Self {
        Self {
            served: Arc::clone(&self.served),
            ..Self::default()
        }
    }

    /// Whether this worker rests alone.
    pub(super) fn rests(&self, now: DateTime<Utc>) -> bool {
        self.alone.rests_until.is_some_and(|until| now < until)
    }

    /// Takes note of an attempt of this worker; true if it got no connection while others have theirs.
    pub(super) fn note(&mut self, outcome: &Outcome, now: DateTime<Utc>) -> bool {
        match outcome {
            Outcome::Accepted { .. } | Outcome::Refused { .. } => {
                self.enter();
                self.alone.answered();
                false
            }
            Outcome::Interrupted { .. } | Outcome::Unknown { .. } => {
                self.leave();
                false
            }
            Outcome::NotTried { stage, .. } => {
                self.leave();
                let has_no_connection =
                    *stage < Stage::Sender && self.served.load(Ordering::Relaxed) > 0;
                if has_no_connection {
                    self.alone.failed(now);
                    tracing::info!(%stage, "no further connection to the mail server at stage {stage}");
                }
                has_no_connection
            }
        }
    }

    fn enter(&mut self) {
        if !self.is_served {
            self.is_served = true;
            self.served.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// This worker wants nothing of the server for now.
    pub(super) fn leave(&mut self) {
        if self.is_served {
            self.is_served = false;
            self.served.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn accepted() -> Outcome {
        let reply = "250 taken".to_owned();
        Outcome::Accepted { reply }
    }

    fn not_tried(stage: Stage) -> Outcome {
        let reason = "421 too many connections".to_owned();
        Outcome::NotTried { stage, reason }
    }

    #[test]
    fn who_gets_no_connection_while_another_has_one_rests_alone_and_longer_each_time() {
        let (mut now, mut one) = (DateTime::UNIX_EPOCH, Place::default());
        let mut other = one.beside();
        assert!(!one.note(&accepted(), now));
        for seconds in [10, 20, 40] {
            assert!(other.note(&not_tried(Stage::Greeting), now));
            let end = now + TimeDelta::seconds(seconds);
            assert!(other.rests(end - TimeDelta::microseconds(1)), "{seconds}");
            assert!(!other.rests(end), "{seconds}");
            now = end;
        }
        assert!(!one.rests(now));
        other.note(&accepted(), now);
        assert!(other.note(&not_tried(Stage::Connect), now));
        assert!(!other.rests(now + TimeDelta::seconds(10)), "from the start");
    }

    #[test]
    fn a_server_that_serves_nobody_is_away_for_all() {
        let (now, mut one) = (DateTime::UNIX_EPOCH, Place::default());
        let mut other = one.beside();
        assert!(!other.note(&not_tried(Stage::Connect), now));
        one.note(&accepted(), now);
        one.leave();
        assert!(!other.note(&not_tried(Stage::Connect), now), "it is done");
        one.note(&accepted(), now);
        let broken = Outcome::Unknown {
            reason: "reset".to_owned(),
        };
        one.note(&broken, now);
        assert!(!other.note(&not_tried(Stage::Connect), now), "it broke");
        assert!(!other.rests(now));
    }

    #[test]
    fn a_sender_that_is_refused_is_no_matter_of_connections() {
        let (now, mut one) = (DateTime::UNIX_EPOCH, Place::default());
        let mut other = one.beside();
        one.note(&accepted(), now);
        assert!(!other.note(&not_tried(Stage::Sender), now));
    }
}
