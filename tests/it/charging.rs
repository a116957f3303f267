//! Charge requests (J6): sold or invoiced, charged by the payment system, and answered, through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::jobs::charges as job;
use carnet::proto::v1;
use carnet::proto::v1::{
    ChargeState, EmailKind, IssueWhen, PackageStatus, PaymentMethod, PaymentState,
};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::selling::refuse_one;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::emails;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

const REFUSED: Code = Code::FailedPrecondition;

/// Offers four lessons at 120.00, issued then.
async fn offer(shop: &Shop, issue_when: IssueWhen) -> String {
    let template = v1::Template {
        selling: Some(v1::SellingRules {
            issue_when: issue_when.into(),
            ..Default::default()
        }),
        ..shop.lessons("4", days(30))
    };
    shop.offer(template).await
}

fn charged(shop: &Shop, template_id: &str, cents: Option<i64>) -> v1::SaleEntry {
    v1::SaleEntry {
        payment: Some(v1::sale_entry::Payment::Charged(v1::Charge {
            amount: cents.map(euros),
        })),
        ..shop.entry(template_id)
    }
}

/// Sells one package that is to be charged: its sale, and the package if it was issued.
async fn sell(shop: &Shop, issue_when: IssueWhen) -> (v1::Sale, Option<v1::Package>) {
    let template_id = offer(shop, issue_when).await;
    let entry = charged(shop, &template_id, None);
    let sold = shop.try_to_sell(vec![entry]).await.unwrap().into_inner();
    (sold.sales[0].clone(), sold.results[0].package.clone())
}

fn answering(tenant: &Tenant, charge: &v1::ChargeRequest) -> v1::RecordPaymentRequest {
    let target = v1::record_payment_request::Target::ChargeRequestId(charge.id.clone());
    v1::RecordPaymentRequest {
        request_id: tenant.request_id(),
        target: Some(target),
        payment: Some(v1::RecordedPayment {
            reference: "ch_7".to_owned(),
            ..Default::default()
        }),
        validate_only: false,
    }
}

async fn answer(
    tenant: &Tenant,
    request: v1::RecordPaymentRequest,
) -> Result<v1::RecordPaymentResponse, Status> {
    let answer = tenant.invoices().record_payment(request).await?;
    Ok(answer.into_inner())
}

async fn fail(tenant: &Tenant, charge: &v1::ChargeRequest) -> Result<v1::ChargeRequest, Status> {
    let request = v1::FailChargeRequest {
        request_id: tenant.request_id(),
        charge_request_id: charge.id.clone(),
        cause: "card declined".to_owned(),
        validate_only: false,
    };
    let answer = tenant.invoices().fail_charge(request).await?;
    Ok(answer.into_inner().charge_request.unwrap())
}

async fn list(tenant: &Tenant, state: ChargeState) -> Vec<v1::ChargeRequest> {
    let request = v1::ListChargeRequestsRequest {
        state: state.into(),
        ..Default::default()
    };
    let answer = tenant.invoices().list_charge_requests(request).await;
    answer.unwrap().into_inner().charge_requests
}

/// Pays a sale in cash.
async fn pay(tenant: &Tenant, sale_id: &str, cents: Option<i64>) -> Result<v1::Sale, Status> {
    let target = v1::record_payment_request::Target::SaleId(sale_id.to_owned());
    let request = v1::RecordPaymentRequest {
        request_id: tenant.request_id(),
        target: Some(target),
        payment: Some(v1::RecordedPayment {
            method: PaymentMethod::Cash.into(),
            amount: cents.map(euros),
            reference: String::new(),
        }),
        validate_only: false,
    };
    Ok(answer(tenant, request).await?.sale.unwrap())
}

#[rstest]
#[tokio::test]
async fn j6_a_package_waits_for_its_charge_and_is_issued_with_the_payment(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (sale, package) = sell(&shop, IssueWhen::FullyPaid).await;
        assert_eq!(package, None);
        assert!(sale.package_ids.is_empty());
        assert_eq!(emails(app, EmailKind::Confirmation).await, []);
        let pending = list(app, ChargeState::Pending).await;
        assert_eq!(pending, sale.charge_requests);
        let charge = &pending[0];
        assert_eq!((&charge.sale_id, &charge.amount), (&sale.id, &sale.total));
        let request = answering(app, charge);
        let paid = answer(app, request.clone()).await.unwrap().sale.unwrap();
        assert_eq!(paid.payment_state(), PaymentState::Paid);
        assert_eq!(paid.package_ids.len(), 1);
        let payment = paid.money[0].payment.clone().unwrap();
        assert_eq!(payment.method(), PaymentMethod::Charged);
        assert_eq!(payment.reference, "ch_7");
        assert_eq!(paid.charge_requests[0].state(), ChargeState::Paid);
        assert_eq!(paid.charge_requests[0].payment_id, paid.money[0].id);
        assert_eq!(app.sale(&sale.id).await, paid);
        let package = shop.package(&paid.package_ids[0]).await;
        assert_eq!(package.status(), PackageStatus::Active);
        assert_eq!(package.sale_id, sale.id);
        assert_eq!(emails(app, EmailKind::Confirmation).await.len(), 1);
        // A repeat is the same answer, another answer is refused.
        assert!(answer(app, request).await.unwrap().replayed);
        let again = answer(app, answering(app, charge)).await;
        refused(again, REFUSED, "CHARGE_ALREADY_PAID");
        refused(fail(app, charge).await, REFUSED, "CHARGE_ALREADY_PAID");
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_does_not_wait_is_issued_at_the_sale_and_paid_by_the_charge(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (sale, package) = sell(&shop, IssueWhen::Issued).await;
        let package = package.unwrap();
        let using = shop.use_lessons_of(&package.id, "4");
        shop.consume(using).await.unwrap();
        let status = async || shop.package(&package.id).await.status();
        assert_eq!(status().await, PackageStatus::UsedUp);
        let request = answering(app, &sale.charge_requests[0]);
        answer(app, request).await.unwrap();
        assert_eq!(status().await, PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_charge_that_is_not_answered_times_out_to_the_instant_and_a_late_payment_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (sale, _) = sell(&shop, IssueWhen::FirstPaid).await;
        let charge = &sale.charge_requests[0];
        let day = TimeDelta::hours(24);
        app.clock.advance(day - TimeDelta::microseconds(1));
        assert_eq!(list(app, ChargeState::Pending).await.len(), 1);
        assert_eq!(list(app, ChargeState::TimedOut).await, []);
        app.clock.advance(TimeDelta::microseconds(1));
        // No job has run.
        assert_eq!(list(app, ChargeState::Pending).await, []);
        let late = list(app, ChargeState::TimedOut).await;
        assert_eq!(late[0].state(), ChargeState::TimedOut);
        let found = app.sale(&sale.id).await;
        assert_eq!(found.charge_requests, late);
        let told = refused(
            answer(app, answering(app, charge)).await,
            REFUSED,
            "CHARGE_TIMED_OUT",
        );
        assert_eq!(told["charge_request_id"], charge.id);
        refused(fail(app, charge).await, REFUSED, "CHARGE_TIMED_OUT");
        assert_eq!(job::step(app.context()).await.unwrap().requests, 1);
        assert_eq!(job::step(app.context()).await.unwrap().requests, 0);
        assert_eq!(list(app, ChargeState::TimedOut).await, late);
        // What it was to pay is due as before, and any payment issues what waits for one.
        let paid = pay(app, &sale.id, Some(1)).await.unwrap();
        assert_eq!(paid.package_ids.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_charge_that_failed_leaves_all_of_it_due_and_waiting(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (sale, _) = sell(&shop, IssueWhen::FullyPaid).await;
        let charge = &sale.charge_requests[0];
        let failed = fail(app, charge).await.unwrap();
        assert_eq!(failed.state(), ChargeState::Failed);
        assert_eq!(failed.cause, "card declined");
        assert_eq!(list(app, ChargeState::Unspecified).await, [failed]);
        let late = answer(app, answering(app, charge)).await;
        refused(late, REFUSED, "CHARGE_FAILED");
        let part = pay(app, &sale.id, Some(11_999)).await.unwrap();
        assert!(part.package_ids.is_empty());
        let paid = pay(app, &sale.id, None).await.unwrap();
        assert_eq!(paid.package_ids.len(), 1);
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_paid_otherwise_or_undone_is_not_to_be_charged_any_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (sale, _) = sell(&shop, IssueWhen::FullyPaid).await;
        let paid = pay(app, &sale.id, None).await.unwrap();
        assert_eq!(paid.charge_requests[0].state(), ChargeState::Failed);
        assert_eq!(paid.charge_requests[0].cause, "");
        let (sale, _) = sell(&shop, IssueWhen::FullyPaid).await;
        let undoing = v1::UndoSaleRequest {
            request_id: app.request_id(),
            sale_id: sale.id.clone(),
            ..Default::default()
        };
        app.packages().undo_sale(undoing).await.unwrap();
        assert_eq!(list(app, ChargeState::Pending).await, []);
        let late = answer(app, answering(app, &sale.charge_requests[0])).await;
        refused(late, REFUSED, "CHARGE_FAILED");
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn one_charge_pays_for_what_one_customer_buys_in_a_call(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let waits = offer(&shop, IssueWhen::FirstPaid).await;
        let issued = offer(&shop, IssueWhen::Issued).await;
        let other = shop.customer("Jaan Kask").await;
        let entries = vec![
            charged(&shop, &waits, Some(5_000)),
            charged(&shop, &issued, None),
            v1::SaleEntry {
                customer_id: other,
                ..charged(&shop, &waits, None)
            },
        ];
        let sold = shop.try_to_sell(entries).await.unwrap().into_inner();
        let is_issued: Vec<_> = sold.results.iter().map(|it| it.package.is_some()).collect();
        assert_eq!(is_issued, [false, true, false]);
        let asked = |sale: &v1::Sale| sale.charge_requests[0].amount.clone();
        let amounts: Vec<_> = sold.sales.iter().map(asked).collect();
        assert_eq!(amounts, [Some(euros(17_000)), Some(euros(12_000))]);
        let request = answering(app, &sold.sales[0].charge_requests[0]);
        let part = answer(app, request).await.unwrap().sale.unwrap();
        assert_eq!(part.payment_state(), PaymentState::PartlyPaid);
        assert_eq!(part.package_ids.len(), 2);
        let excess = charged(&shop, &issued, Some(12_001));
        refuse_one(&shop, excess, "PAYMENT_EXCEEDS_PRICE").await;
    })
    .await;
}

async fn invoice(app: &TestApp, shop: &Shop, template_id: &str) -> v1::Invoice {
    let request = v1::CreateInvoiceRequest {
        request_id: app.request_id(),
        customer_id: shop.customer.clone(),
        lines: vec![v1::InvoiceLineInput {
            template_id: template_id.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let made = app.invoices().create_invoice(request).await.unwrap();
    let request = v1::IssueInvoiceRequest {
        request_id: app.request_id(),
        invoice_id: made.into_inner().invoice.unwrap().id,
        charge: Some(v1::Charge { amount: None }),
        ..Default::default()
    };
    let issued = app.invoices().issue_invoice(request).await.unwrap();
    issued.into_inner().invoice.unwrap()
}

#[rstest]
#[tokio::test]
async fn c3_an_invoice_is_charged_when_it_is_issued_and_its_package_comes_with_the_payment(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = offer(&shop, IssueWhen::FullyPaid).await;
        let issued = invoice(app, &shop, &template_id).await;
        let charge = &issued.charge_requests[0];
        assert_eq!(
            (&charge.invoice_id, &charge.amount),
            (&issued.id, &issued.due)
        );
        let answered = answer(app, answering(app, charge)).await.unwrap();
        let paid = answered.invoice.unwrap();
        assert_eq!(paid.state(), v1::InvoiceState::Paid);
        assert_eq!(paid.charge_requests[0].state(), ChargeState::Paid);
        let package = paid.lines[0].package.as_ref().unwrap();
        assert_ne!(package.package_id, "");
        // A void invoice is not to be charged.
        let void = invoice(app, &shop, &template_id).await;
        let request = v1::VoidInvoiceRequest {
            request_id: app.request_id(),
            invoice_id: void.id.clone(),
            ..Default::default()
        };
        app.invoices().void_invoice(request).await.unwrap();
        let late = answer(app, answering(app, &void.charge_requests[0])).await;
        refused(late, REFUSED, "CHARGE_FAILED");
        let request = v1::ListChargeRequestsRequest {
            invoice_id: void.id.clone(),
            ..Default::default()
        };
        let found = app.invoices().list_charge_requests(request).await.unwrap();
        let found = found.into_inner().charge_requests;
        assert_eq!(found[0].state(), ChargeState::Failed);
        assert_eq!(found.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_many_answers_at_once_one_is_kept(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let (sale, _) = sell(&shop, IssueWhen::FullyPaid).await;
        let charge = &sale.charge_requests[0];
        let tries = (0..6).map(|_| answer(app, answering(app, charge)));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
        for result in results.into_iter().filter(Result::is_err) {
            refused(result, REFUSED, "CHARGE_ALREADY_PAID");
        }
        assert_eq!(app.all_packages().await.len(), 1);
        assert_eq!(app.sale(&sale.id).await.money.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_waits_is_listed_first_in_stable_pages_and_wrong_answers_name_their_fields(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut charges = Vec::new();
        for _ in 0..3 {
            app.clock.advance(TimeDelta::seconds(1));
            let (sale, _) = sell(&shop, IssueWhen::FullyPaid).await;
            charges.push(sale.charge_requests[0].clone());
        }
        fail(app, &charges[0]).await.unwrap();
        let page = async |page_token: String| {
            let request = v1::ListChargeRequestsRequest {
                page_size: 2,
                page_token,
                ..Default::default()
            };
            let answer = app.invoices().list_charge_requests(request).await;
            let page = answer.unwrap().into_inner();
            let ids: Vec<_> = page.charge_requests.into_iter().map(|it| it.id).collect();
            (ids, page.next_page_token)
        };
        let (first, token) = page(String::new()).await;
        assert_eq!(first, [charges[1].id.clone(), charges[2].id.clone()]);
        let (rest, token) = page(token).await;
        assert_eq!((rest, token.as_str()), (vec![charges[0].id.clone()], ""));

        let mut wrong = answering(app, &charges[1]);
        wrong.payment = Some(v1::RecordedPayment {
            method: PaymentMethod::Cash.into(),
            amount: Some(euros(0)),
            ..Default::default()
        });
        let faults = field_faults(answer(app, wrong).await);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["payment.method", "payment.amount.minor_units"]);
        let mut other = answering(app, &charges[1]);
        other.payment.as_mut().unwrap().amount = Some(euros(1));
        let told = refused(answer(app, other).await, REFUSED, "CHARGE_AMOUNT_DIFFERS");
        assert_eq!(told["asked_minor_units"], "12000");
        let clerk = app.allowed_only(&[Permission::InvoicesRead]).await;
        let denied = fail(&clerk, &charges[1]).await;
        refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(list(&clerk, ChargeState::Pending).await.len(), 2);
    })
    .await;
}
