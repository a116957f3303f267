//! Delivers e-mails that are due, one at a time over each connection.
//!
//! Claim: the row is locked, every notice checked again, the text rendered if it never was, and the
//! attempt written and committed. Then the first byte goes out, without any transaction. Mark: the
//! outcome is written, for the e-mail only if the claim still stands. A process that ends in between
//! leaves a lease that runs out; the attempt then counts as one whose outcome is unknown, and the
//! e-mail is sent again under the same Message-ID. So none is lost, and none is sent twice except where
//! the answer to the final dot never came, or the process ended before it was written down (G7).
//!
//! A failure before any recipient was named says nothing about the e-mail: the transport rests, for all
//! replicas and for a time that grows, and it costs no attempt (semantics 45). Businesses take turns, one
//! e-mail each, so that one with many holds up no other.

mod claim;
mod compose;
mod gate;
mod mark;
mod place;
mod workers;

use std::collections::VecDeque;
use std::time::Instant;

use rand::RngExt;
use tokio_util::sync::CancellationToken;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, debug_span};

use crate::domain::notice::NoticeKind;
use crate::ids::BusinessId;
use crate::mail::reload::Templates;
use crate::mail::transport::Transport;
pub use crate::service::mailing::{MailSettings, Rates};
use crate::service::{Context, ServiceError};
use crate::store::emails;

use claim::{Claim, Claimed};
use gate::{Gate, Pass};
use mark::Marked;
use place::Place;
pub use workers::Workers;

/// How many e-mails one step takes on.
const EMAILS_PER_STEP_MAX: usize = 200;

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
    gate: Gate,
    place: Place,
    /// Whose turn it was last.
    last_turn: Option<BusinessId>,
    stop: CancellationToken,
}

/// What became of a business's turn.
enum Turn {
    /// Nothing of it is due.
    Nothing,
    /// An e-mail ended or was put off without being sent.
    NotSent,
    /// One was sent.
    Sent,
    /// There was no connection for one, while other workers have theirs.
    NoConnection,
}

impl Deliverer {
    /// Delivers the e-mails of `ctx` by way of `mail`.
    pub fn new(ctx: Context, mail: Mail) -> Self {
        Self::among(ctx, mail, Place::default(), CancellationToken::new())
    }

    /// The same as one of several workers; ends a step after the e-mail that it is at once `stop` is
    /// cancelled.
    fn among(ctx: Context, mail: Mail, place: Place, stop: CancellationToken) -> Self {
        let gate = Gate {
            name: mail.transport.name(),
            per_minute_max: mail.settings.rates.all_max,
            attempt_max: mail.lease(),
        };
        Self {
            ctx,
            mail,
            gate,
            place,
            last_turn: None,
            stop,
        }
    }

    /// Delivers what is due, until nothing is, the transport rests, the limits of a minute are reached, or
    /// the bound of a step is.
    pub async fn step(&mut self) -> Result<Delivered, ServiceError> {
        let mut report = Delivered::default();
        let delivered = self.deliver(&mut report).await;
        self.place.leave();
        delivered.map(|()| report)
    }

    async fn deliver(&mut self, report: &mut Delivered) -> Result<(), ServiceError> {
        let mut turns = self.turns().await?;
        let mut unused = None;
        for _ in 0..EMAILS_PER_STEP_MAX {
            let Some(business_id) = turns.pop_front().filter(|_| !self.stop.is_cancelled()) else {
                break;
            };
            let asked = match unused.take() {
                Some(pass) => Some(pass),
                None => self.gate.ask(&self.ctx).await?,
            };
            let Some(pass) = asked else {
                break;
            };
            self.last_turn = Some(business_id);
            let span = debug_span!(
                parent: None,
                "delivery",
                otel.kind = "producer",
                server.address = self.gate.name,
                email_id = Empty,
                attempt = Empty,
                outcome = Empty,
            );
            let turn = self.take_turn(business_id, pass, report);
            match turn.instrument(span).await? {
                Turn::Sent => turns.push_back(business_id),
                Turn::NotSent => {
                    unused = Some(pass);
                    turns.push_back(business_id);
                }
                Turn::Nothing => unused = Some(pass),
                Turn::NoConnection => {
                    unused = Some(pass);
                    break;
                }
            }
        }
        if let Some(pass) = unused {
            self.gate.give_back(&self.ctx, pass).await?;
        }
        Ok(())
    }

    /// Claims the e-mail of a business that has been due for longest, and sends it if it still holds.
    async fn take_turn(
        &mut self,
        business_id: BusinessId,
        pass: Pass,
        report: &mut Delivered,
    ) -> Result<Turn, ServiceError> {
        match claim::next(&self.ctx, &self.mail, business_id).await? {
            Claimed::Nothing => Ok(Turn::Nothing),
            Claimed::Ended(kind, marked) => {
                report.count(kind, marked);
                Ok(Turn::NotSent)
            }
            Claimed::ToSend(claim) => self.send(&claim, pass, report).await,
        }
    }

    async fn send(
        &mut self,
        claim: &Claim,
        pass: Pass,
        report: &mut Delivered,
    ) -> Result<Turn, ServiceError> {
        let begun = Instant::now();
        let outcome = self.mail.transport.send(&claim.message).await;
        let span = Span::current();
        span.record("email_id", display(claim.email_id));
        span.record("attempt", claim.number);
        span.record("outcome", outcome.name());
        let labels = [("outcome", outcome.name())];
        metrics::histogram!("carnet_email_attempt_seconds", &labels).record(begun.elapsed());
        let has_no_connection = self.place.note(&outcome, self.ctx.clock.now()) && !pass.is_probe;
        let noted = if has_no_connection {
            Ok(None)
        } else {
            self.gate.note(&self.ctx, pass, &outcome).await
        };
        // Whatever became of the note, the outcome is written down.
        let rests_until = noted.as_ref().copied().unwrap_or_default();
        let marked = mark::outcome(&self.ctx, claim, &outcome, rests_until).await?;
        report.count(claim.kind, marked);
        noted?;
        Ok(if has_no_connection {
            Turn::NoConnection
        } else {
            Turn::Sent
        })
    }

    /// The businesses with something due, in turn: behind the one whose turn it was last, and at first from
    /// anywhere on, so that workers do not all begin with the same one.
    async fn turns(&self) -> Result<VecDeque<BusinessId>, ServiceError> {
        let due = emails::businesses_due(self.ctx.db.reader(), self.ctx.clock.now()).await?;
        let mut turns = VecDeque::from(due);
        let had_theirs = match self.last_turn {
            Some(last) => turns.iter().take_while(|id| **id <= last).count(),
            None => rand::rng().random_range(0..turns.len().max(1)),
        };
        turns.rotate_left(had_theirs);
        Ok(turns)
    }

    /// Takes leave of the mail server.
    pub async fn close(&mut self) {
        self.mail.transport.close().await;
    }
}

impl Delivered {
    /// Takes over what another step did.
    fn add(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.postponed = self.postponed.saturating_add(other.postponed);
        self.failed = self.failed.saturating_add(other.failed);
        self.cancelled = self.cancelled.saturating_add(other.cancelled);
    }

    /// Whether the step reached its bound, so that more may be due.
    pub fn is_full(&self) -> bool {
        let ended = [self.sent, self.postponed, self.failed, self.cancelled];
        ended.into_iter().fold(0, usize::saturating_add) >= EMAILS_PER_STEP_MAX
    }

    fn count(&mut self, kind: NoticeKind, marked: Marked) {
        let (counter, outcome) = match marked {
            Marked::Sent => (&mut self.sent, "sent"),
            Marked::Postponed => (&mut self.postponed, "postponed"),
            Marked::Failed => (&mut self.failed, "failed"),
            Marked::Cancelled => (&mut self.cancelled, "cancelled"),
            Marked::Lost => return,
        };
        *counter = counter.saturating_add(1);
        let labels = [("kind", kind.as_str()), ("outcome", outcome)];
        metrics::counter!("carnet_emails_total", &labels).increment(1);
    }
}
