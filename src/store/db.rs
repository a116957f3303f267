//! The connection to one of the two databases.
//!
//! SQLite has one writer, whose transactions begin IMMEDIATE, and a pool of readers. PostgreSQL has one
//! pool, and a few connections besides for batches: their statements take any number of rows, all found by
//! their keys, so they are planned once, for a walk over what is given with a look into an index for each.
//! A plan for few rows may be quadratic for five hundred, and planning each anew takes as long as running it.
//! They hardly wait for locks: whoever finds a row taken has another way. Where the second wall stands
//! ([`wall`]), calls have a pool of their own. Time is bounded by the database
//! itself (statement and lock time-outs), never by dropping a future that is in the middle of a statement.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

use crate::store::error::StoreError;
use crate::store::session::{self, LOCK_WAIT_MAX, Session};
use crate::store::wall;

/// How long a statement of a report may run.
const REPORT_SECONDS_MAX: u64 = 120;
/// How long a unit may wait for a connection.
const ACQUIRE_SECONDS_MAX: u64 = 5;
/// How many batches of the ledger are under way at once on PostgreSQL.
pub const BATCH_LANES: u32 = 2;
/// How many connections are for batches, beside those that the settings allow: those of the ledger, and that of what came
/// of e-mails.
const BATCH_CONNECTIONS: u32 = BATCH_LANES + 1;
/// How many connections read SQLite.
const SQLITE_READERS: u32 = 4;
/// A connection that lay idle for longer is tested before it is used.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(30);

/// The connections of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// What they are for.
    pub pool: &'static str,
    /// How many there may be.
    pub most: u32,
    /// How many do something.
    pub used: u32,
}

impl Connections {
    fn of<D: sqlx::Database>(connections: &sqlx::Pool<D>, pool: &'static str) -> Self {
        let open = connections.size();
        let idle = u32::try_from(connections.num_idle()).unwrap_or(open);
        Self {
            pool,
            most: connections.options().get_max_connections(),
            used: open.saturating_sub(idle),
        }
    }
}

/// A database that is ready for use; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Database(Arc<Pools>);

/// Its connections, by what they are for.
#[derive(Clone, Debug)]
struct Pools {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    batcher: DatabaseConnection,
    /// Of calls, where the second wall stands.
    walled: Option<DatabaseConnection>,
}

impl Database {
    /// Connects to `sqlite://path` or `postgres://…`. An SQLite file is made if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no database there; [`StoreError::Database`] for an SQLite
    /// database in memory.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Self::connect_sqlite(url).await
        } else {
            Self::connect_postgres(url, connections_max).await
        }
    }

    async fn connect_sqlite(url: &str) -> Result<Self, StoreError> {
        if url.contains(":memory:") || url.contains("mode=memory") {
            let problem = "an SQLite database in memory would be another one for each connection";
            return Err(StoreError::Database(DbErr::Custom(problem.to_owned())));
        }
        let writer = sea_orm::Database::connect(sqlite(url, 1)).await?;
        let reader = sea_orm::Database::connect(sqlite(url, SQLITE_READERS)).await?;
        Ok(Self(Arc::new(Pools {
            batcher: writer.clone(),
            writer,
            reader,
            walled: None,
        })))
    }

    async fn connect_postgres(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let pool = sea_orm::Database::connect(postgres(url, connections_max, Session::General))
            .await
            .map_err(StoreError::Unavailable)?;
        Ok(Self(Arc::new(Pools {
            writer: pool.clone(),
            reader: pool,
            batcher: batcher(url).await?,
            walled: None,
        })))
    }

    /// The same PostgreSQL database with batches going by another URL: that of a pooler that has connections of
    /// their own for them.
    ///
    /// # Errors
    /// [`StoreError::Database`] for SQLite.
    pub async fn with_batches_by(self, url: &str) -> Result<Self, StoreError> {
        if self.backend() != DbBackend::Postgres {
            let problem = "only PostgreSQL has connections for batches";
            return Err(StoreError::Database(DbErr::Custom(problem.to_owned())));
        }
        let batcher = batcher(url).await?;
        let pools = Arc::unwrap_or_clone(self.0);
        Ok(Self(Arc::new(Pools { batcher, ..pools })))
    }

    /// Refuses PostgreSQL if the connections to it do not keep to what was asked of them.
    ///
    /// # Errors
    /// [`StoreError::Database`], with what is missing.
    pub async fn prove_sessions(&self) -> Result<(), StoreError> {
        if self.backend() == DbBackend::Postgres {
            Session::General.prove(&self.0.writer).await?;
            Session::Batches.prove(&self.0.batcher).await?;
        }
        Ok(())
    }

    /// The same PostgreSQL database with a second wall: calls go by the role of this URL, by as many connections
    /// as there are for everything else.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if that role cannot connect; [`StoreError::Database`] for SQLite, or if the
    /// role is one that the policies do not hold for, or sessions are shared on the way.
    pub async fn with_wall(self, url: &str, connections_max: u32) -> Result<Self, StoreError> {
        if self.backend() != DbBackend::Postgres {
            let problem = "only PostgreSQL has row level security";
            return Err(StoreError::Database(DbErr::Custom(problem.to_owned())));
        }
        let mut options = postgres(url, connections_max, Session::General);
        wall::stand_before(&mut options);
        let walled = sea_orm::Database::connect(options).await;
        let walled = walled.map_err(StoreError::Unavailable)?;
        wall::prove(&walled).await?;
        let pools = Arc::unwrap_or_clone(self.0);
        Ok(Self(Arc::new(Pools {
            walled: Some(walled),
            ..pools
        })))
    }

    /// Which of the two databases it is.
    pub fn backend(&self) -> DbBackend {
        self.0.writer.get_database_backend()
    }

    /// Where single reads go; they never wait for a writer.
    pub fn reader(&self) -> &DatabaseConnection {
        self.of_this_call().unwrap_or(&self.0.reader)
    }

    /// The connections of calls, if the second wall stands and this is a call.
    fn of_this_call(&self) -> Option<&DatabaseConnection> {
        self.0.walled.as_ref().filter(|_| wall::is_within())
    }

    /// Where the reads of batches go.
    pub fn batch_reader(&self) -> &DatabaseConnection {
        if self.backend() == DbBackend::Postgres {
            &self.0.batcher
        } else {
            &self.0.reader
        }
    }

    /// Where a batch writes by a statement that is a transaction of its own.
    pub fn batch_writer(&self) -> &DatabaseConnection {
        &self.0.batcher
    }

    /// The connections of each pool at this moment.
    pub fn connections(&self) -> Vec<Connections> {
        if self.backend() == DbBackend::Postgres {
            let of = |connection: &DatabaseConnection, pool| {
                Connections::of(connection.get_postgres_connection_pool(), pool)
            };
            let walled = self.0.walled.as_ref().map(|walled| of(walled, "calls"));
            let always = [
                of(&self.0.writer, "general"),
                of(&self.0.batcher, "batches"),
            ];
            always.into_iter().chain(walled).collect()
        } else {
            let of = |connection: &DatabaseConnection, pool| {
                Connections::of(connection.get_sqlite_connection_pool(), pool)
            };
            vec![of(&self.0.writer, "writing"), of(&self.0.reader, "reading")]
        }
    }

    /// Begins a transaction that writes.
    pub async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        let writer = self.of_this_call().unwrap_or(&self.0.writer);
        Ok(writer.begin_with_options(writing()).await?)
    }

    /// Begins a transaction that writes a batch.
    pub async fn begin_batch(&self) -> Result<DatabaseTransaction, StoreError> {
        Ok(self.0.batcher.begin_with_options(writing()).await?)
    }

    /// Begins a transaction that writes a batch and waits for others, as any transaction does.
    pub async fn begin_patient_batch(&self) -> Result<DatabaseTransaction, StoreError> {
        let txn = self.begin_batch().await?;
        if self.backend() == DbBackend::Postgres {
            let patience = format!("SET LOCAL lock_timeout = {}", LOCK_WAIT_MAX.as_millis());
            txn.execute_unprepared(&patience).await?;
        }
        Ok(txn)
    }

    /// Begins a transaction that writes rows which it finds by their keys, however many, with the plans of batches.
    pub async fn begin_keyed(&self) -> Result<DatabaseTransaction, StoreError> {
        let txn = self.begin().await?;
        if self.backend() == DbBackend::Postgres {
            txn.execute_unprepared(session::BY_KEY).await?;
        }
        Ok(txn)
    }

    /// Begins a transaction that reads one unchanging state of everything.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = if self.backend() == DbBackend::Postgres {
            TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            }
        } else {
            TransactionOptions::default()
        };
        Ok(self.reader().begin_with_options(options).await?)
    }

    /// Begins a transaction that reads one unchanging state of everything, of which it may read all.
    pub async fn long_snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        let txn = self.snapshot().await?;
        if self.backend() == DbBackend::Postgres {
            let settings = format!(
                "SET LOCAL statement_timeout = '{REPORT_SECONDS_MAX}s'; SET LOCAL work_mem = '64MB'"
            );
            txn.execute_unprepared(&settings).await?;
        }
        Ok(txn)
    }

    /// The same for as long as it takes to read everything.
    pub async fn endless_snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        let txn = self.snapshot().await?;
        if self.backend() == DbBackend::Postgres {
            txn.execute_unprepared("SET LOCAL statement_timeout = 0")
                .await?;
        }
        Ok(txn)
    }

    /// Has PostgreSQL clean up behind many deleted rows of a table; until then whoever looks for rows in it that
    /// refer to another walks past all of them.
    pub async fn clean_up(&self, table: &'static str) -> Result<(), StoreError> {
        if self.backend() == DbBackend::Postgres {
            let vacuum = format!("VACUUM (TRUNCATE OFF) {table}");
            self.0.writer.execute_unprepared(&vacuum).await?;
        }
        Ok(())
    }

    /// Copies an SQLite database into a new file: one state of everything, whoever else writes meanwhile.
    pub async fn copy_to(&self, path: &str) -> Result<(), StoreError> {
        let copy = Statement::from_sql_and_values(self.backend(), "VACUUM INTO ?", [path.into()]);
        self.0.reader.execute_raw(copy).await?;
        Ok(())
    }

    /// Asks the database for an answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.0.reader.ping().await.map_err(StoreError::Unavailable)
    }

    /// Closes every connection.
    pub async fn close(self) -> Result<(), DbErr> {
        let pools = Arc::unwrap_or_clone(self.0);
        pools.reader.close().await?;
        pools.batcher.close().await?;
        if let Some(walled) = pools.walled {
            walled.close().await?;
        }
        pools.writer.close().await
    }
}

/// Connections for batches, which are opened when they are first used.
async fn batcher(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = postgres(url, BATCH_CONNECTIONS, Session::Batches);
    options.connect_lazy(true);
    sea_orm::Database::connect(options).await
}

/// The path of the file that an `sqlite:` URL names.
pub fn sqlite_path(url: &str) -> Option<&Path> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    Some(Path::new(path.split('?').next().unwrap_or(path)))
}

fn common(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
        .connect_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
        .test_before_acquire_if_idle_for(TEST_AFTER_IDLE)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

fn postgres(url: &str, connections: u32, session: Session) -> ConnectOptions {
    let mut options = common(url, connections);
    session.ask_for(&mut options);
    options
}

fn writing() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

fn sqlite(url: &str, connections: u32) -> ConnectOptions {
    let mut options = common(url, connections);
    options.map_sqlx_sqlite_opts(|options: SqliteConnectOptions| {
        options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(LOCK_WAIT_MAX)
            .pragma("recursive_triggers", "ON")
    });
    // After some failures, such as that of a full disk, SQLite rolls back by itself. The driver goes on to count that
    // transaction, so the next one would be a part of it, and never be committed.
    options.map_sqlx_sqlite_before_acquire(|connection, _| {
        let is_clean = !connection.is_in_transaction();
        Box::pin(async move { Ok(is_clean) })
    });
    options
}
