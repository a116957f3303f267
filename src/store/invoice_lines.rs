//! `invoice_lines`: what invoices ask money for, and the credits that pay for units of it.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, Set};

use crate::domain::credits::Credits;
use crate::domain::invoice::{
    Invoice, InvoiceLine, IssueWhen, LineCredits, LineOf, LineSale, PackageLine,
};
use crate::ids::{
    BusinessId, HoldId, InvoiceId, InvoiceLineId, ItemId, LineId, PackageId, SaleId, TemplateId,
};
use crate::store::columns::{from_json, instant_opt, is_any, known, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "invoice_lines";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice_lines")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub invoice_id: Uuid,
        pub position: i32,
        pub item_id: Option<Uuid>,
        pub template_id: Option<Uuid>,
        pub definition_version: Option<i32>,
        pub issue_when: Option<i16>,
        pub sale_id: Option<Uuid>,
        pub package_id: Option<Uuid>,
        pub description: String,
        pub quantity: i64,
        pub unit_price_minor: i64,
        pub tax_basis_points: i32,
        pub hold_id: Option<Uuid>,
        pub credit_units: Option<i64>,
        pub credit_packages: Option<Json>,
        pub times_out_at: Option<i64>,
        pub used_by: Option<Uuid>,
        pub returned_at: Option<i64>,
        pub kept_minor: Option<i64>,
        pub rate_line_id: Option<Uuid>,
        pub delivered_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes the lines of an invoice, in the place of those that it had.
pub(super) async fn replace(
    txn: &DatabaseTransaction,
    invoice: &Invoice,
) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::BusinessId.eq(invoice.business_id.uuid()))
        .filter(Column::InvoiceId.eq(invoice.id.uuid()))
        .exec(txn)
        .await?;
    let mut models = Vec::with_capacity(invoice.lines.len());
    for (position, line) in (0..).zip(&invoice.lines) {
        models.push(row(invoice, position, line)?);
    }
    if !models.is_empty() {
        Entity::insert_many(models)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// The lines of invoices, in their order.
pub(super) async fn of_invoices(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: &[Uuid],
) -> Result<Vec<(InvoiceId, InvoiceLine)>, StoreError> {
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
    rows.into_iter().map(read).collect()
}

fn row(invoice: &Invoice, position: i32, line: &InvoiceLine) -> Result<ActiveModel, StoreError> {
    let credits = line.credits.as_ref();
    let package = line.package();
    let sold = package.and_then(|it| it.sold);
    let packages = credits.map(|it| to_json(&it.package_ids, TABLE));
    Ok(ActiveModel {
        business_id: Set(invoice.business_id.uuid()),
        id: Set(line.id.uuid()),
        invoice_id: Set(invoice.id.uuid()),
        position: Set(position),
        item_id: Set(line.item_id().map(ItemId::uuid)),
        template_id: Set(package.map(|it| it.template.0.uuid())),
        definition_version: Set(package.map(|it| it.template.1)),
        issue_when: Set(package.map(|it| it.issue_when.code())),
        sale_id: Set(sold.map(|it| it.sale_id.uuid())),
        package_id: Set(sold.map(|it| it.package_id.uuid())),
        description: Set(line.description.clone()),
        quantity: Set(line.quantity.millionths()),
        unit_price_minor: Set(line.unit_price_minor),
        tax_basis_points: Set(line.tax_basis_points),
        hold_id: Set(credits.map(|it| it.hold_id.uuid())),
        credit_units: Set(credits.map(|it| it.units.millionths())),
        credit_packages: Set(packages.transpose()?),
        times_out_at: Set(credits.and_then(|it| it.times_out_at).map(micros)),
        used_by: Set(credits.and_then(|it| it.used_by)),
        returned_at: Set(credits.and_then(|it| it.returned_at).map(micros)),
        kept_minor: Set(line.kept_minor),
        rate_line_id: Set(credits.and_then(|it| it.rate_line_id).map(LineId::uuid)),
        delivered_at: Set(line.delivered_at.map(micros)),
    })
}

/// What a row asks money for.
fn subject(row: &Model) -> Result<LineOf, StoreError> {
    let id = InvoiceLineId::from_uuid(row.id);
    let sold = row.sale_id.zip(row.package_id);
    let template = row.template_id.zip(row.definition_version);
    match (row.item_id, template, row.issue_when) {
        (Some(item_id), None, None) => Ok(LineOf::Item(ItemId::from_uuid(item_id))),
        (None, Some((template_id, version)), Some(issue_when)) => {
            Ok(LineOf::Package(PackageLine {
                template: (TemplateId::from_uuid(template_id), version),
                issue_when: known(IssueWhen::from_code(issue_when), TABLE, id)?,
                sold: sold.map(|(sale_id, package_id)| LineSale {
                    sale_id: SaleId::from_uuid(sale_id),
                    package_id: PackageId::from_uuid(package_id),
                }),
            }))
        }
        _ => Err(StoreError::corrupt(TABLE, id)),
    }
}

fn read(row: Model) -> Result<(InvoiceId, InvoiceLine), StoreError> {
    let id = InvoiceLineId::from_uuid(row.id);
    let of = subject(&row)?;
    let credits = match (row.hold_id, row.credit_units, row.credit_packages) {
        (None, None, None) => None,
        (Some(hold_id), Some(units), Some(packages)) => Some(LineCredits {
            hold_id: HoldId::from_uuid(hold_id),
            units: Credits::from_millionths(units),
            package_ids: from_json(packages, TABLE, id)?,
            times_out_at: instant_opt(row.times_out_at, TABLE, id)?,
            used_by: row.used_by,
            returned_at: instant_opt(row.returned_at, TABLE, id)?,
            rate_line_id: row.rate_line_id.map(LineId::from_uuid),
        }),
        _ => return Err(StoreError::corrupt(TABLE, id)),
    };
    let line = InvoiceLine {
        id,
        of,
        description: row.description,
        quantity: Credits::from_millionths(row.quantity),
        unit_price_minor: row.unit_price_minor,
        tax_basis_points: row.tax_basis_points,
        delivered_at: instant_opt(row.delivered_at, TABLE, id)?,
        credits,
        kept_minor: row.kept_minor,
    };
    Ok((InvoiceId::from_uuid(row.invoice_id), line))
}
