//! The life of templates (A3, A5, A11, A12): copies, versions, and what they say of selling, through gRPC
//! on both databases.

use carnet::proto::v1::{self, OverlapPolicy, TemplateState};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, euros, until};

async fn copy(shop: &Shop, request: v1::CloneTemplateRequest) -> Result<v1::Template, Status> {
    let answer = shop.tenant.catalog().clone_template(request).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn template(shop: &Shop, id: &str) -> v1::Template {
    let request = v1::GetTemplateRequest {
        template_id: id.to_owned(),
    };
    let answer = shop.tenant.catalog().get_template(request).await;
    answer.unwrap().into_inner().template.unwrap()
}

async fn update(shop: &Shop, template: v1::Template) -> v1::Template {
    let request = v1::UpdateTemplateRequest {
        template: Some(template),
        ..Default::default()
    };
    let answer = shop.tenant.catalog().update_template(request).await;
    answer.unwrap().into_inner().template.unwrap()
}

async fn archive(shop: &Shop, id: &str) {
    let request = v1::ArchiveTemplateRequest {
        template_id: id.to_owned(),
        ..Default::default()
    };
    let archived = shop.tenant.catalog().archive_template(request).await;
    archived.unwrap();
}

/// What a template offers, without what says which one it is.
fn offered(template: &v1::Template) -> v1::Template {
    let mut lines = template.lines.clone();
    for line in &mut lines {
        line.id.clear();
    }
    v1::Template {
        id: String::new(),
        external_id: String::new(),
        name: String::new(),
        state: TemplateState::Unspecified.into(),
        version: 0,
        created_at: None,
        etag: String::new(),
        lines,
        ..template.clone()
    }
}

fn rules() -> v1::SellingRules {
    v1::SellingRules {
        freestyle: true,
        overlap: OverlapPolicy::RejectUntilComplete.into(),
        online: true,
        share_max: 3,
        issue_when: v1::IssueWhen::FirstPaid.into(),
    }
}

#[rstest]
#[tokio::test]
async fn a_copy_is_a_draft_that_offers_the_same_and_goes_its_own_way(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let original = v1::Template {
            external_id: "standard".to_owned(),
            description: "Eight lessons".to_owned(),
            tax_basis_points: 2_200,
            priority: Some(-3),
            quarantine_days: Some(14),
            reminder_leads: Some(v1::ReminderLeads { days: vec![7, 1] }),
            pricing: Some(v1::TemplatePricing {
                quantity: Some(v1::QuantityChoice {
                    minimum: 1,
                    maximum: 10,
                    step: 1,
                }),
                ..Default::default()
            }),
            selling: Some(rules()),
            ..shop.lessons("8", days(30))
        };
        let original = shop.offer(original).await;
        archive(&shop, &original).await;
        let original = template(&shop, &original).await;
        let request = v1::CloneTemplateRequest {
            template_id: "ext:standard".to_owned(),
            external_id: "summer".to_owned(),
            name: "Summer".to_owned(),
            ..Default::default()
        };
        let made = copy(&shop, request.clone()).await.unwrap();
        assert_eq!(template(&shop, &made.id).await, made);
        assert_eq!((made.name.as_str(), made.version), ("Summer", 1));
        assert_eq!(made.state(), TemplateState::Draft);
        assert_eq!(offered(&made), offered(&original));
        assert_ne!(made.lines[0].id, original.lines[0].id);
        let told = refused(
            copy(&shop, request.clone()).await,
            Code::AlreadyExists,
            "EXTERNAL_ID_TAKEN",
        );
        assert_eq!(told["external_id"], "summer");
        // A change of the copy leaves the original alone.
        let change = v1::Template {
            id: made.id,
            price: Some(euros(9_900)),
            ..Default::default()
        };
        update(&shop, change).await;
        assert_eq!(template(&shop, &original.id).await, original);
        let nothing = v1::CloneTemplateRequest {
            template_id: "ext:none".to_owned(),
            external_id: String::new(),
            name: String::new(),
            ..request.clone()
        };
        refused(copy(&shop, nothing).await, Code::NotFound, "NOT_FOUND");
        let check = v1::CloneTemplateRequest {
            external_id: String::new(),
            name: String::new(),
            validate_only: true,
            ..request
        };
        let tried = copy(&shop, check).await.unwrap();
        assert_eq!(
            tried.name, original.name,
            "the same name unless another is given"
        );
        let request = v1::GetTemplateRequest {
            template_id: tried.id,
        };
        let kept = app.catalog().get_template(request).await;
        refused(kept, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_copy_of_what_counts_in_an_archived_credit_type_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        archive(&shop, &template_id).await;
        let request = v1::ArchiveCreditTypeRequest {
            credit_type_id: shop.lesson.clone(),
            ..Default::default()
        };
        app.catalog().archive_credit_type(request).await.unwrap();
        let request = v1::CloneTemplateRequest {
            template_id,
            ..Default::default()
        };
        let told = refused(
            copy(&shop, request).await,
            Code::FailedPrecondition,
            "CREDIT_TYPE_ARCHIVED",
        );
        assert_eq!(told["credit_type_id"], shop.lesson);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_freezes_once_sold_and_packages_keep_their_version(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let first = shop.sell(&template_id).await;
        let mut lines = shop.lessons("5", days(30)).lines;
        lines[0].covers[0].credits_per_unit = "5".to_owned();
        let changed = update(
            &shop,
            v1::Template {
                id: template_id.clone(),
                price: Some(euros(20_000)),
                validity: Some(until("2026-01-31")),
                lines,
                ..Default::default()
            },
        )
        .await;
        assert_eq!(changed.version, 2);
        let second = shop.sell(&template_id).await;
        assert_eq!(shop.package(&first.id).await, first);
        for (package, version, cents, quantity) in
            [(&first, 1, 12_000, "8"), (&second, 2, 20_000, "5")]
        {
            assert_eq!(package.template_version, version);
            assert_eq!(package.list_price, Some(euros(cents)));
            assert_eq!(package.lines[0].quantity, quantity);
        }
        // Each takes what its own version asks for a lesson.
        for (package, left) in [(&first, "7"), (&second, "0")] {
            let used = shop.consume(shop.use_lessons_of(&package.id, "1")).await;
            used.unwrap();
            assert_eq!(shop.left(&package.id).await, left);
        }
        // What was sold works on when the template is archived.
        archive(&shop, &template_id).await;
        let used = shop.consume(shop.use_lessons_of(&first.id, "1")).await;
        used.unwrap();
        assert_eq!(shop.left(&first.id).await, "6");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_template_says_of_selling_is_kept_and_a_change_of_it_is_a_version(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let plain = shop.offer(shop.lessons("8", days(30))).await;
        assert_eq!(template(&shop, &plain).await.selling, None);
        let change = v1::Template {
            id: plain.clone(),
            selling: Some(rules()),
            ..Default::default()
        };
        let changed = update(&shop, change.clone()).await;
        assert_eq!(changed.selling, Some(rules()));
        assert_eq!(changed.version, 2);
        assert_eq!(template(&shop, &plain).await, changed);
        assert_eq!(update(&shop, change).await.version, 2, "nothing is new");
        // Named in the mask and empty in the message, it is cleared.
        let request = v1::UpdateTemplateRequest {
            template: Some(v1::Template {
                id: plain,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["selling".to_owned()],
            }),
            ..Default::default()
        };
        let cleared = app.catalog().update_template(request).await.unwrap();
        let cleared = cleared.into_inner().template.unwrap();
        assert_eq!((cleared.selling, cleared.version), (None, 3));
    })
    .await;
}
