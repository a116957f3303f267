//! Group commit: uses of credits that come at the same time share a transaction.
//!
//! A lane is a task with a bounded queue. There is no timer: as soon as its last commit is done it takes
//! what is waiting, so alone a call waits for nothing, and in a crowd many share the one wait for the disk.
//! A batch locks rows without waiting for them, decides its calls one after another on one state in memory,
//! writes them by a few statements and answers only after the commit.
//!
//! A customer's calls are always in the same lane, so lanes of one process do not get in each other's way.
//! Calls that a batch cannot decide are given back; their callers take them through the solo lane.

mod batch;
mod look_up;
mod read;
mod state;

use std::sync::{Arc, OnceLock};

use metrics::{Gauge, Histogram, Unit, describe_gauge, describe_histogram, gauge, histogram};
use sea_orm::DbBackend;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug_span};

use crate::clock::Clock;
use crate::config::LedgerSettings;
use crate::ledger::LedgerError;
use crate::ledger::submit::{Receipt, Submission};
use crate::store::db::{BATCH_LANES, Database};
use crate::store::lines::LineCache;

/// How many full batches may wait in a lane; what comes then is refused.
const BATCHES_WAITING_MAX: usize = 4;

/// How many calls shared a batch.
const BATCH_CALLS: &str = "carnet_ledger_batch_calls";
/// How long a batch took.
const BATCH_SECONDS: &str = "carnet_ledger_batch_seconds";
/// Calls that waited when a batch began.
const WAITING: &str = "carnet_ledger_waiting_calls";

/// What the committer says of a call.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// It is committed, or was earlier.
    Done(Receipt),
    /// It needs a transaction of its own.
    Solo,
}

/// A call that waits for its answer.
#[derive(Debug)]
struct Waiting {
    submission: Submission,
    answer: oneshot::Sender<Result<Answer, LedgerError>>,
    /// What it is part of.
    span: Span,
}

/// What a batch works with.
#[derive(Clone, Debug)]
struct Work {
    db: Database,
    clock: Clock,
    lines: Arc<LineCache>,
    settings: LedgerSettings,
}

/// The lanes, which run from the first call on.
#[derive(Debug)]
pub(super) struct Committer {
    work: Work,
    lanes: OnceLock<Vec<mpsc::Sender<Waiting>>>,
    tasks: TaskTracker,
    stopped: CancellationToken,
}

impl Committer {
    /// A committer on `db`; none if the settings give every call a transaction of its own.
    pub(super) fn new(db: Database, clock: Clock, settings: LedgerSettings) -> Option<Self> {
        (settings.ledger_batch_max > 1).then(|| Self {
            work: Work {
                db,
                clock,
                lines: Arc::default(),
                settings,
            },
            lanes: OnceLock::new(),
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// Gives a call to its lane and waits for the answer.
    pub(super) async fn submit(&self, submission: &Submission) -> Result<Answer, LedgerError> {
        let lanes = self.lanes.get_or_init(|| self.start());
        let Some(lane) = lane_of(submission, lanes) else {
            return Ok(Answer::Solo);
        };
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            submission: submission.clone(),
            answer,
            span: Span::current(),
        };
        match lane.try_send(waiting) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(LedgerError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => return Ok(Answer::Solo),
        }
        // A lane that ended before it answered leaves open whether the call took effect; the solo lane looks
        // that up first.
        answered.await.unwrap_or(Ok(Answer::Solo))
    }

    /// Lets the lanes finish what they have taken, and waits for them.
    pub(super) async fn stop(&self) {
        self.stopped.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn start(&self) -> Vec<mpsc::Sender<Waiting>> {
        let batch_max = usize::from(self.work.settings.ledger_batch_max);
        let waiting_max = batch_max.saturating_mul(BATCHES_WAITING_MAX);
        (0..self.work.lanes())
            .map(|number| {
                let (lane, queue) = mpsc::channel(waiting_max);
                let (work, stopped) = (self.work.clone(), self.stopped.clone());
                let meters = Meters::of(number);
                self.tasks.spawn(run(work, queue, stopped, meters));
                lane
            })
            .collect()
    }
}

impl Work {
    /// SQLite has one writer; on PostgreSQL one lane decides while the other waits for the disk.
    fn lanes(&self) -> u32 {
        if self.db.backend() == DbBackend::Postgres {
            BATCH_LANES
        } else {
            1
        }
    }
}

/// The lane of a customer.
fn lane_of<'a>(
    submission: &Submission,
    lanes: &'a [mpsc::Sender<Waiting>],
) -> Option<&'a mpsc::Sender<Waiting>> {
    let customer = submission.shareable()?.customer_id.uuid().as_u128();
    let count = u128::try_from(lanes.len()).ok()?;
    let place = usize::try_from(customer.checked_rem(count)?).ok()?;
    lanes.get(place)
}

/// What a lane tells of itself.
#[derive(Debug)]
struct Meters {
    calls: Histogram,
    seconds: Histogram,
    waiting: Gauge,
}

impl Meters {
    fn of(lane: u32) -> Self {
        describe_histogram!(BATCH_CALLS, "How many calls shared a batch.");
        describe_histogram!(BATCH_SECONDS, Unit::Seconds, "How long a batch took.");
        describe_gauge!(
            WAITING,
            "Calls that waited in a lane when its last batch began."
        );
        Self {
            calls: histogram!(BATCH_CALLS),
            seconds: histogram!(BATCH_SECONDS),
            waiting: gauge!(WAITING, "lane" => lane.to_string()),
        }
    }
}

/// Commits batch after batch, until it is stopped and its queue is empty.
async fn run(
    work: Work,
    mut queue: mpsc::Receiver<Waiting>,
    stopped: CancellationToken,
    meters: Meters,
) {
    let batch_max = usize::from(work.settings.ledger_batch_max);
    loop {
        let mut calls = Vec::new();
        let waiting = queue.recv_many(&mut calls, batch_max);
        if stopped.run_until_cancelled(waiting).await.is_none() {
            queue.close();
            queue.recv_many(&mut calls, batch_max).await;
        }
        if calls.is_empty() {
            return;
        }
        let begun = Instant::now();
        meters.calls.record(as_float(calls.len()));
        meters.waiting.set(as_float(queue.len()));
        let span = debug_span!(parent: None, "batch", calls = calls.len());
        for call in &calls {
            span.follows_from(&call.span);
        }
        let batches = async {
            if work.settings.ledger_batch_one_business {
                for calls in by_business(calls) {
                    batch::run(&work, calls).await;
                }
            } else {
                batch::run(&work, calls).await;
            }
        };
        batches.instrument(span).await;
        meters.seconds.record(begun.elapsed());
    }
}

fn as_float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The calls of each business, in the order in which they came.
fn by_business(mut calls: Vec<Waiting>) -> Vec<Vec<Waiting>> {
    calls.sort_by_key(|call| call.submission.business_id);
    let mut groups: Vec<Vec<Waiting>> = Vec::new();
    for call in calls {
        let business_id = call.submission.business_id;
        match groups.last_mut() {
            Some(group)
                if group
                    .iter()
                    .all(|it| it.submission.business_id == business_id) =>
            {
                group.push(call);
            }
            _ => groups.push(vec![call]),
        }
    }
    groups
}
