//! Lines of invoices, from what a caller says of them.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::credits::Credits;
use crate::domain::invoice::{InvoiceLine, LineOf, PackageLine};
use crate::domain::permission::Permission;
use crate::domain::refusal::{InvoiceRefusal, Refusal};
use crate::ids::{InvoiceLineId, ItemId, Reference, TemplateId};
use crate::service::call::Call;
use crate::service::error::ServiceError;
use crate::service::{offers, resolve};
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
    /// What is asked money for.
    pub of: NewLineOf,
    /// What the customer reads.
    pub description: String,
    /// What one unit costs, in minor units; none: the item's standard rate or the template's price, or what it
    /// cost before.
    pub unit_price_minor: Option<i64>,
}

/// What a caller asks money for.
#[derive(Clone, Debug)]
pub enum NewLineOf {
    /// An item that is delivered.
    Item(NewItem),
    /// A package that is sold.
    Package {
        /// Of which template; its tax is the line's.
        template: Reference<TemplateId>,
        /// How many units of it; none: the least that is offered.
        quantity: Option<u32>,
    },
}

/// An item that is delivered.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// Which one.
    pub item: Reference<ItemId>,
    /// How many units.
    pub quantity: Credits,
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
    call: &Call,
    (business, now): (&Business, DateTime<Utc>),
    new: &[NewInvoiceLine],
    before: &[InvoiceLine],
) -> Result<Vec<InvoiceLine>, ServiceError> {
    let builder = Builder {
        txn,
        call,
        business,
        now,
    };
    let mut built = Vec::with_capacity(new.len());
    for line in new {
        let earlier = match line.id {
            Some(id) => Some(
                before
                    .iter()
                    .find(|it| it.id == id)
                    .ok_or_else(|| resolve::not_found("invoice line", &id))?,
            ),
            None => None,
        };
        built.push(match &line.of {
            NewLineOf::Item(new) => builder.of_item(line, new, earlier).await?,
            NewLineOf::Package { template, quantity } => {
                builder
                    .of_package(line, template, *quantity, earlier)
                    .await?
            }
        });
    }
    Ok(built)
}

/// What all lines are built with.
struct Builder<'a> {
    txn: &'a DatabaseTransaction,
    call: &'a Call,
    business: &'a Business,
    now: DateTime<Utc>,
}

impl Builder<'_> {
    async fn of_item(
        &self,
        line: &NewInvoiceLine,
        new: &NewItem,
        earlier: Option<&InvoiceLine>,
    ) -> Result<InvoiceLine, ServiceError> {
        let business_id = self.business.id;
        let item_id = resolve::item(self.txn, business_id, &new.item).await?;
        let item = items::get(self.txn, business_id, item_id)
            .await?
            .ok_or_else(|| resolve::not_found("item", &new.item))?;
        let agreed = earlier.filter(|it| it.item_id() == Some(item_id) && keeps_price(it, new));
        let unit_price_minor = line
            .unit_price_minor
            .or(agreed.map(|it| it.unit_price_minor))
            .or(item.standard_rate_minor)
            .ok_or_else(|| Refusal::from(InvoiceRefusal::PriceMissing { item_id }))?;
        let mut made = InvoiceLine {
            id: self.id(earlier),
            of: LineOf::Item(item_id),
            description: line.description.clone(),
            quantity: new.quantity,
            unit_price_minor,
            tax_basis_points: new.tax_basis_points,
            delivered_at: new.delivered_at,
            credits: None,
            kept_minor: None,
        };
        made.credits = earlier
            .filter(|it| is_same(it, &made))
            .and_then(|it| it.credits.clone());
        Ok(made)
    }

    /// A line of a template, in the version of now; one that asks for the same as before stays with the version
    /// and price that were agreed on. Another price is for those who may sell at one (A9).
    async fn of_package(
        &self,
        line: &NewInvoiceLine,
        template: &Reference<TemplateId>,
        quantity: Option<u32>,
        earlier: Option<&InvoiceLine>,
    ) -> Result<InvoiceLine, ServiceError> {
        let template = offers::template(self.txn, self.business.id, template).await?;
        let definition = &template.definition;
        let units = quantity.unwrap_or_else(|| definition.pricing.least());
        let quantity = Credits::UNIT.checked_times(i64::from(units));
        let mut made = InvoiceLine {
            id: self.id(earlier),
            of: LineOf::Package(PackageLine {
                template: (template.id, definition.number),
                issue_when: definition
                    .selling
                    .issue_when
                    .unwrap_or(self.business.invoicing.issue_when),
                sold: None,
            }),
            description: line.description.clone(),
            quantity: quantity.ok_or(Refusal::AmountTooLarge)?,
            unit_price_minor: definition
                .pricing
                .priced(definition.price_minor, units)?
                .unit_price_minor,
            tax_basis_points: definition.tax_basis_points,
            delivered_at: None,
            credits: None,
            kept_minor: None,
        };
        let is_of_template = |it: &&InvoiceLine| {
            it.quantity == made.quantity
                && it
                    .package()
                    .is_some_and(|package| package.template.0 == template.id)
        };
        if let Some(agreed) = earlier.filter(is_of_template) {
            made = InvoiceLine {
                description: made.description,
                ..agreed.clone()
            };
        }
        if let Some(price) = line.unit_price_minor
            && price != made.unit_price_minor
        {
            if !definition.selling.is_freestyle {
                self.call.require(Permission::PackagesOverridePrice)?;
            }
            made.unit_price_minor = price;
        }
        Ok(made)
    }

    fn id(&self, earlier: Option<&InvoiceLine>) -> InvoiceLineId {
        earlier.map_or_else(|| InvoiceLineId::generate(self.now), |it| it.id)
    }
}

/// Whether the price that was agreed before goes on: a package rate only for the very units that it counted.
fn keeps_price(before: &InvoiceLine, new: &NewItem) -> bool {
    let counted = before.credits.as_ref();
    counted.is_none_or(|it| it.rate_line_id.is_none())
        || (before.quantity == new.quantity
            && before.tax_basis_points == new.tax_basis_points
            && before.delivered_at == new.delivered_at)
}

/// Whether a line asks for the same as before, however it is described.
fn is_same(before: &InvoiceLine, line: &InvoiceLine) -> bool {
    before.of == line.of
        && before.quantity == line.quantity
        && before.unit_price_minor == line.unit_price_minor
        && before.tax_basis_points == line.tax_basis_points
        && before.delivered_at == line.delivered_at
}
