//! Takes connections in: so many at once, and in TLS those whose handshake is done.
//!
//! A client that connects and says nothing has no hold on the port. It is given a while for its handshake, and
//! where too many are under way the oldest makes room, since an honest one takes no time at all.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use metrics::{counter, describe_counter, describe_gauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::grpc::connection::{CONNECTIONS, Connection, Peer, Place};
use crate::grpc::tls::Tls;

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How many handshakes are under way at once.
const HANDSHAKES_MAX: usize = 256;
/// How long nothing is taken in when the system has no more sockets.
const BREATH: Duration = Duration::from_millis(100);

/// Handshakes that came to nothing, by how.
const HANDSHAKES_FAILED: &str = "carnet_tls_handshakes_failed_total";
/// Connections that were closed at once, because there were too many.
const REFUSED: &str = "carnet_connections_refused_total";

/// The connections of `listener`, `connections_max` at most at a time.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<Tls>,
    connections_max: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    describe_gauge!(CONNECTIONS, "Connections of gRPC clients.");
    describe_counter!(
        REFUSED,
        "Connections that were closed at once because there were too many."
    );
    describe_counter!(
        HANDSHAKES_FAILED,
        "TLS handshakes that came to nothing, by how."
    );
    let incoming = Incoming {
        listener,
        tls,
        places: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
        is_full: false,
        handshakes: JoinSet::new(),
        by_age: VecDeque::new(),
    };
    unfold(incoming, |mut incoming| async move {
        let connection = incoming.next().await;
        Some((Ok(connection), incoming))
    })
}

struct Incoming {
    listener: TcpListener,
    tls: Option<Tls>,
    places: Arc<Semaphore>,
    is_full: bool,
    handshakes: JoinSet<Option<Connection>>,
    by_age: VecDeque<AbortHandle>,
}

impl Incoming {
    async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((tcp, address)) => {
                        if let Some(connection) = self.take(tcp, address) {
                            return connection;
                        }
                    }
                    Err(error) if is_of_one_client(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, "no connection can be taken in: {error}");
                        sleep(BREATH).await;
                    }
                },
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        return connection;
                    }
                }
            }
        }
    }

    /// A connection that is ready at once; one in TLS first has its handshake, one too many is closed.
    fn take(&mut self, tcp: TcpStream, address: SocketAddr) -> Option<Connection> {
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            counter!(REFUSED).increment(1);
            if !self.is_full {
                tracing::warn!("there are too many connections, more are closed at once");
            }
            self.is_full = true;
            return None;
        };
        self.is_full = false;
        let place = Place::new(permit);
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone at once: {error}");
            return None;
        }
        let peer = Peer(address.ip());
        let Some(tls) = &self.tls else {
            return Some(Connection::plain(tcp, peer, place));
        };
        let acceptor = TlsAcceptor::from(tls.config());
        self.by_age.retain(|handshake| !handshake.is_finished());
        if self.by_age.len() >= HANDSHAKES_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            oldest.abort();
            counter!(HANDSHAKES_FAILED, "how" => "displaced").increment(1);
        }
        let handshake = async move {
            match timeout(HANDSHAKE_LIMIT, acceptor.accept(tcp)).await {
                Ok(Ok(stream)) => Some(Connection::in_tls(stream, peer, place)),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a TLS handshake failed: {error}");
                    counter!(HANDSHAKES_FAILED, "how" => "failed").increment(1);
                    None
                }
                Err(_) => {
                    counter!(HANDSHAKES_FAILED, "how" => "timed_out").increment(1);
                    None
                }
            }
        };
        self.by_age.push_back(self.handshakes.spawn(handshake));
        None
    }
}

/// Whether an error is about the client that connected, not about the port.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
