//! The spans of a session: one for each stage, with the code of the answer and nothing of what was said.

use std::future::Future;

use tracing::field::Empty;
use tracing::{Span, debug_span};

use crate::mail::reply::Reply;
use crate::mail::transport::Stage;

/// The span of a stage, which ends when it is dropped.
pub(super) fn begin(stage: Stage) -> Span {
    debug_span!(
        "smtp",
        otel.name = %format_args!("smtp {stage}"),
        otel.kind = "client",
        smtp.code = Empty,
        otel.status_code = Empty,
    )
}

/// Writes down how a stage was answered.
pub(super) fn end(span: &Span, reply: &Reply) {
    if let Some(code) = reply.code() {
        span.record("smtp.code", code);
    }
    if reply.code().is_none_or(|code| code >= 400) {
        fail(span);
    }
}

/// Writes down that a stage failed.
pub(super) fn fail(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// Waits for the answer of a stage.
pub(super) async fn answer(stage: Stage, reply: impl Future<Output = Reply>) -> Reply {
    let span = begin(stage);
    let reply = reply.await;
    end(&span, &reply);
    reply
}
