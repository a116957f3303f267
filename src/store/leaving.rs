//! Deleting a business with all that it has, its entries too: the one place that may.
//!
//! The database refuses to delete history of a business that is not known to be leaving. Deleting goes by small parts, so that
//! nobody waits for it, and whoever begins again goes on where the last one stopped.

use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, Value};

use crate::ids::BusinessId;
use crate::store::columns::micros;
use crate::store::error::StoreError;
use crate::store::whole::Table;

/// How many rows one part has.
const ROWS_PER_PART_MAX: u32 = 1_000;

/// What is under way in a business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// How many e-mails are being sent.
    pub emails: i64,
    /// How many runs over many packages are not at their end.
    pub bulk_runs: i64,
}

/// What is under way; `$1` is the business, `$2` the instant.
const UNDER_WAY: &str = "SELECT
        (SELECT COUNT(*) FROM emails WHERE business_id = $1 AND finished_at IS NULL AND lease_until > $2),
        (SELECT COUNT(*) FROM bulk_runs WHERE business_id = $1 AND finished_at IS NULL)";

/// What is under way in a business at `now`.
pub async fn under_way(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    now: DateTimeUtc,
) -> Result<UnderWay, StoreError> {
    let values: [Value; 2] = [business_id.uuid().into(), micros(now).into()];
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), UNDER_WAY, values);
    let row = txn.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("businesses", business_id))?;
    Ok(UnderWay {
        emails: row.try_get_by_index(0)?,
        bulk_runs: row.try_get_by_index(1)?,
    })
}

/// Whether the role that we are connected as may delete history: the owner of the tables may.
const MAY_DELETE: &str =
    "SELECT has_table_privilege('entries', 'DELETE') AND has_table_privilege('changes', 'DELETE')
        AND NOT row_security_active('entries')";

/// Whether whoever we are connected as may delete all that a business has. Of SQLite everybody may who has the file.
pub async fn may_delete(txn: &DatabaseTransaction) -> Result<bool, StoreError> {
    let backend = txn.get_database_backend();
    if backend == DbBackend::Sqlite {
        return Ok(true);
    }
    let row = txn
        .query_one_raw(Statement::from_string(backend, MAY_DELETE))
        .await?;
    let may: Option<bool> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(may.unwrap_or(false))
}

/// Deletes the tokens of a business, so that no call comes any more.
pub async fn delete_tokens(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM tokens WHERE business_id = $1";
    let values = [business_id.uuid().into()];
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    txn.execute_raw(statement).await?;
    Ok(())
}

/// Deletes some rows that a business which is leaving has in a table; how many, and whether there may be more.
pub async fn delete_part(
    txn: &DatabaseTransaction,
    table: Table,
    business_id: BusinessId,
) -> Result<(u64, bool), StoreError> {
    let deleted = table
        .delete_some(txn, business_id, ROWS_PER_PART_MAX)
        .await?;
    Ok((deleted, deleted >= u64::from(ROWS_PER_PART_MAX)))
}
