//! Trying e-mails out (G8): shown with a sample or a customer's data, and sent to an address.

use carnet::domain::permission::Permission;
use carnet::jobs::deliver::Delivered;
use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use chrono::TimeDelta;
use mail_parser::MessageParser;
use rstest::rstest;
use tonic::{Code, Status};

use super::read::{only, public};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on, on_tuned};
use crate::support::mailroom::{Mailroom, email, set_feature, set_policy, set_settings};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, never, until};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;
use crate::support::web::post;

fn trial(kind: EmailKind) -> v1::EmailTrial {
    v1::EmailTrial {
        kind: kind.into(),
        ..Default::default()
    }
}

async fn preview(
    tenant: &Tenant,
    trial: v1::EmailTrial,
) -> Result<v1::PreviewEmailTemplateResponse, Status> {
    let request = v1::PreviewEmailTemplateRequest { trial: Some(trial) };
    let answer = tenant.emails().preview_email_template(request).await?;
    Ok(answer.into_inner())
}

fn test_to(address: &str, kind: EmailKind) -> v1::SendTestRequest {
    v1::SendTestRequest {
        trial: Some(trial(kind)),
        to_email: address.to_owned(),
        ..Default::default()
    }
}

async fn send(
    tenant: &Tenant,
    request: v1::SendTestRequest,
) -> Result<v1::SendTestResponse, Status> {
    let answer = tenant.emails().send_test(request).await?;
    Ok(answer.into_inner())
}

async fn set_look(app: &TestApp) {
    let settings = v1::Settings {
        sender: Some(v1::Sender {
            from_name: "Swim & Co".to_owned(),
            from_email: "hello@swim.example".to_owned(),
            reply_to: "desk@swim.example".to_owned(),
            link_base_url: "https://swim.example/packages".to_owned(),
            logo_url: "https://swim.example/logo.png".to_owned(),
            accent_colour: "#FDE047".to_owned(),
        }),
        ..Default::default()
    };
    set_settings(app, &["sender"], settings).await;
}

#[rstest]
#[tokio::test]
async fn every_kind_is_shown_with_a_sample_in_the_look_of_the_business(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        set_look(app).await;
        for kind in (1..=8).map(|number| EmailKind::try_from(number).unwrap()) {
            let shown = preview(app, trial(kind)).await.unwrap();
            assert_eq!(shown.locale, "en");
            assert!(!shown.subject.is_empty());
            assert!(
                shown.text_body.starts_with("Hello Mari,"),
                "{}",
                shown.text_body
            );
            for look in [
                "src=\"https://swim.example/logo.png\" alt=\"Swim school\"",
                "href=\"https://swim.example/packages\"",
                "background-color:#fde047",
                "color:#000000",
                "Just reply to this e-mail",
            ] {
                assert!(
                    shown.html_body.contains(look),
                    "{kind:?}: {look}\n{}",
                    shown.html_body
                );
            }
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_draft_is_shown_with_the_true_data_of_a_customer(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-01")).await;
        shop.consume(shop.use_lessons("3")).await.unwrap();
        let draft = v1::EmailTrial {
            locale: "de".to_owned(),
            text: Some(v1::EmailTemplateText {
                subject: "{{customer_name}}: {{first.left}}".to_owned(),
                text_body: "{{first.usable_through}}".to_owned(),
                html_body: "<p>{{first.name}}</p>".to_owned(),
            }),
            customer_id: shop.customer.clone(),
            package_ids: vec![package.id.clone()],
            ..trial(EmailKind::ExpiryReminder)
        };
        let shown = preview(app, draft.clone()).await.unwrap();
        assert_eq!(shown.subject, "Mari Tamm: 5 lessons");
        assert!(
            shown.text_body.contains("1. März 2026"),
            "{}",
            shown.text_body
        );
        assert_eq!(shown.locale, "de");

        let mut wrong = draft.clone();
        wrong.text.as_mut().unwrap().subject = "{{nobody}}".to_owned();
        let refusal = preview(app, wrong).await;
        refused(refusal, Code::InvalidArgument, "EMAIL_TEMPLATE_FAULTY");
        let jaan = shop.customer("Jaan Kask").await;
        let of_other = v1::EmailTrial {
            customer_id: jaan,
            ..draft.clone()
        };
        let refusal = preview(app, of_other).await;
        refused(
            refusal,
            Code::FailedPrecondition,
            "PACKAGE_OF_OTHER_CUSTOMER",
        );
        let nowhere = v1::EmailTrial {
            package_ids: vec!["ext:nothing".to_owned()],
            ..draft
        };
        refused(preview(app, nowhere).await, Code::NotFound, "NOT_FOUND");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_such_an_email_cannot_tell_is_refused(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let endless = shop.sell_lessons("8", never()).await;
        let about_it = v1::EmailTrial {
            customer_id: shop.customer.clone(),
            package_ids: vec![endless.id],
            ..trial(EmailKind::ExpiryReminder)
        };
        let refusal = preview(app, about_it).await;
        refused(refusal, Code::FailedPrecondition, "EMAIL_CANNOT_BE_TOLD");
        let faulty = v1::EmailTrial {
            locale: "english please".to_owned(),
            package_ids: vec!["x".to_owned()],
            ..Default::default()
        };
        let mut fields: Vec<_> = field_faults(preview(app, faulty).await)
            .into_iter()
            .map(|it| it.0)
            .collect();
        fields.sort_unstable();
        let expected = [
            "trial.customer_id",
            "trial.kind",
            "trial.locale",
            "trial.package_ids[0]",
        ];
        assert_eq!(fields, expected);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn data_of_customers_is_shown_only_to_who_may_see_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-03-01")).await;
        let writer = app.allowed_only(&[Permission::EmailTemplatesManage]).await;
        preview(&writer, trial(EmailKind::Expired)).await.unwrap();
        let named = v1::EmailTrial {
            customer_id: shop.customer.clone(),
            ..trial(EmailKind::ExpiryReminder)
        };
        let metadata = refused(
            preview(&writer, named.clone()).await,
            Code::PermissionDenied,
            "PERMISSION_DENIED",
        );
        assert_eq!(metadata["permission"], "CUSTOMERS_READ");
        let seer = app
            .allowed_only(&[Permission::EmailTemplatesManage, Permission::CustomersRead])
            .await;
        let shown = preview(&seer, named.clone()).await.unwrap();
        assert!(
            shown.text_body.starts_with("Hello Mari Tamm,"),
            "{}",
            shown.text_body
        );
        let about_package = v1::EmailTrial {
            package_ids: vec![package.id],
            ..named
        };
        let metadata = refused(
            preview(&seer, about_package).await,
            Code::PermissionDenied,
            "PERMISSION_DENIED",
        );
        assert_eq!(metadata["permission"], "PACKAGES_READ");
        let refusal = send(&seer, test_to("me@example.com", EmailKind::Expired)).await;
        refused(refusal, Code::PermissionDenied, "PERMISSION_DENIED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_test_goes_out_once_like_others_and_is_on_record_as_one(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        set_look(app).await;
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Dot, Act::Say("451 4.7.1 greylisted"));
        let mut request = test_to("Me@Example.com", EmailKind::UsedUp);
        request.validate_only = true;
        assert_eq!(
            send(app, request.clone())
                .await
                .unwrap()
                .email
                .unwrap()
                .to_email,
            "me@example.com"
        );
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.run().await, Delivered::default());
        request.validate_only = false;
        request.request_id = app.request_id();
        let first = send(app, request.clone()).await.unwrap();
        let again = send(app, request).await.unwrap();
        assert!(again.replayed);
        let made = first.email.unwrap();
        assert_eq!(again.email.unwrap(), made);
        assert!(made.test && made.customer_id.is_empty());
        assert_eq!(made.state(), EmailState::Queued);

        assert_eq!(room.deliver().await.postponed, 1);
        app.clock.advance(TimeDelta::minutes(2));
        assert_eq!(room.deliver().await.sent, 1);
        let sent = email(app, &made.id).await;
        assert!(sent.test);
        assert_eq!((sent.state(), sent.attempts.len()), (EmailState::Sent, 2));
        assert_eq!(
            (&sent.subject, &sent.message_id),
            (&made.subject, &made.message_id)
        );
        let received = server.received();
        let [message] = received.as_slice() else {
            panic!("{received:?}")
        };
        assert_eq!(message.recipient, "me@example.com");
        assert_eq!(message.sender, "hello@swim.example");
        let read = MessageParser::default().parse(&message.text).unwrap();
        let named = |address: &str| ("Swim & Co".to_owned(), address.to_owned());
        assert_eq!(only(read.from()), named("hello@swim.example"));
        assert_eq!(only(read.reply_to()), named("desk@swim.example"));
        let listed = app
            .emails()
            .list_emails(v1::ListEmailsRequest::default())
            .await;
        assert!(listed.unwrap().into_inner().emails[0].test);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nothing_is_tested_on_an_address_that_is_suppressed_by_then(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let suppress = async |email: &str| {
            let request = v1::AddSuppressionRequest {
                email: email.to_owned(),
                ..Default::default()
            };
            app.emails().add_suppression(request).await.unwrap();
        };
        let made = send(app, test_to("me@example.com", EmailKind::Expired))
            .await
            .unwrap();
        suppress("me@example.com").await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.cancelled, 1);
        let ended = email(app, &made.email.unwrap().id).await;
        assert_eq!(ended.reason, "suppressed");
        let refusal = send(app, test_to("ME@example.com", EmailKind::Expired)).await;
        let metadata = refused(refusal, Code::FailedPrecondition, "ADDRESS_SUPPRESSED");
        assert_eq!(metadata["reason"], "by_hand");

        let made = send(app, test_to("you@example.com", EmailKind::Expired))
            .await
            .unwrap();
        let off = v1::Settings::default();
        set_feature(app, off).await;
        assert_eq!(room.run().await.cancelled, 1);
        let on = v1::Settings {
            feature_enabled: true,
            ..Default::default()
        };
        set_feature(app, on).await;
        assert_eq!(
            email(app, &made.email.unwrap().id).await.reason,
            "feature_off"
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_sends_only_so_many_tests_an_hour_even_at_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let other = Tenant::create(app.context(), "Other", app.channel.clone()).await;
        let tests = (0..25).map(|_| send(app, test_to("me@example.com", EmailKind::Expired)));
        let answers = futures_util::future::join_all(tests).await;
        let (sent, mut held): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((sent.len(), held.len()), (20, 5));
        let metadata = refused(
            held.remove(0),
            Code::ResourceExhausted,
            "TEST_LIMIT_REACHED",
        );
        assert_eq!(metadata["limit"], "20");
        assert_eq!(metadata["possible_from"], "2026-01-15T11:00:00Z");
        send(&other, test_to("me@example.com", EmailKind::Expired))
            .await
            .unwrap();
        app.clock.advance(TimeDelta::minutes(60));
        send(app, test_to("me@example.com", EmailKind::Expired))
            .await
            .unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_trial_shows_where_the_link_to_unsubscribe_stands_and_unsubscribes_nobody(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", never()).await;
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.sent, 1);
        let link = "https://carnet.example/mail/unsubscribe/example";
        let mut trial = trial(EmailKind::Confirmation);
        trial.customer_id.clone_from(&shop.customer);
        trial.package_ids = vec![package.id];
        let shown = preview(app, trial.clone()).await.unwrap();
        assert!(shown.text_body.contains(link), "{}", shown.text_body);
        assert!(shown.html_body.contains(link), "{}", shown.html_body);
        let page = post(app.http_address(), "/unsubscribe/example", "").await;
        assert_eq!(page.status, 404);

        let mut request = test_to("me@example.com", EmailKind::Confirmation);
        request.trial = Some(trial.clone());
        send(app, request).await.unwrap();
        assert_eq!(room.deliver().await.sent, 1);
        let received = server.received();
        let [real, tried] = received.as_slice() else {
            panic!("{received:?}")
        };
        assert!(real.text.contains("List-Unsubscribe:"), "{}", real.text);
        assert!(!tried.text.contains("List-Unsubscribe:"), "{}", tried.text);

        let policy = v1::ReminderPolicy {
            mandatory_kinds: vec![EmailKind::Confirmation.into()],
            ..Default::default()
        };
        set_policy(app, &["mandatory_kinds"], policy).await;
        let shown = preview(app, trial).await.unwrap();
        assert!(
            !shown.text_body.contains("unsubscribe"),
            "{}",
            shown.text_body
        );
    })
    .await;
}
