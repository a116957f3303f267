//! What of a period's unused lessons goes on into the next one (C6, semantics 34).

use carnet::proto::v1;
use carnet::proto::v1::{CarryOver, PackageStatus};
use rstest::rstest;

use super::{asked, get, monthly, paid, renew, try_to_subscribe};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::local;
use crate::support::refused::field_faults;
use crate::support::shop::Shop;

fn template(shop: &Shop, carry_over: CarryOver, most: i32) -> v1::Template {
    let mut template = monthly(shop);
    let pricing = template.pricing.as_mut().unwrap();
    let price = pricing.subscription.as_mut().unwrap();
    price.carry_over = carry_over.into();
    price.carry_over_max = most;
    template
}

/// A subscription from 31 January on.
pub(super) async fn subscribed(shop: &Shop, carry_over: CarryOver, most: i32) -> String {
    let template_id = shop.offer(template(shop, carry_over, most)).await;
    let request = asked(shop, &template_id, "2026-01-31");
    let made = try_to_subscribe(shop, request).await.unwrap();
    assert_eq!((made.carry_over(), made.carry_over_max), (carry_over, most));
    made.id
}

pub(super) async fn renewed(shop: &Shop, id: &str, start: &str) -> v1::RecordRenewalResponse {
    renew(&shop.tenant, paid(&shop.tenant, id, start))
        .await
        .unwrap()
}

#[rstest]
#[tokio::test]
async fn semantics_34_the_oldest_unused_lessons_go_on_up_to_the_cap(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribed(&shop, CarryOver::Capped, 2).await;
        let first = renewed(&shop, &id, "2026-01-31").await;
        assert_eq!(first.carried_over, None, "there was no period before");
        let first = first.package.unwrap();
        shop.consume(shop.use_lessons("1")).await.unwrap();
        // The payment is told an hour after the period's end.
        app.clock.set(local("2026-02-28 01:00"));
        let second = renewed(&shop, &id, "2026-02-28").await;
        let carried = second.carried_over.unwrap();
        assert_eq!(shop.left(&carried.id).await, "2");
        assert_eq!(shop.package(&carried.id).await, carried);
        assert_eq!(carried.came_from_package_id, first.id);
        assert_eq!(carried.last_usable_date, "2026-03-30");
        assert_eq!(second.period.unwrap().carried_over_package_id, carried.id);
        assert_eq!(
            get(app, &id).await.periods[0].carried_over_package_id,
            carried.id
        );
        assert_eq!(
            shop.package(&first.id).await.status(),
            PackageStatus::Expired
        );
        // Three of 40.00 for four were unused; two of them went on with their value.
        let value = carried.lines[0].lots[0].unused_value.clone().unwrap();
        assert_eq!(value.minor_units, 2_000);
        let used = shop.consume(shop.use_lessons("3")).await.unwrap();
        let from: Vec<_> = used.parts.iter().map(|part| &*part.package_id).collect();
        let second = second.package.unwrap().id;
        assert_eq!(from, [&*carried.id, &*second], "the older ones first");
        // Of the three that are unused of the next month, two again.
        app.clock.set(local("2026-03-15 10:00"));
        let third = renewed(&shop, &id, "2026-03-31").await;
        assert_eq!(third.package.unwrap().status(), PackageStatus::Upcoming);
        let again = third.carried_over.unwrap();
        assert_eq!(again.status(), PackageStatus::Active);
        assert_eq!(
            (&*again.came_from_package_id, &*shop.left(&again.id).await),
            (&*second, "2")
        );
        assert_eq!(shop.left(&second).await, "1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_that_is_unused_goes_on_once_even_if_the_payment_was_a_mistake(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.set(local("2026-01-31 10:00"));
        let id = subscribed(&shop, CarryOver::All, 0).await;
        let first = renewed(&shop, &id, "2026-01-31").await.package.unwrap();
        let hold = shop.hold(shop.hold_lessons("1")).await.unwrap();
        app.clock.set(local("2026-02-28 10:00"));
        let check = v1::RecordRenewalRequest {
            validate_only: true,
            ..paid(app, &id, "2026-02-28")
        };
        let tried = renew(app, check).await.unwrap().carried_over.unwrap();
        assert_eq!((&*tried.id, app.all_packages().await.len()), ("", 1));
        let second = renewed(&shop, &id, "2026-02-28").await;
        let carried = second.carried_over.unwrap();
        assert_eq!(shop.left(&carried.id).await, "3");
        let request = v1::ReleaseRequest {
            request_id: app.request_id(),
            hold_id: hold.hold_id,
            ..Default::default()
        };
        app.credits().release(request).await.unwrap();
        assert_eq!(
            shop.left(&carried.id).await,
            "4",
            "what is free again follows"
        );
        let undo = v1::UndoSaleRequest {
            request_id: app.request_id(),
            sale_id: second.sale.unwrap().id,
            ..Default::default()
        };
        app.packages().undo_sale(undo).await.unwrap();
        let again = renewed(&shop, &id, "2026-02-28").await;
        assert_eq!(again.carried_over, None);
        assert_eq!(again.period.unwrap().carried_over_package_id, carried.id);
        let left = [&first.id, &carried.id, &again.package.unwrap().id];
        let mut lessons = Vec::new();
        for package in left {
            lessons.push(shop.left(package).await);
        }
        assert_eq!(lessons, ["0", "4", "4"]);
        // Both months go on together.
        app.clock.set(local("2026-03-31 10:00"));
        let third = renewed(&shop, &id, "2026-03-31").await;
        assert_eq!(shop.left(&third.carried_over.unwrap().id).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_cap_belongs_to_what_is_capped(#[values(Sqlite)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        for (carry_over, most) in [
            (CarryOver::Capped, 0),
            (CarryOver::All, 1),
            (CarryOver::None, 1),
            (CarryOver::Capped, 1_000_001),
        ] {
            let request = v1::CreateTemplateRequest {
                request_id: app.request_id(),
                template: Some(template(&shop, carry_over, most)),
                ..Default::default()
            };
            let faults = field_faults(app.catalog().create_template(request).await);
            let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
            assert_eq!(fields, ["template.pricing.subscription.carry_over_max"]);
        }
    })
    .await;
}
