//! Erasing a customer: everything of the person goes, nothing of the ledger.

use std::time::Duration;

use carnet::proto::v1;
use rstest::rstest;
use serde_json::{Value as Json, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::canaries::{CANARIES, ERASE, SETTLED, WORD, lived};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::day::{Day, Step};
use crate::support::dump::dump;
use crate::support::mailroom::Mailroom;
use crate::support::process::until;
use crate::support::program::{carnet, err, out};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// Calls that name somebody who is gone.
const CALLS: [Step; 11] = [
    (
        "UpdateCustomer",
        r#"{"customer": {"id": "$gone", "name": "Back"}}"#,
        &[],
    ),
    (
        "UpdateCustomer",
        r#"{"customer": {"id": "$gone", "active": true}, "update_mask": "active"}"#,
        &[],
    ),
    (
        "MergeCustomers",
        r#"{"customer_id": "$gone", "into_id": "$mari"}"#,
        &[],
    ),
    (
        "MergeCustomers",
        r#"{"customer_id": "$mari", "into_id": "$gone"}"#,
        &[],
    ),
    (
        "AddGroupMember",
        r#"{"group_id": "$club", "customer_id": "$gone"}"#,
        &[],
    ),
    (
        "Consume",
        r#"{"customer_id": "$gone", "item": {"item_id": "$swim"}}"#,
        &[],
    ),
    (
        "CreateInvoice",
        r#"{"customer_id": "$gone", "lines": [{"item_id": "$swim"}]}"#,
        &[],
    ),
    (
        "CreateBooking",
        r#"{"customer_id": "$gone", "item_id": "$swim", "starts_at": "2026-01-25T10:00:00Z",
                    "package_choice": "PACKAGE_CHOICE_NONE"}"#,
        &[],
    ),
    ("GetBalance", r#"{"customer_id": "$gone"}"#, &[]),
    ("ListPackages", r#"{"customer_id": "$gone"}"#, &[]),
    ("ListEntries", r#"{"customer_id": "$gone"}"#, &[]),
];

async fn erase(
    tenant: &Tenant,
    customer_id: &str,
) -> Result<v1::EraseCustomerResponse, tonic::Status> {
    let request = v1::EraseCustomerRequest {
        customer_id: customer_id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.customers().erase_customer(request).await?;
    Ok(answer.into_inner())
}

async fn get(tenant: &Tenant, customer_id: &str) -> v1::Customer {
    let request = v1::GetCustomerRequest {
        customer_id: customer_id.to_owned(),
    };
    let answer = tenant.customers().get_customer(request).await;
    answer.unwrap().into_inner().customer.unwrap()
}

async fn emails(tenant: &Tenant, customer_id: &str) -> Vec<v1::Email> {
    let request = v1::ListEmailsRequest {
        customer_id: customer_id.to_owned(),
        page_size: 100,
        ..Default::default()
    };
    let answer = tenant.emails().list_emails(request).await;
    answer.unwrap().into_inner().emails
}

/// Which of these texts are in the database, in any case of letters.
async fn found<'a>(app: &TestApp, words: &[&'a str]) -> Vec<&'a str> {
    let rows = dump(&app.context().db).await;
    assert!(rows.len() > 20, "{rows:#?}");
    let text = rows.join("\n").to_lowercase();
    let words = words.iter().copied();
    words.filter(|word| text.contains(word)).collect()
}

/// What the ledger comes to: the line of `carnet verify`, and the roll-forward of this month and the next.
async fn ledger(app: &TestApp, day: &Day) -> (String, Json) {
    let verified = carnet(&["verify"], app.database_url()).await;
    assert_eq!(verified.status.code(), Some(0), "{}", err(&verified));
    let (_, head) = out(&verified).split_once("head ").map_or_else(
        || panic!("no head: {}", out(&verified)),
        |(before, rest)| (before.to_owned(), rest[..64].to_owned()),
    );
    let period = r#"{"period": {"days": {"first_date": "2026-01-01", "last_date": "2026-02-28"}}}"#;
    let step: Step = ("Liability", period, &[]);
    let request = day.request(&step, |_| String::new());
    (head, day.call(&step, &request).await.unwrap())
}

#[rstest]
#[tokio::test]
async fn nothing_of_an_erased_customer_is_found_and_the_ledger_stays_as_it_was(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut day = lived(app).await;
        let mari = day.known["mari"].clone();
        let numbers = refused(
            erase(app, &mari).await,
            Code::FailedPrecondition,
            "CUSTOMER_HAS_OPEN",
        );
        let open = ["packages", "bookings", "invoices", "sales", "subscriptions"];
        let open = open.map(|of| numbers[of].as_str());
        assert_eq!(open, ["4", "1", "0", "0", "1"], "{numbers:?}");
        day.take_all(SETTLED).await;
        assert_eq!(found(app, &CANARIES).await, CANARIES);
        let before = ledger(app, &day).await;

        let request = day.request(&ERASE, |name| day.known[name].clone());
        let mut trial = request.clone();
        trial["validate_only"] = true.into();
        let untouched = dump(&app.context().db).await;
        day.call(&ERASE, &trial).await.unwrap();
        assert_eq!(dump(&app.context().db).await, untouched);

        let answer = day.call(&ERASE, &request).await.unwrap();
        assert_eq!(found(app, &[WORD]).await, [""; 0]);
        let others = ["a note of jaan", "of jaan", "jaan@example.com"];
        assert_eq!(found(app, &others).await, others);
        assert_eq!(ledger(app, &day).await, before);

        let customer = get(app, &mari).await;
        assert_eq!(answer["customer"]["id"], json!(mari));
        assert_eq!((customer.name.as_str(), customer.active), ("", false));
        assert!(customer.erased_at.is_some());
        assert!(get(app, &day.known["twin"]).await.erased_at.is_some());
        let again = day.call(&ERASE, &request).await.unwrap();
        assert_eq!(again["replayed"], json!(true));
        assert_eq!(again["customer"], answer["customer"]);
        let once_more = erase(app, &mari).await.unwrap();
        assert_eq!(once_more.customer, Some(customer));

        assert!(app.deliver().await.sent >= 1, "what Jaan bought");
        let states = emails(app, &mari).await;
        assert!(!states.is_empty());
        for email in states {
            let state = (email.state(), email.reason.as_str());
            assert_eq!(state, (v1::EmailState::Cancelled, "erased"));
        }
        let sent = emails(app, &day.known["twin"]).await;
        assert_eq!(sent[0].state(), v1::EmailState::Sent);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_repeat_whose_answer_was_erased_is_told_that_it_took_effect(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let create = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                name: "Mart".to_owned(),
                email: "mart@example.com".to_owned(),
                ..Default::default()
            }),
            request_id: app.request_id(),
            validate_only: false,
        };
        let made = app.customers().create_customer(create.clone()).await;
        let mart = made.unwrap().into_inner().customer.unwrap().id;
        let template = shop.offer(shop.lessons("8", days(30))).await;
        let sell = v1::SellPackagesRequest {
            request_id: app.request_id(),
            entries: vec![v1::SaleEntry {
                customer_id: mart.clone(),
                ..shop.entry(&template)
            }],
            validate_only: false,
        };
        let sold = app.packages().sell_packages(sell.clone()).await.unwrap();
        let package = sold.into_inner().results[0].package.clone().unwrap();
        let consume = v1::ConsumeRequest {
            customer_id: mart.clone(),
            ..shop.use_lessons_of(&package.id, "8")
        };
        let used = shop.consume(consume.clone()).await.unwrap();
        let bounce = v1::ReportBounceRequest {
            email: "Mart@example.com".to_owned(),
            status_code: "5.1.1".to_owned(),
            request_id: app.request_id(),
            validate_only: false,
        };
        let bounced = app.emails().report_bounce(bounce.clone()).await.unwrap();
        erase(app, &mart).await.unwrap();

        let customers = app.customers().create_customer(create.clone()).await;
        let numbers = refused(customers, Code::FailedPrecondition, "ANSWER_CLEARED");
        assert_eq!(numbers["method"], "CreateCustomer");
        assert_eq!(numbers["request_id"], create.request_id);
        assert_eq!(numbers["requested_at"], "2026-01-15T10:00:00Z");
        let sales = app.packages().sell_packages(sell).await;
        refused(sales, Code::FailedPrecondition, "ANSWER_CLEARED");
        // Their answers hold nothing of the person.
        let again = shop.consume(consume).await.unwrap();
        assert_eq!((again.replayed, again.posting_id), (true, used.posting_id));
        let again = app.emails().report_bounce(bounce).await.unwrap();
        let (first, again) = (bounced.into_inner(), again.into_inner());
        assert_eq!(again.suppression, first.suppression);
        assert!(again.replayed);
        let other = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                name: "Somebody else".to_owned(),
                ..Default::default()
            }),
            ..create
        };
        let other = app.customers().create_customer(other).await;
        refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nothing_can_be_done_for_an_erased_customer(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let erased = shop.customer("Mart Mets").await;
        erase(app, &erased).await.unwrap();
        let template = shop.offer(shop.lessons("8", days(30))).await;
        let mut day = Day::new(&app.channel, app);
        let known = [("gone", &erased), ("mari", &shop.customer)];
        for (name, id) in known {
            day.known.insert(name, id.clone());
        }
        let others = [("swim", shop.swim.clone()), ("template", template.clone())];
        day.known.extend(others);
        let group = r#"{"group": {"name": "Club", "contact_id": "$mari"}}"#;
        day.take(&("CreateGroup", group, &[("club", "/group/id")]))
            .await;
        for step in CALLS {
            let request = day.request(&step, |name| day.known[name].clone());
            let answer = day.call(&step, &request).await;
            let numbers = refused(answer, Code::FailedPrecondition, "CUSTOMER_ERASED");
            assert_eq!(numbers["customer_id"], erased, "{}", step.0);
            assert_eq!(numbers["erased_at"], "2026-01-15T10:00:00Z");
        }
        let entry = v1::SaleEntry {
            customer_id: erased.clone(),
            ..shop.entry(&template)
        };
        let status = shop.try_to_sell(vec![entry]).await.unwrap_err();
        let unmet = status.get_details_precondition_failure().unwrap();
        assert_eq!(unmet.violations[0].r#type, "CUSTOMER_ERASED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_contact_of_a_group_and_an_unknown_version_are_not_erased(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mart = shop.customer("Mart Mets").await;
        let group = v1::CreateGroupRequest {
            group: Some(v1::Group {
                name: "Club".to_owned(),
                contact_id: mart.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let group = app.customers().create_group(group).await.unwrap();
        let group = group.into_inner().group.unwrap();
        let open = refused(
            erase(app, &mart).await,
            Code::FailedPrecondition,
            "CUSTOMER_HAS_OPEN",
        );
        assert_eq!(open["groups"], "1");
        let contact = v1::UpdateGroupRequest {
            group: Some(v1::Group {
                id: group.id.clone(),
                contact_id: shop.customer.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        app.customers().update_group(contact).await.unwrap();
        let stale = v1::EraseCustomerRequest {
            customer_id: mart.clone(),
            etag: "7".to_owned(),
            ..Default::default()
        };
        let stale = app.customers().erase_customer(stale).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        erase(app, &mart).await.unwrap();
        let read = v1::GetGroupRequest { group_id: group.id };
        let read = app.customers().get_group(read).await.unwrap();
        let members = read.into_inner().group.unwrap().member_ids;
        assert_eq!(members, [shop.customer.as_str()]);
        let missing = erase(app, "cus_01jd0c5hqbf9bvxk2mqnz8s6wt").await;
        refused(missing, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_that_is_on_its_way_leaves_nothing_behind(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons_of(&package.id, "8"))
            .await
            .unwrap();
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Dot, Act::TakeAndWait);
        let mut mailroom = Mailroom::posting_to(app, &server);
        let erased = async {
            let stalled = async || server.stalls() == 1;
            until(Duration::from_mins(5), "an e-mail on its way", stalled).await;
            erase(app, &shop.customer).await.unwrap();
            server.release();
        };
        tokio::join!(mailroom.deliver(), erased);
        assert_eq!(server.received().len(), 1);
        let details = emails(app, &shop.customer).await.remove(0);
        let request = v1::GetEmailRequest {
            email_id: details.id,
        };
        let email = app.emails().get_email(request).await.unwrap();
        let email = email.into_inner().email.unwrap();
        assert_eq!(email.reason, "erased");
        assert_eq!(
            (email.attempts.len(), email.attempts[0].message.as_str()),
            (1, "")
        );
        assert_eq!(
            found(app, &["mari.tamm@example.com", "mari tamm"]).await,
            [""; 0]
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_a_sale_and_an_erasure_at_once_one_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template = shop.offer(shop.lessons("8", days(30))).await;
        for round in 0..10 {
            let customer = shop.customer(&format!("Mart {round}")).await;
            let entry = v1::SaleEntry {
                customer_id: customer.clone(),
                ..shop.entry(&template)
            };
            let (sold, erased) = tokio::join!(shop.try_to_sell(vec![entry]), erase(app, &customer));
            assert_ne!(sold.is_ok(), erased.is_ok(), "{sold:?} {erased:?}");
            let is_erased = get(app, &customer).await.erased_at.is_some();
            assert_eq!(is_erased, erased.is_ok());
        }
    })
    .await;
}
