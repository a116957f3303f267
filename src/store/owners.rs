//! Giving what a customer had who was merged to the one who took its place; every table with an owner and a
//! version has such rows.

use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait};

use crate::ids::{BusinessId, CustomerId};
use crate::store::error::StoreError;

/// Makes the rows of `E` that are of `from` those of `to`, and counts their versions up.
pub(super) async fn rename<E: EntityTrait>(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    (from, to): (CustomerId, CustomerId),
    [business, customer, version]: [E::Column; 3],
) -> Result<(), StoreError> {
    E::update_many()
        .col_expr(customer, Expr::value(to.uuid()))
        .col_expr(version, Expr::col(version).add(1))
        .filter(business.eq(business_id.uuid()))
        .filter(customer.eq(from.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}
