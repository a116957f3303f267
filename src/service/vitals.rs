//! Whether the jobs do their work in time: when each last finished a run, and what waits to be sent.
//!
//! It is read from the database, so any process can tell it of all. That a job is late makes no process
//! unready: whoever uses credits would have nothing of that.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::email::EmailState;
use crate::domain::notice::NoticeKind;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{emails, job_runs, transports};

/// How long after its rest a mail server that failed is known to be away: by then somebody would have tried, had there
/// been anything to send.
const AWAY_KNOWN_FOR: TimeDelta = TimeDelta::minutes(15);

/// The jobs that look often for what is due, and how long after a finished run the next is late. Where there
/// is much to do a run may take a while.
pub const JOBS: [(&str, TimeDelta); 8] = [
    ("settle", TimeDelta::minutes(15)),
    ("bulk", TimeDelta::minutes(60)),
    ("subscriptions", TimeDelta::minutes(15)),
    ("charges", TimeDelta::minutes(15)),
    ("triggers", TimeDelta::minutes(15)),
    ("mail day", TimeDelta::minutes(30)),
    ("deliver", TimeDelta::minutes(30)),
    ("retention", TimeDelta::minutes(180)),
];

/// When a job last finished a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// The job.
    pub job: &'static str,
    /// When; none: never.
    pub finished_at: Option<DateTime<Utc>>,
    /// How long ago it should have finished another one; zero: it is in time.
    pub late_by: TimeDelta,
}

/// What waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How long the e-mail is due that is due for longest; zero if none is.
    pub oldest_due: TimeDelta,
    /// How often in a row the mail server was not to be used; zero if it was, or if nobody tries any more.
    pub server_failures: i32,
    /// How many e-mails of each kind are in each state that is not their last.
    pub counts: HashMap<(NoticeKind, EmailState), u64>,
}

/// Notes that a job has finished a run.
pub async fn note_run(ctx: &Context, job: &str) -> Result<(), ServiceError> {
    let txn = ctx.db.begin().await?;
    job_runs::note(&txn, job, ctx.clock.now()).await?;
    Ok(txn.commit().await?)
}

/// When each job last finished a run; one that never did counts as if it had at `since`.
pub async fn job_runs(ctx: &Context, since: DateTime<Utc>) -> Result<Vec<JobRun>, ServiceError> {
    let finished = job_runs::all(ctx.db.reader()).await?;
    let now = ctx.clock.now();
    let runs = JOBS.iter().map(|(job, late_after)| {
        let finished_at = finished.get(*job).copied();
        let last = finished_at.map_or(since, |at| at.max(since));
        let late_by = now.signed_duration_since(last).checked_sub(late_after);
        JobRun {
            job,
            finished_at,
            late_by: late_by.unwrap_or_default().max(TimeDelta::zero()),
        }
    });
    Ok(runs.collect())
}

/// What waits to be sent.
pub async fn waiting(ctx: &Context) -> Result<Waiting, ServiceError> {
    let reader = ctx.db.reader();
    let now = ctx.clock.now();
    let oldest = emails::oldest_due(reader).await?;
    let oldest_due = oldest.map(|due_at| now.signed_duration_since(due_at));
    let known_since = now.checked_sub_signed(AWAY_KNOWN_FOR).unwrap_or(now);
    let ways = transports::all(reader).await?;
    let ways = ways.into_iter().map(|way| way.breaker);
    let away = ways.filter(|it| it.rests_until.is_some_and(|until| until > known_since));
    Ok(Waiting {
        server_failures: away.map(|it| it.failures).max().unwrap_or(0),
        oldest_due: oldest_due.unwrap_or_default().max(TimeDelta::zero()),
        counts: emails::count_waiting(reader).await?,
    })
}
