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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lettre::transport::smtp::extension::ClientId;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{sleep_until, timeout};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::server::TlsStream;

    use super::*;
    use crate::mail::session::settings::SmtpSettings;
    use crate::mail::session::stream;

    /// Longer than two ends of one machine need to pass on what there is room for.
    const SETTLED_AFTER: Duration = Duration::from_millis(200);

    /// Both ends of a connection in TLS.
    async fn private() -> (Stream, TlsStream<TcpStream>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "smtps://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let settings = SmtpSettings::parse(&url, Some(file.path())).unwrap();
        let accepting = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            acceptor.accept(tcp).await.unwrap()
        };
        let me = ClientId::default();
        let (near, far) = tokio::join!(stream::open(&settings, &me), accepting);
        (near.unwrap(), far)
    }

    #[tokio::test]
    async fn what_tls_has_taken_and_not_written_is_not_written_late_either() {
        let (near, mut far) = private().await;
        let bounds = Bounds::default();
        let mut near = Bounded::new(near, bounds.clone());
        // The other end does not read, so there is no room in the end.
        while timeout(SETTLED_AFTER, near.flush()).await.is_ok() {
            near.write_all(&[b'x'; 1024]).await.unwrap();
            while !near.stream.has_unwritten() {
                near.write_all(&[b'x'; 1024]).await.unwrap();
            }
        }
        let end = Instant::now() + SETTLED_AFTER;
        bounds.write_until(end);
        bounds.hold_back(true);
        near.write_all(b"\r\n.\r\n").await.unwrap();
        bounds.hold_back(false);
        let reading = tokio::spawn(async move {
            sleep_until(end.into()).await;
            let mut read = Vec::new();
            // No farewell is an error, and all was read by then.
            let _ = far.read_to_end(&mut read).await;
            read
        });
        near.flush().await.unwrap_err();
        assert!(bounds.was_late());
        drop(near);
        let read = reading.await.unwrap();
        assert!(!read.is_empty() && read.iter().all(|byte| *byte == b'x'));
    }
}
