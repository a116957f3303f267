//! `payments`: what was paid of sales and of invoices and given back, elsewhere, and written down here.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, Set};

use crate::domain::invoice::Invoice;
use crate::domain::payment::{MoneyKind, MoneyRecord, Payable, Payment, PaymentMethod, Takings};
use crate::domain::sale::Sale;
use crate::ids::{BusinessId, InvoiceId, PaymentId, SaleId};
use crate::store::by_id;
use crate::store::columns::{instant, instant_opt, is_any, known, micros};
use crate::store::error::StoreError;

const TABLE: &str = "payments";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "payments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sale_id: Option<Uuid>,
        pub invoice_id: Option<Uuid>,
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

/// Writes the last payment or refund of a locked sale or invoice; `request_id` is that of the call.
async fn add_last(
    txn: &DatabaseTransaction,
    (business_id, of): (BusinessId, Payable),
    request_id: Uuid,
    money: &Takings,
) -> Result<(), StoreError> {
    if let Some((position, record)) = (0..).zip(money.records()).last() {
        let row = row((business_id, of), request_id, position, record);
        Entity::insert(row).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// Writes the last payment or refund of a locked invoice; `request_id` is that of the call.
pub async fn add_last_of_invoice(
    txn: &DatabaseTransaction,
    request_id: Uuid,
    invoice: &Invoice,
) -> Result<(), StoreError> {
    let of = (invoice.business_id, Payable::Invoice(invoice.id));
    add_last(txn, of, request_id, &invoice.money).await
}

/// Writes the last payment or refund of a locked sale.
pub(super) async fn add_last_of_sale(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    sale: &Sale,
) -> Result<(), StoreError> {
    let of = (business_id, Payable::Sale(sale.id));
    add_last(txn, of, request_id, &sale.money).await
}

/// Writes the payments of new sales.
pub(super) async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    sales: &[Sale],
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for sale in sales {
        let of = (business_id, Payable::Sale(sale.id));
        for (position, record) in (0..).zip(sale.money.records()) {
            rows.push(row(of, request_id, position, record));
        }
    }
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Writes that a payment of a locked sale or invoice bounced.
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

/// What this was paid of; never changes.
pub async fn paid_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: PaymentId,
) -> Result<Option<Payable>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(|row| payable(&row)).transpose()
}

/// What was paid of a sale and given back.
pub(super) async fn of_sale(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    sale_id: SaleId,
) -> Result<Takings, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SaleId.eq(sale_id.uuid()))
        .order_by_asc(Column::Position)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// What was paid of invoices and given back, oldest first.
pub(super) async fn of_invoices(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[Uuid],
) -> Result<Vec<(InvoiceId, MoneyRecord)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::InvoiceId, ids.iter().copied()))
        .order_by_asc(Column::InvoiceId)
        .order_by_asc(Column::Position)
        .all(db)
        .await?;
    let rows = rows.into_iter().map(|row| match payable(&row)? {
        Payable::Invoice(id) => Ok((id, read(row)?)),
        Payable::Sale(id) => Err(StoreError::corrupt(TABLE, id)),
    });
    rows.collect()
}

fn row(
    (business_id, of): (BusinessId, Payable),
    request_id: Uuid,
    position: i32,
    record: &MoneyRecord,
) -> ActiveModel {
    let (sale_id, invoice_id) = of.ids();
    let payment = &record.payment;
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(payment.id.uuid()),
        sale_id: Set(sale_id.map(SaleId::uuid)),
        invoice_id: Set(invoice_id.map(InvoiceId::uuid)),
        position: Set(position),
        request_id: Set(request_id),
        kind: Set(record.kind.code()),
        method: Set(payment.method.code()),
        amount_minor: Set(payment.amount_minor),
        reference: Set(payment.reference.clone()),
        recorded_at: Set(micros(payment.recorded_at)),
        reversed_at: Set(record.reversed_at.map(micros)),
    }
}

fn payable(row: &Model) -> Result<Payable, StoreError> {
    let sale_id = row.sale_id.map(SaleId::from_uuid);
    let invoice_id = row.invoice_id.map(InvoiceId::from_uuid);
    let of = Payable::from_ids(sale_id, invoice_id);
    known(of, TABLE, PaymentId::from_uuid(row.id))
}

fn read(row: Model) -> Result<MoneyRecord, StoreError> {
    let id = PaymentId::from_uuid(row.id);
    Ok(MoneyRecord {
        kind: known(MoneyKind::from_code(row.kind), TABLE, id)?,
        payment: Payment {
            id,
            method: known(PaymentMethod::from_code(row.method), TABLE, id)?,
            amount_minor: row.amount_minor,
            reference: row.reference,
            recorded_at: instant(row.recorded_at, TABLE, id)?,
        },
        reversed_at: instant_opt(row.reversed_at, TABLE, id)?,
    })
}
