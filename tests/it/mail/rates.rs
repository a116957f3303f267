//! Limits of e-mails in a minute, turns of the businesses, and a mail server that is away: for all replicas
//! together (G7, semantics 45).

use carnet::config::MailSettings;
use carnet::proto::v1::{AttemptOutcome, EmailKind};
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, outcomes};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// Confirmations that wait, of sales of their own.
pub(super) async fn queue(tenant: &Tenant, count: usize) {
    let shop = Shop::open(tenant).await;
    let template_id = shop.offer(shop.lessons("8", never())).await;
    for _ in 0..count {
        shop.sell(&template_id).await;
    }
}

/// The mail settings of the app with a rate for all and one for each business.
pub(super) fn limited(app: &TestApp, all: Option<u32>, business: Option<u32>) -> MailSettings {
    MailSettings {
        mail_rate_per_minute: all,
        mail_business_rate_per_minute: business,
        ..app.mail_settings().clone()
    }
}

/// Ten e-mails went out as fast as four a minute allow, and no faster.
pub(super) fn prove_four_a_minute(sent_at: &[DateTime<Utc>]) {
    assert_eq!(sent_at.len(), 10);
    for first in sent_at {
        let minute = *first..*first + TimeDelta::minutes(1);
        let within = sent_at.iter().filter(|at| minute.contains(at)).count();
        assert!(within <= 4, "{sent_at:?}");
    }
    let took = sent_at[9] - sent_at[0];
    let most = TimeDelta::seconds(140);
    assert!(took <= most, "slower than it may: {took}");
}

#[rstest]
#[tokio::test]
async fn several_replicas_keep_one_limit_together(
    #[values(Sqlite, Postgres)] database: Database,
    #[values((Some(4), None), (None, Some(4)))] (all, business): (Option<u32>, Option<u32>),
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 10).await;
        let settings = limited(app, all, business);
        let mut one = Mailroom::posting_with(app, &server, &settings);
        let mut other = Mailroom::posting_with(app, &server, &settings);
        let mut sent_at = Vec::new();
        for _ in 0..40 {
            let (here, there) = tokio::join!(Box::pin(one.deliver()), Box::pin(other.deliver()));
            sent_at.extend(vec![app.clock.now(); here.sent + there.sent]);
            app.clock.advance(TimeDelta::seconds(5));
        }
        prove_four_a_minute(&sent_at);
        assert_eq!(server.received().len(), 10);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_with_many_emails_holds_up_no_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 8).await;
        app.clock.advance(TimeDelta::seconds(1));
        let small = app.second_business().await;
        queue(&small, 2).await;
        let settings = limited(app, Some(4), None);
        let mut room = Mailroom::posting_with(app, &server, &settings);
        assert_eq!(room.deliver().await.sent, 4);
        let of_small = emails(&small, EmailKind::Confirmation).await;
        assert!(of_small.iter().all(|email| email.sent_at.is_some()));
        app.clock.advance(TimeDelta::minutes(2));
        assert_eq!(room.deliver().await.sent, 4);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_limit_of_one_business_is_not_anothers(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 3).await;
        queue(&app.second_business().await, 3).await;
        let settings = limited(app, None, Some(2));
        let mut room = Mailroom::posting_with(app, &server, &settings);
        assert_eq!(room.deliver().await.sent, 4);
        assert_eq!(room.deliver().await.sent, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_sent_does_not_count(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let settings = limited(app, Some(2), None);
        let mut room = Mailroom::posting_with(app, &server, &settings);
        let shop = Shop::open(app).await;
        for _ in 0..2 {
            shop.sell_lessons("8", never()).await;
            // Each step asks for more than there is.
            assert_eq!(room.deliver().await.sent, 1);
            app.clock.advance(TimeDelta::seconds(10));
        }
        shop.sell_lessons("8", never()).await;
        assert_eq!(room.deliver().await.sent, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_45_while_the_mail_server_is_away_one_replica_tries_for_all(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 6).await;
        let mut rooms: Vec<_> = (0..3).map(|_| Mailroom::posting_to(app, &server)).collect();
        server.plan(At::Greeting, Act::Drop);
        assert_eq!(rooms[0].deliver().await.postponed, 1);
        for room in &mut rooms {
            assert_eq!(room.deliver().await.postponed, 0, "all rest");
        }
        assert_eq!(server.connections(), 1);
        app.clock.advance(TimeDelta::seconds(10));
        server.plan(At::Greeting, Act::Drop);
        let mut tried = 0;
        for room in &mut rooms {
            tried += room.deliver().await.postponed;
        }
        assert_eq!((tried, server.connections()), (1, 2), "one try");
        app.clock.advance(TimeDelta::seconds(19));
        assert_eq!(rooms[2].deliver().await.sent, 0, "twice as long");
        app.clock.advance(TimeDelta::seconds(1));
        let mut sent = 0;
        for room in &mut rooms {
            sent += room.deliver().await.sent;
        }
        assert_eq!(sent, 6, "an answer lets all go on");
        for email in emails(app, EmailKind::Confirmation).await {
            let (last, before) = email.attempts.split_last().unwrap();
            assert_eq!(last.outcome(), AttemptOutcome::Accepted);
            let away = |it: &AttemptOutcome| *it == AttemptOutcome::Unreachable;
            assert!(outcomes(&email)[..before.len()].iter().all(away));
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn while_one_replica_tries_the_others_wait_for_what_comes_of_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 3).await;
        let mut one = Mailroom::posting_to(app, &server);
        let mut other = Mailroom::posting_to(app, &server);
        server.plan(At::Greeting, Act::Drop);
        one.deliver().await;
        app.clock.advance(TimeDelta::seconds(10));
        server.plan(At::Dot, Act::TakeAndWait);
        let waits = async {
            while server.stalls() == 0 {
                tokio::task::yield_now().await;
            }
            let meanwhile = other.deliver().await;
            assert_eq!(meanwhile.sent + meanwhile.postponed, 0);
            server.release();
        };
        let (tried, ()) = tokio::join!(Box::pin(one.deliver()), Box::pin(waits));
        assert_eq!(tried.sent, 3);
    })
    .await;
}
