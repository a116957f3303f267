//! `invoice_numbers`: the last number of an issued invoice of each business. Its row is locked last of all, and
//! until the end, so a number that was given is kept and none is left out.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, ExprTrait, Set};

use crate::ids::BusinessId;
use crate::store::error::StoreError;

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
    let last = Expr::col((Entity, Column::LastNumber));
    let raised = OnConflict::column(Column::BusinessId)
        .value(Column::LastNumber, last.add(1))
        .to_owned();
    let row = Entity::insert(first)
        .on_conflict(raised)
        .exec_with_returning(txn)
        .await?;
    Ok(row.last_number)
}
