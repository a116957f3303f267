//! Payments of sales that bounce, and money that goes back.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{MoneyDirection, PackageStatus, PaymentState};
use rstest::rstest;
use tonic::{Code, Status};

use super::{record, request, unpaid};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

const REFUSED: Code = Code::FailedPrecondition;

async fn bounce(tenant: &Tenant, payment: &v1::MoneyRecord) -> Result<v1::Sale, Status> {
    let request = v1::ReversePaymentRequest {
        request_id: tenant.request_id(),
        payment_id: payment.id.clone(),
        validate_only: false,
    };
    let answer = tenant.invoices().reverse_payment(request).await?;
    Ok(answer.into_inner().sale.unwrap())
}

fn refunding(tenant: &Tenant, sale_id: &str, cents: Option<i64>) -> v1::RecordRefundRequest {
    v1::RecordRefundRequest {
        request_id: tenant.request_id(),
        target: Some(v1::record_refund_request::Target::SaleId(
            sale_id.to_owned(),
        )),
        refund: request(tenant, sale_id, cents).payment,
        validate_only: false,
    }
}

async fn refund(tenant: &Tenant, sale_id: &str, cents: Option<i64>) -> Result<v1::Sale, Status> {
    let request = refunding(tenant, sale_id, cents);
    let answer = tenant.invoices().record_refund(request).await?;
    Ok(answer.into_inner().sale.unwrap())
}

#[rstest]
#[tokio::test]
async fn semantics_24_a_payment_of_a_sale_that_bounces_is_due_again_and_reopens_completion(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (packages, sale_id) = unpaid(&shop).await;
        let used = shop.consume(shop.use_lessons_of(&packages[0], "1")).await;
        used.unwrap();
        let paying = request(app, &sale_id, Some(10_000));
        record(app, paying).await.unwrap();
        let rest = record(app, request(app, &sale_id, None)).await.unwrap();
        let paid = rest.sale.unwrap();
        let status = async || shop.package(&packages[0]).await.status();
        assert_eq!(status().await, PackageStatus::Completed);
        let bounced = bounce(app, &paid.money[0]).await.unwrap();
        assert_eq!(bounced.payment_state(), PaymentState::PartlyPaid);
        assert!(bounced.money[0].reversed_at.is_some());
        assert_eq!(app.sale(&sale_id).await, bounced);
        assert_eq!(status().await, PackageStatus::UsedUp);
        let again = bounce(app, &paid.money[0]).await;
        refused(again, REFUSED, "PAYMENT_ALREADY_REVERSED");
        let again = record(app, request(app, &sale_id, None)).await.unwrap();
        let paid = again.sale.unwrap();
        assert_eq!(
            paid.money[2].payment.as_ref().unwrap().amount,
            Some(euros(10_000))
        );
        assert_eq!(status().await, PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_23_the_refund_that_the_preview_shows_is_what_can_be_recorded(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let used = shop.consume(shop.use_lessons_of(&package.id, "2")).await;
        used.unwrap();
        let previewing = v1::PreviewRevokeRequest {
            package_id: package.id.clone(),
        };
        let preview = async || {
            let answer = app.packages().preview_revoke(previewing.clone()).await;
            let preview = answer.unwrap().into_inner();
            preview.refund_pro_rata.unwrap().minor_units
        };
        assert_eq!(preview().await, 9_000);
        refund(app, &package.sale_id, Some(5_000)).await.unwrap();
        // Of 120.00, 50.00 went back already: no more than the rest can.
        assert_eq!(preview().await, 7_000);
        let revoking = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            ..Default::default()
        };
        app.packages().revoke_package(revoking).await.unwrap();
        let excess = refund(app, &package.sale_id, Some(7_001)).await;
        let names = refused(excess, REFUSED, "REFUND_EXCEEDS_PAID");
        assert_eq!(names["refunded_minor_units"], "12001");
        let sale = refund(app, &package.sale_id, Some(7_000)).await.unwrap();
        assert_eq!(sale.refunded, Some(euros(12_000)));
        assert_eq!(sale.payment_state(), PaymentState::Paid);
        assert_eq!(sale.money[2].direction(), MoneyDirection::Out);
        refused(
            refund(app, &package.sale_id, None).await,
            REFUSED,
            "REFUND_EXCEEDS_PAID",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_sale_that_was_undone_is_refunded_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let undoing = v1::UndoSaleRequest {
            request_id: app.request_id(),
            sale_id: package.sale_id.clone(),
            ..Default::default()
        };
        app.packages().undo_sale(undoing).await.unwrap();
        let request = refunding(app, &package.sale_id, None);
        let tries = (0..4).map(|_| app.invoices());
        let tries = tries.map(async |mut client| client.record_refund(request.clone()).await);
        for answer in futures_util::future::join_all(tries).await {
            let sale = answer.unwrap().into_inner().sale.unwrap();
            assert_eq!(sale.refunded, Some(euros(12_000)));
            assert_eq!(sale.money.len(), 2);
        }
        let late = record(app, super::request(app, &package.sale_id, None)).await;
        refused(late, REFUSED, "SALE_ALREADY_UNDONE");
        let clerk = app.allowed_only(&[Permission::PaymentsRecord]).await;
        let denied = refund(&clerk, &package.sale_id, None).await;
        refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
    })
    .await;
}
