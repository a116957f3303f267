//! `group_members`: who is in which group now.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::ids::{BusinessId, CustomerId, GroupId};
use crate::store::columns::{is_any, micros};
use crate::store::error::StoreError;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "group_members")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub group_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub customer_id: Uuid,
        pub added_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Adds a customer to a locked group of which it is no member.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    group_id: GroupId,
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        business_id: Set(business_id.uuid()),
        group_id: Set(group_id.uuid()),
        customer_id: Set(customer_id.uuid()),
        added_at: Set(micros(now)),
    };
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Takes a customer out of a locked group.
pub async fn remove(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    group_id: GroupId,
    customer_id: CustomerId,
) -> Result<(), StoreError> {
    let key = (business_id.uuid(), group_id.uuid(), customer_id.uuid());
    Entity::delete_by_id(key).exec(txn).await?;
    Ok(())
}

/// The members of these groups, in the order of their ids.
pub async fn of_groups(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    group_ids: impl IntoIterator<Item = GroupId>,
) -> Result<Vec<(GroupId, CustomerId)>, StoreError> {
    let ids: Vec<Uuid> = group_ids.into_iter().map(GroupId::uuid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .columns([Column::GroupId, Column::CustomerId])
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::GroupId, ids))
        .order_by_asc(Column::GroupId)
        .order_by_asc(Column::CustomerId)
        .into_tuple()
        .all(db)
        .await?;
    let found = found.into_iter();
    Ok(found
        .map(|(group, customer)| (GroupId::from_uuid(group), CustomerId::from_uuid(customer)))
        .collect())
}

/// The groups that a customer is in, in the order of their ids.
pub async fn groups_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<GroupId>, StoreError> {
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::GroupId)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .order_by_asc(Column::GroupId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(GroupId::from_uuid).collect())
}
