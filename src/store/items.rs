//! `items`: the products and services that credits pay for.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::catalog::Item;
use crate::ids::{BusinessId, ItemId, Reference};
use crate::store::by_id;
use crate::store::columns::{instant, is_any, micros};
use crate::store::error::StoreError;
use crate::store::external_ids;
use crate::store::rows::Rows;

const TABLE: &str = "items";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub name: String,
        pub category: String,
        pub standard_rate_minor: Option<i64>,
        pub active: bool,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which items a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that are no longer offered too.
    pub include_inactive: bool,
    /// Only those of this category.
    pub category: Option<String>,
}

/// Writes a new item.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    item: &Item,
) -> Result<(), StoreError> {
    let row = row(business_id, item);
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked item as it is now, and counts its version up.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    item: &mut Item,
) -> Result<(), StoreError> {
    item.version = item.version.saturating_add(1);
    let mut row = row(business_id, item);
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(item.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One item.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: ItemId,
) -> Result<Option<Item>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one item and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: ItemId,
) -> Result<Option<Item>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Those of these items that exist.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = ItemId>,
) -> Result<Vec<Item>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(ItemId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those of these items of any businesses that exist.
pub async fn by_keys(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = (BusinessId, ItemId)>,
) -> Result<HashMap<(BusinessId, ItemId), Item>, StoreError> {
    let pairs = keys.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let statement = Rows::of_pairs(["business_id", "id"], pairs).select(db, TABLE);
    let rows = Entity::find().from_raw_sql(statement).all(db).await?;
    rows.into_iter()
        .map(|row| {
            let business_id = BusinessId::from_uuid(row.business_id);
            let item = read(row)?;
            Ok(((business_id, item.id), item))
        })
        .collect()
}

/// Those of these items that exist, by our ids and by the caller's own.
pub async fn named(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    references: &[Reference<ItemId>],
) -> Result<Vec<Item>, StoreError> {
    let (mut ids, mut external_ids) = (Vec::new(), Vec::new());
    for reference in references {
        match reference {
            Reference::Id(id) => ids.push(id.uuid()),
            Reference::External(external_id) => external_ids.push(external_id.clone()),
        }
    }
    if references.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(
            Condition::any()
                .add(is_any(Column::Id, ids))
                .add(is_any(Column::ExternalId, external_ids)),
        )
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The item that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<ItemId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(ItemId::from_uuid))
}

/// A page of items, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    before: Option<ItemId>,
    limit: u64,
) -> Result<Vec<Item>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option((!filter.include_inactive).then(|| Column::Active.eq(true)))
        .add_option(
            filter
                .category
                .as_ref()
                .map(|category| Column::Category.eq(category)),
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

/// The highest standard rate among the offered items of a category, in minor units.
pub async fn dearest_rate(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    category: &str,
) -> Result<Option<i64>, StoreError> {
    let highest: Option<Option<i64>> = Entity::find()
        .select_only()
        .column_as(Column::StandardRateMinor.max(), "highest")
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Category.eq(category))
        .filter(Column::Active.eq(true))
        .into_tuple()
        .one(db)
        .await?;
    Ok(highest.flatten())
}

fn read(row: Model) -> Result<Item, StoreError> {
    let id = ItemId::from_uuid(row.id);
    Ok(Item {
        id,
        external_id: row.external_id,
        name: row.name,
        category: row.category,
        standard_rate_minor: row.standard_rate_minor,
        active: row.active,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, item: &Item) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(item.id.uuid()),
        external_id: Set(item.external_id.clone()),
        name: Set(item.name.clone()),
        category: Set(item.category.clone()),
        standard_rate_minor: Set(item.standard_rate_minor),
        active: Set(item.active),
        created_at: Set(micros(item.created_at)),
        version: Set(item.version),
    }
}
