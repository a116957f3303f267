//! A server in this process, on a database of its own, with a clock that the test moves.
//!
//! ```ignore
//! #[rstest]
//! #[tokio::test]
//! async fn a_rule_that_holds(#[values(Sqlite, Postgres)] database: Database) {
//!     on(database, async |app| { … }).await;
//! }
//! ```
//!
//! Calls go through a real channel. When the test is over, the harness runs the jobs until they have
//! nothing left to do, stops the server, and proves from a new connection that every balance is what its
//! entries say, that no e-mail that is due is forgotten and none was sent twice, and that no transaction is
//! open.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use carnet::app::{App, Running};
use carnet::clock::Clock;
use carnet::config::Settings;
use carnet::domain::email::AttemptOutcome;
use carnet::jobs::deliver::{Delivered, Deliverer, Mail, MailSettings};
use carnet::jobs::mail_day::{self, MailDayReport};
use carnet::jobs::settle::{self, Settled};
use carnet::ledger::verify::verify;
use carnet::mail::capture::CaptureFolder;
use carnet::mail::templates::TemplateSet;
use carnet::mail::transport::Transport;
use carnet::service::Context;
use carnet::store::businesses;
use carnet::store::db::Database as Connection;
use chrono::{DateTime, Utc};
use clap::Parser;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tonic::transport::{Channel, Endpoint};

pub(crate) use crate::support::fresh::Database::{self, Postgres, Sqlite};
use crate::support::fresh::Fresh;
use crate::support::tenant::Tenant;

/// When every test begins, UTC: a Thursday morning in winter.
pub(crate) const STARTS_AT: &str = "2026-01-15T10:00:00Z";

/// After how many rounds jobs that still find something to do are stuck.
const JOB_ROUNDS_MAX: u32 = 100;

/// The server, and the business that most tests need only one of: its clients are the app's.
#[derive(Debug)]
pub(crate) struct TestApp {
    /// The only clock of the server.
    pub(crate) clock: Clock,
    /// A channel to the server, without a token.
    pub(crate) channel: Channel,
    fresh: Fresh,
    running: Running,
    tenant: Tenant,
}

impl Deref for TestApp {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        &self.tenant
    }
}

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    settings: Settings,
}

/// What a server is told in tests: free ports, no scheduler (tests call the jobs' steps), a short drain.
pub(crate) fn settings(database_url: &str) -> Settings {
    let arguments = [
        "carnet",
        "--database-url",
        database_url,
        "--database-connections-max=8",
        "--grpc-address=127.0.0.1:0",
        "--http-address=127.0.0.1:0",
        "--no-scheduler",
        "--drain-seconds=1",
    ];
    Program::parse_from(arguments).settings
}

/// Runs `test` on a server of its own and proves the ledger afterwards.
pub(crate) async fn on(database: Database, test: impl AsyncFnOnce(&TestApp)) {
    on_tuned(database, |_| {}, test).await;
}

/// The same with other settings.
pub(crate) async fn on_tuned(
    database: Database,
    tune: impl FnOnce(&mut Settings),
    test: impl AsyncFnOnce(&TestApp),
) {
    let fresh = Fresh::migrated(database).await;
    let mut settings = settings(&fresh.url);
    settings.mail.mail_capture_folder = fresh.folder.path().join("mail");
    tune(&mut settings);
    let app = TestApp::start(fresh, settings).await;
    test(&app).await;
    app.finish().await;
}

impl TestApp {
    async fn start(fresh: Fresh, settings: Settings) -> Self {
        let starts_at: DateTime<Utc> = STARTS_AT.parse().unwrap();
        let clock = Clock::manual(starts_at);
        let app = App::build(settings, clock.clone()).await.unwrap();
        let running = app.bind().await.unwrap();
        let channel = channel(&running);
        let tenant = Tenant::create(running.context(), "Swim school", channel.clone()).await;
        Self {
            clock,
            channel,
            fresh,
            running,
            tenant,
        }
    }

    /// What use cases and the jobs' steps work with.
    pub(crate) fn context(&self) -> &Context {
        self.running.context()
    }

    /// The database's URL, for another server or a command of the program.
    pub(crate) fn database_url(&self) -> &str {
        &self.fresh.url
    }

    /// A business that must never see or change anything of the first one.
    pub(crate) async fn second_business(&self) -> Tenant {
        Tenant::create(self.context(), "Flying club", self.channel.clone()).await
    }

    /// Delivers what is due into a folder of the test's, and says what became of it.
    pub(crate) async fn deliver(&self) -> Delivered {
        self.deliverer().step().await.unwrap()
    }

    fn deliverer(&self) -> Deliverer {
        static TEMPLATES: LazyLock<Arc<TemplateSet>> =
            LazyLock::new(|| Arc::new(TemplateSet::embedded().unwrap()));
        let folder = self.fresh.folder.path().join("mail");
        let mail = Mail {
            settings: MailSettings {
                from_email: "carnet@example.com".to_owned(),
                from_name: None,
            },
            templates: Arc::clone(&TEMPLATES),
            transport: Transport::Capture(CaptureFolder::new(folder)),
        };
        Deliverer::new(self.context().clone(), mail)
    }

    /// Runs the jobs until they have nothing left to do at this instant.
    async fn run_jobs_to_rest(&self) {
        let mut deliverer = self.deliverer();
        for _ in 0..JOB_ROUNDS_MAX {
            let settled = settle::step(self.context()).await.unwrap();
            let told = mail_day::step(self.context()).await.unwrap();
            let sent = deliverer.step().await.unwrap();
            if (settled, told, sent)
                == (
                    Settled::default(),
                    MailDayReport::default(),
                    Delivered::default(),
                )
            {
                return;
            }
        }
        panic!("after {JOB_ROUNDS_MAX} rounds the jobs still find something to do");
    }

    async fn finish(self) {
        self.run_jobs_to_rest().await;
        let now = self.clock.now();
        let Self {
            channel,
            fresh,
            running,
            tenant,
            ..
        } = self;
        drop((channel, tenant));
        running.stop().await;
        let connection = fresh.connect().await;
        prove(&connection, now).await;
        connection.close().await.unwrap();
        fresh.remove().await;
    }
}

/// A channel to where the server serves; it connects when it is first used.
pub(crate) fn channel(running: &Running) -> Channel {
    let address = running.grpc_address.unwrap();
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

/// What must hold after every test.
async fn prove(connection: &Connection, now: DateTime<Utc>) {
    for business in businesses::all(connection.reader()).await.unwrap() {
        let report = verify(connection.reader(), business.id, |_| {})
            .await
            .unwrap();
        assert_eq!(report.faults, [], "the ledger of {}", business.name);
    }
    let forgotten = format!(
        "SELECT count(*) FROM emails WHERE finished_at IS NULL AND due_at <= {now}
            AND (lease_until IS NULL OR lease_until <= {now})",
        now = now.timestamp_micros()
    );
    assert_eq!(count(connection, &forgotten).await, 0, "e-mails are due");
    let untold = "SELECT count(*) FROM notices WHERE email_id IS NULL AND dropped_reason IS NULL";
    assert_eq!(
        count(connection, untold).await,
        0,
        "notices are in no e-mail"
    );
    let twice = format!(
        "SELECT count(*) FROM (SELECT 1 FROM email_attempts WHERE outcome = {}
            GROUP BY business_id, email_id HAVING count(*) > 1) AS twice",
        AttemptOutcome::Accepted.code()
    );
    assert_eq!(count(connection, &twice).await, 0, "e-mails went out twice");
    if connection.backend() == DbBackend::Postgres {
        let open = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        assert_eq!(count(connection, open).await, 0, "transactions are open");
    }
}

async fn count(connection: &Connection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.backend(), sql);
    let row = connection.reader().query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}
