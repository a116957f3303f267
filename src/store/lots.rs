//! `lots`: the ledger's atoms, with what their entries add up to.

pub mod batch;
pub mod shared;

use std::sync::Arc;

use chrono_tz::Tz;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Select, Set, Unchanged};

use crate::domain::credits::Credits;
use crate::domain::entry::{Balances, EntryKey};
use crate::domain::lot::{Basis, Fold, Lot, Origin, Pools, Tail, Terms};
use crate::ids::{BusinessId, CreditTypeId, CustomerId, LineId, LotId, PackageId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, hash, instant, instant_opt, known, micros};
use crate::store::error::StoreError;
use crate::store::lines;

const TABLE: &str = "lots";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lots")]
    #[expect(clippy::struct_excessive_bools, reason = "it is the table's row")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub package_id: Uuid,
        pub line_id: Uuid,
        pub customer_id: Uuid,
        pub credit_type_id: Uuid,
        pub origin: i16,
        pub priority: i32,
        pub starts_at: i64,
        pub expires_at: Option<i64>,
        pub counts_from_first_use: bool,
        pub first_used_on: Option<Date>,
        pub expires_if_unused: Option<i64>,
        pub time_zone: String,
        pub frozen: bool,
        pub frozen_until_max: Option<i64>,
        pub expires_if_thawed: Option<i64>,
        pub revoked: bool,
        pub issued_quantity: i64,
        pub issued_value: i64,
        pub basis_quantity: i64,
        pub basis_value: i64,
        pub revalued: bool,
        pub issued: i64,
        pub available: i64,
        pub held: i64,
        pub consumed: i64,
        pub expired: i64,
        pub revoked_credits: i64,
        pub transferred: i64,
        pub value_unused: i64,
        pub value_consumed: i64,
        pub value_expired: i64,
        pub value_revoked: i64,
        pub value_transferred: i64,
        pub seq: i64,
        pub last_posting_id: Uuid,
        pub last_n: i32,
        pub last_hash: Vec<u8>,
        pub last_recorded_at: i64,
        pub next_timeout_at: Option<i64>,
        pub transferred_to: Option<Uuid>,
        pub is_open: bool,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// The most lots that a call which names no package looks at (design section 5).
pub const CANDIDATES_MAX: usize = 64;

/// The most lots of one statement: a bound on the parameters that databases take.
const LOTS_PER_STATEMENT_MAX: usize = 400;

/// Writes new lots, as they are after their issue.
pub async fn insert(txn: &DatabaseTransaction, new: &[Lot]) -> Result<(), StoreError> {
    for chunk in new.chunks(LOTS_PER_STATEMENT_MAX) {
        let mut rows = Vec::with_capacity(chunk.len());
        for lot in chunk {
            let mut row = row(lot)?;
            row.version = Set(lot.version.saturating_add(1));
            rows.push(row);
        }
        Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
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
    let ids: Vec<Uuid> = ids.iter().copied().map(LotId::uuid).collect();
    locked(
        txn,
        business_id,
        Entity::find().filter(Column::Id.is_in(ids)),
    )
    .await
}

/// Locks all lots of packages in the order of their ids and reads them.
pub async fn lock_of_packages(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = package_ids.iter().copied().map(PackageId::uuid).collect();
    let query = Entity::find().filter(Column::PackageId.is_in(ids));
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

/// Those of these lots that exist, in the order of their ids.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[LotId],
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().copied().map(LotId::uuid).collect();
    these(db, business_id, Column::Id, &ids).await
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
        .filter(Column::Id.is_in(ids))
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
            .filter(column.is_in(chunk.iter().copied()))
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

fn lot(row: &Model, line: Arc<crate::domain::line::Line>) -> Result<Lot, StoreError> {
    let id = LotId::from_uuid(row.id);
    let zone: Option<Tz> = row.time_zone.parse().ok();
    Ok(Lot {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        package_id: PackageId::from_uuid(row.package_id),
        line,
        customer_id: CustomerId::from_uuid(row.customer_id),
        origin: known(Origin::from_code(row.origin), TABLE, id)?,
        priority: row.priority,
        terms: Terms {
            starts_at: instant(row.starts_at, TABLE, id)?,
            expires_at: instant_opt(row.expires_at, TABLE, id)?,
            counts_from_first_use: row.counts_from_first_use,
            first_used_on: row.first_used_on,
            expires_if_unused: instant_opt(row.expires_if_unused, TABLE, id)?,
            zone: known(zone, TABLE, id)?,
            frozen: row.frozen,
            frozen_until_max: instant_opt(row.frozen_until_max, TABLE, id)?,
            expires_if_thawed: instant_opt(row.expires_if_thawed, TABLE, id)?,
            revoked: row.revoked,
        },
        issued: Basis {
            value: row.issued_value,
            quantity: Credits::from_millionths(row.issued_quantity),
        },
        fold: Fold {
            balances: Balances {
                available: Credits::from_millionths(row.available),
                held: Credits::from_millionths(row.held),
                consumed: Credits::from_millionths(row.consumed),
                expired: Credits::from_millionths(row.expired),
                revoked: Credits::from_millionths(row.revoked_credits),
                transferred: Credits::from_millionths(row.transferred),
            },
            pools: Pools {
                unused: row.value_unused,
                consumed: row.value_consumed,
                expired: row.value_expired,
                revoked: row.value_revoked,
                transferred: row.value_transferred,
            },
            basis: Basis {
                value: row.basis_value,
                quantity: Credits::from_millionths(row.basis_quantity),
            },
            revalued: row.revalued,
        },
        tail: Tail {
            seq: row.seq,
            last: Some(EntryKey {
                posting_id: row.last_posting_id,
                n: row.last_n,
            }),
            hash: hash(&row.last_hash, TABLE, id)?,
            recorded_at: Some(instant(row.last_recorded_at, TABLE, id)?),
        },
        next_timeout_at: instant_opt(row.next_timeout_at, TABLE, id)?,
        transferred_to: row.transferred_to.map(LotId::from_uuid),
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(lot: &Lot) -> Result<ActiveModel, StoreError> {
    let Fold {
        balances,
        pools,
        basis,
        revalued,
    } = &lot.fold;
    let total = known(balances.total(), TABLE, lot.id)?;
    let issued = known(total.checked_neg(), TABLE, lot.id)?;
    let last = known(lot.tail.last, TABLE, lot.id)?;
    let recorded_at = known(lot.tail.recorded_at, TABLE, lot.id)?;
    Ok(ActiveModel {
        business_id: Set(lot.business_id.uuid()),
        id: Set(lot.id.uuid()),
        package_id: Set(lot.package_id.uuid()),
        line_id: Set(lot.line.id.uuid()),
        customer_id: Set(lot.customer_id.uuid()),
        credit_type_id: Set(CreditTypeId::uuid(lot.line.credit_type_id)),
        origin: Set(lot.origin.code()),
        priority: Set(lot.priority),
        starts_at: Set(micros(lot.terms.starts_at)),
        expires_at: Set(lot.terms.expires_at.map(micros)),
        counts_from_first_use: Set(lot.terms.counts_from_first_use),
        first_used_on: Set(lot.terms.first_used_on),
        expires_if_unused: Set(lot.terms.expires_if_unused.map(micros)),
        time_zone: Set(lot.terms.zone.name().to_owned()),
        frozen: Set(lot.terms.frozen),
        frozen_until_max: Set(lot.terms.frozen_until_max.map(micros)),
        expires_if_thawed: Set(lot.terms.expires_if_thawed.map(micros)),
        revoked: Set(lot.terms.revoked),
        issued_quantity: Set(lot.issued.quantity.millionths()),
        issued_value: Set(lot.issued.value),
        basis_quantity: Set(basis.quantity.millionths()),
        basis_value: Set(basis.value),
        revalued: Set(*revalued),
        issued: Set(issued.millionths()),
        available: Set(balances.available.millionths()),
        held: Set(balances.held.millionths()),
        consumed: Set(balances.consumed.millionths()),
        expired: Set(balances.expired.millionths()),
        revoked_credits: Set(balances.revoked.millionths()),
        transferred: Set(balances.transferred.millionths()),
        value_unused: Set(pools.unused),
        value_consumed: Set(pools.consumed),
        value_expired: Set(pools.expired),
        value_revoked: Set(pools.revoked),
        value_transferred: Set(pools.transferred),
        seq: Set(lot.tail.seq),
        last_posting_id: Set(last.posting_id),
        last_n: Set(last.n),
        last_hash: Set(lot.tail.hash.to_vec()),
        last_recorded_at: Set(micros(recorded_at)),
        next_timeout_at: Set(lot.next_timeout_at.map(micros)),
        transferred_to: Set(lot.transferred_to.map(LotId::uuid)),
        is_open: Set(lot.is_open()),
        created_at: Set(micros(lot.created_at)),
        version: Set(lot.version),
    })
}
