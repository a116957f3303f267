//! How much of a package each customer may use on a day or in a week (A13), through gRPC on both databases.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::Reason;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn limited(shop: &Shop, per_day: &str, per_week: &str) -> v1::Template {
    v1::Template {
        use_limit: Some(v1::UseLimit {
            per_day: per_day.to_owned(),
            per_week: per_week.to_owned(),
        }),
        ..shop.lessons("20", days(30))
    }
}

/// A shop on a Monday at noon in Tallinn, and a package of twenty lessons with a limit.
async fn open(app: &TestApp, per_day: &str, per_week: &str) -> (Shop, v1::Package) {
    app.clock.set(at("2026-03-02T10:00:00Z"));
    let shop = Shop::open(app).await;
    let template_id = shop.offer(limited(&shop, per_day, per_week)).await;
    let package = shop.sell(&template_id).await;
    (shop, package)
}

#[rstest]
#[tokio::test]
async fn a_day_and_a_week_have_their_limits_and_the_refusal_says_the_numbers(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] named: bool,
) {
    on(database, async |app| {
        let (shop, package) = open(app, "2", "5").await;
        let limit = package.use_limit.clone().unwrap();
        assert_eq!(
            (limit.per_day.as_str(), limit.per_week.as_str()),
            ("2", "5")
        );
        let use_ = async |units: &str| {
            let request = if named {
                shop.use_lessons_of(&package.id, units)
            } else {
                shop.use_lessons(units)
            };
            shop.consume(request).await
        };
        let facts = refused(use_("3").await, Code::FailedPrecondition, "USE_LIMIT");
        assert_eq!(
            (facts["limit"].as_str(), facts["used"].as_str()),
            ("2", "0")
        );
        assert_eq!(facts["package_id"], package.id);
        use_("1").await.unwrap();
        use_("1").await.unwrap();
        let facts = refused(use_("1").await, Code::FailedPrecondition, "USE_LIMIT");
        assert_eq!(
            (facts["period"].as_str(), facts["period_from"].as_str()),
            ("day", "2026-03-02")
        );
        // The next local day begins at 22:00 UTC.
        app.clock.set(at("2026-03-02T22:00:00Z"));
        use_("2").await.unwrap();
        app.clock.set(at("2026-03-04T10:00:00Z"));
        use_("1").await.unwrap();
        let facts = refused(use_("1").await, Code::FailedPrecondition, "USE_LIMIT");
        assert_eq!(
            (facts["period"].as_str(), facts["used"].as_str()),
            ("week", "5")
        );
        app.clock.set(at("2026-03-09T10:00:00Z"));
        use_("1").await.unwrap();
        // More than there is, is too much without any limit.
        let more = use_("15").await;
        refused(more, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_was_undone_released_or_timed_out_does_not_count(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(true, false)] job: bool,
) {
    on(database, async |app| {
        let (shop, _) = open(app, "2", "").await;
        let used = shop.consume(shop.use_lessons("2")).await.unwrap();
        let again = shop.consume(shop.use_lessons("1")).await;
        refused(again, Code::FailedPrecondition, "USE_LIMIT");
        shop.reverse(shop.reversing_units(&used.posting_id, "1"))
            .await
            .unwrap();
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let again = shop.hold(shop.hold_lessons("1")).await;
        refused(again, Code::FailedPrecondition, "USE_LIMIT");
        shop.release(&held).await.unwrap();
        let soon = app.clock.now() + TimeDelta::hours(1);
        shop.hold(shop.hold_lessons_until("1", soon)).await.unwrap();
        let again = shop.consume(shop.use_lessons("1")).await;
        refused(again, Code::FailedPrecondition, "USE_LIMIT");
        app.clock.set(soon);
        if job {
            settle::step(app.context()).await.unwrap();
        }
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        shop.capture(shop.capturing(&held)).await.unwrap();
        let again = shop.consume(shop.use_lessons("1")).await;
        refused(again, Code::FailedPrecondition, "USE_LIMIT");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_booking_counts_on_the_day_of_its_service(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (shop, _) = open(app, "1", "").await;
        let on_day = |day: &str| v1::HoldRequest {
            service_at: Some(prost_types::Timestamp {
                seconds: at(&format!("{day}T10:00:00Z")).timestamp(),
                nanos: 0,
            }),
            ..shop.hold_lessons("1")
        };
        shop.hold(on_day("2026-03-05")).await.unwrap();
        refused(
            shop.hold(on_day("2026-03-05")).await,
            Code::FailedPrecondition,
            "USE_LIMIT",
        );
        shop.hold(on_day("2026-03-06")).await.unwrap();
        shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.set(at("2026-03-05T12:00:00Z"));
        let today = shop.consume(shop.use_lessons("1")).await;
        refused(today, Code::FailedPrecondition, "USE_LIMIT");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn beyond_the_limit_another_package_pays_and_lists_say_why(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (shop, package) = open(app, "1", "").await;
        app.clock.advance(TimeDelta::seconds(1));
        let other = shop.sell_lessons("5", days(60)).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        assert_eq!(shop.left(&package.id).await, "19");
        assert_eq!(shop.left(&other.id).await, "4");
        let request = v1::ListUsablePackagesRequest {
            customer_id: shop.customer.clone(),
            ..Default::default()
        };
        let listed = app.credits().list_usable_packages(request).await.unwrap();
        let listed = listed.into_inner().packages;
        assert_eq!(listed[0].package_id, other.id);
        assert_eq!(listed[1].package_id, package.id);
        assert_eq!(listed[0].reason(), Reason::Unspecified);
        assert_eq!(listed[1].reason(), Reason::UseLimit);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn members_have_limits_of_their_own_and_many_calls_at_once_keep_them(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (mut shop, _) = open(app, "3", "").await;
        let template = v1::Template {
            selling: Some(v1::SellingRules {
                share_max: 2,
                ..Default::default()
            }),
            ..limited(&shop, "3", "")
        };
        let template_id = shop.offer(template).await;
        let owner = shop.customer("Jaan Kask").await;
        let member = shop.customer("Tiiu Kuusk").await;
        let entry = v1::SaleEntry {
            customer_id: owner.clone(),
            member_ids: vec![member.clone()],
            ..shop.entry(&template_id)
        };
        shop.try_to_sell(vec![entry]).await.unwrap();
        for customer in [owner, member] {
            shop.customer = customer;
            let uses = (0..8).map(|_| shop.consume(shop.use_lessons("1")));
            let results = join_all(uses).await;
            assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 3);
            for result in results.into_iter().filter(Result::is_err) {
                refused(result, Code::FailedPrecondition, "USE_LIMIT");
            }
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_limit_of_nothing_is_refused_by_field(#[values(Sqlite)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let request = v1::CreateTemplateRequest {
            template: Some(limited(&shop, "0", "x")),
            ..Default::default()
        };
        let faults = field_faults(app.catalog().create_template(request).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            ["template.use_limit.per_day", "template.use_limit.per_week"]
        );
    })
    .await;
}
