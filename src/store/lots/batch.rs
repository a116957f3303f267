//! Lots of many calls at once: found, locked and written by one statement each, whatever business they
//! are of.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult, IdenStatic,
    Statement,
};
use uuid::Uuid;

use super::{CANDIDATES_MAX, Column, Entity, Model, TABLE, lot, row};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId, LineId, LotId, PackageId};
use crate::store::columns::known;
use crate::store::error::StoreError;
use crate::store::lines::LineCache;
use crate::store::rows::Rows;

/// A lot of some business.
pub type LotKey = (BusinessId, LotId);

/// What a use of credits changes of its lots, the expiry that it settles included. The columns that an
/// index is over are not among them but for `is_open`, which flips when a lot is used up: all other updates
/// stay within the page.
const WRITTEN: [Column; 12] = [
    Column::Available,
    Column::Consumed,
    Column::Expired,
    Column::ValueUnused,
    Column::ValueConsumed,
    Column::ValueExpired,
    Column::Seq,
    Column::LastPostingId,
    Column::LastN,
    Column::LastHash,
    Column::LastRecordedAt,
    Column::IsOpen,
];

/// By what a written row is found: it must be the one that was read.
const FOUND_BY: [Column; 3] = [Column::BusinessId, Column::Id, Column::Version];

#[derive(FromQueryResult)]
#[expect(clippy::struct_field_names, reason = "they are the columns of a query")]
struct Found {
    business_id: Uuid,
    asked_id: Uuid,
    lot_id: Uuid,
}

/// The open lots of each of these customers that could pay first, at most [`CANDIDATES_MAX`] of each, by an
/// index and without locks; which of them do is decided on locked rows.
pub async fn candidates(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = (BusinessId, CustomerId)>,
) -> Result<HashMap<(BusinessId, CustomerId), Vec<LotId>>, StoreError> {
    let backend = db.get_database_backend();
    let pairs = customers.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let customers = Rows::of_pairs(["business_id", "asked_id"], pairs);
    let given = customers.table(backend);
    let order = "priority, expires_at NULLS LAST, id";
    let sql = if backend == DbBackend::Postgres {
        format!(
            "SELECT given.business_id, given.asked_id, open.id AS lot_id
             FROM {given} CROSS JOIN LATERAL (
                SELECT id FROM lots
                WHERE lots.business_id = given.business_id AND lots.customer_id = given.asked_id
                    AND lots.is_open
                ORDER BY {order} LIMIT {CANDIDATES_MAX}
             ) AS open"
        )
    } else {
        format!(
            "SELECT business_id, asked_id, lot_id FROM (
                SELECT given.business_id, given.asked_id, lots.id AS lot_id, row_number() OVER (
                    PARTITION BY given.business_id, given.asked_id ORDER BY {order}
                ) AS place
                FROM {given} JOIN lots ON lots.business_id = given.business_id
                    AND lots.customer_id = given.asked_id AND lots.is_open
             ) WHERE place <= {CANDIDATES_MAX}"
        )
    };
    let found = found(db, sql, customers).await?;
    Ok(grouped(found, CustomerId::from_uuid))
}

/// The ids of all lots of each of these packages, without locks.
pub async fn of_packages(
    db: &impl ConnectionTrait,
    packages: impl IntoIterator<Item = (BusinessId, PackageId)>,
) -> Result<HashMap<(BusinessId, PackageId), Vec<LotId>>, StoreError> {
    let pairs = packages.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let packages = Rows::of_pairs(["business_id", "asked_id"], pairs);
    let sql = format!(
        "SELECT given.business_id, given.asked_id, lots.id AS lot_id FROM {}
         JOIN lots ON lots.business_id = given.business_id AND lots.package_id = given.asked_id",
        packages.table(db.get_database_backend())
    );
    let found = found(db, sql, packages).await?;
    Ok(grouped(found, PackageId::from_uuid))
}

/// Locks those of these lots that nobody else holds, in the order of their ids, and reads them.
pub async fn lock_free(
    txn: &DatabaseTransaction,
    keys: impl IntoIterator<Item = LotKey>,
    lines: &LineCache,
) -> Result<Vec<Lot>, StoreError> {
    // SQLite has nobody else while this transaction writes.
    let lock = if txn.get_database_backend() == DbBackend::Postgres {
        "FOR UPDATE OF lots SKIP LOCKED"
    } else {
        ""
    };
    select(txn, keys, lines, lock).await
}

/// Those of these lots that exist.
pub async fn by_keys(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = LotKey>,
    lines: &LineCache,
) -> Result<Vec<Lot>, StoreError> {
    select(db, keys, lines, "").await
}

/// Writes what uses of credits changed in lots that are locked; each one's version goes up by one.
///
/// # Errors
/// [`StoreError::Corrupt`] if a row is not the one that was read.
pub async fn update_used<'a>(
    txn: &DatabaseTransaction,
    used: impl IntoIterator<Item = &'a Lot>,
) -> Result<(), StoreError> {
    let models: Vec<_> = used.into_iter().map(row).collect::<Result<_, _>>()?;
    let count = models.len();
    let backend = txn.get_database_backend();
    let rows = Rows::of_models(models, FOUND_BY.into_iter().chain(WRITTEN))?;
    let written = WRITTEN.map(|column| {
        let name = column.as_str();
        format!("{name} = given.{name}")
    });
    let found_by = FOUND_BY.map(|column| {
        let name = column.as_str();
        format!("lots.{name} = given.{name}")
    });
    let sql = format!(
        "UPDATE lots SET {}, version = lots.version + 1 FROM {} WHERE {}",
        written.join(", "),
        rows.table(backend),
        found_by.join(" AND ")
    );
    let statement = Statement::from_sql_and_values(backend, sql, rows.values(backend));
    let result = txn.execute_raw(statement).await?;
    if usize::try_from(result.rows_affected()) != Ok(count) {
        return Err(StoreError::corrupt(TABLE, "one of a batch"));
    }
    Ok(())
}

async fn found(
    db: &impl ConnectionTrait,
    sql: String,
    asked: Rows,
) -> Result<Vec<Found>, StoreError> {
    let backend = db.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, asked.values(backend));
    Ok(Found::find_by_statement(statement).all(db).await?)
}

fn grouped<Id: Eq + std::hash::Hash>(
    found: Vec<Found>,
    asked: impl Fn(Uuid) -> Id,
) -> HashMap<(BusinessId, Id), Vec<LotId>> {
    let mut groups: HashMap<_, Vec<LotId>> = HashMap::new();
    for row in found {
        let key = (BusinessId::from_uuid(row.business_id), asked(row.asked_id));
        let group = groups.entry(key).or_default();
        group.push(LotId::from_uuid(row.lot_id));
    }
    groups
}

async fn select(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = LotKey>,
    lines: &LineCache,
    lock: &str,
) -> Result<Vec<Lot>, StoreError> {
    let backend = db.get_database_backend();
    let pairs = keys.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let wanted = Rows::of_pairs(["business_id", "id"], pairs);
    let sql = format!(
        "SELECT lots.* FROM {}
         JOIN lots ON lots.business_id = given.business_id AND lots.id = given.id
         ORDER BY lots.id {lock}",
        wanted.table(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, wanted.values(backend));
    let rows: Vec<Model> = Entity::find().from_raw_sql(statement).all(db).await?;
    let line = |row: &Model| {
        let business_id = BusinessId::from_uuid(row.business_id);
        (business_id, LineId::from_uuid(row.line_id))
    };
    let lines = lines.get(db, rows.iter().map(line)).await?;
    rows.iter()
        .map(|row| {
            let known = known(lines.get(&line(row)), TABLE, LotId::from_uuid(row.id))?;
            lot(row, known.clone())
        })
        .collect()
}
