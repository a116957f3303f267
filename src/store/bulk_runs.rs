//! `bulk_runs`: work on many packages, and how far each is.
//!
//! Whoever works on a run has its row locked for one transaction, in which it is moved on; so no two go on
//! side by side, and one that breaks off leaves it where it was.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::bulk::BulkRun;
use crate::domain::entry::Actor;
use crate::ids::{BulkRunId, BusinessId, PackageId};
use crate::store::by_id;
use crate::store::columns::{from_json, instant, instant_opt, is_any, known, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "bulk_runs";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bulk_runs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub work: Json,
        pub selection: Json,
        pub reason: String,
        pub actor_kind: i16,
        pub actor_id: Option<Uuid>,
        pub before_id: Option<Uuid>,
        pub changed: i64,
        pub refused: i64,
        pub created_at: i64,
        pub finished_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new run.
pub async fn insert(txn: &DatabaseTransaction, run: &BulkRun) -> Result<(), StoreError> {
    let (actor_kind, actor_id) = run.actor.parts();
    Entity::insert(ActiveModel {
        business_id: Set(run.business_id.uuid()),
        id: Set(run.id.uuid()),
        work: Set(to_json(&run.work, TABLE)?),
        selection: Set(to_json(&run.selection, TABLE)?),
        reason: Set(run.reason.clone()),
        actor_kind: Set(actor_kind),
        actor_id: Set(actor_id),
        before_id: Set(run.before.map(PackageId::uuid)),
        changed: Set(run.changed),
        refused: Set(run.refused),
        created_at: Set(micros(run.created_at)),
        finished_at: Set(run.finished_at.map(micros)),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// Writes how far a locked run is.
pub async fn update(txn: &DatabaseTransaction, run: &BulkRun) -> Result<(), StoreError> {
    Entity::update(ActiveModel {
        business_id: Unchanged(run.business_id.uuid()),
        id: Unchanged(run.id.uuid()),
        before_id: Set(run.before.map(PackageId::uuid)),
        changed: Set(run.changed),
        refused: Set(run.refused),
        finished_at: Set(run.finished_at.map(micros)),
        ..Default::default()
    })
    .exec(txn)
    .await?;
    Ok(())
}

/// One run.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: BulkRunId,
) -> Result<Option<BulkRun>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Those of these runs that exist.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = BulkRunId>,
) -> Result<Vec<BulkRun>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids.into_iter().map(BulkRunId::uuid)))
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Locks a run that is not done, unless somebody else is working on it.
pub async fn lock_open(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: BulkRunId,
) -> Result<Option<BulkRun>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .filter(Column::FinishedAt.is_null())
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(txn)
        .await?;
    row.map(read).transpose()
}

/// Runs of any business that are not done, without locks, the oldest first.
pub async fn open(
    db: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<(BusinessId, BulkRunId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .column(Column::Id)
        .filter(Column::FinishedAt.is_null())
        .order_by_asc(Column::CreatedAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let ids = rows.into_iter();
    Ok(ids
        .map(|(business, id)| (BusinessId::from_uuid(business), BulkRunId::from_uuid(id)))
        .collect())
}

fn read(row: Model) -> Result<BulkRun, StoreError> {
    let id = BulkRunId::from_uuid(row.id);
    Ok(BulkRun {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        work: from_json(row.work, TABLE, id)?,
        selection: from_json(row.selection, TABLE, id)?,
        reason: row.reason,
        actor: known(Actor::from_parts(row.actor_kind, row.actor_id), TABLE, id)?,
        before: row.before_id.map(PackageId::from_uuid),
        changed: row.changed,
        refused: row.refused,
        created_at: instant(row.created_at, TABLE, id)?,
        finished_at: instant_opt(row.finished_at, TABLE, id)?,
    })
}
