//! `events` and `trigger_runs`: what happened, and what each trigger made of it, once. A row is never
//! deleted: its key is why nothing happens twice.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, TryInsertResult};

use crate::domain::trigger::{Event, EventKind, Outcome};
use crate::ids::{BusinessId, CustomerId, EventId, ItemId, PackageId, TriggerId};
use crate::store::by_id;
use crate::store::columns::{instant, is_any, known, micros};
use crate::store::error::StoreError;
use crate::store::events::runs::Column as RunColumn;

const TABLE: &str = "events";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub kind: i16,
        pub name: String,
        pub subject: String,
        pub customer_id: Uuid,
        pub package_id: Option<Uuid>,
        pub item_id: Option<Uuid>,
        pub occurred_at: i64,
        pub done_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod runs {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "trigger_runs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub trigger_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: Uuid,
        pub package_id: Option<Uuid>,
        pub refusal: String,
        pub acted_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes an event unless it is there already, and says whether it was not.
pub async fn insert(txn: &DatabaseTransaction, event: &Event) -> Result<bool, StoreError> {
    let result = Entity::insert(ActiveModel {
        business_id: Set(event.business_id.uuid()),
        id: Set(event.id.uuid()),
        kind: Set(event.kind.code()),
        name: Set(event.name.clone()),
        subject: Set(event.subject.clone()),
        customer_id: Set(event.customer_id.uuid()),
        package_id: Set(event.package_id.map(PackageId::uuid)),
        item_id: Set(event.item_id.map(ItemId::uuid)),
        occurred_at: Set(micros(event.occurred_at)),
        done_at: Set(None),
    })
    .on_conflict_do_nothing_on([
        Column::BusinessId,
        Column::Kind,
        Column::Name,
        Column::Subject,
    ])
    .exec_without_returning(txn)
    .await?;
    Ok(matches!(result, TryInsertResult::Inserted(1..)))
}

/// The event of this kind, name and subject.
pub async fn find(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    kind: EventKind,
    (name, subject): (&str, &str),
) -> Result<Option<Event>, StoreError> {
    let row = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Kind.eq(kind.code()))
        .filter(Column::Name.eq(name))
        .filter(Column::Subject.eq(subject))
        .one(db)
        .await?;
    row.map(read).transpose()
}

/// Events that no job has dealt with, the oldest first, without locks.
pub async fn pending(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<(DateTime<Utc>, EventId)>,
    limit: u64,
) -> Result<Vec<Event>, StoreError> {
    let mut query = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::DoneAt.is_null());
    if let Some((at, id)) = after {
        let later = Column::OccurredAt.gt(micros(at));
        let same = Column::OccurredAt
            .eq(micros(at))
            .and(Column::Id.gt(id.uuid()));
        query = query.filter(later.or(same));
    }
    let rows = query
        .order_by_asc(Column::OccurredAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Locks an event and says whether nobody has dealt with it.
pub async fn lock_pending(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EventId,
) -> Result<bool, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    Ok(row.is_some_and(|row| row.done_at.is_none()))
}

/// Writes that an event was dealt with.
pub async fn mark_done(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EventId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::DoneAt, Expr::value(micros(at)))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

/// Writes what a trigger made of an event, unless it did already, and says whether it had not.
pub async fn insert_run(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    trigger_id: TriggerId,
    outcome: &Outcome,
) -> Result<bool, StoreError> {
    let result = runs::Entity::insert(runs::ActiveModel {
        business_id: Set(business_id.uuid()),
        trigger_id: Set(trigger_id.uuid()),
        event_id: Set(outcome.event.id.uuid()),
        package_id: Set(outcome.package_id.map(PackageId::uuid)),
        refusal: Set(outcome.refusal.clone()),
        acted_at: Set(micros(outcome.acted_at)),
    })
    .on_conflict_do_nothing_on([
        RunColumn::BusinessId,
        RunColumn::TriggerId,
        RunColumn::EventId,
    ])
    .exec_without_returning(txn)
    .await?;
    Ok(matches!(result, TryInsertResult::Inserted(1..)))
}

/// Whether a trigger issued one of these packages.
pub async fn issued_any(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<bool, StoreError> {
    let ids = package_ids.iter().copied().map(PackageId::uuid);
    let row = runs::Entity::find()
        .filter(RunColumn::BusinessId.eq(business_id.uuid()))
        .filter(is_any(RunColumn::PackageId, ids))
        .one(db)
        .await?;
    Ok(row.is_some())
}

/// The latest things that a trigger did, the latest first.
pub async fn outcomes(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    trigger_id: TriggerId,
    limit: u64,
) -> Result<Vec<Outcome>, StoreError> {
    let done = runs::Entity::find()
        .filter(RunColumn::BusinessId.eq(business_id.uuid()))
        .filter(RunColumn::TriggerId.eq(trigger_id.uuid()))
        .order_by_desc(RunColumn::ActedAt)
        .order_by_desc(RunColumn::EventId)
        .limit(limit)
        .all(db)
        .await?;
    let ids = done.iter().map(|run| run.event_id);
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .all(db)
        .await?;
    let events: Vec<Event> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    done.into_iter()
        .map(|run| {
            let id = EventId::from_uuid(run.event_id);
            let event = events.iter().find(|event| event.id == id).cloned();
            Ok(Outcome {
                event: known(event, "trigger_runs", id)?,
                package_id: run.package_id.map(PackageId::from_uuid),
                refusal: run.refusal,
                acted_at: instant(run.acted_at, "trigger_runs", id)?,
            })
        })
        .collect()
}

fn read(row: Model) -> Result<Event, StoreError> {
    let id = EventId::from_uuid(row.id);
    Ok(Event {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        kind: known(EventKind::from_code(row.kind), TABLE, id)?,
        name: row.name,
        subject: row.subject,
        customer_id: CustomerId::from_uuid(row.customer_id),
        package_id: row.package_id.map(PackageId::from_uuid),
        item_id: row.item_id.map(ItemId::from_uuid),
        occurred_at: instant(row.occurred_at, TABLE, id)?,
    })
}
