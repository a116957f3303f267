//! Triggers: "when this happens, issue that many credits" (C7, semantics 35), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::jobs::{settle, triggers as job};
use carnet::proto::v1;
use carnet::proto::v1::TriggerEvent;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::local;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::steps::mask;
use crate::support::tenant::Tenant;

/// A trigger that issues a package of a template.
fn gift_of(template_id: &str, event: TriggerEvent) -> v1::Trigger {
    v1::Trigger {
        name: "A small present".to_owned(),
        event: event.into(),
        award: Some(v1::trigger::Award::TemplateId(template_id.to_owned())),
        ..Default::default()
    }
}

async fn create(tenant: &Tenant, trigger: v1::Trigger) -> Result<v1::Trigger, Status> {
    let request = v1::CreateTriggerRequest {
        trigger: Some(trigger),
        request_id: tenant.request_id(),
        ..Default::default()
    };
    let answer = tenant.triggers().create_trigger(request).await?;
    Ok(answer.into_inner().trigger.unwrap())
}

async fn get(tenant: &Tenant, id: &str) -> v1::GetTriggerResponse {
    let request = v1::GetTriggerRequest {
        trigger_id: id.to_owned(),
    };
    tenant
        .triggers()
        .get_trigger(request)
        .await
        .unwrap()
        .into_inner()
}

fn firing(tenant: &Tenant, name: &str, event_id: &str, customer: &str) -> v1::FireEventRequest {
    v1::FireEventRequest {
        request_id: tenant.request_id(),
        event_name: name.to_owned(),
        event_id: event_id.to_owned(),
        customer_id: customer.to_owned(),
        validate_only: false,
    }
}

async fn fire(
    tenant: &Tenant,
    request: v1::FireEventRequest,
) -> Result<v1::FireEventResponse, Status> {
    Ok(tenant.triggers().fire_event(request).await?.into_inner())
}

/// How many packages triggers issue now.
async fn issued(app: &TestApp) -> usize {
    job::step(app.context()).await.unwrap().issued
}

#[rstest]
#[tokio::test]
async fn a_fired_event_issues_credits_once_however_often_it_is_fired(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-03-02 10:00"));
        let (name, mari) = ("course.finished", shop.customer.clone());
        let early = fire(app, firing(app, name, "7", &mari)).await.unwrap();
        assert_eq!((early.event, early.triggers), (None, 0), "nobody waits");
        let template_id = shop.offer(shop.lessons("2", days(30))).await;
        let trigger = v1::Trigger {
            event_name: name.to_owned(),
            ..gift_of(&template_id, TriggerEvent::Fired)
        };
        let made = create(app, trigger).await.unwrap();
        let check = v1::FireEventRequest {
            validate_only: true,
            ..firing(app, name, "7", &mari)
        };
        assert_eq!(fire(app, check).await.unwrap().triggers, 1);
        assert_eq!(issued(app).await, 0, "a check keeps nothing");
        let request = firing(app, name, "7", &mari);
        let first = fire(app, request.clone()).await.unwrap();
        assert_eq!(
            (first.triggers, first.already_fired, first.replayed),
            (1, false, false)
        );
        assert!(fire(app, request).await.unwrap().replayed);
        let tries = (0..6).map(|_| fire(app, firing(app, name, "7", &mari)));
        for again in futures_util::future::join_all(tries).await {
            let again = again.unwrap();
            assert_eq!((again.already_fired, &again.event), (true, &first.event));
        }
        let jaan = shop.customer("Jaan").await;
        let told = refused(
            fire(app, firing(app, name, "7", &jaan)).await,
            Code::FailedPrecondition,
            "EVENT_ID_REUSED",
        );
        assert_eq!((&told["customer_id"], &*told["event_id"]), (&mari, "7"));
        let steps = (0..4).map(|_| issued(app));
        let steps: usize = futures_util::future::join_all(steps)
            .await
            .into_iter()
            .sum();
        assert_eq!(steps, 1, "whoever runs, it is issued once");
        assert_eq!(issued(app).await, 0);
        let packages = app.all_packages().await;
        assert_eq!(packages.len(), 1);
        assert_eq!(shop.left(&packages[0].id).await, "2");
        let did = get(app, &made.id).await;
        assert_eq!(did.trigger, Some(made));
        assert_eq!(did.outcomes.len(), 1);
        assert_eq!(did.outcomes[0].package_id, packages[0].id);
        assert_eq!(did.outcomes[0].event, first.event);
        // Another event of that name is another one.
        fire(app, firing(app, name, "8", &jaan)).await.unwrap();
        fire(app, firing(app, "other", "9", &jaan)).await.unwrap();
        assert_eq!(issued(app).await, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn new_customers_and_sales_raise_events_where_a_trigger_waits_and_what_it_issues_raises_none(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-03-02 10:00"));
        let present = shop.offer(shop.lessons("1", days(30))).await;
        let sold = shop.offer(shop.lessons("8", days(30))).await;
        shop.sell(&sold).await;
        app.clock.advance(TimeDelta::seconds(1));
        create(app, gift_of(&present, TriggerEvent::CustomerCreated))
            .await
            .unwrap();
        let of_sold = v1::Trigger {
            for_template_id: sold.clone(),
            ..gift_of(&present, TriggerEvent::PackageSold)
        };
        let bonus = create(app, of_sold).await.unwrap();
        // Of every sale another one, which would go on for ever if it were sold.
        let any = create(app, gift_of(&present, TriggerEvent::PackageSold))
            .await
            .unwrap();
        assert_eq!(issued(app).await, 0, "what was before does not count");
        let jaan = shop.customer("Jaan").await;
        assert_eq!(issued(app).await, 1);
        let jaans = Shop {
            customer: jaan,
            ..shop.clone()
        };
        jaans.sell(&sold).await;
        assert_eq!(issued(app).await, 2, "both that wait");
        jaans.sell(&present).await;
        assert_eq!(issued(app).await, 1, "only the one for any");
        assert_eq!(issued(app).await, 0);
        let counts = [get(app, &bonus.id).await, get(app, &any.id).await];
        assert_eq!(counts.map(|it| it.outcomes.len()), [1, 2]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn used_up_and_expired_packages_are_found_in_the_ledger_once_and_not_those_of_triggers(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-03-02 10:00"));
        let present = shop.offer(shop.lessons("1", days(5))).await;
        let used_up = gift_of(&present, TriggerEvent::PackageUsedUp);
        let used_up = create(app, used_up).await.unwrap();
        let expired = v1::Trigger {
            for_item_id: shop.swim.clone(),
            ..gift_of(&present, TriggerEvent::PackageExpired)
        };
        let expired = create(app, expired).await.unwrap();
        let package = shop.sell_lessons("2", days(2)).await;
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        assert_eq!(issued(app).await, 0, "one is left");
        let last = shop
            .consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        assert_eq!(issued(app).await, 1);
        // Undone and used again it is the same package.
        let undo = v1::ReverseRequest {
            request_id: app.request_id(),
            posting_id: last.posting_id,
            ..Default::default()
        };
        app.credits().reverse(undo).await.unwrap();
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        assert_eq!(issued(app).await, 0);
        // The present itself, used up, brings nothing.
        shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.advance(TimeDelta::minutes(5));
        assert_eq!(issued(app).await, 0);
        let other = shop.sell_lessons("3", days(2)).await;
        app.clock.set(local("2026-03-05 00:00"));
        settle::step(app.context()).await.unwrap();
        assert_eq!(issued(app).await, 1, "it ended with three in it");
        app.clock.set(local("2026-03-20 00:00"));
        settle::step(app.context()).await.unwrap();
        assert_eq!(issued(app).await, 0, "the present ended, too");
        let did = get(app, &used_up.id).await.outcomes;
        assert_eq!(did.len(), 1);
        assert_eq!(did[0].event.as_ref().unwrap().package_id, package.id);
        let did = get(app, &expired.id).await.outcomes;
        assert_eq!(did.len(), 1);
        assert_eq!(did[0].event.as_ref().unwrap().package_id, other.id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_issued_is_written_down_and_an_archived_trigger_acts_no_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-03-02 10:00"));
        let present = shop.offer(shop.lessons("1", days(30))).await;
        let made = create(app, gift_of(&present, TriggerEvent::CustomerCreated))
            .await
            .unwrap();
        let request = v1::ArchiveTemplateRequest {
            template_id: present,
            ..Default::default()
        };
        app.catalog().archive_template(request).await.unwrap();
        shop.customer("Jaan").await;
        assert_eq!(issued(app).await, 0);
        assert_eq!(
            get(app, &made.id).await.outcomes[0].refusal,
            "TEMPLATE_NOT_ACTIVE"
        );
        let update = v1::UpdateTriggerRequest {
            trigger: Some(v1::Trigger {
                id: made.id.clone(),
                etag: made.etag.clone(),
                award: Some(v1::trigger::Award::Credits(v1::TriggerCredits {
                    credit_type_id: shop.lesson.clone(),
                    amount: "3".to_owned(),
                })),
                ..Default::default()
            }),
            update_mask: Some(mask(&["award"])),
            ..Default::default()
        };
        let changed = app.triggers().update_trigger(update.clone()).await.unwrap();
        assert_ne!(changed.into_inner().trigger.unwrap().etag, made.etag);
        let stale = app.triggers().update_trigger(update.clone()).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        app.clock.advance(TimeDelta::seconds(1));
        shop.customer("Kati").await;
        assert_eq!(issued(app).await, 1);
        assert_eq!(shop.left(&app.all_packages().await[0].id).await, "3");
        let archive = v1::ArchiveTriggerRequest {
            trigger_id: made.id.clone(),
            ..Default::default()
        };
        let archived = app.triggers().archive_trigger(archive).await.unwrap();
        assert!(archived.into_inner().trigger.unwrap().archived_at.is_some());
        shop.customer("Peeter").await;
        assert_eq!(issued(app).await, 0);
        let mut late = update;
        late.trigger.as_mut().unwrap().etag = String::new();
        let told = refused(
            app.triggers().update_trigger(late).await,
            Code::FailedPrecondition,
            "TRIGGER_ARCHIVED",
        );
        assert_eq!(told["trigger_id"], made.id);
        let list = async |include_archived| {
            let request = v1::ListTriggersRequest {
                include_archived,
                event: TriggerEvent::CustomerCreated.into(),
                ..Default::default()
            };
            let answer = app.triggers().list_triggers(request).await.unwrap();
            answer.into_inner().triggers.len()
        };
        assert_eq!((list(false).await, list(true).await), (0, 1));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_trigger_that_cannot_be_is_refused_with_the_field(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let faults = field_faults(create(app, v1::Trigger::default()).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["trigger.name", "trigger.event", "trigger.award"]);
        let present = shop.offer(shop.lessons("1", days(30))).await;
        let misfit = v1::Trigger {
            event_name: "x".to_owned(),
            for_template_id: present.clone(),
            for_item_id: shop.swim.clone(),
            ..gift_of(&present, TriggerEvent::CustomerCreated)
        };
        let faults = field_faults(create(app, misfit).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        let wanted = [
            "trigger.event_name",
            "trigger.for_template_id",
            "trigger.for_item_id",
        ];
        assert_eq!(fields, wanted);
        let twice = v1::Trigger {
            quantity: 2,
            ..gift_of(&present, TriggerEvent::PackageSold)
        };
        refused(
            create(app, twice).await,
            Code::FailedPrecondition,
            "QUANTITY_FIXED",
        );
        let fine = v1::Trigger {
            award: Some(v1::trigger::Award::Credits(v1::TriggerCredits {
                credit_type_id: shop.lesson.clone(),
                amount: "0.000001".to_owned(),
            })),
            ..gift_of(&present, TriggerEvent::PackageSold)
        };
        refused(
            create(app, fine).await,
            Code::InvalidArgument,
            "AMOUNT_TOO_FINE",
        );
        let unknown = gift_of("ext:nothing", TriggerEvent::PackageSold);
        refused(create(app, unknown).await, Code::NotFound, "NOT_FOUND");
        let reader = app.allowed_only(&[Permission::TriggersRead]).await;
        let tried = create(&reader, gift_of(&present, TriggerEvent::PackageSold)).await;
        let told = refused(tried, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(told["permission"], "TRIGGERS_MANAGE");
        let tried = fire(&reader, firing(app, "a", "1", &shop.customer)).await;
        let told = refused(tried, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(told["permission"], "EVENTS_FIRE");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn c7_a_paid_invoice_for_an_item_issues_credits_once_for_each_line(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("1", days(30))).await;
        let advice = shop.item("Advice", "Talks", 5_000).await;
        let trigger = v1::Trigger {
            for_item_id: shop.swim.clone(),
            ..gift_of(&template_id, TriggerEvent::InvoicePaid)
        };
        let trigger = create(app, trigger).await.unwrap();
        let line = |item_id: &str| v1::InvoiceLineInput {
            item_id: item_id.to_owned(),
            ..Default::default()
        };
        let request = v1::CreateInvoiceRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            lines: vec![line(&shop.swim), line(&advice), line(&shop.swim)],
            ..Default::default()
        };
        let made = app.invoices().create_invoice(request).await.unwrap();
        let invoice_id = made.into_inner().invoice.unwrap().id;
        let request = v1::IssueInvoiceRequest {
            request_id: app.request_id(),
            invoice_id: invoice_id.clone(),
            ..Default::default()
        };
        app.invoices().issue_invoice(request).await.unwrap();
        let pay = async |cents: Option<i64>| {
            let target = v1::record_payment_request::Target::InvoiceId(invoice_id.clone());
            let request = v1::RecordPaymentRequest {
                request_id: app.request_id(),
                target: Some(target),
                payment: Some(v1::RecordedPayment {
                    method: v1::PaymentMethod::Cash.into(),
                    amount: cents.map(euros),
                    ..Default::default()
                }),
                validate_only: false,
            };
            let paid = app.invoices().record_payment(request).await.unwrap();
            paid.into_inner().invoice.unwrap()
        };
        pay(Some(1)).await;
        assert_eq!(issued(app).await, 0, "it is not paid yet");
        let paid = pay(None).await;
        assert_eq!(issued(app).await, 2, "one for each line of the item");
        let request = v1::ReversePaymentRequest {
            request_id: app.request_id(),
            payment_id: paid.money[1].id.clone(),
            validate_only: false,
        };
        app.invoices().reverse_payment(request).await.unwrap();
        pay(None).await;
        assert_eq!(issued(app).await, 0, "paid again it is the same line");
        let outcomes = get(app, &trigger.id).await.outcomes;
        let told: Vec<_> = outcomes
            .iter()
            .map(|it| it.event.as_ref().unwrap().item_id.as_str())
            .collect();
        assert_eq!(told, [shop.swim.as_str(); 2]);
    })
    .await;
}
