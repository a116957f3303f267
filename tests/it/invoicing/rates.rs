//! Lines of invoices at package rates (F3, semantics 32).

use carnet::proto::v1;
use carnet::proto::v1::{InvoiceState, LineCreditsState};
use chrono::TimeDelta;
use rstest::rstest;

use super::desk::{Desk, due};
use super::{REFUSED, open};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{days, euros};

impl Desk {
    /// So many swimming lessons at the rates of packages, then at 18.00 each.
    pub(super) fn rated(&self, quantity: &str) -> v1::InvoiceLineInput {
        v1::InvoiceLineInput {
            at_package_rate: true,
            ..self.lessons(quantity)
        }
    }

    /// A draft of one line at package rates.
    pub(super) async fn rated_draft(&self, quantity: &str) -> v1::Invoice {
        let lines = vec![self.rated(quantity)];
        self.create_invoice(self.creating(lines)).await.unwrap()
    }

    /// What so many lessons would cost now: units and cents at package rates, and the units beyond.
    pub(super) async fn resolve(&self, units: &str) -> (Vec<(String, i64)>, String) {
        let request = v1::ResolveRateRequest {
            customer_id: self.shop.customer.clone(),
            item_id: self.shop.swim.clone(),
            units: units.to_owned(),
            delivered_at: None,
        };
        let answer = self.shop.tenant.invoices().resolve_rate(request).await;
        let found = answer.unwrap().into_inner();
        assert_eq!(found.standard_rate, Some(euros(1_800)));
        let parts = found.parts.into_iter();
        let parts = parts.map(|part| (part.units, part.package_rate.unwrap().minor_units));
        (parts.collect(), found.standard_units)
    }
}

/// The units and the price of each line.
pub(super) fn lines(invoice: &v1::Invoice) -> Vec<(&str, i64)> {
    let lines = invoice.lines.iter();
    let price = |line: &v1::InvoiceLine| line.unit_price.as_ref().unwrap().minor_units;
    lines
        .map(|line| (line.quantity.as_str(), price(line)))
        .collect()
}

fn rate_of(invoice: &v1::Invoice) -> &v1::LineRate {
    invoice.lines[0].package_rate.as_ref().unwrap()
}

#[rstest]
#[tokio::test]
async fn f3_resolve_rate_tells_which_units_have_which_rate_and_holds_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        assert_eq!(desk.resolve("2").await, (Vec::new(), "2".to_owned()));
        let later = desk.sell_rate(("2", 1_600), days(60)).await;
        let sooner = desk.sell_rate(("1", 1_500), days(30)).await;
        let part = |units: &str, cents| (units.to_owned(), cents);
        assert_eq!(
            desk.resolve("5").await,
            (vec![part("1", 1_500), part("2", 1_600)], "2".to_owned()),
            "what ends first is charged first"
        );
        assert_eq!(
            desk.resolve("1").await,
            (vec![part("1", 1_500)], "0".to_owned())
        );
        assert_eq!(desk.credits(&later).await, ["2", "0", "0"]);
        app.clock.advance(TimeDelta::days(31));
        assert_eq!(
            desk.resolve("3").await,
            (vec![part("2", 1_600)], "1".to_owned())
        );
        assert_eq!(desk.credits(&sooner).await, ["0", "0", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn f3_a_quantity_that_crosses_the_end_is_split_and_then_standard_rates_apply(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("3", 1_500), days(30)).await;
        let creating = desk.creating(vec![desk.rated("5")]);
        let draft = desk.create_invoice(creating.clone()).await.unwrap();
        assert_eq!(lines(&draft), [("3", 1_500), ("2", 1_800)]);
        assert_eq!(due(&draft), 3 * 1_500 + 2 * 1_800);
        let rate = rate_of(&draft);
        assert_eq!(
            (rate.package_id.as_str(), rate.line_id.as_str()),
            (package.id.as_str(), package.lines[0].id.as_str())
        );
        assert_eq!(
            (rate.state(), rate.amount.as_str()),
            (LineCreditsState::Held, "3")
        );
        assert!(rate.times_out_at.is_some() && draft.lines[0].credits.is_none());
        assert_eq!(draft.lines[1].package_rate, None);
        assert_eq!(desk.create_invoice(creating).await.unwrap(), draft);
        assert_eq!(desk.get(&draft).await, draft);
        assert_eq!(desk.credits(&package).await, ["0", "3", "0"]);
        // What one draft holds no other one charges.
        assert_eq!(lines(&desk.rated_draft("1").await), [("1", 1_800)]);
        let issued = desk.issue(&draft).await.unwrap();
        assert_eq!(rate_of(&issued).times_out_at, None);
        desk.pay(&issued, Some(1_000)).await.unwrap();
        assert_eq!(desk.credits(&package).await, ["0", "3", "0"]);
        let paid = desk.pay(&issued, None).await.unwrap();
        assert_eq!(rate_of(&paid).state(), LineCreditsState::Used);
        assert_eq!(desk.credits(&package).await, ["0", "0", "3"]);
        let seen = desk.shop.package(&package.id).await;
        assert_eq!(seen.status(), v1::PackageStatus::Completed);
        assert_eq!(lines(&desk.rated_draft("1").await), [("1", 1_800)]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn f3_what_a_void_invoice_charged_at_a_rate_has_that_rate_again(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("3", 1_500), days(30)).await;
        let draft = desk.rated_draft("2").await;
        let issued = desk.issue(&draft).await.unwrap();
        let paid = desk.pay(&issued, None).await.unwrap();
        let bounced = desk.bounce(&paid.money[0]).await.unwrap();
        assert_eq!(rate_of(&bounced).state(), LineCreditsState::Used);
        let other = desk.rated_draft("2").await;
        assert_eq!(lines(&other), [("1", 1_500), ("1", 1_800)]);
        let void = desk.void(&other).await.unwrap();
        assert_eq!(rate_of(&void).state(), LineCreditsState::Returned);
        assert_eq!(desk.credits(&package).await, ["1", "0", "2"]);
        let void = desk.void(&bounced).await.unwrap();
        assert_eq!(lines(&void), [("2", 1_500)], "it says what it said");
        assert_eq!(desk.credits(&package).await, ["3", "0", "0"]);
        assert_eq!(lines(&desk.rated_draft("3").await), [("3", 1_500)]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn f3_units_are_free_again_when_a_line_is_changed_and_rated_anew(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("3", 1_500), days(30)).await;
        let draft = desk.rated_draft("2").await;
        let same = v1::InvoiceLineInput {
            id: draft.lines[0].id.clone(),
            description: "Another text".to_owned(),
            ..desk.lessons("2")
        };
        let described = desk.change(&draft, vec![same.clone()]).await.unwrap();
        assert_eq!(rate_of(&described), rate_of(&draft));
        let more = v1::InvoiceLineInput {
            quantity: "4".to_owned(),
            at_package_rate: true,
            ..same.clone()
        };
        let changed = desk.change(&described, vec![more]).await.unwrap();
        assert_eq!(lines(&changed), [("3", 1_500), ("1", 1_800)]);
        assert_eq!(changed.lines[0].id, draft.lines[0].id);
        assert_eq!(desk.credits(&package).await, ["0", "3", "0"]);
        // Two lines share what there is.
        let both = vec![desk.rated("2"), desk.rated("2")];
        let changed = desk.change(&changed, both).await.unwrap();
        let wanted = [("2", 1_500), ("1", 1_500), ("1", 1_800)];
        assert_eq!(lines(&changed), wanted);
        // A rate is only for the units that were counted.
        let fewer = v1::InvoiceLineInput {
            id: changed.lines[0].id.clone(),
            ..desk.lessons("1")
        };
        let changed = desk.change(&changed, vec![fewer]).await.unwrap();
        assert_eq!(lines(&changed), [("1", 1_800)]);
        assert_eq!(desk.credits(&package).await, ["3", "0", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_40_units_that_a_draft_lost_are_taken_again_when_it_is_issued(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("2", 1_500), days(60)).await;
        let draft = desk.rated_draft("2").await;
        app.clock.advance(TimeDelta::days(7));
        assert_eq!(desk.credits(&package).await, ["2", "0", "0"]);
        assert_eq!(
            rate_of(&desk.get(&draft).await).state(),
            LineCreditsState::Lost
        );
        let other = desk.rated_draft("1").await;
        let refusal = desk.issue(&draft).await;
        let numbers = refused(refusal, REFUSED, "INSUFFICIENT_CREDITS");
        assert_eq!(
            (numbers["available"].as_str(), numbers["requested"].as_str()),
            ("1", "2")
        );
        desk.void(&other).await.unwrap();
        let issued = desk.issue(&draft).await.unwrap();
        assert_eq!(lines(&issued), [("2", 1_500)]);
        assert_eq!(desk.credits(&package).await, ["0", "2", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_line_at_a_package_rate_is_paid_in_money(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let desk = open(app).await;
        desk.sell_rate(("2", 1_500), days(60)).await;
        let prepaid = desk.shop.sell_lessons("2", days(60)).await;
        let draft = desk.rated_draft("2").await;
        for refusal in [desk.apply(&draft, "1").await, desk.remove(&draft).await] {
            let said = refused(refusal, REFUSED, "LINE_AT_PACKAGE_RATE");
            assert_eq!(said["invoice_line_id"], draft.lines[0].id);
        }
        assert_eq!(desk.credits(&prepaid).await, ["2", "0", "0"]);
        // What is held for an invoice is not freed or undone by others.
        let paid = desk.issue(&draft).await.unwrap();
        let paid = desk.pay(&paid, None).await.unwrap();
        assert_eq!(paid.state(), InvoiceState::Paid);
        let package_id = &rate_of(&paid).package_id;
        let used = desk.shop.entries(package_id).await.pop().unwrap();
        let reversed = desk
            .shop
            .reverse(desk.shop.reversing(&used.posting_id))
            .await;
        refused(reversed, REFUSED, "CREDITS_BOUND");
        let moved = desk.shop.relocate(&used.posting_id, &prepaid.id).await;
        refused(moved, REFUSED, "CREDITS_BOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_last_unit_at_a_rate_is_charged_once_however_many_ask_at_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("3", 1_500), days(30)).await;
        let asked: Vec<_> = (0..4)
            .map(|_| desk.creating(vec![desk.rated("2")]))
            .collect();
        let ask = |request: &v1::CreateInvoiceRequest| {
            let (desk, request) = (desk.clone(), request.clone());
            tokio::spawn(async move { desk.create_invoice(request).await.unwrap() })
        };
        let calls: Vec<_> = asked.iter().chain(&asked).map(ask).collect();
        let mut made = Vec::new();
        for call in calls {
            let invoice = call.await.unwrap();
            if !made.contains(&invoice) {
                made.push(invoice);
            }
        }
        assert_eq!(made.len(), 4, "a copy is answered as the call itself");
        let rated: f64 = made
            .iter()
            .flat_map(lines)
            .filter(|(_, cents)| *cents == 1_500)
            .map(|(units, _)| units.parse::<f64>().unwrap())
            .sum();
        assert!((rated - 3.0).abs() < f64::EPSILON, "{rated}");
        assert_eq!(desk.credits(&package).await, ["0", "3", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_rated_line_that_is_only_tried_holds_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("3", 1_500), days(30)).await;
        let tried = v1::CreateInvoiceRequest {
            validate_only: true,
            ..desk.creating(vec![desk.rated("5")])
        };
        let tried = desk.create_invoice(tried).await.unwrap();
        assert_eq!(lines(&tried), [("3", 1_500), ("2", 1_800)]);
        assert_eq!(desk.credits(&package).await, ["3", "0", "0"]);
    })
    .await;
}
