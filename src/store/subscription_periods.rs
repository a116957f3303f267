//! `subscription_periods`: the periods that are due or paid, one row for each (subscription, period start).

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::subscription::{Renewal, Span, Subscription, SubscriptionPeriod};
use crate::ids::{BusinessId, PackageId, SaleId, SubscriptionId};
use crate::store::columns::{instant, micros};
use crate::store::error::StoreError;

const TABLE: &str = "subscription_periods";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subscription_periods")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subscription_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub starts_on: Date,
        pub next_starts_on: Date,
        pub starts_at: i64,
        pub ends_at: i64,
        pub package_id: Option<Uuid>,
        pub sale_id: Option<Uuid>,
        pub paid_at: Option<i64>,
        pub carried_over_id: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// The key of the table.
const KEY: [Column; 3] = [Column::BusinessId, Column::SubscriptionId, Column::StartsOn];

/// Writes down that periods of a locked subscription are due; one that was paid in advance stays as it is.
pub async fn mark_due(
    txn: &DatabaseTransaction,
    subscription: &Subscription,
    due: &[Span],
) -> Result<(), StoreError> {
    if due.is_empty() {
        return Ok(());
    }
    Entity::insert_many(due.iter().map(|span| row(subscription, span)))
        .on_conflict_do_nothing_on(KEY)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a period of a locked subscription that was paid; `is_known` says that it has a row.
///
/// # Errors
/// [`StoreError::Taken`] if it has one and was not known to.
pub async fn renew(
    txn: &DatabaseTransaction,
    subscription: &Subscription,
    period: &SubscriptionPeriod,
    is_known: bool,
) -> Result<(), StoreError> {
    let span = &period.span;
    let renewal = period.renewal;
    let mut row = ActiveModel {
        package_id: Set(renewal.map(|it| it.package_id.uuid())),
        sale_id: Set(renewal.map(|it| it.sale_id.uuid())),
        paid_at: Set(renewal.map(|it| micros(it.paid_at))),
        carried_over_id: Set(period.carried_over.map(PackageId::uuid)),
        ..row(subscription, span)
    };
    if is_known {
        row.business_id = Unchanged(subscription.business_id.uuid());
        row.subscription_id = Unchanged(subscription.id.uuid());
        row.starts_on = Unchanged(span.starts_on);
        let written = Entity::update_many()
            .set(row)
            .filter(Column::BusinessId.eq(subscription.business_id.uuid()))
            .filter(Column::SubscriptionId.eq(subscription.id.uuid()))
            .filter(Column::StartsOn.eq(span.starts_on))
            .filter(Column::PackageId.is_null())
            .exec(txn)
            .await?;
        if written.rows_affected != 1 {
            return Err(StoreError::corrupt(TABLE, subscription.id));
        }
    } else {
        Entity::insert(row).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// The periods whose payment was written down by mistake, in the sale that is undone, are due again.
pub async fn reopen(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    sale_id: SaleId,
) -> Result<(), StoreError> {
    let nothing = Expr::value(Option::<Uuid>::None);
    Entity::update_many()
        .col_expr(Column::PackageId, nothing.clone())
        .col_expr(Column::SaleId, nothing)
        .col_expr(Column::PaidAt, Expr::value(Option::<i64>::None))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SaleId.eq(sale_id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

/// One period by the day on which it starts.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    subscription_id: SubscriptionId,
    starts_on: Date,
) -> Result<Option<SubscriptionPeriod>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), subscription_id.uuid(), starts_on))
        .one(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The paid period that ends at this instant.
pub async fn ending_at(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    subscription_id: SubscriptionId,
    ends_at: DateTime<Utc>,
) -> Result<Option<SubscriptionPeriod>, StoreError> {
    let row = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SubscriptionId.eq(subscription_id.uuid()))
        .filter(Column::EndsAt.eq(micros(ends_at)))
        .filter(Column::PackageId.is_not_null())
        .one(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The latest periods of a subscription, the latest first.
pub async fn latest(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    subscription_id: SubscriptionId,
    limit: u64,
) -> Result<Vec<SubscriptionPeriod>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SubscriptionId.eq(subscription_id.uuid()))
        .order_by_desc(Column::StartsOn)
        .limit(limit)
        .all(db)
        .await?;
    rows.iter().map(read).collect()
}

fn row(subscription: &Subscription, span: &Span) -> ActiveModel {
    ActiveModel {
        business_id: Set(subscription.business_id.uuid()),
        subscription_id: Set(subscription.id.uuid()),
        starts_on: Set(span.starts_on),
        next_starts_on: Set(span.next_starts_on),
        starts_at: Set(micros(span.starts_at)),
        ends_at: Set(micros(span.ends_at)),
        package_id: Set(None),
        sale_id: Set(None),
        paid_at: Set(None),
        carried_over_id: Set(None),
    }
}

fn read(row: &Model) -> Result<SubscriptionPeriod, StoreError> {
    let id = SubscriptionId::from_uuid(row.subscription_id);
    let renewal = match (row.package_id, row.sale_id, row.paid_at) {
        (Some(package_id), Some(sale_id), Some(paid_at)) => Some(Renewal {
            package_id: PackageId::from_uuid(package_id),
            sale_id: SaleId::from_uuid(sale_id),
            paid_at: instant(paid_at, TABLE, id)?,
        }),
        (None, None, None) => None,
        _ => return Err(StoreError::corrupt(TABLE, id)),
    };
    Ok(SubscriptionPeriod {
        span: Span {
            starts_on: row.starts_on,
            next_starts_on: row.next_starts_on,
            starts_at: instant(row.starts_at, TABLE, id)?,
            ends_at: instant(row.ends_at, TABLE, id)?,
        },
        renewal,
        carried_over: row.carried_over_id.map(PackageId::from_uuid),
    })
}
