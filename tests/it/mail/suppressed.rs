//! Addresses that nothing is sent to any more (G10): added, listed, removed, and condemned by bounces.

use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};

async fn add(app: &TestApp, email: &str) -> v1::AddSuppressionResponse {
    let request = v1::AddSuppressionRequest {
        email: email.to_owned(),
        ..Default::default()
    };
    let answer = app.emails().add_suppression(request).await;
    answer.unwrap().into_inner()
}

async fn remove(app: &TestApp, email: &str) -> Result<v1::RemoveSuppressionResponse, Status> {
    let request = v1::RemoveSuppressionRequest {
        email: email.to_owned(),
        ..Default::default()
    };
    let answer = app.emails().remove_suppression(request).await?;
    Ok(answer.into_inner())
}

async fn bounce(
    app: &TestApp,
    email: &str,
    status_code: &str,
) -> Result<v1::ReportBounceResponse, Status> {
    let request = v1::ReportBounceRequest {
        email: email.to_owned(),
        status_code: status_code.to_owned(),
        ..Default::default()
    };
    let answer = app.emails().report_bounce(request).await?;
    Ok(answer.into_inner())
}

/// All of the list, two to a page.
async fn listed(app: &TestApp) -> Vec<(String, String)> {
    let mut request = v1::ListSuppressionsRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = app.emails().list_suppressions(request.clone()).await;
        let page = page.unwrap().into_inner();
        found.extend(
            page.suppressions
                .into_iter()
                .map(|it| (it.email, it.reason)),
        );
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

#[rstest]
#[tokio::test]
async fn semantics_46_a_suppressed_address_gets_nothing_until_it_is_removed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("1", days(60)).await;
        let tried = v1::AddSuppressionRequest {
            email: "mari.tamm@example.com".to_owned(),
            validate_only: true,
            ..Default::default()
        };
        app.emails().add_suppression(tried).await.unwrap();
        assert_eq!(listed(app).await, []);
        add(app, " Mari.Tamm@Example.com ").await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.sent, 0);
        let held_back = emails(app, EmailKind::Confirmation).await;
        assert_eq!(held_back[0].state(), EmailState::Cancelled);
        assert_eq!(held_back[0].reason, "suppressed");

        let removed = remove(app, "mari.tamm@example.com").await.unwrap();
        assert_eq!(removed.suppression.unwrap().reason, "by_hand");
        assert_eq!(room.run().await.sent, 0, "what was cancelled stays so");
        shop.sell_lessons("1", days(60)).await;
        assert_eq!(room.run().await.sent, 1);
        let again = remove(app, "mari.tamm@example.com").await;
        refused(again, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_list_is_paged_by_address_and_belongs_to_one_business(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        for name in ["d", "a", "e", "b", "c"] {
            add(app, &format!("{name}@example.com")).await;
        }
        let first = add(app, "a@example.com").await.suppression.unwrap();
        assert_eq!(first.reason, "by_hand");
        let expected: Vec<_> = ["a", "b", "c", "d", "e"]
            .map(|name| (format!("{name}@example.com"), "by_hand".to_owned()))
            .into();
        assert_eq!(listed(app).await, expected);
        let foreign = app.second_business().await;
        let request = v1::ListSuppressionsRequest::default();
        let others = foreign.emails().list_suppressions(request).await;
        assert_eq!(others.unwrap().into_inner().suppressions, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_bounce_condemns_an_address_only_if_that_does_not_exist(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        for harmless in ["4.1.1", "5.2.2", "5.7.1"] {
            let answer = bounce(app, "full@example.com", harmless).await.unwrap();
            assert_eq!(answer.suppression, None, "{harmless}");
        }
        let answer = bounce(app, "gone@example.com", "5.1.1").await.unwrap();
        assert_eq!(answer.suppression.unwrap().reason, "bounced");
        add(app, "gone@example.com").await;
        let expected = ("gone@example.com".to_owned(), "bounced".to_owned());
        assert_eq!(listed(app).await, [expected], "the first reason stays");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_address_and_a_code_must_be_what_they_are_called(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let faults = field_faults(bounce(app, "nobody", "550").await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["email", "status_code"]);
        let faults = field_faults(remove(app, "").await);
        assert_eq!(faults[0].0, "email");
    })
    .await;
}
