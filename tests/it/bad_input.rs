//! Bad input: every fault is told at once, by the path of its field, and nothing is half done.

mod pages;
mod values;

use carnet::proto::v1;
use carnet::proto::v1::extend_package_request::NewExpiry;
use carnet::proto::v1::sale_entry::{Payment, ValidityOverride};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, covers, days, euros, until};

/// The paths of all faults that a call was refused for, sorted.
#[track_caller]
fn faulty<T: std::fmt::Debug>(result: Result<T, Status>) -> Vec<String> {
    let mut paths: Vec<_> = field_faults(result).into_iter().map(|it| it.0).collect();
    paths.sort_unstable();
    paths
}

#[rstest]
#[tokio::test]
async fn all_faults_of_a_use_are_told_at_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let request = v1::ConsumeRequest {
            request_id: "once".to_owned(),
            customer_id: "nobody".to_owned(),
            what: Some(v1::consume_request::What::Item(v1::ItemUnits {
                item_id: String::new(),
                units: "-1".to_owned(),
            })),
            package_ids: vec!["x".to_owned(), "ext:".to_owned(), "cus_1".to_owned()],
            delivered_at: Some(prost_types::Timestamp {
                seconds: 0,
                nanos: 1,
            }),
            consumed_by: "usr_".to_owned(),
            note: "a\u{7}b".to_owned(),
            validate_only: false,
        };
        let paths = faulty(app.credits().consume(request).await);
        let wanted = [
            "consumed_by",
            "customer_id",
            "delivered_at",
            "item.item_id",
            "item.units",
            "note",
            "package_ids[0]",
            "package_ids[1]",
            "package_ids[2]",
            "request_id",
        ];
        assert_eq!(paths, wanted);
        let empty = app.credits().consume(v1::ConsumeRequest::default()).await;
        assert_eq!(faulty(empty), ["customer_id", "request_id", "what"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_faults_of_a_sale_are_told_at_once_by_their_entries(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let period = v1::ValidityPeriod::default();
        let bad = v1::SaleEntry {
            customer_id: "tpl_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            template_id: String::new(),
            external_id: "x".repeat(129),
            start_date: "31.12.2026".to_owned(),
            validity_override: Some(ValidityOverride::Validity(v1::Validity {
                rule: Some(v1::validity::Rule::Period(period)),
            })),
            price: Some(v1::Money {
                currency_code: "USD".to_owned(),
                minor_units: -1,
            }),
            payment: Some(Payment::Recorded(v1::RecordedPayment {
                method: 99,
                amount: Some(euros(0)),
                reference: "r".repeat(201),
            })),
            note: "n".repeat(2_001),
            quantity: 1_000_001,
            lines: vec![v1::TemplateLine::default()],
            ..Default::default()
        };
        let request = v1::SellPackagesRequest {
            request_id: String::new(),
            entries: vec![shop.entry("ext:standard"), bad],
            validate_only: true,
        };
        let paths = faulty(app.packages().sell_packages(request).await);
        let wanted = [
            "entries[1].customer_id",
            "entries[1].external_id",
            "entries[1].lines[0].credit_type_id",
            "entries[1].lines[0].quantity",
            "entries[1].note",
            "entries[1].price.currency_code",
            "entries[1].price.minor_units",
            "entries[1].quantity",
            "entries[1].quantity",
            "entries[1].recorded.amount.minor_units",
            "entries[1].recorded.method",
            "entries[1].recorded.reference",
            "entries[1].start_date",
            "entries[1].template_id",
            "entries[1].validity.period.anchor",
            "entries[1].validity.period.count",
            "entries[1].validity.period.unit",
            "request_id",
        ];
        assert_eq!(paths, wanted);
        let mut twice = shop.entry("ext:standard");
        twice.external_id = "till-1".to_owned();
        let result = shop.try_to_sell(vec![twice.clone(), twice]).await;
        assert_eq!(faulty(result), ["entries[1].external_id"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_faults_of_a_gift_and_of_an_extension_are_told_at_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let gift = v1::IssueRequest {
            request_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            gift: Some(v1::issue_request::Gift::Credits(v1::CreditGift {
                credit_type_id: "ctp".to_owned(),
                amount: "NaN".to_owned(),
                covers: vec![
                    v1::Coverage::default(),
                    v1::Coverage {
                        target: Some(v1::coverage::Target::Category(" ".to_owned())),
                        credits_per_unit: "0".to_owned(),
                    },
                ],
            })),
            name: "a\nb".to_owned(),
            validity: Some(v1::Validity::default()),
            ..Default::default()
        };
        let paths = faulty(app.credits().issue(gift).await);
        let wanted = [
            "credits.amount",
            "credits.covers[0].target",
            "credits.covers[1].category",
            "credits.covers[1].credits_per_unit",
            "credits.credit_type_id",
            "customer_id",
            "name",
            "reason",
            "request_id",
            "validity.rule",
        ];
        assert_eq!(paths, wanted);
        let extension = v1::ExtendPackageRequest {
            package_id: "lot_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
            new_expiry: Some(NewExpiry::By(v1::Period { count: -3, unit: 9 })),
            bonuses: vec![v1::BonusCredits::default()],
            reason: "\u{202e}".to_owned(),
            ..Default::default()
        };
        let paths = faulty(app.packages().extend_package(extension).await);
        let wanted = [
            "bonuses[0].amount",
            "bonuses[0].line_id",
            "by.count",
            "by.unit",
            "package_id",
            "reason",
            "request_id",
        ];
        assert_eq!(paths, wanted);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn ids_that_are_malformed_unknown_or_anothers_are_told_apart_from_one_another_only_by_form(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let foreign = app.second_business().await;
        let theirs = Shop::open(&foreign).await;
        let template_id = theirs.offer(theirs.lessons("8", days(30))).await;
        let their_package = theirs.sell(&template_id).await;
        let their_user = foreign.user("Coach Toomas").await;
        let mut requests = Vec::new();
        let mut with = |change: &dyn Fn(&mut v1::ConsumeRequest)| {
            let mut request = shop.use_lessons("1");
            change(&mut request);
            requests.push(request);
        };
        let item = |item_id: &str| {
            let item_id = item_id.to_owned();
            let units = String::new();
            Some(v1::consume_request::What::Item(v1::ItemUnits {
                item_id,
                units,
            }))
        };
        with(&|request| request.customer_id.clone_from(&theirs.customer));
        with(&|request| request.customer_id = "cus_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned());
        with(&|request| request.package_ids = vec![package.id.clone(), their_package.id.clone()]);
        with(&|request| request.package_ids = vec!["ext:nothing".to_owned()]);
        with(&|request| request.consumed_by.clone_from(&their_user));
        with(&|request| request.what = item(&theirs.swim));
        with(&|request| request.what = item("itm_01jd0c5hqbf9bvxk2mqnz8s6wt"));
        with(&|request| {
            request.what = Some(v1::consume_request::What::Credits(v1::CreditAmount {
                credit_type_id: theirs.lesson.clone(),
                amount: "1".to_owned(),
            }));
        });
        for request in requests {
            let named = format!("{request:?}");
            let names = refused(shop.consume(request).await, Code::NotFound, "NOT_FOUND");
            assert!(named.contains(&names["id"]), "{names:?}");
        }
        let mut gift = v1::IssueRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            gift: Some(v1::issue_request::Gift::Credits(v1::CreditGift {
                credit_type_id: shop.lesson.clone(),
                amount: "1".to_owned(),
                covers: covers(&theirs.swim),
            })),
            reason: "Welcome".to_owned(),
            ..Default::default()
        };
        let result = app.credits().issue(gift.clone()).await;
        refused(result, Code::NotFound, "NOT_FOUND");
        gift.gift = Some(v1::issue_request::Gift::TemplateId(template_id));
        let result = app.credits().issue(gift).await;
        refused(result, Code::NotFound, "NOT_FOUND");
        for theirs in [
            v1::ListPackagesRequest {
                customer_id: theirs.customer.clone(),
                ..Default::default()
            },
            v1::ListPackagesRequest {
                template_id: their_package.template_id.clone(),
                ..Default::default()
            },
            v1::ListPackagesRequest {
                group_id: "grp_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned(),
                ..Default::default()
            },
        ] {
            let result = app.packages().list_packages(theirs).await;
            refused(result, Code::NotFound, "NOT_FOUND");
        }
        let their_sale = v1::GetSaleRequest {
            sale_id: their_package.sale_id,
        };
        let result = app.packages().get_sale(their_sale).await;
        refused(result, Code::NotFound, "NOT_FOUND");
        for malformed in [
            "1",
            "pkg_",
            "pkg_81jd0c5hqbf9bvxk2mqnz8s6wt",
            "PKG_x",
            &shop.customer,
        ] {
            let request = v1::GetPackageRequest {
                package_id: malformed.to_owned(),
            };
            let result = app.packages().get_package(request).await;
            assert_eq!(faulty(result), ["package_id"], "{malformed}");
        }
        assert_eq!(shop.package(&package.id).await, package);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_empty_package_of_another_item_does_not_cover_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let massage = shop.item("Massage", "Spa", 6_000).await;
        let mut template = shop.lessons("1", until("2026-01-31"));
        template.lines[0].covers = covers(&massage);
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        let mut emptying = shop.use_lessons_of(&package.id, "1");
        emptying.what = Some(v1::consume_request::What::Item(v1::ItemUnits {
            item_id: massage,
            units: String::new(),
        }));
        shop.consume(emptying).await.unwrap();
        let swimming = shop.use_lessons_of(&package.id, "1");
        let result = shop.consume(swimming.clone()).await;
        let names = refused(result, Code::FailedPrecondition, "ITEM_NOT_COVERED");
        assert_eq!(
            (&names["item_id"], &names["package_id"]),
            (&shop.swim, &package.id)
        );
        app.clock.advance(chrono::TimeDelta::days(60));
        let result = shop.consume(swimming).await;
        refused(result, Code::FailedPrecondition, "ITEM_NOT_COVERED");
    })
    .await;
}
