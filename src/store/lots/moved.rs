//! Lots from which credits were moved on to others.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::row::{Column, Entity};
use super::{by_ids, read};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, LotId};
use crate::store::columns::micros;
use crate::store::error::StoreError;

/// The lots of a business from which all credits went on but held ones, of which time has freed some by `now`
/// and nobody wrote that; in the order of their ids.
pub async fn freed(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    now: DateTime<Utc>,
) -> Result<Vec<Lot>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::NextTimeoutAt.lte(micros(now)))
        .filter(Column::TransferredTo.is_not_null())
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    read(db, business_id, rows).await
}

/// These lots, and those to which their credits were moved.
pub async fn followed(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    mut ids: Vec<LotId>,
) -> Result<Vec<Lot>, StoreError> {
    let mut found: Vec<Lot> = Vec::new();
    // A lot is moved once, to a newer one, so this ends.
    while !ids.is_empty() {
        let lots = by_ids(db, business_id, &ids).await?;
        ids = lots.iter().filter_map(|lot| lot.transferred_to).collect();
        ids.retain(|id| found.iter().all(|lot| lot.id != *id));
        found.extend(lots);
    }
    Ok(found)
}
