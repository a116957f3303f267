//! `payments`: what was paid elsewhere and written down here.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, Set};

use crate::domain::sale::{Payment, PaymentMethod, Sale};
use crate::ids::{BusinessId, PaymentId, SaleId};
use crate::store::columns::{instant, known, micros};
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
        pub sale_id: Uuid,
        pub request_id: Uuid,
        pub method: i16,
        pub amount_minor: i64,
        pub reference: String,
        pub recorded_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes the last payment of a sale.
pub(super) async fn add_last(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    sale: &Sale,
) -> Result<(), StoreError> {
    if let Some(payment) = sale.payments.last() {
        let row = row(business_id, request_id, sale.id, payment);
        Entity::insert(row).exec_without_returning(txn).await?;
    }
    Ok(())
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
        for payment in &sale.payments {
            rows.push(row(business_id, request_id, sale.id, payment));
        }
    }
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// The payments of a sale, oldest first.
pub async fn of_sale(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    sale_id: SaleId,
) -> Result<Vec<Payment>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::SaleId.eq(sale_id.uuid()))
        .order_by_asc(Column::RecordedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn row(
    business_id: BusinessId,
    request_id: Uuid,
    sale_id: SaleId,
    payment: &Payment,
) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(payment.id.uuid()),
        sale_id: Set(sale_id.uuid()),
        request_id: Set(request_id),
        method: Set(payment.method.code()),
        amount_minor: Set(payment.amount_minor),
        reference: Set(payment.reference.clone()),
        recorded_at: Set(micros(payment.recorded_at)),
    }
}

fn read(row: Model) -> Result<Payment, StoreError> {
    let id = PaymentId::from_uuid(row.id);
    Ok(Payment {
        id,
        method: known(PaymentMethod::from_code(row.method), TABLE, id)?,
        amount_minor: row.amount_minor,
        reference: row.reference,
        recorded_at: instant(row.recorded_at, TABLE, id)?,
    })
}
