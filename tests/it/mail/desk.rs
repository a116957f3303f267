//! What the workers of a process do together at their desk is, for each e-mail, as if it were done alone.

use std::time::Duration;

use carnet::proto::v1::{AttemptOutcome, EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;
use sea_orm::ConnectionTrait;

use crate::mail::rates::queue;
use crate::mail::workers::{SOON, each_arrived_once, open, run, stalled, workers};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::held::Held;
use crate::support::mailroom::{emails, outcomes};
use crate::support::process::until;
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

pub(super) async fn run_sql(app: &TestApp, sql: &str) {
    let txn = app.context().db.begin().await.unwrap();
    let result = txn.execute_unprepared(sql).await.unwrap();
    assert!(result.rows_affected() > 0, "it changes nothing: {sql}");
    txn.commit().await.unwrap();
}

async fn count_under_way(tenant: &Tenant) -> usize {
    let all = emails(tenant, EmailKind::Confirmation).await;
    let under_way = all.iter().filter(|it| it.state() == EmailState::Sending);
    under_way.count()
}

/// Lets the server answer for the one e-mail that is under way, while somebody holds its row and its worker waits.
async fn answered_while_held(app: &TestApp, server: &SmtpServer) -> Held {
    stalled(server, 1).await;
    let held = Held::emails_under_way(app).await;
    server.release();
    until(SOON, "an answer", async || server.answered() == 1).await;
    held.until_somebody_waits().await;
    held
}

#[rstest]
#[tokio::test]
async fn a_damaged_email_among_several_is_given_up_and_no_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 5).await;
        // Not of the oldest, which is claimed before the other workers have come.
        let of_newest = "UPDATE notices SET dropped_reason = 'nonsense'
             WHERE email_id IN (SELECT id FROM emails ORDER BY id DESC LIMIT 1)";
        run_sql(app, of_newest).await;
        let delivered = run(&workers(app, &server, 5)).await;
        assert_eq!((delivered.sent, delivered.failed), (4, 1));
        let mended = "UPDATE notices SET dropped_reason = NULL WHERE dropped_reason = 'nonsense'";
        run_sql(app, mended).await;
        let mut all = emails(app, EmailKind::Confirmation).await;
        let given_up = all.pop().unwrap();
        assert_eq!(given_up.state(), EmailState::Failed);
        assert_eq!(given_up.reason, "damaged");
        assert_eq!(given_up.attempts.len(), 0, "no byte of it went out");
        for email in &all {
            assert_eq!(outcomes(email), [AttemptOutcome::Accepted]);
        }
        assert_eq!(server.received().len(), 4);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_the_emails_that_are_claimed_together_every_business_has_its_share(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 9).await;
        app.clock.advance(TimeDelta::seconds(1));
        let second = app.second_business().await;
        queue(&second, 9).await;
        for _ in 0..6 {
            server.plan(At::Dot, Act::TakeAndWait);
        }
        let workers = workers(app, &server, 6);
        let look = async {
            stalled(&server, 6).await;
            assert_eq!(count_under_way(app).await, 3);
            assert_eq!(count_under_way(&second).await, 3);
            for _ in 0..6 {
                server.release();
            }
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(look));
        assert_eq!(delivered.sent, 18);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_worker_hands_over_no_other_text_before_the_outcome_of_its_last_email_is_committed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let (shop, template_id) = open(app).await;
        for _ in 0..2 {
            shop.sell(&template_id).await;
        }
        server.plan(At::Dot, Act::TakeAndWait);
        let workers = workers(app, &server, 1);
        let meanwhile = async {
            let held = answered_while_held(app, &server).await;
            // On SQLite whoever writes keeps all others from claiming.
            if database == Postgres {
                until(SOON, "the next dialogue", async || server.asked() == 2).await;
                assert_eq!(count_under_way(app).await, 2);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(server.received().len(), 1);
            held.let_go().await;
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(meanwhile));
        assert_eq!(delivered.sent, 2);
        each_arrived_once(app, &server, 2).await;
    })
    .await;
}

/// On SQLite whoever writes keeps all others from writing.
#[tokio::test]
async fn whoever_holds_an_email_holds_up_its_own_worker_only() {
    on(Postgres, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let (shop, template_id) = open(app).await;
        shop.sell(&template_id).await;
        server.plan(At::Dot, Act::TakeAndWait);
        let workers = workers(app, &server, 3);
        let meanwhile = async {
            let held = answered_while_held(app, &server).await;
            for _ in 0..4 {
                shop.sell(&template_id).await;
            }
            // The worker that is held up may have one of them.
            let by_others = run(&workers).await.sent;
            assert!(by_others >= 3, "{by_others}");
            held.let_go().await;
            by_others
        };
        let (first, by_others) = tokio::join!(Box::pin(run(&workers)), Box::pin(meanwhile));
        assert_eq!(first.sent + by_others, 5);
        each_arrived_once(app, &server, 5).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn desks_of_several_processes_send_each_email_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 24).await;
        let [one, other] = [4, 4].map(|connections| workers(app, &server, connections));
        let (here, there) = tokio::join!(Box::pin(run(&one)), Box::pin(run(&other)));
        assert_eq!(here.sent + there.sent, 24);
        each_arrived_once(app, &server, 24).await;
        for email in emails(app, EmailKind::Confirmation).await {
            assert_eq!(outcomes(&email), [AttemptOutcome::Accepted]);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn outcomes_that_are_marked_together_are_each_its_own(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 6).await;
        for reply in ["451 4.3.0 not now", "554 5.7.1 never"] {
            server.plan(At::Dot, Act::Say(reply));
        }
        let delivered = run(&workers(app, &server, 6)).await;
        let ended = (delivered.sent, delivered.postponed, delivered.failed);
        assert_eq!(ended, (4, 1, 1));
        let all = emails(app, EmailKind::Confirmation).await;
        for (state, outcome, count) in [
            (EmailState::Sent, AttemptOutcome::Accepted, 4),
            (EmailState::Queued, AttemptOutcome::Deferred, 1),
            (EmailState::Failed, AttemptOutcome::Rejected, 1),
        ] {
            let such = all.iter().filter(|it| it.state() == state);
            let such: Vec<_> = such.map(outcomes).collect();
            assert_eq!(such, vec![vec![outcome]; count]);
        }
        assert_eq!(server.received().len(), 4);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_was_made_ready_ahead_and_nobody_takes_is_as_if_it_had_never_been_claimed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        queue(app, 12).await;
        let before = emails(app, EmailKind::Confirmation).await;
        // Some go out quickly, so that others are made ready ahead, and then none.
        for _ in 0..6 {
            server.plan(At::Mail, Act::Go);
        }
        server.plan(At::Mail, Act::TakeAndWait);
        let [workers, other] = [1, 2].map(|connections| workers(app, &server, connections));
        let meanwhile = async {
            stalled(&server, 1).await;
            until(SOON, "one under way", async || {
                count_under_way(app).await == 1
            })
            .await;
            let all = emails(app, EmailKind::Confirmation).await;
            for (email, before) in all.iter().zip(&before).skip(7) {
                assert_eq!(email, before);
            }
            // Whoever comes sends them.
            assert_eq!(run(&other).await.sent, 5);
            server.release();
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&workers)), Box::pin(meanwhile));
        assert_eq!(delivered.sent, 7);
        each_arrived_once(app, &server, 12).await;
        for email in emails(app, EmailKind::Confirmation).await {
            assert_eq!(outcomes(&email), [AttemptOutcome::Accepted]);
        }
    })
    .await;
}
