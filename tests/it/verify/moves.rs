//! What was moved between lots: faults planted in that are found.

use carnet::ids::{LotId, PackageId};
use carnet::proto::v1;
use carnet::store::lots;
use chrono::TimeDelta;
use rstest::rstest;
use uuid::Uuid;

use super::plants::plant_each;
use super::prove;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::shop::{Shop, covers, days};

/// `{left}` is a lot that was moved, `{got}` the one that got what was available, `{empty}` one that began with
/// nothing, `{saved}` what was brought back into a package of its own.
const PLANTS: &[(&str, &str)] = &[
    (
        "UPDATE entries SET value = value + 1 WHERE lot_id = {got} AND seq = 1",
        MOVED,
    ),
    (
        "UPDATE entries SET amount = amount - 1 WHERE lot_id = {got} AND seq = 1",
        MOVED,
    ),
    (
        "UPDATE entries SET amount = amount + 1 WHERE lot_id = {empty} AND seq = 1",
        MOVED,
    ),
    (
        "UPDATE entries SET value = value - 1 WHERE lot_id = {left} AND to_account = 7",
        MOVED,
    ),
    (
        "UPDATE lots SET issued_value = issued_value + 1 WHERE id = {got}",
        ISSUED,
    ),
    (
        "UPDATE lots SET issued_quantity = issued_quantity + 1 WHERE id = {got}",
        ISSUED,
    ),
    (
        "UPDATE lots SET issued_value = issued_value + 1 WHERE id = {empty}",
        ISSUED,
    ),
    (
        "UPDATE lots SET issued_value = issued_value + 1 WHERE id = {saved}",
        ISSUED,
    ),
    (
        "UPDATE lots SET transferred_to = NULL WHERE transferred_to = {empty}",
        ISSUED,
    ),
];

const MOVED: &str = "what left lots by transfer is not what arrived in others";
const ISSUED: &str = "the lot tells another issue than the lot that it came from";

/// The only lot of each line of a package.
async fn lots_of(app: &TestApp, package_id: &str) -> Vec<Uuid> {
    let id: PackageId = package_id.parse().unwrap();
    let db = app.context().db.reader();
    let found = lots::of_packages(db, app.business_id, &[id]).await;
    found.unwrap().iter().map(|lot| lot.id.uuid()).collect()
}

#[rstest]
#[tokio::test]
async fn a_planted_fault_of_each_kind_is_found_in_what_was_moved(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let sauna = shop.item("Sauna", "Sauna", 900).await;
        let mut template = shop.lessons("8", days(30));
        template.transferable = Some(true);
        template.lines.push(v1::TemplateLine {
            kind: v1::LineKind::Prepaid.into(),
            credit_type_id: shop.credit_type("sauna", 0).await,
            quantity: "1".to_owned(),
            covers: covers(&sauna),
            ..Default::default()
        });
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        let mut bath = shop.use_lessons("1");
        bath.what = Some(v1::consume_request::What::Item(v1::ItemUnits {
            item_id: sauna,
            units: "1".to_owned(),
        }));
        let bath = shop.consume(bath).await.unwrap();
        let receiver = shop.customer("Jaan Kask").await;
        let request = v1::TransferPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            customer_id: receiver,
            reason: "A present".to_owned(),
            ..Default::default()
        };
        let moved = app.packages().transfer_package(request).await.unwrap();
        let received = moved.into_inner().received.unwrap();
        assert_eq!(prove(app).await.faults, []);

        let used = shop.sell_lessons("8", days(10)).await;
        let used = shop.consume(shop.use_lessons_of(&used.id, "3")).await;
        app.clock.advance(TimeDelta::days(12));
        let mut restoring = shop.reversing(&used.unwrap().posting_id);
        restoring.restore_through = "2026-12-31".to_owned();
        let restored = shop.reverse(restoring).await.unwrap();
        let saved = &restored.returned[0].moved_to_package_id;
        assert_eq!(prove(app).await.faults, []);

        let lot = |line: &v1::PackageLine| line.lots[0].id.parse::<LotId>().unwrap().uuid();
        let names = [
            ("{left}", lot(&package.lines[0])),
            ("{got}", lot(&received.lines[0])),
            ("{empty}", lot(&received.lines[1])),
            ("{saved}", lots_of(app, saved).await[0]),
        ];
        plant_each(app, &names, PLANTS).await;

        // What is undone now follows into the lot that began with nothing.
        shop.reverse(shop.reversing(&bath.posting_id))
            .await
            .unwrap();
        assert_eq!(prove(app).await.faults, []);
    })
    .await;
}
