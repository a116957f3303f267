//! Credits that pay for units of a line (F2), held, used and given back.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{InvoiceState, LineCreditsState};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::Code;

use super::desk::{due, on_line};
use super::{REFUSED, open};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{covers, days};

fn credits(available: &str, held: &str, used: &str) -> [String; 3] {
    [available, held, used].map(ToOwned::to_owned)
}

#[rstest]
#[tokio::test]
async fn f2_an_invoice_paid_half_in_credits_uses_them_when_it_is_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("8", days(30)).await;
        let draft = desk.draft("4").await;
        let applying = desk.applying(&draft, "2");
        let applied = desk.apply_credits(applying.clone()).await.unwrap();
        assert_eq!(due(&applied), 3_600, "half of it costs no money");
        let line = on_line(&applied);
        assert_eq!(
            (line.units.as_str(), line.state()),
            ("2", LineCreditsState::Held)
        );
        assert_eq!(line.parts.len(), 1);
        let part = (
            line.parts[0].package_id.as_str(),
            line.parts[0].amount.as_str(),
        );
        assert_eq!(part, (package.id.as_str(), "2"));
        assert_eq!(
            desk.apply_credits(applying).await.unwrap(),
            applied,
            "a repeat"
        );
        assert_eq!(desk.get(&draft).await, applied);
        assert_eq!(desk.credits(&package).await, credits("6", "2", "0"));
        let issued = desk.issue(&draft).await.unwrap();
        assert_eq!(on_line(&issued).times_out_at, None);
        desk.pay(&issued, Some(3_599)).await.unwrap();
        assert_eq!(desk.credits(&package).await, credits("6", "2", "0"));
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!(on_line(&paid).state(), LineCreditsState::Used);
        assert_eq!(desk.credits(&package).await, credits("6", "0", "2"));
        assert_eq!(desk.get(&draft).await, paid);
        let entries = app.entries_of_package(&package.id).await;
        let lines: Vec<_> = entries
            .iter()
            .map(|it| it.invoice_line_id.as_str())
            .collect();
        let line_id = draft.lines[0].id.as_str();
        assert_eq!(lines, [line_id, line_id, ""], "used, held, issued");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn skypexcrm_credits_are_applied_on_an_invoice_that_is_marked_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("1", days(30)).await;
        let issued = desk.issued("2").await;
        // "You cannot use 2 credits if there is only 1 left."
        let numbers = refused(
            desk.apply(&issued, "2").await,
            REFUSED,
            "INSUFFICIENT_CREDITS",
        );
        assert_eq!(
            (numbers["available"].as_str(), numbers["requested"].as_str()),
            ("1", "2")
        );
        assert_eq!(desk.get(&issued).await, issued);
        let applied = desk.apply(&issued, "1").await.unwrap();
        assert_eq!(
            (applied.state(), due(&applied)),
            (InvoiceState::Issued, 1_800)
        );
        assert_eq!(on_line(&applied).times_out_at, None, "it is no draft");
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!(paid.state(), InvoiceState::Paid);
        assert_eq!(desk.credits(&package).await, credits("0", "0", "1"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_40_with_nothing_due_an_invoice_is_paid_when_it_is_issued(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("3", days(30)).await;
        let draft = desk.draft("2").await;
        // Without units it is the whole line.
        let applied = desk.apply(&draft, "").await.unwrap();
        assert_eq!((applied.state(), due(&applied)), (InvoiceState::Draft, 0));
        let issued = desk.issue(&draft).await.unwrap();
        assert_eq!(issued.state(), InvoiceState::Paid);
        assert_eq!(desk.credits(&package).await, credits("1", "0", "2"));
        let other = desk.issued("1").await;
        let paid = desk.apply(&other, "").await.unwrap();
        assert_eq!(
            paid.state(),
            InvoiceState::Paid,
            "nor when credits pay all that was due"
        );
        assert_eq!(desk.credits(&package).await, credits("0", "0", "3"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_40_what_a_draft_holds_times_out_and_is_taken_again_when_it_is_issued(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("2", days(60)).await;
        let drafts = [desk.draft("2").await, desk.draft("1").await];
        desk.apply(&drafts[0], "2").await.unwrap();
        app.clock.advance(TimeDelta::days(7));
        assert_eq!(desk.credits(&package).await, credits("2", "0", "0"));
        let lost = desk.get(&drafts[0]).await;
        assert_eq!(on_line(&lost).state(), LineCreditsState::Lost);
        desk.apply(&drafts[1], "1").await.unwrap();
        let refusal = desk.issue(&drafts[0]).await;
        let numbers = refused(refusal, REFUSED, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "1");
        desk.remove(&drafts[1]).await.unwrap();
        let issued = desk.issue(&drafts[0]).await.unwrap();
        assert_eq!(issued.number, 1, "a refused call takes no number");
        assert_eq!(desk.credits(&package).await, credits("0", "0", "2"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_an_issued_invoice_holds_stays_held_and_outlives_its_package(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("2", days(3)).await;
        let draft = desk.draft("2").await;
        desk.apply(&draft, "1").await.unwrap();
        app.clock.advance(TimeDelta::days(5));
        // Semantics 11: the rest is lost, what is held is not, and issuing takes nothing again.
        let issued = desk.issue(&draft).await.unwrap();
        app.clock.advance(TimeDelta::days(30));
        settle::step(app.context()).await.unwrap();
        assert_eq!(
            on_line(&desk.get(&issued).await).state(),
            LineCreditsState::Held
        );
        desk.pay(&issued, None).await.unwrap();
        assert_eq!(desk.credits(&package).await, credits("0", "0", "1"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn credits_are_free_again_when_they_are_removed_or_their_line_is_changed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("5", days(30)).await;
        let draft = desk.draft("2").await;
        desk.apply(&draft, "2").await.unwrap();
        let removed = desk.remove(&draft).await.unwrap();
        assert_eq!((due(&removed), &removed.lines[0].credits), (3_600, &None));
        assert_eq!(desk.credits(&package).await, credits("5", "0", "0"));
        refused(desk.remove(&draft).await, REFUSED, "NO_CREDITS_APPLIED");

        let applied = desk.apply(&draft, "1").await.unwrap();
        let same = v1::InvoiceLineInput {
            id: draft.lines[0].id.clone(),
            description: "Another text".to_owned(),
            ..desk.lessons("2")
        };
        let described = desk.change(&applied, vec![same.clone()]).await.unwrap();
        assert_eq!(on_line(&described), on_line(&applied));
        let longer = v1::InvoiceLineInput {
            quantity: "3".to_owned(),
            ..same
        };
        let changed = desk.change(&described, vec![longer]).await.unwrap();
        assert_eq!((due(&changed), &changed.lines[0].credits), (5_400, &None));
        assert_eq!(desk.credits(&package).await, credits("5", "0", "0"));
        let applied = desk.apply(&changed, "3").await.unwrap();
        desk.change(&applied, vec![desk.lessons("3")])
            .await
            .unwrap();
        assert_eq!(desk.credits(&package).await, credits("5", "0", "0"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_named_packages_pay_or_the_call_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let first = desk.shop.sell_lessons("2", days(30)).await;
        let second = desk.shop.sell_lessons("2", days(60)).await;
        let draft = desk.draft("3").await;
        let mut applying = desk.applying(&draft, "3");
        applying.package_ids = vec![second.id.clone()];
        let result = desk.apply_credits(applying.clone()).await;
        refused(result, REFUSED, "INSUFFICIENT_CREDITS");
        applying.package_ids.push(first.id.clone());
        let applied = desk.apply_credits(applying).await.unwrap();
        let parts = on_line(&applied).parts.iter();
        let parts: Vec<_> = parts
            .map(|it| (it.package_id.clone(), it.amount.as_str()))
            .collect();
        assert_eq!(parts, [(second.id, "2"), (first.id, "1")]);
        let too_many = desk.apply(&desk.draft("1").await, "2").await;
        let numbers = refused(too_many, REFUSED, "UNITS_EXCEED_LINE");
        assert_eq!(numbers["quantity"], "1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_does_not_cover_the_item_pays_nothing_of_its_line(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let dance = desk.shop.item("Dance class", "Classes", 2_000).await;
        let mut template = desk.shop.lessons("5", days(30));
        template.lines[0].covers = covers(&dance);
        let package = desk.shop.sell(&desk.shop.offer(template).await).await;
        let draft = desk.draft("1").await;
        let mut applying = desk.applying(&draft, "1");
        applying.package_ids = vec![package.id.clone()];
        let result = desk.apply_credits(applying).await;
        refused(result, REFUSED, "ITEM_NOT_COVERED");
        refused(
            desk.apply(&draft, "1").await,
            REFUSED,
            "INSUFFICIENT_CREDITS",
        );
        assert_eq!(desk.get(&draft).await, draft);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_payment_is_refused_where_the_credits_were_taken_away_until_they_are_removed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("2", days(30)).await;
        let issued = desk.issued("2").await;
        let applied = desk.apply(&issued, "1").await.unwrap();
        let revoking = v1::RevokePackageRequest {
            request_id: desk.request_id(),
            package_id: package.id.clone(),
            reason: "Moved away".to_owned(),
            ..Default::default()
        };
        app.packages().revoke_package(revoking).await.unwrap();
        assert_eq!(
            on_line(&desk.get(&issued).await).state(),
            LineCreditsState::Lost
        );
        let result = desk.pay(&applied, None).await;
        let numbers = refused(result, REFUSED, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "0");
        desk.remove(&applied).await.unwrap();
        let paid = desk.pay(&applied, Some(3_600)).await.unwrap();
        assert_eq!(paid.state(), InvoiceState::Paid);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn credits_cannot_lower_an_invoice_below_what_was_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("2", days(30)).await;
        let issued = desk.issued("2").await;
        desk.pay(&issued, Some(2_000)).await.unwrap();
        let numbers = refused(desk.apply(&issued, "1").await, REFUSED, "INVOICE_OVERPAID");
        let said = (
            numbers["paid_minor_units"].as_str(),
            numbers["total_minor_units"].as_str(),
        );
        assert_eq!(said, ("2000", "1800"));
        let check = v1::ApplyCreditsRequest {
            validate_only: true,
            ..desk.applying(&desk.issued("2").await, "1")
        };
        let tried = desk.apply_credits(check).await.unwrap();
        assert_eq!((due(&tried), on_line(&tried).hold_id.as_str()), (1_800, ""));
        assert_eq!(
            desk.credits(&package).await,
            credits("2", "0", "0"),
            "nothing is kept"
        );
        let unknown = v1::Invoice {
            id: "inv_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            ..issued
        };
        refused(desk.apply(&unknown, "1").await, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_invoices_of_a_merged_customer_are_those_of_the_other_one(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("2", days(30)).await;
        let issued = desk.issued("2").await;
        desk.apply(&issued, "1").await.unwrap();
        let other = desk.shop.customer("Jaan Kask").await;
        let merging = v1::MergeCustomersRequest {
            request_id: desk.request_id(),
            customer_id: desk.shop.customer.clone(),
            into_id: other.clone(),
            ..Default::default()
        };
        app.customers().merge_customers(merging).await.unwrap();
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!((paid.customer_id, due(&issued)), (other, 3_600));
        assert_eq!(desk.credits(&package).await, credits("1", "0", "1"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_40_the_business_says_how_long_a_draft_holds_credits(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let settings = v1::Settings {
            invoicing: Some(v1::InvoiceSettings {
                draft_hold_days: 2,
                ..Default::default()
            }),
            ..Default::default()
        };
        app.change_settings(settings, &["invoicing"]).await;
        let package = desk.shop.sell_lessons("8", days(30)).await;
        let draft = desk.draft("2").await;
        desk.apply(&draft, "1").await.unwrap();
        app.clock
            .advance(TimeDelta::days(2) - TimeDelta::microseconds(1));
        assert_eq!(desk.credits(&package).await, credits("7", "1", "0"));
        app.clock.advance(TimeDelta::microseconds(1));
        assert_eq!(desk.credits(&package).await, credits("8", "0", "0"));
    })
    .await;
}
