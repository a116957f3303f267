//! `groups`: customers who use packages together.

use std::cmp::Reverse;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LikeExpr, LockType};
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::group::Group;
use crate::ids::{BusinessId, CustomerId, GroupId};
use crate::store::by_id;
use crate::store::columns::{instant, is_any, micros};
use crate::store::customers::{ESCAPE, Filter, containing};
use crate::store::error::StoreError;
use crate::store::external_ids;

const TABLE: &str = "groups";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "groups")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub name: String,
        pub contact_id: Uuid,
        pub active: bool,
        pub search_text: String,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new group.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    group: &Group,
) -> Result<(), StoreError> {
    Entity::insert(row(business_id, group))
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a locked group as it is now, and counts its version up.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    group: &mut Group,
) -> Result<(), StoreError> {
    group.version = group.version.saturating_add(1);
    let mut row = row(business_id, group);
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(group.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One group.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: GroupId,
) -> Result<Option<Group>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one group and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: GroupId,
) -> Result<Option<Group>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks groups against being changed, members included, in the order of their ids, and reads them.
pub async fn share_all(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = GroupId>,
) -> Result<Vec<Group>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(GroupId::uuid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .order_by_asc(Column::Id)
        .lock_shared()
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Locks groups in the order of their ids and reads them.
pub async fn lock_all(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = GroupId>,
) -> Result<Vec<Group>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(GroupId::uuid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The group that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<GroupId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(GroupId::from_uuid))
}

/// A page of groups, newest first, below the id `before`; only these, if some are given.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    only: Option<&[GroupId]>,
    before: Option<GroupId>,
    limit: u64,
) -> Result<Vec<Group>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option((!filter.include_inactive).then(|| Column::Active.eq(true)))
        .add_option((!filter.query.is_empty()).then(|| {
            let pattern = LikeExpr::new(containing(&filter.query)).escape(ESCAPE);
            Column::SearchText.like(pattern)
        }))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let query = Entity::find().filter(condition);
    let Some(only) = only else {
        let rows = query.order_by_desc(Column::Id).limit(limit).all(db).await?;
        return rows.into_iter().map(read).collect();
    };
    if only.is_empty() {
        return Ok(Vec::new());
    }
    // Not in order by the database, which may read all groups to have these in order.
    let ids = only.iter().copied().map(GroupId::uuid);
    let mut rows = query.filter(is_any(Column::Id, ids)).all(db).await?;
    rows.sort_unstable_by_key(|row| Reverse(row.id));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Group, StoreError> {
    let id = GroupId::from_uuid(row.id);
    Ok(Group {
        id,
        external_id: row.external_id,
        name: row.name,
        contact_id: CustomerId::from_uuid(row.contact_id),
        active: row.active,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, group: &Group) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(group.id.uuid()),
        external_id: Set(group.external_id.clone()),
        name: Set(group.name.clone()),
        contact_id: Set(group.contact_id.uuid()),
        active: Set(group.active),
        search_text: Set(group.search_text()),
        created_at: Set(micros(group.created_at)),
        version: Set(group.version),
    }
}
