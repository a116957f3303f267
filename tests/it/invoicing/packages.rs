//! Packages that are sold by lines of invoices (C2), through gRPC on both databases.

mod voiding;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, InvoiceState, IssueWhen, PackageStatus, PaymentState};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use super::desk::{Desk, due, on_line, sale_of};
use super::{REFUSED, open};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{emails, set_settings};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

/// Offers four lessons at 120.00, issued then.
async fn offer(shop: &Shop, issue_when: IssueWhen) -> String {
    offer_with(shop, issue_when, v1::OverlapPolicy::Allow).await
}

async fn offer_with(shop: &Shop, issue_when: IssueWhen, overlap: v1::OverlapPolicy) -> String {
    let template = v1::Template {
        tax_basis_points: 2_000,
        selling: Some(v1::SellingRules {
            issue_when: issue_when.into(),
            overlap: overlap.into(),
            ..Default::default()
        }),
        ..shop.lessons("4", days(30))
    };
    shop.offer(template).await
}

/// An issued invoice for a package of the template.
async fn invoiced(desk: &Desk, template_id: &str) -> v1::Invoice {
    let lines = vec![sale_of(template_id)];
    let draft = desk.create_invoice(desk.creating(lines)).await.unwrap();
    desk.issue(&draft).await.unwrap()
}

/// A desk with an invoice that has issued a package, and that package.
async fn sold_by_invoice(app: &TestApp) -> (Desk, v1::Invoice, String) {
    let desk = open(app).await;
    let template_id = offer(&desk.shop, IssueWhen::Issued).await;
    let issued = invoiced(&desk, &template_id).await;
    let package_id = package_of(&issued).package_id.clone();
    (desk, issued, package_id)
}

fn package_of(invoice: &v1::Invoice) -> &v1::LinePackage {
    invoice.lines[0].package.as_ref().unwrap()
}

fn is_issued(invoice: &v1::Invoice) -> bool {
    !package_of(invoice).package_id.is_empty()
}

async fn sale(tenant: &Tenant, sale_id: &str) -> v1::Sale {
    let request = v1::GetSaleRequest {
        sale_id: sale_id.to_owned(),
    };
    let answer = tenant.packages().get_sale(request).await.unwrap();
    answer.into_inner().sale.unwrap()
}

async fn use_up(desk: &Desk, package_id: &str, units: &str) -> v1::ConsumeResponse {
    let using = desk.shop.use_lessons_of(package_id, units);
    desk.shop.consume(using).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn c2_a_package_is_issued_with_the_invoice_when_first_paid_or_when_fully_paid(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let mut all = Vec::new();
        for issue_when in [
            IssueWhen::Issued,
            IssueWhen::FirstPaid,
            IssueWhen::FullyPaid,
            IssueWhen::Unspecified,
        ] {
            let template_id = offer(&desk.shop, issue_when).await;
            all.push(invoiced(&desk, &template_id).await);
        }
        let told = |all: &[v1::Invoice]| all.iter().map(is_issued).collect::<Vec<_>>();
        assert_eq!(told(&all), [true, false, false, false]);
        assert_eq!(emails(app, EmailKind::Confirmation).await.len(), 1);
        assert_eq!(package_of(&all[3]).issue_when(), IssueWhen::FullyPaid);
        for invoice in &mut all {
            *invoice = desk.pay(invoice, Some(1)).await.unwrap();
        }
        assert_eq!(told(&all), [true, true, false, false]);
        for invoice in &mut all {
            *invoice = desk.pay(invoice, None).await.unwrap();
            assert_eq!(invoice.state(), InvoiceState::Paid);
            assert_eq!(desk.get(invoice).await, *invoice);
        }
        assert_eq!(told(&all), [true; 4]);
        // The customer is told of each package once, when it is issued.
        let told = emails(app, EmailKind::Confirmation).await;
        assert_eq!(told.len(), 4);
        assert_eq!(app.all_packages().await.len(), 4);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_business_says_when_packages_are_issued_whose_template_does_not(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let settings = v1::Settings {
            invoicing: Some(v1::InvoiceSettings {
                issue_when: IssueWhen::Issued.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        set_settings(app, &["invoicing"], settings).await;
        let template_id = offer(&desk.shop, IssueWhen::Unspecified).await;
        assert!(is_issued(&invoiced(&desk, &template_id).await));
        let settings = v1::Settings {
            invoicing: Some(v1::InvoiceSettings {
                draft_hold_days: 366,
                charge_timeout_hours: -1,
                issue_when: 9,
            }),
            ..Default::default()
        };
        let request = v1::UpdateSettingsRequest {
            request_id: app.request_id(),
            settings: Some(settings),
            ..Default::default()
        };
        let faults = field_faults(app.business().update_settings(request).await);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "settings.invoicing.issue_when",
                "settings.invoicing.draft_hold_days",
                "settings.invoicing.charge_timeout_hours"
            ]
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_sale_by_an_invoice_is_linked_both_ways_and_paid_through_it_alone(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let template_id = offer(&desk.shop, IssueWhen::Issued).await;
        let lines = vec![sale_of(&template_id), desk.lessons("1")];
        let draft = desk.create_invoice(desk.creating(lines)).await.unwrap();
        assert_eq!(due(&draft), 13_800);
        assert_eq!(draft.lines[0].tax, Some(euros(2_000)));
        let issued = desk.issue(&draft).await.unwrap();
        let line = package_of(&issued);
        let found = sale(app, &line.sale_id).await;
        assert_eq!(found.package_ids, std::slice::from_ref(&line.package_id));
        assert_eq!(
            (&found.invoice_id, &found.invoice_line_id),
            (&issued.id, &issued.lines[0].id)
        );
        assert_eq!(found.total, Some(euros(12_000)));
        assert_eq!(found.payment_state(), PaymentState::Unpaid);
        let package = desk.shop.package(&line.package_id).await;
        assert_eq!(package.invoice_line_id, issued.lines[0].id);
        let paying = v1::RecordPaymentRequest {
            target: Some(v1::record_payment_request::Target::SaleId(
                line.sale_id.clone(),
            )),
            ..desk.paying(&issued, None)
        };
        let paid = app.invoices().record_payment(paying).await;
        let names = refused(paid, REFUSED, "SALE_ON_INVOICE");
        assert_eq!(names["invoice_id"], issued.id);
        let undoing = v1::UndoSaleRequest {
            request_id: app.request_id(),
            sale_id: line.sale_id.clone(),
            ..Default::default()
        };
        let undone = app.packages().undo_sale(undoing).await;
        refused(undone, REFUSED, "SALE_ON_INVOICE");
        desk.pay(&issued, Some(6_900)).await.unwrap();
        let part = sale(app, &line.sale_id).await;
        assert_eq!(part.payment_state(), PaymentState::PartlyPaid);
        assert_eq!(part.money, []);
        desk.pay(&issued, None).await.unwrap();
        let all = sale(app, &line.sale_id).await;
        assert_eq!(all.payment_state(), PaymentState::Paid);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_33_a_package_completes_when_it_is_used_and_its_invoice_paid_and_reopens_if_that_bounces(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (desk, issued, package_id) = sold_by_invoice(app).await;
        let status = async || desk.shop.package(&package_id).await.status();
        use_up(&desk, &package_id, "4").await;
        assert_eq!(status().await, PackageStatus::UsedUp);
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!(status().await, PackageStatus::Completed);
        desk.bounce(&paid.money[0]).await.unwrap();
        assert_eq!(status().await, PackageStatus::UsedUp);
        desk.pay(&issued, None).await.unwrap();
        assert_eq!(status().await, PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_33_a_package_is_not_complete_while_an_invoice_that_used_it_is_unpaid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("2", days(30)).await;
        let status = async || desk.shop.package(&package.id).await.status();
        let issued = desk.issued("3").await;
        let applied = desk.apply(&issued, "2").await.unwrap();
        let paid = desk.pay(&applied, None).await.unwrap();
        assert_eq!(status().await, PackageStatus::Completed);
        desk.bounce(&paid.money[0]).await.unwrap();
        assert_eq!(
            on_line(&desk.get(&paid).await).state(),
            v1::LineCreditsState::Used
        );
        assert_eq!(status().await, PackageStatus::UsedUp);
        app.clock.advance(TimeDelta::seconds(1));
        let again = desk.pay(&issued, None).await.unwrap();
        assert_eq!(status().await, PackageStatus::Completed);
        desk.bounce(&again.money[1]).await.unwrap();
        desk.void(&issued).await.unwrap();
        assert_eq!(status().await, PackageStatus::Active);
        use_up(&desk, &package.id, "2").await;
        assert_eq!(status().await, PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_sold_is_told_when_the_invoice_is_made_and_when_it_is_issued(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let shop = &desk.shop;
        let reject = v1::OverlapPolicy::Reject;
        let template_id = offer_with(shop, IssueWhen::FullyPaid, reject).await;
        let make = async |line: v1::InvoiceLineInput| -> Result<v1::Invoice, Status> {
            desk.create_invoice(desk.creating(vec![line])).await
        };
        let line = sale_of(&template_id);
        let quantity = v1::InvoiceLineInput {
            quantity: "2".to_owned(),
            ..line.clone()
        };
        refused(make(quantity).await, REFUSED, "QUANTITY_FIXED");
        let part = v1::InvoiceLineInput {
            quantity: "1.5".to_owned(),
            item_id: shop.swim.clone(),
            tax_basis_points: 1,
            ..line.clone()
        };
        let faults = field_faults(make(part).await);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "lines[0].item_id",
                "lines[0].tax_basis_points",
                "lines[0].quantity"
            ]
        );
        let draft = make(line.clone()).await.unwrap();
        let late = make(line.clone()).await.unwrap();
        refused(desk.apply(&draft, "1").await, REFUSED, "LINE_SELLS_PACKAGE");
        let issued = desk.issue(&draft).await.unwrap();
        let late_issued = desk.issue(&late).await.unwrap();
        let paid = desk.pay(&issued, None).await.unwrap();
        assert!(is_issued(&paid));
        refused(make(line).await, REFUSED, "PACKAGE_OVERLAPS");
        // The second one was issued in time, and cannot be delivered now: nothing of the payment is kept.
        let names = refused(
            desk.pay(&late_issued, None).await,
            REFUSED,
            "PACKAGE_OVERLAPS",
        );
        assert_eq!(names["package_id"], package_of(&paid).package_id);
        assert_eq!(desk.get(&late).await, late_issued);
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_line_keeps_the_version_and_price_of_its_day_and_another_price_needs_its_permission(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let template_id = offer(&desk.shop, IssueWhen::FullyPaid).await;
        let lines = vec![sale_of(&template_id)];
        let draft = desk.create_invoice(desk.creating(lines)).await.unwrap();
        let request = v1::UpdateTemplateRequest {
            request_id: app.request_id(),
            template: Some(v1::Template {
                id: template_id.clone(),
                price: Some(euros(20_000)),
                ..Default::default()
            }),
            ..Default::default()
        };
        app.catalog().update_template(request).await.unwrap();
        let same = v1::InvoiceLineInput {
            id: draft.lines[0].id.clone(),
            ..sale_of(&template_id)
        };
        let lines = vec![same, sale_of(&template_id)];
        let changed = desk.change(&draft, lines).await.unwrap();
        assert_eq!(due(&changed), 32_000);
        let issued = desk.issue(&changed).await.unwrap();
        let paid = desk.pay(&issued, None).await.unwrap();
        for (line, version) in paid.lines.iter().zip([1, 2]) {
            let sold = line.package.as_ref().unwrap();
            assert_eq!(sold.template_version, version);
            let package = desk.shop.package(&sold.package_id).await;
            assert_eq!(package.template_version, version);
        }
        let clerk = Desk {
            shop: Shop {
                tenant: app.allowed_only(&[Permission::InvoicesManage]).await,
                ..desk.shop.clone()
            },
        };
        let dearer = v1::InvoiceLineInput {
            unit_price: Some(euros(1)),
            ..sale_of(&template_id)
        };
        let made = clerk
            .create_invoice(clerk.creating(vec![dearer.clone()]))
            .await;
        refused(made, Code::PermissionDenied, "PERMISSION_DENIED");
        let cheap = desk.create_invoice(desk.creating(vec![dearer])).await;
        assert_eq!(due(&cheap.unwrap()), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn one_payment_issues_a_package_once_however_often_and_concurrently_it_is_sent(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let template_id = offer(&desk.shop, IssueWhen::FirstPaid).await;
        let issued = invoiced(&desk, &template_id).await;
        let paying = desk.paying(&issued, Some(100));
        let calls = (0..6).map(|_| desk.record_payment(paying.clone()));
        let answers = futures_util::future::join_all(calls).await;
        let first = answers[0].as_ref().unwrap();
        assert!(answers.iter().all(|it| it.as_ref().unwrap() == first));
        let calls = (0..4).map(|_| desk.pay(&issued, Some(100)));
        for answer in futures_util::future::join_all(calls).await {
            assert_eq!(package_of(&answer.unwrap()), package_of(first));
        }
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}

/// Flight Schedule Pro's: a package is complete, and the next one can be sold, once all of it is used and paid.
#[rstest]
#[tokio::test]
async fn flight_schedule_pros_package_is_complete_once_its_invoice_is_paid_and_then_the_next_is_sold(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let overlap = v1::OverlapPolicy::RejectUntilComplete;
        let template_id = offer_with(&desk.shop, IssueWhen::Issued, overlap).await;
        let issued = invoiced(&desk, &template_id).await;
        let package_id = &package_of(&issued).package_id;
        use_up(&desk, package_id, "4").await;
        let next = || desk.creating(vec![sale_of(&template_id)]);
        let early = desk.create_invoice(next()).await;
        refused(early, REFUSED, "PACKAGE_NOT_COMPLETE");
        desk.pay(&issued, None).await.unwrap();
        let package = desk.shop.package(package_id).await;
        assert_eq!(package.status(), PackageStatus::Completed);
        desk.create_invoice(next()).await.unwrap();
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}
