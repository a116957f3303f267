//! Packages that wait for another one of the same template.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect};

use super::row::{Column, Entity, read};
use crate::domain::package::Package;
use crate::ids::{BusinessId, PackageId};
use crate::store::error::StoreError;

/// Locks the packages that wait or waited for this one, in the order of their ids, and reads them.
pub async fn lock_behind(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: PackageId,
) -> Result<Vec<Package>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::QueuedBehind.eq(id.uuid()))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Says of a locked package that another one waits for it. That is no change that an etag tells.
pub async fn follow(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: PackageId,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::IsFollowed, Expr::value(true))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}
