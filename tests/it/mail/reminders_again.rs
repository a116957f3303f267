//! A package that is extended is reminded of again, but not at once (semantics 41).

use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, local, only_email, set_leads};
use crate::support::shop::{Shop, until};

const REMINDER: EmailKind = EmailKind::ExpiryReminder;

async fn extend(app: &TestApp, package_id: &str, last_usable_date: &str) {
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            last_usable_date.to_owned(),
        )),
        ..Default::default()
    };
    app.packages().extend_package(request).await.unwrap();
}

/// The days on which reminders went out.
async fn days_reminded(app: &TestApp) -> Vec<String> {
    let found = emails(app, REMINDER).await.into_iter();
    let sent = found.filter(|email| email.state() == EmailState::Sent);
    sent.map(|email| email.local_date).collect()
}

#[rstest]
#[tokio::test]
async fn an_extended_package_is_reminded_of_only_before_its_new_end(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[1, 7]).await;
        let package = shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-01-16", "2026-02-02").await;
        extend(app, &package.id, "2026-02-20").await;
        room.run_daily("2026-02-03", "2026-02-20").await;
        assert_eq!(days_reminded(app).await, ["2026-02-13", "2026-02-19"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn leads_are_armed_again_for_days_that_lie_ahead_of_the_extension(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let package = shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-01-16", "2026-02-08").await;
        assert_eq!(days_reminded(app).await, ["2026-02-03"]);
        // Its new day is today: whoever extends it knows.
        extend(app, &package.id, "2026-02-15").await;
        room.run_daily("2026-02-08", "2026-02-10").await;
        assert_eq!(days_reminded(app).await, ["2026-02-03"]);
        // Its new day lies ahead.
        extend(app, &package.id, "2026-02-22").await;
        room.run_daily("2026-02-11", "2026-02-21").await;
        assert_eq!(days_reminded(app).await, ["2026-02-03", "2026-02-15"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_customer_who_was_reminded_less_than_three_days_ago_is_left_alone(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(("2026-02-12", 1), ("2026-02-13", 2))] (new_end, reminders): (&str, usize),
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let package = shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-01-16", "2026-02-03").await;
        assert_eq!(days_reminded(app).await, ["2026-02-03"]);
        extend(app, &package.id, new_end).await;
        room.run_daily("2026-02-04", "2026-02-12").await;
        assert_eq!(days_reminded(app).await.len(), reminders);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_extension_between_the_run_and_the_delivery_stops_the_reminder(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let extended = shop.sell_lessons("8", until("2026-02-10")).await;
        let kept = shop.sell_lessons("2", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-02 09:00").await;
        app.clock.set(local("2026-02-03 09:00"));
        carnet::jobs::mail_day::step(app.context()).await.unwrap();
        extend(app, &extended.id, "2026-03-10").await;
        assert_eq!(room.deliver().await.sent, 1);
        let sent = only_email(app, REMINDER).await;
        for notice in &sent.notices {
            let (text, was_dropped) = (&sent.text_body, !notice.dropped_reason.is_empty());
            assert_eq!(was_dropped, notice.package_id == extended.id, "{text}");
        }
        assert!(!sent.text_body.contains("8 lessons"), "{}", sent.text_body);
        assert!(
            sent.text_body.contains("2 of 2 lessons left"),
            "{}",
            sent.text_body
        );
        assert!(sent.package_ids.contains(&kept.id));
        // It was never reminded of, so nothing holds its new lead back.
        room.run_at("2026-03-02 09:00").await;
        assert_eq!(room.run_at("2026-03-03 09:00").await.sent, 1);
    })
    .await;
}
