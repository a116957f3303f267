//! What a quantity of a template costs (A8). Nothing is kept: the same rules price the sale.

use crate::domain::catalog::Template;
use crate::domain::pricing::{Cheaper, Priced};
use crate::domain::refusal::{Refusal, SellingRefusal};
use crate::domain::sale::Price;
use crate::ids::{Reference, TemplateId};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{offers, resolve};
use crate::store::{businesses, templates};

/// What is asked.
#[derive(Clone, Debug)]
pub struct QuoteEntry {
    /// Which template.
    pub template: Reference<TemplateId>,
    /// How many units; none: the least.
    pub quantity: Option<u32>,
}

/// What a quantity of a template costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The template.
    pub template_id: TemplateId,
    /// The version of it that was asked.
    pub template_version: i32,
    /// Tier and prices as the business writes them.
    pub priced: Priced,
    /// The parts of the price.
    pub price: Price,
    /// The next tier above whose unit price is lower, and the price of what reaches it.
    pub cheaper: Option<(Cheaper, Price)>,
}

/// Says what a quantity costs.
///
/// # Errors
/// [`Refusal::NotFound`], and those of `offers::check_active` and of
/// [`Pricing::check`](crate::domain::pricing::Pricing::check).
pub async fn quote(ctx: &Context, call: &Call, input: &QuoteEntry) -> Result<Quote, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let business_id = call.business_id();
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let id = resolve::template(&txn, business_id, &input.template).await?;
    let template = templates::get(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("template", &input.template))?;
    txn.commit().await?;
    offers::check_active(&template)?;
    Ok(of_template(
        &template,
        input.quantity,
        business.prices_include_tax,
    )?)
}

fn of_template(
    template: &Template,
    quantity: Option<u32>,
    includes_tax: bool,
) -> Result<Quote, Refusal> {
    let definition = &template.definition;
    let pricing = &definition.pricing;
    if pricing.is_subscription_only {
        return Err(SellingRefusal::SubscriptionOnly {
            template_id: template.id,
        }
        .into());
    }
    let quantity = quantity.unwrap_or_else(|| pricing.least());
    pricing.check(template.id, quantity)?;
    let in_parts = |price_minor| {
        Price::of(price_minor, definition.tax_basis_points, includes_tax)
            .ok_or(Refusal::AmountTooLarge)
    };
    let priced = pricing.priced(definition.price_minor, quantity)?;
    let cheaper = match pricing.cheaper(&priced)? {
        Some(cheaper) => Some((cheaper, in_parts(cheaper.price_minor)?)),
        None => None,
    };
    Ok(Quote {
        template_id: template.id,
        template_version: definition.number,
        priced,
        price: in_parts(priced.price_minor)?,
        cheaper,
    })
}
