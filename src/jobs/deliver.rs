//! Delivers e-mails that are due, one at a time.
//!
//! Claim: the row is locked, every notice checked again, the text rendered if it never was, and the
//! attempt written and committed. Then the first byte goes out, without any transaction. Mark: the
//! outcome is written, for the e-mail only if the claim still stands. A process that ends in between
//! leaves a lease that runs out; the attempt then counts as one whose outcome is unknown, and the
//! e-mail is sent again under the same Message-ID. So none is lost, and none is sent twice except where
//! the answer to the final dot never came, or the process ended before it was written down (G7).
//!
//! A failure before any recipient was named says nothing about the e-mail: it pauses the transport, for
//! a time that grows, and costs no attempt (semantics 45).

mod claim;
mod compose;
mod mark;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::mail::reload::Templates;
pub use crate::mail::sender::MailSettings;
use crate::mail::transport::{Outcome, Transport};
use crate::service::{Context, ServiceError};

use claim::Claimed;
use mark::Marked;

/// How many e-mails one step takes on.
const EMAILS_PER_STEP_MAX: usize = 200;
/// The first pause of the transport, in seconds; it doubles with each failure.
const PAUSE_SECONDS: i64 = 10;
/// The longest pause of the transport, in seconds.
const PAUSE_SECONDS_MAX: i64 = 300;

/// All that sending needs beside the database.
pub struct Mail {
    /// The operator's settings.
    pub settings: MailSettings,
    /// The templates.
    pub templates: Templates,
    /// The way out.
    pub transport: Transport,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Taken over by the mail server.
    pub sent: usize,
    /// To be tried again.
    pub postponed: usize,
    /// Given up.
    pub failed: usize,
    /// Not sent, since nothing in them was true or wanted any more.
    pub cancelled: usize,
}

/// Delivers e-mails over one transport.
pub struct Deliverer {
    ctx: Context,
    mail: Mail,
    pause: Pause,
    stop: CancellationToken,
}

/// How long the transport rests after failures that say nothing about any e-mail.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
    until: Option<DateTime<Utc>>,
}

impl Deliverer {
    /// Delivers the e-mails of `ctx` by way of `mail`.
    pub fn new(ctx: Context, mail: Mail) -> Self {
        Self {
            ctx,
            mail,
            pause: Pause::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Ends a step after the e-mail that it is at.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Delivers what is due, until nothing is, the transport has to pause, or the bound of a step is
    /// reached.
    pub async fn step(&mut self) -> Result<Delivered, ServiceError> {
        let mut report = Delivered::default();
        for _ in 0..EMAILS_PER_STEP_MAX {
            if self.stop.is_cancelled() || self.pause.holds(self.ctx.clock.now()) {
                break;
            }
            let marked = match claim::next(&self.ctx, &self.mail).await? {
                Claimed::Nothing => break,
                Claimed::Ended(marked) => marked,
                Claimed::ToSend(claim) => {
                    let outcome = self.mail.transport.send(&claim.message).await;
                    let now = self.ctx.clock.now();
                    self.pause.note(&outcome, now);
                    mark::outcome(&self.ctx, &claim, &outcome, self.pause.until).await?
                }
            };
            report.count(marked);
        }
        Ok(report)
    }

    /// Takes leave of the mail server.
    pub async fn close(&mut self) {
        self.mail.transport.close().await;
    }
}

impl Delivered {
    fn count(&mut self, marked: Marked) {
        let counter = match marked {
            Marked::Sent => &mut self.sent,
            Marked::Postponed => &mut self.postponed,
            Marked::Failed => &mut self.failed,
            Marked::Cancelled => &mut self.cancelled,
            Marked::Lost => return,
        };
        *counter = counter.saturating_add(1);
    }
}

impl Pause {
    fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Begins or lengthens the pause, or ends it for good.
    fn note(&mut self, outcome: &Outcome, now: DateTime<Utc>) {
        let Outcome::NotTried { stage, .. } = outcome else {
            *self = Self::default();
            return;
        };
        let factor = 1_i64.checked_shl(self.failures).unwrap_or(i64::MAX);
        let seconds = PAUSE_SECONDS.saturating_mul(factor).min(PAUSE_SECONDS_MAX);
        self.failures = self.failures.saturating_add(1).min(16);
        self.until = now.checked_add_signed(TimeDelta::seconds(seconds));
        tracing::warn!(%stage, seconds, "no mail server at stage {stage}; pausing for {seconds} s");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::transport::Stage;

    #[test]
    fn the_pause_of_the_transport_grows_to_five_minutes_and_ends_with_an_answer() {
        let now = DateTime::UNIX_EPOCH;
        let unreachable = Outcome::NotTried {
            stage: Stage::Connect,
            reason: String::new(),
        };
        let mut pause = Pause::default();
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            pause.note(&unreachable, now);
            let end = now + TimeDelta::seconds(seconds);
            assert!(pause.holds(end - TimeDelta::microseconds(1)), "{seconds}");
            assert!(!pause.holds(end), "{seconds}");
        }
        let unknown = Outcome::Unknown {
            reason: String::new(),
        };
        pause.note(&unknown, now);
        assert!(!pause.holds(now));
    }
}
