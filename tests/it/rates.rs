//! How often a token, a business and an address may call, through gRPC.

use std::time::Duration;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::watch_changes_request::Begin;
use chrono::TimeDelta;
use rstest::rstest;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on_tuned;
use crate::support::refused::refused;
use crate::support::scrape::{get, metric};
use crate::support::shop::{Shop, never};
use crate::support::tenant::Tenant;

async fn call(tenant: &Tenant) -> Result<(), Status> {
    let request = v1::ListItemsRequest::default();
    tenant.catalog().list_items(request).await.map(|_| ())
}

/// Checks that a call was refused for this limit, and answers when it may come again.
#[track_caller]
fn limited<T: std::fmt::Debug>(result: Result<T, Status>, limit: &str, subject: &str) -> Duration {
    let status = result.as_ref().unwrap_err();
    let retry = status.get_details_retry_info().unwrap();
    let quota = status.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations.len(), 1);
    assert_eq!(quota.violations[0].subject, format!("{limit}:{subject}"));
    let facts = refused(result, Code::ResourceExhausted, "RATE_LIMITED");
    assert_eq!(facts["limit"], limit);
    assert_eq!(facts["calls_per_second"], "2");
    assert_eq!(facts["burst"], "5");
    retry.retry_delay.unwrap()
}

async fn token_id(tenant: &Tenant) -> String {
    let request = v1::ListTokensRequest::default();
    let tokens = tenant.business().list_tokens(request).await.unwrap();
    tokens.into_inner().tokens[0].id.clone()
}

#[rstest]
#[tokio::test]
async fn a_token_may_call_so_often_and_is_told_truly_when_again(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(
        database,
        |settings| settings.server.limits.rate_per_token = "2/5".parse().unwrap(),
        async |app| {
            let mut id = String::new();
            for number in 0..5 {
                if number == 0 {
                    id = token_id(app).await;
                } else {
                    call(app).await.unwrap();
                }
            }
            let before = get(app, "/metrics").await;
            let wait = limited(call(app).await, "token", &id);
            assert_eq!(wait, Duration::from_millis(500));
            let count = |page: &str| {
                let name = "carnet_grpc_calls_limited_total{limit=\"token\"}";
                metric(page, name).unwrap_or_default()
            };
            assert!(count(&get(app, "/metrics").await) > count(&before));
            // Another token of the same business has its own, and health is asked without one.
            call(&app.allowed_only(Permission::ALL).await)
                .await
                .unwrap();
            let mut health = HealthClient::new(app.channel.clone());
            health.check(HealthCheckRequest::default()).await.unwrap();

            app.clock.advance(TimeDelta::milliseconds(499));
            let wait = limited(call(app).await, "token", &id);
            assert_eq!(wait, Duration::from_millis(1));
            app.clock.advance(TimeDelta::milliseconds(1));
            call(app).await.unwrap();
            limited(call(app).await, "token", &id);
        },
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn all_tokens_of_a_business_share_its_rate_and_no_other_business_feels_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(
        database,
        |settings| settings.server.limits.rate_per_business = "2/5".parse().unwrap(),
        async |app| {
            let second = app.allowed_only(&[Permission::CatalogRead]).await;
            let may_nothing = app.allowed_only(&[Permission::LedgerRead]).await;
            for tenant in [app, &second, app, &second] {
                call(tenant).await.unwrap();
            }
            // Who is refused for want of a permission has called as well.
            refused(
                call(&may_nothing).await,
                Code::PermissionDenied,
                "PERMISSION_DENIED",
            );
            let business = app.business_id.to_string();
            for tenant in [app, &second, &may_nothing] {
                limited(call(tenant).await, "business", &business);
            }
            call(&app.second_business().await).await.unwrap();
        },
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn a_use_that_was_refused_for_a_limit_had_no_effect_and_has_one_when_it_is_repeated(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(
        database,
        |settings| settings.server.limits.rate_per_token = "2/20".parse().unwrap(),
        async |app| {
            let shop = Shop::open(app).await;
            let package = shop.sell_lessons("50", never()).await;
            let desk = app.allowed_only(&[Permission::CreditsConsume]).await;
            let mut told = Vec::new();
            for _ in 0..25 {
                let request = shop.use_lessons_of(&package.id, "1");
                let result = desk.credits().consume(request.clone()).await;
                told.push((request, result.is_ok()));
            }
            assert_eq!(told.iter().filter(|(_, was_done)| *was_done).count(), 20);
            for (request, was_done) in told {
                app.clock.advance(TimeDelta::seconds(1));
                let again = desk.credits().consume(request).await.unwrap();
                assert_eq!(again.into_inner().replayed, was_done);
            }
            assert_eq!(shop.left(&package.id).await, "25");
        },
    )
    .await;
}

#[tokio::test]
async fn a_streamed_answer_is_one_call_however_long() {
    on_tuned(
        Sqlite,
        |settings| settings.server.limits.rate_per_token = "2/5".parse().unwrap(),
        async |app| {
            let request = v1::WatchChangesRequest {
                begin: Some(Begin::Start(v1::FeedStart::Now.into())),
                heartbeat_seconds: 1,
            };
            let stream = app.credits().watch_changes(request).await.unwrap();
            let mut stream = stream.into_inner();
            for _ in 0..3 {
                stream.next().await.unwrap().unwrap();
            }
            let id = token_id(app).await;
            for _ in 0..3 {
                call(app).await.unwrap();
            }
            limited(call(app).await, "token", &id);
            stream.next().await.unwrap().unwrap();
        },
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn who_guesses_tokens_is_slowed_and_those_who_were_let_in_before_go_on(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(
        database,
        |settings| settings.server.limits.rate_of_wrong_tokens = "2/5".parse().unwrap(),
        async |app| {
            call(app).await.unwrap();
            let fresh = app.allowed_only(Permission::ALL).await;
            let mut text = app.token.clone().into_bytes();
            let at = text.len() - 5;
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let guesser = app.bearing_token(String::from_utf8(text).unwrap());
            for _ in 0..6 {
                refused(
                    call(&guesser).await,
                    Code::Unauthenticated,
                    "UNAUTHENTICATED",
                );
            }
            let wait = limited(call(&guesser).await, "address", "127.0.0.1");
            assert_eq!(wait, Duration::from_millis(500));
            limited(call(&fresh).await, "address", "127.0.0.1");
            call(app).await.unwrap();

            app.clock.advance(TimeDelta::milliseconds(500));
            call(&fresh).await.unwrap();
            for _ in 0..2 {
                refused(
                    call(&guesser).await,
                    Code::Unauthenticated,
                    "UNAUTHENTICATED",
                );
            }
            limited(call(&guesser).await, "address", "127.0.0.1");
            call(&fresh).await.unwrap();
        },
    )
    .await;
}
