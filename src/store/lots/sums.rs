//! Sums over lots as they are stored, and where time has caused something that is not: for reports.

use chrono::{DateTime, Utc};
use sea_orm::Statement;
use sea_orm::entity::prelude::*;

use super::row::Column;
use super::these;
use crate::domain::credits::Credits;
use crate::domain::liability::Worth;
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, PackageId};
use crate::store::columns::micros;
use crate::store::error::StoreError;
use crate::store::lines::PREPAID;

/// Whether time has caused something in a lot by $2 that nobody has written yet.
const IS_UNWRITTEN: &str =
    "(is_open AND available > 0 AND expires_at <= $2 AND NOT frozen AND NOT revoked
    OR frozen AND frozen_until_max <= $2
    OR next_timeout_at <= $2)";

/// What the lots of one credit type say of what is unused, as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// What is available.
    pub available: Credits,
    /// What is held.
    pub held: Credits,
    /// What both are worth, in minor units.
    pub value: i64,
    /// In how many of the lots time has caused something that nobody has written yet.
    pub unwritten: i64,
}

impl Stored {
    /// All of it, or `None` beyond what is kept.
    pub fn worth(self) -> Option<Worth> {
        Some(Worth {
            credits: self.available.checked_add(self.held)?,
            value: self.value,
        })
    }
}

/// The sums over all lots of a business by credit type, of one type perhaps in several parts, and what is unwritten at
/// `now`; lines whose credits never pay are left out.
pub async fn stored(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    now: DateTime<Utc>,
) -> Result<Vec<(CreditTypeId, Stored)>, StoreError> {
    let sql = format!(
        "WITH unused AS (
            SELECT line_id, CAST(sum(available) AS BIGINT) AS available, CAST(sum(held) AS BIGINT) AS held,
                CAST(sum(value_unused) AS BIGINT) AS value, count(*) FILTER (WHERE {IS_UNWRITTEN}) AS unwritten
            FROM lots WHERE business_id = $1 GROUP BY line_id
        )
        SELECT credit_type_id, available, held, value, unwritten
        FROM unused JOIN lines ON lines.business_id = $1 AND lines.id = unused.line_id
        WHERE lines.kind = {PREPAID}"
    );
    let values = [business_id.uuid().into(), micros(now).into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    let sums = rows.iter().map(|row| {
        let stored = Stored {
            available: Credits::from_millionths(row.try_get_by_index(1)?),
            held: Credits::from_millionths(row.try_get_by_index(2)?),
            value: row.try_get_by_index(3)?,
            unwritten: row.try_get_by_index(4)?,
        };
        Ok((CreditTypeId::from_uuid(row.try_get_by_index(0)?), stored))
    });
    sums.collect()
}

/// Whether those sums are not all that there is: time has caused more.
pub fn has_unwritten(stored: &[(CreditTypeId, Stored)]) -> bool {
    stored.iter().any(|(_, stored)| stored.unwritten > 0)
}

/// In how many packages of a business something is unused, by credit type, as the lots are stored; lines whose credits
/// never pay are left out.
pub async fn holding(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
) -> Result<Vec<(CreditTypeId, i64)>, StoreError> {
    let sql = format!(
        "SELECT lots.credit_type_id, CAST(count(DISTINCT lots.package_id) AS BIGINT)
         FROM lots JOIN lines ON lines.business_id = lots.business_id AND lines.id = lots.line_id
         WHERE lots.business_id = $1 AND lines.kind = {PREPAID} AND lots.available + lots.held > 0
         GROUP BY lots.credit_type_id"
    );
    let values = [business_id.uuid().into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    let counts = rows.iter().map(|row| {
        let id = CreditTypeId::from_uuid(row.try_get_by_index(0)?);
        Ok((id, row.try_get_by_index(1)?))
    });
    counts.collect()
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
    let sql = format!(
        "SELECT DISTINCT package_id FROM lots WHERE business_id = $1 AND package_id > $3 AND {IS_UNWRITTEN}
         ORDER BY package_id LIMIT {limit}"
    );
    let values = [
        business_id.uuid().into(),
        micros(now).into(),
        after.map_or(Uuid::nil(), PackageId::uuid).into(),
    ];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    let ids = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(ids
        .map(|id| id.map(PackageId::from_uuid))
        .collect::<Result<_, _>>()?)
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
