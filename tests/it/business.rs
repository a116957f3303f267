//! Settings, tokens and staff (C10 and access), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use prost_types::FieldMask;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

async fn settings(app: &TestApp) -> v1::Settings {
    let request = v1::GetSettingsRequest {};
    let answer = app.business().get_settings(request).await.unwrap();
    answer.into_inner().settings.unwrap()
}

async fn write(
    app: &TestApp,
    settings: v1::Settings,
    paths: &[&str],
) -> Result<v1::Settings, Status> {
    let mask = FieldMask {
        paths: paths.iter().map(ToString::to_string).collect(),
    };
    let request = v1::UpdateSettingsRequest {
        settings: Some(settings),
        update_mask: Some(mask),
        request_id: app.request_id(),
        validate_only: false,
    };
    let answer = app.business().update_settings(request).await?;
    Ok(answer.into_inner().settings.unwrap())
}

async fn create_token(
    tenant: &Tenant,
    permissions: &[v1::Permission],
    request_id: &str,
) -> Result<v1::CreateTokenResponse, Status> {
    let request = v1::CreateTokenRequest {
        token: Some(v1::Token {
            name: "The till".to_owned(),
            permissions: permissions.iter().copied().map(i32::from).collect(),
            ..Default::default()
        }),
        request_id: request_id.to_owned(),
        validate_only: false,
    };
    let answer = tenant.business().create_token(request).await?;
    Ok(answer.into_inner())
}

#[rstest]
#[tokio::test]
async fn switched_off_every_call_says_so_and_nothing_is_lost(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let switch = async |feature_enabled| {
            let settings = v1::Settings {
                feature_enabled,
                ..Default::default()
            };
            write(app, settings, &["feature_enabled"]).await.unwrap()
        };
        assert!(!switch(false).await.feature_enabled);
        let used = shop.consume(shop.use_lessons("1")).await;
        refused(used, Code::FailedPrecondition, "FEATURE_OFF");
        assert!(!settings(app).await.feature_enabled);
        switch(true).await;
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn settings_change_field_by_field_from_what_the_caller_has_seen(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let old = settings(app).await;
        assert_eq!(
            (old.currency_code.as_str(), old.time_zone.as_str()),
            ("EUR", "Europe/Tallinn")
        );
        let change = v1::Settings {
            quarantine_days: 0,
            sender: Some(v1::Sender {
                reply_to: "Desk@Example.com".to_owned(),
                ..Default::default()
            }),
            ..old.clone()
        };
        let new = write(app, change.clone(), &["quarantine_days", "sender"])
            .await
            .unwrap();
        assert_eq!((new.quarantine_days, &new.name), (0, &old.name));
        assert_eq!(new.sender.unwrap().reply_to, "desk@example.com");
        let stale = write(app, change, &["sender"]).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let currency = write(app, old, &["currency_code"]).await;
        refused(currency, Code::InvalidArgument, "INVALID_ARGUMENT");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn settings_that_are_changed_at_once_do_not_wait_for_each_other_in_a_circle(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let before = settings(app).await.etag.parse::<i64>().unwrap();
        let changes = (0..8).map(|days| {
            let settings = v1::Settings {
                quarantine_days: days,
                ..Default::default()
            };
            write(app, settings, &["quarantine_days"])
        });
        for result in futures_util::future::join_all(changes).await {
            result.unwrap();
        }
        assert_eq!(settings(app).await.etag, (before + 8).to_string());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_token_shows_its_secret_once_and_works_until_it_is_revoked(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let request_id = app.request_id();
        let wanted = [v1::Permission::SettingsRead];
        let made = create_token(app, &wanted, &request_id).await.unwrap();
        let again = create_token(app, &wanted, &request_id).await.unwrap();
        assert!(again.replayed && again.secret.is_empty());
        let token = made.token.unwrap();
        assert_eq!(again.token.as_ref(), Some(&token));
        let bearer = app.bearing_token(made.secret);
        let call = async || {
            bearer
                .business()
                .get_settings(v1::GetSettingsRequest {})
                .await
        };
        call().await.unwrap();
        let request = v1::RevokeTokenRequest {
            token_id: token.id.clone(),
            ..Default::default()
        };
        let revoked = app.business().revoke_token(request.clone()).await.unwrap();
        let revoked = revoked.into_inner().token.unwrap();
        assert!(revoked.revoked_at.is_some());
        refused(call().await, Code::Unauthenticated, "UNAUTHENTICATED");
        let again = app.business().revoke_token(request).await.unwrap();
        assert_eq!(again.into_inner().token.unwrap(), revoked);
        let list = async |hide_revoked| {
            let request = v1::ListTokensRequest {
                hide_revoked,
                ..Default::default()
            };
            let answer = app.business().list_tokens(request).await.unwrap();
            answer.into_inner().tokens
        };
        assert_eq!((list(false).await.len(), list(true).await.len()), (2, 1));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_token_gives_on_only_what_it_holds(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let till = app.allowed_only(&[Permission::TokensManage]).await;
        let wanted = [v1::Permission::TokensManage];
        create_token(&till, &wanted, "").await.unwrap();
        let more = [v1::Permission::TokensManage, v1::Permission::CreditsIssue];
        let denied = create_token(&till, &more, "").await;
        let numbers = refused(denied, Code::PermissionDenied, "PERMISSIONS_EXCEED_CALLER");
        assert_eq!(numbers["permissions"], "CREDITS_ISSUE");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_token_belongs_to_a_user_who_exists(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let create = async |external_id: &str| {
            let request = v1::CreateTokenRequest {
                token: Some(v1::Token {
                    name: "Kati's phone".to_owned(),
                    permissions: vec![v1::Permission::CatalogRead.into()],
                    user_id: format!("ext:{external_id}"),
                    ..Default::default()
                }),
                ..Default::default()
            };
            app.business().create_token(request).await
        };
        refused(create("K").await, Code::NotFound, "NOT_FOUND");
        let request = v1::CreateUserRequest {
            user: Some(v1::User {
                external_id: "K".to_owned(),
                name: "Coach Kati".to_owned(),
                role_id: "front_desk".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let user = app.business().create_user(request.clone()).await.unwrap();
        let user = user.into_inner().user.unwrap();
        let token = create("K").await.unwrap().into_inner().token.unwrap();
        assert_eq!(token.user_id, user.id);
        let again = app.business().create_user(request).await;
        refused(again, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        let request = v1::ListUsersRequest::default();
        let list = app.business().list_users(request).await.unwrap();
        assert_eq!(list.into_inner().users, [user]);
    })
    .await;
}
