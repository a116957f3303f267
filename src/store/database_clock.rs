//! The one place that asks a database for the time: to hold our clock against it.
//!
//! Every other instant comes from `Clock` and is bound as a parameter.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::store::error::StoreError;

/// What PostgreSQL's machine takes for the current instant. `None` for an SQLite file, whose only
/// clock is our own.
pub async fn database_now(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, StoreError> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros",
    );
    let row = db.query_one_raw(statement).await?;
    let micros: Option<i64> = row.map(|row| row.try_get("", "micros")).transpose()?;
    Ok(micros.and_then(DateTime::from_timestamp_micros))
}
