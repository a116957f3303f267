//! Moving packages to other customers (E6, semantics 22 and 25), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::adjust_request::Change;
use carnet::proto::v1::{ChangeKind, EmailKind, PackageStatus};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::emails;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, euros, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn moving(app: &Tenant, package_id: &str, customer_id: &str) -> v1::TransferPackageRequest {
    v1::TransferPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        customer_id: customer_id.to_owned(),
        reason: "A present".to_owned(),
        ..Default::default()
    }
}

async fn transfer(
    app: &Tenant,
    request: v1::TransferPackageRequest,
) -> Result<v1::TransferPackageResponse, Status> {
    Ok(app.packages().transfer_package(request).await?.into_inner())
}

/// Eight lessons for 120.00 that may be moved.
async fn sell(shop: &Shop, validity: v1::Validity) -> v1::Package {
    let mut template = shop.lessons("8", validity);
    template.transferable = Some(true);
    let template_id = shop.offer(template).await;
    shop.sell(&template_id).await
}

#[rstest]
#[tokio::test]
async fn semantics_25_a_package_is_moved_with_its_value_and_its_end_and_linked_on_both_sides(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = sell(&shop, days(30)).await;
        let used = shop.consume(shop.use_lessons("2")).await.unwrap();
        let receiver = shop.customer("Jaan Kask").await;
        let request = moving(app, &package.id, &receiver);
        let answer = transfer(app, request.clone()).await.unwrap();
        let (left, got) = (answer.package.unwrap(), answer.received.unwrap());
        assert_eq!(left, shop.package(&package.id).await);
        assert_eq!(got, shop.package(&got.id).await);
        assert_eq!(left.status(), PackageStatus::Transferred);
        assert_eq!(
            (&left.transferred_to_package_id, &got.came_from_package_id),
            (&got.id, &left.id)
        );
        assert!(left.transferred_at.is_some());
        assert_eq!(
            (&got.customer_id, got.status()),
            (&receiver, PackageStatus::Active)
        );
        assert_eq!(
            (got.expires_at, &got.template_id),
            (package.expires_at, &package.template_id)
        );
        assert_eq!(
            (got.sale_id.as_str(), got.price.clone()),
            ("", Some(euros(0)))
        );
        let lot = &got.lines[0].lots[0];
        assert_eq!(
            (lot.unused_value.clone(), lot.value.clone()),
            (Some(euros(9_000)), Some(euros(12_000)))
        );
        let moved = left.lines[0].balances.clone().unwrap();
        assert_eq!(
            [moved.available, moved.consumed, moved.transferred],
            ["0", "2", "6"]
        );
        let change = answer.change.unwrap();
        assert_eq!(
            (change.kind(), change.reason.as_str()),
            (ChangeKind::Transferred, "A present")
        );
        let Some(v1::change::Detail::Owner(owner)) = change.detail else {
            panic!("{change:?}");
        };
        assert_eq!(
            [
                owner.old_customer_id,
                owner.new_customer_id,
                owner.new_package_id
            ],
            [shop.customer.clone(), receiver.clone(), got.id.clone()]
        );
        assert!(transfer(app, request).await.unwrap().replayed);
        let told = emails(app, EmailKind::Confirmation).await;
        let of_receiver = told
            .iter()
            .filter(|email| email.package_ids == [got.id.clone()]);
        assert_eq!(of_receiver.count(), 1);

        // What is undone now follows, and the receiver uses it all.
        shop.reverse(shop.reversing(&used.posting_id))
            .await
            .unwrap();
        assert_eq!(shop.left(&package.id).await, "0");
        let late = shop.consume(shop.use_lessons("1")).await;
        refused(late, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        let all = v1::ConsumeRequest {
            customer_id: receiver,
            ..shop.use_lessons("8")
        };
        shop.consume(all).await.unwrap();
        let now = shop.package(&got.id).await;
        assert_eq!(now.status(), PackageStatus::Completed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_follows_into_a_package_that_has_ended_is_told_where_it_was_restored(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let package = sell(&shop, until("2026-03-31")).await;
        let used = shop.consume(shop.use_lessons("2")).await.unwrap();
        let receiver = shop.customer("Jaan Kask").await;
        let answer = transfer(app, moving(app, &package.id, &receiver)).await;
        let received = answer.unwrap().received.unwrap();
        app.clock.set(at("2026-04-02T10:00:00Z"));
        let request = v1::ReverseRequest {
            restore_through: "2026-04-30".to_owned(),
            ..shop.reversing(&used.posting_id)
        };
        let answer = shop.reverse(request).await.unwrap();
        let back = &answer.returned[0];
        assert_eq!(back.package_id, package.id);
        assert_eq!(back.account(), v1::Account::Transferred);
        let restored = shop.package(&back.moved_to_package_id).await;
        assert_eq!(restored.came_from_package_id, received.id);
        assert_eq!(restored.customer_id, receiver);
        assert_eq!(shop.left(&restored.id).await, "2");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_is_not_moved_against_the_rules(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let package = sell(&shop, until("2026-03-31")).await;
        let receiver = shop.customer("Jaan Kask").await;
        let try_to = async |package_id: &str, customer_id: &str| {
            transfer(app, moving(app, package_id, customer_id)).await
        };
        let same = try_to(&package.id, &shop.customer).await;
        let names = refused(same, Code::FailedPrecondition, "TRANSFER_TO_OWNER");
        assert_eq!(names["customer_id"], shop.customer);
        let nobody = try_to(&package.id, "ext:nobody").await;
        refused(nobody, Code::NotFound, "NOT_FOUND");
        assert_eq!(
            field_faults(try_to(&package.id, "").await)[0].0,
            "customer_id"
        );
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        let names = refused(
            try_to(&package.id, &receiver).await,
            Code::FailedPrecondition,
            "PACKAGE_HOLDS_CREDITS",
        );
        assert_eq!(
            (names["package_id"].as_str(), names["holds"].as_str()),
            (package.id.as_str(), "1")
        );
        shop.capture(shop.capturing(&held)).await.unwrap();
        let strict = shop.sell_lessons("8", until("2026-03-31")).await;
        let names = refused(
            try_to(&strict.id, &receiver).await,
            Code::FailedPrecondition,
            "TRANSFER_NOT_ALLOWED",
        );
        assert_eq!(names["package_id"], strict.id);
        shop.consume(shop.use_lessons_of(&package.id, "7"))
            .await
            .unwrap();
        let names = refused(
            try_to(&package.id, &receiver).await,
            Code::FailedPrecondition,
            "NOTHING_TO_TRANSFER",
        );
        assert_eq!(names["package_id"], package.id);
        let update = v1::UpdateCustomerRequest {
            customer: Some(v1::Customer {
                id: receiver.clone(),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["active".to_owned()],
            }),
            ..Default::default()
        };
        app.customers().update_customer(update).await.unwrap();
        let inactive = try_to(&package.id, &receiver).await;
        refused(inactive, Code::FailedPrecondition, "CUSTOMER_INACTIVE");
        app.clock.advance(TimeDelta::days(60));
        let other = shop.customer("Kati Karu").await;
        let late = try_to(&package.id, &other).await;
        refused(late, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_was_moved_away_is_changed_no_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = sell(&shop, days(30)).await;
        let receiver = shop.customer("Jaan Kask").await;
        transfer(app, moving(app, &package.id, &receiver))
            .await
            .unwrap();
        let again = transfer(app, moving(app, &package.id, &receiver)).await;
        let names = refused(again, Code::FailedPrecondition, "PACKAGE_TRANSFERRED");
        assert_eq!(names["package_id"], package.id);
        let request = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            ..Default::default()
        };
        let revoked = app.packages().revoke_package(request).await;
        refused(revoked, Code::FailedPrecondition, "PACKAGE_TRANSFERRED");
        let request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                "2027-01-31".to_owned(),
            )),
            ..Default::default()
        };
        let extended = app.packages().extend_package(request).await;
        refused(extended, Code::FailedPrecondition, "PACKAGE_TRANSFERRED");
        let more = Change::Add("1".to_owned());
        let more = shop.adjust(&package, more).await;
        refused(more, Code::FailedPrecondition, "PACKAGE_TRANSFERRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn moving_needs_its_permission_an_etag_that_is_true_and_keeps_nothing_when_it_only_checks(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = sell(&shop, days(30)).await;
        let receiver = shop.customer("Jaan Kask").await;
        let others: Vec<Permission> = Permission::ALL
            .iter()
            .copied()
            .filter(|held| *held != Permission::PackagesTransfer)
            .collect();
        let lesser = app.allowed_only(&others).await;
        let denied = transfer(&lesser, moving(app, &package.id, &receiver)).await;
        let names = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(names["permission"], "PACKAGES_TRANSFER");
        let only = v1::TransferPackageRequest {
            validate_only: true,
            ..moving(app, &package.id, &receiver)
        };
        let checked = transfer(app, only).await.unwrap();
        let got = checked.received.unwrap();
        assert_eq!(
            (got.id.as_str(), got.lines[0].lots[0].id.as_str()),
            ("", "")
        );
        assert_eq!(got.lines[0].lots[0].unused_value, Some(euros(12_000)));
        assert_eq!(checked.package.unwrap().transferred_to_package_id, "");
        assert_eq!(shop.package(&package.id).await, package);
        // Of two that know the same version, one is made.
        let edit = || v1::TransferPackageRequest {
            etag: package.etag.clone(),
            ..moving(app, &package.id, &receiver)
        };
        let (one, other) = tokio::join!(transfer(app, edit()), transfer(app, edit()));
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
async fn credits_that_came_by_a_move_are_corrected_like_others(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = sell(&shop, days(30)).await;
        let receiver = shop.customer("Jaan Kask").await;
        let moved = transfer(app, moving(app, &package.id, &receiver)).await;
        let got = moved.unwrap().received.unwrap();
        for left in ["7", "6"] {
            shop.adjust(&got, Change::Remove("1".to_owned()))
                .await
                .unwrap();
            assert_eq!(shop.left(&got.id).await, left);
        }
        shop.adjust(&got, Change::Remove("6".to_owned()))
            .await
            .unwrap();
        assert_eq!(shop.left(&got.id).await, "0");
    })
    .await;
}
