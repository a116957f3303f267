//! `/metrics`, in the text format of Prometheus.
//!
//! The recorder is the process's: whatever part of it counts something is seen here. Samples of histograms
//! are folded every few seconds, so that they take no memory where nobody reads the page.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

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

/// Everything that was recorded so far.
pub(super) async fn page() -> Response {
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
