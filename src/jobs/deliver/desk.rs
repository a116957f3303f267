//! The desk of a process's workers: group commit for mail.
//!
//! A worker comes to the desk with what came of its last e-mail, and gets its next one. Whoever finds the desk free
//! does there what all that wait want, in one transaction: their outcomes are marked, then as many e-mails claimed as
//! they ask for. There is no timer: alone, a worker waits for nothing; in a crowd they share statements, and the
//! wait for the disk. A worker gets its next e-mail only with the commit of what came of its last one, and nothing is
//! claimed but for a worker that sends it at once.
//!
//! What cannot be done together is done alone, by each worker for itself: all of a transaction that failed, so that a
//! damaged e-mail concerns itself only, and outcomes that something stands in the way of ([`mark`]).

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use tokio::sync::oneshot;
use tracing::{Instrument, Span, debug_span};

use super::Mail;
use super::claim::{self, Claimed, Office};
use super::gate::{Gate, Pass};
use super::mark::{self, Done, Marked};
use super::turns::Turns;
use crate::service::{Context, ServiceError};
use crate::store::emails;

/// What a worker comes with.
#[derive(Debug)]
pub(super) struct Visit {
    /// What came of its last e-mail.
    pub(super) done: Option<Done>,
    pub(super) wish: Wish,
    /// Leave to send that it has already.
    pub(super) pass: Option<Pass>,
    /// The delivery that begins with it.
    pub(super) span: Span,
}

/// What a worker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No e-mail.
    Nothing,
    /// The first e-mail of a step, which begins with a look at whose e-mails are due.
    First,
    /// Another one.
    Next,
}

/// What it gets.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// What became of its last e-mail.
    pub(super) marked: Option<Marked>,
    /// What became of an e-mail that was due; none: nothing is due that may go out now.
    pub(super) claimed: Option<Claimed>,
    /// Leave to send, whether it is needed or not.
    pub(super) pass: Option<Pass>,
}

/// How a visit was served.
enum Served {
    Together(Reply),
    /// Not yet: that is for the worker alone, which has this leave to send.
    Alone(Option<Pass>),
}

/// A worker that waits at the desk.
struct Waiting {
    visit: Arc<Visit>,
    /// Leave to send.
    pass: Option<Pass>,
    answer: oneshot::Sender<Served>,
}

/// Where the workers of a process come together.
pub(super) struct Desk {
    pub(super) office: Office,
    pub(super) gate: Gate,
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever has them is at the desk.
    turns: tokio::sync::Mutex<Turns>,
}

impl Desk {
    /// A desk for workers that send by way of `mail`, or one like it.
    pub(super) fn of(ctx: Context, mail: &Mail) -> Self {
        let lease = mail.lease();
        Self {
            gate: Gate {
                name: mail.transport.name(),
                per_minute_max: mail.settings.rates.all_max,
                attempt_max: lease,
            },
            office: Office {
                ctx,
                settings: mail.settings.clone(),
                templates: mail.templates.clone(),
                lease,
            },
            waiting: Mutex::default(),
            turns: tokio::sync::Mutex::default(),
        }
    }

    /// Writes down what came of a worker's last e-mail, and claims the next one for it.
    pub(super) async fn serve(&self, visit: Visit) -> Result<Reply, ServiceError> {
        let visit = Arc::new(visit);
        match self.together(&visit).await {
            Served::Together(reply) => Ok(reply),
            Served::Alone(pass) => self.alone(&visit, pass).await,
        }
    }

    async fn together(&self, visit: &Arc<Visit>) -> Served {
        let (answer, mut answered) = oneshot::channel();
        self.with_waiting(|waiting| {
            waiting.push(Waiting {
                visit: Arc::clone(visit),
                pass: visit.pass,
                answer,
            });
        });
        let mut turns = self.turns.lock().await;
        // Whoever was here before may have served this one too.
        if let Ok(served) = answered.try_recv() {
            return served;
        }
        let mut waiting = self.with_waiting(mem::take);
        let span = debug_span!(parent: None, "mail_batch", visits = waiting.len());
        for Waiting { visit, .. } in &waiting {
            span.follows_from(&visit.span);
            if let Some(done) = &visit.done {
                span.follows_from(&done.span);
            }
        }
        let served = self.work(&mut turns, &mut waiting).instrument(span).await;
        for (Waiting { answer, .. }, served) in waiting.into_iter().zip(served) {
            // A worker that is gone needs no answer.
            let _ = answer.send(served);
        }
        // Without an answer, whoever had the visit ended before it was done.
        let served = answered.try_recv();
        served.unwrap_or(Served::Alone(visit.pass))
    }

    /// Serves those that wait: all of them, or none.
    async fn work(&self, turns: &mut Turns, waiting: &mut [Waiting]) -> Vec<Served> {
        let served = match self.give_leave(waiting).await {
            Ok(()) => self.attempt(turns, waiting).await,
            Err(error) => Err(error),
        };
        served.unwrap_or_else(|error| {
            let visits = waiting.len();
            tracing::warn!(visits, %error, "{visits} workers go on alone: {error}");
            let passes = waiting.iter().map(|it| it.pass);
            passes.map(Served::Alone).collect()
        })
    }

    /// Asks for leave to send for those who need it.
    async fn give_leave(&self, waiting: &mut [Waiting]) -> Result<(), ServiceError> {
        let need = |it: &&mut Waiting| it.wants_email() && it.pass.is_none();
        let needed = waiting.iter_mut().filter(need).count();
        let passes = self.gate.ask(&self.office.ctx, needed).await?;
        for (it, pass) in waiting.iter_mut().filter(need).zip(passes) {
            it.pass = Some(pass);
        }
        Ok(())
    }

    async fn attempt(
        &self,
        turns: &mut Turns,
        waiting: &[Waiting],
    ) -> Result<Vec<Served>, ServiceError> {
        let ctx = &self.office.ctx;
        let done = waiting.iter().filter_map(|it| it.visit.done.as_ref());
        let done: Vec<&Done> = done.collect();
        let may_claim = waiting.iter().any(Waiting::may_send);
        let begins = waiting.iter().any(|it| it.visit.wish == Wish::First);
        if may_claim && (begins || turns.is_empty()) {
            self.look(ctx.db.reader(), turns).await?;
        }
        if done.is_empty() && (!may_claim || turns.is_empty()) {
            let passes = waiting.iter().map(|it| it.pass);
            return Ok(passes.map(Reply::of).map(Served::Together).collect());
        }
        let txn = ctx.db.begin().await?;
        let marked = mark::together(ctx, &txn, &done).await?;
        let is_marked = |it: &Waiting| {
            let done = it.visit.done.as_ref();
            done.is_none_or(|done| marked.contains_key(&done.claim.key()))
        };
        let gets_email = waiting.iter();
        let gets_email = gets_email.map(|it| it.may_send() && is_marked(it));
        let gets_email: Vec<bool> = gets_email.collect();
        let emails = gets_email.iter().filter(|gets_email| **gets_email).count();
        let mut claimed = self.claim(&txn, turns, emails).await?.into_iter();
        txn.commit().await?;
        let served = waiting.iter().zip(gets_email).map(|(it, gets_email)| {
            if !is_marked(it) {
                return Served::Alone(it.pass);
            }
            let marked = it.visit.done.as_ref().and_then(|done| {
                let marked = *marked.get(&done.claim.key())?;
                done.tell(marked);
                Some(marked)
            });
            Served::Together(Reply {
                marked,
                claimed: if gets_email { claimed.next() } else { None },
                pass: it.pass,
            })
        });
        Ok(served.collect())
    }

    /// Claims so many e-mails, or as many as are due.
    async fn claim(
        &self,
        txn: &DatabaseTransaction,
        turns: &mut Turns,
        emails: usize,
    ) -> Result<Vec<Claimed>, ServiceError> {
        let mut claimed = Vec::with_capacity(emails);
        let mut may_look = true;
        while claimed.len() < emails {
            let missing = emails.saturating_sub(claimed.len());
            let shares = turns.share(missing);
            if shares.is_empty() {
                if !mem::take(&mut may_look) {
                    break;
                }
                self.look(txn, turns).await?;
            }
            for (business_id, share) in shares {
                let found = claim::together(&self.office, txn, business_id, share).await?;
                if found.len() < share {
                    turns.end(business_id);
                }
                claimed.extend(found);
            }
        }
        Ok(claimed)
    }

    /// Looks whose e-mails are due.
    async fn look(&self, db: &impl ConnectionTrait, turns: &mut Turns) -> Result<(), ServiceError> {
        turns.renew(emails::businesses_due(db, self.office.ctx.clock.now()).await?);
        Ok(())
    }

    /// The same for one worker by itself.
    async fn alone(&self, visit: &Visit, pass: Option<Pass>) -> Result<Reply, ServiceError> {
        let ctx = &self.office.ctx;
        let marked = match &visit.done {
            Some(done) => Some(mark::alone(ctx, done).await?),
            None => None,
        };
        let wants_email = visit.wish != Wish::Nothing;
        let pass = match pass {
            None if wants_email => self.gate.ask(ctx, 1).await?.pop(),
            pass => pass,
        };
        let claimed = if wants_email && pass.is_some() {
            self.claim_alone().await?
        } else {
            None
        };
        Ok(Reply {
            marked,
            claimed,
            pass,
        })
    }

    async fn claim_alone(&self) -> Result<Option<Claimed>, ServiceError> {
        let mut may_look = true;
        loop {
            let next = self.turns.lock().await.share(1);
            if let Some((business_id, _)) = next.first() {
                if let Some(claimed) = claim::alone(&self.office, *business_id).await? {
                    return Ok(Some(claimed));
                }
                self.turns.lock().await.end(*business_id);
            } else if mem::take(&mut may_look) {
                let mut turns = self.turns.lock().await;
                self.look(self.office.ctx.db.reader(), &mut turns).await?;
            } else {
                return Ok(None);
            }
        }
    }

    fn with_waiting<T>(&self, work: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
        // Nothing that is done with it can panic half-way.
        work(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Waiting {
    /// Whether it is still there to send an e-mail that it gets.
    fn wants_email(&self) -> bool {
        self.visit.wish != Wish::Nothing && !self.answer.is_closed()
    }

    /// Whether it may send one too.
    fn may_send(&self) -> bool {
        self.wants_email() && self.pass.is_some()
    }
}

impl Reply {
    /// Nothing but leave to send.
    fn of(pass: Option<Pass>) -> Self {
        Self {
            pass,
            ..Self::default()
        }
    }
}
