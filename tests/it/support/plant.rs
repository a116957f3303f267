//! Tampering with a test's own database, past everything that guards it, and putting it right again.

use carnet::store::db::Database as Connection;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend};
use uuid::Uuid;

use crate::support::app::TestApp;

/// The tables that are put right again; what refers to another stands before it.
const TABLES: [&str; 5] = ["hold_lots", "holds", "entries", "lots", "packages"];

/// What takes the guards of SQLite away, for this connection or for good.
const SQLITE_GUARDS: &[&str] = &[
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = ON",
    "DROP TRIGGER entries_are_never_updated",
    "DROP TRIGGER entries_are_never_deleted",
];

/// What takes those of PostgreSQL away.
const POSTGRES_GUARDS: &[&str] = &[
    "SET session_replication_role = replica",
    "DO $$ DECLARE guard TEXT; BEGIN
        FOR guard IN SELECT conname FROM pg_constraint
            WHERE conrelid = 'lots'::regclass AND contype = 'c'
        LOOP EXECUTE format('ALTER TABLE lots DROP CONSTRAINT %I', guard); END LOOP;
        FOR guard IN SELECT conname FROM pg_constraint
            WHERE conrelid = 'hold_lots'::regclass AND contype = 'c'
        LOOP EXECUTE format('ALTER TABLE hold_lots DROP CONSTRAINT %I', guard); END LOOP;
        FOR guard IN SELECT conname FROM pg_constraint
            WHERE conrelid = 'holds'::regclass AND contype = 'c'
        LOOP EXECUTE format('ALTER TABLE holds DROP CONSTRAINT %I', guard); END LOOP;
     END $$",
];

/// A connection that no trigger, constraint or reference holds back.
#[derive(Debug)]
pub(crate) struct Tamperer {
    connection: DatabaseConnection,
}

impl Tamperer {
    /// Takes all guards away, and remembers the ledger as it is.
    pub(crate) async fn of(app: &TestApp) -> Self {
        let backend = app.context().db.backend();
        let separator = if backend == DbBackend::Sqlite {
            "?mode=rwc"
        } else {
            ""
        };
        let mut options = ConnectOptions::new(format!("{}{separator}", app.database_url()));
        options.max_connections(1).sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        let tamperer = Self { connection };
        let guards = if backend == DbBackend::Sqlite {
            SQLITE_GUARDS
        } else {
            POSTGRES_GUARDS
        };
        for sql in guards {
            tamperer.run(sql).await;
        }
        for table in TABLES {
            let sql = format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}");
            tamperer.run(&sql).await;
        }
        tamperer
    }

    /// Runs a statement that changes at least one row, or anything that changes none by its nature.
    pub(crate) async fn run(&self, sql: &str) -> u64 {
        let result = self.connection.execute_unprepared(sql).await;
        result
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .rows_affected()
    }

    /// Changes something.
    pub(crate) async fn plant(&self, sql: &str) {
        assert!(self.run(sql).await > 0, "it changes nothing: {sql}");
    }

    /// Puts the ledger right again.
    pub(crate) async fn restore(&self) {
        for table in TABLES {
            self.run(&format!("DELETE FROM {table}")).await;
            let sql = format!("INSERT INTO {table} SELECT * FROM saved_{table}");
            self.run(&sql).await;
        }
    }

    /// Drops what was remembered, and closes.
    pub(crate) async fn done(self) {
        for table in TABLES {
            self.run(&format!("DROP TABLE saved_{table}")).await;
        }
        self.connection.close().await.unwrap();
    }
}

/// A UUID as a literal.
pub(crate) fn uuid_literal(db: &Connection, id: Uuid) -> String {
    if db.backend() == DbBackend::Sqlite {
        format!("x'{}'", id.simple())
    } else {
        format!("'{id}'")
    }
}
