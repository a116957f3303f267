//! The database goes away and comes back: callers and orchestrators are told, and nobody restarts
//! anything.

use std::time::Duration;

use carnet::proto::v1;
use sea_orm::ConnectionTrait;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;

use crate::support::app::{Postgres, TestApp, on, on_tuned};
use crate::support::postgres;
use crate::support::proxy::Proxy;
use crate::support::refused::refused;
use crate::support::tenant::Tenant;

/// Longer than the server needs to notice anything.
const NOTICED_BY: Duration = Duration::from_secs(30);

/// What the server says to a call that only needs the database to know its token.
async fn call(tenant: &Tenant) -> Result<(), Status> {
    let mut business = tenant.business();
    let result = business.get_settings(v1::GetSettingsRequest {}).await;
    result.map(|_| ())
}

async fn nobody(app: &TestApp) -> Tenant {
    app.allowed_only(&[]).await
}

async fn next(changes: &mut tonic::Streaming<HealthCheckResponse>) -> ServingStatus {
    let change = timeout(NOTICED_BY, changes.next()).await;
    change.unwrap().unwrap().unwrap().status()
}

#[tokio::test]
async fn calls_are_told_to_retry_and_health_follows_until_the_database_is_back() {
    let proxy = Proxy::to_postgres().await;
    on_tuned(
        Postgres,
        |settings| proxy.lead(settings),
        async |app| {
            let nobody = nobody(app).await;
            refused(
                call(&nobody).await,
                Code::PermissionDenied,
                "PERMISSION_DENIED",
            );
            let mut health = HealthClient::new(app.channel.clone());
            let changes = health.watch(HealthCheckRequest::default()).await;
            let mut changes = changes.unwrap().into_inner();
            assert_eq!(next(&mut changes).await, ServingStatus::Serving);

            proxy.cut().await;
            let result = call(&nobody).await;
            let advice = result.as_ref().unwrap_err().get_details_retry_info();
            assert!(advice.is_some_and(|advice| advice.retry_delay.is_some()));
            refused(result, Code::Unavailable, "DATABASE_UNAVAILABLE");
            assert_eq!(next(&mut changes).await, ServingStatus::NotServing);

            proxy.mend().await;
            assert_eq!(next(&mut changes).await, ServingStatus::Serving);
            refused(
                call(&nobody).await,
                Code::PermissionDenied,
                "PERMISSION_DENIED",
            );
        },
    )
    .await;
}

#[tokio::test]
async fn connections_that_the_database_ends_are_replaced() {
    on(Postgres, async |app| {
        let nobody = nobody(app).await;
        let other = postgres::connect(app.database_url()).await;
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        other.execute_unprepared(ended).await.unwrap();
        other.close().await.unwrap();
        // Each connection that was ended may be found out by one call.
        for _ in 0..8 {
            let status = call(&nobody).await.unwrap_err();
            if status.code() == Code::PermissionDenied {
                return;
            }
            refused(
                Err::<(), _>(status),
                Code::Unavailable,
                "DATABASE_UNAVAILABLE",
            );
        }
        panic!("the database is there, and calls do not reach it");
    })
    .await;
}
