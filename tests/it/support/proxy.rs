//! A wire between a server and its database that a test can cut and mend, break at a commit, slow down or stall.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use carnet::config::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::support::postgres;

/// What breaks the connection on which the next transaction is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The database never hears of the commit.
    BeforeCommit,
    /// The database has committed, and its answer is lost.
    AfterCommit,
}

/// How the wire carries what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it can.
    Fast,
    /// Each message late, and its bytes one after another.
    Slow {
        delay: Duration,
        bytes_per_second: u32,
    },
    /// Not at all; whatever is sent waits, and connections stay open.
    Stalled,
}

type Planned = Arc<Mutex<Option<Break>>>;
/// The SQLSTATE of each failure that the database told of.
type Failures = Arc<Mutex<Vec<String>>>;

/// Passes connections on, until it is cut; then there is nobody at its address.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    target: String,
    passing: Mutex<Option<JoinHandle<()>>>,
    planned: Planned,
    failures: Failures,
    pace: watch::Sender<Pace>,
}

impl Proxy {
    /// A proxy to the PostgreSQL that tests make their databases in.
    pub(crate) async fn to_postgres() -> Self {
        let target = postgres::address_of(&postgres::shared().url_of("postgres")).to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            target,
            passing: Mutex::new(None),
            planned: Arc::default(),
            failures: Arc::default(),
            pace: watch::Sender::new(Pace::Fast),
        };
        proxy.pass(listener);
        proxy
    }

    /// Leads a server to its database by way of this proxy.
    pub(crate) fn lead(&self, settings: &mut Settings) {
        let url = settings.database.database_url.expose();
        let here = format!("127.0.0.1:{}", self.port);
        let url = url.replacen(postgres::address_of(url), &here, 1);
        settings.database.database_url = url.parse().unwrap();
        settings.database.database_batches_url = None;
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

    /// Carries everything at this pace from now on, what waits included.
    pub(crate) fn set_pace(&self, pace: Pace) {
        self.pace.send_replace(pace);
    }

    /// Breaks the connection on which the next transaction is committed, and only that one.
    pub(crate) fn break_next(&self, how: Break) {
        *self.planned.lock().unwrap() = Some(how);
    }

    /// Whether what was planned has not happened yet.
    pub(crate) fn is_whole(&self) -> bool {
        self.planned.lock().unwrap().is_some()
    }

    /// How many failures with this SQLSTATE the database has told of.
    pub(crate) fn failures(&self, code: &str) -> usize {
        let failures = self.failures.lock().unwrap();
        failures.iter().filter(|it| *it == code).count()
    }

    fn pass(&self, listener: TcpListener) {
        let (target, planned) = (self.target.clone(), Arc::clone(&self.planned));
        let failures = Arc::clone(&self.failures);
        let pace = self.pace.subscribe();
        let passing = tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (target, planned) = (target.clone(), Arc::clone(&planned));
                let failures = Arc::clone(&failures);
                let mut pace = pace.clone();
                connections.spawn(async move {
                    let far = TcpStream::connect(target).await?;
                    pass_on(near, far, (&planned, &failures), &mut pace).await
                });
            }
        });
        *self.passing.lock().unwrap() = Some(passing);
    }
}

/// Passes on what comes from either side, until one ends or a break is due.
async fn pass_on(
    mut near: TcpStream,
    mut far: TcpStream,
    (planned, failures): (&Planned, &Failures),
    pace: &mut watch::Receiver<Pace>,
) -> Result<()> {
    let (mut asked, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
    let mut commits = Commits::default();
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let message = &asked[..read?];
                if message.is_empty() {
                    return Ok(());
                }
                wait_for(pace, message).await;
                let broken = if commits.with(message) {
                    planned.lock().unwrap().take()
                } else {
                    None
                };
                match broken {
                    Some(Break::BeforeCommit) => return Ok(()),
                    Some(Break::AfterCommit) => {
                        far.write_all(message).await?;
                        let _answer = far.read(&mut answered).await?;
                        return Ok(());
                    }
                    None => far.write_all(message).await?,
                }
            }
            read = far.read(&mut answered) => {
                let message = &answered[..read?];
                if message.is_empty() {
                    return Ok(());
                }
                failures.lock().unwrap().extend(codes(message));
                wait_for(pace, message).await;
                near.write_all(message).await?;
            }
        }
    }
}

/// The SQLSTATE in each failure that a message tells of: a field between that of its severity and its text.
fn codes(message: &[u8]) -> impl Iterator<Item = String> {
    let fields = message.windows(9);
    let codes = fields.filter(|it| it.starts_with(b"\0C") && it.ends_with(b"\0M"));
    codes.map(|it| String::from_utf8_lossy(&it[2..7]).into_owned())
}

/// Takes as long as the wire does with a message.
async fn wait_for(pace: &mut watch::Receiver<Pace>, message: &[u8]) {
    let moving = pace.wait_for(|pace| *pace != Pace::Stalled).await;
    let pace = *moving.expect("the proxy is there");
    if let Pace::Slow {
        delay,
        bytes_per_second,
    } = pace
    {
        let bytes = u32::try_from(message.len()).unwrap();
        let takes = Duration::from_secs(bytes.into()) / bytes_per_second;
        sleep(delay + takes).await;
    }
}

/// The messages of a connection that commit: the word, which is a short message of its own, and the running
/// of the statement by which a batch writes, which is a transaction of its own.
#[derive(Debug, Default)]
struct Commits {
    /// The name under which that statement was prepared.
    statement: Option<Vec<u8>>,
}

impl Commits {
    fn with(&mut self, message: &[u8]) -> bool {
        let place = |part: &[u8]| message.windows(part.len()).rposition(|bytes| bytes == part);
        if let Some(end) = place(b"\0WITH moved AS") {
            let name = message[..end]
                .windows(7)
                .rposition(|bytes| bytes == b"sqlx_s_");
            self.statement = Some(message[name.expect("it has a name")..=end].to_vec());
            return false;
        }
        let runs = self.statement.as_deref().and_then(place);
        runs.is_some() || place(b"COMMIT\0").is_some()
    }
}
