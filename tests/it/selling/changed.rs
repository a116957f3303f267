//! What is changed at the sale (A9), through gRPC on both databases.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::ExpirySource;
use carnet::proto::v1::sale_entry::ValidityOverride;
use rstest::rstest;
use tonic::Code;

use super::{refuse_one, refused_entries, sell_one};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, covers, days, euros, until};

fn freestyle(template: v1::Template) -> v1::Template {
    v1::Template {
        selling: Some(v1::SellingRules {
            freestyle: true,
            ..Default::default()
        }),
        ..template
    }
}

/// vcita's: "the price and the expiration of the package can be changed when it is sold".
#[rstest]
#[tokio::test]
async fn vcitas_special_deal_has_its_own_price_and_end_and_keeps_the_list_price(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("10", days(90))).await;
        let mut deal = shop.entry(&template_id);
        deal.price = Some(euros(9_000));
        deal.validity_override = Some(ValidityOverride::Validity(until("2026-12-31")));
        let seller = [Permission::PackagesSell];
        let seller = app.allowed_only(&seller).await;
        let tried = seller.sell_all(vec![deal.clone()]).await;
        let lacking = refused(tried, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(lacking["permission"], "PACKAGES_OVERRIDE_PRICE");
        let (sold, sale) = sell_one(&shop, deal).await;
        let package = shop.package(&sold.id).await;
        assert_eq!(package.list_price, Some(euros(12_000)));
        assert_eq!(package.price, Some(euros(9_000)));
        assert_eq!(package.discount, Some(euros(3_000)));
        assert_eq!(package.last_usable_date, "2026-12-31");
        assert_eq!(package.expiry_source(), ExpirySource::Sale);
        assert_eq!(sale.total, Some(euros(9_000)));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_a_freestyle_template_everything_is_changed_by_whoever_sells(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(freestyle(shop.lessons("8", days(30)))).await;
        let sauna = shop.item("Sauna", "Spa", 900).await;
        let line = |item: &str, quantity: &str| v1::TemplateLine {
            credit_type_id: shop.lesson.clone(),
            quantity: quantity.to_owned(),
            covers: covers(item),
            ..Default::default()
        };
        let entry = v1::SaleEntry {
            price: Some(euros(15_000)),
            lines: vec![line(&shop.swim, "6"), line(&sauna, "2")],
            validity_override: Some(ValidityOverride::Validity(until("2026-12-31"))),
            ..shop.entry(&template_id)
        };
        let seller = app.allowed_only(&[Permission::PackagesSell]).await;
        let answer = seller.sell_all(vec![entry]).await.unwrap();
        let id = answer.results[0].package.as_ref().unwrap().id.clone();
        let package = shop.package(&id).await;
        let quantities: Vec<_> = package.lines.iter().map(|it| &it.quantity).collect();
        assert_eq!(quantities, ["6", "2"]);
        // 150.00 by 6 × 18.00 to 2 × 9.00.
        let worth = package.lines.iter().map(|line| line.lots[0].value.clone());
        assert_eq!(
            worth.collect::<Vec<_>>(),
            [Some(euros(12_857)), Some(euros(2_143))]
        );
        assert_eq!(package.list_price, Some(euros(12_000)));
        assert_eq!(package.discount, Some(euros(-3_000)), "more was agreed");
        assert_eq!(package.last_usable_date, "2026-12-31");
        shop.consume(shop.use_lessons_of(&id, "6")).await.unwrap();
        let tried = shop.consume(shop.use_lessons_of(&id, "1")).await;
        refused(tried, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        // The template and what is sold of it later are as they were.
        let plain = shop.sell(&template_id).await;
        assert_eq!(plain.lines.len(), 1);
        assert_eq!(plain.lines[0].quantity, "8");
        assert_eq!(plain.discount, Some(euros(0)));
        // Any number of it can be sold in one package.
        let double = v1::SaleEntry {
            quantity: 2,
            ..shop.entry(&template_id)
        };
        let (double, _) = sell_one(&shop, double).await;
        assert_eq!(double.lines[0].quantity, "16");
        assert_eq!(double.price, Some(euros(24_000)));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn lines_are_changed_of_freestyle_templates_only_and_checked_like_a_templates(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let plain = shop.offer(shop.lessons("8", days(30))).await;
        let other = v1::TemplateLine {
            quantity: "3".to_owned(),
            ..shop.lessons("8", days(30)).lines[0].clone()
        };
        let entry = v1::SaleEntry {
            lines: vec![other.clone()],
            ..shop.entry(&plain)
        };
        refuse_one(&shop, entry, "TEMPLATE_NOT_FREESTYLE").await;
        let template_id = shop.offer(freestyle(shop.lessons("8", days(30)))).await;
        let with = |change: fn(&mut v1::TemplateLine)| {
            let mut line = other.clone();
            change(&mut line);
            v1::SaleEntry {
                lines: vec![line],
                ..shop.entry(&template_id)
            }
        };
        let unmet = refused_entries(
            shop.try_to_sell(vec![
                with(|line| line.quantity = "0.5".to_owned()),
                with(|line| line.covers.push(line.covers[0].clone())),
                with(|line| line.credit_type_id = "ext:none".to_owned()),
            ])
            .await,
        );
        let reasons: Vec<_> = unmet.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(
            reasons,
            ["AMOUNT_TOO_FINE", "COVERAGE_REPEATED", "NOT_FOUND"]
        );
        assert!(app.all_packages().await.is_empty(), "nothing was sold");
        let faults = field_faults(
            shop.try_to_sell(vec![
                v1::SaleEntry {
                    quantity: 2,
                    ..with(|_| ())
                },
                v1::SaleEntry {
                    quantity: -1,
                    ..with(|line| line.quantity = "none".to_owned())
                },
            ])
            .await,
        );
        let wanted = [
            "entries[0].quantity",
            "entries[1].quantity",
            "entries[1].lines[0].quantity",
            "entries[1].quantity",
        ];
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, wanted);
    })
    .await;
}
