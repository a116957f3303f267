//! Whether the jobs do their work in time, as `/metrics` tells it to whoever has to know.

use std::time::Duration;

use carnet::clock::Clock;
use carnet::service::{Context, vitals};
use carnet::store::job_runs;
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::fresh::Fresh;
use crate::support::mailroom::Mailroom;
use crate::support::process::{Serving, until};
use crate::support::scrape::{get, metric};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

/// Longer than the jobs of a new server take for their first run.
const RUN_BY: Duration = Duration::from_mins(5);

#[rstest]
#[tokio::test]
async fn metrics_tell_what_waits_for_how_long_and_which_job_is_late(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let ctx = app.context();
        vitals::note_run(ctx, "settle").await.unwrap();
        let noted_at = app.clock.now();
        Shop::open(app).await.sell_lessons("8", never()).await;
        app.clock.advance(TimeDelta::minutes(20));
        vitals::note_run(ctx, "deliver").await.unwrap();
        let page = get(app, "/metrics").await;
        let finished = "carnet_job_last_finish_timestamp_seconds{task=\"settle\"}";
        let wanted = f64::from(i32::try_from(noted_at.timestamp()).unwrap());
        assert_eq!(metric(&page, finished), Some(wanted));
        // Of the twenty minutes fifteen were in time.
        let late = |job: &str| metric(&page, &format!("carnet_job_late_seconds{{task=\"{job}\"}}"));
        assert_eq!((late("settle"), late("deliver")), (Some(300.0), Some(0.0)));
        assert_eq!(
            metric(&page, "carnet_email_oldest_due_seconds"),
            Some(1_200.0)
        );
        let waiting = "carnet_emails_waiting{kind=\"confirmation\",state=\"queued\"}";
        assert_eq!(metric(&page, waiting), Some(1.0));
        let pool = if database == Sqlite {
            "writing"
        } else {
            "general"
        };
        let connections = |state: &str| {
            let name = format!("carnet_database_connections{{pool=\"{pool}\",state=\"{state}\"}}");
            metric(&page, &name).unwrap()
        };
        assert!(
            (1.0..=100.0).contains(&connections("most"))
                && (0.0..=connections("most")).contains(&connections("used")),
            "{page}"
        );

        Mailroom::capturing(app).deliver().await;
        vitals::note_run(ctx, "settle").await.unwrap();
        let page = get(app, "/metrics").await;
        assert_eq!(metric(&page, waiting), Some(0.0));
        assert_eq!(metric(&page, "carnet_email_oldest_due_seconds"), Some(0.0));
        let late = metric(&page, "carnet_job_late_seconds{task=\"settle\"}");
        assert_eq!(late, Some(0.0));
        for counted in [
            "carnet_emails_total{kind=\"confirmation\",outcome=\"sent\"}",
            "carnet_email_attempt_seconds_count{outcome=\"accepted\"}",
        ] {
            let count = metric(&page, counted);
            assert!(count.is_some_and(|count| count >= 1.0), "{page}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_job_that_never_finished_is_late_after_its_time(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let since = app.clock.now();
        for (minutes, late) in [(15, 0), (16, 4), (31, 6), (61, 7)] {
            app.clock.set(since + TimeDelta::minutes(minutes));
            let runs = vitals::job_runs(app.context(), since).await.unwrap();
            let found = runs.iter().filter(|run| !run.late_by.is_zero());
            assert_eq!(found.count(), late, "after {minutes} minutes");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_server_notes_that_its_jobs_finish(#[values(Sqlite, Postgres)] database: Database) {
    let fresh = Fresh::migrated(database).await;
    let connection = fresh.connect().await;
    let folder = fresh.folder.path().join("mail");
    let folder = format!("--mail-capture-folder={}", folder.display());
    let serving = Serving::start(&fresh.url, &[&folder]).await;
    let ctx = Context::new(connection.clone(), Clock::System);
    let are_noted = async || {
        let noted = job_runs::all(ctx.db.reader()).await.unwrap();
        vitals::JOBS.iter().all(|(job, _)| noted.contains_key(*job))
    };
    until(RUN_BY, "a run of each job", are_noted).await;
    serving.kill().await;
    connection.close().await.unwrap();
    fresh.remove().await;
}

#[rstest]
#[tokio::test]
async fn that_the_mail_server_is_away_is_seen_until_it_answers(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let failures = async || {
            let page = get(app, "/metrics").await;
            metric(&page, "carnet_mail_server_failures")
        };
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        Shop::open(app).await.sell_lessons("8", never()).await;
        for failed in [1.0, 2.0, 3.0] {
            server.plan(At::Greeting, Act::Drop);
            assert_eq!(room.deliver().await.postponed, 1);
            assert_eq!(failures().await, Some(failed));
            app.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(room.deliver().await.sent, 1);
        assert_eq!(failures().await, Some(0.0));
    })
    .await;
}
