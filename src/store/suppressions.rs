//! `suppressions`: addresses that nothing is sent to any more.

use std::collections::HashSet;

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::email::{Suppression, folded};
use crate::ids::BusinessId;
use crate::store::columns::{instant, is_any, micros};
use crate::store::error::StoreError;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "suppressions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub address_folded: String,
        pub reason: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

const TABLE: &str = "suppressions";

/// Adds an address; one that is there already keeps its reason.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    address: &str,
    reason: &str,
    now: DateTimeUtc,
) -> Result<(), StoreError> {
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        address_folded: Set(folded(address)),
        reason: Set(reason.to_owned()),
        created_at: Set(micros(now)),
    })
    .on_conflict_do_nothing_on([Column::BusinessId, Column::AddressFolded])
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// Whether nothing is to be sent to an address.
pub async fn contains(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    address: &str,
) -> Result<bool, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), folded(address)))
        .one(db)
        .await?;
    Ok(row.is_some())
}

/// Those of these addresses, folded, that nothing is to be sent to.
pub async fn among(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    addresses: impl IntoIterator<Item = &str>,
) -> Result<HashSet<String>, StoreError> {
    let addresses: HashSet<String> = addresses.into_iter().map(folded).collect();
    if addresses.is_empty() {
        return Ok(addresses);
    }
    let found: Vec<String> = Entity::find()
        .select_only()
        .column(Column::AddressFolded)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::AddressFolded, addresses))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().collect())
}

/// What is known of an address that nothing is sent to.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    address: &str,
) -> Result<Option<Suppression>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), folded(address)))
        .one(db)
        .await?;
    row.map(read).transpose()
}

/// A page of the addresses that nothing is sent to, behind the address `after`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Suppression>, StoreError> {
    let mut query = Entity::find().filter(Column::BusinessId.eq(business_id.uuid()));
    if let Some(after) = after {
        query = query.filter(Column::AddressFolded.gt(after));
    }
    let rows = query
        .order_by_asc(Column::AddressFolded)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Takes an address off the list; nothing if it is not on it.
pub async fn remove(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    address: &str,
) -> Result<(), StoreError> {
    Entity::delete_by_id((business_id.uuid(), folded(address)))
        .exec(txn)
        .await?;
    Ok(())
}

fn read(row: Model) -> Result<Suppression, StoreError> {
    Ok(Suppression {
        created_at: instant(row.created_at, TABLE, row.business_id)?,
        address: row.address_folded,
        reason: row.reason,
    })
}
