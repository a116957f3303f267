//! The notice that a package has expired (G3): once, with what was lost and until when it can be restored.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, local, only_email, set_leads, set_policy};
use crate::support::refused::refused;
use crate::support::shop::{Shop, until};

const EXPIRED: EmailKind = EmailKind::Expired;

async fn extend(app: &TestApp, package_id: &str) -> Result<v1::Package, tonic::Status> {
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            "2026-06-30".to_owned(),
        )),
        ..Default::default()
    };
    let answer = app.packages().extend_package(request).await?;
    Ok(answer.into_inner().package.unwrap())
}

/// A package through 31 January of which three of eight lessons are lost.
async fn lose_three(app: &TestApp) -> v1::Package {
    let shop = Shop::open(app).await;
    set_leads(app, &[]).await;
    let package = shop.sell_lessons("8", until("2026-01-31")).await;
    shop.consume(shop.use_lessons("5")).await.unwrap();
    package
}

#[rstest]
#[tokio::test]
async fn what_was_lost_is_told_once_on_the_first_morning_after_the_last_day(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let package = lose_three(app).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-01-31 09:00").await;
        assert_eq!(room.run_at("2026-02-01 08:59").await.sent, 0);
        assert_eq!(room.run_at("2026-02-01 09:00").await.sent, 1);
        let sent = only_email(app, EXPIRED).await;
        assert_eq!(sent.package_ids, [package.id]);
        assert_eq!(sent.local_date, "2026-02-01");
        assert_eq!(sent.subject, "Your package has expired: Standard");
        for phrase in [
            "3 of 8 lessons not used",
            "Was usable through 31 January 2026",
            "restore this package through 2 March 2026",
        ] {
            assert!(sent.text_body.contains(phrase), "{}", sent.text_body);
        }
        assert_eq!(room.run_daily("2026-02-02", "2026-03-10").await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_can_be_restored_through_the_day_that_the_email_names(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let package = lose_three(app).await;
        app.clock.set(local("2026-03-03 00:00"));
        let late = extend(app, &package.id).await;
        refused(late, Code::FailedPrecondition, "QUARANTINE_OVER");
        app.clock.set(local("2026-03-02 23:59"));
        let restored = extend(app, &package.id).await.unwrap();
        assert_eq!(restored.lines[0].balances.as_ref().unwrap().available, "3");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_email_is_the_same_whether_or_not_the_expiry_was_written(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let mut texts = Vec::new();
    for sweeps in [false, true] {
        on(database, async |app| {
            lose_three(app).await;
            let mut room = Mailroom::capturing(app);
            room.run_at("2026-01-31 09:00").await;
            app.clock.set(local("2026-02-01 09:00"));
            if sweeps {
                assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
            }
            assert_eq!(room.run().await.sent, 1);
            let sent = only_email(app, EXPIRED).await;
            texts.push((sent.subject, sent.text_body, sent.html_body));
        })
        .await;
    }
    assert_eq!(texts[0], texts[1]);
}

#[rstest]
#[tokio::test]
async fn nothing_is_told_if_nothing_was_lost_or_the_business_does_not_want_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[]).await;
        shop.sell_lessons("8", until("2026-01-31")).await;
        shop.consume(shop.use_lessons("8")).await.unwrap();
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-01-31", "2026-02-10").await;
        assert_eq!(emails(app, EXPIRED).await, []);
        set_policy(app, &["expired_notice"], v1::ReminderPolicy::default()).await;
        room.run_daily("2026-02-11", "2026-02-12").await;
        let policy = v1::ReminderPolicy {
            expired_notice: true,
            ..Default::default()
        };
        set_policy(app, &["expired_notice"], policy).await;
        room.run_daily("2026-02-13", "2026-02-20").await;
        assert_eq!(emails(app, EXPIRED).await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_was_restored_before_the_delivery_is_not_mourned(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let package = lose_three(app).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-01-31 09:00").await;
        app.clock.set(local("2026-02-01 09:00"));
        carnet::jobs::mail_day::step(app.context()).await.unwrap();
        extend(app, &package.id).await.unwrap();
        assert_eq!(room.deliver().await.cancelled, 1);
        let email = only_email(app, EXPIRED).await;
        assert_eq!(email.state(), EmailState::Cancelled);
        assert_eq!(email.reason, "extended");
        // It expires again, and that is told.
        room.run_at("2026-06-30 09:00").await;
        assert_eq!(room.run_at("2026-07-01 09:00").await.sent, 1);
    })
    .await;
}
