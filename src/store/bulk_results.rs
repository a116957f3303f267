//! `bulk_results`: what runs did to packages.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::bulk::{BulkOutcome, BulkResult};
use crate::ids::{BulkRunId, BusinessId, PackageId};
use crate::store::columns::{instant_opt, micros};
use crate::store::error::StoreError;

const TABLE: &str = "bulk_results";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bulk_results")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub run_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub package_id: Uuid,
        pub old_expires_at: Option<i64>,
        pub new_expires_at: Option<i64>,
        pub reason: Option<String>,
        pub message: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes what a run did to packages, at most a few hundred.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    run_id: BulkRunId,
    results: &[BulkResult],
) -> Result<(), StoreError> {
    if results.is_empty() {
        return Ok(());
    }
    let rows = results.iter().map(|result| {
        let (old, new, reason, message) = match &result.outcome {
            BulkOutcome::Moved { old, new } => (*old, *new, None, None),
            BulkOutcome::Refused { reason, message } => {
                (None, None, Some(reason.clone()), Some(message.clone()))
            }
        };
        ActiveModel {
            business_id: Set(business_id.uuid()),
            run_id: Set(run_id.uuid()),
            package_id: Set(result.package_id.uuid()),
            old_expires_at: Set(old.map(micros)),
            new_expires_at: Set(new.map(micros)),
            reason: Set(reason),
            message: Set(message),
        }
    });
    Entity::insert_many(rows)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Which results of a run a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Of which run.
    pub run_id: BulkRunId,
    /// Only of packages that were refused.
    pub refused_only: bool,
}

/// A page of what a run did, the newest packages first, below the package `before`.
pub async fn of_run(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    before: Option<PackageId>,
    limit: u64,
) -> Result<Vec<BulkResult>, StoreError> {
    let mut query = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::RunId.eq(filter.run_id.uuid()));
    if filter.refused_only {
        query = query.filter(Column::Reason.is_not_null());
    }
    if let Some(before) = before {
        query = query.filter(Column::PackageId.lt(before.uuid()));
    }
    let rows = query
        .order_by_desc(Column::PackageId)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<BulkResult, StoreError> {
    let package_id = PackageId::from_uuid(row.package_id);
    let outcome = match (row.reason, row.message) {
        (Some(reason), Some(message)) => BulkOutcome::Refused { reason, message },
        _ => BulkOutcome::Moved {
            old: instant_opt(row.old_expires_at, TABLE, package_id)?,
            new: instant_opt(row.new_expires_at, TABLE, package_id)?,
        },
    };
    Ok(BulkResult {
        package_id,
        outcome,
    })
}
