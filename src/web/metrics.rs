//! `/metrics`, in the text format of Prometheus.
//!
//! The recorder is the process's: whatever part of it counts something is seen here.

use std::sync::OnceLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Prometheus's name of the format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record, if this process does not yet. A recorder of somebody else's stays; then there are
/// no metrics of ours to show.
pub fn install() {
    RECORDER.get_or_init(|| {
        PrometheusBuilder::new()
            .install_recorder()
            .inspect_err(|error| tracing::warn!(%error, "metrics are not recorded: {error}"))
            .ok()
    });
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
