//! Where the workers of a process hand in what came of their e-mails: group commit for mail.
//!
//! What all that wait there have brought is written down in one transaction, and what comes meanwhile in the next one.
//! There is no timer: alone, a worker waits for nobody; in a crowd they share statements, and the wait for the disk. A
//! worker hands over its next text only once what came of its last e-mail is committed.
//!
//! What cannot be written together is written alone, by each worker for itself: all of a transaction that failed, and
//! outcomes that something stands in the way of ([`mark`]).

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tracing::{Instrument, debug_span};

use super::mark::{self, Done, Marked};
use crate::domain::notice::NoticeKind;
use crate::service::{Context, ServiceError};

/// A worker that waits at the desk.
struct Waiting {
    done: Arc<Done>,
    /// None: it is to be written alone.
    answer: oneshot::Sender<Option<Marked>>,
}

/// Where outcomes are handed in; a clone is the same place.
#[derive(Clone)]
pub(super) struct Desk {
    ctx: Context,
    pile: Arc<Mutex<Pile>>,
}

#[derive(Default)]
struct Pile {
    waiting: Vec<Waiting>,
    /// Whether somebody writes.
    is_served: bool,
}

impl Desk {
    pub(super) fn new(ctx: Context) -> Self {
        Self {
            ctx,
            pile: Arc::default(),
        }
    }

    /// Takes what came of an attempt, to be written down.
    pub(super) fn hand_in(&self, done: Done) -> HandedIn {
        let done = Arc::new(done);
        let (answer, answered) = oneshot::channel();
        let must_serve = self.with(|pile| {
            pile.waiting.push(Waiting {
                done: Arc::clone(&done),
                answer,
            });
            !mem::replace(&mut pile.is_served, true)
        });
        if must_serve {
            // In a task of its own: whoever came first goes when its own outcome is written.
            let desk = self.clone();
            tokio::spawn(async move { desk.serve_all().await });
        }
        HandedIn {
            ctx: self.ctx.clone(),
            done,
            answered,
        }
    }

    async fn serve_all(&self) {
        let serving = Serving(self);
        loop {
            let waiting = self.with(|pile| {
                pile.is_served = !pile.waiting.is_empty();
                mem::take(&mut pile.waiting)
            });
            if waiting.is_empty() {
                mem::forget(serving);
                return;
            }
            self.serve(waiting).await;
        }
    }

    async fn serve(&self, waiting: Vec<Waiting>) {
        let outcomes = waiting.len();
        let span = debug_span!(parent: None, "mail_outcomes", outcomes);
        for it in &waiting {
            span.follows_from(&it.done.span);
        }
        let marked = self.write(&waiting).instrument(span).await;
        let marked = marked.unwrap_or_else(|error| {
            tracing::warn!(outcomes, %error, "{outcomes} outcomes are written one by one: {error}");
            vec![None; outcomes]
        });
        for (Waiting { done, answer }, marked) in waiting.into_iter().zip(marked) {
            if let Some(marked) = marked {
                done.tell(marked);
            }
            // A worker that is gone needs no answer.
            let _ = answer.send(marked);
        }
    }

    /// Writes all that can be written together.
    async fn write(&self, waiting: &[Waiting]) -> Result<Vec<Option<Marked>>, ServiceError> {
        let done: Vec<&Done> = waiting.iter().map(|it| &*it.done).collect();
        let marked = mark::together(&self.ctx, &done).await?;
        let marked = done.iter().map(|it| marked.get(&it.claim.key()).copied());
        Ok(marked.collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Pile) -> T) -> T {
        // Nothing that is done with it can panic half-way.
        work(&mut self.pile.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came of an attempt, in other hands.
pub(super) struct HandedIn {
    ctx: Context,
    done: Arc<Done>,
    answered: oneshot::Receiver<Option<Marked>>,
}

impl HandedIn {
    /// Of which kind the e-mail is.
    pub(super) fn kind(&self) -> NoticeKind {
        self.done.claim.email.kind
    }

    /// What becomes of the e-mail, once that is written down.
    pub(super) async fn marked(self) -> Result<Marked, ServiceError> {
        // Without an answer, whoever had it ended too early.
        match self.answered.await.ok().flatten() {
            Some(marked) => Ok(marked),
            None => mark::alone(&self.ctx, &self.done).await,
        }
    }
}

/// Lets others serve, and tells those who wait, should somebody who serves end in a panic.
struct Serving<'a>(&'a Desk);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.with(|pile| *pile = Pile::default());
    }
}
