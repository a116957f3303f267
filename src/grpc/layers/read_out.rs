//! Reads out what comes of calls that were answered before they were read.
//!
//! Whoever is refused by headers alone (no token, too many calls) is answered at once. If the rest of the request came
//! after that it would meet a stream that is gone, which counts as a fault of its connection, and a connection with
//! too many faults is closed with all other calls on it. So the rest is read and forgotten, within limits; who sends
//! more than that is cut off.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use http_body::{Body as _, Frame, SizeHint};
use prost::bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tower::{BoxError, Layer, Service};

/// How much of a call is read for nothing, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// For how long.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Reads requests to their end, whatever becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct ReadOutLayer;

impl<S> Layer<S> for ReadOutLayer {
    type Service = ReadOut<S>;

    fn layer(&self, inner: S) -> ReadOut<S> {
        ReadOut { inner }
    }
}

/// The service whose requests are read out.
#[derive(Clone, Debug)]
pub struct ReadOut<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for ReadOut<S>
where
    S: Service<Request<Body>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(|body| {
            let rest = Some(Body::new(body));
            Body::new(ReadOutBody { rest })
        });
        self.inner.call(request)
    }
}

/// A body of which the rest is read once nobody wants it.
struct ReadOutBody {
    /// None: it was read to its end.
    rest: Option<Body>,
}

impl http_body::Body for ReadOutBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(rest).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            self.rest = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.rest
            .as_ref()
            .map_or_else(none, http_body::Body::size_hint)
    }
}

impl Drop for ReadOutBody {
    fn drop(&mut self) {
        let rest = self.rest.take().filter(|rest| !rest.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(timeout(TIME_MAX, read_out(rest)));
        }
    }
}

async fn read_out(mut rest: Body) {
    let mut bytes = 0_usize;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
        bytes = bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if bytes > BYTES_MAX {
            return;
        }
    }
}
