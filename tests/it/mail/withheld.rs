//! What is not told, and the reason that the log gives for it (semantics 42, 46).

use carnet::jobs::mail_day;
use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::{
    Mailroom, emails, local, only_email, set_customer, set_feature, set_leads, set_policy,
};
use crate::support::shop::{Shop, days, until};

const REMINDER: EmailKind = EmailKind::ExpiryReminder;

/// What changes about a customer after the e-mail was queued, and why it is then not sent.
#[derive(Clone, Copy, Debug)]
enum Change {
    Inactive,
    NoAddress,
}

impl Change {
    fn path(self) -> &'static str {
        match self {
            Self::Inactive => "active",
            Self::NoAddress => "email",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Inactive => "customer_inactive",
            Self::NoAddress => "no_address",
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_customer_who_is_inactive_or_has_no_address_gets_none_and_the_log_says_why(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(Change::Inactive, Change::NoAddress)] change: Change,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let empty = v1::Customer {
            id: shop.customer.clone(),
            ..Default::default()
        };
        set_customer(app, &[change.path()], empty).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-02 09:00").await;
        assert_eq!(room.run_at("2026-02-03 09:00").await.sent, 0);
        for kind in [EmailKind::Confirmation, REMINDER] {
            let email = only_email(app, kind).await;
            assert_eq!(email.state(), EmailState::Cancelled);
            assert_eq!(email.reason, change.reason());
            assert_eq!(email.notices[0].dropped_reason, change.reason());
            assert_eq!((email.due_at, email.sent_at), (None, None));
            assert_eq!(email.attempts, []);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_is_used_up_is_not_reminded_of(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[1, 7]).await;
        let package = shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-02 09:00").await;
        app.clock.set(local("2026-02-03 09:00"));
        mail_day::step(app.context()).await.unwrap();
        shop.consume(shop.use_lessons_of(&package.id, "8"))
            .await
            .unwrap();
        assert_eq!(room.deliver().await.cancelled, 1);
        let email = only_email(app, REMINDER).await;
        assert_eq!(email.reason, "used_up");
        room.run_daily("2026-02-04", "2026-02-12").await;
        assert_eq!(emails(app, REMINDER).await.len(), 1);
        assert_eq!(emails(app, EmailKind::Expired).await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_reminder_whose_moment_has_passed_is_dead(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[1]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-08 09:00").await;
        app.clock.set(local("2026-02-09 09:00"));
        mail_day::step(app.context()).await.unwrap();
        app.clock.set(local("2026-02-11 00:00"));
        assert_eq!(room.deliver().await.cancelled, 1);
        assert_eq!(only_email(app, REMINDER).await.reason, "already_expired");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_business_switches_off_stops_what_is_queued(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let policy = v1::ReminderPolicy::default();
        set_policy(app, &["confirmation"], policy).await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run_at("2026-02-02 09:00").await.cancelled, 1);
        let email = only_email(app, EmailKind::Confirmation).await;
        assert_eq!(email.reason, "switched_off");
        app.clock.set(local("2026-02-03 09:00"));
        mail_day::step(app.context()).await.unwrap();
        set_feature(app, v1::Settings::default()).await;
        assert_eq!(room.deliver().await.cancelled, 1);
        let on = v1::Settings {
            feature_enabled: true,
            ..Default::default()
        };
        set_feature(app, on).await;
        assert_eq!(only_email(app, REMINDER).await.reason, "feature_off");
        assert_eq!(room.run().await.sent, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_confirmation_that_waited_for_more_than_a_week_is_too_late(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[]).await;
        shop.sell_lessons("8", days(90)).await;
        app.clock.advance(TimeDelta::days(3));
        shop.sell_lessons("8", days(90)).await;
        app.clock.advance(TimeDelta::days(5));
        let delivered = Mailroom::capturing(app).run().await;
        assert_eq!((delivered.sent, delivered.cancelled), (1, 1));
        let [old, _new] = &*emails(app, EmailKind::Confirmation).await else {
            panic!("two e-mails");
        };
        assert_eq!(old.reason, "too_late");
    })
    .await;
}
