//! What a template says itself of the e-mails about its packages goes before what the business says (G2, G4).

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::low_balance::Line;
use carnet::proto::v1::{EmailKind, EmailState};
use chrono::TimeDelta;
use prost_types::FieldMask;
use rstest::rstest;
use tonic::Status;

use super::upcoming::upcoming;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, only_email, set_policy};
use crate::support::refused::field_faults;
use crate::support::shop::{Shop, days};

/// All that a template can say itself, besides leads.
const KINDS: [EmailKind; 6] = [
    EmailKind::Confirmation,
    EmailKind::Expired,
    EmailKind::LowBalance,
    EmailKind::UsedUp,
    EmailKind::Extended,
    EmailKind::HoldTimedOut,
];

fn low(credits: &str) -> v1::LowBalance {
    v1::LowBalance {
        line: Some(Line::Credits(credits.to_owned())),
    }
}

/// A template that wants everything told, or nothing.
fn all(told: bool) -> v1::TemplateEmails {
    v1::TemplateEmails {
        confirmation: Some(told),
        expired_notice: Some(told),
        low_balance: Some(v1::TemplateLowBalance {
            at: told.then(|| low("2")),
        }),
        used_up: Some(told),
        extended: Some(told),
        hold_timed_out: Some(told),
    }
}

/// A business that wants everything told, or nothing.
async fn set_business(app: &TestApp, told: bool) {
    let policy = v1::ReminderPolicy {
        confirmation: told,
        expired_notice: told,
        low_balance: told.then(|| low("2")),
        used_up: told,
        extended: told,
        hold_timed_out: told,
        ..Default::default()
    };
    let paths = [
        "lead_days",
        "confirmation",
        "expired_notice",
        "low_balance",
        "used_up",
        "extended",
        "hold_timed_out",
    ];
    set_policy(app, &paths, policy).await;
}

async fn offered(shop: &Shop, emails: Option<v1::TemplateEmails>) -> String {
    let template = v1::Template {
        emails,
        ..shop.lessons("8", days(30))
    };
    shop.offer(template).await
}

async fn extend(app: &TestApp, package_id: &str) {
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            "2026-03-20".to_owned(),
        )),
        ..Default::default()
    };
    app.packages().extend_package(request).await.unwrap();
}

/// Makes everything happen to a package of each template that may be told, and delivers it.
async fn live(app: &TestApp, shop: &Shop, template_ids: &[String]) {
    let mut room = Mailroom::capturing(app);
    for template_id in template_ids {
        let set_aside = shop.sell(template_id).await;
        let until = app.clock.now() + TimeDelta::hours(1);
        let hold = v1::HoldRequest {
            package_ids: vec![set_aside.id],
            ..shop.hold_lessons_until("2", until)
        };
        shop.hold(hold).await.unwrap();
        app.clock.set(until);
        settle::step(app.context()).await.unwrap();
        let used = shop.sell(template_id).await;
        extend(app, &used.id).await;
        let six = shop.use_lessons_of(&used.id, "6");
        shop.consume(six).await.unwrap();
        room.run().await;
        let two = shop.use_lessons_of(&used.id, "2");
        shop.consume(two).await.unwrap();
    }
    room.run_daily("2026-01-16", "2026-02-18").await;
}

/// The templates of which an e-mail of a kind was sent, each once; nothing else was even queued.
async fn told_of(app: &TestApp, shop: &Shop, kind: EmailKind) -> Vec<String> {
    let mut told = Vec::new();
    for email in emails(app, kind).await {
        assert_eq!(
            email.state(),
            EmailState::Sent,
            "{kind:?}: {}",
            email.reason
        );
        for id in &email.package_ids {
            told.push(shop.package(id).await.template_id);
        }
    }
    told.sort_unstable();
    told.dedup();
    told
}

#[rstest]
#[tokio::test]
async fn a_template_switches_each_e_mail_on_or_off_for_its_packages(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] of_business: bool,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_business(app, of_business).await;
        let other = offered(&shop, Some(all(!of_business))).await;
        let same = offered(&shop, None).await;
        Box::pin(live(app, &shop, &[other.clone(), same.clone()])).await;
        let expected = if of_business { same } else { other };
        for kind in KINDS {
            assert_eq!(told_of(app, &shop, kind).await, [&*expected], "{kind:?}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_goes_by_the_version_that_was_sold_and_the_business_as_it_is_now(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_business(app, false).await;
        let template_id = offered(&shop, Some(all(true))).await;
        let old = shop.sell(&template_id).await;
        let request = v1::UpdateTemplateRequest {
            template: Some(v1::Template {
                id: template_id.clone(),
                emails: None,
                ..Default::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec!["emails".to_owned()],
            }),
            ..Default::default()
        };
        let changed = app.catalog().update_template(request).await.unwrap();
        let changed = changed.into_inner().template.unwrap();
        assert_eq!((changed.version, changed.emails), (2, None));
        let new = shop.sell(&template_id).await;
        for package in [&old, &new] {
            let six = shop.use_lessons_of(&package.id, "6");
            shop.consume(six).await.unwrap();
        }
        let waiting = only_email(app, EmailKind::LowBalance).await;
        assert_eq!(waiting.package_ids, [&*old.id]);
        Mailroom::capturing(app).run().await;
        let sent = only_email(app, EmailKind::LowBalance).await;
        assert_eq!(sent.state(), EmailState::Sent, "{}", sent.reason);
        for (of_business, of_new) in [(false, "switched_off"), (true, "")] {
            set_business(app, of_business).await;
            let ahead = upcoming(app, 40, 0).await;
            let ahead = ahead.iter().filter(|it| it.kind() == EmailKind::Expired);
            let mut ahead: Vec<_> = ahead
                .map(|it| (&*it.package_id, &*it.withheld_reason))
                .collect();
            ahead.sort_unstable();
            let mut expected = [(&*old.id, ""), (&*new.id, of_new)];
            expected.sort_unstable();
            assert_eq!(ahead, expected);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_sold_in_other_quantities_is_told_as_its_template_says(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_business(app, false).await;
        let template = v1::Template {
            emails: Some(all(true)),
            selling: Some(v1::SellingRules {
                freestyle: true,
                ..Default::default()
            }),
            ..shop.lessons("8", days(30))
        };
        let lines = vec![v1::TemplateLine {
            quantity: "3".to_owned(),
            ..template.lines[0].clone()
        }];
        let template_id = shop.offer(template).await;
        let entry = v1::SaleEntry {
            lines,
            ..shop.entry(&template_id)
        };
        let sold = shop.try_to_sell(vec![entry]).await.unwrap().into_inner();
        let package = sold.results[0].package.clone().unwrap();
        let one = shop.use_lessons_of(&package.id, "1");
        shop.consume(one).await.unwrap();
        let told = only_email(app, EmailKind::LowBalance).await;
        assert_eq!(told.package_ids, [package.id]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_template_says_is_kept_copied_and_checked(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let said = v1::TemplateEmails {
            confirmation: Some(false),
            low_balance: Some(v1::TemplateLowBalance {
                at: Some(v1::LowBalance {
                    line: Some(Line::Percent(20)),
                }),
            }),
            ..Default::default()
        };
        let template_id = offered(&shop, Some(said.clone())).await;
        let request = v1::CloneTemplateRequest {
            template_id,
            ..Default::default()
        };
        let copy = app.catalog().clone_template(request).await.unwrap();
        let copy = copy.into_inner().template.unwrap();
        assert_eq!(copy.emails, Some(said.clone()));
        let update = async |emails, paths: &[&str]| -> Result<v1::Template, Status> {
            let request = v1::UpdateTemplateRequest {
                template: Some(v1::Template {
                    id: copy.id.clone(),
                    name: "Other".to_owned(),
                    emails,
                    ..Default::default()
                }),
                update_mask: Some(FieldMask {
                    paths: paths.iter().map(|path| (*path).to_owned()).collect(),
                }),
                ..Default::default()
            };
            let answer = app.catalog().update_template(request).await?;
            Ok(answer.into_inner().template.unwrap())
        };
        let renamed = update(None, &["name"]).await.unwrap();
        assert_eq!(renamed.emails, Some(said.clone()));
        let again = update(Some(said), &["emails"]).await.unwrap();
        assert_eq!(again.version, renamed.version);
        let never = v1::TemplateEmails {
            low_balance: Some(v1::TemplateLowBalance { at: None }),
            ..Default::default()
        };
        let changed = update(Some(never.clone()), &["emails"]).await.unwrap();
        assert_eq!(changed.emails, Some(never));
        for (line, field) in [
            (Some(Line::Percent(100)), "percent"),
            (Some(Line::Credits("0".to_owned())), "credits"),
            (None, "line"),
        ] {
            let wrong = v1::TemplateEmails {
                low_balance: Some(v1::TemplateLowBalance {
                    at: Some(v1::LowBalance { line }),
                }),
                ..Default::default()
            };
            let faults = field_faults(update(Some(wrong), &["emails"]).await);
            let expected = format!("template.emails.low_balance.at.{field}");
            assert_eq!(faults[0].0, expected);
        }
    })
    .await;
}
