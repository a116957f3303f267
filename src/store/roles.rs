//! `roles`: those that businesses made; the built-in ones are no rows.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::customer::fold;
use crate::domain::role::Role;
use crate::ids::{BusinessId, RoleId};
use crate::store::by_id;
use crate::store::columns::{from_json, instant, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "roles";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "roles")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub name_folded: String,
        pub permissions: Json,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new role.
///
/// # Errors
/// [`StoreError::Taken`] if another role has its name.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    role: &Role,
) -> Result<(), StoreError> {
    let row = row(business_id, role)?;
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked role as it is now, and counts its version up.
///
/// # Errors
/// [`StoreError::Taken`] if another role has its name.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    role: &mut Role,
) -> Result<(), StoreError> {
    role.version = role.version.saturating_add(1);
    let mut row = row(business_id, role)?;
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(role.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One role.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: RoleId,
) -> Result<Option<Role>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one role and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: RoleId,
) -> Result<Option<Role>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// A page of roles, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    before: Option<RoleId>,
    limit: u64,
) -> Result<Vec<Role>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Role, StoreError> {
    let id = RoleId::from_uuid(row.id);
    Ok(Role {
        id,
        name: row.name,
        permissions: from_json(row.permissions, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, role: &Role) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(role.id.uuid()),
        name: Set(role.name.clone()),
        name_folded: Set(fold(&role.name)),
        permissions: Set(to_json(&role.permissions, TABLE)?),
        created_at: Set(micros(role.created_at)),
        version: Set(role.version),
    })
}
