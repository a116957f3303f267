//! The HTTP side as Prometheus reads it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::app::TestApp;

/// The answer of the HTTP side to a plain GET, head and body. Metrics are the process's, and some are looked up
/// when they are asked for: here nobody else asks meanwhile.
pub(crate) async fn get(app: &TestApp, path: &str) -> String {
    static ASKING: Mutex<()> = Mutex::const_new(());
    let _asking = ASKING.lock().await;
    let mut stream = TcpStream::connect(app.http_address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: carnet\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The value of a metric on a page of them; `name` with its labels, if it has some.
pub(crate) fn metric(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}
