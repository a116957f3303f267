//! Sums over entries for reports: made by the database, so that no memory of ours grows with the ledger.
//!
//! An entry counts when time caused it, or else when it was written (semantics 28). Lines whose credits
//! never pay are left out.

use sea_orm::entity::prelude::*;
use sea_orm::{QueryResult, Statement};

use super::row::TABLE;
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::liability::{Moved, Phase, Worth};
use crate::ids::{BusinessId, CreditTypeId, LotId};
use crate::store::columns::{known, micros};
use crate::store::error::StoreError;
use crate::store::lines::PREPAID;
use crate::store::rows::Rows;

/// The instant at which an entry of this table counts.
fn counts_at(table: &str) -> String {
    format!("CASE WHEN {table}.by_time THEN {table}.effective_at ELSE {table}.recorded_at END")
}

/// All that moved in a business, by credit type and by whether it counts before, in or after the period from
/// the first instant to before the second; what moved of one type perhaps in several parts.
///
/// Reads every entry of the business once: what is owed is proved from the first entry on, not believed.
pub async fn by_credit_type(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (from, before): (DateTimeUtc, DateTimeUtc),
) -> Result<Vec<(CreditTypeId, Phase, Moved)>, StoreError> {
    // What time caused was true at the latest when it was written: what was written before an instant counts before it.
    let counts_before =
        |place| format!("recorded_at < {place} OR by_time AND effective_at < {place}");
    let (is_before, is_through) = (counts_before("$2"), counts_before("$3"));
    // Lines are few, and of templates: only what they come to is joined with them.
    let sql = format!(
        "WITH moved AS (
            SELECT kind, from_account, to_account, CAST(sum(amount) AS BIGINT) AS amount,
                CAST(sum(value) AS BIGINT) AS value, line_id, {is_before} AS is_before, {is_through} AS is_through
            FROM entries WHERE business_id = $1
            GROUP BY kind, from_account, to_account, line_id, is_before, is_through
        )
        SELECT moved.kind, from_account, to_account, amount, value, credit_type_id,
            CASE WHEN is_before THEN 0 WHEN is_through THEN 1 ELSE 2 END
        FROM moved JOIN lines ON lines.business_id = $1 AND lines.id = moved.line_id
        WHERE lines.kind = {PREPAID}"
    );
    let values = [
        business_id.uuid().into(),
        micros(from).into(),
        micros(before).into(),
    ];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    let sums = rows.iter().map(|row| {
        let phase: i32 = row.try_get_by_index(6)?;
        let phase = match phase {
            0 => Phase::Before,
            1 => Phase::Within,
            _ => Phase::After,
        };
        let credit_type_id = CreditTypeId::from_uuid(row.try_get_by_index(5)?);
        Ok((credit_type_id, phase, moved(row)?))
    });
    sums.collect()
}

/// What moved in each of these lots and counts after `at`. Reads their chains from the ends back to `at`.
pub async fn after(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lot_ids: &[LotId],
    at: DateTimeUtc,
) -> Result<Vec<(LotId, Moved)>, StoreError> {
    let pairs = lot_ids.iter().map(|id| (business_id.uuid(), id.uuid()));
    let wanted = Rows::of_pairs(["business_id", "lot_id"], pairs);
    let backend = db.get_database_backend();
    let place = wanted.parameters(backend).saturating_add(1);
    let sql = format!(
        "WITH RECURSIVE chain AS (
            SELECT entries.* FROM {}
            JOIN lots ON lots.business_id = given.business_id AND lots.id = given.lot_id
            JOIN entries ON entries.business_id = lots.business_id
                AND entries.posting_id = lots.last_posting_id AND entries.n = lots.last_n
            WHERE entries.recorded_at > ${place}
            UNION ALL
            SELECT earlier.* FROM chain
            JOIN entries AS earlier ON earlier.business_id = chain.business_id
                AND earlier.posting_id = chain.previous_posting_id
                AND earlier.n = chain.previous_n
            WHERE earlier.recorded_at > ${place}
        )
        SELECT kind, from_account, to_account, CAST(sum(amount) AS BIGINT),
            CAST(sum(value) AS BIGINT), lot_id
        FROM chain WHERE {} > ${place}
        GROUP BY lot_id, kind, from_account, to_account",
        wanted.table(backend),
        counts_at("chain"),
    );
    let mut values = wanted.values(backend);
    values.push(micros(at).into());
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let rows = db.query_all_raw(statement).await?;
    let sums = rows.iter().map(|row| {
        let lot_id = LotId::from_uuid(row.try_get_by_index(5)?);
        Ok((lot_id, moved(row)?))
    });
    sums.collect()
}

/// The sum that the first five columns of a row tell.
fn moved(row: &QueryResult) -> Result<Moved, StoreError> {
    let kind: i16 = row.try_get_by_index(0)?;
    let from: i16 = row.try_get_by_index(1)?;
    let to: i16 = row.try_get_by_index(2)?;
    Ok(Moved {
        kind: known(EntryKind::from_code(kind), TABLE, kind)?,
        from: known(Account::from_code(from), TABLE, from)?,
        to: known(Account::from_code(to), TABLE, to)?,
        worth: Worth {
            credits: Credits::from_millionths(row.try_get_by_index(3)?),
            value: row.try_get_by_index(4)?,
        },
    })
}
