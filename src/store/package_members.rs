//! `package_members`: who may use a package besides the customer in its row. What changes here changes who
//! a use is decided for, so whoever writes it holds the package and raises the version of all its lots.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::ids::{BusinessId, CustomerId, PackageId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, is_any, micros};
use crate::store::customers;
use crate::store::error::StoreError;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "package_members")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub customer_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub package_id: Uuid,
        pub added_at: i64,
        pub removed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// The most rows of one statement: a bound on the parameters that databases take.
const ROWS_PER_STATEMENT_MAX: usize = 400;

/// Lets customers use packages, from now on or again.
pub async fn add(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    members: &[(CustomerId, PackageId)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let key = [Column::BusinessId, Column::CustomerId, Column::PackageId];
    for chunk in members.chunks(ROWS_PER_STATEMENT_MAX) {
        let rows = chunk.iter().map(|(customer_id, package_id)| ActiveModel {
            business_id: Set(business_id.uuid()),
            customer_id: Set(customer_id.uuid()),
            package_id: Set(package_id.uuid()),
            added_at: Set(micros(now)),
            removed_at: Set(None),
        });
        let again = OnConflict::columns(key)
            .update_columns([Column::AddedAt, Column::RemovedAt])
            .to_owned();
        Entity::insert_many(rows)
            .on_conflict(again)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Lets a customer use these packages no more.
pub async fn remove(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
    package_ids: &[PackageId],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for chunk in package_ids.chunks(IDS_PER_STATEMENT_MAX) {
        Entity::update_many()
            .col_expr(Column::RemovedAt, Expr::value(micros(now)))
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(Column::CustomerId.eq(customer_id.uuid()))
            .filter(is_any(Column::PackageId, chunk.iter().map(|id| id.uuid())))
            .filter(Column::RemovedAt.is_null())
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Those who may use these packages besides the customers in their rows, the longest ago added first.
pub async fn of_packages(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<Vec<(CustomerId, PackageId)>, StoreError> {
    let mut found: Vec<(Uuid, Uuid)> = Vec::new();
    for chunk in package_ids.chunks(IDS_PER_STATEMENT_MAX) {
        let rows = Entity::find()
            .select_only()
            .columns([Column::CustomerId, Column::PackageId])
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::PackageId, chunk.iter().map(|id| id.uuid())))
            .filter(Column::RemovedAt.is_null())
            .order_by_asc(Column::AddedAt)
            .order_by_asc(Column::CustomerId)
            .into_tuple()
            .all(db)
            .await?;
        found.extend::<Vec<(Uuid, Uuid)>>(rows);
    }
    let found = found.into_iter();
    Ok(found
        .map(|(customer, package)| {
            (
                CustomerId::from_uuid(customer),
                PackageId::from_uuid(package),
            )
        })
        .collect())
}

/// The packages of others that a customer may use now: none if the customer is not active.
pub async fn usable_by(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<BTreeSet<PackageId>, StoreError> {
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::PackageId)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .filter(Column::RemovedAt.is_null())
        .filter(Column::CustomerId.in_subquery(customers::active(business_id, customer_id)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(PackageId::from_uuid).collect())
}

/// The packages of others that a customer shares now, active or not.
pub async fn shared_with(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<PackageId>, StoreError> {
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::PackageId)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .filter(Column::RemovedAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(PackageId::from_uuid).collect())
}

/// The packages of others that a customer may use now or could once.
pub async fn ever_shared_with(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_ids: &[CustomerId],
) -> Result<Vec<PackageId>, StoreError> {
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::PackageId)
        .distinct()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(
            Column::CustomerId,
            customer_ids.iter().map(|id| id.uuid()),
        ))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(PackageId::from_uuid).collect())
}
