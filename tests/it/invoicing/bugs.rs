//! The bugs of others: each of these lost or doubled somebody's credits elsewhere.

use carnet::proto::v1;
use carnet::proto::v1::{InvoiceState, LineCreditsState};
use rstest::rstest;

use super::desk::{Desk, on_line};
use super::{REFUSED, open};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::days;

fn credits(available: &str, held: &str, used: &str) -> [String; 3] {
    [available, held, used].map(ToOwned::to_owned)
}

/// What a public call on the hold of the first line would send.
fn hold_of(invoice: &v1::Invoice) -> v1::HoldResponse {
    v1::HoldResponse {
        hold_id: on_line(invoice).hold_id.clone(),
        ..Default::default()
    }
}

async fn half_in_credits(desk: &Desk) -> (v1::Package, v1::Invoice) {
    let package = desk.shop.sell_lessons("8", days(30)).await;
    let issued = desk.issued("4").await;
    let applied = desk.apply(&issued, "2").await.unwrap();
    (package, applied)
}

#[rstest]
#[tokio::test]
async fn a_line_takes_once_however_often_and_concurrently_it_is_asked(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("8", days(30)).await;
        let draft = desk.draft("4").await;
        let calls = (0..8).map(|_| desk.apply(&draft, "1"));
        let answers = futures_util::future::join_all(calls).await;
        let (done, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(done.len(), 1);
        for other in others {
            let numbers = refused(other, REFUSED, "CREDITS_ALREADY_APPLIED");
            assert_eq!(numbers["units"], "1");
        }
        let copies = desk.applying(&desk.draft("4").await, "1");
        let calls = (0..4).map(|_| desk.apply_credits(copies.clone()));
        let answers = futures_util::future::join_all(calls).await;
        let first = answers[0].as_ref().unwrap();
        assert!(answers.iter().all(|it| it.as_ref().unwrap() == first));
        assert_eq!(desk.credits(&package).await, credits("6", "2", "0"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn two_payments_at_once_commit_one_hold_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let desk = open(app).await;
        let (package, invoice) = half_in_credits(&desk).await;
        let both = tokio::join!(desk.pay(&invoice, None), desk.pay(&invoice, None));
        let (paid, late) = if both.0.is_ok() {
            both
        } else {
            (both.1, both.0)
        };
        refused(late, REFUSED, "INVOICE_ALREADY_PAID");
        let hold = hold_of(&paid.unwrap());
        let capturing = desk.shop.capturing(&hold);
        refused(desk.shop.capture(capturing).await, REFUSED, "CREDITS_BOUND");
        assert_eq!(desk.credits(&package).await, credits("6", "0", "2"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_hold_of_a_void_invoice_is_not_committed_through_its_id(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let (package, invoice) = half_in_credits(&desk).await;
        let hold = hold_of(&invoice);
        refused(desk.shop.release(&hold).await, REFUSED, "CREDITS_BOUND");
        let void = desk.void(&invoice).await.unwrap();
        assert_eq!(on_line(&void).state(), LineCreditsState::Returned);
        let capturing = desk.shop.capturing(&hold);
        refused(desk.shop.capture(capturing).await, REFUSED, "CREDITS_BOUND");
        refused(desk.pay(&invoice, None).await, REFUSED, "INVOICE_VOID");
        assert_eq!(desk.credits(&package).await, credits("8", "0", "0"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn killbill_1464_and_lago_3703_a_void_invoice_gives_its_credits_back_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let (package, invoice) = half_in_credits(&desk).await;
        let paid = desk.pay(&invoice, None).await.unwrap();
        assert_eq!(desk.credits(&package).await, credits("6", "0", "2"));
        let posting_id = on_line(&paid).used_by.clone();
        let reversing = desk.shop.reversing(&posting_id);
        let result = app.credits().reverse(reversing).await;
        refused(result, REFUSED, "CREDITS_BOUND");
        let both = tokio::join!(desk.void(&invoice), desk.void(&invoice));
        let (void, late) = if both.0.is_ok() {
            both
        } else {
            (both.1, both.0)
        };
        refused(late, REFUSED, "INVOICE_VOID");
        assert_eq!(on_line(&void.unwrap()).state(), LineCreditsState::Returned);
        assert_eq!(desk.credits(&package).await, credits("8", "0", "0"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_balance_is_not_doubled_by_a_void_and_a_payment_that_fails(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let (package, invoice) = half_in_credits(&desk).await;
        let paid = desk.pay(&invoice, None).await.unwrap();
        desk.void(&invoice).await.unwrap();
        let bounced = desk.bounce(&paid.money[0]).await.unwrap();
        assert_eq!(bounced.state(), InvoiceState::Void);
        assert_eq!(desk.credits(&package).await, credits("8", "0", "0"));

        // The other way round.
        let other = desk.issued("4").await;
        desk.apply(&other, "2").await.unwrap();
        let paid = desk.pay(&other, None).await.unwrap();
        let bounced = desk.bounce(&paid.money[0]).await.unwrap();
        assert_eq!(bounced.state(), InvoiceState::Issued);
        // Semantics 24: captures are left alone.
        assert_eq!(desk.credits(&package).await, credits("6", "0", "2"));
        let removing = desk.remove(&bounced).await;
        refused(removing, REFUSED, "CREDITS_ALREADY_USED");
        desk.pay(&other, None).await.unwrap();
        assert_eq!(desk.credits(&package).await, credits("6", "0", "2"));
        desk.void(&other).await.unwrap();
        assert_eq!(desk.credits(&package).await, credits("8", "0", "0"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_void_invoice_gives_back_goes_into_the_lots_it_came_from(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let old = desk.shop.sell_lessons("2", days(30)).await;
        let issued = desk.issued("2").await;
        desk.apply(&issued, "2").await.unwrap();
        app.clock.advance(chrono::TimeDelta::days(1));
        let new = desk.shop.sell_lessons("2", days(30)).await;
        desk.void(&issued).await.unwrap();
        assert_eq!(desk.credits(&old).await, credits("2", "0", "0"));
        assert_eq!(desk.credits(&new).await, credits("2", "0", "0"));
    })
    .await;
}
