//! Holding what a batch writes, from another connection.

use carnet::domain::email::EmailState;
use carnet::ids::PackageId;
use carnet::store::db::Database as Connection;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

use crate::support::app::TestApp;

/// How many sessions wait for somebody's lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Somebody else's transaction.
pub(crate) struct Held {
    connection: Connection,
    watching: Connection,
    txn: DatabaseTransaction,
}

impl Held {
    /// Keeps everybody from writing entries; reading goes on. On SQLite the transaction itself does.
    pub(crate) async fn entries(app: &TestApp) -> Self {
        Self::by(app, "LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE").await
    }

    /// Keeps everybody from reading entries as well; only on PostgreSQL.
    pub(crate) async fn entries_from_readers(app: &TestApp) -> Self {
        Self::by(app, "LOCK TABLE entries IN ACCESS EXCLUSIVE MODE").await
    }

    /// Holds the lots of a package.
    pub(crate) async fn lots_of(app: &TestApp, package_id: &str) -> Self {
        let id = package_id.parse::<PackageId>().unwrap().uuid();
        Self::by(
            app,
            &format!("SELECT id FROM lots WHERE package_id = '{id}' FOR UPDATE"),
        )
        .await
    }

    /// Holds the e-mails that are under way. On SQLite nobody can write anything.
    pub(crate) async fn emails_under_way(app: &TestApp) -> Self {
        let state = EmailState::Sending.code();
        let lock = format!("SELECT id FROM emails WHERE state = {state} FOR UPDATE");
        Self::by(app, &lock).await
    }

    /// Keeps commands from ending: each of them waits when it writes its answer; only on PostgreSQL.
    pub(crate) async fn answers(app: &TestApp) -> Self {
        let owner = Connection::connect(app.database_url(), 1).await.unwrap();
        let plant = "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
            CREATE TRIGGER wait_here BEFORE UPDATE ON requests
            FOR EACH ROW EXECUTE FUNCTION wait_here()";
        owner.reader().execute_unprepared(plant).await.unwrap();
        owner.close().await.unwrap();
        Self::by(app, "SELECT pg_advisory_xact_lock(1)").await
    }

    async fn by(app: &TestApp, lock: &str) -> Self {
        let connect = || Connection::connect(app.database_url(), 1);
        let (connection, watching) = (connect().await.unwrap(), connect().await.unwrap());
        let txn = connection.begin().await.unwrap();
        if connection.backend() == DbBackend::Postgres {
            txn.execute_unprepared(lock).await.unwrap();
        }
        Self {
            connection,
            watching,
            txn,
        }
    }

    /// Waits until somebody waits for this. SQLite does not tell.
    pub(crate) async fn until_somebody_waits(&self) {
        self.until_so_many_wait(1).await;
    }

    /// Waits until so many wait for this, or for one who does. SQLite does not tell.
    pub(crate) async fn until_so_many_wait(&self, count: i64) {
        while self.watching.backend() == DbBackend::Postgres {
            let statement = Statement::from_string(DbBackend::Postgres, WAITING);
            let row = self.watching.reader().query_one_raw(statement).await;
            if row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap() >= count {
                return;
            }
        }
    }

    /// Ends the sessions that wait for this.
    pub(crate) async fn end_those_who_wait(&self) {
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let watching = self.watching.reader();
        watching.execute_unprepared(ended).await.unwrap();
    }

    /// The transaction, to write in it.
    pub(crate) fn txn(&self) -> &DatabaseTransaction {
        &self.txn
    }

    /// Keeps what was written in it.
    pub(crate) async fn commit(self) {
        self.txn.commit().await.unwrap();
        self.watching.close().await.unwrap();
        self.connection.close().await.unwrap();
    }

    pub(crate) async fn let_go(self) {
        self.txn.rollback().await.unwrap();
        self.watching.close().await.unwrap();
        self.connection.close().await.unwrap();
    }
}
