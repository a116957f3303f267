//! Refuses calls beyond what the server takes on at once, instead of letting all of them wait.
//!
//! One semaphore for all connections. There is no queue: a call gets a place or is refused with
//! `RESOURCE_EXHAUSTED` and the advice when to come back. A place is held until the answer's body
//! has ended or the client is gone, and by a unit of the database until it is done: who hangs up at once has
//! not thereby made room for more. Health and reflection are never refused, since an orchestrator
//! that cannot ask would kill a server that is merely busy.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use prost::bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Layer, Service};

use crate::grpc::status::Failure;
use crate::proto::v1::Reason;

/// When a refused caller is told to come back.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Where the paths of health and reflection begin.
const ALWAYS_ANSWERED: &str = "/grpc.";

tokio::task_local! {
    static PLACE: Place;
}

/// A place of a call; free again when all that it is held by is gone.
#[derive(Clone, Debug)]
pub struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Place {
    /// That of the call that this task works for, if it has one: whoever goes on after the call takes it along.
    pub fn of_this_call() -> Option<Self> {
        PLACE.try_with(Clone::clone).ok()
    }
}

/// Limits how many calls are under way at once, over all connections.
#[derive(Clone, Debug)]
pub struct ShedLayer {
    places: Arc<Semaphore>,
}

impl ShedLayer {
    /// At most `calls_max` at once.
    pub fn new(calls_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(calls_max.min(Semaphore::MAX_PERMITS))),
        }
    }
}

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Shed<S> {
        Shed {
            inner,
            places: Arc::clone(&self.places),
        }
    }
}

/// The service with a limit around it.
#[derive(Clone, Debug)]
pub struct Shed<S> {
    inner: S,
    places: Arc<Semaphore>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Shed<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
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
        if request.uri().path().starts_with(ALWAYS_ANSWERED) {
            let answer = self.inner.call(request);
            return Box::pin(async move { Ok(answer.await?.map(Body::new)) });
        }
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            return Box::pin(std::future::ready(Ok(overloaded().into_http())));
        };
        let place = Place {
            _permit: Arc::new(permit),
        };
        let answer = PLACE.scope(place.clone(), self.inner.call(request));
        Box::pin(async move { Ok(answer.await?.map(|body| holding(place, Body::new(body)))) })
    }
}

/// What a call is told that is one too many.
pub fn overloaded() -> Status {
    Failure::new(
        Code::ResourceExhausted,
        Reason::Overloaded,
        "too many calls are under way; try again shortly",
    )
    .retry_after(RETRY_DELAY)
    .into_status()
}

fn holding(place: Place, body: Body) -> Body {
    Body::new(HoldingBody {
        body,
        _place: place,
    })
}

/// A body that keeps its call's place until it is dropped.
struct HoldingBody {
    body: Body,
    _place: Place,
}

impl http_body::Body for HoldingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use tonic_types::StatusExt;
    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn answer(_: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::new(Bytes::from_static(b"answer"))))
    }

    fn call(path: &str) -> Request<Body> {
        Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    fn code(answer: &Response<Body>) -> Option<Code> {
        Status::from_header_map(answer.headers()).map(|status| status.code())
    }

    #[tokio::test]
    async fn one_call_too_many_is_told_when_to_come_back() {
        let service = ShedLayer::new(1).layer(service_fn(answer));
        let path = "/carnet.v1.CreditService/Consume";

        let first = service.clone().oneshot(call(path)).await.unwrap();
        assert_eq!(code(&first), None);

        let second = service.clone().oneshot(call(path)).await.unwrap();
        let status = Status::from_header_map(second.headers()).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let retry = status.get_details_retry_info().unwrap();
        assert_eq!(retry.retry_delay, Some(RETRY_DELAY));
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "OVERLOADED"
        );

        drop(first);
        let third = service.oneshot(call(path)).await.unwrap();
        assert_eq!(code(&third), None, "the place of a finished answer is free");
    }

    #[tokio::test]
    async fn what_goes_on_after_its_caller_is_gone_keeps_the_place() {
        let (left, mut leaves) = tokio::sync::mpsc::channel(1);
        let unit = move |_: Request<Body>| {
            let left = left.clone();
            async move {
                left.send(Place::of_this_call()).await.unwrap();
                std::future::pending::<Result<Response<Body>, Infallible>>().await
            }
        };
        let service = ShedLayer::new(1).layer(service_fn(unit));
        let first = tokio::spawn(service.clone().oneshot(call("/x/Y")));
        let place = leaves.recv().await.unwrap();
        assert!(place.is_some());
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let second = service.clone().oneshot(call("/x/Y")).await.unwrap();
        assert_eq!(code(&second), Some(Code::ResourceExhausted));
        drop(place);
        let third = tokio::spawn(service.oneshot(call("/x/Y")));
        assert!(leaves.recv().await.unwrap().is_some());
        third.abort();
    }

    #[tokio::test]
    async fn a_refused_call_takes_no_place() {
        let service = ShedLayer::new(0).layer(service_fn(answer));
        for _ in 0..3 {
            let refused = service.clone().oneshot(call("/x/Y")).await.unwrap();
            assert_eq!(code(&refused), Some(Code::ResourceExhausted));
        }
    }

    #[tokio::test]
    async fn health_is_answered_in_any_crowd() {
        let service = ShedLayer::new(0).layer(service_fn(answer));
        let health = call("/grpc.health.v1.Health/Check");
        assert_eq!(code(&service.oneshot(health).await.unwrap()), None);
    }
}
