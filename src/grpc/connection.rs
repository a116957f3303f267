//! A connection of a client, plain or in TLS, as the server framework reads and writes it.
//!
//! It is closed if it does not begin to speak HTTP/2 in time, and it is read no faster than its
//! pace allows, so that floods of frames which cost their sender nothing take no time from others.
//! Pings that are not answered end a connection whose client is gone; that is the framework's part.

mod pace;

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use metrics::gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::grpc::connection::pace::Pace;

/// How many connections there are.
pub(super) const CONNECTIONS: &str = "carnet_connections";
/// How long a client may take to begin.
const BEGIN_LIMIT: Duration = Duration::from_secs(10);

/// Who is at the other end: the last one before us, which may be a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A place among the connections, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        gauge!(CONNECTIONS).increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        gauge!(CONNECTIONS).decrement(1.0);
    }
}

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Connection {
    io: Io,
    peer: Peer,
    pace: Pace,
    /// Until when the client must have begun; none once it has.
    begins_by: Option<Pin<Box<Sleep>>>,
    /// Until when nothing is read.
    pause: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(super) fn plain(tcp: TcpStream, peer: Peer, place: Place) -> Self {
        Self::new(Io::Plain(tcp), peer, place)
    }

    pub(super) fn in_tls(tls: TlsStream<TcpStream>, peer: Peer, place: Place) -> Self {
        Self::new(Io::Tls(Box::new(tls)), peer, place)
    }

    fn new(io: Io, peer: Peer, place: Place) -> Self {
        Self {
            io,
            peer,
            pace: Pace::new(Instant::now()),
            begins_by: Some(Box::pin(sleep(BEGIN_LIMIT))),
            pause: None,
            _place: place,
        }
    }

    /// Takes note of what was read.
    fn note(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let goes_on_at = self.pace.note(bytes, now);
        if self.pace.has_begun() {
            self.begins_by = None;
        }
        if goes_on_at > now {
            self.pause = Some(Box::pin(sleep_until(goes_on_at)));
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let before = buffer.filled().len();
        let read = match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Io::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        };
        match read {
            Poll::Pending => {
                let is_late = self
                    .begins_by
                    .as_mut()
                    .is_some_and(|limit| limit.as_mut().poll(cx).is_ready());
                if is_late {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                self.note(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Io::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(tcp) => tcp.is_write_vectored(),
            Io::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;

    async fn pair() -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let place = Place::new(permit);
        (client, Connection::plain(server, Peer(peer.ip()), place))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_not_waited_for() {
        let (_client, mut connection) = pair().await;
        let begun = Instant::now();
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), BEGIN_LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_begun_may_be_quiet() {
        let (mut client, mut connection) = pair().await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        client
            .write_all(&[&preface[..], &settings].concat())
            .await
            .unwrap();
        connection.read_exact(&mut [0; 33]).await.unwrap();
        let quiet = tokio::time::timeout(BEGIN_LIMIT * 10, connection.read_u8()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_at_its_pace() {
        let (mut client, mut connection) = pair().await;
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let flood = [&[b' '; 24][..], &ping.repeat(3_000)].concat();
        let begun = Instant::now();
        let mut all = vec![0; flood.len() + 1];
        let sent = async {
            client.write_all(&flood).await.unwrap();
            client.write_all(&[0]).await.unwrap();
        };
        let read = connection.read_exact(&mut all);
        let ((), read) = tokio::join!(sent, read);
        read.unwrap();
        // Three thousand pings at two hundred a second, of which the first thousand were free.
        assert!(begun.elapsed() >= Duration::from_millis(9_900));
    }
}
