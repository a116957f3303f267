//! `mail_days`: one run for each business and local day decides which timed e-mails there are.
//!
//! Whoever runs a day has it under a lease and a number; each unit of the run locks the row and goes on
//! only under its own number, so that two runs of a day never write side by side.

use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::ids::BusinessId;
use crate::store::columns::{instant, instant_opt, micros};
use crate::store::error::StoreError;

const TABLE: &str = "mail_days";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "mail_days")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub local_day: Date,
        pub due_at: i64,
        pub lease_until: Option<i64>,
        pub fence: i64,
        pub done_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// The run of one business and local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailDay {
    /// Whose.
    pub business_id: BusinessId,
    /// The local day.
    pub local_day: NaiveDate,
    /// When it was due.
    pub due_at: DateTimeUtc,
    /// Until when whoever runs it has it.
    pub lease_until: Option<DateTimeUtc>,
    /// Counts those who began it.
    pub fence: i64,
    /// When it was finished.
    pub done_at: Option<DateTimeUtc>,
}

/// Makes the row if it is missing, and locks it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    local_day: NaiveDate,
    due_at: DateTimeUtc,
) -> Result<MailDay, StoreError> {
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        local_day: Set(local_day),
        due_at: Set(micros(due_at)),
        lease_until: Set(None),
        fence: Set(0),
        done_at: Set(None),
    })
    .on_conflict_do_nothing_on([Column::BusinessId, Column::LocalDay])
    .exec_without_returning(txn)
    .await?;
    let row = Entity::find_by_id((business_id.uuid(), local_day))
        .lock_exclusive()
        .one(txn)
        .await?;
    read(&row.ok_or_else(|| StoreError::corrupt(TABLE, business_id))?)
}

/// Locks the row if the run numbered `fence` still has it.
pub async fn lock_running(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    local_day: NaiveDate,
    fence: i64,
) -> Result<Option<MailDay>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), local_day))
        .filter(Column::Fence.eq(fence))
        .filter(Column::DoneAt.is_null())
        .lock_exclusive()
        .one(txn)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Locks the runs of earlier days that were begun and never finished.
pub async fn lock_unfinished_before(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    local_day: NaiveDate,
) -> Result<Vec<MailDay>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::LocalDay.lt(local_day))
        .filter(Column::DoneAt.is_null())
        .order_by_asc(Column::LocalDay)
        .lock_exclusive()
        .all(txn)
        .await?;
    rows.iter().map(read).collect()
}

/// Writes a locked row as it is now.
pub async fn update(txn: &DatabaseTransaction, day: &MailDay) -> Result<(), StoreError> {
    Entity::update(ActiveModel {
        business_id: Unchanged(day.business_id.uuid()),
        local_day: Unchanged(day.local_day),
        due_at: Set(micros(day.due_at)),
        lease_until: Set(day.lease_until.map(micros)),
        fence: Set(day.fence),
        done_at: Set(day.done_at.map(micros)),
    })
    .exec(txn)
    .await?;
    Ok(())
}

/// The run of a day, if it was begun.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    local_day: NaiveDate,
) -> Result<Option<MailDay>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), local_day))
        .one(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The last day whose run told everything up to it.
pub async fn last_done(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
) -> Result<Option<NaiveDate>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::LocalDay)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::DoneAt.is_not_null())
        .order_by_desc(Column::LocalDay)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?)
}

/// Removes the row of a run that another took over.
pub async fn remove(txn: &DatabaseTransaction, day: &MailDay) -> Result<(), StoreError> {
    Entity::delete_by_id((day.business_id.uuid(), day.local_day))
        .exec(txn)
        .await?;
    Ok(())
}

fn read(row: &Model) -> Result<MailDay, StoreError> {
    let business_id = BusinessId::from_uuid(row.business_id);
    Ok(MailDay {
        business_id,
        local_day: row.local_day,
        due_at: instant(row.due_at, TABLE, business_id)?,
        lease_until: instant_opt(row.lease_until, TABLE, business_id)?,
        fence: row.fence,
        done_at: instant_opt(row.done_at, TABLE, business_id)?,
    })
}
