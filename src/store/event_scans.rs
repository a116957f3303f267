//! `event_scans`: until when the ledger of a business was looked through for what happened to packages.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, Set};

use crate::ids::BusinessId;
use crate::store::columns::{instant_opt, micros};
use crate::store::error::StoreError;

const TABLE: &str = "event_scans";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_scans")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        pub scanned_until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Until when it was looked; none: never.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let row = Entity::find_by_id(business_id.uuid()).one(db).await?;
    instant_opt(row.map(|row| row.scanned_until), TABLE, business_id)
}

/// Writes until when it was looked.
pub async fn put(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        business_id: Set(business_id.uuid()),
        scanned_until: Set(micros(until)),
    };
    let replace = OnConflict::column(Column::BusinessId)
        .update_column(Column::ScannedUntil)
        .to_owned();
    Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}
