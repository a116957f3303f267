//! The stream that the SMTP client writes to: nothing once the claim of an e-mail has run out, and the end of a
//! message in one piece.
//!
//! The client writes the final dot by itself, and knows nothing of claims. So the session says here what it wants.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// What a session wants of a stream; a clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds(Arc<Mutex<Wanted>>);

#[derive(Debug, Default)]
struct Wanted {
    until: Option<Instant>,
    is_held_back: bool,
    was_late: bool,
}

impl Bounds {
    /// From now on nothing is written after `until`.
    pub(super) fn write_until(&self, until: Instant) {
        let mut wanted = self.lock();
        wanted.until = Some(until);
        wanted.was_late = false;
    }

    /// From now on anything is written at any time.
    pub(super) fn lift(&self) {
        self.lock().until = None;
    }

    /// Whether what is written waits for what comes next.
    pub(super) fn hold_back(&self, is_held_back: bool) {
        self.lock().is_held_back = is_held_back;
    }

    /// Whether something was not written since it was too late.
    pub(super) fn was_late(&self) -> bool {
        self.lock().was_late
    }

    fn is_held_back(&self) -> bool {
        self.lock().is_held_back
    }

    /// Reads the clock, which must be done last before anything is written.
    fn check(&self) -> io::Result<()> {
        let mut wanted = self.lock();
        if wanted.until.is_some_and(|until| until <= Instant::now()) {
            wanted.was_late = true;
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        // Nothing that is done with it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream within bounds.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: Stream,
    bounds: Bounds,
    held: Vec<u8>,
}

impl Bounded {
    pub(super) fn new(stream: Stream, bounds: Bounds) -> Self {
        let held = Vec::new();
        Self {
            stream,
            bounds,
            held,
        }
    }
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.bounds.is_held_back() || !self.held.is_empty() {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        self.bounds.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.bounds.is_held_back() {
            return Poll::Ready(Ok(()));
        }
        while !this.held.is_empty() {
            this.bounds.check()?;
            let written = ready!(Pin::new(&mut this.stream).poll_write(context, &this.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.held.drain(..written);
        }
        // TLS takes more than the connection does, the final dot with it.
        if this.stream.has_unwritten() {
            this.bounds.check()?;
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
