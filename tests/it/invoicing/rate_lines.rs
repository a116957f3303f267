//! Rate lines (A4, semantics 32) in the catalogue and in packages.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{LineKind, Reason};
use chrono::TimeDelta;
use rstest::rstest;

use super::desk::Desk;
use super::{REFUSED, open};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{covers, days, euros};

impl Desk {
    /// A line that prices so many lessons at so many cents each.
    pub(super) fn lessons_at_rate(&self, quantity: &str, cents: i64) -> v1::TemplateLine {
        v1::TemplateLine {
            kind: LineKind::Rate.into(),
            credit_type_id: self.shop.lesson.clone(),
            quantity: quantity.to_owned(),
            covers: covers(&self.shop.swim),
            package_rate: Some(euros(cents)),
            ..Default::default()
        }
    }

    /// Sells the customer a package for 99.00 that prices so many lessons at so many cents each.
    pub(super) async fn sell_rate(
        &self,
        (quantity, cents): (&str, i64),
        validity: v1::Validity,
    ) -> v1::Package {
        let template = v1::Template {
            name: "Club".to_owned(),
            price: Some(euros(9_900)),
            lines: vec![self.lessons_at_rate(quantity, cents)],
            ..self.shop.lessons(quantity, validity)
        };
        self.shop.sell(&self.shop.offer(template).await).await
    }

    async fn usable(&self, app: &TestApp) -> Vec<v1::UsablePackage> {
        let request = v1::ListUsablePackagesRequest {
            customer_id: self.shop.customer.clone(),
            items: vec![v1::ItemUnits {
                item_id: self.shop.swim.clone(),
                units: "1".to_owned(),
            }],
            ..Default::default()
        };
        let answer = app.credits().list_usable_packages(request).await.unwrap();
        answer.into_inner().packages
    }
}

#[rstest]
#[tokio::test]
async fn a4_a_rate_line_is_sold_into_a_lot_that_is_worth_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let mut template = desk.shop.lessons("2", days(30));
        let rate = desk.lessons_at_rate("10", 1_500);
        template.lines.insert(0, rate.clone());
        let template_id = desk.shop.offer(template).await;
        let request = v1::GetTemplateRequest {
            template_id: template_id.clone(),
        };
        let answer = app.catalog().get_template(request).await.unwrap();
        let offered = answer.into_inner().template.unwrap();
        assert_eq!(offered.lines[0].kind(), LineKind::Rate);
        assert_eq!(offered.lines[0].package_rate, rate.package_rate);
        assert_eq!(offered.lines[1].package_rate, None);
        let package = desk.shop.sell(&template_id).await;
        let [rated, prepaid] = &package.lines[..] else {
            panic!("{package:?}");
        };
        assert_eq!(
            (rated.kind(), rated.package_rate.as_ref()),
            (LineKind::Rate, Some(&euros(1_500)))
        );
        // All that was paid pays for what is prepaid.
        assert_eq!(rated.lots[0].value, Some(euros(0)));
        assert_eq!(prepaid.lots[0].value, package.net_price);
        let only_rates = desk.sell_rate(("4", 1_600), days(30)).await;
        assert_eq!(only_rates.net_price, Some(euros(9_900)));
        assert_eq!(only_rates.lines[0].lots[0].value, Some(euros(0)));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_32_credits_of_a_rate_line_never_pay(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("10", 1_500), days(30)).await;
        let shop = &desk.shop;
        let named = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        let said = refused(named, REFUSED, "RATE_NEVER_PAYS");
        assert_eq!(said["package_id"], package.id);
        let unnamed = shop.consume(shop.use_lessons("1")).await;
        let numbers = refused(unnamed, REFUSED, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "0");
        let by_hand = v1::ConsumeRequest {
            what: Some(v1::consume_request::What::Credits(v1::CreditAmount {
                credit_type_id: shop.lesson.clone(),
                amount: "1".to_owned(),
            })),
            ..shop.use_lessons_of(&package.id, "1")
        };
        refused(shop.consume(by_hand).await, REFUSED, "RATE_NEVER_PAYS");
        let held = shop.hold(shop.hold_lessons_of(&package.id, "1")).await;
        refused(held, REFUSED, "RATE_NEVER_PAYS");
        let draft = desk.draft("1").await;
        refused(
            desk.apply(&draft, "1").await,
            REFUSED,
            "INSUFFICIENT_CREDITS",
        );
        let usable = desk.usable(app).await;
        assert_eq!((usable[0].usable, usable[0].recommended), (false, false));
        assert_eq!(usable[0].reason(), Reason::RateNeverPays);
        let line = &usable[0].lines[0];
        assert_eq!(
            (
                line.kind(),
                line.available.as_str(),
                line.package_rate.as_ref()
            ),
            (LineKind::Rate, "10", Some(&euros(1_500)))
        );
        // Beside it something prepaid pays as ever.
        shop.sell_lessons("1", days(60)).await;
        assert!(desk.usable(app).await[0].usable);
        shop.consume(shop.use_lessons("1")).await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn units_of_a_rate_line_end_with_their_package_and_come_back_with_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("10", 1_500), days(3)).await;
        app.clock.advance(TimeDelta::days(5));
        settle::step(app.context()).await.unwrap();
        let expired = desk.shop.package(&package.id).await;
        assert_eq!(expired.status(), v1::PackageStatus::Expired);
        assert_eq!(expired.lines[0].balances.as_ref().unwrap().expired, "10");
        let last_day =
            v1::extend_package_request::NewExpiry::LastUsableDate("2026-03-01".to_owned());
        let extending = v1::ExtendPackageRequest {
            request_id: desk.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(last_day),
            ..Default::default()
        };
        app.packages().extend_package(extending).await.unwrap();
        assert_eq!(desk.shop.left(&package.id).await, "10");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn units_are_added_to_a_rate_line_for_nothing_only(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = open(app).await;
        let package = desk.sell_rate(("10", 1_500), days(30)).await;
        let adding = |cents| v1::AdjustRequest {
            request_id: desk.request_id(),
            package_id: package.id.clone(),
            line_id: package.lines[0].id.clone(),
            change: Some(v1::adjust_request::Change::Add("2".to_owned())),
            value: Some(euros(cents)),
            reason: "counted again".to_owned(),
            ..Default::default()
        };
        let for_money = app.credits().adjust(adding(100)).await;
        let said = refused(for_money, REFUSED, "RATE_UNITS_WORTH_NOTHING");
        assert_eq!(said["line_id"], package.lines[0].id);
        app.credits().adjust(adding(0)).await.unwrap();
        assert_eq!(desk.shop.left(&package.id).await, "12");
        // Nor does another price make them worth something.
        let repricing = v1::UpdatePackageRequest {
            request_id: desk.request_id(),
            package_id: package.id.clone(),
            edit: Some(v1::PackageEdit {
                price: Some(euros(19_900)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = app.packages().update_package(repricing).await;
        refused(answer, REFUSED, "NOTHING_TO_REVALUE");
    })
    .await;
}
