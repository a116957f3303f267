//! Turns a panic in a handler into an answer.
//!
//! Without it the stream would be reset and the caller could not tell our fault from the network's.
//! The panic itself is logged here, once; the caller learns only that it is our fault. A panic while
//! a stream is already being sent is beyond it and resets that stream.

use std::any::Any;

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};
use tower_http::catch_panic::CatchPanicLayer;

use crate::grpc::status::Failure;
use crate::proto::v1::Reason;

/// Makes the answer for a panic.
pub type PanicHandler = fn(Box<dyn Any + Send>) -> Response<Body>;

/// The layer that answers `INTERNAL` where a handler panics.
pub fn layer() -> CatchPanicLayer<PanicHandler> {
    let handler: PanicHandler = answer;
    CatchPanicLayer::custom(handler)
}

/// The status of a fault of ours, which says nothing of what happened.
pub fn internal() -> Status {
    Failure::new(
        Code::Internal,
        Reason::Internal,
        "a fault of the service; it is in its log",
    )
    .into_status()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the payload over"
)]
fn answer(payload: Box<dyn Any + Send>) -> Response<Body> {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a payload that is no text");
    tracing::error!(panic = message, "a handler panicked: {message}");
    internal().into_http()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Request;
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_our_fault_and_keeps_its_secrets() {
        let handler = service_fn(
            async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
                panic!("the password is 1234")
            },
        );
        let service = layer().layer(handler);
        let answer = service.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.status(), http::StatusCode::OK);
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::Internal);
        assert!(!format!("{status:?}").contains("1234"));
    }
}
