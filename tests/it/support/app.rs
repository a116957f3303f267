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
//! Calls go through a real channel. When the test is over, the server is stopped, and the harness runs the
//! jobs until they have nothing left to do and proves from a new connection that every balance is what its
//! entries say, that no e-mail that is due is forgotten and none was sent twice, that no transaction is open, and that
//! none waited for others in a circle.

use std::ops::{ControlFlow, Deref};
use std::sync::atomic::{AtomicBool, Ordering};

use carnet::app::{App, Running};
use carnet::clock::Clock;
use carnet::config::{MailSettings, Settings};
use carnet::jobs::deliver::Delivered;
use carnet::ledger::verify::{Asked, verify};
use carnet::service::Context;
use carnet::store::businesses;
use carnet::store::db::Database as Connection;
use chrono::{DateTime, Utc};
use clap::Parser;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tonic::transport::{Channel, Endpoint};

pub(crate) use crate::support::fresh::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::fresh::{Fresh, Roles};
use crate::support::mailroom::{self, Mailroom};
use crate::support::pooler;
use crate::support::sessions::prove_no_deadlock;
use crate::support::tenant::Tenant;

/// When every test begins, UTC: a Thursday morning in winter.
pub(crate) const STARTS_AT: &str = "2026-01-15T10:00:00Z";

/// The server, and the business that most tests need only one of: its clients are the app's.
#[derive(Debug)]
pub(crate) struct TestApp {
    /// The only clock of the server.
    pub(crate) clock: Clock,
    /// A channel to the server, without a token.
    pub(crate) channel: Channel,
    fresh: Fresh,
    mail: MailSettings,
    running: Running,
    tenant: Tenant,
    expects_deadlocks: AtomicBool,
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
    let mut settings = Program::parse_from(arguments).settings;
    pooler::lead(&mut settings);
    settings
}

/// Runs `test` on a server of its own and proves ledger and mail afterwards.
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
    let mut settings = settings(fresh.roles.as_ref().map_or(&fresh.url, |roles| &roles.jobs));
    let calls = fresh.roles.as_ref().map(|roles| roles.calls.parse());
    settings.server.database_calls_url = calls.transpose().unwrap();
    settings.mail.mail_capture_folder = fresh.folder.path().join("mail");
    tune(&mut settings);
    // A test would else be too large for its stack.
    let app = Box::pin(TestApp::start(fresh, settings)).await;
    Box::pin(test(&app)).await;
    Box::pin(app.finish()).await;
}

impl TestApp {
    /// A server on this database.
    pub(crate) async fn start(fresh: Fresh, settings: Settings) -> Self {
        let starts_at: DateTime<Utc> = STARTS_AT.parse().unwrap();
        let clock = Clock::manual(starts_at);
        let mail = settings.mail.clone();
        let app = App::build(settings, clock.clone()).await.unwrap();
        let running = app.bind().await.unwrap();
        let channel = channel(&running);
        let tenant = Tenant::create(running.context(), "Swim school", channel.clone()).await;
        Self {
            clock,
            channel,
            fresh,
            mail,
            running,
            tenant,
            expects_deadlocks: AtomicBool::new(false),
        }
    }

    /// This test makes transactions wait for each other in a circle; in no other may they.
    pub(crate) fn expect_deadlocks(&self) {
        self.expects_deadlocks.store(true, Ordering::Relaxed);
    }

    /// What use cases and the jobs' steps work with.
    pub(crate) fn context(&self) -> &Context {
        self.running.context()
    }

    /// How the server's own scheduler would send.
    pub(crate) fn mail_settings(&self) -> &MailSettings {
        &self.mail
    }

    /// The database's URL, for another server or a command of the program.
    pub(crate) fn database_url(&self) -> &str {
        &self.fresh.url
    }

    /// The roles that the server has, if it stands behind row level security.
    pub(crate) fn roles(&self) -> Option<&Roles> {
        self.fresh.roles.as_ref()
    }

    /// Where gRPC is served.
    pub(crate) fn grpc_address(&self) -> std::net::SocketAddr {
        self.running.grpc_address.unwrap()
    }

    /// Where the HTTP side is served.
    pub(crate) fn http_address(&self) -> std::net::SocketAddr {
        self.running.http_address
    }

    /// A business that must never see or change anything of the first one.
    pub(crate) async fn second_business(&self) -> Tenant {
        Tenant::create(self.context(), "Flying club", self.channel.clone()).await
    }

    /// Delivers what is due into a folder of the test's, and says what became of it.
    pub(crate) async fn deliver(&self) -> Delivered {
        Mailroom::capturing(self).deliver().await
    }

    /// Stops it and proves ledger and mail.
    pub(crate) async fn finish(self) {
        let Self {
            clock,
            channel,
            fresh,
            mail,
            running,
            tenant,
            expects_deadlocks,
        } = self;
        drop((channel, tenant));
        running.stop().await;
        if fresh.url.starts_with("postgres") && !expects_deadlocks.into_inner() {
            prove_no_deadlock(&fresh.url).await;
        }
        let connection = fresh.connect().await;
        prove_ledger(&connection).await;
        mailroom::prove(&connection, &clock, &mail).await;
        prove_ledger(&connection).await;
        prove_no_transaction(&connection).await;
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

/// Every balance is what its entries say.
async fn prove_ledger(connection: &Connection) {
    for business in businesses::all(connection.reader()).await.unwrap() {
        let go_on = |_| ControlFlow::Continue(());
        let report = verify(connection, business.id, &Asked::everything(), go_on)
            .await
            .unwrap();
        assert_eq!(report.faults, [], "the ledger of {}", business.name);
    }
}

async fn prove_no_transaction(connection: &Connection) {
    if connection.backend() == DbBackend::Postgres {
        let open = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        let statement = Statement::from_string(DbBackend::Postgres, open);
        let row = connection.reader().query_one_raw(statement).await.unwrap();
        let open: i64 = row.unwrap().try_get_by_index(0).unwrap();
        assert_eq!(open, 0, "transactions are open");
    }
}

#[tokio::test]
#[should_panic(expected = "the ledger of Swim school")]
async fn a_test_that_leaves_a_fault_in_the_ledger_fails() {
    on(Sqlite, async |app| {
        let id = app.business_id.uuid().simple();
        let txn = app.context().db.begin().await.unwrap();
        txn.execute_unprepared(&format!(
            "INSERT INTO entries (business_id, posting_id, n, lot_id, line_id, seq, hash, kind, from_account,
                to_account, amount, value, available, held, consumed, expired, revoked, transferred,
                effective_at, recorded_at, by_time, method, actor_kind)
             VALUES (x'{id}', x'{id}', 0, x'{id}', x'{id}', 1, zeroblob(32), 1, 1, 2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                0, 'Issue', 0)"
        ))
        .await
        .unwrap();
        txn.commit().await.unwrap();
    })
    .await;
}
