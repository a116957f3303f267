//! Using credits (D1 to D5, D8), through gRPC on both databases.

use carnet::proto::v1;
use carnet::proto::v1::PackageStatus;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, covers, days, never, period, until};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[rstest]
#[tokio::test]
async fn one_lesson_of_eight_is_used_and_the_answer_carries_the_balances(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let used = shop.consume(shop.use_lessons("1")).await.unwrap();
        assert_eq!(used.total, "1");
        let part = &used.parts[0];
        assert_eq!(part.package_id, package.id);
        assert_eq!(part.value.as_ref().unwrap().minor_units, 1_500);
        let balances = part.balances.as_ref().unwrap();
        assert_eq!(balances.available, "7");
        assert_eq!(balances.consumed, "1");
        assert_eq!(balances.issued, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn you_cannot_use_two_credits_if_there_is_only_one_left(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1", days(30)).await;
        let result = shop.consume(shop.use_lessons("2")).await;
        let numbers = refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "1");
        assert_eq!(numbers["requested"], "2");
        assert_eq!(shop.left(&package.id).await, "1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn expiry_is_true_to_the_instant_with_no_job_having_run(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        assert_eq!(package.last_usable_date, "2026-01-31");
        // Midnight in Tallinn, in winter.
        let end = at("2026-01-31T22:00:00Z");
        app.clock.set(end - TimeDelta::microseconds(1));
        let request = shop.use_lessons_of(&package.id, "1");
        shop.consume(request).await.unwrap();
        assert_eq!(
            shop.package(&package.id).await.status(),
            PackageStatus::Active
        );
        app.clock.set(end);
        let named = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        let numbers = refused(named, Code::FailedPrecondition, "PACKAGE_EXPIRED");
        assert_eq!(numbers["expires_at"], "2026-01-31T22:00:00Z");
        let unnamed = shop.consume(shop.use_lessons("1")).await;
        refused(unnamed, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        let seen = shop.package(&package.id).await;
        assert_eq!(seen.status(), PackageStatus::Expired);
        let balances = seen.lines[0].balances.as_ref().unwrap();
        assert_eq!(
            (balances.available.as_str(), balances.expired.as_str()),
            ("0", "7")
        );
        let request = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(
                shop.customer.clone(),
            )),
            credit_type_id: String::new(),
        };
        let sheet = app
            .credits()
            .get_balance(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(sheet.balances[0].usable, "0");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn half_a_credit_is_used_by_hand_with_a_note_for_another_user(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        shop.lesson = shop.credit_type("session", 1).await;
        let package = shop.sell_lessons("4", never()).await;
        let request = v1::CreateUserRequest {
            user: Some(v1::User {
                name: "Coach Kati".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let user = app.business().create_user(request).await.unwrap();
        let user_id = user.into_inner().user.unwrap().id;
        let delivered_at = app.clock.now() - TimeDelta::minutes(30);
        app.clock.advance(TimeDelta::hours(1));
        let mut request = shop.use_lessons("1");
        request.what = Some(v1::consume_request::What::Credits(v1::CreditAmount {
            credit_type_id: shop.lesson.clone(),
            amount: "0.5".to_owned(),
        }));
        request.delivered_at = Some(carnet::grpc::faults::timestamp(
            delivered_at + TimeDelta::hours(1),
        ));
        request.consumed_by.clone_from(&user_id);
        request.note = "Half a session, by phone".to_owned();
        shop.consume(request).await.unwrap();
        assert_eq!(shop.left(&package.id).await, "3.5");
        let request = v1::ListEntriesRequest {
            scope: Some(v1::list_entries_request::Scope::PackageId(package.id)),
            user_id: user_id.clone(),
            ..Default::default()
        };
        let entries = app
            .credits()
            .list_entries(request)
            .await
            .unwrap()
            .into_inner();
        let [entry] = entries.entries.as_slice() else {
            panic!("one entry: {entries:?}");
        };
        assert_eq!(entry.note, "Half a session, by phone");
        assert_eq!(entry.consumed_by, user_id);
        assert_ne!(entry.actor_id, user_id, "recorded by is always the caller");
        assert!(entry.effective_at.unwrap().seconds < entry.recorded_at.unwrap().seconds);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_best_packages_are_used_if_none_is_named_and_each_part_is_listed(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let late = shop.sell_lessons("8", days(90)).await;
        let soon = shop.sell_lessons("2", days(10)).await;
        let used = shop.consume(shop.use_lessons("3")).await.unwrap();
        let parts: Vec<_> = used
            .parts
            .iter()
            .map(|part| (part.package_id.as_str(), part.amount.as_str()))
            .collect();
        assert_eq!(parts, [(soon.id.as_str(), "2"), (late.id.as_str(), "1")]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_named_package_is_used_or_refused_never_silently_replaced(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let massage = shop.item("Massage", "Spa", 6_000).await;
        let mut template = shop.lessons("5", days(30));
        template.lines[0].covers = covers(&massage);
        let massages = shop.offer(template).await;
        let massages = shop.sell(&massages).await;
        let lessons = shop.sell_lessons("8", days(30)).await;
        let wrong = shop.consume(shop.use_lessons_of(&massages.id, "1")).await;
        let names = refused(wrong, Code::FailedPrecondition, "ITEM_NOT_COVERED");
        assert_eq!(names["package_id"], massages.id);
        let right = shop.consume(shop.use_lessons_of(&lessons.id, "1")).await;
        assert_eq!(right.unwrap().parts[0].package_id, lessons.id);
        let unknown = "pkg_01jd0c5hqbf9bvxk2mqnz8s6wt";
        let result = shop.consume(shop.use_lessons_of(unknown, "1")).await;
        refused(result, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_drop_down_recommends_and_says_why_not(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let expired = shop.sell_lessons("8", days(2)).await;
        let later = shop.sell_lessons("8", days(90)).await;
        let sooner = shop.sell_lessons("8", days(10)).await;
        let used_up = shop.sell_lessons("1", days(9)).await;
        shop.consume(shop.use_lessons_of(&used_up.id, "1"))
            .await
            .unwrap();
        app.clock.advance(TimeDelta::days(5));
        let request = v1::ListUsablePackagesRequest {
            customer_id: shop.customer.clone(),
            items: vec![v1::ItemUnits {
                item_id: shop.swim.clone(),
                units: "1".to_owned(),
            }],
            ..Default::default()
        };
        let found = app.credits().list_usable_packages(request).await.unwrap();
        let found = found.into_inner().packages;
        let seen: Vec<_> = found
            .iter()
            .map(|package| {
                (
                    package.package_id.clone(),
                    package.usable,
                    package.recommended,
                )
            })
            .collect();
        assert_eq!(seen[0], (sooner.id, true, true));
        assert_eq!(seen[1], (later.id, true, false));
        assert_eq!(found.len(), 4);
        let why = |id: &str| {
            let package = found.iter().find(|package| package.package_id == id);
            package.unwrap().reason()
        };
        assert_eq!(why(&expired.id), v1::Reason::PackageExpired);
        assert_eq!(why(&used_up.id), v1::Reason::PackageUsedUp);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_screen_can_draw_one_used_and_seven_unused_lessons(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let units = &shop.package(&package.id).await.lines[0].lots[0].units;
        let states: Vec<_> = units.iter().map(v1::Unit::state).collect();
        assert_eq!(states[0], v1::UnitState::Used);
        assert_eq!(states[1..], [v1::UnitState::Unused; 7]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn trying_a_use_keeps_nothing(#[values(Sqlite, Postgres, Partitioned)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let mut request = shop.use_lessons("3");
        request.validate_only = true;
        let tried = shop.consume(request.clone()).await.unwrap();
        assert_eq!(tried.total, "3");
        assert_eq!(shop.left(&package.id).await, "8");
        request.validate_only = false;
        let done = shop.consume(request).await.unwrap();
        assert!(!done.replayed, "the id of a trial is unused");
        assert_eq!(shop.left(&package.id).await, "5");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn validity_from_first_use_starts_with_the_first_use(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let rule = period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse);
        let package = shop.sell_lessons("8", rule).await;
        assert_eq!(package.expires_at, None);
        app.clock.set(at("2026-03-16T12:00:00Z"));
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let started = shop.package(&package.id).await;
        assert_eq!(started.last_usable_date, "2026-04-16");
        assert_eq!(started.expiry_epoch, 1);
        let request = v1::ListChangesRequest {
            package_id: package.id.clone(),
            ..Default::default()
        };
        let changes = app.packages().list_changes(request).await.unwrap();
        let changes = changes.into_inner().changes;
        assert_eq!(changes[0].kind(), v1::ChangeKind::ClockStarted);
        app.clock.set(at("2026-04-16T21:00:00Z"));
        let result = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(result, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_is_not_yet_valid_is_refused_until_its_day(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let rule = period(1, v1::PeriodUnit::Month, v1::Anchor::StartDate);
        let template_id = shop.offer(shop.lessons("8", rule)).await;
        let mut entry = shop.entry(&template_id);
        entry.start_date = "2026-03-16".to_owned();
        let sold = shop.try_to_sell(vec![entry]).await.unwrap().into_inner();
        let package = sold.results[0].package.clone().unwrap();
        assert_eq!(package.status(), PackageStatus::Upcoming);
        let early = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        let names = refused(early, Code::FailedPrecondition, "PACKAGE_NOT_STARTED");
        assert_eq!(names["starts_at"], "2026-03-15T22:00:00Z");
        app.clock.set(at("2026-03-15T22:00:00Z"));
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        assert_eq!(
            shop.package(&package.id).await.last_usable_date,
            "2026-04-16"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn another_customers_and_another_businesss_packages_are_refused(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let other = shop.customer("Jaan Kask").await;
        let mari = std::mem::replace(&mut shop.customer, other);
        let result = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(
            result,
            Code::FailedPrecondition,
            "PACKAGE_OF_OTHER_CUSTOMER",
        );
        shop.customer = mari;
        let foreign = app.second_business().await;
        let theirs = Shop::open(&foreign).await;
        let result = theirs
            .consume(theirs.use_lessons_of(&package.id, "1"))
            .await;
        refused(result, Code::NotFound, "NOT_FOUND");
        let request = v1::GetPackageRequest {
            package_id: package.id.clone(),
        };
        let result = foreign.packages().get_package(request).await;
        refused(result, Code::NotFound, "NOT_FOUND");
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}
