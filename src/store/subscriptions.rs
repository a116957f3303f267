//! `subscriptions`: who agreed to pay for the same package each period. The periods lie in
//! `subscription_periods`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::subscription::{Rhythm, Subscription};
use crate::ids::{BusinessId, CustomerId, SubscriptionId, TemplateId};
use crate::store::columns::{from_json, instant, instant_opt, known, micros, to_json};
use crate::store::error::StoreError;
use crate::store::{by_id, external_ids, owners};

const TABLE: &str = "subscriptions";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subscriptions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub customer_id: Uuid,
        pub template_id: Uuid,
        pub definition_version: i32,
        pub quantity: i32,
        pub price_minor: i64,
        pub every: Json,
        pub carry_over: Json,
        pub starts_on: Date,
        pub time_zone: String,
        pub cancelled_at: Option<i64>,
        pub next_number: i32,
        pub next_due_at: Option<i64>,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which subscriptions a list has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only those of this customer.
    pub customer_id: Option<CustomerId>,
    /// Only those that were cancelled, or only those that were not.
    pub is_cancelled: Option<bool>,
}

/// Writes a new subscription.
pub async fn insert(
    txn: &DatabaseTransaction,
    subscription: &Subscription,
) -> Result<(), StoreError> {
    let row = row(subscription)?;
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked subscription as it is now; its version is counted up by whoever changed what a caller
/// sees of it.
pub async fn update(
    txn: &DatabaseTransaction,
    subscription: &Subscription,
) -> Result<(), StoreError> {
    let mut row = row(subscription)?;
    row.business_id = Unchanged(subscription.business_id.uuid());
    row.id = Unchanged(subscription.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One subscription.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: SubscriptionId,
) -> Result<Option<Subscription>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one subscription and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SubscriptionId,
) -> Result<Option<Subscription>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// The id of the subscription that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<SubscriptionId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(SubscriptionId::from_uuid))
}

/// The subscriptions of `from`, who was merged, are those of `to`.
pub async fn rename(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    from: CustomerId,
    to: CustomerId,
) -> Result<(), StoreError> {
    let columns = [Column::BusinessId, Column::CustomerId, Column::Version];
    owners::rename::<Entity>(txn, business_id, (from, to), columns).await
}

/// A page of subscriptions, newest first, below `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    before: Option<SubscriptionId>,
    limit: u64,
) -> Result<Vec<Subscription>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(
            filter
                .customer_id
                .map(|id| Column::CustomerId.eq(id.uuid())),
        )
        .add_option(filter.is_cancelled.map(|is_cancelled| {
            if is_cancelled {
                Column::CancelledAt.is_not_null()
            } else {
                Column::CancelledAt.is_null()
            }
        }))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Subscriptions of all businesses that have periods to be marked, the longest due first.
pub async fn due(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<(BusinessId, SubscriptionId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .columns([Column::BusinessId, Column::Id])
        .filter(Column::NextDueAt.lte(micros(now)))
        .order_by_asc(Column::NextDueAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(business_id, id)| {
            (
                BusinessId::from_uuid(business_id),
                SubscriptionId::from_uuid(id),
            )
        })
        .collect())
}

fn read(row: Model) -> Result<Subscription, StoreError> {
    let id = SubscriptionId::from_uuid(row.id);
    let count = |number: i32| known(u32::try_from(number).ok(), TABLE, id);
    Ok(Subscription {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        external_id: row.external_id,
        customer_id: CustomerId::from_uuid(row.customer_id),
        template: (
            TemplateId::from_uuid(row.template_id),
            row.definition_version,
        ),
        quantity: count(row.quantity)?,
        price_minor: row.price_minor,
        carry_over: from_json(row.carry_over, TABLE, id)?,
        rhythm: Rhythm {
            starts_on: row.starts_on,
            every: from_json(row.every, TABLE, id)?,
            zone: known(row.time_zone.parse::<Tz>().ok(), TABLE, id)?,
        },
        cancelled_at: instant_opt(row.cancelled_at, TABLE, id)?,
        next_number: count(row.next_number)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(subscription: &Subscription) -> Result<ActiveModel, StoreError> {
    let id = subscription.id;
    let count = |number: u32| known(i32::try_from(number).ok(), TABLE, id);
    let (template_id, definition_version) = subscription.template;
    Ok(ActiveModel {
        business_id: Set(subscription.business_id.uuid()),
        id: Set(id.uuid()),
        external_id: Set(subscription.external_id.clone()),
        customer_id: Set(subscription.customer_id.uuid()),
        template_id: Set(template_id.uuid()),
        definition_version: Set(definition_version),
        quantity: Set(count(subscription.quantity)?),
        price_minor: Set(subscription.price_minor),
        every: Set(to_json(&subscription.rhythm.every, TABLE)?),
        carry_over: Set(to_json(&subscription.carry_over, TABLE)?),
        starts_on: Set(subscription.rhythm.starts_on),
        time_zone: Set(subscription.rhythm.zone.name().to_owned()),
        cancelled_at: Set(subscription.cancelled_at.map(micros)),
        next_number: Set(count(subscription.next_number)?),
        next_due_at: Set(subscription.next_due_at().map(micros)),
        created_at: Set(micros(subscription.created_at)),
        version: Set(subscription.version),
    })
}
