//! Lines of invoices that say when they were delivered (semantics 3).

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::LineCreditsState;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;

use super::desk::{Desk, due, on_line};
use super::rates::lines;
use super::{REFUSED, open};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::refused::refused;
use crate::support::shop::{Shop, until};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl Desk {
    /// Lessons on the last day but one of January, when the package still was valid.
    fn in_january(&self, quantity: &str) -> v1::InvoiceLineInput {
        v1::InvoiceLineInput {
            delivered_at: Some(stamp(at("2026-01-30T10:00:00Z"))),
            ..self.lessons(quantity)
        }
    }

    async fn january_draft(&self, quantity: &str) -> v1::Invoice {
        let lines = vec![self.in_january(quantity)];
        self.create_invoice(self.creating(lines)).await.unwrap()
    }

    /// Available, held, used and expired credits of a package.
    async fn all_credits(&self, package: &v1::Package) -> [String; 4] {
        let balances = self.shop.balances(&package.id).await;
        let v1::Balances {
            available,
            held,
            consumed,
            expired,
            ..
        } = balances;
        [available, held, consumed, expired]
    }
}

#[rstest]
#[tokio::test]
async fn semantics_3_an_invoice_of_5_february_uses_the_package_that_ended_on_the_31st(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("3", until("2026-01-31")).await;
        app.clock.set(at("2026-02-05T10:00:00Z"));
        let undated = desk.draft("1").await;
        refused(
            desk.apply(&undated, "1").await,
            REFUSED,
            "INSUFFICIENT_CREDITS",
        );
        let draft = desk.january_draft("2").await;
        let applied = desk.apply(&draft, "2").await.unwrap();
        assert_eq!(
            (due(&applied), on_line(&applied).state()),
            (0, LineCreditsState::Held)
        );
        assert_eq!(desk.all_credits(&package).await, ["0", "2", "0", "1"]);
        let paid = desk.issue(&applied).await.unwrap();
        assert_eq!(on_line(&paid).state(), LineCreditsState::Used);
        assert_eq!(desk.all_credits(&package).await, ["0", "0", "2", "1"]);
        let used = desk.shop.entries(&package.id).await.pop().unwrap();
        assert_eq!(used.effective_at, Some(stamp(at("2026-01-30T10:00:00Z"))));
        assert_eq!(desk.get(&draft).await, paid);
        // What is given back has ended.
        desk.void(&paid).await.unwrap();
        assert_eq!(desk.all_credits(&package).await, ["0", "0", "0", "3"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_a_rate_of_the_time_of_the_service_is_charged_afterwards(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("3", 1_500), until("2026-01-31")).await;
        app.clock.set(at("2026-02-05T10:00:00Z"));
        let line = v1::InvoiceLineInput {
            at_package_rate: true,
            ..desk.in_january("4")
        };
        let resolving = v1::ResolveRateRequest {
            customer_id: desk.shop.customer.clone(),
            item_id: desk.shop.swim.clone(),
            units: "4".to_owned(),
            delivered_at: line.delivered_at,
        };
        let found = app
            .invoices()
            .resolve_rate(resolving)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (found.parts[0].units.as_str(), found.standard_units.as_str()),
            ("3", "1")
        );
        let draft = desk
            .create_invoice(desk.creating(vec![line]))
            .await
            .unwrap();
        assert_eq!(lines(&draft), [("3", 1_500), ("1", 1_800)]);
        assert_eq!(desk.all_credits(&package).await, ["0", "3", "0", "0"]);
        let undated = desk.rated_draft("1").await;
        assert_eq!(lines(&undated), [("1", 1_800)]);
        let issued = desk.issue(&draft).await.unwrap();
        desk.pay(&issued, None).await.unwrap();
        assert_eq!(desk.all_credits(&package).await, ["0", "0", "3", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_a_package_that_ended_is_used_with_the_permission_and_within_its_quarantine(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("3", until("2026-01-31")).await;
        app.clock.set(at("2026-02-05T10:00:00Z"));
        let draft = desk.january_draft("2").await;
        let clerk = Desk {
            shop: Shop {
                tenant: app
                    .allowed_only(&[Permission::InvoicesManage, Permission::InvoicesRead])
                    .await,
                ..desk.shop.clone()
            },
        };
        let named = v1::ApplyCreditsRequest {
            package_ids: vec![package.id.clone()],
            ..clerk.applying(&draft, "2")
        };
        refused(clerk.apply_credits(named).await, REFUSED, "PACKAGE_EXPIRED");
        let applied = desk.apply(&draft, "2").await.unwrap();
        // What is held can be issued by whomever; what timed out cannot.
        app.clock.advance(TimeDelta::days(7));
        assert_eq!(desk.all_credits(&package).await, ["0", "0", "0", "3"]);
        let refusal = clerk.issue(&applied).await;
        refused(refusal, REFUSED, "INSUFFICIENT_CREDITS");
        let other = desk.january_draft("1").await;
        desk.apply(&other, "1").await.unwrap();
        clerk.issue(&other).await.unwrap();
        desk.issue(&applied).await.unwrap();
        assert_eq!(desk.all_credits(&package).await, ["0", "0", "3", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_after_the_quarantine_a_package_that_ended_pays_for_nothing_any_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("3", until("2026-01-31")).await;
        app.clock.set(at("2026-02-05T10:00:00Z"));
        let drafts = [desk.january_draft("1").await, desk.january_draft("1").await];
        let applied = desk.apply(&drafts[0], "1").await.unwrap();
        let seen = desk
            .shop
            .package(&package.id)
            .await
            .restorable_until
            .unwrap();
        let end = DateTime::from_timestamp(seen.seconds, 0).unwrap();
        app.clock.set(end);
        let refusal = desk.apply(&drafts[1], "1").await;
        refused(refusal, REFUSED, "INSUFFICIENT_CREDITS");
        refused(desk.issue(&applied).await, REFUSED, "INSUFFICIENT_CREDITS");
        assert_eq!(desk.all_credits(&package).await, ["0", "0", "0", "3"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_line_of_another_day_than_before_loses_its_credits(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.shop.sell_lessons("3", until("2026-01-31")).await;
        let draft = desk.january_draft("1").await;
        let applied = desk.apply(&draft, "1").await.unwrap();
        let line = &applied.lines[0];
        assert_eq!(line.delivered_at, Some(stamp(at("2026-01-30T10:00:00Z"))));
        let of = |delivered_at: &str| v1::InvoiceLineInput {
            id: line.id.clone(),
            delivered_at: Some(stamp(at(delivered_at))),
            ..desk.lessons("1")
        };
        let same = desk
            .change(&applied, vec![of("2026-01-30T10:00:00Z")])
            .await
            .unwrap();
        assert_eq!(on_line(&same), on_line(&applied));
        let moved = desk
            .change(&same, vec![of("2026-02-02T10:00:00Z")])
            .await
            .unwrap();
        assert_eq!(moved.lines[0].credits, None);
        assert_eq!(desk.credits(&package).await, ["3", "0", "0"]);
        let refusal = desk.apply(&moved, "1").await;
        refused(refusal, REFUSED, "INSUFFICIENT_CREDITS");
    })
    .await;
}
