//! The audit: who did what, and what was refused to whom (J3).

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::Permission as Held;
use carnet::proto::v1::list_audit_events_request::About;
use carnet::service::denials;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::Shop;
use crate::support::steps::mask;

async fn all(app: &TestApp, request: v1::ListAuditEventsRequest) -> Vec<v1::AuditEvent> {
    let mut request = v1::ListAuditEventsRequest {
        page_size: 2,
        ..request
    };
    let mut events = Vec::new();
    loop {
        let page = app.business().list_audit_events(request.clone()).await;
        let page = page.unwrap().into_inner();
        events.extend(page.audit_events);
        if page.next_page_token.is_empty() {
            return events;
        }
        request.page_token = page.next_page_token;
    }
}

fn methods(events: &[v1::AuditEvent]) -> Vec<&str> {
    events.iter().map(|event| event.method.as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn an_event_says_who_did_what_to_what_and_nothing_personal(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let user = app.user_with_role("Kati", "manager").await;
        let kati = [Held::CustomersManage, Held::CustomersRead];
        let kati = app.held_by(&user, &kati).await;
        let create = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                external_id: "CRM-7".to_owned(),
                name: "Mari Tamm".to_owned(),
                email: "mari@example.com".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = kati.customers().create_customer(create).await.unwrap();
        app.clock.advance(TimeDelta::milliseconds(1));
        let customer = made.into_inner().customer.unwrap();
        let update = v1::UpdateCustomerRequest {
            customer: Some(v1::Customer {
                id: "ext:CRM-7".to_owned(),
                name: "Mari Kask".to_owned(),
                phone: "+372 555".to_owned(),
                ..Default::default()
            }),
            update_mask: Some(mask(&["name", "phone"])),
            request_id: app.request_id(),
            validate_only: false,
        };
        kati.customers()
            .update_customer(update.clone())
            .await
            .unwrap();
        // A repeat and a trial are no events.
        kati.customers()
            .update_customer(update.clone())
            .await
            .unwrap();
        let trial = v1::UpdateCustomerRequest {
            validate_only: true,
            request_id: String::new(),
            ..update.clone()
        };
        kati.customers().update_customer(trial).await.unwrap();
        let events = app.audited(About::SubjectId(customer.id.clone())).await;
        assert_eq!(methods(&events), ["UpdateCustomer", "CreateCustomer"]);
        assert_eq!(events[0].fields, ["name", "phone"]);
        assert_eq!(events[0].request_id, update.request_id);
        for event in &events {
            assert_eq!(event.user_id, user);
            assert_eq!(event.subject_ids, std::slice::from_ref(&customer.id));
            assert_eq!((event.times, event.denied_reason.as_str()), (1, ""));
            let text = format!("{event:?}");
            for personal in ["Mari", "mari@", "CRM-7", "555"] {
                assert!(!text.contains(personal), "{text}");
            }
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn events_are_found_by_subject_user_token_method_and_time_page_by_page(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let user = app.user_with_role("Kati", "manager").await;
        app.clock.advance(TimeDelta::milliseconds(2));
        let from = app.clock.now();
        let kati = app.held_by(&user, &[Held::CatalogManage]).await;
        let shop = Shop {
            tenant: kati,
            ..Shop::open(app).await
        };
        let mut items = Vec::new();
        for name in ["Diving", "Sauna", "Massage"] {
            app.clock.advance(TimeDelta::microseconds(700));
            items.push(shop.item(name, "More", 100).await);
        }
        let ask = async |about| {
            let request = v1::ListAuditEventsRequest {
                about: Some(about),
                ..Default::default()
            };
            all(app, request).await
        };
        let of_kati = ask(About::UserId(user.clone())).await;
        assert_eq!(methods(&of_kati), ["CreateItem"; 3]);
        items.reverse();
        let subjects: Vec<_> = of_kati
            .iter()
            .map(|event| event.subject_ids[0].clone())
            .collect();
        assert_eq!(subjects, items);
        assert_eq!(
            ask(About::TokenId(of_kati[0].token_id.clone())).await,
            of_kati
        );
        assert_eq!(ask(About::Method("CreateItem".to_owned())).await.len(), 4);
        assert_eq!(ask(About::SubjectId(items[1].clone())).await, of_kati[1..2]);
        assert_eq!(ask(About::SubjectId(user)).await.len(), 2);
        let before = app.clock.now();
        let timed = v1::ListAuditEventsRequest {
            recorded_from: Some(carnet::grpc::faults::timestamp(from)),
            recorded_before: Some(carnet::grpc::faults::timestamp(before)),
            ..Default::default()
        };
        let found = methods(&all(app, timed.clone()).await).join(" ");
        assert!(
            !found.contains("CreateUser") && found.contains("CreateToken"),
            "{found}"
        );
        let backwards = v1::ListAuditEventsRequest {
            recorded_from: timed.recorded_before,
            recorded_before: timed.recorded_from,
            about: Some(About::SubjectId("ext:7".to_owned())),
            ..Default::default()
        };
        let faults = field_faults(app.business().list_audit_events(backwards).await);
        let paths: Vec<_> = faults.iter().map(|fault| fault.0.as_str()).collect();
        assert_eq!(paths, ["subject_id", "recorded_before"]);
        let foreign = app.second_business().await;
        assert_eq!(
            foreign.audited(About::SubjectId(items[0].clone())).await,
            []
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn every_refusal_for_want_of_a_permission_is_an_event_and_a_flood_of_them_two(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let user = app.user_with_role("Kati", "front_desk").await;
        let kati = app.held_by(&user, &[Held::SettingsRead]).await;
        let forged = kati.token.replace(&kati.token[60..70], "AAAAAAAAAA");
        for _ in 0..20 {
            let denied = kati.try_user("Me", "owner").await;
            refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
            let guessed = app.bearing_token(forged.clone()).read_settings().await;
            refused(guessed, Code::Unauthenticated, "UNAUTHENTICATED");
        }
        let clerk = app.allowed_only(&[Permission::RolesManage]).await;
        let more = clerk.try_role("More", &[Held::CreditsIssue]).await;
        refused(more, Code::PermissionDenied, "PERMISSIONS_EXCEED_CALLER");
        let told = async || {
            let events = app.audited(About::Denied(true)).await.into_iter();
            events
                .map(|it| (it.method, it.denied_reason, it.user_id, it.times))
                .collect::<Vec<_>>()
        };
        let event = |method: &str, reason: &str, user: &str, times| {
            (method.to_owned(), reason.to_owned(), user.to_owned(), times)
        };
        let mut at_once = told().await;
        at_once.sort();
        let wanted = [
            event("CreateRole", "PERMISSIONS_EXCEED_CALLER", "", 1),
            event("CreateUser", "PERMISSION_DENIED", &user, 1),
            event("GetSettings", "UNAUTHENTICATED", "", 1),
        ];
        assert_eq!(at_once, wanted);
        denials::write_counts(app.context().clone()).await;
        let mut later = told().await;
        later.sort();
        let counted = [
            event("CreateUser", "PERMISSION_DENIED", &user, 19),
            event("GetSettings", "UNAUTHENTICATED", "", 19),
        ];
        let mut wanted = [wanted.as_slice(), &counted].concat();
        wanted.sort();
        assert_eq!(later, wanted);
        // What is not known to be anybody's is nobody's event.
        let unknown = app
            .bearing_token("carnet_AAAA".to_owned())
            .read_settings()
            .await;
        refused(unknown, Code::Unauthenticated, "UNAUTHENTICATED");
        assert_eq!(told().await.len(), wanted.len());
    })
    .await;
}
