//! `mail_rates`: how many e-mails of each business went out of late.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QuerySelect, Set, Unchanged};

use crate::domain::send_rate::SendRate;
use crate::ids::BusinessId;
use crate::store::columns::{from_json, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "mail_rates";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "mail_rates")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        pub sent: Json,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Makes the row if it is missing, and locks it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
) -> Result<SendRate, StoreError> {
    Entity::insert(row(business_id, &SendRate::default())?)
        .on_conflict_do_nothing_on([Column::BusinessId])
        .exec_without_returning(txn)
        .await?;
    let row = Entity::find_by_id(business_id.uuid())
        .lock_exclusive()
        .one(txn)
        .await?;
    let row = row.ok_or_else(|| StoreError::corrupt(TABLE, business_id))?;
    from_json(row.sent, TABLE, business_id)
}

/// Writes a locked row as it is now.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    sent: &SendRate,
) -> Result<(), StoreError> {
    let mut row = row(business_id, sent)?;
    row.business_id = Unchanged(business_id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

fn row(business_id: BusinessId, sent: &SendRate) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        business_id: Set(business_id.uuid()),
        sent: Set(to_json(sent, TABLE)?),
    })
}
