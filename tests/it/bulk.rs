//! Extending many packages at once (E7), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::jobs::bulk;
use carnet::proto::v1;
use carnet::proto::v1::bulk_result::Outcome;
use carnet::proto::v1::extend_packages_request::{NewExpiry, Packages};
use carnet::proto::v1::{PackageStatus, Reason};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, never, period, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn timestamp(text: &str) -> prost_types::Timestamp {
    carnet::grpc::faults::timestamp(at(text))
}

/// A request for these packages to be usable through this day.
fn through(app: &Tenant, packages: Packages, date: &str) -> v1::ExtendPackagesRequest {
    v1::ExtendPackagesRequest {
        request_id: app.request_id(),
        packages: Some(packages),
        new_expiry: Some(NewExpiry::LastUsableDate(date.to_owned())),
        reason: "Spring term".to_owned(),
        page_size: 200,
        ..Default::default()
    }
}

fn these(packages: &[&v1::Package]) -> Packages {
    let package_ids = packages.iter().map(|package| package.id.clone()).collect();
    Packages::Ids(v1::PackageIds { package_ids })
}

async fn extend(
    app: &Tenant,
    request: v1::ExtendPackagesRequest,
) -> Result<v1::ExtendPackagesResponse, Status> {
    Ok(app.packages().extend_packages(request).await?.into_inner())
}

fn reason_of(results: &[v1::BulkResult], package: &v1::Package) -> Option<Reason> {
    let result = results
        .iter()
        .find(|result| result.package_id == package.id);
    match result.unwrap().outcome.as_ref().unwrap() {
        Outcome::Moved(_) => None,
        Outcome::Refused(refusal) => {
            assert!(!refusal.message.is_empty());
            Some(refusal.reason())
        }
    }
}

#[rstest]
#[tokio::test]
async fn expired_packages_in_quarantine_are_found_and_extended_with_a_bonus_lesson(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-16T09:00:00Z"));
        let shop = Shop::open(app).await;
        let month = period(1, v1::PeriodUnit::Month, v1::Anchor::Sale);
        let package = shop.sell_lessons("8", month).await;
        let other = shop.sell_lessons("8", until("2026-12-31")).await;
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        app.clock.set(at("2026-04-20T09:00:00Z"));
        // What can be restored has ended within the 30 days before today.
        let filter = Packages::Filter(v1::PackageFilter {
            statuses: vec![PackageStatus::Expired.into()],
            expires_from: Some(timestamp("2026-03-20T22:00:00Z")),
            ..Default::default()
        });
        let request = v1::ExtendPackagesRequest {
            bonuses: vec![v1::BulkBonus {
                credit_type_id: shop.lesson.clone(),
                amount: "1".to_owned(),
            }],
            ..through(app, filter, "2026-05-16")
        };
        let tried = v1::ExtendPackagesRequest {
            validate_only: true,
            ..request.clone()
        };
        let would = extend(app, tried).await.unwrap();
        assert_eq!(would.run.as_ref().unwrap().id, "");
        assert_eq!(would.run.unwrap().changed, 1);
        let seen = shop.package(&package.id).await;
        assert_eq!(seen.status(), PackageStatus::Expired);
        assert_eq!(app.changes_of(&package.id).await, []);

        let done = extend(app, request.clone()).await.unwrap();
        assert_eq!(done.results, would.results);
        let run = done.run.clone().unwrap();
        assert_eq!((run.changed, run.refused), (1, 0));
        assert!(run.finished_at.is_some());
        let Some(Outcome::Moved(moved)) = &done.results[0].outcome else {
            panic!("{done:?}");
        };
        assert_eq!(moved.old_expires_at, package.expires_at);
        let restored = shop.package(&package.id).await;
        assert_eq!(moved.new_expires_at, restored.expires_at);
        assert_eq!(restored.status(), PackageStatus::Active);
        assert_eq!(restored.last_usable_date, "2026-05-16");
        assert_eq!(shop.left(&package.id).await, "8");
        assert_eq!(app.changes_of(&package.id).await[0].reason, "Spring term");
        assert_eq!(shop.package(&other.id).await, other);
        let again = extend(app, request).await.unwrap();
        assert!(again.replayed);
        assert_eq!((again.run, again.results), (done.run, done.results));
        assert_eq!(shop.package(&package.id).await, restored);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn each_package_is_extended_or_refused_on_its_own(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let good = shop.sell_lessons("8", until("2026-01-31")).await;
        app.clock.advance(TimeDelta::seconds(1));
        let eternal = shop.sell_lessons("8", never()).await;
        app.clock.advance(TimeDelta::seconds(1));
        let longer = shop.sell_lessons("8", until("2026-06-30")).await;
        let all = [&good, &eternal, &longer];
        let request = through(app, these(&all), "2026-03-31");
        let done = extend(app, request).await.unwrap();
        let run = done.run.unwrap();
        assert_eq!((run.changed, run.refused), (1, 2));
        let reasons = all.map(|package| reason_of(&done.results, package));
        let wanted = [
            None,
            Some(Reason::PackageNeverExpires),
            Some(Reason::ExpiryNotLater),
        ];
        assert_eq!(reasons, wanted);
        assert_eq!(shop.package(&good.id).await.last_usable_date, "2026-03-31");
        assert_eq!(shop.package(&longer.id).await, longer);
        let list = v1::ListBulkResultsRequest {
            run_id: run.id.clone(),
            page_size: 1,
            refused_only: true,
            ..Default::default()
        };
        let page = app.packages().list_bulk_results(list.clone()).await;
        let page = page.unwrap().into_inner();
        assert_eq!(page.results[0].package_id, longer.id, "newest first");
        let next = v1::ListBulkResultsRequest {
            page_token: page.next_page_token,
            ..list
        };
        let page = app.packages().list_bulk_results(next).await;
        let page = page.unwrap().into_inner();
        assert_eq!(page.results[0].package_id, eternal.id);
        assert_eq!(page.next_page_token, "");

        app.clock.set(at("2026-08-15T10:00:00Z"));
        let late = through(app, these(&[&good]), "2026-09-30");
        let forced = v1::ExtendPackagesRequest {
            force_restore: true,
            request_id: app.request_id(),
            ..late.clone()
        };
        let late = extend(app, late).await.unwrap();
        assert_eq!(
            reason_of(&late.results, &good),
            Some(Reason::QuarantineOver)
        );
        let desk = app.allowed_only(&[Permission::PackagesExtend]).await;
        let lacking = extend(&desk, forced.clone()).await;
        refused(lacking, Code::PermissionDenied, "PERMISSION_DENIED");
        let forced = extend(app, forced).await.unwrap();
        assert_eq!(reason_of(&forced.results, &good), None);

        let unknown = v1::Package {
            id: "pkg_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            ..good.clone()
        };
        let missing = extend(app, through(app, these(&[&good, &unknown]), "2027-01-31")).await;
        refused(missing, Code::NotFound, "NOT_FOUND");
        let run = v1::GetBulkRunRequest { run_id: run.id };
        let stranger = app.second_business().await;
        let hidden = stranger.packages().get_bulk_run(run).await;
        refused(hidden, Code::NotFound, "NOT_FOUND");
        let empty = Packages::Filter(v1::PackageFilter::default());
        let faults = field_faults(extend(app, through(app, empty, "2027-01-31")).await);
        assert_eq!(faults[0].0, "filter");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_large_run_goes_on_by_its_job_and_comes_to_each_package_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let shop = Shop::open(app).await;
        let template = shop.offer(shop.lessons("8", until("2026-01-31"))).await;
        for count in [200, 200, 5] {
            let entries = vec![shop.entry(&template); count];
            shop.try_to_sell(entries).await.unwrap();
        }
        let filter = Packages::Filter(v1::PackageFilter {
            template_id: template.clone(),
            valid_at: Some(timestamp("2026-01-20T00:00:00Z")),
            ..Default::default()
        });
        let request = v1::ExtendPackagesRequest {
            new_expiry: Some(NewExpiry::By(v1::Period {
                count: 1,
                unit: v1::PeriodUnit::Day.into(),
            })),
            ..through(app, filter, "")
        };
        let begun = extend(app, request.clone()).await.unwrap();
        let run = begun.run.unwrap();
        assert_eq!((run.changed, run.finished_at), (200, None));
        app.clock.advance(TimeDelta::seconds(1));
        let sold_meanwhile = shop.sell(&template).await;
        let report = bulk::step(app.context()).await.unwrap();
        assert_eq!((report.runs, report.unfinished), (1, 0));
        assert_eq!(bulk::step(app.context()).await.unwrap().runs, 0);
        let get = v1::GetBulkRunRequest { run_id: run.id };
        let run = app.packages().get_bulk_run(get).await.unwrap();
        let run = run.into_inner().run.unwrap();
        assert_eq!((run.changed, run.refused), (405, 0));
        assert!(run.finished_at.is_some());
        let again = extend(app, request).await.unwrap();
        assert_eq!((again.run.unwrap(), again.replayed), (run, true));
        let untouched = shop.package(&sold_meanwhile.id).await;
        assert_eq!(untouched.last_usable_date, "2026-01-31");
        let sixth_newest = &app.all_packages().await[6];
        assert_eq!(sixth_newest.last_usable_date, "2026-02-01");
    }))
    .await;
}
