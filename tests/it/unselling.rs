//! Undoing sales that were made by mistake (E4, semantics 23), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{ChangeKind, EntryKind, PackageStatus};
use chrono::{DateTime, Utc};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, until};
use crate::support::tenant::Tenant;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn undoing(app: &Tenant, sale_id: &str) -> v1::UndoSaleRequest {
    v1::UndoSaleRequest {
        request_id: app.request_id(),
        sale_id: sale_id.to_owned(),
        reason: "The wrong customer".to_owned(),
        validate_only: false,
    }
}

async fn undo(app: &Tenant, request: v1::UndoSaleRequest) -> Result<v1::UndoSaleResponse, Status> {
    Ok(app.packages().undo_sale(request).await?.into_inner())
}

async fn sale(app: &Tenant, sale_id: &str) -> v1::Sale {
    let request = v1::GetSaleRequest {
        sale_id: sale_id.to_owned(),
    };
    let answer = app.packages().get_sale(request).await.unwrap();
    answer.into_inner().sale.unwrap()
}

/// A sale of two packages of eight lessons each.
async fn sell_two(shop: &Shop) -> v1::Sale {
    let template_id = shop.offer(shop.lessons("8", until("2026-03-31"))).await;
    let entries = vec![shop.entry(&template_id), shop.entry(&template_id)];
    let answer = shop.try_to_sell(entries).await.unwrap().into_inner();
    answer.sales[0].clone()
}

#[rstest]
#[tokio::test]
async fn semantics_23_a_sale_that_was_a_mistake_is_undone_with_all_its_packages(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let sold = sell_two(&shop).await;
        let used = shop.consume(shop.use_lessons("1")).await.unwrap();
        let names = refused(
            undo(app, undoing(app, &sold.id)).await,
            Code::FailedPrecondition,
            "SALE_USED",
        );
        assert_eq!(
            (
                names["consumed"].as_str(),
                names["held"].as_str(),
                names["moved"].as_str()
            ),
            ("1", "0", "0")
        );
        assert_eq!(names["package_id"], used.parts[0].package_id);
        shop.reverse(shop.reversing(&used.posting_id))
            .await
            .unwrap();

        let only = v1::UndoSaleRequest {
            validate_only: true,
            ..undoing(app, &sold.id)
        };
        let checked = undo(app, only).await.unwrap();
        assert!(checked.sale.unwrap().undone_at.is_some());
        assert_eq!(sale(app, &sold.id).await.undone_at, None);

        let request = undoing(app, &sold.id);
        let answer = undo(app, request.clone()).await.unwrap();
        let undone = answer.sale.unwrap();
        assert_eq!(undone, sale(app, &sold.id).await);
        let now = at("2026-03-02T10:00:00Z").timestamp();
        assert_eq!(undone.undone_at.unwrap().seconds, now);
        assert_eq!(undone.money, sold.money);
        assert_eq!(answer.packages.len(), 2);
        for package in &answer.packages {
            assert_eq!(*package, shop.package(&package.id).await);
            assert_eq!(package.status(), PackageStatus::Revoked);
            let balances = package.lines[0].balances.clone().unwrap();
            assert_eq!(
                [balances.issued, balances.available, balances.revoked],
                ["0", "0", "0"]
            );
            let last = app.entries_of_package(&package.id).await[0].clone();
            let value = last.value.clone().unwrap().minor_units;
            assert_eq!((last.kind(), value), (EntryKind::Adjust, 12_000));
            let listed = v1::ListChangesRequest {
                package_id: package.id.clone(),
                ..Default::default()
            };
            let listed = app.packages().list_changes(listed).await.unwrap();
            let change = listed.into_inner().changes[0].clone();
            assert_eq!(change.kind(), ChangeKind::SaleUndone);
            assert_eq!(change.reason, "The wrong customer");
        }
        assert!(undo(app, request).await.unwrap().replayed);

        let again = undo(app, undoing(app, &sold.id)).await;
        let names = refused(again, Code::FailedPrecondition, "SALE_ALREADY_UNDONE");
        assert_eq!(names["sale_id"], sold.id);
        let payment = v1::RecordPaymentRequest {
            request_id: app.request_id(),
            target: Some(v1::record_payment_request::Target::SaleId(sold.id.clone())),
            payment: Some(v1::RecordedPayment {
                method: v1::PaymentMethod::Cash.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let paid = app.invoices().record_payment(payment).await;
        refused(paid, Code::FailedPrecondition, "SALE_ALREADY_UNDONE");
        let back = v1::ReinstatePackageRequest {
            request_id: app.request_id(),
            package_id: answer.packages[0].id.clone(),
            ..Default::default()
        };
        let back = app.packages().reinstate_package(back).await;
        refused(back, Code::FailedPrecondition, "SALE_ALREADY_UNDONE");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_sale_stays_if_one_of_its_packages_is_held_revoked_or_over(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set(at("2026-03-02T10:00:00Z"));
        let shop = Shop::open(app).await;
        let sold = sell_two(&shop).await;
        let try_to = async || undo(app, undoing(app, &sold.id)).await;
        let held = shop.hold(shop.hold_lessons("2")).await.unwrap();
        let names = refused(try_to().await, Code::FailedPrecondition, "SALE_USED");
        assert_eq!(names["held"], "2");
        let release = v1::ReleaseRequest {
            request_id: app.request_id(),
            hold_id: held.hold_id.clone(),
            ..Default::default()
        };
        app.credits().release(release).await.unwrap();
        let unknown = undo(app, undoing(app, "sal_01h455vb4pex5vsknk084sn02q")).await;
        refused(unknown, Code::NotFound, "NOT_FOUND");
        let request = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: sold.package_ids[1].clone(),
            ..Default::default()
        };
        app.packages().revoke_package(request).await.unwrap();
        refused(try_to().await, Code::FailedPrecondition, "PACKAGE_REVOKED");
        let other = sell_two(&shop).await;
        app.clock.set(at("2026-04-02T10:00:00Z"));
        let late = undo(app, undoing(app, &other.id)).await;
        refused(late, Code::FailedPrecondition, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn undoing_a_sale_needs_its_permission_and_happens_once(
    #[values(Sqlite, Postgres)] database: Database,
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
        let denied = undo(&lesser, undoing(app, &package.sale_id)).await;
        let names = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(names["permission"], "PACKAGES_REVOKE");
        let (one, other) = tokio::join!(
            undo(app, undoing(app, &package.sale_id)),
            undo(app, undoing(app, &package.sale_id))
        );
        let (made, refusal) = if one.is_ok() {
            (one, other)
        } else {
            (other, one)
        };
        made.unwrap();
        refused(refusal, Code::FailedPrecondition, "SALE_ALREADY_UNDONE");
    })
    .await;
}
