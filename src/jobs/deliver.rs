//! Delivers e-mails that are due, one at a time over each connection.
//!
//! Claim: the row is locked, every notice checked again, the text rendered if it never was, and the
//! attempt written and committed. Then the first byte goes out, without any transaction. Mark: the
//! outcome is written, for the e-mail only if the claim still stands. A process that ends in between
//! leaves a lease that runs out; the attempt then counts as one whose outcome is unknown, and the
//! e-mail is sent again under the same Message-ID. So none is lost, and none is sent twice except where
//! the answer to the final dot never came, or the process ended before it was written down (G7).
//!
//! Each worker of a process sends one e-mail at a time. They claim together, from a shelf (`shelf`), and mark
//! together, at one desk (`desk`), so that in a crowd many share a transaction. While what came of an e-mail is
//! written down its worker begins the next dialogue, but hands over no text before that is committed: a process that
//! ends leaves no more than one e-mail of each worker whose outcome is not on record. Nor is any text handed over
//! once the claim has run out, however long the process stood still, for then somebody else may have the e-mail.
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
mod shelf;
mod turns;
mod workers;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::try_join;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::display;

use crate::domain::notice::NoticeKind;
use crate::mail::reload::Templates;
use crate::mail::transport::{Leave, Outcome, Transport};
pub use crate::service::mailing::{MailSettings, Rates};
use crate::service::{Context, ServiceError};

use desk::{Desk, HandedIn};
use mark::{Done, Marked};
use place::Place;
use shelf::{Shelf, Taken, ToSend};
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

/// Whether a worker goes on with its step.
enum GoesOn {
    Yes,
    /// It has no connection, while other workers have theirs.
    No,
}

/// Delivers e-mails over one transport.
pub struct Deliverer {
    shelf: Arc<Shelf>,
    desk: Desk,
    transport: Transport,
    place: Place,
    stop: CancellationToken,
}

impl Deliverer {
    /// Delivers the e-mails of `ctx` by way of `mail`.
    pub fn new(ctx: Context, mail: Mail) -> Self {
        let shelf = Arc::new(Shelf::of(ctx.clone(), &mail));
        let desk = Desk::new(ctx);
        let (place, stop) = (Place::default(), CancellationToken::new());
        Self {
            shelf,
            desk,
            transport: mail.transport,
            place,
            stop,
        }
    }

    /// One more worker with the shelf and the desk of this one.
    fn beside(&self, transport: Transport) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
            desk: self.desk.clone(),
            transport,
            place: self.place.beside(),
            stop: self.stop.clone(),
        }
    }

    /// One more worker with the desk of this one, and the first at a shelf of its own.
    fn apart(&self, transport: Transport) -> Self {
        Self {
            shelf: Arc::new(self.shelf.another()),
            ..self.beside(transport)
        }
    }

    /// Delivers what is due, until nothing is, the transport rests, the limits of a minute are reached, or
    /// the bound of a step is.
    pub async fn step(&mut self) -> Result<Delivered, ServiceError> {
        let mut report = Delivered::default();
        let delivered = self.deliver(&mut report).await;
        self.place.leave();
        if !report.is_full() {
            self.shelf.clear().await;
        }
        delivered.map(|()| report)
    }

    async fn deliver(&mut self, report: &mut Delivered) -> Result<(), ServiceError> {
        // Before any transaction: the first time, this takes longer than others should wait for the database.
        self.shelf.office.templates.current()?;
        let mut last = None;
        let delivered = self.deliver_each(report, &mut last).await;
        let written = report.settle(last).await;
        delivered.and(written)
    }

    /// Leaves behind what came of the last e-mail.
    async fn deliver_each(
        &mut self,
        report: &mut Delivered,
        last: &mut Option<HandedIn>,
    ) -> Result<(), ServiceError> {
        for index in 0..EMAILS_PER_STEP_MAX {
            if self.stop.is_cancelled() {
                break;
            }
            match self.shelf.take(index == 0).await? {
                None => break,
                Some(Taken::Ended(kind, marked)) => report.count(kind, marked),
                Some(Taken::ToSend(to_send)) => {
                    let span = to_send.span.clone();
                    let sent = self.send_after(report.settle(last.take()), *to_send);
                    let (done, goes_on) = Box::pin(sent).instrument(span).await?;
                    *last = Some(self.desk.hand_in(done));
                    if let GoesOn::No = goes_on? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends an e-mail, its text only once what came of the last one is written down. If that cannot be, the e-mail
    /// is put back.
    async fn send_after(
        &mut self,
        last_written: impl Future<Output = Result<(), ServiceError>>,
        to_send: ToSend,
    ) -> Result<(Done, Result<GoesOn, ServiceError>), ServiceError> {
        let begun = Instant::now();
        let (give_leave, from) = oneshot::channel();
        let last_written = async {
            last_written.await?;
            // Nobody needs leave whose dialogue has ended.
            let _ = give_leave.send(());
            Ok(())
        };
        let until = to_send.until;
        let sending = async {
            let leave = Leave { from, until };
            let outcome = self.transport.send(&to_send.message, leave).await;
            self.shelf.answered();
            Ok(outcome)
        };
        match try_join(last_written, sending).await {
            Ok(((), outcome)) => {
                let labels = [("outcome", outcome.name())];
                metrics::histogram!("carnet_email_attempt_seconds", &labels)
                    .record(begun.elapsed());
                Ok(self.note(to_send, outcome).await)
            }
            Err(error) => {
                self.shelf.put_back(vec![to_send]).await;
                Err(error)
            }
        }
    }

    /// Takes note of what came of an e-mail, which comes back whatever fails then.
    async fn note(
        &mut self,
        to_send: ToSend,
        outcome: Outcome,
    ) -> (Done, Result<GoesOn, ServiceError>) {
        let ToSend {
            claim, pass, span, ..
        } = to_send;
        span.record("email_id", display(claim.email.id));
        span.record("attempt", claim.number);
        span.record("outcome", outcome.name());
        let has_no_connection = self.place.note(&outcome, self.ctx().clock.now()) && !pass.is_probe;
        let gate = &self.shelf.gate;
        let noted = if has_no_connection {
            gate.give_back(self.ctx(), &[pass]).await.map(|()| None)
        } else {
            gate.note(self.ctx(), pass, &outcome).await
        };
        let rests_until = noted.as_ref().copied().unwrap_or_default();
        if rests_until.is_some() {
            self.shelf.clear().await;
        }
        let goes_on = noted.map(|_| {
            if has_no_connection {
                GoesOn::No
            } else {
                GoesOn::Yes
            }
        });
        let done = Done {
            claim,
            outcome,
            rests_until,
            span,
        };
        (done, goes_on)
    }

    fn ctx(&self) -> &Context {
        &self.shelf.office.ctx
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

    /// Waits until what came of an e-mail is written down, and counts it.
    async fn settle(&mut self, last: Option<HandedIn>) -> Result<(), ServiceError> {
        if let Some(last) = last {
            self.count(last.kind(), last.marked().await?);
        }
        Ok(())
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
