//! One row or a few of everything, made through gRPC: what copies are made of.

use carnet::jobs::bulk;
use carnet::proto::v1;
use carnet::proto::v1::extend_packages_request::{NewExpiry, Packages};
use carnet::service::Context;

use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

/// What was made, and how it is called.
pub(super) struct Seeds {
    pub(super) shop: Shop,
    /// A customer's own package, which others share.
    pub(super) package: v1::Package,
    /// A use of it.
    pub(super) posting_id: String,
    /// A run that extended all packages.
    pub(super) run_id: String,
}

/// Which row of a table is copied.
pub(super) fn copied(table: &str) -> &'static str {
    match table {
        "tokens" => "user_id IS NOT NULL",
        "bulk_results" => "reason IS NULL",
        "holds" => "booking_id IS NULL",
        "bulk_runs" => "finished_at IS NOT NULL",
        "lots" => "is_open AND held = 0",
        "packages" => "group_id IS NULL",
        _ => "TRUE",
    }
}

/// Makes them.
pub(super) async fn plant(tenant: &Tenant, ctx: &Context) -> Seeds {
    let shop = Shop::open(tenant).await;
    let friend = shop.customer("Jaan Kask").await;
    let club = club(&shop, &friend).await;
    let till = [v1::Permission::CatalogRead];
    let role = tenant.try_role("Till", &till).await.unwrap();
    let coach = tenant.user_with_role("Coach Toomas", &role.id).await;
    tenant.held_by(&coach, &till).await;
    let template_id = shop.offer(shop.lessons("8", days(30))).await;
    let own = v1::SaleEntry {
        member_ids: vec![friend],
        share_max: 3,
        ..shop.entry(&template_id)
    };
    let of_club = v1::SaleEntry {
        customer_id: String::new(),
        group_id: club,
        ..shop.entry(&template_id)
    };
    let sold = shop.try_to_sell(vec![own, of_club]).await.unwrap();
    let package = sold.into_inner().results.remove(0).package.unwrap();
    let used = v1::ConsumeRequest {
        note: "Lane 3".to_owned(),
        ..shop.use_lessons("1")
    };
    let used = shop.consume(used).await.unwrap();
    shop.hold(shop.hold_lessons_of(&package.id, "1"))
        .await
        .unwrap();
    let booking = v1::CreateBookingRequest {
        request_id: tenant.request_id(),
        customer_id: shop.customer.clone(),
        item_id: shop.swim.clone(),
        starts_at: Some(prost_types::Timestamp {
            seconds: ctx.clock.now().timestamp(),
            nanos: 0,
        }),
        ..Default::default()
    };
    tenant.bookings().create_booking(booking).await.unwrap();
    let address = v1::AddSuppressionRequest {
        email: "gone@example.com".to_owned(),
        ..Default::default()
    };
    tenant.emails().add_suppression(address).await.unwrap();
    let template = v1::SaveEmailTemplateRequest {
        kind: v1::EmailKind::Confirmation.into(),
        locale: "en".to_owned(),
        text: Some(v1::EmailTemplateText {
            subject: "Welcome".to_owned(),
            text_body: "Welcome".to_owned(),
            html_body: "Welcome".to_owned(),
        }),
        ..Default::default()
    };
    tenant.emails().save_email_template(template).await.unwrap();
    close(tenant).await;
    invoice(&shop).await;
    charge(&shop, &template_id).await;
    subscribe(&shop).await;
    wait_for_event(&shop, &template_id).await;
    let run_id = extend_all(tenant, &template_id).await;
    bulk::step(ctx).await.unwrap();
    Seeds {
        shop,
        package,
        posting_id: used.posting_id,
        run_id,
    }
}

async fn club(shop: &Shop, friend: &str) -> String {
    let request = v1::CreateGroupRequest {
        group: Some(v1::Group {
            name: "Club".to_owned(),
            contact_id: friend.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = shop.tenant.customers().create_group(request).await;
    made.unwrap().into_inner().group.unwrap().id
}

async fn subscribe(shop: &Shop) {
    let monthly = v1::Template {
        pricing: Some(v1::TemplatePricing {
            subscription: Some(v1::SubscriptionPrice {
                price: Some(euros(4_000)),
                every: Some(v1::Period {
                    count: 1,
                    unit: v1::PeriodUnit::Month.into(),
                }),
                ..Default::default()
            }),
            subscription_only: true,
            ..Default::default()
        }),
        ..shop.lessons("4", days(7))
    };
    let request = v1::CreateSubscriptionRequest {
        request_id: shop.tenant.request_id(),
        customer_id: shop.customer.clone(),
        template_id: shop.offer(monthly).await,
        start_date: "2026-02-01".to_owned(),
        ..Default::default()
    };
    let mut subscriptions = shop.tenant.subscriptions();
    subscriptions.create_subscription(request).await.unwrap();
}

/// A trigger, and an event that it waits for.
async fn wait_for_event(shop: &Shop, template_id: &str) {
    let mut triggers = shop.tenant.triggers();
    let request = v1::CreateTriggerRequest {
        trigger: Some(v1::Trigger {
            name: "A small present".to_owned(),
            event: v1::TriggerEvent::Fired.into(),
            event_name: "course.finished".to_owned(),
            award: Some(v1::trigger::Award::TemplateId(template_id.to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    };
    triggers.create_trigger(request).await.unwrap();
    let request = v1::FireEventRequest {
        request_id: shop.tenant.request_id(),
        event_name: "course.finished".to_owned(),
        event_id: "7".to_owned(),
        customer_id: shop.customer.clone(),
        validate_only: false,
    };
    triggers.fire_event(request).await.unwrap();
}

async fn invoice(shop: &Shop) {
    let mut invoices = shop.tenant.invoices();
    let request = v1::CreateInvoiceRequest {
        request_id: shop.tenant.request_id(),
        customer_id: shop.customer.clone(),
        lines: vec![v1::InvoiceLineInput {
            item_id: shop.swim.clone(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let made = invoices.create_invoice(request).await.unwrap().into_inner();
    let invoice_id = made.invoice.unwrap().id;
    let request = v1::IssueInvoiceRequest {
        request_id: shop.tenant.request_id(),
        invoice_id: invoice_id.clone(),
        ..Default::default()
    };
    invoices.issue_invoice(request).await.unwrap();
    let request = v1::RecordPaymentRequest {
        request_id: shop.tenant.request_id(),
        target: Some(v1::record_payment_request::Target::InvoiceId(invoice_id)),
        payment: Some(v1::RecordedPayment {
            method: v1::PaymentMethod::Cash.into(),
            ..Default::default()
        }),
        validate_only: false,
    };
    invoices.record_payment(request).await.unwrap();
}

/// Sells a package that is to be charged.
async fn charge(shop: &Shop, template_id: &str) {
    let entry = v1::SaleEntry {
        payment: Some(v1::sale_entry::Payment::Charged(v1::Charge::default())),
        ..shop.entry(template_id)
    };
    shop.try_to_sell(vec![entry]).await.unwrap();
}

async fn close(tenant: &Tenant) {
    let request = v1::CreateClosureRequest {
        request_id: tenant.request_id(),
        closure: Some(v1::Closure {
            name: "Pool repairs".to_owned(),
            first_date: "2026-01-20".to_owned(),
            last_date: "2026-01-21".to_owned(),
            ..Default::default()
        }),
        validate_only: false,
    };
    tenant.packages().create_closure(request).await.unwrap();
}

async fn extend_all(tenant: &Tenant, template_id: &str) -> String {
    let request = v1::ExtendPackagesRequest {
        request_id: tenant.request_id(),
        packages: Some(Packages::Filter(v1::PackageFilter {
            template_id: template_id.to_owned(),
            ..Default::default()
        })),
        new_expiry: Some(NewExpiry::LastUsableDate("2026-12-31".to_owned())),
        ..Default::default()
    };
    let begun = tenant.packages().extend_packages(request).await.unwrap();
    begun.into_inner().run.unwrap().id
}
