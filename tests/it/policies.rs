//! Policies of the business, which hold where a template leaves them unset (A13), through gRPC on both databases.

use carnet::proto::v1;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::ledger::stamp;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};

const REFUSED: Code = Code::FailedPrecondition;

async fn set(app: &TestApp, policies: v1::Policies) -> Result<v1::Settings, Status> {
    let request = v1::UpdateSettingsRequest {
        settings: Some(v1::Settings {
            policies: Some(policies),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = app.business().update_settings(request).await?;
    Ok(answer.into_inner().settings.unwrap())
}

/// Sells eight lessons of a template that is changed first.
async fn sell(shop: &Shop, change: impl FnOnce(&mut v1::Template)) -> v1::Package {
    let mut template = shop.lessons("8", days(60));
    change(&mut template);
    shop.sell(&shop.offer(template).await).await
}

async fn freeze(app: &TestApp, package: &v1::Package, until_date: &str) -> Result<(), Status> {
    let request = v1::FreezePackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        until_date: until_date.to_owned(),
        ..Default::default()
    };
    app.packages().freeze_package(request).await.map(drop)
}

async fn transfer(app: &TestApp, package: &v1::Package, to: &str) -> Result<(), Status> {
    let request = v1::TransferPackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        customer_id: to.to_owned(),
        ..Default::default()
    };
    app.packages().transfer_package(request).await.map(drop)
}

#[rstest]
#[tokio::test]
async fn a13_policies_are_read_as_they_were_written_and_all_their_faults_are_told(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let policies = v1::Policies {
            freeze: Some(v1::FreezePolicy {
                times_max: 1,
                days_max: 10,
            }),
            transferable: true,
            use_limit: Some(v1::UseLimit {
                per_day: "2".to_owned(),
                per_week: String::new(),
            }),
            booking_rules: Some(v1::BookingRules {
                judged_at: v1::JudgedAt::BookingTime.into(),
                cancellation: Some(v1::CancellationPolicy {
                    free_until_hours: 24,
                    captured_percent: 50,
                }),
            }),
        };
        let settings = set(app, policies.clone()).await.unwrap();
        assert_eq!(settings.policies, Some(policies.clone()));
        let request = v1::GetSettingsRequest {};
        let answer = app.business().get_settings(request).await.unwrap();
        let read = answer.into_inner().settings.unwrap();
        assert_eq!(read, settings);
        assert_eq!(
            read.quarantine_days, 30,
            "nothing else is written with them"
        );
        let wrong = v1::Policies {
            freeze: Some(v1::FreezePolicy {
                times_max: -1,
                days_max: 0,
            }),
            use_limit: Some(v1::UseLimit {
                per_day: "0".to_owned(),
                per_week: String::new(),
            }),
            ..policies
        };
        let faults = field_faults(set(app, wrong).await).into_iter();
        assert_eq!(
            faults.map(|(path, _)| path).collect::<Vec<_>>(),
            [
                "settings.policies.freeze.times_max",
                "settings.policies.use_limit.per_day"
            ]
        );
        let none = set(app, v1::Policies::default()).await.unwrap();
        assert_eq!(none.policies, Some(v1::Policies::default()));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a13_packages_are_frozen_as_their_template_says_or_else_the_business(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let unset = sell(&shop, |_| {}).await;
        let own = sell(&shop, |template| {
            template.freeze = Some(v1::FreezePolicy {
                times_max: 1,
                days_max: 30,
            });
        })
        .await;
        // What was sold before is frozen by what holds now.
        let policies = v1::Policies {
            freeze: Some(v1::FreezePolicy {
                times_max: 2,
                days_max: 5,
            }),
            ..Default::default()
        };
        set(app, policies).await.unwrap();
        let too_long = freeze(app, &unset, "2026-01-25").await;
        let numbers = refused(too_long, REFUSED, "FREEZE_TOO_LONG");
        assert_eq!(numbers["days_max"], "5");
        freeze(app, &own, "2026-01-25").await.unwrap();
        freeze(app, &unset, "2026-01-18").await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a13_packages_are_moved_if_their_template_says_so_or_else_the_business(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let receiver = shop.customer("Jaan Kask").await;
        let unset = sell(&shop, |_| {}).await;
        let never = sell(&shop, |template| template.transferable = Some(false)).await;
        let refusal = transfer(app, &unset, &receiver).await;
        refused(refusal, REFUSED, "TRANSFER_NOT_ALLOWED");
        let policies = v1::Policies {
            transferable: true,
            ..Default::default()
        };
        set(app, policies).await.unwrap();
        transfer(app, &unset, &receiver).await.unwrap();
        let refusal = transfer(app, &never, &receiver).await;
        refused(refusal, REFUSED, "TRANSFER_NOT_ALLOWED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a13_use_is_limited_as_the_business_says_from_the_next_sale_on(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let before = sell(&shop, |_| {}).await;
        let limit = v1::UseLimit {
            per_day: "2".to_owned(),
            per_week: String::new(),
        };
        let policies = v1::Policies {
            use_limit: Some(limit.clone()),
            ..Default::default()
        };
        set(app, policies).await.unwrap();
        let limited = sell(&shop, |_| {}).await;
        assert_eq!(limited.use_limit, Some(limit));
        let unlimited = sell(&shop, |template| {
            template.use_limit = Some(v1::UseLimit::default());
        })
        .await;
        assert_eq!((before.use_limit, unlimited.use_limit), (None, None));
        for package in [&before.id, &unlimited.id] {
            let request = shop.use_lessons_of(package, "3");
            shop.consume(request).await.unwrap();
        }
        let more = shop.consume(shop.use_lessons_of(&limited.id, "3")).await;
        refused(more, REFUSED, "USE_LIMIT");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a13_bookings_are_cancelled_as_the_template_says_or_else_the_business(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let costly = v1::BookingRules {
            judged_at: v1::JudgedAt::ServiceTime.into(),
            cancellation: Some(v1::CancellationPolicy {
                free_until_hours: 24,
                captured_percent: 100,
            }),
        };
        let policies = v1::Policies {
            booking_rules: Some(costly),
            ..Default::default()
        };
        set(app, policies).await.unwrap();
        let unset = sell(&shop, |_| {}).await;
        assert_eq!(unset.booking_rules, Some(costly));
        let free = sell(&shop, |template| {
            template.booking_rules = Some(v1::BookingRules::default());
        })
        .await;
        for (package, used) in [(&unset, "1"), (&free, "0")] {
            let booking = v1::CreateBookingRequest {
                request_id: app.request_id(),
                customer_id: shop.customer.clone(),
                item_id: shop.swim.clone(),
                starts_at: Some(stamp(app.clock.now() + TimeDelta::hours(2))),
                package_ids: vec![package.id.clone()],
                ..Default::default()
            };
            let answer = app.bookings().create_booking(booking).await.unwrap();
            let cancelling = v1::CancelBookingRequest {
                request_id: app.request_id(),
                booking_id: answer.into_inner().booking.unwrap().id,
                ..Default::default()
            };
            app.bookings().cancel_booking(cancelling).await.unwrap();
            assert_eq!(shop.balances(&package.id).await.consumed, used);
        }
    })
    .await;
}
