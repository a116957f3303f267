//! Delivers e-mails that are due, one at a time over each connection.
//!
//! Claim: the row is locked, every notice checked again, the text rendered if it never was, and the
//! attempt written and committed. Then the first byte goes out, without any transaction. Mark: the
//! outcome is written, for the e-mail only if the claim still stands. A process that ends in between
//! leaves a lease that runs out; the attempt then counts as one whose outcome is unknown, and the
//! e-mail is sent again under the same Message-ID. So none is lost, and none is sent twice except where
//! the answer to the final dot never came, or the process ended before it was written down (G7).
//!
//! Each worker of a process has one e-mail at a time; they mark and claim together, at one desk (`desk`), so that in
//! a crowd many share a transaction.
//!
//! A failure before any recipient was named says nothing about the e-mail: the transport rests, for all
//! replicas and for a time that grows, and it costs no attempt (semantics 45). Businesses take turns (`turns`), so
//! that one with many e-mails holds up no other.

mod claim;
mod compose;
mod desk;
mod facts;
mod gate;
mod mark;
mod place;
mod turns;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, debug_span};

use crate::domain::notice::NoticeKind;
use crate::mail::message::Outgoing;
use crate::mail::reload::Templates;
use crate::mail::transport::Transport;
pub use crate::service::mailing::{MailSettings, Rates};
use crate::service::{Context, ServiceError};

use claim::{Claim, Claimed};
use desk::{Desk, Visit, Wish};
use gate::Pass;
use mark::{Done, Marked};
use place::Place;
pub use workers::Workers;

/// How many e-mails one step takes on.
const EMAILS_PER_STEP_MAX: usize = 200;
/// What a lease lasts beyond the longest attempt, as a part of it: time to write the outcome down, and
/// for clocks that are apart.
const LEASE_SLACK_PART: u32 = 20;
/// The least that it lasts beyond the longest attempt.
const LEASE_SLACK_MIN: Duration = Duration::from_secs(10);

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

/// What a worker has in its hands.
#[derive(Default)]
struct Hands {
    /// What came of its last e-mail, until that is written down.
    done: Option<Done>,
    /// Leave to send.
    pass: Option<Pass>,
}

/// Whether a worker goes on with its step.
enum GoesOn {
    Yes,
    /// It has no connection, while other workers have theirs.
    No,
}

/// Delivers e-mails over one transport.
pub struct Deliverer {
    desk: Arc<Desk>,
    transport: Transport,
    place: Place,
    stop: CancellationToken,
}

impl Deliverer {
    /// Delivers the e-mails of `ctx` by way of `mail`.
    pub fn new(ctx: Context, mail: Mail) -> Self {
        let desk = Arc::new(Desk::of(ctx, &mail));
        let stop = CancellationToken::new();
        Self::among(desk, mail.transport, Place::default(), stop)
    }

    /// The same as one of several workers that share a desk; ends a step after the e-mail that it is at once `stop`
    /// is cancelled.
    fn among(desk: Arc<Desk>, transport: Transport, place: Place, stop: CancellationToken) -> Self {
        Self {
            desk,
            transport,
            place,
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
        // Before any transaction: the first time, this takes longer than others should wait for the database.
        self.desk.office.templates.current()?;
        let mut hands = Hands::default();
        let mut wish = Wish::First;
        let mut noted = Ok(());
        for _ in 0..EMAILS_PER_STEP_MAX {
            if self.stop.is_cancelled() {
                break;
            }
            let span = self.delivery();
            let visited = self.visit(&mut hands, wish, span.clone(), report);
            wish = Wish::Next;
            match visited.await? {
                None => break,
                Some(Claimed::Ended(kind, marked)) => report.count(kind, marked),
                Some(Claimed::ToSend(to_send)) => {
                    let (claim, message) = *to_send;
                    let sent = self.send(claim, &message, &mut hands);
                    match sent.instrument(span).await {
                        Ok(GoesOn::Yes) => {}
                        Ok(GoesOn::No) => break,
                        Err(error) => {
                            noted = Err(error);
                            break;
                        }
                    }
                }
            }
        }
        if hands.done.is_some() {
            let span = Span::none();
            self.visit(&mut hands, Wish::Nothing, span, report).await?;
        }
        if let Some(unused) = hands.pass {
            self.desk.gate.give_back(self.ctx(), unused).await?;
        }
        noted
    }

    /// Hands in at the desk what came of the last e-mail, and gets the next one.
    async fn visit(
        &self,
        hands: &mut Hands,
        wish: Wish,
        span: Span,
        report: &mut Delivered,
    ) -> Result<Option<Claimed>, ServiceError> {
        let kind = hands.done.as_ref().map(|done| done.claim.email.kind);
        let visit = Visit {
            done: hands.done.take(),
            wish,
            pass: hands.pass.take(),
            span,
        };
        let reply = self.desk.serve(visit).await?;
        if let (Some(kind), Some(marked)) = (kind, reply.marked) {
            report.count(kind, marked);
        }
        hands.pass = reply.pass;
        Ok(reply.claimed)
    }

    /// Sends an e-mail that was claimed. Whatever fails then, its outcome is in hand.
    async fn send(
        &mut self,
        claim: Claim,
        message: &Outgoing,
        hands: &mut Hands,
    ) -> Result<GoesOn, ServiceError> {
        let begun = Instant::now();
        let outcome = self.transport.send(message).await;
        let span = Span::current();
        span.record("email_id", display(claim.email.id));
        span.record("attempt", claim.number);
        span.record("outcome", outcome.name());
        let labels = [("outcome", outcome.name())];
        metrics::histogram!("carnet_email_attempt_seconds", &labels).record(begun.elapsed());
        let is_probe = hands.pass.is_some_and(|pass| pass.is_probe);
        let has_no_connection = self.place.note(&outcome, self.ctx().clock.now()) && !is_probe;
        let noted = match hands.pass.take_if(|_| !has_no_connection) {
            Some(pass) => self.desk.gate.note(self.ctx(), pass, &outcome).await,
            None => Ok(None),
        };
        hands.done = Some(Done {
            claim,
            outcome,
            rests_until: noted.as_ref().copied().unwrap_or_default(),
            span,
        });
        noted?;
        Ok(if has_no_connection {
            GoesOn::No
        } else {
            GoesOn::Yes
        })
    }

    fn delivery(&self) -> Span {
        debug_span!(
            parent: None,
            "delivery",
            otel.kind = "producer",
            server.address = self.desk.gate.name,
            email_id = Empty,
            attempt = Empty,
            outcome = Empty,
        )
    }

    fn ctx(&self) -> &Context {
        &self.desk.office.ctx
    }

    /// Takes leave of the mail server.
    pub async fn close(&mut self) {
        self.transport.close().await;
    }
}

impl Mail {
    /// How long a claim has its e-mail.
    fn lease(&self) -> TimeDelta {
        let longest = self.transport.attempt_max();
        let slack = longest.checked_div(LEASE_SLACK_PART).unwrap_or_default();
        let lease = longest.saturating_add(slack.max(LEASE_SLACK_MIN));
        TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX)
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
