//! What every client meets before any service: tokens, health, reflection, unknown methods.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::catalog_service_client::CatalogServiceClient;
use carnet::proto::v1::credit_service_client::CreditServiceClient;
use prost::Message;
use rstest::rstest;
use tokio_stream::StreamExt;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::{v1 as reflection, v1alpha as old_reflection};

use crate::support::app::{Database, Postgres, Sqlite, on};
use crate::support::refused::refused;
use crate::support::tenant::Bearer;

async fn health(channel: &Channel, service: &str) -> HealthCheckResponse {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer.unwrap().into_inner()
}

#[rstest]
#[tokio::test]
async fn health_answers_without_a_token_for_the_server_and_each_service(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        for service in ["", "carnet.v1.CreditService", "carnet.v1.EmailService"] {
            let answer = health(&app.channel, service).await;
            assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn reflection_tells_every_service_and_its_permissions_without_a_token() {
    use reflection::server_reflection_client::ServerReflectionClient;
    use reflection::server_reflection_request::MessageRequest;
    use reflection::server_reflection_response::MessageResponse;
    on(Sqlite, async |app| {
        let ask = async |what: MessageRequest| {
            let request = reflection::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(what),
            };
            let mut client = ServerReflectionClient::new(app.channel.clone());
            let answers = client.server_reflection_info(tokio_stream::once(request));
            let mut answers = answers.await.unwrap().into_inner();
            answers.next().await.unwrap().unwrap().message_response
        };
        let listed = ask(MessageRequest::ListServices(String::new())).await;
        let Some(MessageResponse::ListServicesResponse(listed)) = listed else {
            panic!("{listed:?}");
        };
        let names: Vec<_> = listed.service.into_iter().map(|it| it.name).collect();
        for wanted in ["carnet.v1.CreditService", "grpc.health.v1.Health"] {
            assert!(names.iter().any(|name| name == wanted), "{names:?}");
        }
        let symbol = "carnet.v1.CreditService".to_owned();
        let found = ask(MessageRequest::FileContainingSymbol(symbol)).await;
        let Some(MessageResponse::FileDescriptorResponse(found)) = found else {
            panic!("{found:?}");
        };
        let file = prost_types::FileDescriptorProto::decode(&*found.file_descriptor_proto[0]);
        assert_eq!(file.unwrap().name(), "carnet/v1/credit_service.proto");
    })
    .await;
}

#[tokio::test]
async fn older_clients_find_reflection_under_its_first_name() {
    use old_reflection::server_reflection_client::ServerReflectionClient;
    use old_reflection::server_reflection_request::MessageRequest;
    use old_reflection::server_reflection_response::MessageResponse;
    on(Sqlite, async |app| {
        let request = old_reflection::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(app.channel.clone());
        let answers = client.server_reflection_info(tokio_stream::once(request));
        let mut answers = answers.await.unwrap().into_inner();
        let answer = answers.next().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(listed)) = answer else {
            panic!("{answer:?}");
        };
        let ours = |service: &old_reflection::ServiceResponse| service.name.starts_with("carnet.");
        assert!(listed.service.iter().any(ours));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_call_without_a_token_or_with_a_wrong_one_is_refused_alike(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut without = CreditServiceClient::new(app.channel.clone());
        let result = without.consume(v1::ConsumeRequest::default()).await;
        refused(result, Code::Unauthenticated, "UNAUTHENTICATED");

        let mut altered = app.token.clone().into_bytes();
        let at = altered.len() - 5;
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        let other = app.second_business().await;
        // The business of one token and the rest of another: what a thief would try.
        let mixed = format!("{}{}", &other.token[..20], &app.token[20..]);
        for wrong in ["", "carnet_", "carnet_AAAA", "hunter2", &altered, &mixed] {
            let channel = InterceptedService::new(app.channel.clone(), Bearer::new(wrong));
            let mut client = CatalogServiceClient::new(channel);
            let result = client.list_items(v1::ListItemsRequest::default()).await;
            refused(result, Code::Unauthenticated, "UNAUTHENTICATED");
        }
    })
    .await;
}

/// What `$client.$method` answers to an empty request is a refusal that names the permission.
macro_rules! denies {
    ($app:ident, $client:ident.$method:ident($request:ident) needs $permission:literal) => {
        let mut client = $app.$client();
        let result = client.$method(v1::$request::default()).await;
        let metadata = refused(result, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(metadata["permission"], $permission);
    };
}

#[rstest]
#[tokio::test]
async fn every_service_refuses_who_lacks_the_permission_before_it_reads_the_request(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let app = app.allowed_only(&[Permission::LedgerRead]).await;
        denies!(app, business.get_settings(GetSettingsRequest) needs "SETTINGS_READ");
        denies!(app, catalog.create_item(CreateItemRequest) needs "CATALOG_MANAGE");
        denies!(app, customers.get_customer(GetCustomerRequest) needs "CUSTOMERS_READ");
        denies!(app, packages.sell_packages(SellPackagesRequest) needs "PACKAGES_SELL");
        denies!(app, credits.consume(ConsumeRequest) needs "CREDITS_CONSUME");
        denies!(app, emails.list_emails(ListEmailsRequest) needs "EMAILS_READ");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_method_is_said_to_be_unknown() {
    on(Sqlite, async |app| {
        let path = "/carnet.v1.CreditService/Mint";
        let mut client = Grpc::new(app.channel.clone());
        client.ready().await.unwrap();
        let mut request = Request::new(());
        let token = format!("Bearer {}", app.token).parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let result = client.unary(request, PathAndQuery::from_static(path), codec);
        let metadata = refused(result.await, Code::Unimplemented, "METHOD_UNKNOWN");
        assert_eq!(metadata["method"], path);
    })
    .await;
}
