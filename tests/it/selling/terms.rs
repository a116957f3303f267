//! What a sale decides once and for all: buyers, validity, names, and the version of the template.

use carnet::proto::v1;
use carnet::proto::v1::ExpirySource;
use carnet::proto::v1::sale_entry::ValidityOverride;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use tonic::Code;

use super::{refuse_one, sell_one};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, covers, days, euros, never, until};
use crate::support::steps::mask;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[rstest]
#[tokio::test]
async fn the_entries_of_one_customer_are_one_sale(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mari = shop.entry(&template_id);
        shop.customer = shop.customer("Jaan Kask").await;
        let jaan = shop.entry(&template_id);
        let entries = vec![mari.clone(), jaan.clone(), mari.clone()];
        let answer = shop.try_to_sell(entries).await.unwrap().into_inner();
        let sales = &answer.sales;
        let buyers: Vec<_> = sales.iter().map(|sale| &sale.customer_id).collect();
        assert_eq!(buyers, [&mari.customer_id, &jaan.customer_id]);
        let package_ids: Vec<_> = answer
            .results
            .iter()
            .map(|result| result.package.clone().unwrap().id)
            .collect();
        let [first, second, third] = package_ids.as_slice() else {
            panic!("three packages: {package_ids:?}");
        };
        assert_eq!(sales[0].package_ids, [first.clone(), third.clone()]);
        assert_eq!(sales[1].package_ids, std::slice::from_ref(second));
        assert_eq!(sales[0].total, Some(euros(24_000)));
        assert_eq!(sales[0].money.len(), 2);
        for (result, index) in answer.results.iter().zip(0..) {
            assert_eq!(result.index, index);
            let sale = app.sale(&result.sale_id).await;
            let package = result.package.as_ref().unwrap();
            assert!(sale.package_ids.contains(&package.id));
            assert_eq!(package.sale_id, sale.id);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_sale_decides_the_end_before_the_template_and_that_before_the_credit_type(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let credit_type = v1::CreditType {
            name: "visit".to_owned(),
            default_validity: Some(days(10)),
            ..Default::default()
        };
        let request = v1::CreateCreditTypeRequest {
            credit_type: Some(credit_type),
            ..Default::default()
        };
        let made = app.catalog().create_credit_type(request).await.unwrap();
        shop.lesson = made.into_inner().credit_type.unwrap().id;
        let of_template = shop.offer(shop.lessons("8", days(20))).await;
        let of_type = v1::Template {
            validity: None,
            ..shop.lessons("8", never())
        };
        let of_type = shop.offer(of_type).await;
        let with_rule = v1::SaleEntry {
            validity_override: Some(ValidityOverride::Validity(days(40))),
            ..shop.entry(&of_template)
        };
        let instant = at("2026-02-01T09:30:00Z");
        let with_instant = v1::SaleEntry {
            validity_override: Some(ValidityOverride::ExpiresAt(
                carnet::grpc::faults::timestamp(instant),
            )),
            ..shop.entry(&of_template)
        };
        // The sale is on 15 January.
        let cases = [
            (with_rule, ExpirySource::Sale, "2026-02-24"),
            (with_instant, ExpirySource::Sale, "2026-02-01"),
            (
                shop.entry(&of_template),
                ExpirySource::Template,
                "2026-02-04",
            ),
            (shop.entry(&of_type), ExpirySource::CreditType, "2026-01-25"),
        ];
        for (entry, source, last_usable_date) in cases {
            let (package, _) = sell_one(&shop, entry).await;
            assert_eq!(package.expiry_source(), source);
            assert_eq!(package.last_usable_date, last_usable_date);
        }
        let mut forever = shop.entry(&of_template);
        forever.validity_override = Some(ValidityOverride::Validity(never()));
        let (package, _) = sell_one(&shop, forever).await;
        assert_eq!(package.expires_at, None, "the template's end is overruled");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn until_31_december_is_usable_through_that_day_and_then_no_longer_sold(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", until("2026-12-31"))).await;
        // New Year in Tallinn.
        let end = at("2026-12-31T22:00:00Z");
        app.clock.set(end - TimeDelta::microseconds(1));
        let package = shop.sell(&template_id).await;
        assert_eq!(package.last_usable_date, "2026-12-31");
        assert_eq!(package.expires_at.unwrap().seconds, end.timestamp());
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        app.clock.set(end);
        let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        refused(used, Code::FailedPrecondition, "PACKAGE_EXPIRED");
        let late = shop.entry(&template_id);
        refuse_one(&shop, late, "VALIDITY_IMPOSSIBLE").await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn everything_can_be_named_by_the_clients_own_ids(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let customer = v1::Customer {
            id: shop.customer.clone(),
            external_id: "crm 7".to_owned(),
            ..Default::default()
        };
        app.change_customer(customer, &["external_id"]).await;
        let template = v1::Template {
            external_id: "standard-8".to_owned(),
            ..shop.lessons("8", days(30))
        };
        shop.offer(template).await;
        let entry = v1::SaleEntry {
            customer_id: "ext:crm 7".to_owned(),
            template_id: "ext:standard-8".to_owned(),
            external_id: "receipt-99".to_owned(),
            ..shop.entry("")
        };
        let (package, _) = sell_one(&shop, entry.clone()).await;
        assert_eq!(package.customer_id, shop.customer);
        assert_eq!(package.external_id, "receipt-99");
        assert_eq!(shop.package("ext:receipt-99").await, package);
        let request = shop.use_lessons_of("ext:receipt-99", "1");
        let used = shop.consume(request).await.unwrap();
        assert_eq!(used.parts[0].package_id, package.id);
        refuse_one(&shop, entry.clone(), "EXTERNAL_ID_TAKEN").await;
        // Another business has names of its own.
        let foreign = app.second_business().await;
        let theirs = Shop::open(&foreign).await;
        let mine = theirs.offer(theirs.lessons("8", days(30))).await;
        let same = v1::SaleEntry {
            external_id: "receipt-99".to_owned(),
            ..theirs.entry(&mine)
        };
        sell_one(&theirs, same).await;
        refuse_one(&theirs, entry, "NOT_FOUND").await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn trying_a_sale_keeps_nothing_and_shows_no_ids(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut entry = shop.entry(&template_id);
        entry.external_id = "till-1".to_owned();
        let mut request = v1::SellPackagesRequest {
            request_id: app.request_id(),
            entries: vec![entry],
            validate_only: true,
        };
        let tried = app.packages().sell_packages(request.clone()).await.unwrap();
        let tried = tried.into_inner();
        let package = tried.results[0].package.clone().unwrap();
        assert_eq!(package.last_usable_date, "2026-02-14");
        assert_eq!(package.lines[0].lots[0].value, Some(euros(12_000)));
        let ids = [
            &package.id,
            &package.sale_id,
            &package.lines[0].lots[0].id,
            &tried.results[0].sale_id,
            &tried.sales[0].id,
        ];
        assert_eq!(ids, [""; 5]);
        assert!(tried.sales[0].package_ids.is_empty());
        assert_eq!(app.all_packages().await, []);
        request.validate_only = false;
        let sold = app.packages().sell_packages(request).await.unwrap();
        assert!(!sold.into_inner().replayed, "the id of a trial is unused");
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_keeps_the_version_that_it_was_sold_with(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let massage = shop.item("Massage", "Spa", 6_000).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let old = shop.sell(&template_id).await;
        let mut edited = v1::Template {
            id: template_id.clone(),
            name: "Standard plus".to_owned(),
            price: Some(euros(20_000)),
            ..shop.lessons("10", days(60))
        };
        edited.lines[0].covers = covers(&massage);
        let request = v1::UpdateTemplateRequest {
            template: Some(edited),
            update_mask: Some(mask(&["name", "price", "validity", "lines"])),
            ..Default::default()
        };
        app.catalog().update_template(request).await.unwrap();
        assert_eq!(shop.package(&old.id).await, old);
        shop.consume(shop.use_lessons_of(&old.id, "1"))
            .await
            .unwrap();
        let new = shop.sell(&template_id).await;
        assert_eq!((old.template_version, new.template_version), (1, 2));
        assert_eq!(
            (old.name.as_str(), new.name.as_str()),
            ("Standard", "Standard plus")
        );
        assert_eq!(new.list_price, Some(euros(20_000)));
        let used = shop.consume(shop.use_lessons_of(&new.id, "1")).await;
        refused(used, Code::FailedPrecondition, "ITEM_NOT_COVERED");
        assert_eq!(shop.left(&new.id).await, "10");
    })
    .await;
}
