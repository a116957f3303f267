//! Counts calls by method and code, measures how long they take, and puts a span around each.
//!
//! The outermost layer: what is shed, refused or ends in a panic is counted like any other call. A call lasts
//! until its answer has ended, a stream's last message included; one whose client went away before that is
//! `CANCELLED`. Only the methods of the descriptors are names of metrics, so that nobody can fill the
//! memory with paths that they made up.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge};
use metrics::{describe_histogram, gauge, histogram};
use prost::bytes::Bytes;
use prost_reflect::DescriptorPool;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{BoxError, Layer, Service};
use tracing::{Instrument, Span};

use crate::grpc::layers::trace;

/// Calls that have ended, by method and code.
const CALLS: &str = "carnet_grpc_calls_total";
/// How long calls took, by method.
const SECONDS: &str = "carnet_grpc_call_seconds";
/// Calls that are under way.
const UNDER_WAY: &str = "carnet_grpc_calls_under_way";
/// The name of all methods that are not ours: health, reflection, and whatever somebody made up.
const OTHER: &str = "other";
/// How many codes gRPC has.
const CODES: usize = 17;

/// Measures every call.
#[derive(Clone, Debug)]
pub struct MeasureLayer {
    by_path: Arc<HashMap<String, Arc<Meters>>>,
    other: Arc<Meters>,
}

impl MeasureLayer {
    /// A layer that knows the methods of `pool`.
    pub fn new(pool: &DescriptorPool) -> Self {
        describe_counter!(CALLS, "Calls that have ended, by method and code.");
        describe_histogram!(SECONDS, Unit::Seconds, "How long calls took, by method.");
        describe_gauge!(UNDER_WAY, "Calls that are under way.");
        let methods = pool.services().flat_map(|service| {
            let methods: Vec<_> = service.methods().collect();
            methods.into_iter().map(move |method| {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let name = format!("{}/{}", service.name(), method.name());
                (path, Arc::new(Meters::of(name)))
            })
        });
        Self {
            by_path: Arc::new(methods.collect()),
            other: Arc::new(Meters::of(OTHER.to_owned())),
        }
    }

    fn begin<T>(&self, request: &Request<T>) -> Measurement {
        let path = request.uri().path();
        let meters = self.by_path.get(path).unwrap_or(&self.other);
        meters.under_way.increment(1.0);
        Measurement {
            meters: Arc::clone(meters),
            begun: Instant::now(),
            code: None,
            span: trace::begin(&meters.method, request.headers()),
        }
    }
}

/// The meters of a method.
#[derive(Debug)]
struct Meters {
    method: String,
    seconds: Histogram,
    under_way: Gauge,
    /// By code; a code that never came is not shown.
    calls: [OnceLock<Counter>; CODES],
}

impl Meters {
    fn of(method: String) -> Self {
        Self {
            seconds: histogram!(SECONDS, "method" => method.clone()),
            under_way: gauge!(UNDER_WAY),
            calls: std::array::from_fn(|_| OnceLock::new()),
            method,
        }
    }

    fn count(&self, code: Code) {
        let place = usize::try_from(i32::from(code)).ok();
        if let Some(counter) = place.and_then(|place| self.calls.get(place)) {
            let counter = counter.get_or_init(
                || counter!(CALLS, "method" => self.method.clone(), "code" => format!("{code:?}")),
            );
            counter.increment(1);
        }
    }
}

/// A call that is under way; it is written down when this is dropped.
#[derive(Debug)]
struct Measurement {
    meters: Arc<Meters>,
    begun: Instant,
    code: Option<Code>,
    span: Span,
}

impl Measurement {
    /// Takes the code from the headers of an answer without a body, or from trailers.
    fn read(&mut self, headers: &HeaderMap) {
        let code = headers.get("grpc-status");
        self.code = code.map(|code| Code::from_bytes(code.as_bytes()));
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        self.meters.under_way.decrement(1.0);
        self.meters.seconds.record(self.begun.elapsed());
        let code = self.code.unwrap_or(Code::Cancelled);
        self.meters.count(code);
        trace::end(&self.span, code);
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = Measure<S>;

    fn layer(&self, inner: S) -> Measure<S> {
        Measure {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service whose calls are measured.
#[derive(Clone, Debug)]
pub struct Measure<S> {
    inner: S,
    layer: MeasureLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Measure<S>
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
        let mut measurement = self.layer.begin(&request);
        let span = measurement.span.clone();
        let answer = span.in_scope(|| self.inner.call(request));
        let answer = answer.instrument(span);
        Box::pin(async move {
            let answer = answer.await?;
            measurement.read(answer.headers());
            Ok(answer.map(|body| {
                Body::new(MeasuredBody {
                    body: Body::new(body),
                    measurement,
                })
            }))
        })
    }
}

/// A body that tells with which code it ended.
struct MeasuredBody {
    body: Body,
    measurement: Measurement,
}

impl http_body::Body for MeasuredBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.measurement.read(trailers);
        }
        Poll::Ready(frame)
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
    use std::future::ready;

    use http_body_util::{BodyExt, Empty};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::proto::FILE_DESCRIPTOR_SET;

    /// What the recorder shows after a call at `path` that `handler` answers and whose body is read to its end
    /// if `reads`.
    fn shown(path: &str, status: &Status, reads: bool) -> String {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
            let layer = MeasureLayer::new(&pool);
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().block_on(async {
                let service = layer.layer(service_fn(move |_: Request<Body>| {
                    let end = ready(Some(Ok::<_, Infallible>(trailers.clone())));
                    let body = Empty::<Bytes>::new().with_trailers(end);
                    ready(Ok::<_, Infallible>(Response::new(Body::new(body))))
                }));
                let request = Request::builder().uri(path).body(Body::empty());
                let answer = service.oneshot(request.unwrap()).await.unwrap();
                if reads {
                    answer.into_body().collect().await.unwrap();
                }
            });
        });
        handle.render()
    }

    #[test]
    fn a_call_is_counted_by_its_method_and_the_code_in_its_trailers() {
        let path = "/carnet.v1.CreditService/Consume";
        for (status, code) in [
            (Status::new(Code::Ok, ""), "Ok"),
            (Status::aborted("try again"), "Aborted"),
        ] {
            let page = shown(path, &status, true);
            let line = format!(
                "carnet_grpc_calls_total{{method=\"CreditService/Consume\",code=\"{code}\"}} 1"
            );
            assert!(page.contains(&line), "{page}");
            assert!(page.contains("carnet_grpc_calls_under_way 0"), "{page}");
            assert!(!page.contains("GetBalance\",code"), "{page}");
        }
    }

    #[test]
    fn a_call_whose_client_went_away_is_cancelled() {
        let path = "/carnet.v1.CreditService/Consume";
        let page = shown(path, &Status::new(Code::Ok, ""), false);
        assert!(page.contains("code=\"Cancelled\"} 1"), "{page}");
    }

    #[test]
    fn a_path_that_somebody_made_up_is_no_name_of_a_metric() {
        let page = shown("/made.up/Path", &Status::unimplemented(""), true);
        assert!(
            page.contains("method=\"other\",code=\"Unimplemented\"} 1"),
            "{page}"
        );
        assert!(!page.contains("made"), "{page}");
    }
}
