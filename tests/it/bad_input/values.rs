//! Values that no field takes: names with control characters, absurd dates and amounts, unknown choices.

use carnet::proto::v1;
use carnet::proto::v1::extend_package_request::NewExpiry;
use rstest::rstest;
use tonic::Code;

use super::faulty;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, euros, period, until};
use crate::support::steps::mask;

#[rstest]
#[tokio::test]
async fn names_have_no_control_characters(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(
        "Mari\r\nBcc: x@example.com",
        "Ma\0ri",
        "Mari\u{202e}iraM",
        "Mari\u{2028}Tamm"
    )]
    name: &str,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let name = name.to_owned();
        let request = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                name: name.clone(),
                phone: name.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let result = app.customers().create_customer(request).await;
        assert_eq!(faulty(result), ["customer.name", "customer.phone"]);
        let request = v1::CreateItemRequest {
            item: Some(v1::Item {
                name: name.clone(),
                category: name.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let result = app.catalog().create_item(request).await;
        assert_eq!(faulty(result), ["item.category", "item.name"]);
        let request = v1::CreateCreditTypeRequest {
            credit_type: Some(v1::CreditType {
                name: name.clone(),
                name_plural: name.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let result = app.catalog().create_credit_type(request).await;
        let wanted = ["credit_type.name", "credit_type.name_plural"];
        assert_eq!(faulty(result), wanted);
        let request = v1::CreateTemplateRequest {
            template: Some(v1::Template {
                name: name.clone(),
                ..shop.lessons("8", days(30))
            }),
            ..Default::default()
        };
        let result = app.catalog().create_template(request).await;
        assert_eq!(faulty(result), ["template.name"]);
        let request = v1::CreateUserRequest {
            user: Some(v1::User {
                name: name.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let result = app.business().create_user(request).await;
        assert_eq!(faulty(result), ["user.name"]);
        let request = v1::UpdateSettingsRequest {
            settings: Some(v1::Settings {
                name,
                ..Default::default()
            }),
            update_mask: Some(mask(&["name"])),
            ..Default::default()
        };
        let result = app.business().update_settings(request).await;
        assert_eq!(faulty(result), ["settings.name"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn absurd_dates_and_instants_are_refused(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let extend = async |new_expiry| {
            let request = v1::ExtendPackageRequest {
                request_id: app.request_id(),
                package_id: package.id.clone(),
                new_expiry: Some(new_expiry),
                ..Default::default()
            };
            app.packages().extend_package(request).await
        };
        for date in [
            "9999-12-31",
            "0001-01-01",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "-2026-01-01",
            "tomorrow",
        ] {
            let mut entry = shop.entry(&template_id);
            entry.start_date = date.to_owned();
            let result = shop.try_to_sell(vec![entry]).await;
            assert_eq!(faulty(result), ["entries[0].start_date"], "{date}");
            let result = extend(NewExpiry::LastUsableDate(date.to_owned())).await;
            assert_eq!(faulty(result), ["last_usable_date"], "{date}");
            let request = v1::CreateTemplateRequest {
                template: Some(shop.lessons("8", until(date))),
                ..Default::default()
            };
            let result = app.catalog().create_template(request).await;
            assert_eq!(faulty(result), ["template.validity.until_date"], "{date}");
        }
        let instants = [
            (253_402_300_799, 0),
            (-62_135_596_800, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (1_800_000_000, -1),
            (1_800_000_000, 1_000_000_000),
            (1_800_000_000, 1),
        ];
        for (seconds, nanos) in instants {
            let instant = prost_types::Timestamp { seconds, nanos };
            let result = extend(NewExpiry::ExpiresAt(instant)).await;
            assert_eq!(faulty(result), ["expires_at"], "{instant:?}");
            let mut request = shop.use_lessons("1");
            request.delivered_at = Some(instant);
            let result = shop.consume(request).await;
            assert_eq!(faulty(result), ["delivered_at"], "{instant:?}");
        }
        let mut request = shop.use_lessons("1");
        let later = app.clock.now() + chrono::TimeDelta::microseconds(1);
        request.delivered_at = Some(carnet::grpc::faults::timestamp(later));
        let result = shop.consume(request).await;
        refused(result, Code::FailedPrecondition, "DELIVERED_IN_FUTURE");
        // The longest periods there are, again and again, are taken or refused, and never fail.
        let century = v1::Period {
            count: 100,
            unit: v1::PeriodUnit::Year.into(),
        };
        for _ in 0..4 {
            extend(NewExpiry::By(century)).await.unwrap();
        }
        let too_long = period(36_501, v1::PeriodUnit::Day, v1::Anchor::Sale);
        let request = v1::CreateTemplateRequest {
            template: Some(shop.lessons("8", too_long)),
            ..Default::default()
        };
        let result = app.catalog().create_template(request).await;
        assert_eq!(faulty(result), ["template.validity.period.count"]);
        assert_eq!(shop.left(&package.id).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn absurd_amounts_are_refused(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        for amount in [
            "1e5",
            "NaN",
            "-1",
            "+1",
            "0",
            "0.000000",
            "1,5",
            " 1",
            "1.",
            ".5",
            "0x10",
            "٣",
            "inf",
            "0.0000001",
            "1000000000.000001",
            "99999999999999999999999999999999",
        ] {
            let result = shop.consume(shop.use_lessons(amount)).await;
            assert_eq!(faulty(result), ["item.units"], "{amount}");
            let mut by_hand = shop.use_lessons("1");
            by_hand.what = Some(v1::consume_request::What::Credits(v1::CreditAmount {
                credit_type_id: shop.lesson.clone(),
                amount: amount.to_owned(),
            }));
            let result = shop.consume(by_hand).await;
            assert_eq!(faulty(result), ["credits.amount"], "{amount}");
            let request = v1::CreateTemplateRequest {
                template: Some(shop.lessons(amount, days(30))),
                ..Default::default()
            };
            let result = app.catalog().create_template(request).await;
            assert_eq!(faulty(result), ["template.lines[0].quantity"], "{amount}");
        }
        for units in ["0.5", "1.000001"] {
            let result = shop.consume(shop.use_lessons(units)).await;
            let numbers = refused(result, Code::InvalidArgument, "AMOUNT_TOO_FINE");
            assert_eq!(numbers["decimal_places"], "0");
        }
        let huge = shop.consume(shop.use_lessons("1000000000")).await;
        refused(huge, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        for cents in [-1, 1_000_000_000_001, i64::MAX, i64::MIN] {
            let mut entry = shop.entry(&package.template_id);
            entry.price = Some(euros(cents));
            let result = shop.try_to_sell(vec![entry]).await;
            assert_eq!(faulty(result), ["entries[0].price.minor_units"], "{cents}");
        }
        assert_eq!(shop.package(&package.id).await, package);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_largest_amounts_are_counted_exactly(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        shop.lesson = shop.credit_type("point", 6).await;
        let template = v1::Template {
            price: Some(euros(1_000_000_000_000)),
            tax_basis_points: 10_000,
            ..shop.lessons("1000000000", days(30))
        };
        let template_id = shop.offer(template).await;
        let entries = vec![shop.entry(&template_id); 3];
        shop.try_to_sell(entries).await.unwrap();
        let used = shop.consume(shop.use_lessons("0.000001")).await.unwrap();
        assert_eq!(used.total, "0.000001");
        shop.consume(shop.use_lessons("1000000000")).await.unwrap();
        let request = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(
                shop.customer.clone(),
            )),
            ..Default::default()
        };
        let sheet = app.credits().get_balance(request).await.unwrap();
        assert_eq!(sheet.into_inner().balances[0].usable, "1999999999.999999");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn unknown_choices_are_refused(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let entries = v1::ListEntriesRequest {
            scope: Some(v1::list_entries_request::Scope::CustomerId(
                shop.customer.clone(),
            )),
            kinds: vec![1, 77, 0],
            ..Default::default()
        };
        let result = app.credits().list_entries(entries).await;
        assert_eq!(faulty(result), ["kinds[1]", "kinds[2]"]);
        let packages = v1::ListPackagesRequest {
            statuses: vec![-1],
            ..Default::default()
        };
        let result = app.packages().list_packages(packages).await;
        assert_eq!(faulty(result), ["statuses[0]"]);
        let templates = v1::ListTemplatesRequest {
            states: vec![9],
            ..Default::default()
        };
        let result = app.catalog().list_templates(templates).await;
        assert_eq!(faulty(result), ["states[0]"]);
        let token = v1::CreateTokenRequest {
            token: Some(v1::Token {
                name: "The till".to_owned(),
                permissions: vec![1_000],
                ..Default::default()
            }),
            ..Default::default()
        };
        let result = app.business().create_token(token).await;
        assert_eq!(faulty(result), ["token.permissions[0]"]);
        let mut template = shop.lessons("8", days(30));
        template.lines[0].kind = 9;
        let request = v1::CreateTemplateRequest {
            template: Some(template),
            ..Default::default()
        };
        let result = app.catalog().create_template(request).await;
        assert_eq!(faulty(result), ["template.lines[0].kind"]);
    })
    .await;
}
