//! A mail server that refuses, falls silent or is away (G7, semantics 45), and what the log says of it.

use carnet::proto::v1;
use carnet::proto::v1::{AttemptOutcome, EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, message_id, only_email, outcomes};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

/// The longest wait before each further attempt, in seconds.
const WAITS_SECONDS: [i64; 6] = [60, 300, 1_800, 7_200, 21_600, 43_200];

async fn confirmation(app: &TestApp) -> v1::Email {
    only_email(app, EmailKind::Confirmation).await
}

#[rstest]
#[tokio::test]
async fn a_refusal_for_now_is_tried_again(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(At::Rcpt, At::Data, At::Dot)] at: At,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(at, Act::Say("451 4.3.0 not now"));
        Shop::open(app).await.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.postponed, 1);
        let waiting = confirmation(app).await;
        assert_eq!(waiting.state(), EmailState::Queued);
        assert_eq!(outcomes(&waiting), [AttemptOutcome::Deferred]);
        let attempt = &waiting.attempts[0];
        assert_eq!((attempt.number, attempt.smtp_code), (1, 451));
        assert!(attempt.message.contains("4.3.0 not now"), "{attempt:?}");
        assert!(attempt.started_at.is_some() && attempt.ended_at.is_some());
        let wait = waiting.due_at.unwrap().seconds - app.clock.now().timestamp();
        assert!((1..=60).contains(&wait), "{wait}");

        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(room.deliver().await.sent, 1);
        let sent = confirmation(app).await;
        assert_eq!(sent.state(), EmailState::Sent);
        let expected = [AttemptOutcome::Deferred, AttemptOutcome::Accepted];
        assert_eq!(outcomes(&sent), expected);
        assert_eq!(sent.attempts[1].smtp_code, 250);
        assert_eq!(waiting.text_body, "", "the next attempt says what is true");
        assert_ne!(sent.text_body, "");
        assert_eq!(server.received().len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_that_is_always_put_off_is_given_up_within_a_day(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        Shop::open(app).await.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        for wait in WAITS_SECONDS {
            server.plan(At::Rcpt, Act::Say("450 4.2.1 not now"));
            assert_eq!(room.deliver().await.postponed, 1);
            app.clock.advance(TimeDelta::seconds(wait));
        }
        server.plan(At::Rcpt, Act::Say("450 4.2.1 not now"));
        assert_eq!(room.deliver().await.failed, 1);
        let email = confirmation(app).await;
        assert_eq!(email.state(), EmailState::Failed);
        assert_eq!(email.reason, "gave_up");
        assert_eq!(email.attempts.len(), 7);
        assert_eq!(email.due_at, None);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_refusal_for_good_ends_the_email_and_no_other(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(At::Rcpt, At::Dot)] at: At,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(at, Act::Say("554 5.7.1 we do not like it"));
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.failed, 1);
        let email = confirmation(app).await;
        assert_eq!(
            (email.state(), &*email.reason),
            (EmailState::Failed, "rejected")
        );
        assert_eq!(outcomes(&email), [AttemptOutcome::Rejected]);
        assert_eq!(email.attempts[0].smtp_code, 554);
        app.clock.advance(TimeDelta::days(1));
        shop.sell_lessons("1", never()).await;
        // The address is good: the next e-mail goes there.
        assert_eq!(room.run().await.sent, 1);
        assert_eq!(server.received().len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_address_that_does_not_exist_gets_no_more_emails(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Rcpt, Act::Say("550 5.1.1 no such user"));
        let mut shop = Shop::open(app).await;
        let mari = shop.customer.clone();
        shop.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.failed, 1);
        app.clock.advance(TimeDelta::minutes(1));
        shop.sell_lessons("1", never()).await;
        shop.customer = shop.customer("Jaan Kask").await;
        shop.sell_lessons("1", never()).await;
        let delivered = room.deliver().await;
        assert_eq!((delivered.sent, delivered.cancelled), (1, 1));
        let all = emails(app, EmailKind::Confirmation).await;
        let hers: Vec<_> = all.iter().filter(|it| it.customer_id == mari).collect();
        assert_eq!(outcomes(hers[0]), [AttemptOutcome::Rejected]);
        assert_eq!(hers[0].reason, "rejected");
        assert_eq!(hers[1].state(), EmailState::Cancelled);
        assert_eq!(hers[1].reason, "suppressed");
        assert_eq!(server.received()[0].recipient, "jaan.kask@example.com");
        // Another business may know better.
        let foreign = app.second_business().await;
        Shop::open(&foreign).await.sell_lessons("8", never()).await;
        assert_eq!(room.deliver().await.sent, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn while_the_mail_server_is_away_nothing_is_lost_and_no_attempt_is_counted(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(Act::Drop, Act::SayAndDrop("421 4.3.2 closing"))] act: Act,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", never()).await;
        shop.sell_lessons("1", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        // More often than an e-mail would be tried.
        for pause in [10, 20, 40, 80, 160, 300, 300, 300, 300, 300] {
            server.plan(At::Greeting, act);
            assert_eq!(room.deliver().await.postponed, 1);
            assert_eq!(room.deliver().await.postponed, 0, "the transport pauses");
            app.clock.advance(TimeDelta::seconds(pause));
        }
        assert_eq!(room.deliver().await.sent, 2);
        let sent = emails(app, EmailKind::Confirmation).await;
        let mut failures = 0;
        for email in &sent {
            assert_eq!(email.state(), EmailState::Sent);
            let (last, before) = email.attempts.split_last().unwrap();
            assert_eq!(last.outcome(), AttemptOutcome::Accepted);
            for attempt in before {
                assert_eq!(attempt.outcome(), AttemptOutcome::Unreachable);
                assert!(attempt.message.starts_with("greeting"), "{attempt:?}");
            }
            failures += before.len();
        }
        assert_eq!(failures, 10);
        assert_eq!(server.received().len(), 2);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_final_dot_without_an_answer_is_recorded_and_repeated_under_one_message_id(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Dot, Act::TakeAndDrop);
        Shop::open(app).await.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.postponed, 1);
        let waiting = confirmation(app).await;
        assert_eq!(outcomes(&waiting), [AttemptOutcome::Unknown]);
        assert_eq!(waiting.state(), EmailState::Queued);
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(room.deliver().await.sent, 1);
        let sent = confirmation(app).await;
        let expected = [AttemptOutcome::Unknown, AttemptOutcome::Accepted];
        assert_eq!(outcomes(&sent), expected);
        let [first, second] = &*server.received() else {
            panic!("two deliveries");
        };
        assert_eq!(first.text, second.text);
        assert_eq!(message_id(&first.text), sent.message_id);
        assert_eq!(waiting.message_id, sent.message_id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn one_email_that_is_put_off_holds_up_no_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Rcpt, Act::Say("450 4.2.1 greylisted"));
        let shop = Shop::open(app).await;
        for _ in 0..3 {
            shop.sell_lessons("8", never()).await;
        }
        let mut room = Mailroom::posting_to(app, &server);
        app.clock.advance(TimeDelta::minutes(2));
        let mut sent = 0;
        while sent < 3 {
            sent += room.deliver().await.sent;
            app.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(server.received().len(), 3);
        assert_eq!(server.connections(), 1, "one session for all");
    })
    .await;
}
