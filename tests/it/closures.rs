//! Closures (E6, semantics 16), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::jobs::{bulk, settle};
use carnet::proto::v1;
use carnet::proto::v1::bulk_result::Outcome;
use carnet::proto::v1::{ChangeKind, PackageStatus};
use chrono::{DateTime, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, never, until};
use crate::support::steps::mask;
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn closed(first: &str, last: &str) -> v1::Closure {
    v1::Closure {
        name: "Pool repairs".to_owned(),
        first_date: first.to_owned(),
        last_date: last.to_owned(),
        ..Default::default()
    }
}

fn creating(app: &Tenant, closure: v1::Closure) -> v1::CreateClosureRequest {
    v1::CreateClosureRequest {
        request_id: app.request_id(),
        closure: Some(closure),
        validate_only: false,
    }
}

async fn create(
    app: &Tenant,
    request: v1::CreateClosureRequest,
) -> Result<v1::CreateClosureResponse, Status> {
    Ok(app.packages().create_closure(request).await?.into_inner())
}

async fn close(app: &Tenant, first: &str, last: &str) -> v1::Closure {
    let made = create(app, creating(app, closed(first, last))).await;
    made.unwrap().closure.unwrap()
}

async fn update(app: &Tenant, closure: v1::Closure) -> Result<v1::UpdateClosureResponse, Status> {
    let request = v1::UpdateClosureRequest {
        request_id: app.request_id(),
        closure: Some(closure),
        update_mask: Some(mask(&["name", "first_date", "last_date"])),
        validate_only: false,
    };
    Ok(app.packages().update_closure(request).await?.into_inner())
}

async fn undo(app: &Tenant, closure: &v1::Closure) -> Result<v1::UndoClosureResponse, Status> {
    let request = v1::UndoClosureRequest {
        request_id: app.request_id(),
        closure_id: closure.id.clone(),
        etag: closure.etag.clone(),
        validate_only: false,
    };
    Ok(app.packages().undo_closure(request).await?.into_inner())
}

async fn last_day(shop: &Shop, package: &v1::Package) -> String {
    shop.package(&package.id).await.last_usable_date
}

#[rstest]
#[tokio::test]
async fn packages_get_the_days_back_on_which_the_business_is_closed(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-07-01T10:00:00Z"));
        let shop = Shop::open(app).await;
        let before = shop.sell_lessons("8", until("2026-08-04")).await;
        let within = shop.sell_lessons("8", until("2026-08-10")).await;
        let beyond = shop.sell_lessons("8", until("2026-08-31")).await;
        let eternal = shop.sell_lessons("8", never()).await;
        let all = [&before, &within, &beyond, &eternal];
        let preview = v1::PreviewClosureRequest {
            closure: Some(closed("2026-08-05", "2026-08-20")),
            ..Default::default()
        };
        let preview = app.packages().preview_closure(preview).await;
        let preview = preview.unwrap().into_inner().results;
        assert_eq!(preview.len(), 2);
        let mut tried = creating(app, closed("2026-08-05", "2026-08-20"));
        tried.validate_only = true;
        let would = create(app, tried.clone()).await.unwrap();
        let would = would.closure.unwrap();
        assert_eq!((would.id.as_str(), would.run), ("", None));
        assert_eq!(last_day(&shop, &within).await, "2026-08-10");

        tried.validate_only = false;
        let made = create(app, tried.clone()).await.unwrap();
        let closure = made.closure.unwrap();
        let run = closure.run.clone().unwrap();
        assert_eq!((run.changed, run.refused), (2, 0));
        assert!(run.finished_at.is_some());
        let list = v1::ListBulkResultsRequest {
            run_id: run.id,
            ..Default::default()
        };
        let results = app.packages().list_bulk_results(list).await.unwrap();
        assert_eq!(results.into_inner().results, preview);
        let mut days = Vec::new();
        for package in all {
            days.push(last_day(&shop, package).await);
        }
        assert_eq!(days, ["2026-08-04", "2026-08-26", "2026-09-16", ""]);
        let changes = app.changes_of(&within.id).await;
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].kind(), ChangeKind::Extended);
        assert_eq!(changes[0].reason, "Pool repairs");
        assert_eq!(shop.package(&eternal.id).await, eternal);
        let again = create(app, tried).await.unwrap();
        assert_eq!((again.closure.unwrap(), again.replayed), (closure, true));
        assert_eq!(last_day(&shop, &within).await, "2026-08-26");

        // Sold knowing it; and another one, of which some days count already.
        app.clock.set(at("2026-07-02T10:00:00Z"));
        let knowing = shop.sell_lessons("8", until("2026-08-10")).await;
        close(app, "2026-08-15", "2026-08-22").await;
        assert_eq!(last_day(&shop, &beyond).await, "2026-09-18");
        assert_eq!(last_day(&shop, &within).await, "2026-08-28");
        assert_eq!(last_day(&shop, &knowing).await, "2026-08-10");
        app.clock.set(at("2026-08-28T20:59:59Z"));
        shop.consume(shop.use_lessons_of(&within.id, "1"))
            .await
            .unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_closure_is_edited_by_the_difference_and_undone_for_the_days_ahead(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-07-01T10:00:00Z"));
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-08-31")).await;
        let closure = close(app, "2026-08-05", "2026-08-20").await;
        assert_eq!(last_day(&shop, &package).await, "2026-09-16");
        let longer = v1::Closure {
            last_date: "2026-08-22".to_owned(),
            ..closure.clone()
        };
        let edited = update(app, longer.clone()).await.unwrap();
        let edited = edited.closure.unwrap();
        assert_eq!(edited.run.as_ref().unwrap().changed, 1);
        assert_eq!(last_day(&shop, &package).await, "2026-09-18");
        let stale = update(app, longer).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let shorter = v1::Closure {
            last_date: "2026-08-14".to_owned(),
            ..edited
        };
        let edited = update(app, shorter).await.unwrap().closure.unwrap();
        assert_eq!(last_day(&shop, &package).await, "2026-09-10");
        let change = app.changes_of(&package.id).await.remove(0);
        assert_eq!(change.kind(), ChangeKind::Shortened);
        let renamed = v1::Closure {
            name: "New filters".to_owned(),
            ..edited.clone()
        };
        let renamed = update(app, renamed).await.unwrap().closure.unwrap();
        assert_eq!(renamed.run, edited.run, "no package is concerned");

        // Six days of it are over: 5 to 10 August, today included.
        app.clock.set(at("2026-08-10T10:00:00Z"));
        let undone = undo(app, &renamed).await.unwrap().closure.unwrap();
        assert_eq!(undone.run.as_ref().unwrap().changed, 1);
        assert_eq!(last_day(&shop, &package).await, "2026-09-06");
        for result in [
            undo(app, &undone).await.map(|_| ()),
            update(app, undone.clone()).await.map(|_| ()),
        ] {
            let names = refused(result, Code::FailedPrecondition, "CLOSURE_UNDONE");
            assert_eq!(names["closure_id"], undone.id);
            assert_eq!(names["undone_at"], "2026-08-10T10:00:00Z");
        }
        let again = v1::PreviewClosureRequest {
            closure: Some(undone.clone()),
            ..Default::default()
        };
        let again = app.packages().preview_closure(again).await;
        refused(again, Code::FailedPrecondition, "CLOSURE_UNDONE");
        // A later closure does not bring the undone days back.
        close(app, "2026-08-20", "2026-08-21").await;
        assert_eq!(last_day(&shop, &package).await, "2026-09-08");
        let get = v1::GetClosureRequest {
            closure_id: undone.id.clone(),
        };
        let got = app.packages().get_closure(get).await.unwrap();
        assert_eq!(got.into_inner().closure, Some(undone));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_closure_told_of_late_restores_what_expired_in_it_and_refuses_what_is_over(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-07-01T10:00:00Z"));
        let shop = Shop::open(app).await;
        let expired = shop.sell_lessons("8", until("2026-08-10")).await;
        let frozen = shop.sell_lessons("8", until("2026-08-31")).await;
        let other = shop.sell_lessons("8", until("2026-08-31")).await;
        app.clock.set(at("2026-08-12T10:00:00Z"));
        settle::step(app.context()).await.unwrap();
        let freeze = v1::FreezePackageRequest {
            request_id: app.request_id(),
            package_id: frozen.id.clone(),
            until_date: "2026-08-13".to_owned(),
            ..Default::default()
        };
        app.packages().freeze_package(freeze).await.unwrap();
        let only = v1::Closure {
            template_id: expired.template_id.clone(),
            ..closed("2026-08-05", "2026-08-20")
        };
        create(app, creating(app, only)).await.unwrap();
        let restored = shop.package(&expired.id).await;
        assert_eq!(restored.status(), PackageStatus::Active);
        assert_eq!(restored.last_usable_date, "2026-08-26");
        assert_eq!(shop.left(&expired.id).await, "8");
        assert_eq!(last_day(&shop, &other).await, "2026-08-31");
        close(app, "2026-08-05", "2026-08-20").await;
        assert_eq!(last_day(&shop, &expired).await, "2026-08-26");
        assert_eq!(last_day(&shop, &other).await, "2026-09-16");
        app.clock.set(at("2026-08-13T21:00:00Z"));
        // Two frozen days, and the sixteen of the closure.
        assert_eq!(last_day(&shop, &frozen).await, "2026-09-18");

        app.clock.set(at("2027-01-10T10:00:00Z"));
        let past = close(app, "2026-08-21", "2026-08-22").await;
        let run = past.run.unwrap();
        assert_eq!((run.changed, run.refused), (0, 3));
        let list = v1::ListBulkResultsRequest {
            run_id: run.id,
            ..Default::default()
        };
        let results = app.packages().list_bulk_results(list).await.unwrap();
        for result in results.into_inner().results {
            let Some(Outcome::Refused(refusal)) = result.outcome else {
                panic!("{result:?}");
            };
            assert_eq!(refusal.reason(), v1::Reason::ExpiryNotLater);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_large_closure_goes_on_by_its_job_and_wants_its_own_permission(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let shop = Shop::open(app).await;
        let template = shop.offer(shop.lessons("8", until("2026-03-31"))).await;
        for count in [200, 3] {
            let entries = vec![shop.entry(&template); count];
            shop.try_to_sell(entries).await.unwrap();
        }
        let request = creating(app, closed("2026-02-05", "2026-02-06"));
        let desk = [Permission::PackagesExtend, Permission::PackagesRead];
        let desk = app.allowed_only(&desk).await;
        let lacking = create(&desk, request.clone()).await;
        let lacking = refused(lacking, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(lacking["permission"], "CLOSURES_MANAGE");
        let closure = create(app, request).await.unwrap().closure.unwrap();
        assert_eq!(closure.run.as_ref().unwrap().finished_at, None);
        bulk::step(app.context()).await.unwrap();
        let list = v1::ListClosuresRequest::default();
        let list = desk.packages().list_closures(list).await.unwrap();
        let listed = list.into_inner().closures.remove(0);
        let run = listed.run.unwrap();
        assert_eq!((run.changed, run.refused), (203, 0));
        for package in app.all_packages().await {
            assert_eq!(package.last_usable_date, "2026-04-02");
        }
        let faults =
            field_faults(create(app, creating(app, closed("2026-02-05", "2026-02-04"))).await);
        assert_eq!(faults[0].0, "closure.last_date");
        let long = creating(app, closed("2026-02-05", "2027-02-06"));
        assert_eq!(
            field_faults(create(app, long).await)[0].0,
            "closure.last_date"
        );
    }))
    .await;
}
