//! `packages`: what was sold or given.

pub mod queue;
mod row;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Select, Unchanged};

use crate::domain::package::Package;
use crate::ids::{BusinessId, CustomerId, GroupId, PackageId, SaleId, TemplateId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, micros};
use crate::store::error::StoreError;
use crate::store::external_ids;
use row::{Column, Entity, read, row};

/// Which packages a list shows; all that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// Of this group.
    pub group_id: Option<GroupId>,
    /// Sold from this template.
    pub template_id: Option<TemplateId>,
    /// Ending at this instant or later; never-ending ones are left out.
    pub expires_from: Option<DateTime<Utc>>,
    /// Ending before this instant; never-ending ones are left out.
    pub expires_before: Option<DateTime<Utc>>,
}

/// The most packages of one statement: a bound on the parameters that databases take.
const PACKAGES_PER_STATEMENT_MAX: usize = 400;

/// Writes new packages.
pub async fn insert(txn: &DatabaseTransaction, new: &[Package]) -> Result<(), StoreError> {
    for chunk in new.chunks(PACKAGES_PER_STATEMENT_MAX) {
        let rows = chunk.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Writes a locked package as it is now, and counts its version up.
pub async fn update(txn: &DatabaseTransaction, package: &mut Package) -> Result<(), StoreError> {
    package.version = package.version.saturating_add(1);
    let mut row = row(package)?;
    row.business_id = Unchanged(package.business_id.uuid());
    row.id = Unchanged(package.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One package.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: PackageId,
) -> Result<Option<Package>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .one(db)
        .await?;
    row.map(read).transpose()
}

/// The id of the package that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<PackageId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(PackageId::from_uuid))
}

/// Those of these external ids that a package has already.
pub async fn taken_external_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_ids: impl IntoIterator<Item = &str>,
) -> Result<HashSet<String>, StoreError> {
    let external_ids: Vec<&str> = external_ids.into_iter().collect();
    if external_ids.is_empty() {
        return Ok(HashSet::new());
    }
    let taken: Vec<String> = Entity::find()
        .select_only()
        .column(Column::ExternalId)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::ExternalId.is_in(external_ids))
        .into_tuple()
        .all(db)
        .await?;
    Ok(taken.into_iter().collect())
}

/// Locks packages in the order of their ids and reads them.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<Vec<Package>, StoreError> {
    let rows = these(business_id, ids).lock_exclusive().all(txn).await?;
    rows.into_iter().map(read).collect()
}

/// Those of these packages that exist, in the order of their ids.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<Vec<Package>, StoreError> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT_MAX) {
        rows.extend(these(business_id, chunk).all(db).await?);
    }
    // An id that was named twice may have been found in two chunks.
    rows.sort_unstable_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    rows.into_iter().map(read).collect()
}

/// The packages in which a customer is named, in the order of their ids.
pub async fn ids_of_customer(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<PackageId>, StoreError> {
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(PackageId::from_uuid).collect())
}

/// The packages of a sale, in the order of their ids.
pub async fn of_sale(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    sale_id: SaleId,
) -> Result<Vec<Package>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SaleId.eq(sale_id.uuid()))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The packages of a template that these customers have, but for those that were taken away or moved, in
/// the order of their ids.
pub async fn of_template(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    template_id: TemplateId,
    owners: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<Package>, StoreError> {
    let owners: Vec<Uuid> = owners.into_iter().map(CustomerId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.is_in(owners))
        .filter(Column::TemplateId.eq(template_id.uuid()))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::TransferredAt.is_null())
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// A page of packages, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    before: Option<PackageId>,
    limit: u64,
) -> Result<Vec<Package>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(
            filter
                .customer_id
                .map(|id| Column::CustomerId.eq(id.uuid())),
        )
        .add_option(filter.group_id.map(|id| Column::GroupId.eq(id.uuid())))
        .add_option(
            filter
                .template_id
                .map(|id| Column::TemplateId.eq(id.uuid())),
        )
        .add_option(
            filter
                .expires_from
                .map(|at| Column::ExpiresAt.gte(micros(at))),
        )
        .add_option(
            filter
                .expires_before
                .map(|at| Column::ExpiresAt.lt(micros(at))),
        )
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Packages that end in `from <= expires_at < before`, in the order of their ends, after a position.
pub async fn ending_between(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (from, before): (DateTime<Utc>, DateTime<Utc>),
    after: Option<(DateTime<Utc>, PackageId)>,
    limit: u64,
) -> Result<Vec<Package>, StoreError> {
    let mut condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add(Column::ExpiresAt.gte(micros(from)))
        .add(Column::ExpiresAt.lt(micros(before)));
    if let Some((at, id)) = after {
        condition = condition.add(
            Condition::any().add(Column::ExpiresAt.gt(micros(at))).add(
                Condition::all()
                    .add(Column::ExpiresAt.eq(micros(at)))
                    .add(Column::Id.gt(id.uuid())),
            ),
        );
    }
    let rows = Entity::find()
        .filter(condition)
        .order_by_asc(Column::ExpiresAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Packages whose freeze reached its limit by `now`, of any business, without locks, the longest due first.
pub async fn thawing(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<(BusinessId, PackageId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .column(Column::Id)
        .filter(Column::FrozenUntilMax.lte(micros(now)))
        .order_by_asc(Column::FrozenUntilMax)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let ids = rows
        .into_iter()
        .map(|(business, id)| (BusinessId::from_uuid(business), PackageId::from_uuid(id)));
    Ok(ids.collect())
}

fn these(business_id: BusinessId, ids: &[PackageId]) -> Select<Entity> {
    let ids: Vec<Uuid> = ids.iter().copied().map(PackageId::uuid).collect();
    Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.is_in(ids))
        .order_by_asc(Column::Id)
}
