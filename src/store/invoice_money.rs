//! `invoice_money`: what was paid of invoices and given back, elsewhere, and written down here.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, Set};

use crate::domain::invoice::{Invoice, InvoiceMoney, MoneyKind};
use crate::domain::sale::{Payment, PaymentMethod};
use crate::ids::{BusinessId, InvoiceId, PaymentId};
use crate::store::columns::{instant, instant_opt, known, micros};
use crate::store::error::StoreError;

const TABLE: &str = "invoice_money";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice_money")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub invoice_id: Uuid,
        pub position: i32,
        pub request_id: Uuid,
        pub kind: i16,
        pub method: i16,
        pub amount_minor: i64,
        pub reference: String,
        pub recorded_at: i64,
        pub reversed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes the last payment or refund of a locked invoice; `request_id` is that of the call.
pub async fn add_last(
    txn: &DatabaseTransaction,
    request_id: Uuid,
    invoice: &Invoice,
) -> Result<(), StoreError> {
    let Some((position, money)) = (0..).zip(&invoice.money).last() else {
        return Ok(());
    };
    let row = ActiveModel {
        business_id: Set(invoice.business_id.uuid()),
        id: Set(money.payment.id.uuid()),
        invoice_id: Set(invoice.id.uuid()),
        position: Set(position),
        request_id: Set(request_id),
        kind: Set(money.kind.code()),
        method: Set(money.payment.method.code()),
        amount_minor: Set(money.payment.amount_minor),
        reference: Set(money.payment.reference.clone()),
        recorded_at: Set(micros(money.payment.recorded_at)),
        reversed_at: Set(money.reversed_at.map(micros)),
    };
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes that a payment of a locked invoice bounced.
pub async fn mark_reversed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: PaymentId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::ReversedAt, Expr::value(micros(at)))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

/// The invoice of which this is a payment.
pub async fn invoice_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: PaymentId,
) -> Result<Option<InvoiceId>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .one(db)
        .await?;
    Ok(row.map(|row| InvoiceId::from_uuid(row.invoice_id)))
}

/// What was paid of invoices and given back, oldest first.
pub(super) async fn of_invoices(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[Uuid],
) -> Result<Vec<(InvoiceId, InvoiceMoney)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::InvoiceId.is_in(ids.iter().copied()))
        .order_by_asc(Column::InvoiceId)
        .order_by_asc(Column::Position)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<(InvoiceId, InvoiceMoney), StoreError> {
    let id = PaymentId::from_uuid(row.id);
    let money = InvoiceMoney {
        kind: known(MoneyKind::from_code(row.kind), TABLE, id)?,
        payment: Payment {
            id,
            method: known(PaymentMethod::from_code(row.method), TABLE, id)?,
            amount_minor: row.amount_minor,
            reference: row.reference,
            recorded_at: instant(row.recorded_at, TABLE, id)?,
        },
        reversed_at: instant_opt(row.reversed_at, TABLE, id)?,
    };
    Ok((InvoiceId::from_uuid(row.invoice_id), money))
}
