//! Lines of invoices, from what a caller says of them.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::credits::Credits;
use crate::domain::invoice::InvoiceLine;
use crate::domain::refusal::{InvoiceRefusal, Refusal};
use crate::ids::{BusinessId, InvoiceLineId, ItemId, Reference};
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::items;

/// What a line costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinePricing {
    /// The price that is given, or the standard rate.
    Standard,
    /// The rates of the customer's packages while they have units, then as [`Standard`](Self::Standard).
    PackageRate,
}

/// What a caller says of a line.
#[derive(Clone, Debug)]
pub struct NewInvoiceLine {
    /// The line that it was before; none: a new one.
    pub id: Option<InvoiceLineId>,
    /// What was delivered.
    pub item: Reference<ItemId>,
    /// What the customer reads.
    pub description: String,
    /// How many units.
    pub quantity: Credits,
    /// What one unit costs, in minor units; none: the item's standard rate, or what it cost before.
    pub unit_price_minor: Option<i64>,
    /// The tax, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// When it was or will be delivered; none: whenever it is charged.
    pub delivered_at: Option<DateTime<Utc>>,
    /// What it costs.
    pub pricing: LinePricing,
}

/// The lines of an invoice that had the lines `before`. One that stays as it was keeps its credits.
pub(super) async fn build(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    new: &[NewInvoiceLine],
    before: &[InvoiceLine],
    now: DateTime<Utc>,
) -> Result<Vec<InvoiceLine>, ServiceError> {
    let mut built = Vec::with_capacity(new.len());
    for line in new {
        let item_id = resolve::item(txn, business_id, &line.item).await?;
        let item = items::get(txn, business_id, item_id)
            .await?
            .ok_or_else(|| resolve::not_found("item", &line.item))?;
        let earlier = match line.id {
            Some(id) => Some(
                before
                    .iter()
                    .find(|it| it.id == id)
                    .ok_or_else(|| resolve::not_found("invoice line", &id))?,
            ),
            None => None,
        };
        let agreed = earlier.filter(|it| it.item_id == item_id && keeps_price(it, line));
        let unit_price_minor = line
            .unit_price_minor
            .or(agreed.map(|it| it.unit_price_minor))
            .or(item.standard_rate_minor)
            .ok_or_else(|| Refusal::from(InvoiceRefusal::PriceMissing { item_id }))?;
        let mut made = InvoiceLine {
            id: earlier.map_or_else(|| InvoiceLineId::generate(now), |it| it.id),
            item_id,
            description: line.description.clone(),
            quantity: line.quantity,
            unit_price_minor,
            tax_basis_points: line.tax_basis_points,
            delivered_at: line.delivered_at,
            credits: None,
        };
        made.credits = earlier
            .filter(|it| is_same(it, &made))
            .and_then(|it| it.credits.clone());
        built.push(made);
    }
    Ok(built)
}

/// Whether the price that was agreed before goes on: a package rate only for the very units that it counted.
fn keeps_price(before: &InvoiceLine, line: &NewInvoiceLine) -> bool {
    let counted = before.credits.as_ref();
    counted.is_none_or(|it| it.rate_line_id.is_none())
        || (before.quantity == line.quantity
            && before.tax_basis_points == line.tax_basis_points
            && before.delivered_at == line.delivered_at)
}

/// Whether a line asks for the same as before, however it is described.
fn is_same(before: &InvoiceLine, line: &InvoiceLine) -> bool {
    before.item_id == line.item_id
        && before.quantity == line.quantity
        && before.unit_price_minor == line.unit_price_minor
        && before.tax_basis_points == line.tax_basis_points
        && before.delivered_at == line.delivered_at
}
