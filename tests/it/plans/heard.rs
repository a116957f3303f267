//! What the server's connections say while a client calls: what they execute, or what PostgreSQL says of it.
//!
//! A subscriber of this thread hears it, and the server of the test runs on this thread, so other tests are
//! neither heard nor disturbed.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Sea-orm's events for each statement with its values, and sqlx's for each notice of PostgreSQL.
const EVENTS: &str = "off,sea_orm=debug,sqlx::postgres::notice=info";

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hears events for as long as it lives.
pub(super) struct Heard {
    written: Written,
    _guard: DefaultGuard,
}

impl Heard {
    pub(super) fn begin() -> Self {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new(EVENTS))
            .with_writer(move || writer.clone())
            .finish();
        Self {
            written,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The messages since it was asked last whose target begins so.
    pub(super) fn take(&self, target: &str) -> Vec<String> {
        let written = mem::take(&mut *self.written.0.lock().unwrap());
        let lines = String::from_utf8(written).unwrap();
        let events = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter(|event| event["target"].as_str().unwrap().starts_with(target))
            .map(|event| event["fields"]["message"].as_str().unwrap().to_owned())
            .collect()
    }
}
