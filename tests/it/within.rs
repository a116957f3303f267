//! Commands on credits in a transaction that another command began, on both databases.

use carnet::domain::credits::Credits;
use carnet::domain::decide::Meanwhile;
use carnet::domain::decide::{Command, Consume, PlaceHold, Release, Reverse};
use carnet::domain::entry::{Actor, Purpose};
use carnet::domain::hold::OnTimeOut;
use carnet::domain::line::ItemFacts;
use carnet::domain::part::Portion;
use carnet::domain::selection::Wanted;
use carnet::domain::watch::Watch;
use carnet::ids::{HoldId, InvoiceLineId};
use carnet::ledger::{LedgerError, Receipt, Submission, within};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};

fn lessons(shop: &Shop, units: &str) -> Consume {
    Consume {
        customer_id: shop.customer.parse().unwrap(),
        wanted: Wanted::Item {
            item: ItemFacts {
                id: shop.swim.parse().unwrap(),
                category: "Lessons".to_owned(),
                active: true,
            },
            units: Credits::parse(units).unwrap(),
        },
        package_ids: Vec::new(),
        delivered_at: None,
        consumed_by: None,
        past_expiry: None,
    }
}

fn holding(shop: &Shop, units: &str) -> Command {
    Command::Hold(PlaceHold {
        taking: lessons(shop, units),
        times_out_at: None,
        on_time_out: OnTimeOut::Release,
    })
}

fn of_line(app: &TestApp, line: InvoiceLineId, command: Command) -> Submission {
    Submission {
        business_id: app.business_id,
        request_id: app.request_id().parse().unwrap(),
        request_hash: [1; 32],
        method: "test",
        actor: Actor::System,
        purpose: Some(Purpose::InvoiceLine(line)),
        command,
        watch: Watch::default(),
        note: String::new(),
        validate_only: false,
    }
}

/// Carries the submissions out in one transaction, and commits what is done.
async fn done(app: &TestApp, all: &[Submission]) -> Result<Vec<Receipt>, LedgerError> {
    let ctx = app.context();
    let txn = ctx.db.begin().await.unwrap();
    let receipts = within::carry_out(&txn, &ctx.clock, all).await?;
    txn.commit().await.unwrap();
    Ok(receipts)
}

fn hold_of(receipt: &Receipt) -> HoldId {
    receipt.hold.as_ref().unwrap().id
}

#[rstest]
#[tokio::test]
async fn commands_of_one_transaction_are_all_done_or_none(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let first = shop.sell_lessons("3", days(30)).await;
        let second = shop.sell_lessons("3", days(60)).await;
        let line = InvoiceLineId::generate(app.clock.now());
        let of = |units| of_line(app, line, holding(&shop, units));
        let refusal = done(app, &[of("4"), of("3")]).await.unwrap_err();
        assert_eq!(refusal.to_string(), "2 units available, 3 requested");
        assert_eq!(shop.left(&first.id).await, "3");

        let placed = done(app, &[of("4"), of("2")]).await.unwrap();
        assert_eq!(placed[0].entries.len(), 2);
        assert_eq!(
            placed[0].entries[0].about.invoice_line_id,
            Some(line.uuid())
        );
        assert_eq!(shop.left(&second.id).await, "0");
        // What a command frees the next one of the same transaction can use.
        let hold_id = hold_of(&placed[0]);
        let release = of_line(app, line, Command::Release(Release { hold_id }));
        done(app, &[release, of("4")]).await.unwrap();
        assert_eq!(shop.left(&first.id).await, "0");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn credits_of_an_invoice_line_are_freed_and_undone_by_it_alone(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("5", days(30)).await;
        let line = InvoiceLineId::generate(app.clock.now());
        let of = |command| of_line(app, line, command);
        let all = [
            of(holding(&shop, "2")),
            of(Command::Consume(lessons(&shop, "1"))),
        ];
        let receipts = done(app, &all).await.unwrap();
        let hold_id = hold_of(&receipts[0]);
        let mut held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        held.hold_id = hold_id.to_string();
        let bound = (Code::FailedPrecondition, "CREDITS_BOUND");
        let numbers = refused(shop.release(&held).await, bound.0, bound.1);
        assert_eq!(numbers["invoice_line_id"], line.to_string());
        refused(shop.capture(shop.capturing(&held)).await, bound.0, bound.1);
        let posting_id = all[1].request_id;
        let reversing = shop.reversing(&posting_id.to_string());
        refused(
            shop.tenant.credits().reverse(reversing).await,
            bound.0,
            bound.1,
        );
        let other = InvoiceLineId::generate(app.clock.now());
        let release = of_line(app, other, Command::Release(Release { hold_id }));
        let refusal = done(app, &[release]).await.unwrap_err();
        assert!(refusal.to_string().contains(&line.to_string()), "{refusal}");

        let reverse = Command::Reverse(Reverse {
            posting_id,
            portion: Portion::All,
            meanwhile: Meanwhile::Expire,
        });
        let release = Command::Release(Release { hold_id });
        done(app, &[of(reverse), of(release)]).await.unwrap();
        assert_eq!(shop.left(&package.id).await, "4");
    })
    .await;
}
