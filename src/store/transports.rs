//! `transports`: how each way out for e-mails fares, for all replicas. A global table.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QuerySelect, Set, Unchanged};

use crate::domain::breaker::Breaker;
use crate::domain::send_rate::SendRate;
use crate::store::columns::{from_json, instant_opt, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "transports";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "transports")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub failures: i32,
        pub rests_until: Option<i64>,
        pub probed_until: Option<i64>,
        pub sent: Json,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// How a way out fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportState {
    /// Whether it works.
    pub breaker: Breaker,
    /// What went out by it of late.
    pub sent: SendRate,
}

/// How it fares; one that nothing was ever noted of fares well.
pub async fn get(db: &impl ConnectionTrait, name: &str) -> Result<TransportState, StoreError> {
    let row = Entity::find_by_id(name.to_owned()).one(db).await?;
    row.map_or_else(|| Ok(TransportState::default()), read)
}

/// How each fares that something was ever noted of.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<TransportState>, StoreError> {
    let rows = Entity::find().all(db).await?;
    rows.into_iter().map(read).collect()
}

/// Makes the row if it is missing, and locks it.
pub async fn lock(txn: &DatabaseTransaction, name: &str) -> Result<TransportState, StoreError> {
    Entity::insert(row(name, &TransportState::default())?)
        .on_conflict_do_nothing_on([Column::Name])
        .exec_without_returning(txn)
        .await?;
    let row = Entity::find_by_id(name.to_owned())
        .lock_exclusive()
        .one(txn)
        .await?;
    read(row.ok_or_else(|| StoreError::corrupt(TABLE, name))?)
}

/// Writes a locked row as it is now.
pub async fn update(
    txn: &DatabaseTransaction,
    name: &str,
    state: &TransportState,
) -> Result<(), StoreError> {
    let mut row = row(name, state)?;
    row.name = Unchanged(name.to_owned());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

fn read(row: Model) -> Result<TransportState, StoreError> {
    Ok(TransportState {
        breaker: Breaker {
            failures: row.failures,
            rests_until: instant_opt(row.rests_until, TABLE, &row.name)?,
            probed_until: instant_opt(row.probed_until, TABLE, &row.name)?,
        },
        sent: from_json(row.sent, TABLE, &row.name)?,
    })
}

fn row(name: &str, state: &TransportState) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        name: Set(name.to_owned()),
        failures: Set(state.breaker.failures),
        rests_until: Set(state.breaker.rests_until.map(micros)),
        probed_until: Set(state.breaker.probed_until.map(micros)),
        sent: Set(to_json(&state.sent, TABLE)?),
    })
}
