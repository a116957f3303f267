//! Money of sales that is written down afterwards (E5), through gRPC on both databases.

mod back;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{PackageStatus, PaymentMethod, PaymentState};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

/// Sells two packages of one lesson at 120.00 each, unpaid: their ids, and the sale's.
async fn unpaid(shop: &Shop) -> ([String; 2], String) {
    let template_id = shop.offer(shop.lessons("1", days(30))).await;
    let entry = v1::SaleEntry {
        payment: None,
        ..shop.entry(&template_id)
    };
    let answer = shop.try_to_sell(vec![entry.clone(), entry]).await;
    let answer = answer.unwrap().into_inner();
    let id = |index: usize| answer.results[index].package.as_ref().unwrap().id.clone();
    ([id(0), id(1)], answer.sales[0].id.clone())
}

fn request(tenant: &Tenant, sale_id: &str, cents: Option<i64>) -> v1::RecordPaymentRequest {
    v1::RecordPaymentRequest {
        request_id: tenant.request_id(),
        target: Some(v1::record_payment_request::Target::SaleId(
            sale_id.to_owned(),
        )),
        payment: Some(v1::RecordedPayment {
            method: PaymentMethod::Transfer.into(),
            amount: cents.map(euros),
            reference: "R-7".to_owned(),
        }),
        validate_only: false,
    }
}

async fn record(
    tenant: &Tenant,
    request: v1::RecordPaymentRequest,
) -> Result<v1::RecordPaymentResponse, Status> {
    let answer = tenant.invoices().record_payment(request).await?;
    Ok(answer.into_inner())
}

#[rstest]
#[tokio::test]
async fn packages_that_are_used_up_are_complete_once_all_of_their_sale_is_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (packages, sale_id) = unpaid(&shop).await;
        let used = shop.consume(shop.use_lessons_of(&packages[0], "1")).await;
        used.unwrap();
        let first = request(app, &sale_id, Some(10_000));
        let answer = record(app, first.clone()).await.unwrap();
        let sale = answer.sale.unwrap();
        assert_eq!(sale.payment_state(), PaymentState::PartlyPaid);
        assert_eq!(sale.money[0].payment.as_ref().unwrap().reference, "R-7");
        let status = async |index: usize| shop.package(&packages[index]).await.status();
        assert_eq!(status(0).await, PackageStatus::UsedUp);
        // A repeat is no second payment.
        let again = record(app, first).await.unwrap();
        assert!(again.replayed);
        assert_eq!(app.sale(&sale_id).await, sale);
        let check = v1::RecordPaymentRequest {
            validate_only: true,
            ..request(app, &sale_id, None)
        };
        let tried = record(app, check).await.unwrap().sale.unwrap();
        assert_eq!(tried.payment_state(), PaymentState::Paid);
        assert_eq!(app.sale(&sale_id).await, sale, "nothing of it is kept");
        app.clock.advance(chrono::TimeDelta::seconds(1));
        let rest = record(app, request(app, &sale_id, None)).await.unwrap();
        let sale = rest.sale.unwrap();
        assert_eq!(sale.payment_state(), PaymentState::Paid);
        assert_eq!(
            sale.money[1].payment.as_ref().unwrap().amount,
            Some(euros(14_000)),
            "what was due"
        );
        assert_eq!(app.sale(&sale_id).await, sale);
        assert_eq!(status(0).await, PackageStatus::Completed);
        assert_eq!(status(1).await, PackageStatus::Active);
        let used = shop.consume(shop.use_lessons_of(&packages[1], "1")).await;
        used.unwrap();
        assert_eq!(status(1).await, PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn more_than_is_due_is_refused_with_the_numbers(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (_, sale_id) = unpaid(&shop).await;
        record(app, request(app, &sale_id, Some(20_000)))
            .await
            .unwrap();
        let tried = record(app, request(app, &sale_id, Some(4_001))).await;
        let told = refused(tried, Code::FailedPrecondition, "PAYMENT_EXCEEDS_PRICE");
        assert_eq!(told["paid_minor_units"], "24001");
        assert_eq!(told["total_minor_units"], "24000");
        record(app, request(app, &sale_id, Some(4_000)))
            .await
            .unwrap();
        let tried = record(app, request(app, &sale_id, None)).await;
        let told = refused(tried, Code::FailedPrecondition, "SALE_ALREADY_PAID");
        assert_eq!(told["sale_id"], sale_id);
        assert_eq!(told["total_minor_units"], "24000");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_two_payments_of_all_at_once_one_is_written(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (_, sale_id) = unpaid(&shop).await;
        let tries = (0..8).map(|_| record(app, request(app, &sale_id, None)));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
        for result in results.into_iter().filter(Result::is_err) {
            refused(result, Code::FailedPrecondition, "SALE_ALREADY_PAID");
        }
        assert_eq!(app.sale(&sale_id).await.money.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_payment_on_account_is_checked_as_at_the_sale_and_has_its_own_permission(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (_, sale_id) = unpaid(&shop).await;
        let on_account = || {
            let mut request = request(app, &sale_id, None);
            let payment = request.payment.as_mut().unwrap();
            payment.method = PaymentMethod::OnAccount.into();
            request
        };
        let tried = record(app, on_account()).await;
        refused(tried, Code::FailedPrecondition, "ACCOUNT_PAYMENTS_INACTIVE");
        let settings = v1::Settings {
            account_payments_active: true,
            ..Default::default()
        };
        app.change_settings(settings, &["account_payments_active"])
            .await;
        let tried = record(app, on_account()).await;
        let reason = "CUSTOMER_MAY_NOT_PURCHASE_ON_ACCOUNT";
        refused(tried, Code::FailedPrecondition, reason);
        let seller = app.allowed_only(&[Permission::PackagesSell]).await;
        let tried = record(&seller, request(app, &sale_id, None)).await;
        let told = refused(tried, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(told["permission"], "PAYMENTS_RECORD");
        let elsewhere = "sal_01jd0c5hqbf9bvxk2mqnz8s6wt";
        let tried = record(app, request(app, elsewhere, None)).await;
        refused(tried, Code::NotFound, "NOT_FOUND");
        let faults = field_faults(record(app, v1::RecordPaymentRequest::default()).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["request_id", "target", "payment"]);
    })
    .await;
}
