//! Subscriptions and their renewals (C6), through gRPC on both databases.

mod carrying;
mod held_over;
mod mistakes;

use carnet::domain::permission::Permission;
use carnet::jobs::subscriptions as job;
use carnet::proto::v1;
use carnet::proto::v1::{
    PackageStatus, PaymentMethod, PaymentState, SubscriptionPeriodState, SubscriptionState,
};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::local;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros};
use crate::support::tenant::Tenant;

/// Four lessons each month for 40.00, by subscription only.
fn monthly(shop: &Shop) -> v1::Template {
    v1::Template {
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
    }
}

fn asked(shop: &Shop, template_id: &str, start_date: &str) -> v1::CreateSubscriptionRequest {
    v1::CreateSubscriptionRequest {
        request_id: shop.tenant.request_id(),
        customer_id: shop.customer.clone(),
        template_id: template_id.to_owned(),
        start_date: start_date.to_owned(),
        ..Default::default()
    }
}

async fn try_to_subscribe(
    shop: &Shop,
    request: v1::CreateSubscriptionRequest,
) -> Result<v1::Subscription, Status> {
    let mut subscriptions = shop.tenant.subscriptions();
    let answer = subscriptions.create_subscription(request).await?;
    Ok(answer.into_inner().subscription.unwrap())
}

/// The customer's subscription to four lessons a month.
async fn subscribe(shop: &Shop, start_date: &str) -> v1::Subscription {
    let template_id = shop.offer(monthly(shop)).await;
    let request = asked(shop, &template_id, start_date);
    try_to_subscribe(shop, request).await.unwrap()
}

fn paid(tenant: &Tenant, subscription_id: &str, start_date: &str) -> v1::RecordRenewalRequest {
    v1::RecordRenewalRequest {
        request_id: tenant.request_id(),
        subscription_id: subscription_id.to_owned(),
        period_start_date: start_date.to_owned(),
        payment: Some(v1::RecordedPayment {
            method: PaymentMethod::Card.into(),
            amount: None,
            reference: "C-1".to_owned(),
        }),
        validate_only: false,
    }
}

async fn renew(
    tenant: &Tenant,
    request: v1::RecordRenewalRequest,
) -> Result<v1::RecordRenewalResponse, Status> {
    let answer = tenant.subscriptions().record_renewal(request).await?;
    Ok(answer.into_inner())
}

async fn get(tenant: &Tenant, id: &str) -> v1::GetSubscriptionResponse {
    let request = v1::GetSubscriptionRequest {
        subscription_id: id.to_owned(),
    };
    let answer = tenant.subscriptions().get_subscription(request).await;
    answer.unwrap().into_inner()
}

/// Each period's first day and what became of it, the latest first.
async fn periods(tenant: &Tenant, id: &str) -> Vec<(String, SubscriptionPeriodState)> {
    let periods = get(tenant, id).await.periods;
    let told = |it: v1::SubscriptionPeriod| (it.start_date.clone(), it.state());
    periods.into_iter().map(told).collect()
}

async fn cancel(tenant: &Tenant, id: &str) -> Result<v1::Subscription, Status> {
    let request = v1::CancelSubscriptionRequest {
        subscription_id: id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.subscriptions().cancel_subscription(request).await?;
    Ok(answer.into_inner().subscription.unwrap())
}

#[rstest]
#[tokio::test]
async fn each_paid_month_issues_four_lessons_that_end_where_the_next_month_starts(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let made = subscribe(&shop, "").await;
        assert_eq!(made.state(), SubscriptionState::Active);
        assert_eq!(made.price, Some(euros(4_000)));
        assert_eq!(
            (
                made.start_date.as_str(),
                made.next_period_start_date.as_str()
            ),
            ("2026-01-31", "2026-02-28")
        );
        let mut packages = Vec::new();
        let months = [
            ("2026-01-31", "2026-02-27"),
            ("2026-02-28", "2026-03-30"),
            ("2026-03-31", "2026-04-29"),
        ];
        for (start, last) in months {
            app.clock.set(local(&format!("{start} 10:00")));
            let answer = renew(app, paid(app, &made.id, start)).await.unwrap();
            let sale = answer.sale.unwrap();
            assert_eq!(sale.payment_state(), PaymentState::Paid);
            assert_eq!(sale.money[0].payment.as_ref().unwrap().reference, "C-1");
            assert_eq!(app.sale(&sale.id).await, sale);
            let package = answer.package.unwrap();
            assert_eq!(package.last_usable_date, last);
            assert_eq!(shop.package(&package.id).await, package);
            assert_eq!(shop.left(&package.id).await, "4");
            let period = answer.period.unwrap();
            assert_eq!(period.state(), SubscriptionPeriodState::Paid);
            assert_eq!(
                (&period.package_id, &period.sale_id),
                (&package.id, &sale.id)
            );
            packages.push(package.id);
        }
        // What was not used of the first two has run out; the third pays.
        let used = shop.consume(shop.use_lessons("4")).await.unwrap();
        assert_eq!(used.parts.len(), 1);
        assert_eq!(shop.left(&packages[2]).await, "0");
        let status = shop.package(&packages[0]).await.status();
        assert_eq!(status, PackageStatus::Expired);
        let all = periods(app, &made.id).await;
        let starts: Vec<&str> = all.iter().map(|(start, _)| start.as_str()).collect();
        assert_eq!(starts, ["2026-03-31", "2026-02-28", "2026-01-31"]);
        assert!(
            all.iter()
                .all(|(_, it)| *it == SubscriptionPeriodState::Paid)
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_period_gets_one_package_however_often_it_is_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribe(&shop, "").await.id;
        let request = paid(app, &id, "2026-01-31");
        let check = v1::RecordRenewalRequest {
            validate_only: true,
            ..request.clone()
        };
        let tried = renew(app, check).await.unwrap();
        assert_eq!(tried.package.unwrap().id, "");
        assert_eq!(tried.period.unwrap().package_id, "");
        assert_eq!(app.all_packages().await.len(), 0, "nothing of it is kept");
        let first = renew(app, request.clone()).await.unwrap();
        let again = renew(app, request).await.unwrap();
        assert!(again.replayed);
        assert_eq!((&again.package, &again.sale), (&first.package, &first.sale));
        let tried = renew(app, paid(app, &id, "2026-01-31")).await;
        let told = refused(tried, Code::FailedPrecondition, "SUBSCRIPTION_PERIOD_PAID");
        assert_eq!(told["package_id"], first.package.unwrap().id);
        assert_eq!(told["period_start_date"], "2026-01-31");
        // The next one, in advance, from many sides at once.
        let tries = (0..8).map(|_| renew(app, paid(app, &id, "2026-02-28")));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
        for result in results.into_iter().filter(Result::is_err) {
            refused(result, Code::FailedPrecondition, "SUBSCRIPTION_PERIOD_PAID");
        }
        assert_eq!(app.all_packages().await.len(), 2);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_due_is_the_same_whether_or_not_the_job_ran(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribe(&shop, "2026-02-28").await.id;
        assert_eq!(periods(app, &id).await, []);
        app.clock.set(local("2026-02-27 23:59"));
        assert_eq!(job::step(app.context()).await.unwrap().periods, 0);
        let advance = renew(app, paid(app, &id, "2026-02-28")).await.unwrap();
        let package = advance.package.unwrap();
        assert_eq!(package.status(), PackageStatus::Upcoming);
        app.clock.set(local("2026-04-28 00:00"));
        let wanted = [
            ("2026-04-28", SubscriptionPeriodState::Due),
            ("2026-03-28", SubscriptionPeriodState::Missed),
            ("2026-02-28", SubscriptionPeriodState::Paid),
        ];
        let wanted = wanted.map(|(start, state)| (start.to_owned(), state));
        assert_eq!(periods(app, &id).await, wanted);
        let before = get(app, &id).await;
        assert_eq!(job::step(app.context()).await.unwrap().periods, 3);
        assert_eq!(job::step(app.context()).await.unwrap().periods, 0);
        assert_eq!(get(app, &id).await, before);
        renew(app, paid(app, &id, "2026-04-28")).await.unwrap();
        assert_eq!(job::step(app.context()).await.unwrap().periods, 0);
        assert_eq!(app.all_packages().await.len(), 2);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_cancellation_stops_what_has_not_begun_and_leaves_what_was_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribe(&shop, "").await.id;
        let first = renew(app, paid(app, &id, "2026-01-31")).await.unwrap();
        let first = first.package.unwrap().id;
        app.clock.set(local("2026-03-01 10:00"));
        let stale = v1::CancelSubscriptionRequest {
            subscription_id: id.clone(),
            etag: "7".to_owned(),
            ..Default::default()
        };
        let tried = app.subscriptions().cancel_subscription(stale).await;
        refused(tried, Code::Aborted, "ETAG_MISMATCH");
        let ended = cancel(app, &id).await.unwrap();
        assert_eq!(ended.state(), SubscriptionState::Cancelled);
        assert_eq!(ended.next_period_start_date, "");
        let tried = cancel(app, &id).await;
        let told = refused(tried, Code::FailedPrecondition, "SUBSCRIPTION_CANCELLED");
        assert_eq!(told["subscription_id"], id);
        let tried = renew(app, paid(app, &id, "2026-03-31")).await;
        refused(tried, Code::FailedPrecondition, "SUBSCRIPTION_CANCELLED");
        // The month that had begun is owed still.
        renew(app, paid(app, &id, "2026-02-28")).await.unwrap();
        app.clock.set(local("2026-06-01 10:00"));
        assert_eq!(job::step(app.context()).await.unwrap().periods, 0);
        assert_eq!(periods(app, &id).await.len(), 2);
        let status = shop.package(&first).await.status();
        assert_eq!(status, PackageStatus::Expired, "as it would have");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_was_agreed_stays_whatever_becomes_of_the_template(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let made = subscribe(&shop, "").await;
        let dearer = v1::Template {
            id: made.template_id.clone(),
            pricing: Some(v1::TemplatePricing {
                subscription: Some(v1::SubscriptionPrice {
                    price: Some(euros(9_900)),
                    every: Some(v1::Period {
                        count: 1,
                        unit: v1::PeriodUnit::Week.into(),
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = v1::UpdateTemplateRequest {
            template: Some(dearer),
            update_mask: Some(crate::support::steps::mask(&["pricing"])),
            ..Default::default()
        };
        app.catalog().update_template(request).await.unwrap();
        let request = v1::ArchiveTemplateRequest {
            template_id: made.template_id.clone(),
            ..Default::default()
        };
        app.catalog().archive_template(request).await.unwrap();
        let renewed = renew(app, paid(app, &made.id, "2026-02-28")).await.unwrap();
        assert_eq!(renewed.sale.unwrap().total, Some(euros(4_000)));
        assert_eq!(renewed.package.unwrap().last_usable_date, "2026-03-30");
        let tried = try_to_subscribe(&shop, asked(&shop, &made.template_id, "")).await;
        refused(tried, Code::FailedPrecondition, "TEMPLATE_NOT_ACTIVE");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_renewal_that_cannot_be_is_refused_with_the_reason(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribe(&shop, "").await.id;
        let tried = async |start: &str| renew(app, paid(app, &id, start)).await;
        let precondition = Code::FailedPrecondition;
        let told = refused(
            tried("2026-02-27").await,
            precondition,
            "SUBSCRIPTION_PERIOD_UNKNOWN",
        );
        assert_eq!(told["period_start_date"], "2026-02-27");
        let reason = "SUBSCRIPTION_PERIOD_TOO_EARLY";
        let told = refused(tried("2026-03-31").await, precondition, reason);
        let payable_from = local("2026-02-28 00:00").to_rfc3339();
        assert_eq!(told["payable_from"].replace('Z', "+00:00"), payable_from);
        let paying = |cents| {
            let mut request = paid(app, &id, "2026-01-31");
            request.payment.as_mut().unwrap().amount = Some(euros(cents));
            request
        };
        let told = refused(
            renew(app, paying(3_999)).await,
            precondition,
            "RENEWAL_NOT_PAID_IN_FULL",
        );
        assert_eq!(told["paid_minor_units"], "3999");
        assert_eq!(told["total_minor_units"], "4000");
        let unpaid = v1::RecordRenewalRequest {
            payment: None,
            ..paying(1)
        };
        let told = refused(
            renew(app, unpaid).await,
            precondition,
            "RENEWAL_NOT_PAID_IN_FULL",
        );
        assert_eq!(told["paid_minor_units"], "0");
        let tried_more = renew(app, paying(4_001)).await;
        refused(tried_more, precondition, "PAYMENT_EXCEEDS_PRICE");
        app.clock.set(local("2026-02-28 00:00"));
        let told = refused(
            tried("2026-01-31").await,
            precondition,
            "SUBSCRIPTION_PERIOD_OVER",
        );
        assert_eq!(told["ended_at"].replace('Z', "+00:00"), payable_from);
        let inactive = v1::Customer {
            id: shop.customer.clone(),
            active: false,
            ..Default::default()
        };
        app.change_customer(inactive, &["active"]).await;
        refused(tried("2026-02-28").await, precondition, "CUSTOMER_INACTIVE");
        let seller = app.allowed_only(&[Permission::SubscriptionsManage]).await;
        let request = paid(app, &id, "2026-02-28");
        let told = refused(
            renew(&seller, request).await,
            Code::PermissionDenied,
            "PERMISSION_DENIED",
        );
        assert_eq!(told["permission"], "SUBSCRIPTIONS_RENEW");
        assert_eq!(app.all_packages().await.len(), 0);
        let faults = field_faults(renew(app, v1::RecordRenewalRequest::default()).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            ["request_id", "subscription_id", "period_start_date"]
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_subscription_that_cannot_be_is_refused_and_others_are_listed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let template_id = shop.offer(monthly(&shop)).await;
        let once = shop.offer(shop.lessons("4", days(7))).await;
        let precondition = Code::FailedPrecondition;
        let tried = try_to_subscribe(&shop, asked(&shop, &once, "")).await;
        let told = refused(tried, precondition, "NOT_SOLD_BY_SUBSCRIPTION");
        assert_eq!(told["template_id"], once);
        let tried = try_to_subscribe(&shop, asked(&shop, &template_id, "2026-01-30")).await;
        let told = refused(tried, precondition, "SUBSCRIPTION_STARTS_IN_PAST");
        assert_eq!(
            (&*told["start_date"], &*told["today"]),
            ("2026-01-30", "2026-01-31")
        );
        let twice = v1::CreateSubscriptionRequest {
            quantity: 2,
            ..asked(&shop, &template_id, "")
        };
        refused(
            try_to_subscribe(&shop, twice).await,
            precondition,
            "QUANTITY_FIXED",
        );
        let named = || v1::CreateSubscriptionRequest {
            external_id: "S-1".to_owned(),
            ..asked(&shop, &template_id, "")
        };
        let first = try_to_subscribe(&shop, named()).await.unwrap();
        let tried = try_to_subscribe(&shop, named()).await;
        refused(tried, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        assert_eq!(get(app, "ext:S-1").await.subscription, Some(first.clone()));
        app.clock.advance(TimeDelta::seconds(1));
        let second = try_to_subscribe(&shop, asked(&shop, &template_id, "")).await;
        let second = second.unwrap();
        let first = cancel(app, "ext:S-1").await.unwrap();
        let list = async |state: SubscriptionState, page_token: &str| {
            let request = v1::ListSubscriptionsRequest {
                page_size: 1,
                page_token: page_token.to_owned(),
                customer_id: shop.customer.clone(),
                state: state.into(),
            };
            let answer = app.subscriptions().list_subscriptions(request).await;
            answer.unwrap().into_inner()
        };
        let page = list(SubscriptionState::Unspecified, "").await;
        assert_eq!(page.subscriptions, std::slice::from_ref(&second));
        let rest = list(SubscriptionState::Unspecified, &page.next_page_token).await;
        assert_eq!(rest.subscriptions, std::slice::from_ref(&first));
        assert_eq!(rest.next_page_token, "");
        let active = list(SubscriptionState::Active, "").await;
        assert_eq!(active.subscriptions, [second]);
        let cancelled = list(SubscriptionState::Cancelled, "").await;
        assert_eq!(cancelled.subscriptions, [first]);
    })
    .await;
}
