//! Editing packages that were sold (E1, semantics 13 and 26), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::ChangeKind;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, euros, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn editing(app: &Tenant, package: &v1::Package, edit: v1::PackageEdit) -> v1::UpdatePackageRequest {
    v1::UpdatePackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        edit: Some(edit),
        reason: "A mistake at the desk".to_owned(),
        ..Default::default()
    }
}

async fn update(
    app: &Tenant,
    request: v1::UpdatePackageRequest,
) -> Result<v1::UpdatePackageResponse, Status> {
    Ok(app.packages().update_package(request).await?.into_inner())
}

fn quantity(package: &v1::Package, amount: &str) -> v1::PackageEdit {
    v1::PackageEdit {
        quantities: vec![v1::LineQuantity {
            line_id: package.lines[0].id.clone(),
            amount: amount.to_owned(),
        }],
        ..Default::default()
    }
}

fn price(minor_units: i64) -> v1::PackageEdit {
    v1::PackageEdit {
        price: Some(euros(minor_units)),
        ..Default::default()
    }
}

fn through(date: &str) -> v1::PackageEdit {
    v1::PackageEdit {
        last_usable_date: date.to_owned(),
        ..Default::default()
    }
}

#[rstest]
#[tokio::test]
async fn each_change_of_an_edit_is_recorded_with_its_old_value(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        // Lots of one instant are in no particular order.
        app.clock.advance(TimeDelta::minutes(1));
        let all = v1::PackageEdit {
            external_id: "P-7".to_owned(),
            priority: -5,
            ..v1::PackageEdit {
                price: Some(euros(9_000)),
                last_usable_date: "2026-03-20".to_owned(),
                ..quantity(&package, "9")
            }
        };
        let request = editing(app, &package, all);
        let answer = update(app, request.clone()).await.unwrap();
        let kinds: Vec<_> = answer.changes.iter().map(v1::Change::kind).collect();
        assert_eq!(
            kinds,
            [
                ChangeKind::ExternalIdChanged,
                ChangeKind::PriorityChanged,
                ChangeKind::QuantityChanged,
                ChangeKind::PriceChanged,
                ChangeKind::Shortened
            ]
        );
        let Some(v1::change::Detail::Price(told)) = &answer.changes[3].detail else {
            panic!("{:?}", answer.changes[3]);
        };
        assert_eq!(told.old_price, Some(euros(12_000)));
        assert_eq!(told.new_price, Some(euros(9_000)));
        assert_eq!(answer.changes[0].reason, "A mistake at the desk");
        let now = answer.package.unwrap();
        assert_eq!(now, shop.package("ext:P-7").await);
        assert_eq!(
            (now.priority, now.last_usable_date.as_str()),
            (-5, "2026-03-20")
        );
        assert_eq!((&now.price, now.expiry_epoch), (&Some(euros(9_000)), 1));
        let [sold, added] = now.lines[0].lots.as_slice() else {
            panic!("a lot that was sold and one that was added");
        };
        // Six unused ones were worth 90.00, and all that was taken off the price is taken from them.
        assert_eq!(sold.unused_value, Some(euros(6_000)));
        assert_eq!(
            (added.quantity.as_str(), &added.value),
            ("1", &Some(euros(0)))
        );
        assert_eq!(shop.left(&package.id).await, "7");
        assert!(update(app, request).await.unwrap().replayed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_an_edit_may_not_do_is_refused_with_its_reason(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        shop.hold(shop.hold_lessons("1")).await.unwrap();
        let try_to = async |edit| update(app, editing(app, &package, edit)).await;
        let names = refused(
            try_to(quantity(&package, "2")).await,
            Code::FailedPrecondition,
            "INSUFFICIENT_CREDITS",
        );
        assert_eq!(
            (names["available"].as_str(), names["requested"].as_str()),
            ("5", "6")
        );
        let names = refused(
            try_to(price(2_999)).await,
            Code::FailedPrecondition,
            "NOTHING_TO_REVALUE",
        );
        assert_eq!(names["change_minor_units"], "-9001");
        let later = try_to(through("2026-03-31")).await;
        refused(later, Code::FailedPrecondition, "EXPIRY_NOT_EARLIER");
        let past = try_to(through("2020-01-01")).await;
        refused(past, Code::FailedPrecondition, "EXPIRY_NOT_LATER");
        let other = shop.sell_lessons("8", until("2026-03-31")).await;
        let known = v1::PackageEdit {
            external_id: "P-1".to_owned(),
            ..Default::default()
        };
        update(app, editing(app, &other, known.clone()))
            .await
            .unwrap();
        refused(
            try_to(known).await,
            Code::AlreadyExists,
            "EXTERNAL_ID_TAKEN",
        );
        let faults = field_faults(
            try_to(v1::PackageEdit {
                priority: 1_001,
                ..quantity(&package, "-1")
            })
            .await,
        );
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["edit.priority", "edit.quantities[0].amount"]);
        let seen = shop.package(&package.id).await;
        let stale = |minor| v1::UpdatePackageRequest {
            etag: seen.etag.clone(),
            ..editing(app, &package, price(minor))
        };
        let (one, two) = tokio::join!(update(app, stale(11_000)), update(app, stale(10_000)));
        let (made, refusal) = if one.is_ok() { (one, two) } else { (two, one) };
        made.unwrap();
        refused(refusal, Code::Aborted, "ETAG_MISMATCH");
        app.clock.set(at("2026-04-02T10:00:00Z"));
        let late = try_to(quantity(&package, "20")).await;
        refused(late, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_price_quantities_and_an_earlier_end_want_permissions_of_their_own(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-31")).await;
        let clerk = app.allowed_only(&[Permission::PackagesUpdate]).await;
        for (edit, permission) in [
            (price(9_000), "PACKAGES_OVERRIDE_PRICE"),
            (quantity(&package, "9"), "CREDITS_ADJUST"),
            (through("2026-03-20"), "PACKAGES_SHORTEN"),
        ] {
            let denied = update(&clerk, editing(app, &package, edit)).await;
            let names = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(names["permission"], permission);
        }
        let priority = v1::PackageEdit {
            priority: 4,
            ..Default::default()
        };
        update(&clerk, editing(app, &package, priority))
            .await
            .unwrap();
    })
    .await;
}
