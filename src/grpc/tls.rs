//! TLS on the gRPC port, with certificates from files that may change while they are served.
//!
//! New files replace the old ones only as a whole and only if they fit each other; until then the old ones are
//! served on, and the log and a metric tell of it. Connections that are open go on with what they were opened
//! with. There is no version below TLS 1.2 and nothing but HTTP/2 inside.

mod files;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use rustls::ServerConfig;
use tokio::time::sleep;

use crate::config::TlsSettings;
use crate::grpc::tls::files::{Pems, TlsFiles};

pub use crate::grpc::tls::files::TlsError;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often files have changed, by whether they replaced those that were served.
const RELOADS: &str = "carnet_tls_reloads_total";
/// 1 while the files are not what is served, because they cannot be used.
const UNFIT: &str = "carnet_tls_files_unfit";

/// What handshakes are made with; all clones are one.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Arc<TlsFiles>,
    served: Arc<Mutex<Served>>,
}

/// What is served, and what was found when the files were last looked at: their contents, or why there are none.
#[derive(Debug)]
struct Served {
    config: Arc<ServerConfig>,
    seen: Result<Pems, String>,
}

impl Tls {
    /// Reads the files that `settings` name, if they name any.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub async fn open(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some(files) = TlsFiles::of(settings) else {
            return Ok(None);
        };
        describe_counter!(
            RELOADS,
            "How often the files of certificates have changed, by whether the new ones were taken."
        );
        describe_gauge!(
            UNFIT,
            "1 while the files of certificates cannot be used and the old ones are served on."
        );
        gauge!(UNFIT).set(0.0);
        let pems = files.read().await?;
        let config = Arc::new(files.config(&pems)?);
        let served = Served {
            config,
            seen: Ok(pems),
        };
        Ok(Some(Self {
            files: Arc::new(files),
            served: Arc::new(Mutex::new(served)),
        }))
    }

    /// Whether clients must have certificates.
    pub fn is_mutual(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// What the next handshake is made with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(
            &self
                .served
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .config,
        )
    }

    /// Follows the files for as long as it is polled.
    pub(super) async fn follow_files(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            let found = self.files.read().await;
            self.take(found);
        }
    }

    /// Serves what was found from now on, if it is new and can be used.
    fn take(&self, found: Result<Pems, TlsError>) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match found {
            Ok(pems) if served.seen.as_ref() == Ok(&pems) => return,
            Ok(pems) => {
                let made = self.files.config(&pems);
                served.seen = Ok(pems);
                made
            }
            Err(error) if served.seen.as_ref() == Err(&error.to_string()) => return,
            Err(error) => {
                served.seen = Err(error.to_string());
                Err(error)
            }
        };
        match made {
            Ok(config) => {
                served.config = Arc::new(config);
                counter!(RELOADS, "outcome" => "taken").increment(1);
                gauge!(UNFIT).set(0.0);
                tracing::info!("new connections are served with the new TLS files");
            }
            Err(error) => {
                counter!(RELOADS, "outcome" => "refused").increment(1);
                gauge!(UNFIT).set(1.0);
                tracing::warn!(
                    %error,
                    "the new TLS files cannot be used, the old ones are served on: {error}"
                );
            }
        }
    }
}
