//! Giving credits (C8), through gRPC on both databases.

use carnet::proto::v1;
use carnet::proto::v1::issue_request::Gift;
use carnet::proto::v1::{ExpirySource, PackageStatus};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, covers, days, euros};

fn gift(app: &TestApp, shop: &Shop, gift: Gift) -> v1::IssueRequest {
    v1::IssueRequest {
        request_id: app.request_id(),
        customer_id: shop.customer.clone(),
        gift: Some(gift),
        reason: "A lesson fell through".to_owned(),
        ..Default::default()
    }
}

fn credits(credit_type_id: &str, amount: &str, covers: Vec<v1::Coverage>) -> Gift {
    Gift::Credits(v1::CreditGift {
        credit_type_id: credit_type_id.to_owned(),
        amount: amount.to_owned(),
        covers,
    })
}

async fn issue(app: &TestApp, request: v1::IssueRequest) -> Result<v1::Package, Status> {
    let answer = app.credits().issue(request).await?;
    Ok(answer.into_inner().package.unwrap())
}

/// The items and categories that a package's first line covers, with the credits of a unit.
fn covered(package: &v1::Package) -> Vec<(String, String)> {
    let coverages = package.lines[0].covers.iter();
    let mut covered: Vec<_> = coverages
        .map(|coverage| {
            let target = match coverage.target.clone().unwrap() {
                v1::coverage::Target::ItemId(id) => id,
                v1::coverage::Target::Category(category) => category,
            };
            (target, coverage.credits_per_unit.clone())
        })
        .collect();
    covered.sort_unstable();
    covered
}

#[rstest]
#[tokio::test]
async fn a_given_package_is_the_templates_and_worth_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let request = gift(app, &shop, Gift::TemplateId(template_id.clone()));
        let package = issue(app, request.clone()).await.unwrap();
        assert_eq!(package.template_id, template_id);
        assert_eq!(
            (package.name.as_str(), package.sale_id.as_str()),
            ("Standard", "")
        );
        assert_eq!(package.list_price, Some(euros(12_000)));
        assert_eq!(
            (package.price, package.net_price),
            (Some(euros(0)), Some(euros(0)))
        );
        assert_eq!(package.last_usable_date, "2026-02-14");
        let used = shop.consume(shop.use_lessons_of(&package.id, "8")).await;
        assert_eq!(used.unwrap().parts[0].value, Some(euros(0)));
        let status = shop.package(&package.id).await.status();
        assert_eq!(status, PackageStatus::Completed, "there was nothing to pay");
        let entries = app.entries_of_package(&package.id).await;
        let first = entries.last().unwrap();
        assert_eq!(first.kind(), v1::EntryKind::Issue);
        assert_eq!(first.note, "A lesson fell through");
        assert_eq!(first.posting_id, request.request_id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn given_credits_pay_for_the_items_that_are_named(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let massage = shop.item("Massage", "Spa", 6_000).await;
        let mut named = covers(&shop.swim);
        named[0].credits_per_unit = "2".to_owned();
        let request = v1::IssueRequest {
            name: "With our regrets".to_owned(),
            validity: Some(days(7)),
            ..gift(app, &shop, credits(&shop.lesson, "4", named))
        };
        let package = issue(app, request).await.unwrap();
        assert_eq!(package.name, "With our regrets");
        assert_eq!(package.expiry_source(), ExpirySource::Sale);
        assert_eq!(package.last_usable_date, "2026-01-22");
        let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
        assert_eq!(used.unwrap().total, "2");
        let mut wrong = shop.use_lessons_of(&package.id, "1");
        wrong.what = Some(v1::consume_request::What::Item(v1::ItemUnits {
            item_id: massage,
            units: String::new(),
        }));
        let refusal = shop.consume(wrong).await;
        refused(refusal, Code::FailedPrecondition, "ITEM_NOT_COVERED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn given_credits_pay_for_all_that_their_type_pays_for_at_that_moment(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let alone = gift(app, &shop, credits(&shop.lesson, "1", Vec::new()));
        let by_hand_only = issue(app, alone).await.unwrap();
        assert_eq!(covered(&by_hand_only), []);
        shop.offer(shop.lessons("8", days(30))).await;
        let mut spa = shop.lessons("8", days(30));
        spa.lines[0].covers = vec![
            v1::Coverage {
                target: Some(v1::coverage::Target::Category("Spa".to_owned())),
                credits_per_unit: "2".to_owned(),
            },
            covers(&shop.swim).remove(0),
        ];
        shop.offer(spa).await;
        let all = gift(app, &shop, credits(&shop.lesson, "4", Vec::new()));
        let package = issue(app, all.clone()).await.unwrap();
        assert_eq!(package.expires_at, None, "neither rule has an end");
        let mut wanted = [
            ("Spa".to_owned(), "2".to_owned()),
            (shop.swim.clone(), "1".to_owned()),
        ];
        wanted.sort_unstable();
        assert_eq!(covered(&package), wanted);
        assert_eq!(package.name, "lessons");

        let mut dearer = shop.lessons("8", days(30));
        dearer.lines[0].covers[0].credits_per_unit = "3".to_owned();
        let dearer = shop.offer(dearer).await;
        let again = v1::IssueRequest {
            request_id: app.request_id(),
            ..all
        };
        let result = issue(app, again.clone()).await;
        let names = refused(result, Code::FailedPrecondition, "COVERAGE_AMBIGUOUS");
        assert_eq!(names["target"], shop.swim);
        assert_eq!(names["credit_type_id"], shop.lesson);
        let request = v1::ArchiveTemplateRequest {
            template_id: dearer,
            ..Default::default()
        };
        app.catalog().archive_template(request).await.unwrap();
        issue(app, again).await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_gift_needs_a_reason_and_an_amount_as_fine_as_its_type(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let request = gift(app, &shop, credits(&shop.lesson, "1", Vec::new()));
        let without = v1::IssueRequest {
            reason: " \t".to_owned(),
            ..request.clone()
        };
        let faults = field_faults(issue(app, without).await);
        assert_eq!(faults[0].0, "reason");
        let finer = gift(app, &shop, credits(&shop.lesson, "0.5", Vec::new()));
        let numbers = refused(
            issue(app, finer).await,
            Code::InvalidArgument,
            "AMOUNT_TOO_FINE",
        );
        assert_eq!(numbers["decimal_places"], "0");
        let mut by_half = covers(&shop.swim);
        by_half[0].credits_per_unit = "1.5".to_owned();
        let finer = gift(app, &shop, credits(&shop.lesson, "3", by_half));
        let result = issue(app, finer).await;
        refused(result, Code::InvalidArgument, "AMOUNT_TOO_FINE");
        let mut twice = covers(&shop.swim);
        twice.extend(covers(&shop.swim));
        let twice = gift(app, &shop, credits(&shop.lesson, "3", twice));
        let result = issue(app, twice).await;
        refused(result, Code::InvalidArgument, "COVERAGE_REPEATED");
        assert_eq!(app.all_packages().await, []);
        issue(app, request).await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_gift_goes_to_active_customers_from_what_is_offered_now(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut named = gift(app, &shop, Gift::TemplateId(template_id.clone()));
        named.external_id = "gift-1".to_owned();
        issue(app, named.clone()).await.unwrap();
        named.request_id = app.request_id();
        let taken = issue(app, named).await;
        let names = refused(taken, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        assert_eq!(names["external_id"], "gift-1");
        let request = v1::ArchiveTemplateRequest {
            template_id: template_id.clone(),
            ..Default::default()
        };
        app.catalog().archive_template(request).await.unwrap();
        let archived = gift(app, &shop, Gift::TemplateId(template_id));
        let result = issue(app, archived).await;
        refused(result, Code::FailedPrecondition, "TEMPLATE_NOT_ACTIVE");
        let token = shop.credit_type("token", 0).await;
        let request = v1::ArchiveCreditTypeRequest {
            credit_type_id: token.clone(),
            ..Default::default()
        };
        app.catalog().archive_credit_type(request).await.unwrap();
        let archived = gift(app, &shop, credits(&token, "1", Vec::new()));
        let result = issue(app, archived).await;
        refused(result, Code::FailedPrecondition, "CREDIT_TYPE_ARCHIVED");
        shop.customer = shop.customer("Jaan Kask").await;
        super::deactivate(app, &shop.customer).await;
        let inactive = gift(app, &shop, credits(&shop.lesson, "1", Vec::new()));
        let result = issue(app, inactive).await;
        refused(result, Code::FailedPrecondition, "CUSTOMER_INACTIVE");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn trying_a_gift_keeps_nothing(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut request = gift(app, &shop, credits(&shop.lesson, "3", covers(&shop.swim)));
        request.validate_only = true;
        let tried = issue(app, request.clone()).await.unwrap();
        assert_eq!(tried.lines[0].quantity, "3");
        assert_eq!((tried.id.as_str(), app.all_packages().await.len()), ("", 0));
        request.validate_only = false;
        issue(app, request).await.unwrap();
        assert_eq!(app.all_packages().await.len(), 1);
    })
    .await;
}
