//! Traces: the client's goes on, through the database, e-mails have theirs, and nothing of what was written goes
//! with them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carnet::proto::v1::{self, EmailKind, EmailState};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::support::app::Database::Postgres;
use crate::support::app::on;
use crate::support::mailroom::emails;
use crate::support::process::{Serving, until};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

/// Keeps what it is sent.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts one; the answer is its address.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(server);
        format!("http://{address}")
    }

    fn of_trace(&self, trace_id: &str) -> Vec<Span> {
        let spans = self.0.lock().unwrap();
        let is_of = |span: &&Span| hex(&span.trace_id) == trace_id;
        spans.iter().filter(is_of).cloned().collect()
    }

    /// The deliveries that got as far as an outcome.
    fn deliveries(&self) -> Vec<Span> {
        let spans = self.0.lock().unwrap();
        let is_one = |span: &&Span| span.name == "delivery" && attribute(span, "outcome").is_some();
        spans.iter().filter(is_one).cloned().collect()
    }

    /// All that it was sent, in words.
    fn in_words(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }

    /// The first batch of this name that took on something of this trace.
    fn batch_of(&self, name: &str, trace_id: &str) -> Option<Span> {
        let spans = self.0.lock().unwrap();
        let took_on = |span: &&Span| {
            span.links
                .iter()
                .any(|link| hex(&link.trace_id) == trace_id)
        };
        spans
            .iter()
            .filter(|span| span.name == name)
            .find(took_on)
            .cloned()
    }
}

/// The request as a client sends it that is in a trace.
fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let header = format!("00-{TRACE}-{PARENT}-01");
    request
        .metadata_mut()
        .insert("traceparent", header.parse().unwrap());
    request
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// An attribute of a span, in words.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    if let Value::StringValue(text) = value {
        return Some(text.clone());
    }
    let Value::IntValue(number) = value else {
        panic!("{value:?}");
    };
    Some(number.to_string())
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

// On PostgreSQL alone: a second process cannot serve an SQLite file that this one serves.
#[tokio::test]
async fn a_clients_trace_goes_on_into_the_database_without_a_word_of_what_was_written() {
    on(Postgres, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", never()).await;
        let note = "she came with her sister";
        let consume = v1::ConsumeRequest {
            note: note.to_owned(),
            ..shop.use_lessons("1")
        };
        let collector = Collector::default();
        let endpoint = collector.start().await;
        let serving = Serving::start(app.database_url(), &["--otlp-endpoint", &endpoint]).await;
        let there = app.through(serving.channel());
        there.credits().consume(traced(consume)).await.unwrap();
        let ask = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(
                "ext:mari".to_owned(),
            )),
            ..v1::GetBalanceRequest::default()
        };
        // What it answers does not matter here.
        let _ = there.credits().get_balance(traced(ask)).await;

        until(
            Duration::from_secs(30),
            "the spans of both calls and the batch",
            async || {
                let calls = collector.of_trace(TRACE);
                let named = |name: &str| calls.iter().any(|span| span.name == name);
                let batch = collector.batch_of("batch", TRACE).is_some();
                named("CreditService/Consume") && named("CreditService/GetBalance") && batch
            },
        )
        .await;
        let calls = collector.of_trace(TRACE);
        for span in calls
            .iter()
            .filter(|span| span.name.starts_with("CreditService"))
        {
            assert_eq!(hex(&span.parent_span_id), PARENT, "{span:?}");
        }
        let batch = collector.batch_of("batch", TRACE).unwrap();
        let of_batch = collector.of_trace(&hex(&batch.trace_id));
        for spans in [calls, of_batch] {
            let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
            assert!(
                names.iter().any(|name| name.starts_with("sea_orm.")),
                "{names:?}"
            );
        }
        let all = collector.in_words();
        for word in [note, "SELECT \\\"", "UPDATE lots", &app.token] {
            assert!(!all.contains(word), "{word} is in {all}");
        }
        serving.kill().await;
    })
    .await;
}

// On PostgreSQL alone, as above.
#[tokio::test]
async fn a_delivery_is_traced_from_the_claim_through_each_stage_without_address_or_text() {
    on(Postgres, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let refusal = "554 5.7.1 mari.tamm@example.com is not liked";
        // Each of the two has a connection of its own.
        server.plan(At::Rcpt, Act::SayAndDrop(refusal));
        let collector = Collector::default();
        let (endpoint, smtp_url) = (collector.start().await, server.clear_url());
        let arguments = ["--otlp-endpoint", &endpoint, "--smtp-url", &smtp_url];
        let serving = Serving::start(app.database_url(), &arguments).await;
        let there = app.through(serving.channel());
        let shop = Shop::open(&there).await;
        shop.sell_lessons("8", never()).await;
        shop.sell_lessons("9", never()).await;
        let two = "the spans of two deliveries";
        until(Duration::from_mins(5), two, async || {
            collector.deliveries().len() == 2
        })
        .await;
        let all = emails(&there, EmailKind::Confirmation).await;
        for delivery in collector.deliveries() {
            let told = |key| attribute(&delivery, key).unwrap();
            let email = all.iter().find(|email| email.id == told("email_id"));
            let was_sent = email.unwrap().state() == EmailState::Sent;
            let outcome = if was_sent { "accepted" } else { "refused" };
            assert_eq!(
                (told("outcome"), told("attempt")),
                (outcome.into(), "1".into())
            );
            assert_eq!(told("server.address"), server.address().to_string());
            let spans = collector.of_trace(&hex(&delivery.trace_id));
            let named = |name: &str| spans.iter().find(|span| span.name == name);
            let batch = collector.batch_of("mail_batch", &hex(&delivery.trace_id));
            let claiming = collector.of_trace(&hex(&batch.unwrap().trace_id));
            assert!(
                claiming
                    .iter()
                    .any(|span| span.name.starts_with("sea_orm."))
            );
            let recipient = named("smtp recipient").unwrap();
            assert_eq!(recipient.parent_span_id, delivery.span_id);
            let code = attribute(recipient, "smtp.code").unwrap();
            let is_error = recipient.status.as_ref().unwrap().code() == StatusCode::Error;
            assert_eq!(is_error, !was_sent);
            let stages = ["connect", "greeting", "sender", "data", "body", "final dot"];
            let seen = stages.map(|stage| named(&format!("smtp {stage}")).is_some());
            if was_sent {
                assert_eq!((&*code, seen), ("250", [true; 6]));
            } else {
                assert_eq!(
                    (&*code, seen),
                    ("554", [true, true, true, false, false, false])
                );
            }
        }
        let words = collector.in_words();
        for secret in [
            "example.com",
            "is not liked",
            "Mari",
            &all[0].subject,
            &all[1].subject,
        ] {
            assert!(!words.contains(secret), "{secret} is in {words}");
        }
        serving.kill().await;
    })
    .await;
}
