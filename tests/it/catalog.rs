//! Credit types, items and templates (A1 to A4), through gRPC on both databases.

use carnet::proto::v1::{self, LineKind, TemplateState};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, covers, days, euros};
use crate::support::tenant::Tenant;

async fn create(tenant: &Tenant, template: v1::Template) -> Result<v1::Template, Status> {
    let request = v1::CreateTemplateRequest {
        template: Some(template),
        ..Default::default()
    };
    let answer = tenant.catalog().create_template(request).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn update(tenant: &Tenant, template: v1::Template) -> Result<v1::Template, Status> {
    let request = v1::UpdateTemplateRequest {
        template: Some(template),
        ..Default::default()
    };
    let answer = tenant.catalog().update_template(request).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn activate(tenant: &Tenant, template_id: &str) -> Result<v1::Template, Status> {
    let request = v1::ActivateTemplateRequest {
        template_id: template_id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.catalog().activate_template(request).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn archive(tenant: &Tenant, template_id: &str) -> v1::Template {
    let request = v1::ArchiveTemplateRequest {
        template_id: template_id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.catalog().archive_template(request).await.unwrap();
    answer.into_inner().template.unwrap()
}

async fn archive_credit_type(tenant: &Tenant, id: &str) -> Result<v1::CreditType, Status> {
    let request = v1::ArchiveCreditTypeRequest {
        credit_type_id: id.to_owned(),
        ..Default::default()
    };
    let answer = tenant.catalog().archive_credit_type(request).await?;
    Ok(answer.into_inner().credit_type.unwrap())
}

fn new_item(external_id: &str, request_id: &str) -> v1::CreateItemRequest {
    v1::CreateItemRequest {
        item: Some(v1::Item {
            external_id: external_id.to_owned(),
            name: "Sauna".to_owned(),
            standard_rate: Some(euros(2_000)),
            ..Default::default()
        }),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

#[rstest]
#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_has_no_second_effect(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let request_id = app.request_id();
        let call = async |external_id: &str| {
            let request = new_item(external_id, &request_id);
            app.catalog().create_item(request).await
        };
        let first = call("S-1").await.unwrap().into_inner();
        let second = call("S-1").await.unwrap().into_inner();
        assert_eq!((first.replayed, second.replayed), (false, true));
        assert_eq!(first.item, second.item);
        let other = call("S-2").await;
        refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
        let taken = app.catalog().create_item(new_item("S-1", "")).await;
        let numbers = refused(taken, Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
        assert_eq!(numbers["external_id"], "S-1");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_only_validated_is_not_kept(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let mut request = new_item("S-1", &app.request_id());
        request.validate_only = true;
        let tried = app.catalog().create_item(request.clone()).await.unwrap();
        assert!(tried.into_inner().item.unwrap().active);
        request.validate_only = false;
        let made = app.catalog().create_item(request).await.unwrap();
        assert!(!made.into_inner().replayed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn items_are_listed_in_pages_by_category_and_those_offered_unless_asked_for(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        app.clock.advance(TimeDelta::milliseconds(1));
        let dive = shop.item("Diving lesson", "Lessons", 2_500).await;
        shop.item("Sauna", "Other", 1_000).await;
        let request = v1::ArchiveItemRequest {
            item_id: dive.clone(),
            ..Default::default()
        };
        app.catalog().archive_item(request).await.unwrap();
        let list = async |include_inactive, page_token: &str| {
            let request = v1::ListItemsRequest {
                page_size: 1,
                page_token: page_token.to_owned(),
                include_inactive,
                category: "Lessons".to_owned(),
            };
            app.catalog()
                .list_items(request)
                .await
                .unwrap()
                .into_inner()
        };
        let offered = list(false, "").await;
        assert_eq!(offered.items[0].id, shop.swim);
        assert_eq!(
            (offered.items.len(), offered.next_page_token),
            (1, String::new())
        );
        let first = list(true, "").await;
        assert_eq!(first.items[0].id, dive);
        let second = list(true, &first.next_page_token).await;
        assert_eq!(second.items[0].id, shop.swim);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_line_is_refused_for_what_is_wrong_with_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let with = async |change: fn(&mut v1::TemplateLine)| {
            let mut template = shop.lessons("8", days(30));
            change(&mut template.lines[0]);
            create(app, template).await
        };
        let fine = with(|line| line.quantity = "8.5".to_owned()).await;
        let numbers = refused(fine, Code::InvalidArgument, "AMOUNT_TOO_FINE");
        assert_eq!(
            (
                numbers["amount"].as_str(),
                numbers["decimal_places"].as_str()
            ),
            ("8.5", "0")
        );
        let fine = with(|line| line.covers[0].credits_per_unit = "0.5".to_owned()).await;
        refused(fine, Code::InvalidArgument, "AMOUNT_TOO_FINE");
        let twice = with(|line| line.covers.push(line.covers[0].clone())).await;
        let numbers = refused(twice, Code::InvalidArgument, "COVERAGE_REPEATED");
        assert_eq!(
            (&numbers["line"], &numbers["target"]),
            (&"1".to_owned(), &shop.swim)
        );
        let rate = with(|line| {
            line.kind = LineKind::Rate.into();
            line.covers.clear();
        });
        let faults = field_faults(rate.await).into_iter().map(|(path, _)| path);
        assert_eq!(
            faults.collect::<Vec<_>>(),
            ["template.lines[0].covers", "template.lines[0].package_rate"]
        );
        let rate = with(|line| line.package_rate = Some(euros(1_000)));
        assert_eq!(
            field_faults(rate.await)[0].0,
            "template.lines[0].package_rate"
        );
        let unknown = with(|line| line.covers = covers("ext:nothing")).await;
        let numbers = refused(unknown, Code::NotFound, "NOT_FOUND");
        assert_eq!(
            (numbers["kind"].as_str(), numbers["id"].as_str()),
            ("item", "ext:nothing")
        );
        let unknown = with(|line| line.credit_type_id = "ext:nothing".to_owned()).await;
        let numbers = refused(unknown, Code::NotFound, "NOT_FOUND");
        assert_eq!(numbers["kind"], "credit type");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_malformed_fields_of_a_template_are_named_at_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let line = v1::TemplateLine {
            quantity: "0".to_owned(),
            covers: covers(""),
            ..Default::default()
        };
        let template = v1::Template {
            price: Some(v1::Money {
                currency_code: "USD".to_owned(),
                minor_units: 1,
            }),
            priority: Some(1_001),
            lines: vec![line],
            ..Default::default()
        };
        let faults = field_faults(create(app, template).await);
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        let wanted = [
            "template.name",
            "template.price.currency_code",
            "template.priority",
            "template.lines[0].credit_type_id",
            "template.lines[0].quantity",
            "template.lines[0].covers[0].item_id",
        ];
        assert_eq!(paths, wanted);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_changed_definition_is_a_new_version_and_a_sold_package_keeps_its_own(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let package = shop.sell(&template_id).await;
        let of = |name: &str| v1::Template {
            id: template_id.clone(),
            name: name.to_owned(),
            ..Default::default()
        };
        let renamed = update(app, of("Gold")).await.unwrap();
        assert_eq!((renamed.name.as_str(), renamed.version), ("Gold", 2));
        let same = update(app, of("Gold")).await.unwrap();
        assert_eq!((same.version, &same.lines), (2, &renamed.lines));
        let larger = update(
            app,
            v1::Template {
                lines: shop.lessons("12", days(30)).lines,
                ..of("")
            },
        );
        let larger = larger.await.unwrap();
        assert_eq!(
            (larger.version, larger.lines[0].quantity.as_str()),
            (3, "12")
        );
        assert_ne!(larger.lines[0].id, renamed.lines[0].id);
        assert_eq!(shop.left(&package.id).await, "8");
        let later = shop.sell(&template_id).await;
        assert_eq!(shop.left(&later.id).await, "12");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_changes_only_from_what_the_caller_has_seen(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let made = create(app, shop.lessons("8", days(30))).await.unwrap();
        let change = |etag: &str| v1::Template {
            id: made.id.clone(),
            etag: etag.to_owned(),
            name: "Gold".to_owned(),
            ..Default::default()
        };
        let changed = update(app, change(&made.etag)).await.unwrap();
        let stale = update(app, change(&made.etag)).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        update(app, change(&changed.etag)).await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn only_a_template_that_covers_something_becomes_and_stays_active(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut template = shop.lessons("8", days(30));
        let covering = template.lines.clone();
        template.lines[0].covers.clear();
        let bare = template.lines.clone();
        let id = create(app, template).await.unwrap().id;
        let with = |lines: &[v1::TemplateLine]| v1::Template {
            id: id.clone(),
            lines: lines.to_vec(),
            ..Default::default()
        };
        let early = activate(app, &id).await;
        refused(early, Code::FailedPrecondition, "TEMPLATE_INCOMPLETE");
        update(app, with(&covering)).await.unwrap();
        let active = activate(app, &id).await.unwrap();
        assert_eq!(active.state(), TemplateState::Active);
        assert_eq!(activate(app, &id).await.unwrap(), active);
        let emptied = update(app, with(&bare)).await;
        refused(emptied, Code::FailedPrecondition, "TEMPLATE_INCOMPLETE");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_archived_template_is_neither_sold_nor_changed_and_comes_back_as_a_draft(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let id = shop.offer(shop.lessons("8", days(30))).await;
        let package = shop.sell(&id).await;
        assert_eq!(archive(app, &id).await.state(), TemplateState::Archived);
        let change = v1::Template {
            id: id.clone(),
            name: "Gold".to_owned(),
            ..Default::default()
        };
        let changed = update(app, change).await;
        refused(changed, Code::FailedPrecondition, "TEMPLATE_ARCHIVED");
        let activated = activate(app, &id).await;
        refused(activated, Code::FailedPrecondition, "TEMPLATE_ARCHIVED");
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        let list = async |states: &[TemplateState]| {
            let request = v1::ListTemplatesRequest {
                states: states.iter().copied().map(i32::from).collect(),
                ..Default::default()
            };
            let answer = app.catalog().list_templates(request).await.unwrap();
            answer.into_inner().templates.len()
        };
        assert_eq!(
            (list(&[]).await, list(&[TemplateState::Archived]).await),
            (0, 1)
        );
        let request = v1::UnarchiveTemplateRequest {
            template_id: id.clone(),
            ..Default::default()
        };
        let back = app.catalog().unarchive_template(request).await.unwrap();
        let back = back.into_inner().template.unwrap();
        assert_eq!(back.state(), TemplateState::Draft);
        activate(app, &id).await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_credit_type_is_not_archived_while_a_template_uses_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let made = create(app, shop.lessons("8", days(30))).await.unwrap();
        let used = archive_credit_type(app, &shop.lesson).await;
        let numbers = refused(used, Code::FailedPrecondition, "CREDIT_TYPE_IN_USE");
        assert_eq!(numbers["template_id"], made.id);
        archive(app, &made.id).await;
        let archived = archive_credit_type(app, &shop.lesson).await.unwrap();
        assert!(archived.archived && archived.archived_at.is_some());
        assert_eq!(
            archive_credit_type(app, &shop.lesson).await.unwrap(),
            archived
        );
        let new = create(app, shop.lessons("8", days(30))).await;
        refused(new, Code::FailedPrecondition, "CREDIT_TYPE_ARCHIVED");
        let request = v1::UnarchiveTemplateRequest {
            template_id: made.id.clone(),
            ..Default::default()
        };
        app.catalog().unarchive_template(request).await.unwrap();
        let activated = activate(app, &made.id).await;
        refused(activated, Code::FailedPrecondition, "CREDIT_TYPE_ARCHIVED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_new_line_covers_only_items_that_are_offered(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let request = v1::ArchiveItemRequest {
            item_id: shop.swim.clone(),
            ..Default::default()
        };
        app.catalog().archive_item(request).await.unwrap();
        let made = create(app, shop.lessons("8", days(30))).await;
        let numbers = refused(made, Code::FailedPrecondition, "ITEM_INACTIVE");
        assert_eq!(numbers["item_id"], shop.swim);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_catalogue_is_its_business_own(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let other = app.second_business().await;
        let request = v1::GetItemRequest {
            item_id: shop.swim.clone(),
        };
        refused(
            other.catalog().get_item(request).await,
            Code::NotFound,
            "NOT_FOUND",
        );
        let line = create(&other, shop.lessons("8", days(30))).await;
        refused(line, Code::NotFound, "NOT_FOUND");
        let request = v1::ListItemsRequest::default();
        let list = other.catalog().list_items(request).await.unwrap();
        assert_eq!(list.into_inner().items, []);
    })
    .await;
}
