//! The span of a call, which goes on with the trace that the client is in.
//!
//! The client says so by the header `traceparent` of W3C Trace Context. Without a collector there is no span
//! and no header is read.

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::Code;
use tracing::field::Empty;
use tracing::{Span, debug_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The attribute that says how a call ended.
const CODE: &str = "rpc.grpc.status_code";

/// The span of a call of `method`, such as `CreditService/Consume`.
pub(super) fn begin(method: &str, headers: &HeaderMap) -> Span {
    let span = debug_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        otel.status_code = Empty,
    );
    if !span.is_disabled() {
        let caller = TraceContextPropagator::new().extract(&Headers(headers));
        // A span that cannot have a parent begins a trace of its own.
        let _ = span.set_parent(caller);
    }
    span
}

/// Writes down how the call ended.
pub(super) fn end(span: &Span, code: Code) {
    span.record(CODE, i32::from(code));
    if matches!(code, Code::Internal | Code::Unknown | Code::DataLoss) {
        span.record("otel.status_code", "ERROR");
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
