//! `closures`: days on which a business is closed.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::closure::{Closure, Days};
use crate::ids::{BulkRunId, BusinessId, ClosureId, TemplateId};
use crate::store::by_id;
use crate::store::columns::{instant, instant_opt, micros};
use crate::store::error::StoreError;

const TABLE: &str = "closures";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "closures")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub first_day: Date,
        pub last_day: Date,
        pub template_id: Option<Uuid>,
        pub run_id: Uuid,
        pub undone_at: Option<i64>,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new closure.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    closure: &Closure,
) -> Result<(), StoreError> {
    Entity::insert(row(business_id, closure))
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a locked closure as it is now, and counts its version up.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    closure: &mut Closure,
) -> Result<(), StoreError> {
    closure.version = closure.version.saturating_add(1);
    let mut row = row(business_id, closure);
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(closure.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One closure.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: ClosureId,
) -> Result<Option<Closure>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks a closure and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: ClosureId,
) -> Result<Option<Closure>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// A page of closures, the newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    before: Option<ClosureId>,
    limit: u64,
) -> Result<Vec<Closure>, StoreError> {
    let mut query = Entity::find().filter(Column::BusinessId.eq(business_id.uuid()));
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before.uuid()));
    }
    let rows = query.order_by_desc(Column::Id).limit(limit).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// The closures that are in force.
pub async fn in_force(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
) -> Result<Vec<Closure>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::UndoneAt.is_null())
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Closure, StoreError> {
    let id = ClosureId::from_uuid(row.id);
    Ok(Closure {
        id,
        name: row.name,
        days: Days {
            first: row.first_day,
            last: row.last_day,
        },
        template_id: row.template_id.map(TemplateId::from_uuid),
        run_id: BulkRunId::from_uuid(row.run_id),
        undone_at: instant_opt(row.undone_at, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, closure: &Closure) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(closure.id.uuid()),
        name: Set(closure.name.clone()),
        first_day: Set(closure.days.first),
        last_day: Set(closure.days.last),
        template_id: Set(closure.template_id.map(TemplateId::uuid)),
        run_id: Set(closure.run_id.uuid()),
        undone_at: Set(closure.undone_at.map(micros)),
        created_at: Set(micros(closure.created_at)),
        version: Set(closure.version),
    }
}
