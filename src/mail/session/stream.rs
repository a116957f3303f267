//! The connection under a session: TCP without delay, in TLS where the settings say so.
//!
//! `STARTTLS` is done here, before the SMTP client sees the stream, and read byte by byte: nothing
//! that was sent in the clear can be taken for an answer inside TLS. The client expects a greeting
//! and the server greets only once, so the stream then repeats one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::settings::{Encryption, SmtpSettings, Tls};
use super::trace;
use crate::mail::transport::Stage;

/// What a server may send before TLS.
const CLEAR_BYTES_MAX: usize = 16 * 1024;
const REPEATED_GREETING: &[u8] = b"220 ready\r\n";

/// Where and why a session could not be opened.
pub(super) type Failure = (Stage, String);

/// A connection to a mail server.
#[derive(Debug)]
pub(super) struct Stream {
    io: Io,
    greeting: &'static [u8],
}

#[derive(Debug)]
enum Io {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Opens a connection; when this returns, the next thing to read is a greeting.
pub(super) async fn open(settings: &SmtpSettings, me: &ClientId) -> Result<Stream, Failure> {
    let limits = settings.timeouts();
    let address = (settings.host.as_str(), settings.port);
    let mut tcp = within(limits.connect, Stage::Connect, TcpStream::connect(address)).await?;
    tcp.set_nodelay(true)
        .map_err(|error| (Stage::Connect, error.to_string()))?;
    match &settings.encryption {
        Encryption::None => Ok(Stream {
            io: Io::Clear(tcp),
            greeting: b"",
        }),
        Encryption::Implicit(tls) => {
            let stream = within(limits.tls, Stage::Tls, handshake(tcp, tls)).await?;
            Ok(Stream {
                io: Io::Tls(stream),
                greeting: b"",
            })
        }
        Encryption::StartTls(tls) => {
            within(
                limits.greeting,
                Stage::Greeting,
                read_reply(&mut tcp, "220"),
            )
            .await?;
            let upgrade = async {
                ask_for_tls(&mut tcp, me).await?;
                handshake(tcp, tls).await
            };
            let stream = within(limits.tls, Stage::Tls, upgrade).await?;
            Ok(Stream {
                io: Io::Tls(stream),
                greeting: REPEATED_GREETING,
            })
        }
    }
}

async fn within<T>(
    limit: Duration,
    stage: Stage,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    let span = trace::begin(stage);
    let reason = match timeout(limit, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("timed out after {limit:?}"),
    };
    trace::fail(&span);
    Err((stage, reason))
}

async fn handshake(tcp: TcpStream, tls: &Tls) -> io::Result<Box<TlsStream<TcpStream>>> {
    let connector = TlsConnector::from(tls.config.clone());
    Ok(Box::new(
        connector.connect(tls.server_name.clone(), tcp).await?,
    ))
}

async fn ask_for_tls(tcp: &mut TcpStream, me: &ClientId) -> io::Result<()> {
    tcp.write_all(format!("EHLO {me}\r\n").as_bytes()).await?;
    let offers = read_reply(tcp, "250").await?;
    let keywords = offers.lines().filter_map(|line| line.get(4..));
    if !keywords
        .into_iter()
        .any(|keyword| keyword.trim().eq_ignore_ascii_case("STARTTLS"))
    {
        return Err(io::Error::other("the server does not offer STARTTLS"));
    }
    tcp.write_all(b"STARTTLS\r\n").await?;
    read_reply(tcp, "220").await.map(|_| ())
}

/// Reads one reply, not a byte more, and wants this code.
async fn read_reply(tcp: &mut TcpStream, code: &str) -> io::Result<String> {
    let mut reply = Vec::new();
    loop {
        reply.push(tcp.read_u8().await?);
        if reply.len() > CLEAR_BYTES_MAX {
            return Err(io::Error::other("the server's reply does not end"));
        }
        if is_complete(&reply) {
            let reply = String::from_utf8_lossy(&reply).into_owned();
            return if reply.lines().all(|line| line.starts_with(code)) {
                Ok(reply)
            } else {
                Err(io::Error::other(format!(
                    "the server said: {}",
                    reply.trim_end()
                )))
            };
        }
    }
}

/// Whether the last line is whole and has no hyphen after its code.
fn is_complete(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\n") else {
        return false;
    };
    let last = lines
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    last.get(3) != Some(&b'-')
}

impl Stream {
    /// Whether something was taken that the connection did not take yet.
    pub(super) fn has_unwritten(&self) -> bool {
        match &self.io {
            Io::Clear(_) => false,
            Io::Tls(tls) => tls.get_ref().1.wants_write(),
        }
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.io {
            Io::Clear(tcp) => tcp.peer_addr(),
            Io::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (now, later) = self
                .greeting
                .split_at(self.greeting.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Io::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Io::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_flush(context),
            Io::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_shutdown(context),
            Io::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_reply_is_complete_at_its_last_line() {
        for whole in ["220 hi\r\n", "250-a\r\n250 b\r\n", "250\r\n", "\n"] {
            assert!(is_complete(whole.as_bytes()), "{whole:?}");
        }
        for part in ["", "220 hi", "220 hi\r", "250-a\r\n", "250-a\r\n250-b\r\n"] {
            assert!(!is_complete(part.as_bytes()), "{part:?}");
        }
    }

    #[tokio::test]
    async fn small_writes_are_not_held_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        let settings = SmtpSettings::parse(&url, None).unwrap();
        let stream = open(&settings, &ClientId::default()).await.unwrap();
        let Io::Clear(tcp) = &stream.io else {
            panic!("asked for no TLS")
        };
        assert!(tcp.nodelay().unwrap());
    }

    #[tokio::test]
    async fn what_follows_starttls_in_the_clear_is_not_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(b"220 hi\r\n").await.unwrap();
            let mut line = [0; 512];
            let _ = tcp.read(&mut line).await.unwrap();
            tcp.write_all(b"250-hi\r\n250 STARTTLS\r\n").await.unwrap();
            let _ = tcp.read(&mut line).await.unwrap();
            // Whoever sits in between appends an answer to our next command.
            tcp.write_all(b"220 go\r\n250 AUTH PLAIN\r\n")
                .await
                .unwrap();
            let _ = tcp.read(&mut line).await;
        });
        let settings = SmtpSettings::parse(&url, None).unwrap();
        let (stage, _) = open(&settings, &ClientId::default()).await.unwrap_err();
        assert_eq!(stage, Stage::Tls);
        server.await.unwrap();
    }
}
