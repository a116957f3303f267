//! Validity that is counted from the first use (A6, semantics 9), where it meets other packages, late
//! records and extensions.

use carnet::proto::v1;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, period};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn a_month_from_first_use() -> v1::Validity {
    period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse)
}

#[rstest]
#[tokio::test]
async fn a_call_may_name_a_package_that_starts_its_clock_beside_another(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let unstarted = shop.sell_lessons("8", a_month_from_first_use()).await;
        let other = shop.sell_lessons("8", days(30)).await;
        let mut request = shop.use_lessons("1");
        request.package_ids = vec![unstarted.id.clone(), other.id];
        let used = shop.consume(request).await.unwrap();
        assert_eq!(used.parts[0].package_id, unstarted.id);
        assert_eq!(
            shop.package(&unstarted.id).await.last_usable_date,
            "2026-02-15"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn two_first_uses_at_once_are_both_paid_though_the_first_package_holds_one(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut single = shop.lessons("1", a_month_from_first_use());
        single.priority = Some(-1);
        let single = shop.offer(single).await;
        shop.sell(&single).await;
        shop.sell_lessons("10", days(30)).await;
        let (first, second) = tokio::join!(
            shop.consume(shop.use_lessons("1")),
            shop.consume(shop.use_lessons("1")),
        );
        assert_eq!(first.unwrap().total, "1");
        assert_eq!(second.unwrap().total, "1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_use_that_is_recorded_late_takes_no_extension_back(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", a_month_from_first_use()).await;
        app.clock.set(at("2026-03-16T12:00:00Z"));
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                "2026-06-30".to_owned(),
            )),
            ..Default::default()
        };
        app.packages().extend_package(request).await.unwrap();
        app.clock.set(at("2026-05-20T12:00:00Z"));
        let mut late = shop.use_lessons("1");
        let delivered_at = at("2026-03-15T12:00:00Z");
        late.delivered_at = Some(carnet::grpc::faults::timestamp(delivered_at));
        shop.consume(late).await.unwrap();
        let seen = shop.package(&package.id).await;
        assert_eq!(seen.last_usable_date, "2026-06-30");
        assert_eq!(shop.left(&package.id).await, "6");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_extension_counts_from_the_end_that_a_timed_out_hold_gave_back(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut validity = a_month_from_first_use();
        if let Some(v1::validity::Rule::Period(period)) = &mut validity.rule {
            period.must_start_by = Some(v1::StartDeadline {
                deadline: Some(v1::start_deadline::Deadline::Date("2026-06-30".to_owned())),
            });
        }
        let package = shop.sell_lessons("8", validity).await;
        let times_out_at = app.clock.now() + TimeDelta::hours(1);
        let hold = shop.hold_lessons_until("1", times_out_at);
        shop.hold(hold).await.unwrap();
        let held = shop.package(&package.id).await;
        assert_eq!(held.last_usable_date, "2026-02-15");
        app.clock.set(times_out_at);
        let mut request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                "2026-03-31".to_owned(),
            )),
            ..Default::default()
        };
        let result = app.packages().extend_package(request.clone()).await;
        refused(result, Code::FailedPrecondition, "EXPIRY_NOT_LATER");
        request.new_expiry = Some(v1::extend_package_request::NewExpiry::By(v1::Period {
            count: 1,
            unit: v1::PeriodUnit::Day.into(),
        }));
        let extended = app.packages().extend_package(request).await.unwrap();
        let extended = extended.into_inner().package.unwrap();
        assert_eq!(extended.last_usable_date, "2026-07-01");
        let request = v1::ListChangesRequest {
            package_id: package.id.clone(),
            ..Default::default()
        };
        let changes = app.packages().list_changes(request).await.unwrap();
        let kinds: Vec<_> = changes
            .into_inner()
            .changes
            .iter()
            .map(v1::Change::kind)
            .collect();
        let expected = [
            v1::ChangeKind::Extended,
            v1::ChangeKind::ClockStopped,
            v1::ChangeKind::ClockStarted,
        ];
        assert_eq!(kinds, expected);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_credit_types_default_may_count_from_first_use(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let request = v1::CreateCreditTypeRequest {
            credit_type: Some(v1::CreditType {
                name: "session".to_owned(),
                name_plural: "sessions".to_owned(),
                default_validity: Some(a_month_from_first_use()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = app.catalog().create_credit_type(request).await.unwrap();
        shop.lesson = made.into_inner().credit_type.unwrap().id;
        let mut template = shop.lessons("8", days(1));
        template.validity = None;
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        assert_eq!(package.expiry_source(), v1::ExpirySource::CreditType);
        shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(
            shop.package(&package.id).await.last_usable_date,
            "2026-02-15"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_item_that_is_no_longer_offered_is_not_paid_for_but_a_repeat_is_a_repeat(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(30)).await;
        let request = shop.use_lessons("1");
        shop.consume(request.clone()).await.unwrap();
        let archive = v1::ArchiveItemRequest {
            item_id: shop.swim.clone(),
            ..Default::default()
        };
        app.catalog().archive_item(archive).await.unwrap();
        let result = shop.consume(shop.use_lessons("1")).await;
        refused(result, Code::FailedPrecondition, "ITEM_INACTIVE");
        assert!(shop.consume(request).await.unwrap().replayed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_repeat_is_a_repeat_though_the_customer_is_named_otherwise_by_now(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(30)).await;
        let rename = async |external_id: &str| {
            let request = v1::UpdateCustomerRequest {
                customer: Some(v1::Customer {
                    id: shop.customer.clone(),
                    external_id: external_id.to_owned(),
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask {
                    paths: vec!["external_id".to_owned()],
                }),
                ..Default::default()
            };
            app.customers().update_customer(request).await.unwrap();
        };
        rename("42").await;
        let mut request = shop.use_lessons("1");
        request.customer_id = "ext:42".to_owned();
        let first = shop.consume(request.clone()).await.unwrap();
        rename("43").await;
        let again = shop.consume(request).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.parts, first.parts);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_cannot_pay_one_unit_is_not_recommended(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        shop.lesson = shop.credit_type("session", 1).await;
        let half = shop.sell_lessons("1", days(10)).await;
        let whole = shop.sell_lessons("5", days(90)).await;
        shop.consume(shop.use_lessons_of(&half.id, "0.5"))
            .await
            .unwrap();
        app.clock.advance(TimeDelta::minutes(1));
        let request = v1::ListUsablePackagesRequest {
            customer_id: shop.customer.clone(),
            items: vec![v1::ItemUnits {
                item_id: shop.swim.clone(),
                units: String::new(),
            }],
            ..Default::default()
        };
        let found = app.credits().list_usable_packages(request).await.unwrap();
        let found = found.into_inner().packages;
        assert_eq!(
            (&found[0].package_id, found[0].recommended),
            (&whole.id, true)
        );
        assert!(!found[1].usable);
        let used = shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(used.parts[0].package_id, whole.id);
    })
    .await;
}
