//! The program's log, on standard error, and its traces, over OTLP where they are asked for. Set up once.
//!
//! Spans are for traces alone: a line of the log says by itself what it is about. Without a collector they are
//! switched off where they would begin, and cost nothing.
//!
//! Whatever filter is asked for, of the libraries only what they say at `info` or above is logged: below that they
//! write out statements with their values, headers with their tokens, and dialogues with the mail server.

mod traces;

use std::io::{self, IsTerminal};

use anyhow::Context as _;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
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
    let (subscriber, traces) = subscriber(settings)?;
    subscriber
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot log: {error}"))?;
    Ok(Logging { traces })
}

fn subscriber(settings: &LogSettings) -> anyhow::Result<(impl Subscriber, Option<Traces>)> {
    let filter = EnvFilter::try_new(&settings.log_filter)
        .with_context(|| format!("`{}` is no log filter", settings.log_filter))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Without a hint nothing below the filter's level would be switched off for all at once.
    let events = filter_fn(|metadata| metadata.is_event() && is_discreet(metadata))
        .with_max_level_hint(LevelFilter::TRACE);
    let traces = settings
        .otlp_endpoint
        .as_deref()
        .map(Traces::to)
        .transpose()?;
    // One list of layers: an optional one that is not there counts as one that wants to hear of everything.
    let mut layers = vec![lines.with_filter(filter.and(events)).boxed()];
    layers.extend(traces.as_ref().map(|traces| traces.layer().boxed()));
    Ok((tracing_subscriber::registry().with(layers), traces))
}

/// Whether an event can hold nothing that somebody wrote: our own never do.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_ours = target == "carnet" || target.starts_with("carnet::");
    is_ours || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use tracing::callsite::{Callsite, Identifier};
    use tracing::field::FieldSet;
    use tracing::metadata::Kind;
    use tracing::subscriber::Interest;

    use super::*;

    struct Place(&'static Metadata<'static>);

    impl Callsite for Place {
        fn set_interest(&self, _interest: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            self.0
        }
    }

    static OF_A_LIBRARY: Place = Place(&Metadata::new(
        "poll",
        "h2::proto",
        Level::TRACE,
        None,
        None,
        None,
        FieldSet::new(&[], Identifier(&OF_A_LIBRARY)),
        Kind::SPAN,
    ));

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        log: LogSettings,
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_switched_off_where_it_would_begin() {
        let plain = ["carnet"].as_slice();
        let traced = ["carnet", "--otlp-endpoint=http://127.0.0.1:4317"].as_slice();
        for (arguments, most) in [(plain, LevelFilter::INFO), (traced, LevelFilter::DEBUG)] {
            let settings = Program::parse_from(arguments).log;
            let (subscriber, _traces) = subscriber(&settings).unwrap();
            assert_eq!(subscriber.max_level_hint(), Some(most), "{arguments:?}");
            let interest = subscriber.register_callsite(OF_A_LIBRARY.0);
            assert!(interest.is_never(), "{arguments:?}: {interest:?}");
        }
    }
}
