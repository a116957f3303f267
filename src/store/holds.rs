//! `holds`: credits that are set aside; what each still holds lies in `hold_lots`.

use std::collections::BTreeMap;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{DatabaseTransaction, QueryOrder, Set, Unchanged};

use crate::domain::entry::{EntryKey, Purpose};
use crate::domain::hold::{Hold, HoldEnd, OnTimeOut};
use crate::domain::lot::Lot;
use crate::domain::part::Part;
use crate::ids::{BusinessId, CustomerId, HoldId, ItemId, LotId, UserId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, instant, instant_opt, is_any, known, micros};
use crate::store::error::StoreError;
use crate::store::hold_lots;

const TABLE: &str = "holds";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "holds")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub customer_id: Uuid,
        pub item_id: Option<Uuid>,
        pub consumed_by: Option<Uuid>,
        pub invoice_line_id: Option<Uuid>,
        pub booking_id: Option<Uuid>,
        pub service_at: i64,
        pub times_out_at: Option<i64>,
        pub on_time_out: i16,
        pub ended_as: Option<i16>,
        pub ended_by: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes the holds of a posting as they are after it: those that it placed are new.
pub async fn write(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    posting_id: Uuid,
    holds: &[Hold],
) -> Result<(), StoreError> {
    for hold in holds {
        let mut row = row(business_id, hold);
        if hold.id.uuid() == posting_id {
            Entity::insert(row).exec_without_returning(txn).await?;
            hold_lots::insert(txn, business_id, hold).await?;
        } else {
            row.business_id = Unchanged(business_id.uuid());
            row.id = Unchanged(hold.id.uuid());
            Entity::update(row).exec(txn).await?;
            hold_lots::update(txn, business_id, hold).await?;
        }
    }
    Ok(())
}

/// Names another customer as the one who is to use what these hold; their lots are locked.
pub async fn rename(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[HoldId],
    customer_id: CustomerId,
) -> Result<(), StoreError> {
    for chunk in ids.chunks(IDS_PER_STATEMENT_MAX) {
        Entity::update_many()
            .col_expr(Column::CustomerId, Expr::value(customer_id.uuid()))
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::Id, chunk.iter().map(|id| id.uuid())))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// One hold.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: HoldId,
) -> Result<Option<Hold>, StoreError> {
    let found = by_ids(db, business_id, &[id.uuid()]).await?;
    Ok(found.into_iter().next())
}

/// The holds that still hold something in these lots.
pub async fn open_in(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lot_ids: &[LotId],
) -> Result<Vec<Hold>, StoreError> {
    let ids = hold_lots::holding_in(db, business_id, lot_ids).await?;
    by_ids(db, business_id, &ids).await
}

/// The open holds in those of these lots in which time has ended one by `now`.
pub async fn due_in(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lots: &[Lot],
    now: DateTimeUtc,
) -> Result<Vec<Hold>, StoreError> {
    let due: Vec<LotId> = lots
        .iter()
        .filter(|lot| lot.has_timed_out_hold(now))
        .map(|lot| lot.id)
        .collect();
    if due.is_empty() {
        return Ok(Vec::new());
    }
    open_in(db, business_id, &due).await
}

/// Holds of a business in the order of their ids, after `after`: a page of a walk over all of them.
pub async fn page(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<HoldId>,
    limit: u64,
) -> Result<Vec<Hold>, StoreError> {
    use sea_orm::QuerySelect;
    let mut query = Entity::find().filter(Column::BusinessId.eq(business_id.uuid()));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.uuid()));
    }
    let rows = query.order_by_asc(Column::Id).limit(limit).all(db).await?;
    read(db, business_id, rows).await
}

/// Holds by their ids.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[Uuid],
) -> Result<Vec<Hold>, StoreError> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(IDS_PER_STATEMENT_MAX) {
        let found = Entity::find()
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::Id, chunk.iter().copied()))
            .order_by_asc(Column::Id)
            .all(db)
            .await?;
        rows.extend(found);
    }
    read(db, business_id, rows).await
}

async fn read(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    rows: Vec<Model>,
) -> Result<Vec<Hold>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut parts: BTreeMap<Uuid, Vec<(Part, Option<EntryKey>)>> = BTreeMap::new();
    for (hold_id, part, captured) in hold_lots::of_holds(db, business_id, &ids).await? {
        parts.entry(hold_id).or_default().push((part, captured));
    }
    rows.into_iter()
        .map(|row| {
            let parts = parts.remove(&row.id).unwrap_or_default();
            hold(&row, parts)
        })
        .collect()
}

fn hold(row: &Model, parts: Vec<(Part, Option<EntryKey>)>) -> Result<Hold, StoreError> {
    let id = HoldId::from_uuid(row.id);
    let ended = match (row.ended_as, row.ended_by) {
        (None, None) => None,
        (Some(code), Some(posting_id)) => {
            Some((known(HoldEnd::from_code(code), TABLE, id)?, posting_id))
        }
        _ => return Err(StoreError::corrupt(TABLE, id)),
    };
    Ok(Hold {
        id,
        customer_id: CustomerId::from_uuid(row.customer_id),
        item_id: row.item_id.map(ItemId::from_uuid),
        consumed_by: row.consumed_by.map(UserId::from_uuid),
        purpose: Purpose::from_ids(row.invoice_line_id, row.booking_id),
        service_at: instant(row.service_at, TABLE, id)?,
        times_out_at: instant_opt(row.times_out_at, TABLE, id)?,
        on_time_out: known(OnTimeOut::from_code(row.on_time_out), TABLE, id)?,
        ended,
        captured_by_time: parts
            .iter()
            .filter_map(|(part, captured)| Some((part.n, (*captured)?)))
            .collect(),
        parts: parts.into_iter().map(|(part, _)| part).collect(),
    })
}

fn row(business_id: BusinessId, hold: &Hold) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(hold.id.uuid()),
        customer_id: Set(hold.customer_id.uuid()),
        item_id: Set(hold.item_id.map(ItemId::uuid)),
        consumed_by: Set(hold.consumed_by.map(UserId::uuid)),
        invoice_line_id: Set(hold.purpose.and_then(Purpose::invoice_line_id)),
        booking_id: Set(hold.purpose.and_then(Purpose::booking_id)),
        service_at: Set(micros(hold.service_at)),
        times_out_at: Set(hold.times_out_at.map(micros)),
        on_time_out: Set(hold.on_time_out.code()),
        ended_as: Set(hold.ended.map(|(how, _)| how.code())),
        ended_by: Set(hold.ended.map(|(_, posting_id)| posting_id)),
    }
}
