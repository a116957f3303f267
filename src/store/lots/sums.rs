//! Sums over lots as they are stored, and where time has caused something that is not: for reports.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{Condition, QueryOrder, QuerySelect, Statement};

use super::row::{Column, Entity};
use super::these;
use crate::domain::credits::Credits;
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, PackageId};
use crate::store::columns::micros;
use crate::store::error::StoreError;
use crate::store::lines::PREPAID;

/// What the lots of one credit type say of what is unused, as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// In how many packages something is.
    pub packages: i64,
    /// What is available.
    pub available: Credits,
    /// What is held.
    pub held: Credits,
    /// What both are worth, in minor units.
    pub value: i64,
}

/// The sums over all lots of a business by credit type, in the order of the types' ids; lines whose credits
/// never pay are left out.
pub async fn stored(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
) -> Result<Vec<(CreditTypeId, Stored)>, StoreError> {
    let sql = format!(
        "SELECT lots.credit_type_id,
            CAST(count(DISTINCT CASE WHEN lots.available + lots.held > 0 THEN lots.package_id END) AS BIGINT),
            CAST(sum(lots.available) AS BIGINT), CAST(sum(lots.held) AS BIGINT),
            CAST(sum(lots.value_unused) AS BIGINT)
         FROM lots JOIN lines ON lines.business_id = lots.business_id AND lines.id = lots.line_id
         WHERE lots.business_id = $1 AND lines.kind = {PREPAID}
         GROUP BY lots.credit_type_id ORDER BY lots.credit_type_id"
    );
    let values = [business_id.uuid().into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    let sums = rows.iter().map(|row| {
        let stored = Stored {
            packages: row.try_get_by_index(1)?,
            available: Credits::from_millionths(row.try_get_by_index(2)?),
            held: Credits::from_millionths(row.try_get_by_index(3)?),
            value: row.try_get_by_index(4)?,
        };
        Ok((CreditTypeId::from_uuid(row.try_get_by_index(0)?), stored))
    });
    sums.collect()
}

/// Packages of a business in which time has caused something by `now` that nobody has written yet, in the
/// order of their ids, after `after`.
pub async fn unwritten(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    now: DateTime<Utc>,
    after: Option<PackageId>,
    limit: u64,
) -> Result<Vec<PackageId>, StoreError> {
    let now = micros(now);
    let has_expired = Condition::all()
        .add(Expr::col(Column::IsOpen))
        .add(Column::Available.gt(0))
        .add(Column::ExpiresAt.lte(now))
        .add(Column::Frozen.eq(false))
        .add(Column::Revoked.eq(false));
    let is_thawed = Condition::all()
        .add(Column::Frozen.eq(true))
        .add(Column::FrozenUntilMax.lte(now));
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::PackageId)
        .distinct()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::PackageId.gt(after.map_or(Uuid::nil(), PackageId::uuid)))
        .filter(
            Condition::any()
                .add(has_expired)
                .add(is_thawed)
                .add(Column::NextTimeoutAt.lte(now)),
        )
        .order_by_asc(Column::PackageId)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(PackageId::from_uuid).collect())
}

/// All lots of these customers, in the order of their ids.
pub async fn of_customers(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<Lot>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(CustomerId::uuid).collect();
    these(db, business_id, Column::CustomerId, &ids).await
}
