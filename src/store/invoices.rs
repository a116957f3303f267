//! `invoices`: what customers are to pay. Lines lie in `invoice_lines`, what was paid in `payments`.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::invoice::{Invoice, InvoiceState};
use crate::ids::{BusinessId, CustomerId, InvoiceId};
use crate::store::columns::{instant, instant_opt, known, micros};
use crate::store::error::StoreError;
use crate::store::{by_id, external_ids, invoice_lines, owners, payments};

const TABLE: &str = "invoices";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub customer_id: Uuid,
        pub state: i16,
        pub number: Option<i64>,
        pub prices_include_tax: bool,
        pub created_at: i64,
        pub issued_at: Option<i64>,
        pub voided_at: Option<i64>,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which invoices a list has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only those to this customer.
    pub customer_id: Option<CustomerId>,
    /// Only those in this state.
    pub state: Option<InvoiceState>,
}

/// Writes a new invoice with its lines.
pub async fn insert(txn: &DatabaseTransaction, invoice: &Invoice) -> Result<(), StoreError> {
    Entity::insert(row(invoice))
        .exec_without_returning(txn)
        .await?;
    invoice_lines::replace(txn, invoice).await
}

/// Writes a locked invoice with its lines, and counts its version up; what was paid is written by
/// [`payments`].
pub async fn update(txn: &DatabaseTransaction, invoice: &mut Invoice) -> Result<(), StoreError> {
    invoice.version = invoice.version.saturating_add(1);
    let mut row = row(invoice);
    row.business_id = Unchanged(invoice.business_id.uuid());
    row.id = Unchanged(invoice.id.uuid());
    Entity::update(row).exec(txn).await?;
    invoice_lines::replace(txn, invoice).await
}

/// One invoice.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: InvoiceId,
) -> Result<Option<Invoice>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    Ok(read(db, business_id, row).await?.pop())
}

/// Locks one invoice and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: InvoiceId,
) -> Result<Option<Invoice>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    Ok(read(txn, business_id, row).await?.pop())
}

/// The id of the invoice that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<InvoiceId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(InvoiceId::from_uuid))
}

/// The invoices of `from`, who was merged, are those of `to`.
pub async fn rename(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    from: CustomerId,
    to: CustomerId,
) -> Result<(), StoreError> {
    let columns = [Column::BusinessId, Column::CustomerId, Column::Version];
    owners::rename::<Entity>(txn, business_id, (from, to), columns).await
}

/// A page of invoices, newest first, below `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    before: Option<InvoiceId>,
    limit: u64,
) -> Result<Vec<Invoice>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(
            filter
                .customer_id
                .map(|id| Column::CustomerId.eq(id.uuid())),
        )
        .add_option(filter.state.map(|state| Column::State.eq(state.code())))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    read(db, business_id, rows).await
}

async fn read(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    rows: impl IntoIterator<Item = Model>,
) -> Result<Vec<Invoice>, StoreError> {
    let rows: Vec<Model> = rows.into_iter().collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut lines: HashMap<InvoiceId, Vec<_>> = HashMap::new();
    for (id, line) in invoice_lines::of_invoices(db, business_id, &ids).await? {
        lines.entry(id).or_default().push(line);
    }
    let mut money: HashMap<InvoiceId, Vec<_>> = HashMap::new();
    for (id, payment) in payments::of_invoices(db, business_id, &ids).await? {
        money.entry(id).or_default().push(payment);
    }
    rows.into_iter()
        .map(|row| {
            let id = InvoiceId::from_uuid(row.id);
            Ok(Invoice {
                id,
                business_id,
                external_id: row.external_id,
                customer_id: CustomerId::from_uuid(row.customer_id),
                state: known(InvoiceState::from_code(row.state), TABLE, id)?,
                number: row.number,
                prices_include_tax: row.prices_include_tax,
                lines: lines.remove(&id).unwrap_or_default(),
                money: money.remove(&id).into_iter().flatten().collect(),
                created_at: instant(row.created_at, TABLE, id)?,
                issued_at: instant_opt(row.issued_at, TABLE, id)?,
                voided_at: instant_opt(row.voided_at, TABLE, id)?,
                version: row.version,
            })
        })
        .collect()
}

fn row(invoice: &Invoice) -> ActiveModel {
    ActiveModel {
        business_id: Set(invoice.business_id.uuid()),
        id: Set(invoice.id.uuid()),
        external_id: Set(invoice.external_id.clone()),
        customer_id: Set(invoice.customer_id.uuid()),
        state: Set(invoice.state.code()),
        number: Set(invoice.number),
        prices_include_tax: Set(invoice.prices_include_tax),
        created_at: Set(micros(invoice.created_at)),
        issued_at: Set(invoice.issued_at.map(micros)),
        voided_at: Set(invoice.voided_at.map(micros)),
        version: Set(invoice.version),
    }
}
