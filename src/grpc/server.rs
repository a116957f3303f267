//! The gRPC server: every service, behind the layers that surround each call.
//!
//! From the outside in: measure, read out, panic, shed, deadline, authenticate. Health and reflection (v1 and v1alpha,
//! which older clients need) stand behind the same layers and need no token. Health follows the
//! readiness of the process, under the empty name and under that of each service.

use std::future::{Future, pending};
use std::time::Duration;

use prost_reflect::DescriptorPool;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::config::ServerSettings;
use crate::grpc::api::Api;
use crate::grpc::bookings::Bookings;
use crate::grpc::business::Business;
use crate::grpc::catalog::Catalog;
use crate::grpc::credits::Credits;
use crate::grpc::customers::Customers;
use crate::grpc::emails::Emails;
use crate::grpc::invoices::Invoices;
use crate::grpc::layers::authenticate::AuthenticateLayer;
use crate::grpc::layers::deadline::DeadlineLayer;
use crate::grpc::layers::measure::MeasureLayer;
use crate::grpc::layers::panic;
use crate::grpc::layers::read_out::ReadOutLayer;
use crate::grpc::layers::shed::ShedLayer;
use crate::grpc::limits::Limits;
use crate::grpc::listener::connections;
use crate::grpc::packages::Packages;
use crate::grpc::permission::Permissions;
use crate::grpc::portal::Portal;
use crate::grpc::reports::Reports;
use crate::grpc::subscriptions::Subscriptions;
use crate::grpc::tls::Tls;
use crate::grpc::triggers::Triggers;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::v1::booking_service_server::BookingServiceServer;
use crate::proto::v1::business_service_server::BusinessServiceServer;
use crate::proto::v1::catalog_service_server::CatalogServiceServer;
use crate::proto::v1::credit_service_server::CreditServiceServer;
use crate::proto::v1::customer_service_server::CustomerServiceServer;
use crate::proto::v1::email_service_server::EmailServiceServer;
use crate::proto::v1::invoice_service_server::InvoiceServiceServer;
use crate::proto::v1::package_service_server::PackageServiceServer;
use crate::proto::v1::portal_service_server::PortalServiceServer;
use crate::proto::v1::report_service_server::ReportServiceServer;
use crate::proto::v1::subscription_service_server::SubscriptionServiceServer;
use crate::proto::v1::trigger_service_server::TriggerServiceServer;
use crate::service::Context;
use crate::service::readiness::{NotReady, Readiness};

/// The largest message that a service takes or gives, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a quiet connection is asked whether its client is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A client that answers no ping for this long is gone.
const PING_LIMIT: Duration = Duration::from_secs(20);
/// How many calls a connection has under way at most; a client keeps more waiting at its own end.
const STREAMS_MAX: u32 = 256;
/// How many calls a client may take back before they are begun, until its connection is closed.
const RESETS_PENDING_MAX: usize = 32;
/// How many calls may break the protocol until their connection is closed.
const RESETS_FOR_FAULTS_MAX: usize = 64;
/// The most bytes of a call's headers, as HTTP/2 counts them.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The descriptors that are built in are broken.
    #[error("the built-in descriptors cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// Reflection does not take the descriptors that are built in.
    #[error("reflection cannot be set up: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Every service of Carnet, each within the same limit of message sizes.
pub fn routes(api: &Api) -> Routes {
    macro_rules! bounded {
        ($server:ident, $handlers:ident) => {
            $server::new($handlers(api.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
        };
    }
    Routes::default()
        .add_service(bounded!(BusinessServiceServer, Business))
        .add_service(bounded!(CatalogServiceServer, Catalog))
        .add_service(bounded!(CustomerServiceServer, Customers))
        .add_service(bounded!(PackageServiceServer, Packages))
        .add_service(bounded!(CreditServiceServer, Credits))
        .add_service(bounded!(InvoiceServiceServer, Invoices))
        .add_service(bounded!(SubscriptionServiceServer, Subscriptions))
        .add_service(bounded!(BookingServiceServer, Bookings))
        .add_service(bounded!(TriggerServiceServer, Triggers))
        .add_service(bounded!(EmailServiceServer, Emails))
        .add_service(bounded!(ReportServiceServer, Reports))
        .add_service(bounded!(PortalServiceServer, Portal))
}

/// The transport: HTTP/2 within limits. Most are the framework's own, which it sets aside where nobody names
/// them.
fn transport() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_LIMIT))
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
        .http2_max_local_error_reset_streams(Some(RESETS_FOR_FAULTS_MAX))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
}

/// Serves on `listener`, in `tls` if there is one, until `stopped`, then lets the calls under way end. That may take for ever, since
/// a client may open a connection and say nothing: the caller sets the limit.
pub async fn serve(
    (listener, tls): (TcpListener, Option<Tls>),
    settings: &ServerSettings,
    ctx: &Context,
    tasks: TaskTracker,
    stopped: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    let names = pool
        .services()
        .map(|service| service.full_name().to_owned());
    let names: Vec<String> = names.chain([String::new()]).collect();
    let health = HealthReporter::new();
    report(&health, &names, ctx.readiness.get()).await;
    let routes = with_common_services(routes(&Api::new(ctx.clone(), tasks)), &health)?;
    let calls_max = usize::try_from(settings.calls_max).unwrap_or(usize::MAX);
    let connections_max = usize::try_from(settings.limits.connections_max).unwrap_or(usize::MAX);
    let limits = Limits::new(&settings.limits, &ctx.clock);
    let authenticate = AuthenticateLayer::new(ctx.clone(), Permissions::read()?, limits.clone());
    let server = transport()
        .layer(MeasureLayer::new(&pool))
        .layer(ReadOutLayer)
        .layer(panic::layer())
        .layer(ShedLayer::new(calls_max))
        .layer(DeadlineLayer::new(settings.deadline()))
        .layer(authenticate)
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections(listener, tls.clone(), connections_max), stopped);
    let follow_files = async {
        match &tls {
            Some(tls) => tls.follow_files().await,
            None => pending().await,
        }
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = keep_reporting(health, names, ctx.readiness.clone()) => Ok(()),
        () = follow_files => Ok(()),
        () = limits.keep_forgetting() => Ok(()),
    }
}

/// Adds health and reflection.
fn with_common_services(routes: Routes, health: &HealthReporter) -> Result<Routes, ServerError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let health = HealthService::from_health_reporter(health.clone());
    Ok(routes
        .add_service(HealthServer::new(health))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}

/// Tells health of every change of the readiness, for as long as it is polled.
async fn keep_reporting(health: HealthReporter, names: Vec<String>, readiness: Readiness) {
    let mut changes = readiness.watch();
    // The first report was made before this one began to listen.
    changes.mark_changed();
    while changes.changed().await.is_ok() {
        let state = *changes.borrow_and_update();
        report(&health, &names, state).await;
    }
}

async fn report(health: &HealthReporter, names: &[String], state: Result<(), NotReady>) {
    let status = match state {
        Ok(()) => ServingStatus::Serving,
        Err(_) => ServingStatus::NotServing,
    };
    for name in names {
        health.set_service_status(name, status).await;
    }
}
