//! `users`: the members of a business's staff.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::role::{BuiltInRole, RoleKey};
use crate::domain::user::User;
use crate::ids::{BusinessId, RoleId, UserId};
use crate::store::by_id;
use crate::store::columns::{instant, known, micros};
use crate::store::error::StoreError;
use crate::store::external_ids;

const TABLE: &str = "users";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub name: String,
        pub built_in_role: Option<String>,
        pub role_id: Option<Uuid>,
        pub active: bool,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new user.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    user: &User,
) -> Result<(), StoreError> {
    let row = row(business_id, user);
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked user as it is now, and counts its version up.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    user: &mut User,
) -> Result<(), StoreError> {
    user.version = user.version.saturating_add(1);
    let mut row = row(business_id, user);
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(user.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// Locks one user and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// One user.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// The user that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<UserId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(UserId::from_uuid))
}

/// A page of users, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    hide_inactive: bool,
    before: Option<UserId>,
    limit: u64,
) -> Result<Vec<User>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(hide_inactive.then(|| Column::Active.eq(true)))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<User, StoreError> {
    let id = UserId::from_uuid(row.id);
    let role = match (row.built_in_role, row.role_id) {
        (Some(name), _) => {
            let role = known(BuiltInRole::from_name(&name), TABLE, id)?;
            Some(RoleKey::BuiltIn(role))
        }
        (None, role_id) => role_id.map(RoleId::from_uuid).map(RoleKey::Own),
    };
    Ok(User {
        id,
        external_id: row.external_id,
        name: row.name,
        role,
        active: row.active,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, user: &User) -> ActiveModel {
    let (built_in_role, role_id) = match user.role {
        None => (None, None),
        Some(RoleKey::BuiltIn(role)) => (Some(role.as_str().to_owned()), None),
        Some(RoleKey::Own(id)) => (None, Some(id.uuid())),
    };
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(user.id.uuid()),
        external_id: Set(user.external_id.clone()),
        name: Set(user.name.clone()),
        built_in_role: Set(built_in_role),
        role_id: Set(role_id),
        active: Set(user.active),
        created_at: Set(micros(user.created_at)),
        version: Set(user.version),
    }
}
