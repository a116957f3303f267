//! Migrations: forward only, all pending ones in one transaction that holds the schema's row.
//!
//! Replicas may start together: the row is made in a transaction of its own, then locked, and whoever
//! comes second finds nothing to do. The row also says from which version of the schema on a binary is
//! compatible, so that old and new replicas overlap in a rolling restart.

use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

use crate::store::db::Database;
use crate::store::error::{self, StoreError};

/// One step of the schema.
struct Migration {
    version: i32,
    postgres: &'static str,
    sqlite: &'static str,
    /// The oldest binary (by the newest migration that it knows) that can work with this schema.
    compatible_from: i32,
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    postgres: include_str!("../../migrations/postgres/0001_initial.sql"),
    sqlite: include_str!("../../migrations/sqlite/0001_initial.sql"),
    compatible_from: 1,
}];

/// Where a schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaState {
    /// The newest migration that was applied; 0: none.
    pub version: i32,
    /// The oldest binary that can work with it.
    pub compatible_from: i32,
}

/// Why a schema cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The schema lacks migrations.
    #[error("the schema is at version {found}, this binary needs {needed}: run `carnet migrate`")]
    TooOld {
        /// Where it stands.
        found: i32,
        /// What this binary needs.
        needed: i32,
    },
    /// The schema was made by a newer binary that this one cannot work beside.
    #[error(
        "the schema is at version {found} and needs a binary that knows {compatible_from}; this one knows {known}"
    )]
    TooNew {
        /// Where it stands.
        found: i32,
        /// What a binary must know.
        compatible_from: i32,
        /// What this one knows.
        known: i32,
    },
}

/// The newest migration that this binary knows.
pub fn known_version() -> i32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Applies what is pending, and says from where to where.
///
/// # Errors
/// [`SchemaError::TooNew`] if a newer binary made the schema, or a failure of the database.
pub async fn migrate(db: &Database) -> Result<(SchemaState, SchemaState), SchemaError> {
    make_state_row(db).await?;
    let txn = db.begin().await?;
    lock_state_row(&txn).await?;
    let before = read_state(&txn).await?;
    refuse_newer(before)?;
    let mut after = before;
    for migration in MIGRATIONS {
        if migration.version > before.version {
            let sql = if txn.get_database_backend() == DbBackend::Postgres {
                migration.postgres
            } else {
                migration.sqlite
            };
            txn.execute_unprepared(sql)
                .await
                .map_err(StoreError::from)?;
            after = SchemaState {
                version: migration.version,
                compatible_from: migration.compatible_from,
            };
        }
    }
    if after != before {
        write_state(&txn, after).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok((before, after))
}

/// Refuses a schema that this binary cannot serve. Only reads; an empty database is at version 0.
///
/// # Errors
/// [`SchemaError::TooOld`] and [`SchemaError::TooNew`].
pub async fn check(db: &Database) -> Result<SchemaState, SchemaError> {
    let state = match read_state(db.reader()).await {
        Err(StoreError::Database(cause)) if error::is_missing_table(&cause) => SchemaState {
            version: 0,
            compatible_from: 0,
        },
        found => found?,
    };
    refuse_newer(state)?;
    if state.version < known_version() {
        return Err(SchemaError::TooOld {
            found: state.version,
            needed: known_version(),
        });
    }
    Ok(state)
}

fn refuse_newer(state: SchemaState) -> Result<(), SchemaError> {
    if state.compatible_from > known_version() {
        return Err(SchemaError::TooNew {
            found: state.version,
            compatible_from: state.compatible_from,
            known: known_version(),
        });
    }
    Ok(())
}

/// PostgreSQL: the table, or the type of its rows, was made by somebody else at this very moment.
const MADE_MEANWHILE: [&str; 2] = ["42P07", "42710"];

async fn make_state_row(db: &Database) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    let made = txn
        .execute_unprepared(
            "CREATE TABLE IF NOT EXISTS schema_state (
                id INTEGER PRIMARY KEY,
                version INTEGER NOT NULL,
                compatible_from INTEGER NOT NULL
            );
            INSERT INTO schema_state (id, version, compatible_from) VALUES (1, 0, 0)
            ON CONFLICT (id) DO NOTHING;",
        )
        .await;
    match made {
        Ok(_) => Ok(txn.commit().await?),
        Err(error) => {
            txn.rollback().await?;
            let made_meanwhile =
                error::code(&error).is_some_and(|code| MADE_MEANWHILE.contains(&code.as_str()));
            let error = StoreError::from(error);
            if made_meanwhile || matches!(error, StoreError::Taken(_)) {
                return Ok(());
            }
            Err(error)
        }
    }
}

async fn lock_state_row(txn: &DatabaseTransaction) -> Result<(), StoreError> {
    if txn.get_database_backend() == DbBackend::Postgres {
        txn.execute_unprepared("SELECT version FROM schema_state WHERE id = 1 FOR UPDATE")
            .await?;
    }
    Ok(())
}

async fn read_state(db: &impl ConnectionTrait) -> Result<SchemaState, StoreError> {
    let statement = Statement::from_string(
        db.get_database_backend(),
        "SELECT version, compatible_from FROM schema_state WHERE id = 1",
    );
    let row = db
        .query_one_raw(statement)
        .await?
        .ok_or_else(|| StoreError::corrupt("schema_state", 1))?;
    Ok(SchemaState {
        version: row.try_get("", "version")?,
        compatible_from: row.try_get("", "compatible_from")?,
    })
}

async fn write_state(txn: &DatabaseTransaction, state: SchemaState) -> Result<(), StoreError> {
    let values: [Value; 2] = [state.version.into(), state.compatible_from.into()];
    let statement = Statement::from_sql_and_values(
        txn.get_database_backend(),
        "UPDATE schema_state SET version = $1, compatible_from = $2 WHERE id = 1",
        values,
    );
    txn.execute_raw(statement).await?;
    Ok(())
}
