//! Wakes the jobs. The schedule is a heartbeat in UTC and nothing more: what is due comes from rows, so
//! missed and double beats, clock changes and several replicas do no harm.
//!
//! The library has no guard against overlap and does not wait for what it started when it stops; both
//! are done here. A job that is still at work when its next beat comes is left to it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deliver::{Mail, Workers};
use super::{bulk, charges, mail_day, retention, settle, subscriptions, triggers, verify};
use crate::config::{RetentionSettings, TimeOfDay};
use crate::service::{Context, ServiceError, vitals};

/// When lots are settled; seconds come first.
const SETTLE: &str = "7 * * * * *";
/// When it is looked for runs to go on with.
const BULK: &str = "*/5 * * * * *";
/// When periods of subscriptions are marked due.
const SUBSCRIPTIONS: &str = "12 * * * * *";
/// When charge requests are marked as timed out.
const CHARGES: &str = "22 * * * * *";
/// When triggers act on what has happened.
const TRIGGERS: &str = "17,47 * * * * *";
/// When it is looked whether a mail day is due.
const MAIL_DAY: &str = "2 * * * * *";
/// When e-mails are delivered.
const DELIVER: &str = "*/5 * * * * *";
/// When what is over is removed: every hour.
const RETENTION: &str = "42 9 * * * *";
/// When it is looked whether all of them finish their runs in time.
const WATCH: &str = "33 * * * * *";
/// How often it is noted that a job has finished a run.
const NOTE_EVERY: TimeDelta = TimeDelta::minutes(1);
/// How long a stop waits for the jobs at work. An e-mail that is cut off then is sent again once its
/// lease has run out.
const STOP_MAX: Duration = Duration::from_secs(20);

/// The jobs, running by themselves.
pub struct Scheduler {
    heartbeat: JobScheduler,
    bodies: TaskTracker,
    stop: CancellationToken,
    jobs: Arc<Jobs>,
}

/// The work of each job behind a lock of its own, which keeps it from overlapping itself; each of the workers
/// that deliver has one.
struct Jobs {
    ctx: Context,
    keep: RetentionSettings,
    settle: Mutex<()>,
    bulk: Mutex<()>,
    subscriptions: Mutex<()>,
    charges: Mutex<()>,
    triggers: Mutex<()>,
    mail_day: Mutex<()>,
    workers: Workers,
    retention: Mutex<()>,
    verify: Mutex<()>,
    runs: Mutex<Runs>,
    stop: CancellationToken,
}

/// What this process knows of the runs of jobs.
#[derive(Default)]
struct Runs {
    /// Which were noted last, and when.
    noted: HashMap<&'static str, DateTime<Utc>>,
    /// Which are late, as the log says.
    late: HashSet<&'static str>,
    /// Since when it looks.
    since: DateTime<Utc>,
}

type Body = for<'a> fn(&'a Jobs) -> BoxFuture<'a, Result<Beat, ServiceError>>;

/// What a job made of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beat {
    /// It finished a run.
    Finished,
    /// It is still at work on an earlier one.
    Busy,
}

/// The jobs that look often for what is due: name, beat, and what each does.
const JOBS: [(&str, &str, Body); 9] = [
    ("settle", SETTLE, |jobs| Box::pin(jobs.settle())),
    ("bulk", BULK, |jobs| Box::pin(jobs.bulk())),
    ("subscriptions", SUBSCRIPTIONS, |jobs| {
        Box::pin(jobs.subscriptions())
    }),
    ("charges", CHARGES, |jobs| Box::pin(jobs.charges())),
    ("triggers", TRIGGERS, |jobs| Box::pin(jobs.triggers())),
    ("mail day", MAIL_DAY, |jobs| Box::pin(jobs.mail_day())),
    ("deliver", DELIVER, |jobs| Box::pin(jobs.deliver())),
    ("retention", RETENTION, |jobs| Box::pin(jobs.retention())),
    ("watch", WATCH, |jobs| Box::pin(jobs.watch())),
];

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Runs every job once, one after the other, and from then on with the beat; e-mails go out by all of
    /// `mails`. The ledger is proved only at its time: a restart is no reason to read all of it.
    ///
    /// # Errors
    /// The library could not start.
    pub async fn start(
        ctx: Context,
        mails: Vec<Mail>,
        keep: RetentionSettings,
        verify_at: TimeOfDay,
    ) -> Result<Self, JobSchedulerError> {
        let stop = CancellationToken::new();
        let jobs = Arc::new(Jobs {
            settle: Mutex::new(()),
            bulk: Mutex::new(()),
            subscriptions: Mutex::new(()),
            charges: Mutex::new(()),
            triggers: Mutex::new(()),
            mail_day: Mutex::new(()),
            workers: Workers::new(&ctx, mails, &stop),
            retention: Mutex::new(()),
            verify: Mutex::new(()),
            runs: Mutex::new(Runs {
                since: ctx.clock.now(),
                ..Runs::default()
            }),
            ctx,
            keep,
            stop: stop.clone(),
        });
        let bodies = TaskTracker::new();
        let first = Arc::clone(&jobs);
        bodies.spawn(async move {
            for (name, _, body) in JOBS {
                run(&first, name, body).await;
            }
        });
        let heartbeat = JobScheduler::new().await?;
        let often = JOBS.map(|(name, beat, body)| (name, beat.to_owned(), body));
        let nightly: Option<(&'static str, String, Body)> =
            beat_of(verify_at).map(|beat| -> (&'static str, _, Body) {
                ("verify", beat, |jobs| Box::pin(jobs.verify()))
            });
        for (name, beat, body) in often.into_iter().chain(nightly) {
            let (jobs, bodies) = (Arc::clone(&jobs), bodies.clone());
            let job = Job::new(beat.as_str(), move |_, _| {
                if !bodies.is_closed() {
                    let jobs = Arc::clone(&jobs);
                    bodies.spawn(async move { run(&jobs, name, body).await });
                }
            })?;
            heartbeat.add(job).await?;
        }
        heartbeat.start().await?;
        Ok(Self {
            heartbeat,
            bodies,
            stop,
            jobs,
        })
    }

    /// Begins no job any more and waits for those at work, for a bounded time.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.bodies.close();
        if let Err(error) = self.heartbeat.shutdown().await {
            tracing::warn!(%error, "the heartbeat did not stop: {error}");
        }
        if tokio::time::timeout(STOP_MAX, self.bodies.wait())
            .await
            .is_err()
        {
            tracing::warn!("a job was still at work after {STOP_MAX:?} and was left");
            return;
        }
        self.jobs.workers.close().await;
    }
}

/// The beat of what runs once a day; seconds come first.
fn beat_of(time: TimeOfDay) -> Option<String> {
    match time {
        TimeOfDay::Never => None,
        TimeOfDay::At { hour, minute } => Some(format!("0 {minute} {hour} * * *")),
    }
}

/// Runs a job and says if it failed; the next beat tries again.
async fn run(jobs: &Jobs, name: &'static str, body: Body) {
    // A clock that is apart from the database's, or no database: no jobs (design section 3).
    if let Err(cause) = jobs.ctx.readiness.get() {
        let cause = cause.as_str();
        tracing::debug!(cause, "the job {name} is put off: {cause}");
        return;
    }
    match body(jobs).await {
        Ok(Beat::Busy) => {}
        Ok(Beat::Finished) => jobs.note(name).await,
        Err(error @ (ServiceError::Unavailable(_) | ServiceError::Contention(_))) => {
            tracing::warn!(%error, "the job {name} is put off: {error}");
        }
        Err(error) => tracing::error!(%error, "the job {name} failed: {error}"),
    }
}

impl Jobs {
    async fn settle(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.settle.try_lock() else {
            return Ok(Beat::Busy);
        };
        settle::step(&self.ctx).await?;
        Ok(Beat::Finished)
    }

    async fn bulk(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.bulk.try_lock() else {
            return Ok(Beat::Busy);
        };
        // Each step gives every run its part, so long ones need many.
        while bulk::step(&self.ctx).await?.unfinished > 0 && !self.stop.is_cancelled() {}
        Ok(Beat::Finished)
    }

    async fn subscriptions(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.subscriptions.try_lock() else {
            return Ok(Beat::Busy);
        };
        subscriptions::step(&self.ctx).await?;
        Ok(Beat::Finished)
    }

    async fn charges(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.charges.try_lock() else {
            return Ok(Beat::Busy);
        };
        charges::step(&self.ctx).await?;
        Ok(Beat::Finished)
    }

    async fn triggers(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.triggers.try_lock() else {
            return Ok(Beat::Busy);
        };
        triggers::step(&self.ctx).await?;
        Ok(Beat::Finished)
    }

    async fn mail_day(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.mail_day.try_lock() else {
            return Ok(Beat::Busy);
        };
        mail_day::step(&self.ctx).await?;
        Ok(Beat::Finished)
    }

    async fn deliver(&self) -> Result<Beat, ServiceError> {
        let delivered = self.workers.run().await?;
        Ok(delivered.map_or(Beat::Busy, |_| Beat::Finished))
    }

    async fn retention(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.retention.try_lock() else {
            return Ok(Beat::Busy);
        };
        retention::step(&self.ctx, &self.keep).await?;
        Ok(Beat::Finished)
    }

    async fn verify(&self) -> Result<Beat, ServiceError> {
        let Ok(_guard) = self.verify.try_lock() else {
            return Ok(Beat::Busy);
        };
        verify::step(&self.ctx, &self.stop).await?;
        Ok(Beat::Finished)
    }

    /// Notes that a job has finished a run, if that was not done just now.
    async fn note(&self, job: &'static str) {
        let now = self.ctx.clock.now();
        let mut runs = self.runs.lock().await;
        let noted_at = runs.noted.get(job);
        if noted_at.is_some_and(|at| now.signed_duration_since(*at) < NOTE_EVERY) {
            return;
        }
        match vitals::note_run(&self.ctx, job).await {
            Ok(()) => {
                runs.noted.insert(job, now);
            }
            Err(error) => {
                tracing::warn!(job, %error, "that {job} finished a run was not noted: {error}");
            }
        }
    }

    /// Says which jobs have not finished a run in time, on whatever replica, and which do so again.
    async fn watch(&self) -> Result<Beat, ServiceError> {
        let mut runs = self.runs.lock().await;
        for run in vitals::job_runs(&self.ctx, runs.since).await? {
            let (job, minutes) = (run.job, run.late_by.num_minutes());
            if run.late_by.is_zero() {
                if runs.late.remove(job) {
                    tracing::info!(job, "the job {job} finishes its runs again");
                }
            } else if runs.late.insert(job) {
                tracing::error!(
                    job,
                    minutes,
                    "the job {job} should have finished a run {minutes} minutes ago"
                );
            }
        }
        Ok(Beat::Finished)
    }
}
