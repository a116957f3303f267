//! Quiet hours (semantics 44): what would go out in them waits for their end, unless it would not be true then.

use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, local, only_email, set_leads, set_policy};
use crate::support::refused::field_faults;
use crate::support::shop::{Shop, never, until};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

async fn set_quiet(app: &TestApp, from_hour: i32, until_hour: i32, local_hour: i32) {
    let policy = v1::ReminderPolicy {
        quiet_hours: Some(v1::QuietHours {
            from_hour,
            until_hour,
        }),
        local_hour,
        ..Default::default()
    };
    set_policy(app, &["quiet_hours", "local_hour"], policy).await;
}

#[rstest]
#[tokio::test]
async fn semantics_44_what_falls_into_quiet_hours_waits_for_their_end(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_quiet(app, 22, 8, 9).await;
        app.clock.set(local("2026-01-15 23:30"));
        shop.sell_lessons("8", never()).await;
        let request = v1::ListUpcomingRequest::default();
        let listed = app.emails().list_upcoming(request).await;
        let listed = listed.unwrap().into_inner().notices;
        let morning = local("2026-01-16 08:00").timestamp();
        assert_eq!(listed[0].send_at.unwrap().seconds, morning);

        let mut room = Mailroom::capturing(app);
        let delivered = room.deliver().await;
        assert_eq!((delivered.sent, delivered.postponed), (0, 1));
        assert_eq!(room.deliver().await.postponed, 0, "it is looked at once");
        let waiting = only_email(app, EmailKind::Confirmation).await;
        assert_eq!(waiting.state(), EmailState::Queued);
        assert_eq!(waiting.due_at.unwrap().seconds, morning);
        assert_eq!(waiting.attempts, []);
        app.clock.set(local("2026-01-16 07:59"));
        assert_eq!(room.deliver().await.sent, 0);
        app.clock.set(local("2026-01-16 08:00"));
        assert_eq!(room.deliver().await.sent, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_reminder_that_would_come_after_the_end_goes_out_in_quiet_hours(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[1, 0]).await;
        set_quiet(app, 20, 8, 21).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-08 21:00").await;
        // On the day before the last there is time until the morning.
        assert_eq!(room.run_at("2026-02-09 21:00").await.sent, 0);
        app.clock.set(local("2026-02-10 08:00"));
        assert_eq!(room.deliver().await.sent, 1);
        let reminder = only_email(app, EmailKind::ExpiryReminder).await;
        assert!(
            reminder.text_body.contains("last day today"),
            "{}",
            reminder.text_body
        );
        // On the last day there is none.
        assert_eq!(room.run_at("2026-02-10 21:00").await.sent, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_that_ends_in_quiet_hours_is_confirmed_in_them(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let policy = v1::ReminderPolicy {
            used_up: true,
            ..Default::default()
        };
        set_policy(app, &["used_up"], policy).await;
        set_quiet(app, 22, 8, 7).await;
        app.clock.set(local("2026-01-15 22:30"));
        let pass = shop.sell_lessons("1", until("2026-01-15")).await;
        let request = v1::ListUpcomingRequest::default();
        let listed = app.emails().list_upcoming(request).await;
        let listed = listed.unwrap().into_inner().notices;
        let now = app.clock.now().timestamp();
        assert_eq!(listed[0].package_id, pass.id);
        assert_eq!(listed[0].send_at.unwrap().seconds, now);
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.deliver().await.sent, 1);

        // One that ends later can wait, and so can that it is used up or has ended.
        shop.sell_lessons("1", until("2026-01-16")).await;
        shop.sell_lessons("1", until("2026-01-15")).await;
        let delivered = room.deliver().await;
        assert_eq!((delivered.sent, delivered.postponed), (1, 1));
        let last = shop.use_lessons_of(&pass.id, "1");
        shop.consume(last).await.unwrap();
        assert_eq!(room.deliver().await.postponed, 1);
        let delivered = room.run_at("2026-01-16 07:00").await;
        assert_eq!((delivered.sent, delivered.postponed), (0, 1));
        assert_eq!(room.run_at("2026-01-16 08:00").await.sent, 3);
        for kind in [EmailKind::UsedUp, EmailKind::Expired] {
            let told = only_email(app, kind).await;
            assert_eq!(told.state(), EmailState::Sent, "{kind:?}: {}", told.reason);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_text_that_counts_days_is_not_carried_into_the_next_day(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(false, true)] may_have_arrived: bool,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let shop = Shop::open(app).await;
        set_leads(app, &[3]).await;
        set_quiet(app, 22, 8, 21).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::posting_to(app, &server);
        room.run_at("2026-02-06 21:00").await;
        if may_have_arrived {
            server.plan(At::Dot, Act::TakeAndDrop);
        } else {
            server.plan(At::Rcpt, Act::Say("450 4.2.1 not now"));
        }
        let delivered = room.run_at("2026-02-07 21:59").await;
        assert_eq!((delivered.sent, delivered.postponed), (0, 1));
        app.clock.set(local("2026-02-07 22:30"));
        if may_have_arrived {
            assert_eq!(room.deliver().await.sent, 1, "tomorrow it would be wrong");
            return;
        }
        assert_eq!(room.deliver().await.sent, 0, "tomorrow it says less");
        app.clock.set(local("2026-02-08 08:00"));
        assert_eq!(room.deliver().await.sent, 1);
        let sent = only_email(app, EmailKind::ExpiryReminder).await;
        assert!(
            sent.text_body.contains("(2 days left)"),
            "{}",
            sent.text_body
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn quiet_hours_are_two_hours_of_a_day_and_can_be_taken_away(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let update = async |quiet_hours| {
            let request = v1::UpdateReminderPolicyRequest {
                policy: Some(v1::ReminderPolicy {
                    quiet_hours,
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask {
                    paths: vec!["quiet_hours".to_owned()],
                }),
                ..Default::default()
            };
            let answer = app.emails().update_reminder_policy(request).await?;
            Ok::<_, tonic::Status>(answer.into_inner().policy.unwrap())
        };
        let hours = |from_hour, until_hour| {
            Some(v1::QuietHours {
                from_hour,
                until_hour,
            })
        };
        for (wrong, field) in [
            (hours(24, 8), "policy.quiet_hours.from_hour"),
            (hours(22, -1), "policy.quiet_hours.until_hour"),
            (hours(7, 7), "policy.quiet_hours.until_hour"),
        ] {
            assert_eq!(field_faults(update(wrong).await)[0].0, field);
        }
        let set = update(hours(22, 0)).await.unwrap();
        assert_eq!(set.quiet_hours, hours(22, 0));
        let cleared = update(None).await.unwrap();
        assert_eq!(cleared.quiet_hours, None);
        assert!(cleared.confirmation, "nothing else was changed");
    })
    .await;
}
