//! Templates that a business writes itself (G8): checked when saved, used when e-mails go out, reset.

use carnet::proto::v1;
use carnet::proto::v1::EmailKind;
use rstest::rstest;
use sea_orm::ConnectionTrait;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, only_email, set_customer};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, never, until};
use crate::support::tenant::Tenant;

fn text(subject: &str) -> v1::EmailTemplateText {
    v1::EmailTemplateText {
        subject: subject.to_owned(),
        text_body: "Own: {{first.name}}".to_owned(),
        html_body: "<p>Own: {{first.name}}</p>".to_owned(),
    }
}

fn saving(kind: EmailKind, locale: &str, subject: &str) -> v1::SaveEmailTemplateRequest {
    v1::SaveEmailTemplateRequest {
        kind: kind.into(),
        locale: locale.to_owned(),
        text: Some(text(subject)),
        ..Default::default()
    }
}

async fn save(
    tenant: &Tenant,
    request: v1::SaveEmailTemplateRequest,
) -> Result<v1::SaveEmailTemplateResponse, Status> {
    let answer = tenant.emails().save_email_template(request).await?;
    Ok(answer.into_inner())
}

async fn get(tenant: &Tenant, kind: EmailKind, locale: &str) -> v1::GetEmailTemplateResponse {
    let request = v1::GetEmailTemplateRequest {
        kind: kind.into(),
        locale: locale.to_owned(),
    };
    let answer = tenant.emails().get_email_template(request).await;
    answer.unwrap().into_inner()
}

async fn reset(tenant: &Tenant, locale: &str, etag: &str) -> Result<v1::EmailTemplate, Status> {
    let request = v1::ResetEmailTemplateRequest {
        kind: EmailKind::Confirmation.into(),
        locale: locale.to_owned(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let answer = tenant.emails().reset_email_template(request).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn listed(tenant: &Tenant, page_size: i32) -> Vec<v1::EmailTemplate> {
    let mut found = Vec::new();
    let mut request = v1::ListEmailTemplatesRequest {
        page_size,
        ..Default::default()
    };
    loop {
        let page = tenant.emails().list_email_templates(request.clone()).await;
        let page = page.unwrap().into_inner();
        found.extend(page.templates);
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

/// The subject of the confirmation of a package sold now to a customer of this language.
async fn confirmed(app: &TestApp, shop: &mut Shop, locale: &str) -> String {
    shop.customer = shop.customer(&format!("Customer {locale}")).await;
    let customer = v1::Customer {
        id: shop.customer.clone(),
        locale: locale.to_owned(),
        ..Default::default()
    };
    set_customer(app, &["locale"], customer).await;
    shop.sell_lessons("8", days(30)).await;
    assert_eq!(Mailroom::capturing(app).run().await.sent, 1);
    let sent = emails(app, EmailKind::Confirmation).await;
    let mut to_them = sent.iter().filter(|it| it.customer_id == shop.customer);
    to_them.next().unwrap().subject.clone()
}

#[rstest]
#[tokio::test]
async fn an_own_template_is_used_for_its_language_its_regions_and_english_for_all_others(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let kind = EmailKind::Confirmation;
        assert_eq!(
            confirmed(app, &mut shop, "et-EE").await,
            "Sinu pakett on valmis: Standard"
        );
        save(app, saving(kind, "en", "English {{first.name}}"))
            .await
            .unwrap();
        assert_eq!(confirmed(app, &mut shop, "et-EE").await, "English Standard");
        save(app, saving(kind, "et", "Eesti")).await.unwrap();
        assert_eq!(confirmed(app, &mut shop, "et-EE").await, "Eesti");
        save(app, saving(kind, "ET-ee", "Eestis")).await.unwrap();
        assert_eq!(confirmed(app, &mut shop, "et-EE").await, "Eestis");
        assert_eq!(confirmed(app, &mut shop, "et").await, "Eesti");
        assert_eq!(confirmed(app, &mut shop, "de").await, "English Standard");

        reset(app, "et-EE", "").await.unwrap();
        assert_eq!(confirmed(app, &mut shop, "et-EE").await, "Eesti");
        reset(app, "et", "").await.unwrap();
        reset(app, "en", "").await.unwrap();
        assert_eq!(
            confirmed(app, &mut shop, "de").await,
            "Ihr Paket ist da: Standard"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn another_business_and_another_kind_are_as_shipped(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let other = Tenant::create(app.context(), "Other", app.channel.clone()).await;
        save(&other, saving(EmailKind::Confirmation, "en", "Theirs"))
            .await
            .unwrap();
        save(app, saving(EmailKind::Expired, "en", "Over"))
            .await
            .unwrap();
        assert_eq!(
            confirmed(app, &mut shop, "en").await,
            "Your package is ready: Standard"
        );
        let all = listed(app, 50).await;
        let [only] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(
            (only.kind(), only.locale.as_str()),
            (EmailKind::Expired, "en")
        );
        assert!(
            !get(app, EmailKind::Confirmation, "en")
                .await
                .template
                .unwrap()
                .own
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_faults_are_told_by_text_line_and_column_and_nothing_is_kept(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let wrong = v1::EmailTemplateText {
            subject: "{{frist.name}}".to_owned(),
            text_body: "Hi\n  {{> layout}}".to_owned(),
            html_body: "<script>x</script>\n<a href=\"javascript:x\">{{#each packages}}{{nmae}}{{/each}}</a>"
                .to_owned(),
        };
        let mut request = saving(EmailKind::Expired, "en", "");
        request.text = Some(wrong);
        let refusal = save(app, request.clone()).await;
        let told = field_faults(refusal);
        let expected = [
            ("text.subject", "line 1, column 1: names frist.name, which is not a published variable"),
            ("text.text_body", "line 2, column 3: includes layout, which there is not"),
            ("text.html_body", "line 1, column 1: has the element <script>, which is not allowed"),
            ("text.html_body", "line 2, column 4: has in href what begins neither"),
            ("text.html_body", "line 2, column 42: names nmae, which is not a published variable"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for ((field, description), (wanted, text)) in told.iter().zip(expected) {
            assert_eq!(field, wanted, "{told:?}");
            assert!(description.starts_with(text), "{description}");
        }
        let metadata = refused(save(app, request).await, Code::InvalidArgument, "EMAIL_TEMPLATE_FAULTY");
        assert_eq!(metadata["faults"], "5");
        assert_eq!(listed(app, 50).await, []);

        let empty = v1::SaveEmailTemplateRequest {
            text: Some(v1::EmailTemplateText {
                subject: "s".repeat(1_001),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut fields: Vec<_> = field_faults(save(app, empty).await).into_iter().map(|it| it.0).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["kind", "locale", "text.html_body", "text.subject", "text.text_body"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_somebody_else_saved_or_reset_is_not_overwritten(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let kind = EmailKind::Confirmation;
        let shipped = get(app, kind, "en").await.template.unwrap();
        assert!(!shipped.own && shipped.updated_at.is_none());
        let with_etag = |subject, etag: &str| v1::SaveEmailTemplateRequest {
            etag: etag.to_owned(),
            ..saving(kind, "en", subject)
        };
        let first = save(app, with_etag("One", &shipped.etag))
            .await
            .unwrap()
            .template
            .unwrap();
        assert!(first.own && first.updated_at.is_some() && first.etag != shipped.etag);
        assert_eq!(get(app, kind, "en").await.template.unwrap(), first);
        let stale = save(app, with_etag("Two", &shipped.etag)).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        refused(
            reset(app, "en", &shipped.etag).await,
            Code::Aborted,
            "ETAG_MISMATCH",
        );
        let again = reset(app, "en", &first.etag).await.unwrap();
        assert_eq!((again.own, &again.text), (false, &shipped.text));
        assert_eq!(
            reset(app, "en", "").await.unwrap(),
            again,
            "nothing changes"
        );
        let stale = save(app, with_etag("Two", &first.etag)).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let stale = save(app, with_etag("Two", &shipped.etag)).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        save(app, with_etag("Two", &again.etag)).await.unwrap();

        let saves = (0..8).map(|n| save(app, saving(kind, "de", &format!("Nummer {n}"))));
        for saved in futures_util::future::join_all(saves).await {
            saved.unwrap();
        }
        assert_eq!(get(app, kind, "de").await.template.unwrap().etag, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn saving_can_be_tried_and_repeated(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let mut request = saving(EmailKind::Confirmation, "en", "One");
        request.validate_only = true;
        assert!(
            save(app, request.clone())
                .await
                .unwrap()
                .template
                .unwrap()
                .own
        );
        assert_eq!(listed(app, 50).await, []);
        request.validate_only = false;
        request.request_id = app.request_id();
        let first = save(app, request.clone()).await.unwrap();
        reset(app, "en", "").await.unwrap();
        let again = save(app, request.clone()).await.unwrap();
        assert!(again.replayed && !first.replayed);
        assert_eq!(again.template, first.template);
        assert_eq!(listed(app, 50).await, [], "a repeat changes nothing");
        request.locale = "de".to_owned();
        refused(
            save(app, request).await,
            Code::AlreadyExists,
            "REQUEST_ID_REUSED",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_list_is_in_pages_by_kind_and_language(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let keys = [
            (EmailKind::Confirmation, "de"),
            (EmailKind::Confirmation, "en"),
            (EmailKind::Confirmation, "en-GB"),
            (EmailKind::Expired, "de"),
            (EmailKind::HoldTimedOut, "et"),
        ];
        for (kind, locale) in keys.into_iter().rev() {
            save(app, saving(kind, locale, "Mine")).await.unwrap();
        }
        let found = listed(app, 2).await;
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.kind(), it.locale.as_str()))
            .collect();
        assert_eq!(found, keys);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_that_no_longer_passes_is_left_aside_and_says_so(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        save(app, saving(EmailKind::Confirmation, "en", "Mine"))
            .await
            .unwrap();
        // As if a variable had been removed from the program since.
        let txn = app.context().db.begin().await.unwrap();
        txn.execute_unprepared("UPDATE email_templates SET html_body = '<p>{{first.colour}}</p>'")
            .await
            .unwrap();
        txn.commit().await.unwrap();
        assert_eq!(
            confirmed(app, &mut shop, "de").await,
            "Ihr Paket ist da: Standard"
        );
        for shown in [
            listed(app, 50).await.remove(0),
            get(app, EmailKind::Confirmation, "en")
                .await
                .template
                .unwrap(),
        ] {
            let [fault] = shown.faults.as_slice() else {
                panic!("{shown:?}")
            };
            assert_eq!(
                (fault.field.as_str(), fault.line, fault.column),
                ("html_body", 1, 4)
            );
            assert!(fault.description.contains("first.colour"), "{fault:?}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_shipped_and_its_variables_can_be_read_and_saved_as_they_are(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        for kind in (1..=8).map(|number| EmailKind::try_from(number).unwrap()) {
            let shown = get(app, kind, "fr-CA").await;
            assert_eq!(shown.shipped_locales, ["de", "en", "es", "et", "fr"]);
            let end = shown
                .variables
                .iter()
                .find(|it| it.path == "packages[].usable_through");
            let end = end.unwrap();
            assert_eq!(end.r#type(), v1::EmailVariableType::Text);
            let needs_end = matches!(
                kind,
                EmailKind::ExpiryReminder | EmailKind::Expired | EmailKind::Extended
            );
            assert_eq!(end.may_be_missing, !needs_end, "{kind:?}");
            let request = v1::SaveEmailTemplateRequest {
                text: shown.template.unwrap().text,
                ..saving(kind, "fr-CA", "")
            };
            save(app, request).await.unwrap();
        }
        let customer = v1::Customer {
            id: shop.customer.clone(),
            locale: "fr-CA".to_owned(),
            ..Default::default()
        };
        set_customer(app, &["locale"], customer).await;
        shop.sell_lessons("8", never()).await;
        Mailroom::capturing(app).run().await;
        let sent = only_email(app, EmailKind::Confirmation).await;
        assert!(
            sent.text_body.starts_with("Bonjour Mari Tamm,"),
            "{}",
            sent.text_body
        );
        assert!(
            sent.html_body.contains("lang=\"fr-CA\""),
            "{}",
            sent.html_body
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_whose_text_is_fixed_does_not_change_with_the_template(
    #[values(Sqlite, Postgres)] database: Database,
) {
    use crate::support::smtp::{Act, At, Mode, SmtpServer};
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Dot, Act::TakeAndDrop);
        shop.sell_lessons("8", until("2026-03-01")).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.run().await.postponed, 1);
        save(app, saving(EmailKind::Confirmation, "en", "Mine"))
            .await
            .unwrap();
        let queued = only_email(app, EmailKind::Confirmation).await;
        app.clock.set(
            queued
                .due_at
                .map(|at| chrono::DateTime::from_timestamp(at.seconds + 1, 0))
                .unwrap()
                .unwrap(),
        );
        assert_eq!(room.deliver().await.sent, 1);
        let sent = only_email(app, EmailKind::Confirmation).await;
        assert_eq!(sent.subject, "Your package is ready: Standard");
    })
    .await;
}
