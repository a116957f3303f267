//! `triggers`: standing orders to issue credits when something happens.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::trigger::{EventKind, Occasion, Trigger};
use crate::ids::{BusinessId, ItemId, TemplateId, TriggerId};
use crate::store::by_id;
use crate::store::columns::{from_json, instant, instant_opt, known, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "triggers";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "triggers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub kind: i16,
        pub event_name: String,
        pub template_id: Option<Uuid>,
        pub item_id: Option<Uuid>,
        pub award: Json,
        pub archived_at: Option<i64>,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which triggers a list has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Archived ones too.
    pub include_archived: bool,
    /// Only those that wait for this.
    pub kind: Option<EventKind>,
}

/// Writes a new trigger.
pub async fn insert(txn: &DatabaseTransaction, trigger: &Trigger) -> Result<(), StoreError> {
    Entity::insert(row(trigger)?)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a locked trigger as it is now, and counts its version up.
pub async fn update(txn: &DatabaseTransaction, trigger: &mut Trigger) -> Result<(), StoreError> {
    trigger.version = trigger.version.saturating_add(1);
    let mut row = row(trigger)?;
    row.business_id = Unchanged(trigger.business_id.uuid());
    row.id = Unchanged(trigger.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One trigger.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: TriggerId,
) -> Result<Option<Trigger>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one trigger and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TriggerId,
) -> Result<Option<Trigger>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Those that wait for this kind of event, of whatever name.
pub async fn waiting(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    kinds: &[EventKind],
) -> Result<Vec<Trigger>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::ArchivedAt.is_null())
        .filter(Column::Kind.is_in(kinds.iter().map(|kind| kind.code())))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// All that ever waited for this kind of event, archived ones too.
pub async fn of_kind(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    kind: EventKind,
) -> Result<Vec<Trigger>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Kind.eq(kind.code()))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// A page of triggers, newest first, below `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    before: Option<TriggerId>,
    limit: u64,
) -> Result<Vec<Trigger>, StoreError> {
    let mut condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(filter.kind.map(|kind| Column::Kind.eq(kind.code())))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    if !filter.include_archived {
        condition = condition.add(Column::ArchivedAt.is_null());
    }
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Trigger, StoreError> {
    let id = TriggerId::from_uuid(row.id);
    Ok(Trigger {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        name: row.name,
        occasion: Occasion {
            kind: known(EventKind::from_code(row.kind), TABLE, id)?,
            name: row.event_name,
            template_id: row.template_id.map(TemplateId::from_uuid),
            item_id: row.item_id.map(ItemId::from_uuid),
        },
        award: from_json(row.award, TABLE, id)?,
        archived_at: instant_opt(row.archived_at, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(trigger: &Trigger) -> Result<ActiveModel, StoreError> {
    let occasion = &trigger.occasion;
    Ok(ActiveModel {
        business_id: Set(trigger.business_id.uuid()),
        id: Set(trigger.id.uuid()),
        name: Set(trigger.name.clone()),
        kind: Set(occasion.kind.code()),
        event_name: Set(occasion.name.clone()),
        template_id: Set(occasion.template_id.map(TemplateId::uuid)),
        item_id: Set(occasion.item_id.map(ItemId::uuid)),
        award: Set(to_json(&trigger.award, TABLE)?),
        archived_at: Set(trigger.archived_at.map(micros)),
        created_at: Set(micros(trigger.created_at)),
        version: Set(trigger.version),
    })
}
