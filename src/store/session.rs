//! What a session with PostgreSQL is to keep to, and the proof that it does.
//!
//! A session asks for its settings when it begins, and no statement of ours repeats them. A pooler that shares
//! sessions drops what is asked for and has to set it itself, as `deploy/postgres/pgbouncer.ini` does. Whoever
//! serves reads the settings back first: without its time-outs a call could wait for ever.

use std::time::Duration;

use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, PgConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlxError,
    Statement,
};

use crate::store::error::StoreError;

/// How long a statement may wait for a lock.
pub(super) const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a statement of a batch may wait for a lock.
const BATCH_LOCK_WAIT_MAX: Duration = Duration::from_millis(50);
/// How long a statement may run.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// How long a transaction may be left alone.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_mins(1);

/// Makes a transaction plan its statements as a session for batches does.
pub(super) const BY_KEY: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Everything but batches.
    General,
    /// Batches of the committer.
    Batches,
}

impl Session {
    /// Has connections ask for the settings of this kind of session.
    pub(super) fn ask_for(self, options: &mut ConnectOptions) {
        options
            .map_sqlx_postgres_opts(move |options| options.options(self.settings()))
            .map_sqlx_postgres_pool_opts(give_back);
    }

    /// Refuses connections that do not have what was asked for.
    ///
    /// # Errors
    /// [`StoreError::Database`], with what is missing.
    pub(super) async fn prove(self, pool: &DatabaseConnection) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for (name, wanted) in self.settings() {
            let sql = "SELECT setting FROM pg_settings WHERE name = $1";
            let values = [name.into()];
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            let row = pool.query_one_raw(statement).await?;
            let row = row.ok_or_else(|| StoreError::corrupt("pg_settings", name))?;
            let found: String = row.try_get_by_index(0)?;
            if found != wanted {
                missing.push(format!("{name} is {found} and not {wanted}"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "connections {} do not have the settings they asked for: {}; a pooler in between has to set \
             them (deploy/postgres/pgbouncer.ini)",
            self.way(),
            missing.join(", ")
        );
        Err(StoreError::Database(DbErr::Custom(problem)))
    }

    const fn way(self) -> &'static str {
        match self {
            Self::General => "to the database",
            Self::Batches => "for batches (CARNET_DATABASE_BATCHES_URL)",
        }
    }

    /// Names and values as `pg_settings` has them: times in milliseconds.
    fn settings(self) -> Vec<(&'static str, String)> {
        let lock_wait = match self {
            Self::General => LOCK_WAIT_MAX,
            Self::Batches => BATCH_LOCK_WAIT_MAX,
        };
        let times = [
            ("lock_timeout", lock_wait),
            ("statement_timeout", STATEMENT_MAX),
            (
                "idle_in_transaction_session_timeout",
                IDLE_IN_TRANSACTION_MAX,
            ),
        ];
        // A plan for any values: one for a business that has grown since the statistics were taken believes that it
        // has one row at most, and then an index of all its rows looks as good as the right one.
        let mut plans = vec![("plan_cache_mode", "force_generic_plan")];
        if self == Self::Batches {
            plans.extend([
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("enable_seqscan", "off"),
            ]);
        }
        let times = times.map(|(name, time)| (name, time.as_millis().to_string()));
        let plans = plans
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()));
        times.into_iter().chain(plans).collect()
    }
}

/// Has each connection give back what its longest message took: as many of them as there are would keep as much as the
/// longest messages of all take.
pub(super) fn give_back(options: PgPoolOptions) -> PgPoolOptions {
    options.after_release(|connection, _| {
        connection.shrink_buffers();
        Box::pin(async { Ok(true) })
    })
}

/// Whether each of these connections has a session of its own, between transactions too.
///
/// While another one is in the middle of a transaction, a connection whose session is shared finds itself in
/// another session than before, or the other one in its own.
///
/// # Errors
/// [`StoreError::Unavailable`] if there are not two connections to be had.
pub(super) async fn is_own(pool: &DatabaseConnection) -> Result<bool, StoreError> {
    let of_two = async {
        let options = pool.get_postgres_connection_pool().connect_options();
        let mut mine = options.connect().await?;
        let mut other = options.connect().await?;
        let before = process(&mut mine).await?;
        let mut txn = other.begin().await?;
        let others = process(&mut txn).await?;
        let after = process(&mut mine).await?;
        txn.rollback().await?;
        mine.close().await?;
        other.close().await?;
        Ok(before == after && before != others)
    };
    of_two.await.map_err(|cause: SqlxError| {
        StoreError::Unavailable(DbErr::Conn(RuntimeErr::SqlxError(cause.into())))
    })
}

/// The process of the database that serves a connection at this moment.
async fn process(connection: &mut PgConnection) -> Result<i32, SqlxError> {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOLER: &str = include_str!("../../deploy/postgres/pgbouncer.ini");

    #[test]
    fn the_pooler_that_is_shipped_sets_what_sessions_ask_for() {
        for (session, database) in [
            (Session::General, "carnet ="),
            (Session::Batches, "carnet_batches ="),
        ] {
            let mut lines = POOLER.lines();
            let line = lines.find(|line| line.starts_with(database)).unwrap();
            let (_, query) = line.split_once("connect_query='").unwrap();
            let set = session.settings().into_iter();
            let set = set.map(|(name, value)| format!("SET {name} = {value}"));
            assert_eq!(query, format!("{}'", set.collect::<Vec<_>>().join("; ")));
        }
    }
}
