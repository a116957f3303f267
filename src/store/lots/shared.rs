//! Lots of packages that a customer may use though another one is named in them: shared ones, and those of
//! groups.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait,
    QueryFilter,
};

use super::row::{Column, Entity};
use super::{CANDIDATES_MAX, of_customer, of_packages};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId, PackageId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, is_any};
use crate::store::error::StoreError;
use crate::store::package_members;

/// All lots that a customer owns or may use, in the order of their ids.
pub async fn usable_by(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<Lot>, StoreError> {
    let mut lots = of_customer(db, business_id, customer_id).await?;
    let others = of_others(db, business_id, customer_id).await?;
    if !others.is_empty() {
        lots.extend(others);
        lots.sort_unstable_by_key(|lot| lot.id);
        lots.dedup_by_key(|lot| lot.id);
    }
    Ok(lots)
}

/// All lots of others that a customer may use.
pub async fn of_others(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<Lot>, StoreError> {
    let found = package_members::usable_by(db, business_id, customer_id).await?;
    let ids: Vec<PackageId> = found.into_iter().collect();
    of_packages(db, business_id, &ids).await
}

/// Raises the version of all lots of packages whose lots are locked: a use that was decided before who may
/// use them changed is decided again.
pub async fn touch(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<(), StoreError> {
    for chunk in package_ids.chunks(IDS_PER_STATEMENT_MAX) {
        Entity::update_many()
            .col_expr(Column::Version, Expr::col(Column::Version).add(1_i64))
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::PackageId, chunk.iter().map(|id| id.uuid())))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Names another customer in locked packages' lots, and raises their versions.
pub async fn rename(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    package_ids: &[PackageId],
    customer_id: CustomerId,
) -> Result<(), StoreError> {
    for chunk in package_ids.chunks(IDS_PER_STATEMENT_MAX) {
        Entity::update_many()
            .col_expr(Column::CustomerId, Expr::value(customer_id.uuid()))
            .col_expr(Column::Version, Expr::col(Column::Version).add(1_i64))
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::PackageId, chunk.iter().map(|id| id.uuid())))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// From the asked customers in `given`, if they are active, to the lots of others that they may use.
const MEMBERSHIP: &str = "package_members AS member
    JOIN customers AS person ON person.business_id = member.business_id
        AND person.id = member.customer_id AND person.active
    JOIN lots ON lots.business_id = member.business_id AND lots.package_id = member.package_id";
const IS_ASKED: &str = "member.business_id = given.business_id
    AND member.customer_id = given.asked_id AND member.removed_at IS NULL
    AND lots.customer_id <> given.asked_id";

/// The query that finds the open lots of others that the customers in `given` may use, at most
/// [`CANDIDATES_MAX`] of each: the asked customer, then the columns.
pub(super) fn open_lots(columns: &str, given: &str, order: &str, backend: DbBackend) -> String {
    if backend == DbBackend::Postgres {
        return format!(
            "SELECT given.asked_id, {columns} FROM {given} CROSS JOIN LATERAL (
                SELECT lots.* FROM {MEMBERSHIP}
                WHERE {IS_ASKED} AND lots.is_open
                ORDER BY {order} LIMIT {CANDIDATES_MAX}
            ) AS lots"
        );
    }
    format!(
        "SELECT lots.asked_id, {columns} FROM (
            SELECT lots.*, given.asked_id AS asked_id, row_number() OVER (
                PARTITION BY given.business_id, given.asked_id ORDER BY {order}
            ) AS place
            FROM {given} CROSS JOIN {MEMBERSHIP}
            WHERE {IS_ASKED} AND lots.is_open
        ) AS lots WHERE place <= {CANDIDATES_MAX}"
    )
}

/// The query that finds all lots of others that the customers in `given` may use.
pub(super) fn all_lots(columns: &str, given: &str) -> String {
    format!(
        "SELECT given.asked_id, {columns} FROM {given} CROSS JOIN {MEMBERSHIP} WHERE {IS_ASKED}"
    )
}
