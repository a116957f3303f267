//! The log of e-mails (G10): lists with filters and pages, and whose they are.

use std::collections::HashSet;

use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::{Mailroom, set_leads};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, until};
use crate::support::tenant::Tenant;

async fn list(tenant: &Tenant, request: v1::ListEmailsRequest) -> v1::ListEmailsResponse {
    let answer = tenant.emails().list_emails(request).await;
    answer.unwrap().into_inner()
}

#[rstest]
#[tokio::test]
async fn emails_are_found_by_customer_package_state_and_kind(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let mari = shop.customer.clone();
        let hers = shop.sell_lessons("8", until("2026-02-10")).await;
        shop.sell_lessons("8", until("2026-03-10")).await;
        shop.customer = shop.customer("Jaan Kask").await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-01-16 09:00").await;
        room.run_at("2026-02-02 09:00").await;
        room.run_at("2026-02-03 09:00").await;
        shop.sell_lessons("1", until("2026-03-10")).await;

        let all = v1::ListEmailsRequest::default();
        let count = async |request| list(app, request).await.emails.len();
        assert_eq!(count(all.clone()).await, 6);
        let by_customer = v1::ListEmailsRequest {
            customer_id: mari.clone(),
            ..all.clone()
        };
        assert_eq!(count(by_customer.clone()).await, 3);
        let by_package = v1::ListEmailsRequest {
            package_id: hers.id.clone(),
            ..all.clone()
        };
        let found = list(app, by_package).await.emails;
        let kinds: Vec<_> = found.iter().map(v1::Email::kind).collect();
        assert_eq!(kinds, [EmailKind::ExpiryReminder, EmailKind::Confirmation]);
        for email in &found {
            assert_eq!(email.package_ids.join(" "), hers.id);
            assert!(!email.subject.is_empty());
            let left_out = (&*email.text_body, &*email.html_body, email.attempts.len());
            assert_eq!(left_out, ("", "", 0), "only GetEmail tells all");
        }
        let queued = v1::ListEmailsRequest {
            states: vec![EmailState::Queued.into()],
            ..all.clone()
        };
        let queued = list(app, queued).await.emails;
        assert_eq!(queued.len(), 1);
        assert!(queued[0].due_at.is_some());
        let both = v1::ListEmailsRequest {
            kinds: vec![EmailKind::ExpiryReminder.into(), EmailKind::Expired.into()],
            states: vec![EmailState::Sent.into()],
            ..by_customer
        };
        assert_eq!(count(both).await, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn pages_of_emails_are_newest_first_without_gaps_or_repeats(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        for _ in 0..5 {
            shop.sell_lessons("8", until("2026-12-31")).await;
            app.clock.advance(chrono::TimeDelta::seconds(1));
        }
        let mut request = v1::ListEmailsRequest {
            page_size: 2,
            ..Default::default()
        };
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let page = list(app, request.clone()).await;
            sizes.push(page.emails.len());
            seen.extend(page.emails.into_iter().map(|email| email.id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            // What is new meanwhile comes on no later page.
            shop.sell_lessons("8", until("2026-12-31")).await;
        }
        assert_eq!(sizes, [2, 2, 1]);
        assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
        request.kinds = vec![EmailKind::Expired.into()];
        request.page_token = list(
            app,
            v1::ListEmailsRequest {
                page_size: 2,
                ..Default::default()
            },
        )
        .await
        .next_page_token;
        let faults = field_faults(app.emails().list_emails(request).await);
        assert_eq!(faults[0].0, "page_token");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn another_businesss_emails_are_not_there(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-12-31")).await;
        let ours = list(app, v1::ListEmailsRequest::default()).await.emails;
        let foreign = app.second_business().await;
        assert_eq!(
            list(&foreign, v1::ListEmailsRequest::default())
                .await
                .emails,
            []
        );
        let request = v1::GetEmailRequest {
            email_id: ours[0].id.clone(),
        };
        let result = foreign.emails().get_email(request).await;
        refused(result, Code::NotFound, "NOT_FOUND");
        let by_customer = v1::ListEmailsRequest {
            customer_id: shop.customer.clone(),
            ..Default::default()
        };
        let by_package = v1::ListEmailsRequest {
            package_id: package.id,
            ..Default::default()
        };
        for request in [by_customer, by_package] {
            let result = foreign.emails().list_emails(request).await;
            refused(result, Code::NotFound, "NOT_FOUND");
        }
        let unknown = v1::GetEmailRequest {
            email_id: "eml_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
        };
        let result = app.emails().get_email(unknown).await;
        refused(result, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn every_fault_of_a_list_is_told_at_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let request = v1::ListEmailsRequest {
            page_size: -1,
            page_token: "what?".to_owned(),
            customer_id: "pkg_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            package_id: "\u{7}".to_owned(),
            states: vec![EmailState::Sent.into(), 99],
            kinds: vec![0],
        };
        let faults = field_faults(app.emails().list_emails(request).await);
        let fields: HashSet<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        let expected = [
            "page_size",
            "page_token",
            "customer_id",
            "package_id",
            "states[1]",
            "kinds[0]",
        ];
        assert_eq!(fields, HashSet::from(expected), "{faults:?}");
        let request = v1::GetEmailRequest::default();
        let faults = field_faults(app.emails().get_email(request).await);
        assert_eq!(faults[0].0, "email_id");
    })
    .await;
}
