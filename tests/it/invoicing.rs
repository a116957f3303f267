//! Invoices (F1) in money, through gRPC on both databases.

mod bugs;
mod credits;
mod dated;
mod desk;
mod flight_school;
mod packages;
mod rate_lines;
mod rates;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::InvoiceState;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, euros};
use desk::{Desk, due};

const REFUSED: Code = Code::FailedPrecondition;

async fn open(app: &TestApp) -> Desk {
    Desk {
        shop: Shop::open(app).await,
    }
}

#[rstest]
#[tokio::test]
async fn f1_an_invoice_is_drafted_issued_paid_in_parts_and_read_as_it_was_answered(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let creating = desk.creating(vec![v1::InvoiceLineInput {
            description: "Lessons in January".to_owned(),
            tax_basis_points: 2_200,
            ..desk.lessons("1.5")
        }]);
        let draft = desk.create_invoice(creating.clone()).await.unwrap();
        assert_eq!(draft.state(), InvoiceState::Draft);
        assert_eq!((draft.number, due(&draft)), (0, 2_700));
        // 27.00 with 22 % in it.
        assert_eq!(draft.net, Some(euros(2_213)));
        assert_eq!(desk.create_invoice(creating).await.unwrap(), draft);
        assert_eq!(desk.get(&draft).await, draft);
        let issued = desk.issue(&draft).await.unwrap();
        assert_eq!((issued.state(), issued.number), (InvoiceState::Issued, 1));
        let paying = desk.paying(&issued, Some(1_000));
        let part = desk.record_payment(paying.clone()).await.unwrap();
        assert_eq!(
            (part.state(), due(&part)),
            (InvoiceState::PartlyPaid, 1_700)
        );
        assert_eq!(desk.record_payment(paying).await.unwrap(), part, "a repeat");
        let excess = desk.pay(&issued, Some(1_701)).await;
        let numbers = refused(excess, REFUSED, "PAYMENT_EXCEEDS_PRICE");
        assert_eq!(numbers["total_minor_units"], "2700");
        app.clock.advance(chrono::TimeDelta::seconds(1));
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!((paid.state(), due(&paid)), (InvoiceState::Paid, 0));
        assert_eq!(
            paid.money[1].payment.as_ref().unwrap().amount,
            Some(euros(1_700))
        );
        assert_eq!(desk.get(&draft).await, paid);
        refused(
            desk.pay(&issued, None).await,
            REFUSED,
            "INVOICE_ALREADY_PAID",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn issued_invoices_are_numbered_without_gaps_and_nothing_else_is(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let empty = desk
            .create_invoice(desk.creating(Vec::new()))
            .await
            .unwrap();
        refused(desk.issue(&empty).await, REFUSED, "INVOICE_EMPTY");
        let drafts = [
            desk.draft("1").await,
            desk.draft("1").await,
            desk.draft("1").await,
        ];
        desk.void(&drafts[0]).await.unwrap();
        let check = v1::IssueInvoiceRequest {
            request_id: desk.request_id(),
            invoice_id: drafts[1].id.clone(),
            validate_only: true,
            ..Default::default()
        };
        let tried = desk.issue_invoice(check).await.unwrap();
        assert_eq!((tried.state(), tried.number), (InvoiceState::Issued, 0));
        let both = tokio::join!(desk.issue(&drafts[1]), desk.issue(&drafts[2]));
        let mut numbers = [both.0.unwrap().number, both.1.unwrap().number];
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2]);
        desk.void(&drafts[1]).await.unwrap();
        assert_eq!(desk.issued("1").await.number, 3);
        let other = Desk {
            shop: Shop::open(&app.second_business().await).await,
        };
        assert_eq!(
            other.issued("1").await.number,
            1,
            "each business has its own"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn every_state_refuses_what_it_does_not_allow(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let draft = desk.draft("1").await;
        refused(desk.pay(&draft, None).await, REFUSED, "INVOICE_NOT_ISSUED");
        refused(
            desk.refund(&draft, None).await,
            REFUSED,
            "INVOICE_NOT_ISSUED",
        );
        let issued = desk.issue(&draft).await.unwrap();
        let numbers = refused(
            desk.change(&issued, vec![desk.lessons("2")]).await,
            REFUSED,
            "INVOICE_NOT_DRAFT",
        );
        assert_eq!(numbers["state"], "issued");
        refused(desk.issue(&issued).await, REFUSED, "INVOICE_ALREADY_ISSUED");
        let paid = desk.pay(&issued, None).await.unwrap();
        refused(
            desk.apply(&paid, "1").await,
            REFUSED,
            "INVOICE_ALREADY_PAID",
        );
        refused(desk.remove(&paid).await, REFUSED, "INVOICE_ALREADY_PAID");
        let void = desk.void(&paid).await.unwrap();
        assert_eq!(
            (void.state(), void.number, due(&void)),
            (InvoiceState::Void, 1, 0)
        );
        refused(desk.void(&void).await, REFUSED, "INVOICE_VOID");
        refused(desk.issue(&void).await, REFUSED, "INVOICE_VOID");
        refused(desk.pay(&void, None).await, REFUSED, "INVOICE_VOID");
        refused(desk.apply(&void, "1").await, REFUSED, "INVOICE_VOID");
        refused(desk.remove(&void).await, REFUSED, "INVOICE_VOID");
        let changing = desk.change(&void, Vec::new()).await;
        refused(changing, REFUSED, "INVOICE_VOID");
        // Its money goes back.
        let refunded = desk.refund(&void, None).await.unwrap();
        assert_eq!(refunded.refunded, Some(euros(1_800)));
        let numbers = refused(
            desk.refund(&void, Some(1)).await,
            REFUSED,
            "REFUND_EXCEEDS_PAID",
        );
        assert_eq!(numbers["refunded_minor_units"], "1801");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_payment_that_bounces_is_due_again_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let desk = open(app).await;
        let issued = desk.issued("2").await;
        desk.pay(&issued, Some(600)).await.unwrap();
        app.clock.advance(chrono::TimeDelta::seconds(1));
        let paid = desk.pay(&issued, None).await.unwrap();
        let bounced = desk.bounce(&paid.money[1]).await.unwrap();
        assert_eq!(
            (bounced.state(), due(&bounced)),
            (InvoiceState::PartlyPaid, 3_000)
        );
        assert!(bounced.money[1].reversed_at.is_some());
        let again = desk.bounce(&paid.money[1]).await;
        refused(again, REFUSED, "PAYMENT_ALREADY_REVERSED");
        let issued = desk.bounce(&paid.money[0]).await.unwrap();
        assert_eq!(
            (issued.state(), due(&issued)),
            (InvoiceState::Issued, 3_600)
        );
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!(paid.state(), InvoiceState::Paid);
        let unknown = v1::MoneyRecord {
            id: "pay_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            ..Default::default()
        };
        refused(desk.bounce(&unknown).await, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn b3_an_invoice_is_paid_on_account_where_both_sides_allow_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let issued = desk.issued("1").await;
        let mut request = desk.paying(&issued, None);
        request.payment.as_mut().unwrap().method = v1::PaymentMethod::OnAccount.into();
        let result = desk.record_payment(request).await;
        refused(result, REFUSED, "ACCOUNT_PAYMENTS_INACTIVE");
        assert_eq!(desk.get(&issued).await, issued);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_draft_is_changed_as_the_mask_and_the_etag_say(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let draft = desk.draft("1").await;
        let kept = v1::InvoiceLineInput {
            id: draft.lines[0].id.clone(),
            description: "A lesson".to_owned(),
            ..desk.lessons("1")
        };
        let lines = vec![desk.lessons("2"), kept.clone()];
        let changed = desk.change(&draft, lines).await.unwrap();
        assert_eq!(changed.lines[1].id, draft.lines[0].id);
        assert_eq!((changed.lines.len(), due(&changed)), (2, 5_400));
        assert_eq!(desk.get(&draft).await, changed);
        let stale = desk.change(&draft, Vec::new()).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let twice = desk.change(&changed, vec![kept.clone(), kept]).await;
        assert_eq!(field_faults(twice)[0].0, "edit.lines[1].id");
        let request = v1::UpdateInvoiceRequest {
            request_id: desk.request_id(),
            invoice_id: draft.id.clone(),
            edit: Some(v1::InvoiceEdit {
                external_id: "INV-7".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let named = desk.update_invoice(request).await.unwrap();
        assert_eq!(
            (named.external_id.as_str(), named.lines.len()),
            ("INV-7", 2)
        );
        let other = v1::CreateInvoiceRequest {
            external_id: "INV-7".to_owned(),
            ..desk.creating(Vec::new())
        };
        let taken = desk.create_invoice(other).await;
        refused(taken, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        let by_name = v1::Invoice {
            id: "ext:INV-7".to_owned(),
            ..Default::default()
        };
        assert_eq!(desk.get(&by_name).await, named);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn invoices_are_listed_by_customer_and_state_in_stable_pages(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            app.clock.advance(chrono::TimeDelta::seconds(1));
            ids.insert(0, desk.draft("1").await.id);
        }
        let list = async |request: v1::ListInvoicesRequest| {
            let answer = app.invoices().list_invoices(request).await.unwrap();
            let page = answer.into_inner();
            let found: Vec<_> = page.invoices.iter().map(|it| it.id.clone()).collect();
            (found, page.next_page_token)
        };
        let first = v1::ListInvoicesRequest {
            page_size: 2,
            ..Default::default()
        };
        let (found, page_token) = list(first.clone()).await;
        assert_eq!(found, ids[..2]);
        desk.draft("1").await;
        let next = v1::ListInvoicesRequest {
            page_token,
            ..first
        };
        assert_eq!(list(next).await, (vec![ids[2].clone()], String::new()));
        let invoice = v1::Invoice {
            id: ids[1].clone(),
            ..Default::default()
        };
        desk.issue(&invoice).await.unwrap();
        let issued = v1::ListInvoicesRequest {
            state: InvoiceState::Issued.into(),
            customer_id: desk.shop.customer.clone(),
            ..Default::default()
        };
        assert_eq!(list(issued).await.0, [ids[1].clone()]);
        let others = v1::ListInvoicesRequest {
            customer_id: desk.shop.customer("Jaan Kask").await,
            ..Default::default()
        };
        assert!(list(others).await.0.is_empty());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_line_needs_a_price_where_its_item_has_none(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let request = v1::CreateItemRequest {
            item: Some(v1::Item {
                name: "Advice".to_owned(),
                active: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let item = app
            .catalog()
            .create_item(request)
            .await
            .unwrap()
            .into_inner();
        let line = v1::InvoiceLineInput {
            item_id: item.item.unwrap().id,
            ..Default::default()
        };
        let free = desk.create_invoice(desk.creating(vec![line.clone()])).await;
        refused(free, REFUSED, "PRICE_MISSING");
        let priced = v1::InvoiceLineInput {
            unit_price: Some(euros(0)),
            ..line
        };
        let draft = desk
            .create_invoice(desk.creating(vec![priced]))
            .await
            .unwrap();
        let issued = desk.issue(&draft).await.unwrap();
        assert_eq!(
            issued.state(),
            InvoiceState::Paid,
            "semantics 40: nothing is due"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn each_verb_needs_its_own_permission(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let desk = open(app).await;
        let issued = desk.issued("1").await;
        let paid = desk.pay(&issued, None).await.unwrap();
        let clerk = Desk {
            shop: Shop {
                tenant: app
                    .allowed_only(&[Permission::InvoicesCreate, Permission::InvoicesRead])
                    .await,
                ..desk.shop.clone()
            },
        };
        let denied = (Code::PermissionDenied, "PERMISSION_DENIED");
        refused(clerk.void(&issued).await, denied.0, denied.1);
        refused(clerk.pay(&issued, None).await, denied.0, denied.1);
        refused(clerk.bounce(&paid.money[0]).await, denied.0, denied.1);
        refused(clerk.refund(&issued, None).await, denied.0, denied.1);
        assert_eq!(clerk.get(&issued).await, paid);
        assert_eq!(clerk.draft("1").await.number, 0);
    })
    .await;
}
