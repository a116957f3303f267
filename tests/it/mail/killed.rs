//! A server that is killed while it hands an e-mail over: in the end the e-mail is sent, and more than
//! once only where the server died without having written down the answer to the final dot.
//!
//! Here the clock is the system's: the lease that the dead process left has to run out. It follows from
//! `--smtp-timeout-seconds`.

use std::time::Duration;

use carnet::clock::Clock;
use carnet::proto::v1::{self, AttemptOutcome, EmailKind, EmailState};
use carnet::service::Context;
use carnet::store::db::Database as Connection;
use futures_util::future::join_all;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::fresh::Fresh;
use crate::support::mailroom::{emails, message_id, only_email, outcomes};
use crate::support::process::{Serving, until};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// Longer than a lease, the longest wait before a second attempt and a beat of the scheduler.
const SENT_BY: Duration = Duration::from_mins(5);
/// Longer than a beat of the scheduler and what comes before the stage: ten processes begin at once, and each reads
/// all templates before its first e-mail.
const REACHED_BY: Duration = Duration::from_mins(5);

/// Where the server is killed.
#[derive(Clone, Copy, Debug)]
struct Stage {
    at: At,
    act: Act,
    /// How often the e-mail then arrives.
    deliveries: usize,
}

/// From the claim to the mark.
const STAGES: [Stage; 5] = [
    Stage {
        at: At::Greeting,
        act: Act::Hang,
        deliveries: 1,
    },
    Stage {
        at: At::Rcpt,
        act: Act::Hang,
        deliveries: 1,
    },
    Stage {
        at: At::Body,
        act: Act::Hang,
        deliveries: 1,
    },
    Stage {
        at: At::Dot,
        act: Act::TakeAndHang,
        deliveries: 2,
    },
    // Answered, and killed before the answer could be written down.
    Stage {
        at: At::Dot,
        act: Act::TakeAndWait,
        deliveries: 2,
    },
];

#[rstest]
#[tokio::test]
async fn a_server_killed_between_claim_and_mark_loses_no_email(
    #[values(Sqlite, Postgres)] database: Database,
) {
    join_all(STAGES.map(|stage| is_sent_after_a_kill(database, stage))).await;
}

async fn is_sent_after_a_kill(database: Database, stage: Stage) {
    let fresh = Fresh::migrated(database).await;
    let connection = fresh.connect().await;
    let mail_server = SmtpServer::start(Mode::Clear).await;
    mail_server.plan(stage.at, stage.act);
    let smtp_url = mail_server.clear_url();
    let arguments = ["--smtp-timeout-seconds=2", "--smtp-url", &smtp_url];

    let serving = Serving::start(&fresh.url, &arguments).await;
    let ctx = Context::new(connection.clone(), Clock::System);
    let tenant = Tenant::create(&ctx, "Swim school", serving.channel()).await;
    Shop::open(&tenant).await.sell_lessons("8", never()).await;
    let is_there = async || mail_server.stalls() == 1;
    until(REACHED_BY, &format!("{stage:?}"), is_there).await;
    if let Act::TakeAndWait = stage.act {
        let unwritable = forbid_writing(&connection).await;
        mail_server.release();
        let is_answered = async || mail_server.answered() == 1;
        until(REACHED_BY, "an answer", is_answered).await;
        serving.kill().await;
        unwritable.rollback().await.unwrap();
    } else {
        serving.kill().await;
    }

    let serving = Serving::start(&fresh.url, &arguments).await;
    let tenant = tenant.through(serving.channel());
    let is_sent = async || {
        let found = emails(&tenant, EmailKind::Confirmation).await;
        found.iter().all(|email| email.state() == EmailState::Sent)
    };
    until(SENT_BY, &format!("the e-mail after {stage:?}"), is_sent).await;
    let sent = only_email(&tenant, EmailKind::Confirmation).await;
    check(&sent, &mail_server, stage);
    serving.kill().await;
    connection.close().await.unwrap();
    fresh.remove().await;
}

fn check(sent: &v1::Email, mail_server: &SmtpServer, stage: Stage) {
    let received = mail_server.received();
    assert_eq!(received.len(), stage.deliveries, "{stage:?}");
    for message in &received {
        assert_eq!(message_id(&message.text), sent.message_id, "{stage:?}");
    }
    let (last, before) = sent.attempts.split_last().unwrap();
    assert_eq!(last.outcome(), AttemptOutcome::Accepted, "{stage:?}");
    assert_eq!(before.len(), 1, "{stage:?}: {:?}", sent.attempts);
    if stage.deliveries > 1 {
        let expected = [AttemptOutcome::Unknown, AttemptOutcome::Accepted];
        assert_eq!(outcomes(sent), expected, "{stage:?}");
    }
}

/// Nobody can mark an e-mail until this ends.
async fn forbid_writing(connection: &Connection) -> DatabaseTransaction {
    let txn = connection.begin().await.unwrap();
    if connection.backend() == DbBackend::Postgres {
        let sql = "SELECT id FROM emails FOR UPDATE";
        txn.execute_unprepared(sql).await.unwrap();
    }
    txn
}
