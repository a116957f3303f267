//! Traces over OTLP: calls, what they ask of the database, batches, and dialogues with the mail server.
//!
//! No text of a statement, no value and no message of the database leaves the process: spans of the database
//! say which kind of statement it was and how it ended.

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// The name of the program in traces.
const SERVICE: &str = "carnet";
/// What the database said, which may quote what somebody wrote.
const SAID_BY_THE_DATABASE: &str = "exception.message";

/// Where spans go.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends spans to the collector at this address, such as `http://localhost:4317`. It need not be there yet.
    pub(super) fn to(endpoint: &str) -> anyhow::Result<Self> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .with_context(|| format!("cannot send traces to `{endpoint}`"))?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Discreet(exporter))
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let spans = Targets::new()
            .with_target("carnet", LevelFilter::DEBUG)
            .with_target("sea_orm", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_filter(spans)
    }

    pub(super) fn end(self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not sent: {error}");
        }
    }
}

/// An exporter that keeps to itself what may quote somebody.
#[derive(Debug)]
struct Discreet<E>(E);

impl<E: SpanExporter> SpanExporter for Discreet<E> {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        for span in &mut batch {
            span.attributes
                .retain(|attribute| attribute.key.as_str() != SAID_BY_THE_DATABASE);
        }
        self.0.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
