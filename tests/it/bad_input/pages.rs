//! Lists and messages out of their bounds: entries, page sizes, tokens of other lists, bytes.

use carnet::proto::v1;
use carnet::proto::v1::list_entries_request::Scope;
use rstest::rstest;
use tonic::Code;

use super::faulty;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::shop::{Shop, days};

#[rstest]
#[tokio::test]
async fn five_hundred_entries_are_sold_at_once_and_one_more_is_not(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let entries = vec![shop.entry(&template_id); 501];
        let result = shop.try_to_sell(entries.clone()).await;
        assert_eq!(faulty(result), ["entries"]);
        assert_eq!(faulty(shop.try_to_sell(Vec::new()).await), ["entries"]);
        let sold = shop.try_to_sell(entries[..500].to_vec()).await.unwrap();
        let sold = sold.into_inner();
        assert_eq!((sold.results.len(), sold.sales.len()), (500, 1));
        let total = sold.sales[0].total.as_ref().unwrap().minor_units;
        assert_eq!(total, 500 * 12_000);
        // All of them can pay for one use, and all of them refuse to be named in one.
        let used = shop.consume(shop.use_lessons("4000")).await.unwrap();
        assert_eq!(used.parts.len(), 500);
        let mut naming = shop.use_lessons("1");
        let ids = sold.results.into_iter().take(21);
        naming.package_ids = ids.map(|result| result.package.unwrap().id).collect();
        assert_eq!(faulty(shop.consume(naming).await), ["package_ids"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_page_has_1_to_200_rows_and_its_other_faults_are_told_with_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        for page_size in [-1, 201, i32::MIN, i32::MAX] {
            let entries = v1::ListEntriesRequest {
                scope: Some(Scope::PackageId("x".to_owned())),
                page_size,
                page_token: "x".to_owned(),
                ..Default::default()
            };
            let result = app.credits().list_entries(entries).await;
            assert_eq!(faulty(result), ["package_id", "page_size", "page_token"]);
            let changes = v1::ListChangesRequest {
                page_size,
                ..Default::default()
            };
            let result = app.packages().list_changes(changes).await;
            assert_eq!(faulty(result), ["package_id", "page_size"]);
            let customers = v1::ListCustomersRequest {
                page_size,
                query: "q".repeat(101),
                ..Default::default()
            };
            let result = app.customers().list_customers(customers).await;
            assert_eq!(faulty(result), ["page_size", "query"]);
            let usable = v1::ListUsablePackagesRequest {
                page_size,
                items: vec![v1::ItemUnits::default(); 51],
                at: Some(prost_types::Timestamp {
                    seconds: i64::MAX,
                    nanos: 0,
                }),
                ..Default::default()
            };
            let result = app.credits().list_usable_packages(usable).await;
            assert_eq!(faulty(result), ["at", "customer_id", "items", "page_size"]);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_token_leads_on_only_in_its_own_list_with_its_own_filters(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        for _ in 0..3 {
            shop.sell(&template_id).await;
        }
        let mari = std::mem::take(&mut shop.customer);
        shop.customer = shop.customer("Jaan Kask").await;
        shop.sell(&template_id).await;
        let of_mari = v1::ListPackagesRequest {
            page_size: 1,
            customer_id: mari.clone(),
            ..Default::default()
        };
        let first = app.packages().list_packages(of_mari.clone()).await.unwrap();
        let token = first.into_inner().next_page_token;
        assert!(!token.is_empty());
        let with_other_filter = v1::ListPackagesRequest {
            customer_id: shop.customer.clone(),
            page_token: token.clone(),
            ..of_mari.clone()
        };
        let result = app.packages().list_packages(with_other_filter).await;
        assert_eq!(faulty(result), ["page_token"]);
        let of_other_list = v1::ListEntriesRequest {
            scope: Some(Scope::CustomerId(mari)),
            page_size: 1,
            page_token: token.clone(),
            ..Default::default()
        };
        let result = app.credits().list_entries(of_other_list).await;
        assert_eq!(faulty(result), ["page_token"]);
        let longer_pages = v1::ListPackagesRequest {
            page_size: 200,
            page_token: token.clone(),
            ..of_mari
        };
        let rest = app.packages().list_packages(longer_pages).await.unwrap();
        assert_eq!(rest.into_inner().packages.len(), 2);
        for bad in [
            "x",
            "e30",
            "====",
            &token[..token.len() - 2],
            &"A".repeat(3_000),
        ] {
            let request = v1::ListPackagesRequest {
                page_token: bad.to_owned(),
                ..Default::default()
            };
            let result = app.packages().list_packages(request).await;
            assert_eq!(faulty(result), ["page_token"], "{bad}");
        }
        // In another business the token of one is worth nothing that the other could see.
        let all = v1::ListPackagesRequest {
            page_size: 1,
            ..Default::default()
        };
        let first = app.packages().list_packages(all.clone()).await.unwrap();
        let first = first.into_inner();
        let foreign = app.second_business().await;
        let theirs = Shop::open(&foreign).await;
        let their_package = theirs.sell_lessons("8", days(30)).await;
        let elsewhere = v1::ListPackagesRequest {
            page_token: first.next_page_token,
            ..all
        };
        let found = foreign.packages().list_packages(elsewhere).await.unwrap();
        let found = found.into_inner().packages;
        assert!(found.iter().all(|package| package.id == their_package.id));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_message_of_over_4_mebibytes_is_not_read(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut request = shop.use_lessons("1");
        request.note = "n".repeat(4 * 1024 * 1024 - 1_000);
        assert_eq!(faulty(shop.consume(request.clone()).await), ["note"]);
        request.note = "n".repeat(4 * 1024 * 1024 + 1);
        let status = shop.consume(request).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
        // The connection is still good.
        let package = shop.sell_lessons("8", days(30)).await;
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}
