//! Tokens: they end, are rotated, and say when they were last used (J3).

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::Permission as Held;
use carnet::service::token_uses;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::staff::token;
use crate::support::tenant::Tenant;

fn reader() -> v1::Token {
    token("", &[Held::SettingsRead])
}

fn ending(expires_at: DateTime<Utc>) -> v1::Token {
    v1::Token {
        expires_at: Some(carnet::grpc::faults::timestamp(expires_at)),
        ..reader()
    }
}

async fn rotate(
    tenant: &Tenant,
    token_id: &str,
    grace_minutes: i32,
) -> Result<v1::RotateTokenResponse, Status> {
    let request = v1::RotateTokenRequest {
        token_id: token_id.to_owned(),
        grace_minutes,
        ..Default::default()
    };
    let answer = tenant.business().rotate_token(request).await?;
    Ok(answer.into_inner())
}

async fn is_good(app: &TestApp, secret: &str) -> bool {
    let called = app.bearing_token(secret.to_owned()).read_settings().await;
    if called.is_ok() {
        return true;
    }
    refused(called, Code::Unauthenticated, "UNAUTHENTICATED");
    false
}

#[rstest]
#[tokio::test]
async fn a_token_is_good_until_the_instant_of_its_end(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let end = app.clock.now() + TimeDelta::hours(1);
        let made = app.try_token(ending(end)).await.unwrap();
        let made_token = made.token.unwrap();
        assert_eq!(made_token.expires_at, ending(end).expires_at);
        app.clock.set(end - TimeDelta::microseconds(1));
        assert!(is_good(app, &made.secret).await);
        app.clock.set(end);
        assert!(!is_good(app, &made.secret).await);
        let over = app.try_token(ending(end)).await;
        let numbers = refused(over, Code::FailedPrecondition, "TOKEN_EXPIRY_NOT_AHEAD");
        assert_eq!(numbers["expires_at"], "2026-01-15T11:00:00Z");
        let rotated = rotate(app, &made_token.id, 0).await;
        refused(rotated, Code::FailedPrecondition, "TOKEN_EXPIRY_NOT_AHEAD");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_rotated_token_is_known_by_its_old_secret_for_the_grace_and_by_no_older_one(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let first = app.try_token(reader()).await.unwrap();
        let id = first.token.unwrap().id;
        let second = rotate(app, &id, 30).await.unwrap();
        assert_eq!(second.token.as_ref().unwrap().id, id);
        assert!(is_good(app, &first.secret).await && is_good(app, &second.secret).await);
        app.clock.advance(TimeDelta::minutes(29));
        assert!(is_good(app, &first.secret).await);
        let third = rotate(app, &id, 30).await.unwrap();
        assert!(!is_good(app, &first.secret).await);
        assert!(is_good(app, &second.secret).await && is_good(app, &third.secret).await);
        app.clock.advance(TimeDelta::minutes(30));
        assert!(!is_good(app, &second.secret).await);
        let fourth = rotate(app, &id, 0).await.unwrap();
        assert!(!is_good(app, &third.secret).await && is_good(app, &fourth.secret).await);
        assert_eq!(fourth.token.unwrap().previous_secret_until, None);
        let too_long = rotate(app, &id, 10_081).await;
        assert_eq!(field_faults(too_long)[0].0, "grace_minutes");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_repeated_rotation_rotates_once_and_shows_no_secret_again(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let made = app.try_token(reader()).await.unwrap();
        let mut request = v1::RotateTokenRequest {
            token_id: made.token.unwrap().id,
            request_id: app.request_id(),
            validate_only: true,
            ..Default::default()
        };
        let tried = app.business().rotate_token(request.clone()).await.unwrap();
        assert_eq!(tried.into_inner().secret, "");
        assert!(is_good(app, &made.secret).await);
        request.validate_only = false;
        let rotated = app.business().rotate_token(request.clone()).await.unwrap();
        let again = app
            .business()
            .rotate_token(request)
            .await
            .unwrap()
            .into_inner();
        assert!(again.replayed && again.secret.is_empty());
        assert!(is_good(app, &rotated.into_inner().secret).await);
        assert!(!is_good(app, &made.secret).await);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_secret_of_a_mightier_token_is_not_to_be_had_by_rotating_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let clerk = app.allowed_only(&[Permission::TokensManage]).await;
        let mighty = app.try_token(reader()).await.unwrap();
        let id = mighty.token.unwrap().id;
        let denied = rotate(&clerk, &id, 0).await;
        let numbers = refused(denied, Code::PermissionDenied, "PERMISSIONS_EXCEED_CALLER");
        assert_eq!(numbers["permissions"], "SETTINGS_READ");
        assert!(is_good(app, &mighty.secret).await);
        let request = v1::RevokeTokenRequest {
            token_id: id.clone(),
            ..Default::default()
        };
        clerk.business().revoke_token(request).await.unwrap();
        assert!(!is_good(app, &mighty.secret).await);
        let dead = rotate(app, &id, 0).await;
        refused(dead, Code::FailedPrecondition, "TOKEN_REVOKED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_revoked_token_takes_its_old_secret_with_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let made = app.try_token(reader()).await.unwrap();
        let id = made.token.unwrap().id;
        let rotated = rotate(app, &id, 60).await.unwrap();
        let request = v1::RevokeTokenRequest {
            token_id: id,
            ..Default::default()
        };
        app.business().revoke_token(request).await.unwrap();
        assert!(!is_good(app, &made.secret).await && !is_good(app, &rotated.secret).await);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_user_without_a_role_gets_no_token_that_could_do_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let user = app.user("Coach Kati").await;
        let made = app.try_token(token(&user, &[Held::SettingsRead])).await;
        let numbers = refused(made, Code::FailedPrecondition, "USER_WITHOUT_ROLE");
        assert_eq!(numbers["user_id"], user);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_last_use_of_a_token_is_written_beside_the_calls_and_only_moves_on(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let made = app.try_token(reader()).await.unwrap();
        let last_used_at = async || {
            let request = v1::ListTokensRequest::default();
            let listed = app.business().list_tokens(request).await.unwrap();
            let mut tokens = listed.into_inner().tokens.into_iter();
            tokens
                .find(|it| Some(&it.id) == made.token.as_ref().map(|it| &it.id))
                .unwrap()
                .last_used_at
        };
        app.clock.advance(TimeDelta::seconds(90));
        let used_at = app.clock.now();
        assert!(is_good(app, &made.secret).await);
        assert_eq!(last_used_at().await, None);
        token_uses::write(app.context().clone()).await;
        let used_at = Some(carnet::grpc::faults::timestamp(used_at));
        assert_eq!(last_used_at().await, used_at);
        // Another replica whose clock is behind.
        app.clock.advance(TimeDelta::seconds(-60));
        assert!(is_good(app, &made.secret).await);
        token_uses::write(app.context().clone()).await;
        assert_eq!(last_used_at().await, used_at);
    })
    .await;
}
