//! What goes out late, since the mail server was away or put it off, is still true when it goes out (semantics 43).

use carnet::proto::v1::{self, EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::{Mailroom, emails, local, only_email, set_leads};
use crate::support::shop::{Shop, never, until};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

const REMINDER: EmailKind = EmailKind::ExpiryReminder;

#[rstest]
#[case(At::Greeting, Act::Drop)]
#[case(At::Rcpt, Act::Say("450 4.2.1 not now"))]
#[case(At::Dot, Act::Say("451 4.7.1 greylisted"))]
#[tokio::test]
async fn a_reminder_that_waited_says_how_many_days_are_left_when_it_goes_out(
    #[values(Sqlite, Postgres)] database: Database,
    #[case] at: At,
    #[case] act: Act,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::posting_to(app, &server);
        room.run_at("2026-02-02 09:00").await;
        server.plan(at, act);
        assert_eq!(room.run_at("2026-02-03 09:00").await.postponed, 1);
        assert_eq!(room.run_at("2026-02-04 09:00").await.sent, 1);
        let sent = only_email(app, REMINDER).await;
        assert!(
            sent.text_body.contains("(6 days left)"),
            "{}",
            sent.text_body
        );
        assert_eq!(sent.attempts.len(), 2);
        let received = server.received();
        assert_eq!(received.len(), 1);
        assert!(received[0].text.contains("(6 days left)"));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_reminders_that_waited_one_goes_out_and_the_others_are_recorded(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let shop = Shop::open(app).await;
        set_leads(app, &[7, 6, 5]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::posting_to(app, &server);
        room.run_at("2026-02-02 09:00").await;
        for day in 3..=5 {
            server.plan(At::Greeting, Act::Drop);
            let delivered = room.run_at(&format!("2026-02-0{day} 09:00")).await;
            assert_eq!((delivered.sent, delivered.cancelled > 0), (0, day > 3));
        }
        app.clock.set(local("2026-02-05 15:00"));
        assert_eq!(room.deliver().await.sent, 1);
        let all = emails(app, REMINDER).await;
        let ended: Vec<_> = all.iter().map(|it| (it.state(), &*it.reason)).collect();
        let missed = (EmailState::Cancelled, "missed");
        assert_eq!(ended, [missed, missed, (EmailState::Sent, "")]);
        assert!(all[2].text_body.contains("(5 days left)"), "{:?}", all[2]);
        assert_eq!(server.received().len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_whose_sender_is_refused_holds_up_no_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        Shop::open(app).await.sell_lessons("8", never()).await;
        app.clock.advance(TimeDelta::seconds(1));
        let second = app.second_business().await;
        Shop::open(&second).await.sell_lessons("8", never()).await;
        server.plan(At::Mail, Act::Say("550 5.7.1 not from you"));
        let mut room = Mailroom::posting_to(app, &server);
        let delivered = room.deliver().await;
        assert_eq!((delivered.sent, delivered.postponed), (1, 1));
        let mut all = emails(app, EmailKind::Confirmation).await;
        all.extend(emails(&second, EmailKind::Confirmation).await);
        let refused: Vec<&v1::Email> = all.iter().filter(|it| it.due_at.is_some()).collect();
        assert_eq!(refused.len(), 1, "{all:?}");
        assert_eq!(refused[0].attempts[0].smtp_code, 550);
        // Once it is let in its e-mail goes out.
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(room.deliver().await.sent, 1);
        assert_eq!(server.received().len(), 2);
    })
    .await;
}
