//! The workers of a process: each delivers over a connection of its own to the mail server.
//!
//! They share the work by shelves and one desk, and with other replicas by locks, leases and the gate. A run takes
//! as many of the idle ones as there are e-mails due, so that a single e-mail opens a single connection. A worker that waits for
//! a slow server does not keep the next run from the others. When nothing is left to do, all but the first take leave
//! of the server.

use std::iter;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use super::{Delivered, Deliverer, Mail};
use crate::service::{Context, ServiceError};
use crate::store::emails;

/// How many workers share a shelf at most: while one makes e-mails ready for them, another does for the others.
const WORKERS_PER_SHELF: usize = 8;

/// The workers of a process.
pub struct Workers {
    ctx: Context,
    workers: Vec<Worker>,
}

/// One worker, locked while it is at work.
struct Worker {
    deliverer: Arc<Mutex<Deliverer>>,
    connection: Connection,
}

/// What becomes of a worker's connection when nothing is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Kept,
    Closed,
}

impl Workers {
    /// A worker for each way out, all to one server and with the settings of the first. Once `stop` is cancelled, each ends after the e-mail that it is at.
    pub fn new(ctx: &Context, mails: Vec<Mail>, stop: &CancellationToken) -> Self {
        let mut all: Vec<Deliverer> = Vec::with_capacity(mails.len());
        for mail in mails {
            let worker = match all.last() {
                None => Deliverer {
                    stop: stop.clone(),
                    ..Deliverer::new(ctx.clone(), mail)
                },
                Some(last) if all.len().is_multiple_of(WORKERS_PER_SHELF) => {
                    last.apart(mail.transport)
                }
                Some(last) => last.beside(mail.transport),
            };
            all.push(worker);
        }
        let connections = iter::once(Connection::Kept).chain(iter::repeat(Connection::Closed));
        let workers = all.into_iter().zip(connections);
        Self {
            ctx: ctx.clone(),
            workers: workers.map(|(it, kept)| Worker::new(it, kept)).collect(),
        }
    }

    /// Delivers with those that are idle until nothing is due that may go out; nothing if none is idle.
    ///
    /// # Errors
    /// The first one, after all have ended.
    pub async fn run(&self) -> Result<Option<Delivered>, ServiceError> {
        let now = self.ctx.clock.now();
        let idle: Vec<_> = self
            .workers
            .iter()
            .filter_map(|worker| Some((worker.idle()?, worker.connection)))
            .filter(|(deliverer, _)| !deliverer.place.rests(now))
            .collect();
        if idle.is_empty() {
            return Ok(None);
        }
        let due = emails::count_due(self.ctx.db.reader(), now, idle.len()).await?;
        let runs = idle.into_iter().take(due);
        // In tasks of their own: whoever gives up waiting for them cuts none off.
        let runs =
            runs.map(|(deliverer, connection)| tokio::spawn(Box::pin(work(deliverer, connection))));
        let mut report = Delivered::default();
        let mut failed = None;
        for ended in join_all(runs).await {
            match ended {
                Ok(Ok(delivered)) => report.add(delivered),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(error) => tracing::error!(%error, "a worker ended in a panic: {error}"),
            }
        }
        failed.map_or(Ok(Some(report)), Err)
    }

    /// Takes leave of the mail server.
    pub async fn close(&self) {
        let close = |worker: &Worker| {
            let deliverer = Arc::clone(&worker.deliverer);
            async move { deliverer.lock().await.close().await }
        };
        join_all(self.workers.iter().map(close)).await;
    }
}

impl Worker {
    fn new(deliverer: Deliverer, connection: Connection) -> Self {
        Self {
            deliverer: Arc::new(Mutex::new(deliverer)),
            connection,
        }
    }

    /// What it delivers with, unless it is at work.
    fn idle(&self) -> Option<OwnedMutexGuard<Deliverer>> {
        Arc::clone(&self.deliverer).try_lock_owned().ok()
    }
}

async fn work(
    mut deliverer: OwnedMutexGuard<Deliverer>,
    connection: Connection,
) -> Result<Delivered, ServiceError> {
    let mut report = Delivered::default();
    loop {
        let step = deliverer.step().await?;
        report.add(step);
        if !step.is_full() || deliverer.stop.is_cancelled() {
            break;
        }
    }
    if connection == Connection::Closed {
        deliverer.close().await;
    }
    Ok(report)
}
