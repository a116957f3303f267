//! Several connections to the mail server at once: they share the work, and none disturbs another.

use std::collections::HashSet;
use std::time::Duration;

use carnet::config::MailSettings;
use carnet::jobs::deliver::{Delivered, Workers};
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::SmtpSettings;
use carnet::proto::v1::{AttemptOutcome, EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;
use tokio_util::sync::CancellationToken;

use crate::mail::rates::{limited, prove_four_a_minute, queue};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{emails, message_id, outcomes, through};
use crate::support::process::until;
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// Longer than a busy machine takes.
pub(super) const SOON: Duration = Duration::from_mins(3);

/// So many workers with the mail settings of the app.
pub(super) fn workers(app: &TestApp, server: &SmtpServer, connections: usize) -> Workers {
    workers_with(app, server, connections, app.mail_settings())
}

fn workers_with(
    app: &TestApp,
    server: &SmtpServer,
    connections: usize,
    settings: &MailSettings,
) -> Workers {
    stoppable(
        app,
        server,
        connections,
        settings,
        &CancellationToken::new(),
    )
}

fn stoppable(
    app: &TestApp,
    server: &SmtpServer,
    connections: usize,
    settings: &MailSettings,
    stop: &CancellationToken,
) -> Workers {
    let mails = (0..connections).map(|_| {
        let session = SmtpSession::new(SmtpSettings::parse(&server.clear_url(), None).unwrap());
        through(session, settings)
    });
    Workers::new(app.context(), mails.collect(), stop)
}

pub(super) async fn run(workers: &Workers) -> Delivered {
    workers.run().await.unwrap().expect("all are at work")
}

/// Waits until the server has fallen silent so often.
pub(super) async fn stalled(server: &SmtpServer, times: usize) {
    let what = format!("{times} answers that wait");
    until(SOON, &what, async || server.stalls() == times).await;
}

/// A shop, and what it sells.
pub(super) async fn open(tenant: &Tenant) -> (Shop, String) {
    let shop = Shop::open(tenant).await;
    let template_id = shop.offer(shop.lessons("8", never())).await;
    (shop, template_id)
}

/// So many e-mails have arrived, each once, and are marked as sent.
pub(super) async fn each_arrived_once(tenant: &Tenant, server: &SmtpServer, count: usize) {
    let received = server.received();
    let ids: HashSet<String> = received.iter().map(|it| message_id(&it.text)).collect();
    assert_eq!((received.len(), ids.len()), (count, count));
    let sent = emails(tenant, EmailKind::Confirmation).await;
    assert_eq!(sent.len(), count);
    for email in &sent {
        assert_eq!(email.state(), EmailState::Sent, "{email:?}");
        assert!(ids.contains(&email.message_id));
    }
}

#[rstest]
#[tokio::test]
async fn as_many_emails_are_under_way_as_there_are_connections_and_each_goes_out_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 7).await;
        for _ in 0..3 {
            server.plan(At::Dot, Act::TakeAndWait);
        }
        let workers = workers(app, &server, 3);
        let answer = async {
            stalled(&server, 3).await;
            assert_eq!(server.open(), 3);
            for _ in 0..3 {
                server.release();
            }
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(answer));
        assert_eq!(delivered.sent, 7);
        assert_eq!(server.connections(), 3, "several messages over each");
        each_arrived_once(app, &server, 7).await;
        until(SOON, "one is kept", async || server.open() == 1).await;
        workers.close().await;
        until(SOON, "none is kept", async || server.open() == 0).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_single_email_opens_a_single_connection(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let (shop, template_id) = open(app).await;
        let workers = workers(app, &server, 4);
        for _ in 0..3 {
            shop.sell(&template_id).await;
            assert_eq!(run(&workers).await.sent, 1);
        }
        assert_eq!(server.connections(), 1, "and the next one goes by the same");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn workers_of_several_replicas_keep_one_limit_together(
    #[values(Sqlite, Postgres)] database: Database,
    #[values((Some(4), None), (None, Some(4)))] (all, business): (Option<u32>, Option<u32>),
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 10).await;
        let settings = limited(app, all, business);
        let one = workers_with(app, &server, 4, &settings);
        let other = workers_with(app, &server, 4, &settings);
        let mut sent_at = Vec::new();
        for _ in 0..30 {
            let (here, there) = tokio::join!(Box::pin(run(&one)), Box::pin(run(&other)));
            sent_at.extend(vec![app.clock.now(); here.sent + there.sent]);
            app.clock.advance(TimeDelta::seconds(5));
        }
        prove_four_a_minute(&sent_at);
        each_arrived_once(app, &server, 10).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_answer_that_is_long_in_coming_keeps_one_worker_only(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let (shop, template_id) = open(app).await;
        shop.sell(&template_id).await;
        server.plan(At::Dot, Act::TakeAndWait);
        let workers = workers(app, &server, 2);
        let meanwhile = async {
            stalled(&server, 1).await;
            for _ in 0..3 {
                shop.sell(&template_id).await;
            }
            assert_eq!(run(&workers).await.sent, 3);
            server.release();
        };
        let (first, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(meanwhile));
        assert_eq!(first.sent, 1);
        assert_eq!(server.connections(), 2);
        each_arrived_once(app, &server, 4).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_connection_that_dies_costs_its_own_email_an_attempt_and_no_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 6).await;
        server.plan(At::Body, Act::Drop);
        for _ in 0..2 {
            server.plan(At::Dot, Act::TakeAndWait);
        }
        let workers = workers(app, &server, 3);
        let answer = async {
            stalled(&server, 2).await;
            for _ in 0..2 {
                server.release();
            }
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(answer));
        assert_eq!((delivered.sent, delivered.postponed), (5, 1));
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(run(&workers).await.sent, 1);
        each_arrived_once(app, &server, 6).await;
        let mut tries: Vec<_> = emails(app, EmailKind::Confirmation)
            .await
            .iter()
            .map(|email| email.attempts.len())
            .collect();
        tries.sort_unstable();
        assert_eq!(tries, [1, 1, 1, 1, 1, 2]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_server_that_takes_no_further_connection_goes_on_with_those_it_has(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        server.allow_at_once(1);
        let (shop, template_id) = open(app).await;
        shop.sell(&template_id).await;
        for _ in 0..2 {
            server.plan(At::Dot, Act::TakeAndWait);
        }
        let workers = workers(app, &server, 2);
        let meanwhile = async {
            stalled(&server, 1).await;
            shop.sell(&template_id).await;
            server.release();
            stalled(&server, 2).await;
            shop.sell(&template_id).await;
            assert_eq!(run(&workers).await.postponed, 1);
            assert_eq!(server.connections(), 2);
            assert_eq!(workers.run().await.unwrap(), None, "it rests alone");
            server.release();
        };
        let (first, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(meanwhile));
        assert_eq!(first.sent, 3, "the mail server is not away");
        each_arrived_once(app, &server, 3).await;
        let all = emails(app, EmailKind::Confirmation).await;
        let mut tries: Vec<_> = all.iter().map(outcomes).collect();
        tries.sort_by_key(Vec::len);
        let (once, again) = (AttemptOutcome::Accepted, AttemptOutcome::Unreachable);
        assert_eq!(tries, [vec![once], vec![once], vec![again, once]]);
        // Once it takes more, the other one is back.
        server.allow_at_once(2);
        app.clock.advance(TimeDelta::seconds(10));
        for _ in 0..2 {
            shop.sell(&template_id).await;
            server.plan(At::Dot, Act::TakeAndWait);
        }
        let answer = async {
            stalled(&server, 4).await;
            for _ in 0..2 {
                server.release();
            }
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(answer));
        assert_eq!((delivered.sent, server.connections()), (2, 3));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_45_while_the_mail_server_is_away_one_worker_tries_for_all(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 6).await;
        let workers = workers(app, &server, 3);
        for _ in 0..3 {
            server.plan(At::Greeting, Act::Drop);
        }
        let delivered = run(&workers).await;
        let tried = server.connections();
        assert!((1..=3).contains(&tried), "each once at most: {tried}");
        assert_eq!((delivered.sent, delivered.postponed), (0, tried));
        server.forget_plans();
        assert_eq!(run(&workers).await, Delivered::default(), "all rest");
        app.clock.advance(TimeDelta::seconds(10));
        server.plan(At::Greeting, Act::Drop);
        assert_eq!(run(&workers).await.postponed, 1);
        assert_eq!(server.connections(), tried + 1, "one try");
        app.clock.advance(TimeDelta::seconds(20));
        assert_eq!(run(&workers).await.sent, 6, "an answer lets all go on");
        each_arrived_once(app, &server, 6).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_stop_lets_each_worker_end_the_email_that_it_is_at(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 5).await;
        for _ in 0..2 {
            server.plan(At::Dot, Act::TakeAndWait);
        }
        let stop = CancellationToken::new();
        let workers = stoppable(app, &server, 2, app.mail_settings(), &stop);
        let end = async {
            stalled(&server, 2).await;
            stop.cancel();
            for _ in 0..2 {
                server.release();
            }
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(end));
        assert_eq!(delivered.sent, 2);
        let all = emails(app, EmailKind::Confirmation).await;
        let queued = all.iter().filter(|it| it.state() == EmailState::Queued);
        assert_eq!(queued.count(), 3);
    })
    .await;
}
