//! What becomes of subscriptions where something else was a mistake: a payment, or a second customer.

use carnet::jobs::subscriptions as job;
use carnet::proto::v1;
use carnet::proto::v1::{PackageStatus, SubscriptionPeriodState};
use rstest::rstest;
use tonic::Code;

use super::{asked, paid, periods, renew, subscribe, try_to_subscribe};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::local;
use crate::support::refused::refused;
use crate::support::shop::Shop;
use crate::support::tenant::Tenant;

async fn undo(tenant: &Tenant, sale_id: &str) {
    let request = v1::UndoSaleRequest {
        request_id: tenant.request_id(),
        sale_id: sale_id.to_owned(),
        ..Default::default()
    };
    tenant.packages().undo_sale(request).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_period_whose_sale_is_undone_is_due_again_and_can_be_paid_once(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribe(&shop, "").await.id;
        let first = renew(app, paid(app, &id, "2026-01-31")).await.unwrap();
        undo(app, &first.sale.unwrap().id).await;
        let first = shop.package(&first.package.unwrap().id).await;
        assert_eq!(first.status(), PackageStatus::Revoked);
        let due = ("2026-01-31".to_owned(), SubscriptionPeriodState::Due);
        assert_eq!(periods(app, &id).await, [due]);
        assert_eq!(job::step(app.context()).await.unwrap().periods, 0);
        let again = renew(app, paid(app, &id, "2026-01-31")).await.unwrap();
        let again = again.package.unwrap().id;
        assert_ne!(again, first.id);
        let tried = renew(app, paid(app, &id, "2026-01-31")).await;
        let told = refused(tried, Code::FailedPrecondition, "SUBSCRIPTION_PERIOD_PAID");
        assert_eq!(told["package_id"], again);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_subscription_goes_with_its_customer_to_the_one_who_takes_its_place(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let made = subscribe(&shop, "").await;
        let jaan = shop.customer("Jaan").await;
        let request = v1::MergeCustomersRequest {
            customer_id: shop.customer.clone(),
            into_id: jaan.clone(),
            ..Default::default()
        };
        app.customers().merge_customers(request).await.unwrap();
        let renewed = renew(app, paid(app, &made.id, "2026-01-31")).await.unwrap();
        assert_eq!(renewed.package.unwrap().customer_id, jaan);
        assert_eq!(renewed.sale.unwrap().customer_id, jaan);
        let found = super::get(app, &made.id).await.subscription.unwrap();
        assert_eq!(found.customer_id, jaan);
        assert_ne!(found.etag, made.etag);
        let tried = try_to_subscribe(&shop, asked(&shop, &made.template_id, "")).await;
        let told = refused(tried, Code::FailedPrecondition, "CUSTOMER_MERGED");
        assert_eq!(told["merged_into"], jaan);
    })
    .await;
}
