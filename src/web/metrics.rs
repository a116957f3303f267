//! `/metrics`, in the text format of Prometheus.
//!
//! The recorder is the process's: whatever part of it counts something is seen here. How the jobs and the
//! e-mails are is looked up when it is asked for, so every process tells it of all; of the connections to the
//! database it tells its own. Samples of histograms
//! are folded every few seconds, so that they take no memory where nobody reads the page.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta};
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::domain::email::EmailState;
use crate::domain::notice::NoticeKind;
use crate::service::{Context, ServiceError, vitals};

/// Prometheus's name of the format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper bounds of what is measured in seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// The upper bounds of how many calls share a batch.
const CALLS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// How often samples are folded.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record, if this process does not yet. A recorder of somebody else's stays; then there are
/// no metrics of ours to show.
pub fn install() {
    RECORDER.get_or_init(|| {
        record()
            .inspect_err(|error| tracing::warn!(%error, "metrics are not recorded: {error}"))
            .ok()
    });
}

fn record() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_calls".to_owned()), &CALLS)?
        .install_recorder()
}

/// Folds samples for as long as it is polled.
pub async fn keep_up() {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Some(handle) = RECORDER.get().and_then(Option::as_ref) {
            handle.run_upkeep();
        }
    }
}

/// Everything that was recorded so far, and how the jobs and the e-mails are at this moment.
pub(super) async fn page(State(ctx): State<Context>) -> Response {
    if let Err(error) = look(&ctx).await {
        tracing::warn!(%error, "the metrics of jobs and e-mails are old: {error}");
    }
    match RECORDER.get().and_then(Option::as_ref) {
        Some(handle) => {
            let headers = [
                (header::CONTENT_TYPE, CONTENT_TYPE),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (StatusCode::OK, headers, handle.render()).into_response()
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Records how the jobs and the e-mails are, and how many connections to the database are in use. The label of a job
/// is not `job`: by that name Prometheus keeps whom it asked.
async fn look(ctx: &Context) -> Result<(), ServiceError> {
    for run in vitals::job_runs(ctx, DateTime::UNIX_EPOCH).await? {
        let Some(finished_at) = run.finished_at else {
            continue;
        };
        gauge!("carnet_job_last_finish_timestamp_seconds", "task" => run.job).set(seconds(
            finished_at.signed_duration_since(DateTime::UNIX_EPOCH),
        ));
        gauge!("carnet_job_late_seconds", "task" => run.job).set(seconds(run.late_by));
    }
    for connections in ctx.db.connections() {
        for (state, count) in [("most", connections.most), ("used", connections.used)] {
            let labels = [("pool", connections.pool), ("state", state)];
            gauge!("carnet_database_connections", &labels).set(f64::from(count));
        }
    }
    let waiting = vitals::waiting(ctx).await?;
    gauge!("carnet_email_oldest_due_seconds").set(seconds(waiting.oldest_due));
    gauge!("carnet_mail_server_failures").set(f64::from(waiting.server_failures));
    for kind in NoticeKind::ALL {
        for state in [EmailState::Queued, EmailState::Sending] {
            let count = waiting.counts.get(&(*kind, state)).copied();
            let count = u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX);
            let labels = [("kind", kind.as_str()), ("state", state.as_str())];
            gauge!("carnet_emails_waiting", &labels).set(f64::from(count));
        }
    }
    Ok(())
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
