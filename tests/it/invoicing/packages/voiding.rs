//! Voiding invoices that sold packages.

use carnet::proto::v1;
use carnet::proto::v1::{InvoiceState, IssueWhen, PackageStatus, PaymentState};
use rstest::rstest;

use super::super::desk::{Desk, due, sale_of};
use super::super::{REFUSED, open};
use super::{offer, package_of, sale, sold_by_invoice, use_up};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{days, euros};

/// What was asked for and refused: the reason with its numbers.
async fn void_refused(desk: &Desk, invoice: &v1::Invoice) -> [String; 2] {
    let names = refused(desk.void(invoice).await, REFUSED, "SALE_USED");
    [names["consumed"].clone(), names["held"].clone()]
}

#[rstest]
#[tokio::test]
async fn voiding_takes_back_what_is_unused_and_is_refused_where_something_was_used(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (desk, issued, package_id) = sold_by_invoice(app).await;
        let used = use_up(&desk, &package_id, "1").await;
        assert_eq!(void_refused(&desk, &issued).await, ["1", "0"]);
        let undoing = desk.shop.reversing(&used.posting_id);
        desk.shop.reverse(undoing).await.unwrap();
        let paid = desk.pay(&issued, None).await.unwrap();
        let void = desk.void(&issued).await.unwrap();
        assert_eq!((void.state(), due(&void)), (InvoiceState::Void, 0));
        let package = desk.shop.package(&package_id).await;
        assert_eq!(package.status(), PackageStatus::Revoked);
        assert_eq!(desk.shop.left(&package_id).await, "0");
        assert!(
            sale(app, &package_of(&paid).sale_id)
                .await
                .undone_at
                .is_some()
        );
        let reinstating = v1::ReinstatePackageRequest {
            request_id: app.request_id(),
            package_id,
            ..Default::default()
        };
        let back = app.packages().reinstate_package(reinstating).await;
        refused(back, REFUSED, "SALE_ALREADY_UNDONE");
        let refunded = desk.refund(&void, None).await.unwrap();
        assert_eq!(refunded.refunded, Some(euros(12_000)));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn voiding_keeps_the_used_part_charged_if_the_caller_asks_for_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let template_id = offer(&desk.shop, IssueWhen::Issued).await;
        let other = desk.shop.sell_lessons("2", days(30)).await;
        let lines = vec![sale_of(&template_id), desk.lessons("2")];
        let draft = desk.create_invoice(desk.creating(lines)).await.unwrap();
        let issued = desk.issue(&draft).await.unwrap();
        let package_id = package_of(&issued).package_id.clone();
        let applying = v1::ApplyCreditsRequest {
            invoice_line_id: issued.lines[1].id.clone(),
            package_ids: vec![other.id.clone()],
            ..desk.applying(&issued, "1")
        };
        desk.apply_credits(applying).await.unwrap();
        use_up(&desk, &package_id, "1").await;
        let left = desk.void_unused(&issued).await.unwrap();
        // A quarter of 100.00 without tax, and 20 % of that.
        assert_eq!((left.state(), due(&left)), (InvoiceState::Issued, 3_000));
        assert_eq!(left.lines[0].kept, Some(euros(2_500)));
        assert_eq!(left.lines[1].kept, Some(euros(0)));
        assert_eq!(desk.credits(&other).await, ["2", "0", "0"]);
        assert_eq!(desk.shop.left(&package_id).await, "0");
        assert_eq!(
            desk.shop.package(&package_id).await.status(),
            PackageStatus::Revoked
        );
        refused(desk.apply(&left, "1").await, REFUSED, "INVOICE_LINE_VOIDED");
        assert_eq!(void_refused(&desk, &left).await, ["1", "0"]);
        let paid = desk.pay(&left, None).await.unwrap();
        assert_eq!(paid.state(), InvoiceState::Paid);
        let found = sale(app, &package_of(&issued).sale_id).await;
        assert_eq!(found.total, Some(euros(3_000)));
        assert_eq!(found.payment_state(), PaymentState::Paid);
    })
    .await;
}
