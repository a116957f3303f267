//! Quantities, tiers and quotes (A7, A8), through gRPC on both databases.

use carnet::proto::v1;
use rstest::rstest;
use tonic::{Code, Status};

use super::{refuse_one, sell_one};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, covers, days, euros};

/// A quantity to choose.
pub(super) fn chosen(minimum: i32, maximum: i32, step: i32) -> v1::TemplatePricing {
    v1::TemplatePricing {
        quantity: Some(v1::QuantityChoice {
            minimum,
            maximum,
            step,
        }),
        ..Default::default()
    }
}

fn tier(minimum_quantity: i32, cents: i64) -> v1::PriceTier {
    v1::PriceTier {
        minimum_quantity,
        unit_price: Some(euros(cents)),
    }
}

/// Simplero's: at least 2 credits at 50.00 each, from 10 on at 40.00 each.
fn simplero(shop: &Shop) -> v1::Template {
    v1::Template {
        price: Some(euros(5_000)),
        pricing: Some(v1::TemplatePricing {
            tiers: vec![tier(10, 4_000)],
            ..chosen(2, 0, 0)
        }),
        ..shop.lessons("1", days(30))
    }
}

async fn quote(shop: &Shop, template_id: &str, quantity: i32) -> Result<v1::Quote, Status> {
    let request = v1::QuoteRequest {
        template_id: template_id.to_owned(),
        quantity,
    };
    let answer = shop.tenant.catalog().quote(request).await?;
    Ok(answer.into_inner().quote.unwrap())
}

fn minor(money: Option<&v1::Money>) -> i64 {
    money.unwrap().minor_units
}

#[rstest]
#[tokio::test]
async fn two_credits_are_at_fifty_and_ten_at_forty_each(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(simplero(&shop)).await;
        for (quantity, unit, total, left) in [
            (0, 5_000, 10_000, "2"),
            (9, 5_000, 45_000, "9"),
            (10, 4_000, 40_000, "10"),
            (12, 4_000, 48_000, "12"),
        ] {
            let quoted = quote(&shop, &template_id, quantity).await.unwrap();
            assert_eq!(minor(quoted.unit_price.as_ref()), unit, "{quantity}");
            assert_eq!(minor(quoted.total.as_ref()), total, "{quantity}");
            assert_eq!(quoted.tier.is_some(), unit == 4_000);
            let next = quoted.next_cheaper;
            let next = next.map(|next| (next.quantity, minor(next.total.as_ref())));
            assert_eq!(next, (unit == 5_000).then_some((10, 40_000)));
            let mut entry = shop.entry(&template_id);
            entry.quantity = quantity;
            let (package, sale) = sell_one(&shop, entry).await;
            assert_eq!(package.lines[0].quantity, left);
            assert_eq!(shop.left(&package.id).await, left);
            assert_eq!(minor(package.list_price.as_ref()), total);
            assert_eq!(minor(package.discount.as_ref()), 0);
            assert_eq!(minor(sale.total.as_ref()), total);
            let used = shop.consume(shop.use_lessons_of(&package.id, "2")).await;
            let worth = minor(used.unwrap().parts[0].value.as_ref());
            assert_eq!(worth, 2 * unit, "what is used is worth what it cost");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_quantity_that_is_not_offered_is_refused_with_the_numbers(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut template = shop.lessons("1", days(30));
        template.pricing = Some(chosen(2, 8, 3));
        let template_id = shop.offer(template).await;
        let fixed = shop.offer(shop.lessons("8", days(30))).await;
        for (template_id, quantity, reason, numbers) in [
            (
                &template_id,
                1,
                "QUANTITY_BELOW_MINIMUM",
                vec![("quantity", "1"), ("minimum", "2")],
            ),
            (
                &template_id,
                9,
                "QUANTITY_ABOVE_MAXIMUM",
                vec![("quantity", "9"), ("maximum", "8")],
            ),
            (
                &template_id,
                4,
                "QUANTITY_OFF_STEP",
                vec![("quantity", "4"), ("minimum", "2"), ("step", "3")],
            ),
            (
                &fixed,
                2,
                "QUANTITY_FIXED",
                vec![("quantity", "2"), ("template_id", &fixed)],
            ),
        ] {
            let tried = quote(&shop, template_id, quantity).await;
            let told = refused(tried, Code::FailedPrecondition, reason);
            for (name, number) in numbers {
                assert_eq!(told[name], number, "{reason}");
            }
            let mut entry = shop.entry(template_id);
            entry.quantity = quantity;
            refuse_one(&shop, entry, reason).await;
        }
        let mut entry = shop.entry(&template_id);
        entry.quantity = 5;
        sell_one(&shop, entry).await;
        let mut entry = shop.entry(&fixed);
        entry.quantity = 1;
        sell_one(&shop, entry).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_quote_says_tax_and_is_given_of_what_can_be_sold_only(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let settings = v1::Settings {
            prices_include_tax: false,
            ..Default::default()
        };
        app.change_settings(settings, &["prices_include_tax"]).await;
        let mut template = simplero(&shop);
        template.tax_basis_points = 2_200;
        let template_id = super::draft(app, template).await;
        let told = refused(
            quote(&shop, &template_id, 0).await,
            Code::FailedPrecondition,
            "TEMPLATE_NOT_ACTIVE",
        );
        assert_eq!(told["state"], "draft");
        let request = v1::ActivateTemplateRequest {
            template_id: template_id.clone(),
            ..Default::default()
        };
        app.catalog().activate_template(request).await.unwrap();
        let quoted = quote(&shop, &template_id, 3).await.unwrap();
        let parts = [&quoted.net, &quoted.tax, &quoted.total].map(|it| minor(it.as_ref()));
        assert_eq!(parts, [15_000, 3_300, 18_300]);
        let next = quoted.next_cheaper.unwrap();
        assert_eq!(minor(next.total.as_ref()), 48_800);
        assert_eq!((quoted.template_version, quoted.quantity), (1, 3));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_sold_by_subscription_only_is_not_sold_at_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let subscription = v1::SubscriptionPrice {
            price: Some(euros(9_900)),
            every: Some(v1::Period {
                count: 1,
                unit: v1::PeriodUnit::Month.into(),
            }),
            carry_over: v1::CarryOver::Capped.into(),
            carry_over_max: 3,
        };
        let mut template = shop.lessons("8", days(30));
        template.pricing = Some(v1::TemplatePricing {
            subscription: Some(subscription),
            ..Default::default()
        });
        let both = shop.offer(template.clone()).await;
        shop.sell(&both).await;
        let pricing = template.pricing.as_mut().unwrap();
        pricing.subscription_only = true;
        let wanted = template.pricing.clone();
        let only = shop.offer(template).await;
        let told = refused(
            quote(&shop, &only, 0).await,
            Code::FailedPrecondition,
            "SUBSCRIPTION_ONLY",
        );
        assert_eq!(told["template_id"], only);
        refuse_one(&shop, shop.entry(&only), "SUBSCRIPTION_ONLY").await;
        let request = v1::GetTemplateRequest { template_id: only };
        let read = app.catalog().get_template(request).await.unwrap();
        assert_eq!(read.into_inner().template.unwrap().pricing, wanted);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_whose_quantity_is_chosen_has_one_line(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut template = simplero(&shop);
        template.lines.push(template.lines[0].clone());
        let create = v1::CreateTemplateRequest {
            template: Some(template.clone()),
            ..Default::default()
        };
        let tried = app.catalog().create_template(create).await;
        let reason = "CHOSEN_QUANTITY_NEEDS_ONE_LINE";
        let told = refused(tried, Code::FailedPrecondition, reason);
        assert_eq!(told["lines"], "2");
        // Nor does it become so by a change of one of the two.
        template.pricing = None;
        let two_lines = shop.offer(template).await;
        let change = v1::UpdateTemplateRequest {
            template: Some(v1::Template {
                id: two_lines,
                pricing: Some(chosen(1, 0, 0)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let tried = app.catalog().update_template(change).await;
        refused(tried, Code::FailedPrecondition, reason);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_faults_of_prices_are_told_at_once(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let create = async |pricing: v1::TemplatePricing| {
            let request = v1::CreateTemplateRequest {
                template: Some(v1::Template {
                    pricing: Some(pricing),
                    selling: Some(v1::SellingRules {
                        overlap: 99,
                        share_max: 101,
                        ..Default::default()
                    }),
                    ..shop.lessons("1", days(30))
                }),
                ..Default::default()
            };
            let faults = field_faults(app.catalog().create_template(request).await);
            faults
                .into_iter()
                .map(|(field, _)| field)
                .collect::<Vec<_>>()
        };
        let unsound = v1::TemplatePricing {
            tiers: vec![tier(2, 4_000), tier(5, 3_000), tier(5, 3_000), tier(11, 1)],
            subscription: Some(v1::SubscriptionPrice::default()),
            ..chosen(2, 10, 0)
        };
        let wanted = [
            "template.pricing.subscription.price",
            "template.pricing.subscription.every",
            "template.pricing.tiers[0].minimum_quantity",
            "template.pricing.tiers[2].minimum_quantity",
            "template.pricing.tiers[3].minimum_quantity",
            "template.selling.overlap",
            "template.selling.share_max",
        ];
        assert_eq!(create(unsound).await, wanted);
        let lonely = v1::TemplatePricing {
            tiers: vec![tier(0, 4_000)],
            subscription_only: true,
            ..chosen(3, 2, -1)
        };
        let wanted = [
            "template.pricing.quantity.step",
            "template.pricing.quantity.maximum",
            "template.pricing.tiers[0].minimum_quantity",
            "template.pricing.subscription_only",
            "template.selling.overlap",
            "template.selling.share_max",
        ];
        assert_eq!(create(lonely).await, wanted);
        let unchosen = v1::TemplatePricing {
            tiers: vec![tier(5, 4_000)],
            ..Default::default()
        };
        let wanted = [
            "template.pricing.tiers",
            "template.selling.overlap",
            "template.selling.share_max",
        ];
        assert_eq!(create(unchosen).await, wanted);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn books_of_ten_are_sold_and_given_by_the_book(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut template = shop.lessons("10", days(30));
        template.pricing = Some(chosen(1, 5, 1));
        template.lines[0].covers = covers(&shop.swim);
        let template_id = shop.offer(template).await;
        let mut entry = shop.entry(&template_id);
        entry.quantity = 3;
        let (package, _) = sell_one(&shop, entry).await;
        assert_eq!(shop.left(&package.id).await, "30");
        let request = |quantity| v1::IssueRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            gift: Some(v1::issue_request::Gift::TemplateId(template_id.clone())),
            reason: "For helping out".to_owned(),
            quantity,
            ..Default::default()
        };
        let given = app.credits().issue(request(2)).await.unwrap();
        let given = given.into_inner().package.unwrap();
        assert_eq!(shop.left(&given.id).await, "20");
        let tried = app.credits().issue(request(6)).await;
        refused(tried, Code::FailedPrecondition, "QUANTITY_ABOVE_MAXIMUM");
    })
    .await;
}
