//! Pages of packages, and the packages whose time has come.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QueryOrder, QuerySelect};

use crate::domain::package::Package;
use crate::ids::{BusinessId, CustomerId, GroupId, PackageId, TemplateId};
use crate::store::columns::micros;
use crate::store::error::StoreError;
use crate::store::packages::{Column, Entity, read};

/// Which packages a list shows; all that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// Of this group.
    pub group_id: Option<GroupId>,
    /// Sold from this template.
    pub template_id: Option<TemplateId>,
    /// Ending at this instant or later; never-ending ones are left out.
    pub expires_from: Option<DateTime<Utc>>,
    /// Ending before this instant; never-ending ones are left out.
    pub expires_before: Option<DateTime<Utc>>,
    /// Begun by this instant and not ended by it.
    pub valid_at: Option<DateTime<Utc>>,
    /// Valid at some time from the first instant to before the second; never-ending ones are left out.
    pub valid_within: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// All that may have been valid at some time from the first instant to before the second, by what is
    /// stored of them.
    pub valid_during: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// A page of packages, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    before: Option<PackageId>,
    limit: u64,
) -> Result<Vec<Package>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(
            filter
                .customer_id
                .map(|id| Column::CustomerId.eq(id.uuid())),
        )
        .add_option(filter.group_id.map(|id| Column::GroupId.eq(id.uuid())))
        .add_option(
            filter
                .template_id
                .map(|id| Column::TemplateId.eq(id.uuid())),
        )
        .add_option(
            filter
                .expires_from
                .map(|at| Column::ExpiresAt.gte(micros(at))),
        )
        .add_option(
            filter
                .expires_before
                .map(|at| Column::ExpiresAt.lt(micros(at))),
        )
        .add_option(filter.valid_at.map(|at| {
            Condition::all().add(Column::StartsAt.lte(micros(at))).add(
                Condition::any()
                    .add(Column::ExpiresAt.is_null())
                    .add(Column::ExpiresAt.gt(micros(at))),
            )
        }))
        .add_option(filter.valid_within.map(|(from, before)| {
            Condition::all()
                .add(Column::StartsAt.lt(micros(before)))
                .add(
                    Condition::any()
                        .add(Column::ExpiresAt.gt(micros(from)))
                        .add(Column::ExpiresIfThawed.gt(micros(from))),
                )
        }))
        .add_option(filter.valid_during.map(valid_during))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// What leaves out only packages that were surely not valid then: a clock of first use may have been unset by
/// time without anybody having written that, and a frozen package has no end.
fn valid_during((from, before): (DateTime<Utc>, DateTime<Utc>)) -> Condition {
    let none_by = |column: Column| {
        Condition::any()
            .add(column.is_null())
            .add(column.gt(micros(from)))
    };
    Condition::all()
        .add(Column::StartsAt.lt(micros(before)))
        .add(none_by(Column::RevokedAt))
        .add(none_by(Column::TransferredAt))
        .add(none_by(Column::ExpiresAt).add(Column::FirstUsedOn.is_not_null()))
}

/// Packages that end in `from <= expires_at < before`, in the order of their ends, after a position.
pub async fn ending_between(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (from, before): (DateTime<Utc>, DateTime<Utc>),
    after: Option<(DateTime<Utc>, PackageId)>,
    limit: u64,
) -> Result<Vec<Package>, StoreError> {
    let mut condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add(Column::ExpiresAt.gte(micros(from)))
        .add(Column::ExpiresAt.lt(micros(before)));
    if let Some((at, id)) = after {
        condition = condition.add(
            Condition::any().add(Column::ExpiresAt.gt(micros(at))).add(
                Condition::all()
                    .add(Column::ExpiresAt.eq(micros(at)))
                    .add(Column::Id.gt(id.uuid())),
            ),
        );
    }
    let rows = Entity::find()
        .filter(condition)
        .order_by_asc(Column::ExpiresAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Packages whose freeze reached its limit by `now`, of any business, without locks, the longest due first.
pub async fn thawing(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<(BusinessId, PackageId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .column(Column::Id)
        .filter(Column::FrozenUntilMax.lte(micros(now)))
        .order_by_asc(Column::FrozenUntilMax)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let ids = rows
        .into_iter()
        .map(|(business, id)| (BusinessId::from_uuid(business), PackageId::from_uuid(id)));
    Ok(ids.collect())
}

/// Frozen packages of a business in the order of their ids, behind `after`.
pub async fn frozen(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<PackageId>,
    limit: u64,
) -> Result<Vec<Package>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add(Column::FrozenAt.is_not_null())
        .add_option(after.map(|id| Column::Id.gt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}
