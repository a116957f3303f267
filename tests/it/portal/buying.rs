//! What customers buy for themselves (A12).

use carnet::proto::v1;
use carnet::proto::v1::{PackageStatus, PaymentState, Permission};
use rstest::rstest;
use tonic::{Code, Status};

use super::packages;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

/// A template that customers may buy themselves, or may not.
async fn offer(shop: &Shop, online: bool) -> String {
    let template = v1::Template {
        selling: Some(v1::SellingRules {
            online,
            ..Default::default()
        }),
        ..shop.lessons("3", days(30))
    };
    shop.offer(template).await
}

/// The customer, who may buy.
async fn buyer(tenant: &Tenant, customer_id: &str) -> Tenant {
    let mut token = tenant.customers_token(customer_id);
    token.permissions.push(Permission::PortalBuy.into());
    let made = tenant.try_token(token).await.unwrap();
    tenant.bearing_token(made.secret)
}

fn order(tenant: &Tenant, template_id: &str) -> v1::BuyPackageRequest {
    v1::BuyPackageRequest {
        request_id: tenant.request_id(),
        template_id: template_id.to_owned(),
        ..Default::default()
    }
}

async fn buy(
    tenant: &Tenant,
    request: &v1::BuyPackageRequest,
) -> Result<v1::BuyPackageResponse, Status> {
    let answer = tenant.portal().buy_package(request.clone()).await?;
    Ok(answer.into_inner())
}

#[rstest]
#[tokio::test]
async fn what_is_sold_online_a_customer_buys_and_has_once_it_was_charged(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = buyer(app, &shop.customer).await;
        let request = order(app, &offer(&shop, true).await);
        let tried = v1::BuyPackageRequest {
            validate_only: true,
            ..request.clone()
        };
        let tried = buy(&mari, &tried).await.unwrap();
        assert_eq!((&*tried.sale_id, tried.total), ("", Some(euros(12_000))));

        let bought = buy(&mari, &request).await.unwrap();
        assert_eq!(bought.payment_state(), PaymentState::Unpaid);
        assert_eq!(bought.package_id, "", "it waits to be charged");
        assert_eq!(packages(&mari, 0).await.unwrap(), []);
        let again = buy(&mari, &request).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.sale_id, bought.sale_id);

        let paid = v1::RecordPaymentRequest {
            request_id: app.request_id(),
            target: Some(v1::record_payment_request::Target::ChargeRequestId(
                bought.charge_request_id,
            )),
            ..Default::default()
        };
        app.invoices().record_payment(paid).await.unwrap();
        let mine = packages(&mari, 0).await.unwrap();
        assert_eq!(mine[0].status(), PackageStatus::Active);
        assert_eq!(mine[0].price, Some(euros(12_000)));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn on_account_it_is_there_at_once_if_the_customer_may(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = buyer(app, &shop.customer).await;
        let request = v1::BuyPackageRequest {
            on_account: true,
            ..order(app, &offer(&shop, true).await)
        };
        let active = v1::Settings {
            account_payments_active: true,
            ..Default::default()
        };
        app.change_settings(active, &["account_payments_active"])
            .await;
        let denied = buy(&mari, &request).await;
        refused(
            denied,
            Code::FailedPrecondition,
            "CUSTOMER_MAY_NOT_PURCHASE_ON_ACCOUNT",
        );
        let customer = v1::Customer {
            id: shop.customer.clone(),
            may_purchase_on_account: true,
            ..Default::default()
        };
        app.change_customer(customer, &["may_purchase_on_account"])
            .await;
        let bought = buy(&mari, &request).await.unwrap();
        assert_eq!(packages(&mari, 0).await.unwrap()[0].id, bought.package_id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_sold_online_nobody_buys_for_themselves(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = buyer(app, &shop.customer).await;
        let template_id = offer(&shop, false).await;
        let offline = buy(&mari, &order(app, &template_id)).await;
        let numbers = refused(offline, Code::FailedPrecondition, "TEMPLATE_NOT_ONLINE");
        assert_eq!(numbers["template_id"], template_id);
        let online = offer(&shop, true).await;
        let looker = app.held_by_customer(&shop.customer).await;
        let denied = buy(&looker, &order(app, &online)).await;
        let numbers = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(numbers["permission"], "PORTAL_BUY");
        let many = v1::BuyPackageRequest {
            quantity: -1,
            ..order(app, &online)
        };
        assert_eq!(field_faults(buy(&mari, &many).await)[0].0, "quantity");
        assert_eq!(app.all_packages().await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nobody_gets_the_answer_to_what_another_customer_asked(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mari = buyer(app, &shop.customer).await;
        let jaan = buyer(app, &shop.customer("Jaan Kask").await).await;
        let request = order(app, &offer(&shop, true).await);
        buy(&mari, &request).await.unwrap();
        let stolen = buy(&jaan, &request).await;
        refused(stolen, Code::AlreadyExists, "REQUEST_ID_REUSED");
    })
    .await;
}
