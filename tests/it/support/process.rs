//! `carnet serve` as a process of its own, which a test can end as the kernel would.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

/// Longer than a start takes on a busy machine.
const STARTED_BY: Duration = Duration::from_mins(5);
/// How often [`until`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    address: String,
    /// Where the HTTP side is served.
    pub(crate) http_address: SocketAddr,
    /// What it logs, read on so that the process never waits for that.
    log: JoinHandle<Vec<String>>,
}

impl Serving {
    /// Starts it on free ports and waits until it serves.
    pub(crate) async fn start(database_url: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .args(["serve", "--database-url", database_url])
            .args(["--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0"])
            .args(["--database-connections-max=4", "--log-format=json"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut lines = BufReader::new(stderr).lines();
        let started = timeout(STARTED_BY, addresses(&mut lines)).await;
        let (address, http_address, mut logged) = started.unwrap();
        let log = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                logged.push(line);
            }
            logged
        });
        Self {
            child,
            address,
            http_address,
            log,
        }
    }

    /// A channel to it; it connects when it is first used.
    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy()
    }

    /// Makes it stand still as if its machine had (SIGSTOP), or go on (SIGCONT).
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let kill = ["-c", "kill -s \"$0\" \"$1\"", name, &id];
        let done = Command::new("sh").args(kill).status().await.unwrap();
        assert!(done.success());
    }

    /// Asks it to end (SIGTERM) and waits until it has; the answer is all that it logged.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.signal("TERM").await;
        self.child.wait().await.unwrap();
        self.log.await.unwrap()
    }

    /// Ends it without warning (SIGKILL); the answer is all that it logged.
    pub(crate) async fn kill(mut self) -> Vec<String> {
        self.child.kill().await.unwrap();
        self.log.await.unwrap()
    }
}

/// Where the log says that gRPC and then HTTP are served, and all that it said until then.
async fn addresses(lines: &mut Lines<BufReader<ChildStderr>>) -> (String, SocketAddr, Vec<String>) {
    let mut seen = Vec::new();
    let mut grpc = None;
    while let Some(line) = lines.next_line().await.unwrap() {
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let message = entry["message"].as_str().unwrap_or_default();
        let address = || entry["address"].as_str().unwrap().to_owned();
        seen.push(line);
        if message.starts_with("gRPC is served") {
            grpc = Some(address());
        } else if message.starts_with("HTTP is served") {
            return (grpc.unwrap(), address().parse().unwrap(), seen);
        }
    }
    panic!("the server ended: {seen:#?}");
}

/// Waits until something is so, because a process made it so.
pub(crate) async fn until(limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let found = timeout(limit, looking).await;
    assert!(found.is_ok(), "{what} did not come true within {limit:?}");
}
