//! `packages`: what was sold or given.

mod lists;
pub mod queue;
mod row;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Select, Unchanged};

use crate::domain::package::Package;
use crate::ids::{BusinessId, CustomerId, PackageId, SaleId, TemplateId};
use crate::store::by_id;
use crate::store::columns::{IDS_PER_STATEMENT_MAX, is_any, micros};
use crate::store::error::StoreError;
use crate::store::external_ids;
use crate::store::rows;
pub use lists::{Filter, ending_between, frozen, list, thawing};
use row::{Column, Entity, read, row};

/// Writes new packages.
pub async fn insert(txn: &DatabaseTransaction, new: &[Package]) -> Result<(), StoreError> {
    let models = new.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    rows::insert(txn, models).await
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
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
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
        .filter(is_any(Column::ExternalId, external_ids))
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
        .filter(is_any(Column::CustomerId, owners))
        .filter(Column::TemplateId.eq(template_id.uuid()))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::TransferredAt.is_null())
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The packages of templates that these customers have and that end after `now` or never, but for those that were
/// taken away or moved, in the order of their ids.
pub async fn lasting(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    owners: impl IntoIterator<Item = CustomerId>,
    now: DateTime<Utc>,
) -> Result<Vec<Package>, StoreError> {
    let owners: Vec<Uuid> = owners.into_iter().map(CustomerId::uuid).collect();
    let mut rows = Vec::new();
    for chunk in owners.chunks(IDS_PER_STATEMENT_MAX) {
        let ends_later = Condition::any()
            .add(Column::ExpiresAt.is_null())
            .add(Column::ExpiresAt.gt(micros(now)));
        let of_chunk = Entity::find()
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::CustomerId, chunk.iter().copied()))
            .filter(Column::TemplateId.is_not_null())
            .filter(Column::RevokedAt.is_null())
            .filter(Column::TransferredAt.is_null())
            .filter(ends_later);
        rows.extend(of_chunk.all(db).await?);
    }
    rows.sort_unstable_by_key(|row| row.id);
    rows.into_iter().map(read).collect()
}

fn these(business_id: BusinessId, ids: &[PackageId]) -> Select<Entity> {
    let ids: Vec<Uuid> = ids.iter().copied().map(PackageId::uuid).collect();
    Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .order_by_asc(Column::Id)
}
