//! Selling (C1, C3, C4, C9), through gRPC on both databases.

mod changed;
mod feature_off;
mod gifts;
mod overlap;
mod prices;
mod terms;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::sale_entry::{Payment, ValidityOverride};
use carnet::proto::v1::{ExpirySource, PackageStatus, PaymentMethod, PaymentState};
use chrono::{DateTime, Utc};
use rstest::rstest;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, covers, days, euros, until};

type Tried = Result<Response<v1::SellPackagesResponse>, Status>;

fn payment(method: PaymentMethod, cents: Option<i64>) -> Payment {
    Payment::Recorded(v1::RecordedPayment {
        method: method.into(),
        amount: cents.map(euros),
        reference: "R-1".to_owned(),
    })
}

/// The entries that a sale was refused for: where, and why.
#[track_caller]
fn refused_entries(result: Tried) -> Vec<(String, String)> {
    let status = result.as_ref().unwrap_err();
    let unmet = status.get_details_precondition_failure().unwrap();
    let unmet: Vec<_> = unmet
        .violations
        .into_iter()
        .map(|fault| (fault.subject, fault.r#type))
        .collect();
    let numbers = refused(result, Code::FailedPrecondition, "SALE_REFUSED");
    assert_eq!(numbers["refused"], unmet.len().to_string());
    unmet
}

/// Tries to sell one entry, which must be refused for this reason.
pub(crate) async fn refuse_one(shop: &Shop, entry: v1::SaleEntry, reason: &str) {
    let unmet = refused_entries(shop.try_to_sell(vec![entry]).await);
    assert_eq!(unmet, [("entries[0]".to_owned(), reason.to_owned())]);
}

async fn sell_one(shop: &Shop, entry: v1::SaleEntry) -> (v1::Package, v1::Sale) {
    let answer = shop.try_to_sell(vec![entry]).await.unwrap().into_inner();
    let package = answer.results.into_iter().next().unwrap().package.unwrap();
    (package, answer.sales.into_iter().next().unwrap())
}

async fn deactivate(app: &TestApp, customer_id: &str) {
    let customer = v1::Customer {
        id: customer_id.to_owned(),
        ..Default::default()
    };
    app.change_customer(customer, &["active"]).await;
}

async fn draft(app: &TestApp, template: v1::Template) -> String {
    let request = v1::CreateTemplateRequest {
        template: Some(template),
        ..Default::default()
    };
    let answer = app.catalog().create_template(request).await.unwrap();
    answer.into_inner().template.unwrap().id
}

#[rstest]
#[tokio::test]
async fn a_sale_is_made_whole_or_not_at_all_and_names_every_refused_entry(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let draft_id = draft(app, shop.lessons("8", days(30))).await;
        let inactive = shop.customer("Jaan Kask").await;
        deactivate(app, &inactive).await;
        let mut taken = shop.entry(&template_id);
        taken.external_id = "till-1".to_owned();
        sell_one(&shop, taken.clone()).await;
        let good = shop.entry(&template_id);
        let mut free_id = good.clone();
        free_id.external_id = "till-2".to_owned();
        let with = |change: fn(&mut v1::SaleEntry)| {
            let mut entry = good.clone();
            change(&mut entry);
            entry
        };
        let mut of_inactive = good.clone();
        of_inactive.customer_id = inactive;
        let mut of_draft = good.clone();
        of_draft.template_id = draft_id;
        let entries = vec![
            good.clone(),
            of_inactive,
            with(|entry| entry.template_id = "tpl_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned()),
            with(|entry| entry.customer_id = "ext:nobody".to_owned()),
            free_id,
            with(|entry| entry.payment = Some(payment(PaymentMethod::OnAccount, None))),
            with(|entry| entry.payment = Some(payment(PaymentMethod::Cash, Some(12_001)))),
            of_draft,
            taken,
            with(|entry| {
                let ended = carnet::grpc::faults::timestamp(DateTime::<Utc>::UNIX_EPOCH);
                entry.validity_override = Some(ValidityOverride::ExpiresAt(ended));
            }),
        ];
        let unmet = refused_entries(shop.try_to_sell(entries).await);
        let unmet: Vec<_> = unmet
            .iter()
            .map(|(subject, reason)| (subject.as_str(), reason.as_str()))
            .collect();
        let wanted = [
            ("entries[1]", "CUSTOMER_INACTIVE"),
            ("entries[2]", "NOT_FOUND"),
            ("entries[3]", "NOT_FOUND"),
            ("entries[5]", "ACCOUNT_PAYMENTS_INACTIVE"),
            ("entries[6]", "PAYMENT_EXCEEDS_PRICE"),
            ("entries[7]", "TEMPLATE_NOT_ACTIVE"),
            ("entries[8]", "EXTERNAL_ID_TAKEN"),
            ("entries[9]", "EXPIRY_NOT_LATER"),
        ];
        assert_eq!(unmet, wanted);
        assert_eq!(app.all_packages().await.len(), 1, "nothing of it was sold");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_is_sold_only_while_it_is_active(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = draft(app, shop.lessons("8", days(30))).await;
        refuse_one(&shop, shop.entry(&template_id), "TEMPLATE_NOT_ACTIVE").await;
        let request = v1::ActivateTemplateRequest {
            template_id: template_id.clone(),
            ..Default::default()
        };
        app.catalog().activate_template(request).await.unwrap();
        shop.sell(&template_id).await;
        let request = v1::ArchiveTemplateRequest {
            template_id: template_id.clone(),
            ..Default::default()
        };
        app.catalog().archive_template(request).await.unwrap();
        refuse_one(&shop, shop.entry(&template_id), "TEMPLATE_NOT_ACTIVE").await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn price_and_end_are_changed_at_the_sale_and_the_list_price_is_kept(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut cheaper = shop.entry(&template_id);
        cheaper.price = Some(euros(10_000));
        let mut longer = shop.entry(&template_id);
        longer.validity_override = Some(ValidityOverride::Validity(until("2026-06-30")));
        let seller = [Permission::PackagesSell, Permission::PackagesRead];
        let seller = app.allowed_only(&seller).await;
        for entry in [&cheaper, &longer] {
            let result = seller.sell_all(vec![entry.clone()]).await;
            let lacking = refused(result, Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(lacking["permission"], "PACKAGES_OVERRIDE_PRICE");
        }
        seller
            .sell_all(vec![shop.entry(&template_id)])
            .await
            .unwrap();
        let both = v1::SaleEntry {
            price: cheaper.price,
            ..longer
        };
        let (package, sale) = sell_one(&shop, both).await;
        assert_eq!(package.list_price, Some(euros(12_000)));
        assert_eq!(package.price, Some(euros(10_000)));
        assert_eq!(package.last_usable_date, "2026-06-30");
        assert_eq!(package.expiry_source(), ExpirySource::Sale);
        assert_eq!(sale.total, Some(euros(10_000)));
        let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        assert_eq!(used.unwrap().parts[0].value, Some(euros(1_250)));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_sale_on_account_needs_the_business_and_the_customer_to_allow_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut entry = shop.entry(&template_id);
        entry.payment = Some(payment(PaymentMethod::OnAccount, None));
        refuse_one(&shop, entry.clone(), "ACCOUNT_PAYMENTS_INACTIVE").await;
        let settings = v1::Settings {
            account_payments_active: true,
            ..Default::default()
        };
        app.change_settings(settings, &["account_payments_active"])
            .await;
        let reason = "CUSTOMER_MAY_NOT_PURCHASE_ON_ACCOUNT";
        refuse_one(&shop, entry.clone(), reason).await;
        let customer = v1::Customer {
            id: shop.customer.clone(),
            may_purchase_on_account: true,
            ..Default::default()
        };
        app.change_customer(customer, &["may_purchase_on_account"])
            .await;
        let (_, sale) = sell_one(&shop, entry).await;
        assert_eq!(sale.payment_state(), PaymentState::Paid);
        assert_eq!(
            sale.money[0].payment.as_ref().unwrap().method(),
            PaymentMethod::OnAccount
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn tax_is_taken_out_of_the_price_or_put_on_top_of_it_to_the_cent(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(true, false)] prices_include_tax: bool,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let settings = v1::Settings {
            prices_include_tax,
            ..Default::default()
        };
        app.change_settings(settings, &["prices_include_tax"]).await;
        // What is written, the rate, then net, tax and total with the tax in it and on top. Half a cent
        // goes to the even one.
        let cases = [
            (9_999, 2_200, [8_196, 1_803, 9_999], [9_999, 2_200, 12_199]),
            (5, 10_000, [2, 3, 5], [5, 5, 10]),
            (50, 900, [46, 4, 50], [50, 4, 54]),
            (999, 0, [999, 0, 999], [999, 0, 999]),
        ];
        for (written, tax_basis_points, within, on_top) in cases {
            let [net, tax, total] = if prices_include_tax { within } else { on_top };
            let template = v1::Template {
                price: Some(euros(written)),
                tax_basis_points,
                ..shop.lessons("8", days(30))
            };
            let template_id = shop.offer(template).await;
            let mut entry = shop.entry(&template_id);
            entry.payment = Some(payment(PaymentMethod::Card, Some(total + 1)));
            refuse_one(&shop, entry.clone(), "PAYMENT_EXCEEDS_PRICE").await;
            entry.payment = Some(payment(PaymentMethod::Card, Some(total)));
            let (package, sale) = sell_one(&shop, entry).await;
            assert_eq!(package.price, Some(euros(written)));
            assert_eq!(package.net_price, Some(euros(net)), "{written}");
            assert_eq!(package.lines[0].lots[0].value, Some(euros(net)));
            let parts = (sale.net, sale.tax, sale.total);
            let wanted = (Some(euros(net)), Some(euros(tax)), Some(euros(total)));
            assert_eq!(parts, wanted, "{written}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn five_massages_and_two_facials_are_worth_what_they_cost_singly(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let massage = shop.item("Massage", "Spa", 6_000).await;
        let facial = shop.item("Facial", "Spa", 5_000).await;
        let visit = shop.credit_type("visit", 0).await;
        let line = |item: &str, quantity: &str| v1::TemplateLine {
            credit_type_id: visit.clone(),
            quantity: quantity.to_owned(),
            covers: covers(item),
            ..Default::default()
        };
        let template = v1::Template {
            price: Some(euros(33_333)),
            lines: vec![line(&massage, "5"), line(&facial, "2")],
            ..shop.lessons("1", days(30))
        };
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        let worth: Vec<_> = package
            .lines
            .iter()
            .map(|line| line.lots[0].value.as_ref().unwrap().minor_units)
            .collect();
        // 333.33 by 300 to 100: 249.9975 and 83.3325, and no cent is lost.
        assert_eq!(worth, [25_000, 8_333]);
        let mut values = Vec::new();
        for item_id in [&facial, &facial, &massage] {
            let mut request = shop.use_lessons("1");
            request.what = Some(v1::consume_request::What::Item(v1::ItemUnits {
                item_id: item_id.clone(),
                units: String::new(),
            }));
            let used = shop.consume(request).await.unwrap();
            values.push(used.parts[0].value.as_ref().unwrap().minor_units);
        }
        assert_eq!(values[0] + values[1], 8_333, "all of it and no more");
        assert_eq!(values[2], 5_000);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_sale_is_unpaid_partly_paid_or_paid(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let cases = [
            (None, PaymentState::Unpaid),
            (Some(Payment::None(v1::Unpaid {})), PaymentState::Unpaid),
            (
                Some(payment(PaymentMethod::Transfer, Some(1))),
                PaymentState::PartlyPaid,
            ),
            (
                Some(payment(PaymentMethod::Cash, Some(12_000))),
                PaymentState::Paid,
            ),
            (
                Some(payment(PaymentMethod::Other, None)),
                PaymentState::Paid,
            ),
        ];
        for (payment, state) in cases {
            let mut entry = shop.entry(&template_id);
            entry.payment = payment.clone();
            let (_, sale) = sell_one(&shop, entry).await;
            assert_eq!(sale.payment_state(), state, "{payment:?}");
            assert_eq!(app.sale(&sale.id).await, sale);
        }
        let mut free = shop.entry(&template_id);
        free.price = Some(euros(0));
        free.payment = None;
        let (_, sale) = sell_one(&shop, free).await;
        assert_eq!(sale.payment_state(), PaymentState::Paid, "nothing is due");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn used_up_a_package_is_complete_once_it_is_paid(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("1", days(30))).await;
        let cases = [
            (
                Some(payment(PaymentMethod::Card, None)),
                PackageStatus::Completed,
            ),
            (
                Some(payment(PaymentMethod::Card, Some(11_999))),
                PackageStatus::UsedUp,
            ),
            (None, PackageStatus::UsedUp),
        ];
        let mut sold = Vec::new();
        for (payment, status) in cases {
            let mut entry = shop.entry(&template_id);
            entry.payment = payment;
            let (package, _) = sell_one(&shop, entry).await;
            assert_eq!(package.status(), PackageStatus::Active);
            shop.consume(shop.use_lessons_of(&package.id, "1"))
                .await
                .unwrap();
            assert_eq!(shop.package(&package.id).await.status(), status);
            sold.push((package.id, status));
        }
        // What was used up in time lost nothing when its end came; what is unpaid has expired.
        app.clock.advance(chrono::TimeDelta::days(60));
        for (package_id, status) in sold {
            let status = if status == PackageStatus::UsedUp {
                PackageStatus::Expired
            } else {
                status
            };
            assert_eq!(shop.package(&package_id).await.status(), status);
        }
    })
    .await;
}
