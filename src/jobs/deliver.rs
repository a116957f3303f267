//! Delivers e-mails that are due, one at a time.
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

use std::collections::VecDeque;

use tokio_util::sync::CancellationToken;

use crate::domain::notice::NoticeKind;
use crate::ids::BusinessId;
use crate::mail::reload::Templates;
use crate::mail::transport::Transport;
pub use crate::service::mailing::{MailSettings, Rates};
use crate::service::{Context, ServiceError};
use crate::store::emails;

use claim::Claimed;
use gate::Gate;
use mark::Marked;

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
    /// Whose turn it was last.
    last_turn: Option<BusinessId>,
    stop: CancellationToken,
}

impl Deliverer {
    /// Delivers the e-mails of `ctx` by way of `mail`.
    pub fn new(ctx: Context, mail: Mail) -> Self {
        let gate = Gate {
            name: mail.transport.name(),
            per_minute_max: mail.settings.rates.all_max,
            attempt_max: mail.lease(),
        };
        Self {
            ctx,
            mail,
            gate,
            last_turn: None,
            stop: CancellationToken::new(),
        }
    }

    /// Ends a step after the e-mail that it is at.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Delivers what is due, until nothing is, the transport rests, the limits of a minute are reached, or
    /// the bound of a step is.
    pub async fn step(&mut self) -> Result<Delivered, ServiceError> {
        let mut report = Delivered::default();
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
            match claim::next(&self.ctx, &self.mail, business_id).await? {
                Claimed::Nothing => unused = Some(pass),
                Claimed::Ended(kind, marked) => {
                    unused = Some(pass);
                    report.count(kind, marked);
                    turns.push_back(business_id);
                }
                Claimed::ToSend(claim) => {
                    let outcome = self.mail.transport.send(&claim.message).await;
                    let noted = self.gate.note(&self.ctx, pass, &outcome).await;
                    // Whatever became of the note, the outcome is written down.
                    let rests_until = noted.as_ref().copied().unwrap_or_default();
                    let marked = mark::outcome(&self.ctx, &claim, &outcome, rests_until).await?;
                    report.count(claim.kind, marked);
                    noted?;
                    turns.push_back(business_id);
                }
            }
        }
        if let Some(pass) = unused {
            self.gate.give_back(&self.ctx, pass).await?;
        }
        Ok(report)
    }

    /// The businesses with something due, in turn: behind the one whose turn it was last.
    async fn turns(&self) -> Result<VecDeque<BusinessId>, ServiceError> {
        let due = emails::businesses_due(self.ctx.db.reader(), self.ctx.clock.now()).await?;
        let mut turns = VecDeque::from(due);
        let had_theirs = turns
            .iter()
            .take_while(|id| self.last_turn.is_some_and(|last| **id <= last));
        let had_theirs = had_theirs.count();
        turns.rotate_left(had_theirs);
        Ok(turns)
    }

    /// Takes leave of the mail server.
    pub async fn close(&mut self) {
        self.mail.transport.close().await;
    }
}

impl Delivered {
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
