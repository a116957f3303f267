//! `packages`: what was sold or given.

mod lists;

use std::collections::HashSet;

use chrono_tz::Tz;
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Select, Set, Unchanged};

use crate::domain::package::Package;
use crate::domain::validity::ExpirySource;
use crate::ids::{BusinessId, CustomerId, GroupId, PackageId, SaleId, TemplateId};
use crate::store::columns::{
    IDS_PER_STATEMENT_MAX, from_json, instant, instant_opt, known, micros, to_json,
};
use crate::store::error::StoreError;
use crate::store::external_ids;

const TABLE: &str = "packages";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "packages")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub sale_id: Option<Uuid>,
        pub came_from: Option<Uuid>,
        pub customer_id: Uuid,
        pub group_id: Option<Uuid>,
        pub share_max: i32,
        pub template_id: Option<Uuid>,
        pub definition_version: Option<i32>,
        pub name: String,
        pub list_price_minor: i64,
        pub price_minor: i64,
        pub net_price_minor: i64,
        pub priority: i32,
        pub quarantine_days: Option<i32>,
        pub validity: Json,
        pub expiry_source: i16,
        pub time_zone: String,
        pub starts_at: i64,
        pub expires_at: Option<i64>,
        pub counts_from_first_use: bool,
        pub first_used_on: Option<Date>,
        pub expiry_epoch: i32,
        pub frozen_at: Option<i64>,
        pub frozen_until_max: Option<i64>,
        pub expires_if_thawed: Option<i64>,
        pub freezes: i32,
        pub frozen_days: i32,
        pub revoked_at: Option<i64>,
        pub transferred_at: Option<i64>,
        pub transferred_to: Option<Uuid>,
        pub paid_at: Option<i64>,
        pub change_seq: i32,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};
pub use lists::{Filter, ending_between, list, thawing};

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

fn these(business_id: BusinessId, ids: &[PackageId]) -> Select<Entity> {
    let ids: Vec<Uuid> = ids.iter().copied().map(PackageId::uuid).collect();
    Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.is_in(ids))
        .order_by_asc(Column::Id)
}

const SOURCES: [(i16, ExpirySource); 3] = [
    (1, ExpirySource::Sale),
    (2, ExpirySource::Template),
    (3, ExpirySource::CreditType),
];

fn read(row: Model) -> Result<Package, StoreError> {
    let id = PackageId::from_uuid(row.id);
    let zone: Option<Tz> = row.time_zone.parse().ok();
    let source = SOURCES
        .iter()
        .find(|(code, _)| *code == row.expiry_source)
        .map(|(_, source)| *source);
    Ok(Package {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        external_id: row.external_id,
        sale_id: row.sale_id.map(SaleId::from_uuid),
        came_from: row.came_from.map(PackageId::from_uuid),
        customer_id: CustomerId::from_uuid(row.customer_id),
        group_id: row.group_id.map(GroupId::from_uuid),
        share_max: row.share_max,
        template: row
            .template_id
            .map(TemplateId::from_uuid)
            .zip(row.definition_version),
        name: row.name,
        list_price_minor: row.list_price_minor,
        price_minor: row.price_minor,
        net_price_minor: row.net_price_minor,
        priority: row.priority,
        quarantine_days: row.quarantine_days,
        validity: from_json(row.validity, TABLE, id)?,
        expiry_source: known(source, TABLE, id)?,
        zone: known(zone, TABLE, id)?,
        starts_at: instant(row.starts_at, TABLE, id)?,
        expires_at: instant_opt(row.expires_at, TABLE, id)?,
        counts_from_first_use: row.counts_from_first_use,
        first_used_on: row.first_used_on,
        expiry_epoch: row.expiry_epoch,
        frozen_at: instant_opt(row.frozen_at, TABLE, id)?,
        frozen_until_max: instant_opt(row.frozen_until_max, TABLE, id)?,
        expires_if_thawed: instant_opt(row.expires_if_thawed, TABLE, id)?,
        freezes: row.freezes,
        frozen_days: row.frozen_days,
        revoked_at: instant_opt(row.revoked_at, TABLE, id)?,
        transferred_at: instant_opt(row.transferred_at, TABLE, id)?,
        transferred_to: row.transferred_to.map(PackageId::from_uuid),
        paid_at: instant_opt(row.paid_at, TABLE, id)?,
        change_seq: row.change_seq,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(package: &Package) -> Result<ActiveModel, StoreError> {
    let source = SOURCES
        .iter()
        .find(|(_, source)| *source == package.expiry_source)
        .map(|(code, _)| *code);
    Ok(ActiveModel {
        business_id: Set(package.business_id.uuid()),
        id: Set(package.id.uuid()),
        external_id: Set(package.external_id.clone()),
        sale_id: Set(package.sale_id.map(SaleId::uuid)),
        came_from: Set(package.came_from.map(PackageId::uuid)),
        customer_id: Set(package.customer_id.uuid()),
        group_id: Set(package.group_id.map(GroupId::uuid)),
        share_max: Set(package.share_max),
        template_id: Set(package.template.map(|(id, _)| id.uuid())),
        definition_version: Set(package.template.map(|(_, version)| version)),
        name: Set(package.name.clone()),
        list_price_minor: Set(package.list_price_minor),
        price_minor: Set(package.price_minor),
        net_price_minor: Set(package.net_price_minor),
        priority: Set(package.priority),
        quarantine_days: Set(package.quarantine_days),
        validity: Set(to_json(&package.validity, TABLE)?),
        expiry_source: Set(known(source, TABLE, package.id)?),
        time_zone: Set(package.zone.name().to_owned()),
        starts_at: Set(micros(package.starts_at)),
        expires_at: Set(package.expires_at.map(micros)),
        counts_from_first_use: Set(package.counts_from_first_use),
        first_used_on: Set(package.first_used_on),
        expiry_epoch: Set(package.expiry_epoch),
        frozen_at: Set(package.frozen_at.map(micros)),
        frozen_until_max: Set(package.frozen_until_max.map(micros)),
        expires_if_thawed: Set(package.expires_if_thawed.map(micros)),
        freezes: Set(package.freezes),
        frozen_days: Set(package.frozen_days),
        revoked_at: Set(package.revoked_at.map(micros)),
        transferred_at: Set(package.transferred_at.map(micros)),
        transferred_to: Set(package.transferred_to.map(PackageId::uuid)),
        paid_at: Set(package.paid_at.map(micros)),
        change_seq: Set(package.change_seq),
        created_at: Set(micros(package.created_at)),
        version: Set(package.version),
    })
}
