//! E-mails that are ready to be sent: claimed, checked, written, and their attempts on record.
//!
//! A worker takes the next one from the shelf. Whoever finds it empty makes ready as many as there are workers that
//! wait, and ahead as many as go out in a few moments at the pace of late: so where a mail server takes its time
//! nothing is made ready ahead, and where it does not, many share statements and nobody waits for them. Where
//! e-mails are counted nothing is made ready ahead either.
//!
//! What an e-mail says was true when it was made ready. One that nobody took within half a second is put back, as if
//! it had never been claimed, and so are all when the workers have ended or the mail server is away.
//!
//! What cannot be made ready together is made ready alone, by each worker for itself, so that a damaged e-mail
//! concerns itself only.

mod things;

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use tokio::sync::oneshot;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span};

use super::Mail;
use super::claim::{self, Claim, Claimed, Office};
use super::gate::{Gate, Pass};
use super::mark::{self, Marked};
use super::turns::Turns;
use crate::domain::notice::NoticeKind;
use crate::mail::message::Outgoing;
use crate::service::{Context, ServiceError};
use crate::store::emails;
use things::{FRESH_FOR, Lying, Things, Told, Waiting};

/// What became of an e-mail that was due.
#[derive(Debug)]
pub(super) enum Taken {
    /// An e-mail of this kind that is not to be sent now.
    Ended(NoticeKind, Marked),
    /// An e-mail to send.
    ToSend(Box<ToSend>),
}

/// An e-mail to send at once.
#[derive(Debug)]
pub(super) struct ToSend {
    pub(super) claim: Claim,
    pub(super) message: Outgoing,
    /// Leave to send it.
    pub(super) pass: Pass,
    /// When somebody else may have it, on the clock that nobody sets.
    pub(super) until: Instant,
    /// Its delivery, which begins here.
    pub(super) span: Span,
}

/// Where workers take e-mails from.
pub(super) struct Shelf {
    pub(super) office: Office,
    pub(super) gate: Gate,
    things: Mutex<Things>,
    /// Whoever has them makes e-mails ready.
    turns: tokio::sync::Mutex<Turns>,
}

impl Shelf {
    /// A shelf for workers that send by way of `mail`, or one like it.
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
            things: Mutex::default(),
            turns: tokio::sync::Mutex::default(),
        }
    }

    /// A further shelf for the same e-mails, as another replica would have.
    pub(super) fn another(&self) -> Self {
        Self {
            gate: self.gate.clone(),
            office: self.office.clone(),
            things: Mutex::default(),
            turns: tokio::sync::Mutex::default(),
        }
    }

    /// The next e-mail; none: nothing is due that may go out now.
    pub(super) async fn take(
        self: &Arc<Self>,
        begins: bool,
    ) -> Result<Option<Taken>, ServiceError> {
        let (answer, answered) = oneshot::channel();
        let (taken, old, is_low) = self.with(|things| {
            let old = things.remove(Lying::is_old);
            let taken = things.ready.pop_front();
            if taken.is_none() {
                things.waiting.push_back(Waiting { begins, answer });
            }
            (taken, old, things.begin_filling())
        });
        if is_low {
            let here = Arc::clone(self);
            tokio::spawn(async move {
                let mut turns = here.turns.lock().await;
                here.make_ready(&mut turns).await;
            });
        }
        self.put_back(old).await;
        if let Some(lying) = taken {
            return Ok(Some(lying.taken));
        }
        match self.wait(answered).await {
            Told::Taken(taken) => Ok(Some(taken)),
            Told::Nothing => Ok(None),
            Told::Alone => self.alone().await,
        }
    }

    /// Takes note that the mail server is done with an e-mail.
    pub(super) fn answered(&self) {
        self.with(|things| things.answered = things.answered.saturating_add(1));
    }

    /// Puts back all that nobody took.
    pub(super) async fn clear(&self) {
        // Behind whoever makes some ready.
        let _turns = self.turns.lock().await;
        let all = self.with(|things| {
            things.ahead = 0;
            things.made_at = None;
            things.remove(|_| true)
        });
        self.put_back(all).await;
    }

    /// Puts back e-mails as if they had never been claimed.
    pub(super) async fn put_back(&self, all: Vec<ToSend>) {
        if all.is_empty() {
            return;
        }
        let emails = all.len();
        let (claims, passes): (Vec<Claim>, Vec<Pass>) =
            all.into_iter().map(|it| (it.claim, it.pass)).unzip();
        let ctx = &self.office.ctx;
        let put_back = async {
            let txn = ctx.db.begin_keyed().await?;
            mark::put_back(&txn, &claims).await?;
            Ok::<_, ServiceError>(txn.commit().await?)
        };
        if let Err(error) = put_back.await {
            tracing::warn!(emails, %error, "{emails} e-mails wait until their claims run out: {error}");
        }
        self.give_back(&passes).await;
    }

    /// Gives back leave to send that was not needed. Without success it counts, and that is all.
    async fn give_back(&self, passes: &[Pass]) {
        if let Err(error) = self.gate.give_back(&self.office.ctx, passes).await {
            let count = passes.len();
            tracing::warn!(count, %error, "{count} e-mails count that were not sent: {error}");
        }
    }

    async fn wait(self: &Arc<Self>, mut answered: oneshot::Receiver<Told>) -> Told {
        let mut turns = tokio::select! {
            biased;
            Ok(told) = &mut answered => return told,
            turns = self.turns.lock() => turns,
        };
        // Whoever was here before may have served this one too.
        if let Ok(told) = answered.try_recv() {
            return told;
        }
        self.make_ready(&mut turns).await;
        // Without an answer, whoever made some ready before ended too early.
        answered.try_recv().unwrap_or(Told::Alone)
    }

    /// Makes e-mails ready for all that wait, and some ahead.
    async fn make_ready(self: &Arc<Self>, turns: &mut Turns) {
        let since = Instant::now();
        let (waiting, begins, ahead) = self.with(|things| {
            things.is_filling = false;
            things.ahead = if self.is_counted() {
                0
            } else {
                things.at_the_pace_of_late(since)
            };
            things.waiting.retain(|it| !it.answer.is_closed());
            let begins = things.waiting.iter().any(|it| it.begins);
            let ahead = things.ahead.saturating_sub(things.ready.len());
            (things.waiting.len(), begins, ahead)
        });
        let wanted = waiting.saturating_add(ahead);
        let span = debug_span!(parent: None, "mail_batch", emails = wanted);
        let made = self.together(turns, wanted, begins, self.until(since));
        let made = made.instrument(span).await;
        let is_left = self.with(|things| {
            match made {
                Ok(made) => {
                    let made = made.into_iter().map(|taken| Lying { taken, since });
                    things.ready.extend(made);
                    things.serve(waiting);
                }
                Err(error) => {
                    tracing::warn!(wanted, %error, "{waiting} workers go on alone: {error}");
                    for it in things.waiting.drain(..waiting) {
                        // A worker that is gone needs no answer.
                        let _ = it.answer.send(Told::Alone);
                    }
                }
            }
            !things.ready.is_empty()
        });
        if is_left {
            let here = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(FRESH_FOR).await;
                let old = here.with(|things| things.remove(Lying::is_old));
                here.put_back(old).await;
            });
        }
    }

    /// Whether e-mails count from when they are claimed.
    fn is_counted(&self) -> bool {
        self.gate.per_minute_max.is_some() || self.office.settings.rates.business_max.is_some()
    }

    /// Makes up to so many e-mails ready, as far as they are due and may go out.
    async fn together(
        &self,
        turns: &mut Turns,
        wanted: usize,
        begins: bool,
        until: Instant,
    ) -> Result<Vec<Taken>, ServiceError> {
        let ctx = &self.office.ctx;
        let mut passes = self.gate.ask(ctx, wanted).await?;
        let claimed = self.claim(turns, passes.len(), begins).await;
        let unused = passes.split_off(claimed.as_ref().map_or(0, |claimed| {
            let to_send = |it: &&Claimed| matches!(it, Claimed::ToSend(_));
            claimed.iter().filter(to_send).count()
        }));
        self.give_back(&unused).await;
        let mut passes = passes.into_iter();
        let taken = claimed?.into_iter().filter_map(|claimed| {
            Some(match claimed {
                Claimed::Ended(kind, marked) => Taken::Ended(kind, marked),
                Claimed::ToSend(to_send) => self.begin(*to_send, passes.next()?, until),
            })
        });
        Ok(taken.collect())
    }

    /// Begins the delivery of an e-mail that was claimed.
    fn begin(&self, (claim, message): (Claim, Outgoing), pass: Pass, until: Instant) -> Taken {
        let span = debug_span!(
            parent: None,
            "delivery",
            otel.kind = "producer",
            server.address = self.gate.name,
            email_id = Empty,
            attempt = Empty,
            outcome = Empty,
        );
        Span::current().follows_from(&span);
        Taken::ToSend(Box::new(ToSend {
            claim,
            message,
            pass,
            until,
            span,
        }))
    }

    /// When a claim that is made after `since` has surely not run out yet.
    fn until(&self, since: Instant) -> Instant {
        let lease = self.office.lease.to_std().unwrap_or_default();
        since.checked_add(lease).unwrap_or(since)
    }

    async fn claim(
        &self,
        turns: &mut Turns,
        emails: usize,
        begins: bool,
    ) -> Result<Vec<Claimed>, ServiceError> {
        if emails == 0 {
            return Ok(Vec::new());
        }
        let ctx = &self.office.ctx;
        if begins || turns.is_empty() {
            self.look(ctx.db.reader(), turns).await?;
        }
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let txn = ctx.db.begin_keyed().await?;
        let claimed = self.claim_in(&txn, turns, emails).await?;
        txn.commit().await?;
        Ok(claimed)
    }

    /// Claims so many e-mails, or as many as are due.
    async fn claim_in(
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

    /// The next e-mail for one worker by itself.
    async fn alone(&self) -> Result<Option<Taken>, ServiceError> {
        let ctx = &self.office.ctx;
        let until = self.until(Instant::now());
        let Some(pass) = self.gate.ask(ctx, 1).await?.pop() else {
            return Ok(None);
        };
        let claimed = self.claim_alone().await;
        if let Ok(Some(Claimed::ToSend(to_send))) = claimed {
            return Ok(Some(self.begin(*to_send, pass, until)));
        }
        self.give_back(&[pass]).await;
        Ok(match claimed? {
            Some(Claimed::Ended(kind, marked)) => Some(Taken::Ended(kind, marked)),
            Some(Claimed::ToSend(_)) | None => None,
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

    fn with<T>(&self, work: impl FnOnce(&mut Things) -> T) -> T {
        // Nothing that is done with them can panic half-way.
        work(&mut self.things.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
