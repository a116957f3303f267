//! Whether another package may be sold beside an earlier one (A10), through gRPC on both databases.

use carnet::proto::v1;
use carnet::proto::v1::{OverlapPolicy, PackageStatus, PaymentMethod};
use chrono::TimeDelta;
use rstest::rstest;

use super::{payment, refuse_one, refused_entries, sell_one};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::shop::{Shop, days};

async fn offer(shop: &Shop, quantity: &str, overlap: OverlapPolicy) -> String {
    let template = v1::Template {
        selling: Some(v1::SellingRules {
            overlap: overlap.into(),
            ..Default::default()
        }),
        ..shop.lessons(quantity, days(30))
    };
    shop.offer(template).await
}

#[rstest]
#[tokio::test]
async fn another_package_is_rejected_while_there_is_something_to_use_in_an_earlier_one(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = offer(&shop, "1", OverlapPolicy::Reject).await;
        let reason = "PACKAGE_OVERLAPS";
        let twice = vec![shop.entry(&template_id), shop.entry(&template_id)];
        let unmet = refused_entries(shop.try_to_sell(twice).await);
        assert_eq!(unmet, [("entries[1]".to_owned(), reason.to_owned())]);
        let first = shop.sell(&template_id).await;
        refuse_one(&shop, shop.entry(&template_id), reason).await;
        // Of another customer or of another template it is no matter.
        let other = v1::SaleEntry {
            customer_id: shop.customer("Jaan Kask").await,
            ..shop.entry(&template_id)
        };
        sell_one(&shop, other).await;
        shop.sell_lessons("1", days(30)).await;
        // Used up, though unpaid or not: the next one is sold.
        shop.consume(shop.use_lessons_of(&first.id, "1"))
            .await
            .unwrap();
        let unpaid = v1::SaleEntry {
            payment: None,
            ..shop.entry(&template_id)
        };
        sell_one(&shop, unpaid).await;
        refuse_one(&shop, shop.entry(&template_id), reason).await;
        // So it is once that one has expired, at the very instant and though no job has run.
        app.clock.advance(TimeDelta::days(31));
        let third = v1::SaleEntry {
            start_date: "2026-03-01".to_owned(),
            ..shop.entry(&template_id)
        };
        let (third, _) = sell_one(&shop, third).await;
        assert_eq!(third.status(), PackageStatus::Upcoming);
        refuse_one(&shop, shop.entry(&template_id), reason).await;
    })
    .await;
}

/// Flight Schedule Pro's: a package is not sold again before it is used and paid.
#[rstest]
#[tokio::test]
async fn flight_schedule_pro_sells_no_second_package_before_the_first_is_used_and_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = offer(&shop, "2", OverlapPolicy::RejectUntilComplete).await;
        let reason = "PACKAGE_NOT_COMPLETE";
        let paid = shop.sell(&template_id).await;
        refuse_one(&shop, shop.entry(&template_id), reason).await;
        let use_all = async |id: &str| {
            shop.consume(shop.use_lessons_of(id, "2")).await.unwrap();
        };
        use_all(&paid.id).await;
        let mut unpaid = shop.entry(&template_id);
        unpaid.payment = Some(payment(PaymentMethod::Cash, Some(11_999)));
        let (unpaid, _) = sell_one(&shop, unpaid).await;
        use_all(&unpaid.id).await;
        assert_eq!(
            shop.package(&unpaid.id).await.status(),
            PackageStatus::UsedUp
        );
        refuse_one(&shop, shop.entry(&template_id), reason).await;
        app.clock.advance(TimeDelta::days(31));
        refuse_one(&shop, shop.entry(&template_id), reason).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_paid_package_that_expired_is_not_in_the_way(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        for overlap in [OverlapPolicy::Reject, OverlapPolicy::RejectUntilComplete] {
            let template_id = offer(&shop, "2", overlap).await;
            shop.sell(&template_id).await;
            app.clock.advance(TimeDelta::days(31));
            shop.sell(&template_id).await;
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_many_sales_to_one_customer_at_once_one_is_made(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = offer(&shop, "2", OverlapPolicy::Reject).await;
        let tries = (0..8).map(|_| shop.try_to_sell(vec![shop.entry(&template_id)]));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
        for result in results.into_iter().filter(Result::is_err) {
            assert_eq!(refused_entries(result)[0].1, "PACKAGE_OVERLAPS");
        }
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}
