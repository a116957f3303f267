//! `lots`: the ledger's atoms, with what their entries add up to.

pub mod batch;
pub mod moved;
mod row;
pub mod shared;
pub mod sums;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Select, Set, Statement, Unchanged};

use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, LineId, LotId, PackageId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, is_any, known, micros};
use crate::store::error::StoreError;
use crate::store::lines;
use crate::store::rows::{self, Rows};
use row::{Column, Entity, Model, TABLE, lot, row};

/// The most lots of a customer that a batch looks at for a call which names no package (design section 5), and
/// the most of others that the customer may use.
pub const CANDIDATES_MAX: usize = 64;

/// Where a lot belongs, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// Its package.
    pub package_id: PackageId,
    /// The line of that package.
    pub line_id: LineId,
    /// What it is credits of.
    pub credit_type_id: CreditTypeId,
}

/// Writes new lots, as they are after their issue.
pub async fn insert(txn: &DatabaseTransaction, new: &[Lot]) -> Result<(), StoreError> {
    let models = new.iter().map(|lot| {
        let mut row = row(lot)?;
        row.version = Set(lot.version.saturating_add(1));
        Ok(row)
    });
    rows::insert(txn, models.collect::<Result<Vec<_>, StoreError>>()?).await
}

/// Writes lots that are locked, as they are now; each one's version goes up by one.
///
/// # Errors
/// [`StoreError::Corrupt`] if the row is not the one that was read.
pub async fn update(txn: &DatabaseTransaction, changed: &[Lot]) -> Result<(), StoreError> {
    for lot in changed {
        let mut row = row(lot)?;
        row.business_id = Unchanged(lot.business_id.uuid());
        row.id = Unchanged(lot.id.uuid());
        row.version = Set(lot.version.saturating_add(1));
        let result = Entity::update_many()
            .set(row)
            .filter(Column::BusinessId.eq(lot.business_id.uuid()))
            .filter(Column::Id.eq(lot.id.uuid()))
            .filter(Column::Version.eq(lot.version))
            .exec(txn)
            .await?;
        if result.rows_affected != 1 {
            return Err(StoreError::corrupt(TABLE, lot.id));
        }
    }
    Ok(())
}

/// Locks lots in the order of their ids and reads them.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[LotId],
) -> Result<Vec<Lot>, StoreError> {
    let mut ids: Vec<Uuid> = ids.iter().copied().map(LotId::uuid).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut lots = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_STATEMENT_MAX) {
        let query = Entity::find().filter(is_any(Column::Id, chunk.iter().copied()));
        lots.extend(locked(txn, business_id, query).await?);
    }
    Ok(lots)
}

/// Locks all lots of packages in the order of their ids and reads them.
pub async fn lock_of_packages(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = package_ids.iter().copied().map(PackageId::uuid).collect();
    let query = Entity::find().filter(is_any(Column::PackageId, ids));
    locked(txn, business_id, query).await
}

/// All lots of packages, in the order of their ids.
pub async fn of_packages(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = package_ids.iter().copied().map(PackageId::uuid).collect();
    these(db, business_id, Column::PackageId, &ids).await
}

/// All lots of a customer, in the order of their ids.
pub async fn of_customer(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<Lot>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    read(db, business_id, rows).await
}

/// The ids of all open lots of a customer, without locks.
pub async fn open_of_customer(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<LotId>, StoreError> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .filter(Expr::col(Column::IsOpen))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(LotId::from_uuid).collect())
}

/// Those of these lots that exist, in the order of their ids.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[LotId],
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().copied().map(LotId::uuid).collect();
    these(db, business_id, Column::Id, &ids).await
}

/// Where those of these lots that exist belong: far less than the lots.
pub async fn homes(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = LotId>,
) -> Result<HashMap<LotId, Home>, StoreError> {
    let ids: BTreeSet<LotId> = ids.into_iter().collect();
    let pairs = ids.into_iter().map(|id| (business_id.uuid(), id.uuid()));
    let wanted = Rows::of_pairs(["business_id", "id"], pairs);
    let backend = db.get_database_backend();
    let sql = format!(
        "SELECT lots.id, lots.package_id, lots.line_id, lots.credit_type_id
        FROM {} JOIN lots ON lots.business_id = given.business_id AND lots.id = given.id",
        wanted.table(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, wanted.values(backend));
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let (id, package_id, line_id, credit_type_id) = row.try_get_many_by_index()?;
            let home = Home {
                package_id: PackageId::from_uuid(package_id),
                line_id: LineId::from_uuid(line_id),
                credit_type_id: CreditTypeId::from_uuid(credit_type_id),
            };
            Ok((LotId::from_uuid(id), home))
        })
        .collect()
}

/// Lots of a business in the order of their ids, after `after`: a page of a walk over all of them.
pub async fn page(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<LotId>,
    limit: u64,
) -> Result<Vec<Lot>, StoreError> {
    let mut query = Entity::find().filter(Column::BusinessId.eq(business_id.uuid()));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.uuid()));
    }
    let rows = query.order_by_asc(Column::Id).limit(limit).all(db).await?;
    read(db, business_id, rows).await
}

/// Open lots whose validity has ended at `now`, oldest expiry first, of any business, without locks.
pub async fn due(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
    limit: u64,
) -> Result<Vec<(BusinessId, LotId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .column(Column::Id)
        .filter(Expr::col(Column::IsOpen))
        .filter(Column::Available.gt(0))
        .filter(Column::ExpiresAt.lte(micros(now)))
        .filter(Column::Frozen.eq(false))
        .filter(Column::Revoked.eq(false))
        .order_by_asc(Column::ExpiresAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(business, lot)| (BusinessId::from_uuid(business), LotId::from_uuid(lot)))
        .collect())
}

/// Packages with a hold that time has ended by `now` and nobody wrote, of any business, without locks.
pub async fn timing_out(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
    limit: u64,
) -> Result<Vec<(BusinessId, PackageId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .column(Column::PackageId)
        .filter(Column::NextTimeoutAt.lte(micros(now)))
        .order_by_asc(Column::NextTimeoutAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(business, id)| (BusinessId::from_uuid(business), PackageId::from_uuid(id)))
        .collect())
}

/// Locks those of these lots that nobody else holds, and reads them.
pub async fn lock_free(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[LotId],
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().copied().map(LotId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .order_by_asc(Column::Id)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(txn)
        .await?;
    read(txn, business_id, rows).await
}

/// The lots whose `column` is one of these ids, in the order of their own.
async fn these(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    column: Column,
    ids: &[Uuid],
) -> Result<Vec<Lot>, StoreError> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT_MAX) {
        let found = Entity::find()
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(column, chunk.iter().copied()))
            .all(db)
            .await?;
        rows.extend(found);
    }
    // An id that was named twice may have been found in two chunks.
    rows.sort_unstable_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    read(db, business_id, rows).await
}

async fn locked(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    query: Select<Entity>,
) -> Result<Vec<Lot>, StoreError> {
    let rows = query
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(txn)
        .await?;
    read(txn, business_id, rows).await
}

async fn read(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    rows: Vec<Model>,
) -> Result<Vec<Lot>, StoreError> {
    let line_ids = rows.iter().map(|row| LineId::from_uuid(row.line_id));
    let lines = lines::by_ids(db, business_id, line_ids).await?;
    rows.iter()
        .map(|row| {
            let line_id = LineId::from_uuid(row.line_id);
            let line = known(lines.get(&line_id), TABLE, LotId::from_uuid(row.id))?;
            lot(row, Arc::clone(line))
        })
        .collect()
}
