//! `sales`: what one call sold to one customer.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::entry::Actor;
use crate::domain::sale::{Invoiced, Price, Sale};
use crate::ids::{BusinessId, CustomerId, GroupId, InvoiceId, InvoiceLineId, PaymentId, SaleId};
use crate::store::columns::{instant, instant_opt, known, micros};
use crate::store::error::StoreError;
use crate::store::{by_id, charge_requests, packages, payments, rows};

const TABLE: &str = "sales";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sales")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub request_id: Uuid,
        pub customer_id: Uuid,
        pub group_id: Option<Uuid>,
        pub list_price_minor: i64,
        pub net_minor: i64,
        pub tax_minor: i64,
        pub total_minor: i64,
        pub paid_minor: i64,
        pub sold_by_kind: i16,
        pub sold_by: Option<Uuid>,
        pub sold_at: i64,
        pub undone_at: Option<i64>,
        pub invoice_id: Option<Uuid>,
        pub invoice_line_id: Option<Uuid>,
        pub waiting: Option<Json>,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes new sales with their payments; `request_id` is that of the call.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    new: &[Sale],
) -> Result<(), StoreError> {
    let models = new.iter().map(|sale| {
        let (sold_by_kind, sold_by) = sale.sold_by.parts();
        ActiveModel {
            business_id: Set(business_id.uuid()),
            id: Set(sale.id.uuid()),
            request_id: Set(request_id),
            customer_id: Set(sale.customer_id.uuid()),
            group_id: Set(sale.group_id.map(GroupId::uuid)),
            list_price_minor: Set(sale.list_price_minor),
            net_minor: Set(sale.price.net_minor),
            tax_minor: Set(sale.price.tax_minor),
            total_minor: Set(sale.price.total_minor),
            paid_minor: Set(sale.paid_minor()),
            sold_by_kind: Set(sold_by_kind),
            sold_by: Set(sold_by),
            sold_at: Set(micros(sale.sold_at)),
            undone_at: Set(sale.undone_at.map(micros)),
            invoice_id: Set(sale.invoiced.map(|it| it.invoice_id.uuid())),
            invoice_line_id: Set(sale.invoiced.map(|it| it.line_id.uuid())),
            waiting: Set(None),
            version: Set(1),
        }
    });
    rows::insert(txn, models.collect()).await?;
    payments::insert(txn, business_id, request_id, new).await
}

/// Names another customer in all sales of one.
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

/// Writes that a locked sale was undone.
pub async fn mark_undone(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SaleId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::UndoneAt, Expr::value(micros(at)))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

/// Writes what of a sale by an invoice is paid, in minor units; the invoice is locked.
pub async fn put_paid(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SaleId,
    paid_minor: i64,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::PaidMinor, Expr::value(paid_minor))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::PaidMinor.ne(paid_minor))
        .exec(txn)
        .await?;
    Ok(())
}

/// Writes that a sale by an invoice was undone and what of it stays charged; the invoice is locked.
pub async fn mark_undone_keeping(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SaleId,
    kept: Price,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::NetMinor, Expr::value(kept.net_minor))
        .col_expr(Column::TaxMinor, Expr::value(kept.tax_minor))
        .col_expr(Column::TotalMinor, Expr::value(kept.total_minor))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    mark_undone(txn, business_id, id, at).await
}

/// Writes what of a locked sale waits to be paid before it is issued; none: nothing.
pub async fn put_waiting(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SaleId,
    waiting: Option<Json>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Waiting, Expr::value(waiting))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

/// What of a locked sale waits to be paid before it is issued.
pub async fn waiting(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SaleId,
) -> Result<Option<Json>, StoreError> {
    let row = by_id::get::<Entity>(txn, business_id, id.uuid()).await?;
    Ok(row.and_then(|row| row.waiting))
}

/// One sale with its payments and packages.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: SaleId,
) -> Result<Option<Sale>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    match row {
        Some(row) => Ok(Some(read(db, business_id, row).await?)),
        None => Ok(None),
    }
}

/// A page of the sales to a customer, newest first, below the id `before`.
pub async fn ids_of_customer(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
    before: Option<SaleId>,
    limit: u64,
) -> Result<Vec<SaleId>, StoreError> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()));
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before.uuid()));
    }
    let found: Vec<Uuid> = query
        .order_by_desc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(SaleId::from_uuid).collect())
}

/// Locks one sale and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: SaleId,
) -> Result<Option<Sale>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    match row {
        Some(row) => Ok(Some(read(txn, business_id, row).await?)),
        None => Ok(None),
    }
}

/// Writes the last payment or refund of a locked sale, and counts its version up; `request_id` is that of the call.
pub async fn add_last_payment(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    sale: &Sale,
) -> Result<(), StoreError> {
    touch(txn, business_id, sale).await?;
    payments::add_last_of_sale(txn, business_id, request_id, sale).await
}

/// Writes that a payment of a locked sale bounced, and counts its version up.
pub async fn mark_payment_reversed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    sale: &Sale,
    (id, at): (PaymentId, DateTime<Utc>),
) -> Result<(), StoreError> {
    touch(txn, business_id, sale).await?;
    payments::mark_reversed(txn, business_id, id, at).await
}

async fn touch(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    sale: &Sale,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::PaidMinor, Expr::value(sale.paid_minor()))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(sale.id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

async fn read(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    row: Model,
) -> Result<Sale, StoreError> {
    let id = SaleId::from_uuid(row.id);
    let line = row.invoice_id.zip(row.invoice_line_id);
    let packages = packages::of_sale(db, business_id, id).await?;
    Ok(Sale {
        id,
        customer_id: CustomerId::from_uuid(row.customer_id),
        group_id: row.group_id.map(GroupId::from_uuid),
        package_ids: packages.into_iter().map(|package| package.id).collect(),
        list_price_minor: row.list_price_minor,
        price: Price {
            net_minor: row.net_minor,
            tax_minor: row.tax_minor,
            total_minor: row.total_minor,
        },
        charges: charge_requests::of_sale(db, business_id, id).await?,
        money: payments::of_sale(db, business_id, id).await?,
        sold_by: known(Actor::from_parts(row.sold_by_kind, row.sold_by), TABLE, id)?,
        sold_at: instant(row.sold_at, TABLE, id)?,
        undone_at: instant_opt(row.undone_at, TABLE, id)?,
        invoiced: line.map(|(invoice_id, line_id)| Invoiced {
            invoice_id: InvoiceId::from_uuid(invoice_id),
            line_id: InvoiceLineId::from_uuid(line_id),
            paid_minor: row.paid_minor,
        }),
    })
}
