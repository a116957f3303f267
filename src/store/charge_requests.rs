//! `charge_requests`: what the payment system is to charge.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::LockType;
use sea_orm::{
    Condition, DatabaseTransaction, FromQueryResult, QueryOrder, QueryResult, QuerySelect, Set,
    Unchanged,
};

use crate::domain::charge::{ChargeRequest, ChargeState, ChargeStatus};
use crate::domain::money::Currency;
use crate::domain::payment::Payable;
use crate::ids::{BusinessId, ChargeRequestId, CustomerId, InvoiceId, PaymentId, SaleId};
use crate::store::by_id;
use crate::store::columns::{instant, instant_opt, is_any, is_one_of, known, micros};
use crate::store::error::StoreError;

const TABLE: &str = "charge_requests";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "charge_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sale_id: Option<Uuid>,
        pub invoice_id: Option<Uuid>,
        pub customer_id: Uuid,
        pub amount_minor: i64,
        pub currency: String,
        pub state: i16,
        pub times_out_at: i64,
        pub recorded_at: i64,
        pub answered_at: Option<i64>,
        pub payment_id: Option<Uuid>,
        pub cause: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which charge requests a list has.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Only those in this state at `now`.
    pub state: Option<ChargeState>,
    /// Only those of this sale or invoice.
    pub of: Option<Payable>,
    /// When it is asked.
    pub now: DateTime<Utc>,
}

/// Where a page begins: behind the state and id of the last request before it, as stored.
pub type Position = (i16, ChargeRequestId);

/// Writes a new request.
pub async fn insert(txn: &DatabaseTransaction, request: &ChargeRequest) -> Result<(), StoreError> {
    Entity::insert(row(request))
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a locked request as it is now.
pub async fn update(txn: &DatabaseTransaction, request: &ChargeRequest) -> Result<(), StoreError> {
    let mut row = row(request);
    row.business_id = Unchanged(request.business_id.uuid());
    row.id = Unchanged(request.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One request.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: ChargeRequestId,
) -> Result<Option<ChargeRequest>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one request and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: ChargeRequestId,
) -> Result<Option<ChargeRequest>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks the requests of a sale or an invoice that wait for an answer.
pub async fn lock_pending_of(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    of: Payable,
) -> Result<Vec<ChargeRequest>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_of(of))
        .filter(Column::State.eq(ChargeState::Pending.code()))
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The requests of a sale, oldest first.
pub async fn of_sale(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: SaleId,
) -> Result<Vec<ChargeRequest>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_of(Payable::Sale(id)))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The requests of invoices, oldest first.
pub async fn of_invoices(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = InvoiceId>,
) -> Result<Vec<ChargeRequest>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(InvoiceId::uuid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::InvoiceId, ids))
        .all(db)
        .await?;
    // Sorted here: for the sake of their order SQLite would walk through all of the business.
    let found: Result<Vec<ChargeRequest>, StoreError> = rows.into_iter().map(read).collect();
    let mut found = found?;
    found.sort_unstable_by_key(|request| request.id);
    Ok(found)
}

/// A page of requests: those that wait first, then those that timed out, were paid, failed; each oldest first.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    after: Option<Position>,
    limit: u64,
) -> Result<Vec<ChargeRequest>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(
            Condition::all()
                .add_option(filter.state.map(|state| is_in(state, filter.now)))
                .add_option(filter.of.map(is_of))
                .add_option(after.map(|(state, id)| {
                    // The first half is what an index can look for.
                    Condition::all().add(Column::State.gte(state)).add(
                        Condition::any()
                            .add(Column::State.gt(state))
                            .add(Column::Id.gt(id.uuid())),
                    )
                })),
        )
        .order_by_asc(Column::State)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The requests whose time is over although their rows do not say it, the longest overdue first.
pub async fn overdue(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<(BusinessId, ChargeRequestId)>, StoreError> {
    let found: Vec<(Uuid, Uuid)> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .column(Column::Id)
        .filter(Column::State.eq(ChargeState::Pending.code()))
        .filter(Column::TimesOutAt.lte(micros(now)))
        .order_by_asc(Column::TimesOutAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found
        .into_iter()
        .map(|(business, id)| {
            (
                BusinessId::from_uuid(business),
                ChargeRequestId::from_uuid(id),
            )
        })
        .collect())
}

/// The requests of `from`, who was merged, are those of `to`.
pub async fn rename(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    from: CustomerId,
    to: CustomerId,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::CustomerId, Expr::value(to.uuid()))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(from.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

fn is_of(of: Payable) -> Condition {
    let (sale_id, invoice_id) = of.ids();
    Condition::all()
        .add_option(sale_id.map(|id| Column::SaleId.eq(id.uuid())))
        .add_option(invoice_id.map(|id| Column::InvoiceId.eq(id.uuid())))
}

/// What is in a state at `now`, whether or not a time-out was written.
fn is_in(state: ChargeState, now: DateTime<Utc>) -> Condition {
    let stored = |state: ChargeState| is_one_of(Column::State, [state.code()]);
    match state {
        ChargeState::Pending => Condition::all()
            .add(stored(ChargeState::Pending))
            .add(Column::TimesOutAt.gt(micros(now))),
        ChargeState::TimedOut => Condition::all()
            // Both states lie next to each other in the index.
            .add(Column::State.lte(ChargeState::TimedOut.code()))
            .add(
                Condition::any()
                    .add(stored(ChargeState::TimedOut))
                    .add(Column::TimesOutAt.lte(micros(now))),
            ),
        ChargeState::Paid | ChargeState::Failed => Condition::all().add(stored(state)),
    }
}

fn row(request: &ChargeRequest) -> ActiveModel {
    let (sale_id, invoice_id) = request.of.ids();
    let (answered_at, payment_id, cause) = match &request.status {
        ChargeStatus::Pending | ChargeStatus::TimedOut => (None, None, String::new()),
        ChargeStatus::Paid { payment_id, at } => {
            (Some(*at), Some(payment_id.uuid()), String::new())
        }
        ChargeStatus::Failed { cause, at } => (Some(*at), None, cause.clone()),
    };
    ActiveModel {
        business_id: Set(request.business_id.uuid()),
        id: Set(request.id.uuid()),
        sale_id: Set(sale_id.map(SaleId::uuid)),
        invoice_id: Set(invoice_id.map(InvoiceId::uuid)),
        customer_id: Set(request.customer_id.uuid()),
        amount_minor: Set(request.amount_minor),
        currency: Set(request.currency.code().to_owned()),
        state: Set(request.status.state().code()),
        times_out_at: Set(micros(request.times_out_at)),
        recorded_at: Set(micros(request.recorded_at)),
        answered_at: Set(answered_at.map(micros)),
        payment_id: Set(payment_id),
        cause: Set(cause),
    }
}

/// The request of a row that has all its columns.
pub(super) fn of_row(row: &QueryResult) -> Result<ChargeRequest, StoreError> {
    read(Model::from_query_result(row, "")?)
}

fn read(row: Model) -> Result<ChargeRequest, StoreError> {
    let id = ChargeRequestId::from_uuid(row.id);
    let state = known(ChargeState::from_code(row.state), TABLE, id)?;
    let answered_at = instant_opt(row.answered_at, TABLE, id)?;
    let payment_id = row.payment_id.map(PaymentId::from_uuid);
    let status = match (state, answered_at, payment_id) {
        (ChargeState::Pending, None, None) => ChargeStatus::Pending,
        (ChargeState::TimedOut, None, None) => ChargeStatus::TimedOut,
        (ChargeState::Paid, Some(at), Some(payment_id)) => ChargeStatus::Paid { payment_id, at },
        (ChargeState::Failed, Some(at), None) => ChargeStatus::Failed {
            cause: row.cause,
            at,
        },
        _ => return Err(StoreError::corrupt(TABLE, id)),
    };
    let sale_id = row.sale_id.map(SaleId::from_uuid);
    let invoice_id = row.invoice_id.map(InvoiceId::from_uuid);
    Ok(ChargeRequest {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        of: known(Payable::from_ids(sale_id, invoice_id), TABLE, id)?,
        customer_id: CustomerId::from_uuid(row.customer_id),
        amount_minor: row.amount_minor,
        currency: known(Currency::parse(&row.currency).ok(), TABLE, id)?,
        status,
        times_out_at: instant(row.times_out_at, TABLE, id)?,
        recorded_at: instant(row.recorded_at, TABLE, id)?,
    })
}
