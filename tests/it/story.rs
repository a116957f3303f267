//! The main job in one go: sell a package, use it, let it run out. The rules have files of their own.

use chrono::{DateTime, Utc};
use rstest::rstest;
use tonic::Code;

use crate::support::app::{Database, Postgres, Sqlite, on};
use crate::support::refused::{field_faults, refused};
use crate::support::sentences::{prepaid, template};

#[rstest]
#[tokio::test]
async fn a_package_is_sold_used_repeated_and_gone_at_its_expiry_instant(
    #[values(Sqlite, Postgres)] database: Database,
) {
    // The messages of a whole story make a large future.
    Box::pin(on(database, async |app| {
        let lesson = app.credit_type("Lesson", 0).await;
        let swimming = app.item("Swim lesson").await;
        let lines = vec![prepaid(&lesson, "8", &[&swimming])];
        let standard = app.template(template("Standard", lines)).await;
        let mari = app.customer("Mari").await;
        let package = app.sell(&standard, &mari).await;
        assert_eq!(package.last_usable_date, "2026-12-31");
        assert_eq!(app.deliver().await.sent, 1, "the confirmation");
        let usable = async || app.usable(&mari).await;
        assert_eq!(usable().await, [(lesson.id.clone(), "8".to_owned())]);

        let request = app.consume_request(&mari, &swimming, "1");
        let first = app.credits().consume(request.clone()).await.unwrap();
        let again = app.credits().consume(request).await.unwrap();
        assert_eq!(
            (first.get_ref().replayed, again.get_ref().replayed),
            (false, true)
        );
        assert_eq!(first.get_ref().parts, again.get_ref().parts);
        assert_eq!(usable().await, [(lesson.id.clone(), "7".to_owned())]);

        let result = app.consume(&mari, &swimming, "8").await;
        let metadata = refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        assert_eq!(
            (
                metadata["available"].as_str(),
                metadata["requested"].as_str()
            ),
            ("7", "8")
        );

        // The first instant after 31 December in Tallinn, and nothing has swept.
        let over: DateTime<Utc> = "2026-12-31T22:00:00Z".parse().unwrap();
        app.clock.set(over - chrono::TimeDelta::microseconds(1));
        app.consume(&mari, &swimming, "1").await.unwrap();
        app.clock.set(over);
        assert!(app.consume(&mari, &swimming, "1").await.is_err());
        let balances = app.package(&package.id).await.lines[0].balances.clone();
        let balances = balances.unwrap();
        assert_eq!(
            (balances.consumed.as_str(), balances.expired.as_str()),
            ("2", "6")
        );
    }))
    .await;
}

#[rstest]
#[tokio::test]
async fn another_business_finds_nothing_of_the_first(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let lesson = app.credit_type("Lesson", 0).await;
        let swimming = app.item("Swim lesson").await;
        let lines = vec![prepaid(&lesson, "8", &[&swimming])];
        let standard = app.template(template("Standard", lines)).await;
        let mari = app.customer("Mari").await;
        app.sell(&standard, &mari).await;

        let other = app.second_business().await;
        let result = other.consume(&mari, &swimming, "1").await;
        refused(result, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn all_faults_of_a_request_are_told_at_once() {
    on(Sqlite, async |app| {
        let mut request = carnet::proto::v1::ConsumeRequest {
            customer_id: "mari".to_owned(),
            ..Default::default()
        };
        request.package_ids.push("pkg_1".to_owned());
        let faults = field_faults(app.credits().consume(request).await);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        for path in ["request_id", "customer_id", "package_ids[0]"] {
            assert!(paths.contains(&path), "{path} is not in {faults:?}");
        }
    })
    .await;
}
