//! A wire between a server and its database that a test can cut and mend.

use std::sync::Mutex;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes connections on, until it is cut; then there is nobody at its address.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    target: String,
    passing: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// A proxy to where the database of this `postgres://` URL is.
    pub(crate) async fn to(database_url: &str) -> Self {
        let target = address_of(database_url).to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            target,
            passing: Mutex::new(None),
        };
        proxy.pass(listener);
        proxy
    }

    /// The same database by way of this proxy.
    pub(crate) fn url(&self, database_url: &str) -> String {
        let here = format!("127.0.0.1:{}", self.port);
        database_url.replacen(address_of(database_url), &here, 1)
    }

    /// Breaks every connection and takes no more.
    pub(crate) async fn cut(&self) {
        let passing = self.passing.lock().unwrap().take();
        let passing = passing.expect("it is cut already");
        passing.abort();
        assert!(passing.await.unwrap_err().is_cancelled());
    }

    /// Takes connections again.
    pub(crate) async fn mend(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await;
        self.pass(listener.unwrap());
    }

    fn pass(&self, listener: TcpListener) {
        let target = self.target.clone();
        let passing = tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(target).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        *self.passing.lock().unwrap() = Some(passing);
    }
}

/// The host and port in a URL that has both.
fn address_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}
