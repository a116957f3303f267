//! Ends calls that take too long, and says so.
//!
//! The limit is the client's `grpc-timeout` or the server's maximum, whichever is shorter, until the
//! answer begins; a streamed answer is then bound by the client's limit alone. At the limit the
//! caller gets `DEADLINE_EXCEEDED` and the handler's future is dropped. That never cuts a write in
//! the middle, because database units run in tasks of their own; so what was begun may still be done,
//! and the caller finds out by repeating the request id.
//!
//! The server framework reads the same header and would answer `CANCELLED`. Its timer is started
//! after ours and polled after it, so ours answers first.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use prost::bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Layer, Service};

use crate::grpc::status::Failure;
use crate::proto::v1::Reason;

/// Puts a deadline on every call.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    limit_max: Duration,
}

impl DeadlineLayer {
    /// No answer begins later than `limit_max` after its call.
    pub const fn new(limit_max: Duration) -> Self {
        Self { limit_max }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline {
            inner,
            limit_max: self.limit_max,
        }
    }
}

/// The service with a deadline around it.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    limit_max: Duration,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Deadline<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    ResBody: http_body::Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let asked = client_limit(request.headers());
        let limit = asked.unwrap_or(self.limit_max).min(self.limit_max);
        // The instants are fixed here and not in the future, which is polled later.
        let now = Instant::now();
        let ends_at = now.checked_add(limit).unwrap_or(now);
        let stream_ends = asked.and_then(|asked| Some((asked, now.checked_add(asked)?)));
        let answer = self.inner.call(request);
        Box::pin(async move {
            match timeout_at(ends_at, answer).await {
                Ok(answer) => Ok(answer?.map(|body| bounded(Body::new(body), stream_ends))),
                Err(_) => Ok(exceeded(limit).into_http()),
            }
        })
    }
}

/// The client's limit, if it gave one that can be read: at most 8 digits and a unit.
fn client_limit(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(count.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

fn exceeded(limit: Duration) -> Status {
    let milliseconds = limit.as_millis();
    Failure::new(
        Code::DeadlineExceeded,
        Reason::DeadlineExceeded,
        format!(
            "the call took longer than {milliseconds} ms; repeat it with the same request id to \
             find out what became of it"
        ),
    )
    .with("limit_ms", &milliseconds)
    .into_status()
}

fn bounded(body: Body, ends: Option<(Duration, Instant)>) -> Body {
    match ends {
        Some((limit, ends_at)) if !http_body::Body::is_end_stream(&body) => {
            Body::new(BoundedBody {
                body,
                limit,
                end: Box::pin(sleep_until(ends_at)),
                cut: false,
            })
        }
        _ => body,
    }
}

/// A body that ends with `DEADLINE_EXCEEDED` in its trailers if it is not over in time.
struct BoundedBody {
    body: Body,
    limit: Duration,
    end: Pin<Box<Sleep>>,
    cut: bool,
}

impl http_body::Body for BoundedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.cut {
            return Poll::Ready(None);
        }
        if self.end.as_mut().poll(cx).is_pending() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            return Poll::Ready(frame);
        }
        self.cut = true;
        let mut trailers = HeaderMap::new();
        let written = exceeded(self.limit).add_header(&mut trailers);
        Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.cut || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use http_body_util::BodyExt;
    use tower::{ServiceExt, service_fn};

    use super::*;

    fn request(timeout: Option<&str>) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        if let Some(timeout) = timeout {
            let headers = request.headers_mut();
            headers.insert("grpc-timeout", timeout.parse().unwrap());
        }
        request
    }

    async fn never(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        pending().await
    }

    async fn at_once(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        Ok(Response::new(Body::empty()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_too_long_is_answered_for() {
        for (timeout, limit_ms) in [(Some("50m"), 50), (None, 2_000), (Some("1H"), 2_000)] {
            let service = DeadlineLayer::new(Duration::from_secs(2)).layer(service_fn(never));
            let begun = Instant::now();
            let answer = service.oneshot(request(timeout)).await.unwrap();
            let status = Status::from_header_map(answer.headers()).unwrap();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{timeout:?}");
            let waited = begun.elapsed().as_millis();
            assert!(
                (limit_ms..limit_ms + 5).contains(&waited),
                "{timeout:?}: {waited} ms"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_in_time_passes() {
        let service = DeadlineLayer::new(Duration::from_secs(2)).layer(service_fn(at_once));
        let answer = service.oneshot(request(Some("1S"))).await.unwrap();
        assert!(Status::from_header_map(answer.headers()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn ours_answers_before_a_timer_of_the_same_length_that_starts_later() {
        for limit_ms in [1, 7, 100, 1_001] {
            let service = DeadlineLayer::new(Duration::from_mins(1)).layer(service_fn(never));
            let mut call = service.oneshot(request(Some(&format!("{limit_ms}m"))));
            let outer = tokio::time::sleep(Duration::from_millis(limit_ms));
            tokio::select! {
                biased;
                answer = &mut call => {
                    let answer = answer.unwrap();
                    assert!(Status::from_header_map(answer.headers()).is_some());
                }
                () = outer => panic!("the outer timer was first at {limit_ms} ms"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_the_clients_limit_with_the_status_in_its_trailers() {
        struct Endless;
        impl http_body::Body for Endless {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                Poll::Pending
            }
        }
        let stream =
            service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Endless)));
        let service = DeadlineLayer::new(Duration::from_mins(1)).layer(stream);
        let answer = service.oneshot(request(Some("3S"))).await.unwrap();
        let body = answer.into_body().collect().await.unwrap();
        let status = Status::from_header_map(body.trailers().unwrap()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_none() {
        for text in ["", "S", "5", "123456789S", "1.5S", "-1S", "5x", "+5S"] {
            assert_eq!(client_limit(request(Some(text)).headers()), None, "{text}");
        }
        let read = client_limit(request(Some("250m")).headers());
        assert_eq!(read, Some(Duration::from_millis(250)));
    }
}
