//! One row by its business and id; every table whose key these two are is read and locked so.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::LockType;
use sea_orm::{DatabaseTransaction, PrimaryKeyTrait, QuerySelect};

use crate::ids::BusinessId;
use crate::store::error::StoreError;

/// The row of `E` with this id.
pub(super) async fn get<E>(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: Uuid,
) -> Result<Option<E::Model>, StoreError>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<(Uuid, Uuid)>,
{
    Ok(E::find_by_id((business_id.uuid(), id)).one(db).await?)
}

/// Locks the row of `E` with this id and reads it. Rows that point to it by a foreign key can still be written:
/// its key never changes.
pub(super) async fn lock<E>(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: Uuid,
) -> Result<Option<E::Model>, StoreError>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<(Uuid, Uuid)>,
{
    Ok(E::find_by_id((business_id.uuid(), id))
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?)
}
