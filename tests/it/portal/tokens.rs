//! The tokens of customers: who makes them, for how long, and what they cannot do.

use carnet::domain::permission::Permission;
use carnet::grpc::faults::timestamp;
use carnet::proto::v1;
use chrono::TimeDelta;
use rstest::rstest;
use serde_json::Value as Json;
use tonic::Code;

use super::{entries, packages};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::dynamic::{call, methods, permission};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::Shop;
use crate::support::staff::{all_of_staff, token};
use crate::support::tenant::Tenant;

/// The tokens of a customer, the newest first.
pub(super) async fn of_customer(tenant: &Tenant, customer_id: &str) -> Vec<v1::Token> {
    let request = v1::ListTokensRequest {
        customer_id: customer_id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.business().list_tokens(request).await;
    answer.unwrap().into_inner().tokens
}

#[rstest]
#[tokio::test]
async fn the_token_of_a_customer_calls_the_portal_and_nothing_else(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = app.held_by_customer(&shop.customer).await;
        let request = Json::Object(serde_json::Map::new());
        let mut answered = Vec::new();
        for method in methods() {
            let answer = call(&app.channel, Some(&mari.token), &method, &request).await;
            if permission(&method) == "PORTAL_READ" {
                answer.unwrap();
                answered.push(method.name().to_owned());
                continue;
            }
            let numbers = refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(numbers["permission"], permission(&method));
        }
        assert_eq!(answered, ["GetMyPackages", "ListMyEntries"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn no_token_of_staff_calls_the_portal_whatever_it_holds(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let owner = app.user_with_role("Kati", "owner").await;
        let owner = app.held_by(&owner, &all_of_staff()).await;
        // The app's own token was written with every permission, past the API.
        for staff in [&owner, &app.allowed_only(Permission::ALL).await] {
            for answer in [
                packages(staff, 0).await.err(),
                entries(staff, 0).await.err(),
            ] {
                let numbers = refused(
                    Err::<(), _>(answer.unwrap()),
                    Code::PermissionDenied,
                    "PERMISSION_DENIED",
                );
                assert_eq!(numbers["permission"], "PORTAL_READ");
            }
        }
        let read = [v1::Permission::PortalRead];
        assert_eq!(
            field_faults(app.try_role("Till", &read).await)[0].0,
            "role.permissions"
        );
        let of_staff = app.try_token(token("", &read)).await;
        assert_eq!(field_faults(of_staff)[0].0, "token.permissions");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_token_of_a_customer_ends_within_a_year_and_is_of_nobody_else(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let good = app.customers_token(&shop.customer);
        let user_id = app.user_with_role("Kati", "owner").await;
        for (wrong, field) in [
            (
                v1::Token {
                    expires_at: None,
                    ..good.clone()
                },
                "token.expires_at",
            ),
            (
                v1::Token {
                    user_id,
                    ..good.clone()
                },
                "token.customer_id",
            ),
            (
                v1::Token {
                    permissions: vec![v1::Permission::CatalogRead.into()],
                    ..good.clone()
                },
                "token.permissions",
            ),
        ] {
            assert_eq!(field_faults(app.try_token(wrong).await)[0].0, field);
        }
        let latest = app.now() + TimeDelta::days(366);
        let ending = |at| v1::Token {
            expires_at: Some(timestamp(at)),
            ..good.clone()
        };
        let longer = app
            .try_token(ending(latest + TimeDelta::microseconds(1)))
            .await;
        let numbers = refused(longer, Code::FailedPrecondition, "TOKEN_EXPIRY_TOO_LATE");
        assert_eq!(numbers["latest"], "2027-01-16T10:00:00Z");
        let over = app.try_token(ending(app.now())).await;
        refused(over, Code::FailedPrecondition, "TOKEN_EXPIRY_NOT_AHEAD");

        let made = app.try_token(ending(latest)).await.unwrap();
        let mari = app.bearing_token(made.secret);
        app.clock.set(latest - TimeDelta::microseconds(1));
        packages(&mari, 0).await.unwrap();
        app.clock.set(latest);
        refused(
            packages(&mari, 0).await,
            Code::Unauthenticated,
            "UNAUTHENTICATED",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn it_is_rotated_revoked_and_listed_like_any_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let made = app
            .try_token(app.customers_token(&shop.customer))
            .await
            .unwrap();
        let token = made.token.unwrap();
        assert_eq!(token.customer_id, shop.customer);
        let other = shop.customer("Jaan Kask").await;
        app.held_by_customer(&other).await;
        assert_eq!(
            of_customer(app, &shop.customer).await,
            std::slice::from_ref(&token)
        );

        let rotate = |expires_at| v1::RotateTokenRequest {
            token_id: token.id.clone(),
            expires_at,
            ..Default::default()
        };
        let too_late = Some(timestamp(app.now() + TimeDelta::days(367)));
        let too_late = app.business().rotate_token(rotate(too_late)).await;
        refused(too_late, Code::FailedPrecondition, "TOKEN_EXPIRY_TOO_LATE");
        let rotated = app.business().rotate_token(rotate(None)).await.unwrap();
        let rotated = app.bearing_token(rotated.into_inner().secret);
        let before = app.bearing_token(made.secret);
        refused(
            packages(&before, 0).await,
            Code::Unauthenticated,
            "UNAUTHENTICATED",
        );
        packages(&rotated, 0).await.unwrap();

        let revoke = v1::RevokeTokenRequest {
            token_id: token.id.clone(),
            ..Default::default()
        };
        app.business().revoke_token(revoke).await.unwrap();
        refused(
            packages(&rotated, 0).await,
            Code::Unauthenticated,
            "UNAUTHENTICATED",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn only_who_sees_everybodys_lets_a_customer_of_the_business_see_its_own(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let held = [Permission::TokensManage, Permission::PackagesRead];
        let clerk = app.allowed_only(&held).await;
        let denied = clerk.try_token(app.customers_token(&shop.customer)).await;
        let numbers = refused(denied, Code::PermissionDenied, "PERMISSIONS_EXCEED_CALLER");
        assert_eq!(numbers["permissions"], "LEDGER_READ");
        let foreign = app.second_business().await;
        let stolen = foreign.try_token(app.customers_token(&shop.customer)).await;
        refused(stolen, Code::NotFound, "NOT_FOUND");
        let held = [held[0], held[1], Permission::LedgerRead];
        let manager = app.allowed_only(&held).await;
        let mari = manager.held_by_customer(&shop.customer).await;
        packages(&mari, 0).await.unwrap();

        let off = v1::Settings {
            feature_enabled: false,
            ..Default::default()
        };
        app.change_settings(off, &["feature_enabled"]).await;
        refused(
            packages(&mari, 0).await,
            Code::FailedPrecondition,
            "FEATURE_OFF",
        );
    })
    .await;
}
