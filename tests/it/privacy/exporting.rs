//! Everything that is held on a customer, as a stream of typed messages.

use std::collections::BTreeMap;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::export_customer_response::Held;
use rstest::rstest;
use tonic::{Code, Status};

use super::canaries::{CANARIES, lived};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

async fn export(tenant: &Tenant, customer_id: &str) -> Result<Vec<Held>, Status> {
    let request = v1::ExportCustomerRequest {
        customer_id: customer_id.to_owned(),
    };
    let answer = tenant.customers().export_customer(request).await?;
    let mut stream = answer.into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await? {
        all.push(message.held.unwrap());
    }
    Ok(all)
}

fn kind(held: &Held) -> &'static str {
    match held {
        Held::Customer(_) => "customers",
        Held::Group(_) => "groups",
        Held::Package(_) => "packages",
        Held::Change(_) => "changes",
        Held::Entry(_) => "entries",
        Held::Booking(_) => "bookings",
        Held::Invoice(_) => "invoices",
        Held::Sale(_) => "sales",
        Held::Subscription(_) => "subscriptions",
        Held::Email(_) => "e-mails",
        Held::Suppression(_) => "suppressions",
        Held::AuditEvent(_) => "audit events",
        Held::Token(_) => "tokens",
    }
}

fn counts(all: &[Held]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for held in all {
        *counts.entry(kind(held)).or_default() += 1;
    }
    counts
}

#[rstest]
#[tokio::test]
async fn all_that_is_held_on_a_customer_is_told_and_nothing_of_others(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let day = lived(app).await;
        let may_export = app.allowed_only(&[Permission::CustomersExport]).await;
        let all = export(&may_export, &day.known["mari"]).await.unwrap();
        let counts = counts(&all);
        for (kind, wanted) in [
            ("customers", 2),
            ("groups", 2),
            ("packages", 4),
            ("bookings", 1),
            ("invoices", 1),
            ("sales", 3),
            ("subscriptions", 1),
            ("suppressions", 2),
            ("tokens", 1),
        ] {
            assert_eq!(counts[kind], wanted, "{kind}: {counts:?}");
        }
        let kinds = ["changes", "entries", "e-mails", "audit events"];
        let missing = kinds.iter().filter(|kind| !counts.contains_key(*kind));
        assert_eq!(missing.count(), 0, "{counts:?}");
        assert_eq!(kind(&all[0]), "customers");
        let text = format!("{all:?}");
        // A client's own id of an event is in no message.
        let told = CANARIES.iter().filter(|it| **it != "canary-event");
        let missing: Vec<_> = told.filter(|it| !text.contains(**it)).collect();
        // Nothing was revoked yet.
        assert_eq!(missing, [&"canary-revoked"]);
        for other in ["a note of Jaan", "of Jaan", "jaan@example.com"] {
            assert!(!text.contains(other), "{other}");
        }
        let attempted = all.iter().any(|held| {
            matches!(held, Held::Email(email) if email.attempts.len() == 1 && !email.text_body.is_empty())
        });
        assert!(attempted, "no e-mail with its text and attempt");

        let twin = export(app, &day.known["twin"]).await;
        refused(twin, Code::FailedPrecondition, "CUSTOMER_MERGED");
        let stranger = app.second_business().await;
        let stranger = export(&stranger, &day.known["mari"]).await;
        refused(stranger, Code::NotFound, "NOT_FOUND");
        let reader = app.allowed_only(&[Permission::CustomersRead]).await;
        let reader = export(&reader, &day.known["mari"]).await;
        refused(reader, Code::PermissionDenied, "PERMISSION_DENIED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn more_than_a_page_of_anything_is_told_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template = shop.offer(shop.lessons("8", days(30))).await;
        for _ in 0..3 {
            let entries = vec![shop.entry(&template); 70];
            shop.try_to_sell(entries).await.unwrap();
        }
        for _ in 0..110 {
            shop.sell(&template).await;
        }
        let all = export(app, &shop.customer).await.unwrap();
        let counts = counts(&all);
        assert_eq!((counts["packages"], counts["entries"]), (320, 320));
        assert_eq!(counts["sales"], 113);
        let mut ids: Vec<_> = all
            .iter()
            .filter_map(|held| match held {
                Held::Package(package) => Some(package.id.as_str()),
                Held::Sale(sale) => Some(sale.id.as_str()),
                Held::Email(email) => Some(email.id.as_str()),
                Held::AuditEvent(event) => Some(event.id.as_str()),
                Held::Token(token) => Some(token.id.as_str()),
                Held::Customer(_)
                | Held::Group(_)
                | Held::Change(_)
                | Held::Entry(_)
                | Held::Booking(_)
                | Held::Invoice(_)
                | Held::Subscription(_)
                | Held::Suppression(_) => None,
            })
            .collect();
        let told = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), told);
        let erased = shop.customer("Mart Mets").await;
        let erase = v1::EraseCustomerRequest {
            customer_id: erased.clone(),
            ..Default::default()
        };
        app.customers().erase_customer(erase).await.unwrap();
        let gone = export(app, &erased).await;
        refused(gone, Code::FailedPrecondition, "CUSTOMER_ERASED");
    })
    .await;
}
