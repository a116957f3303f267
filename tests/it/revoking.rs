//! Taking a package away and bringing it back (E4, semantics 23), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{Account, ChangeKind, EntryKind, PackageStatus};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, euros, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn revoking(app: &Tenant, package_id: &str) -> v1::RevokePackageRequest {
    v1::RevokePackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        reason: "Moved away".to_owned(),
        ..Default::default()
    }
}

async fn revoke(
    app: &Tenant,
    request: v1::RevokePackageRequest,
) -> Result<v1::RevokePackageResponse, Status> {
    Ok(app.packages().revoke_package(request).await?.into_inner())
}

async fn reinstate(app: &Tenant, package_id: &str) -> Result<v1::ReinstatePackageResponse, Status> {
    let request = v1::ReinstatePackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        reason: "Came back".to_owned(),
        ..Default::default()
    };
    let answer = app.packages().reinstate_package(request).await?;
    Ok(answer.into_inner())
}

async fn preview(app: &Tenant, package_id: &str) -> Result<v1::PreviewRevokeResponse, Status> {
    let request = v1::PreviewRevokeRequest {
        package_id: package_id.to_owned(),
    };
    Ok(app.packages().preview_revoke(request).await?.into_inner())
}

#[rstest]
#[tokio::test]
async fn semantics_23_a_package_is_taken_away_as_the_preview_said(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        // Eight lessons for 120.00, of which one by itself costs 18.00.
        let package = shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let told = preview(app, &package.id).await.unwrap();
        assert_eq!(told.losses.len(), 1);
        let loss = &told.losses[0];
        assert_eq!(
            (loss.line_id.as_str(), loss.amount.as_str(), &loss.value),
            (package.lines[0].id.as_str(), "6", &Some(euros(9_000)))
        );
        assert_eq!(told.released.len(), 1);
        assert_eq!(told.released[0].hold_id, held.hold_id);
        assert_eq!(told.paid, Some(euros(12_000)));
        assert_eq!(told.refund_pro_rata, Some(euros(9_000)));
        assert_eq!(told.used_at_standard_rate, Some(euros(3_600)));
        assert_eq!(told.refund_less_used, Some(euros(8_400)));
        assert_eq!(shop.left(&package.id).await, "5", "nothing was written");

        let request = revoking(app, &package.id);
        let answer = revoke(app, request.clone()).await.unwrap();
        assert_eq!(answer.released, told.released);
        let change = answer.change.unwrap();
        assert_eq!(change.kind(), ChangeKind::Revoked);
        assert_eq!(change.reason, "Moved away");
        let revoked = answer.package.unwrap();
        assert_eq!(revoked, shop.package(&package.id).await);
        assert_eq!(revoked.status(), PackageStatus::Revoked);
        assert!(revoked.revoked_at.is_some());
        let balances = revoked.lines[0].balances.clone().unwrap();
        assert_eq!(
            [balances.available, balances.consumed, balances.revoked],
            ["0", "2", "6"]
        );
        let kinds: Vec<_> = app
            .entries_of_package(&package.id)
            .await
            .iter()
            .map(|entry| (entry.kind(), entry.value.as_ref().unwrap().minor_units))
            .collect();
        assert_eq!(
            kinds[..2],
            [(EntryKind::Revoke, 9_000), (EntryKind::Release, 0)]
        );
        assert!(revoke(app, request).await.unwrap().replayed);

        let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(used, Code::FailedPrecondition, "PACKAGE_REVOKED");
        let late = shop.capture(shop.capturing(&held)).await;
        refused(late, Code::FailedPrecondition, "HOLD_ALREADY_RELEASED");
        let again = revoke(app, revoking(app, &package.id)).await;
        let names = refused(again, Code::FailedPrecondition, "PACKAGE_ALREADY_REVOKED");
        assert_eq!(names["package_id"], package.id);
        let told = preview(app, &package.id).await;
        refused(told, Code::FailedPrecondition, "PACKAGE_ALREADY_REVOKED");

        let back = reinstate(app, &package.id).await.unwrap();
        assert_eq!(back.change.unwrap().kind(), ChangeKind::Reinstated);
        let back = back.package.unwrap();
        assert_eq!(back.status(), PackageStatus::Active);
        let lot = &back.lines[0].lots[0];
        assert_eq!(lot.unused_value, Some(euros(9_000)));
        shop.consume(shop.use_lessons("6")).await.unwrap();
        let again = reinstate(app, &package.id).await;
        refused(again, Code::FailedPrecondition, "PACKAGE_NOT_REVOKED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_has_ended_meanwhile_is_lost_when_it_is_reinstated(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        revoke(app, revoking(app, &package.id)).await.unwrap();
        app.clock.set(at("2026-02-10T10:00:00Z"));
        let status = shop.package(&package.id).await.status();
        assert_eq!(status, PackageStatus::Revoked);
        let back = reinstate(app, &package.id).await.unwrap().package.unwrap();
        assert_eq!(back.status(), PackageStatus::Expired);
        let balances = back.lines[0].balances.clone().unwrap();
        assert_eq!(
            (balances.expired.as_str(), balances.revoked.as_str()),
            ("8", "0")
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_hold_in_two_packages_goes_on_in_the_one_that_stays(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let first = shop.sell_lessons("1", days(10)).await;
        let second = shop.sell_lessons("8", days(30)).await;
        let held = shop.hold(shop.hold_lessons("3")).await.unwrap();
        let released = revoke(app, revoking(app, &first.id))
            .await
            .unwrap()
            .released;
        assert_eq!((released.len(), released[0].amount.as_str()), (1, "1"));
        let captured = shop.capture(shop.capturing(&held)).await.unwrap();
        assert_eq!(captured.total, "2");
        assert_eq!(captured.parts[0].package_id, second.id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn releasing_a_hold_that_ended_with_its_package_answers_with_what_came_back_of_it_alone(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let mut held = Vec::new();
        for units in ["1", "3"] {
            held.push(shop.hold(shop.hold_lessons(units)).await.unwrap());
        }
        let request = revoking(app, &package.id);
        revoke(app, request.clone()).await.unwrap();
        for (hold, total) in held.iter().zip(["1", "3"]) {
            let again = shop.release(hold).await.unwrap();
            assert!(again.replayed);
            assert_eq!(again.posting_id, request.request_id);
            assert_eq!(again.total, total);
            assert_eq!(again.returned.len(), 1);
            assert_eq!(again.returned[0].account(), Account::Revoked);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn revoking_needs_its_permission_an_etag_that_is_true_and_keeps_nothing_when_it_only_checks(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let others: Vec<Permission> = Permission::ALL
            .iter()
            .copied()
            .filter(|held| *held != Permission::PackagesRevoke)
            .collect();
        let lesser = app.allowed_only(&others).await;
        let denied = revoke(&lesser, revoking(app, &package.id)).await;
        let names = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(names["permission"], "PACKAGES_REVOKE");
        let stale = v1::RevokePackageRequest {
            etag: "99".to_owned(),
            ..revoking(app, &package.id)
        };
        let stale = revoke(app, stale).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let only = v1::RevokePackageRequest {
            validate_only: true,
            etag: package.etag.clone(),
            ..revoking(app, &package.id)
        };
        let checked = revoke(app, only).await.unwrap().package.unwrap();
        assert_eq!(checked.status(), PackageStatus::Revoked);
        assert_eq!(shop.package(&package.id).await, package);
        // Of two edits that know the same version, one is made.
        let edit = || v1::RevokePackageRequest {
            etag: package.etag.clone(),
            ..revoking(app, &package.id)
        };
        let (one, other) = tokio::join!(revoke(app, edit()), revoke(app, edit()));
        let (made, refusal) = if one.is_ok() {
            (one, other)
        } else {
            (other, one)
        };
        made.unwrap();
        refused(refusal, Code::Aborted, "ETAG_MISMATCH");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_clock_that_a_time_out_stopped_is_stopped_for_an_extension_too(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let rule = crate::support::shop::period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse);
        let package = shop.sell_lessons("8", rule).await;
        let now = app.context().clock.now();
        let mut request = shop.hold_lessons("1");
        request.times_out_at = Some(carnet::grpc::faults::timestamp(now + TimeDelta::hours(1)));
        shop.hold(request).await.unwrap();
        assert!(shop.package(&package.id).await.expires_at.is_some());
        app.clock.set(now + TimeDelta::hours(2));
        let request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                "2027-01-31".to_owned(),
            )),
            ..Default::default()
        };
        let extended = app.packages().extend_package(request).await;
        refused(extended, Code::FailedPrecondition, "PACKAGE_NEVER_EXPIRES");
    })
    .await;
}
