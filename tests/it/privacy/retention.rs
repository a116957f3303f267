//! What is kept for a while only (J7): it goes in parts, and a late repeat still has no second effect.

use carnet::config::RetentionSettings;
use carnet::jobs::retention::{self, Removed};
use carnet::proto::v1;
use carnet::proto::v1::list_audit_events_request::About;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::dump::dump;
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};

const KEEP: RetentionSettings = RetentionSettings {
    keep_answers_days: 30,
    keep_email_texts_days: 60,
    keep_audit_days: 90,
};

async fn remove(app: &TestApp) -> Removed {
    retention::step(app.context(), &KEEP).await.unwrap()
}

/// The rows of the ledger, and those that keep anything from happening twice.
async fn lasting(app: &TestApp) -> Vec<String> {
    let mut rows = dump(&app.context().db).await;
    let tables = ["entries:", "lots:", "packages:", "sales:", "notices:"];
    rows.retain(|row| tables.iter().any(|table| row.starts_with(table)));
    rows
}

#[rstest]
#[tokio::test]
async fn each_is_kept_for_its_time_and_the_ledger_for_ever(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template = shop.offer(shop.lessons("8", never())).await;
        let sell = v1::SellPackagesRequest {
            request_id: app.request_id(),
            entries: vec![shop.entry(&template)],
            validate_only: false,
        };
        let sold = app.packages().sell_packages(sell.clone()).await.unwrap();
        let package = sold.into_inner().results[0].package.clone().unwrap();
        let consume = shop.use_lessons_of(&package.id, "1");
        let used = shop.consume(consume.clone()).await.unwrap();
        assert_eq!(app.deliver().await.sent, 1);
        let kept = lasting(app).await;
        let events = app.audited(About::Method("SellPackages".to_owned())).await;
        assert_eq!(events.len(), 1);

        app.clock.advance(TimeDelta::days(30));
        assert_eq!(remove(app).await, Removed::default());
        let again = app.packages().sell_packages(sell.clone()).await.unwrap();
        assert!(again.into_inner().replayed);

        app.clock.advance(TimeDelta::minutes(1));
        let removed = remove(app).await;
        assert_eq!((removed.email_texts, removed.audit_events), (0, 0));
        assert_eq!(removed.answers, 1, "only the sale had a request id");
        let late = app.packages().sell_packages(sell.clone()).await;
        let told = refused(late, Code::FailedPrecondition, "ANSWER_CLEARED");
        assert_eq!(told["method"], "SellPackages");
        let again = shop.consume(consume).await.unwrap();
        assert!(again.replayed, "a use is answered from its entries");
        assert_eq!(again.posting_id, used.posting_id);
        let other = v1::SellPackagesRequest {
            entries: vec![shop.entry(&template), shop.entry(&template)],
            ..sell
        };
        let other = app.packages().sell_packages(other).await;
        refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");

        app.clock.advance(TimeDelta::days(30));
        let removed = remove(app).await;
        assert_eq!((removed.email_texts, removed.audit_events), (1, 0));
        let list = v1::ListEmailsRequest::default();
        let emails = app.emails().list_emails(list).await.unwrap();
        let request = v1::GetEmailRequest {
            email_id: emails.into_inner().emails[0].id.clone(),
        };
        let email = app.emails().get_email(request).await.unwrap();
        let email = email.into_inner().email.unwrap();
        assert_eq!(email.state(), v1::EmailState::Sent);
        let texts = [
            email.to_email,
            email.subject,
            email.text_body,
            email.html_body,
        ];
        assert_eq!(texts, ["", "", "", ""]);
        assert_eq!(email.attempts[0].message, "");

        app.clock.advance(TimeDelta::days(30));
        let removed = remove(app).await;
        assert!(removed.audit_events >= 5, "{removed:?}");
        assert_eq!(
            app.audited(About::Method("SellPackages".to_owned())).await,
            []
        );
        assert_eq!(lasting(app).await, kept);
        assert_eq!(remove(app).await, Removed::default());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn more_than_a_part_goes_in_one_step_and_what_is_younger_stays(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let update = async || {
            let request = v1::UpdateCustomerRequest {
                customer: Some(v1::Customer {
                    id: shop.customer.clone(),
                    phone: "+372 5".to_owned(),
                    ..Default::default()
                }),
                request_id: app.request_id(),
                ..Default::default()
            };
            app.customers().update_customer(request).await.unwrap();
        };
        for _ in 0..510 {
            update().await;
        }
        app.clock.advance(TimeDelta::days(91));
        update().await;
        let before = app
            .audited(About::Method("UpdateCustomer".to_owned()))
            .await;
        let removed = remove(app).await;
        assert_eq!(removed.answers, 510);
        assert!(removed.audit_events >= 510, "{removed:?}");
        let after = app
            .audited(About::Method("UpdateCustomer".to_owned()))
            .await;
        assert_eq!(after, before[..1]);
    })
    .await;
}
