//! `bookings`: an item for a customer at a time, and what pays it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::LockType;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::booking::{Booking, BookingState, BookingStatus, Ended};
use crate::domain::credits::Credits;
use crate::ids::{BookingId, BookingSeriesId, BusinessId, CustomerId, HoldId, ItemId};
use crate::store::columns::{from_json, instant, instant_opt, known, micros, to_json};
use crate::store::error::StoreError;
use crate::store::{by_id, external_ids, owners};

const TABLE: &str = "bookings";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bookings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub customer_id: Uuid,
        pub item_id: Uuid,
        pub units: i64,
        pub starts_at: i64,
        pub ends_at: Option<i64>,
        pub note: String,
        pub series_id: Option<Uuid>,
        pub series_index: Option<i32>,
        pub state: i16,
        pub ended_at: Option<i64>,
        pub by_business: bool,
        pub hold_id: Option<Uuid>,
        pub used_by: Option<Uuid>,
        pub applied: Json,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which bookings a list has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only those of this customer.
    pub customer_id: Option<CustomerId>,
    /// Only those in this state.
    pub state: Option<BookingState>,
    /// Only those that start at this instant or later.
    pub starts_from: Option<DateTime<Utc>>,
    /// Only those that start earlier than this.
    pub starts_before: Option<DateTime<Utc>>,
    /// Only those of this series.
    pub series_id: Option<BookingSeriesId>,
}

/// Writes a new booking.
pub async fn insert(txn: &DatabaseTransaction, booking: &Booking) -> Result<(), StoreError> {
    let row = row(booking)?;
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked booking as it is now, as its next version.
pub async fn update(txn: &DatabaseTransaction, booking: &mut Booking) -> Result<(), StoreError> {
    booking.version = booking.version.saturating_add(1);
    let mut row = row(booking)?;
    row.business_id = Unchanged(booking.business_id.uuid());
    row.id = Unchanged(booking.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One booking.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: BookingId,
) -> Result<Option<Booking>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one booking and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: BookingId,
) -> Result<Option<Booking>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks the bookings of a series that are booked and start after `now`, in their order.
pub async fn lock_ahead(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    series_id: BookingSeriesId,
    now: DateTime<Utc>,
) -> Result<Vec<Booking>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SeriesId.eq(series_id.uuid()))
        .filter(Column::State.eq(BookingState::Booked.code()))
        .filter(Column::StartsAt.gt(micros(now)))
        .order_by_asc(Column::SeriesIndex)
        .lock(LockType::NoKeyUpdate)
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Whether there is such a series.
pub async fn has_series(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    series_id: BookingSeriesId,
) -> Result<bool, StoreError> {
    let filter = Filter {
        series_id: Some(series_id),
        ..Filter::default()
    };
    let found = list(db, business_id, filter, None, 1).await?;
    Ok(!found.is_empty())
}

/// The id of the booking that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<BookingId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(BookingId::from_uuid))
}

/// The bookings of `from`, who was merged, are those of `to`.
pub async fn rename(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    from: CustomerId,
    to: CustomerId,
) -> Result<(), StoreError> {
    let columns = [Column::BusinessId, Column::CustomerId, Column::Version];
    owners::rename::<Entity>(txn, business_id, (from, to), columns).await
}

/// A page of bookings, the latest start first, behind `after`: the start and the id of the last one.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    after: Option<(i64, BookingId)>,
    limit: u64,
) -> Result<Vec<Booking>, StoreError> {
    let customer = filter.customer_id.map(CustomerId::uuid);
    let series = filter.series_id.map(BookingSeriesId::uuid);
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(customer.map(|id| Column::CustomerId.eq(id)))
        .add_option(series.map(|id| Column::SeriesId.eq(id)))
        .add_option(filter.state.map(|state| Column::State.eq(state.code())))
        .add_option(
            filter
                .starts_from
                .map(|at| Column::StartsAt.gte(micros(at))),
        )
        .add_option(
            filter
                .starts_before
                .map(|at| Column::StartsAt.lt(micros(at))),
        )
        .add_option(after.map(|(starts_at, id)| {
            // The first half is what an index can look for.
            Condition::all().add(Column::StartsAt.lte(starts_at)).add(
                Condition::any()
                    .add(Column::StartsAt.lt(starts_at))
                    .add(Column::Id.lt(id.uuid())),
            )
        }));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::StartsAt)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Booking, StoreError> {
    let id = BookingId::from_uuid(row.id);
    let state = known(BookingState::from_code(row.state), TABLE, id)?;
    let ended = instant_opt(row.ended_at, TABLE, id)?.map(|at| Ended {
        at,
        used_by: row.used_by,
    });
    let status = match (state, ended) {
        (BookingState::Booked, None) => BookingStatus::Booked {
            hold_id: row.hold_id.map(HoldId::from_uuid),
        },
        (BookingState::Completed, Some(ended)) => BookingStatus::Completed(ended),
        (BookingState::NoShow, Some(ended)) => BookingStatus::NoShow(ended),
        (BookingState::Cancelled, Some(ended)) => BookingStatus::Cancelled {
            ended,
            by_business: row.by_business,
        },
        _ => return Err(StoreError::corrupt(TABLE, id)),
    };
    Ok(Booking {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        external_id: row.external_id,
        customer_id: CustomerId::from_uuid(row.customer_id),
        item_id: ItemId::from_uuid(row.item_id),
        units: Credits::from_millionths(row.units),
        starts_at: instant(row.starts_at, TABLE, id)?,
        ends_at: instant_opt(row.ends_at, TABLE, id)?,
        note: row.note,
        series: row
            .series_id
            .map(BookingSeriesId::from_uuid)
            .zip(row.series_index),
        status,
        applied: from_json(row.applied, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(booking: &Booking) -> Result<ActiveModel, StoreError> {
    let ended = booking.status.ended();
    let hold_id = booking.status.hold(booking.id).ok().flatten();
    let by_business = matches!(
        booking.status,
        BookingStatus::Cancelled {
            by_business: true,
            ..
        }
    );
    Ok(ActiveModel {
        business_id: Set(booking.business_id.uuid()),
        id: Set(booking.id.uuid()),
        external_id: Set(booking.external_id.clone()),
        customer_id: Set(booking.customer_id.uuid()),
        item_id: Set(booking.item_id.uuid()),
        units: Set(booking.units.millionths()),
        starts_at: Set(micros(booking.starts_at)),
        ends_at: Set(booking.ends_at.map(micros)),
        note: Set(booking.note.clone()),
        series_id: Set(booking.series.map(|(id, _)| id.uuid())),
        series_index: Set(booking.series.map(|(_, index)| index)),
        state: Set(booking.status.state().code()),
        ended_at: Set(ended.map(|ended| micros(ended.at))),
        by_business: Set(by_business),
        hold_id: Set(hold_id.map(HoldId::uuid)),
        used_by: Set(ended.and_then(|ended| ended.used_by)),
        applied: Set(to_json(&booking.applied, TABLE)?),
        created_at: Set(micros(booking.created_at)),
        version: Set(booking.version),
    })
}
