//! `invoice_numbers`: the last number of an issued invoice of each business. Its row is locked last of all, and
//! until the end, so a number that was given is kept and none is left out.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::LockType;
use sea_orm::{DatabaseTransaction, QuerySelect, Set, TryInsertResult};

use crate::ids::BusinessId;
use crate::store::error::StoreError;

const TABLE: &str = "invoice_numbers";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice_numbers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        pub last_number: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Takes the next number.
pub async fn next(txn: &DatabaseTransaction, business_id: BusinessId) -> Result<i64, StoreError> {
    let first = ActiveModel {
        business_id: Set(business_id.uuid()),
        last_number: Set(1),
    };
    let made = Entity::insert(first)
        .on_conflict_do_nothing_on([Column::BusinessId])
        .exec_without_returning(txn)
        .await?;
    if matches!(made, TryInsertResult::Inserted(1..)) {
        return Ok(1);
    }
    let row = Entity::find_by_id(business_id.uuid())
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?
        .ok_or_else(|| StoreError::corrupt(TABLE, business_id))?;
    let next = row.last_number.saturating_add(1);
    Entity::update_many()
        .col_expr(Column::LastNumber, Expr::value(next))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .exec(txn)
        .await?;
    Ok(next)
}
