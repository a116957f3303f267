//! The program's log, on standard error, and its traces, over OTLP where they are asked for. Set up once.
//!
//! Spans are for traces alone: a line of the log says by itself what it is about. Without a collector they are
//! switched off where they would begin, and cost nothing.

mod traces;

use std::io::{self, IsTerminal};

use anyhow::Context as _;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use self::traces::Traces;
use crate::config::{LogFormat, LogSettings};

/// What still has to be sent when the program ends.
#[derive(Debug)]
pub struct Logging {
    traces: Option<Traces>,
}

impl Logging {
    /// Sends what is left.
    pub fn end(self) {
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}

/// Starts logging.
///
/// # Errors
/// If the filter or the collector's address cannot be read, or something logs already.
pub fn start(settings: &LogSettings) -> anyhow::Result<Logging> {
    let filter = EnvFilter::try_new(&settings.log_filter)
        .with_context(|| format!("`{}` is no log filter", settings.log_filter))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is not general enough"
    )]
    let events = filter_fn(|metadata| metadata.is_event());
    let traces = settings
        .otlp_endpoint
        .as_deref()
        .map(Traces::to)
        .transpose()?;
    tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(events)))
        .with(traces.as_ref().map(Traces::layer))
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot log: {error}"))?;
    Ok(Logging { traces })
}
