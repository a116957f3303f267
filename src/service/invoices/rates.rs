//! Package rates (F3): what they are beforehand, and lines of invoices that are priced by them.
//!
//! A line that asks for package rates becomes one line for each rate, and one for the rest at its own price.
//! Those at a rate hold the units that they charge, and are held, used and given back as credits on lines are;
//! but money pays them.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::crediting::Credits;
use super::lines::{LinePricing, NewInvoiceLine, NewLineOf};
use crate::domain::credits;
use crate::domain::decide::{RatePart, RateQuery, rate};
use crate::domain::invoice::InvoiceLine;
use crate::domain::line::ItemFacts;
use crate::domain::refusal::Refusal;
use crate::ids::{CustomerId, InvoiceLineId, ItemId, Reference};
use crate::service::buyers::check_merged;
use crate::service::call::Call;
use crate::service::consume::past_expiry;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{explain, resolve};
use crate::store::{customers, items};

/// For whom, for what and when.
#[derive(Clone, Debug)]
pub struct RateQuestion {
    /// Whose packages.
    pub customer: Reference<CustomerId>,
    /// The item.
    pub item: Reference<ItemId>,
    /// How many units.
    pub units: credits::Credits,
    /// When it is delivered; none: now.
    pub at: Option<DateTime<Utc>>,
}

/// What units of an item would cost on an invoice.
#[derive(Clone, Debug)]
pub struct Rates {
    /// The units at package rates, in the order in which these are charged.
    pub parts: Vec<RatePart>,
    /// The units beyond.
    pub standard_units: credits::Credits,
    /// What one of those costs, in minor units; none: the item has no standard rate.
    pub standard_rate_minor: Option<i64>,
}

/// Which units of an item which package prices (`ResolveRate`).
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::ItemInactive`], and that of a customer who was merged.
pub async fn resolve(
    ctx: &Context,
    call: &Call,
    input: &RateQuestion,
) -> Result<Rates, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    let customer = customers::get(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    check_merged(&customer)?;
    let item_id = resolve::item(&txn, business_id, &input.item).await?;
    let item = items::get(&txn, business_id, item_id)
        .await?
        .ok_or_else(|| resolve::not_found("item", &input.item))?;
    let query = RateQuery {
        customer_id,
        item: ItemFacts {
            id: item.id,
            category: item.category,
            active: item.active,
        },
        units: input.units,
        at: input.at,
        past_expiry: past_expiry(call, input.at),
    };
    let parts = quote(&txn, call, &query, ctx.clock.now()).await?;
    txn.commit().await?;
    Ok(Rates {
        standard_units: rest(&parts, input.units)?,
        standard_rate_minor: item.standard_rate_minor,
        parts,
    })
}

async fn quote(
    txn: &DatabaseTransaction,
    call: &Call,
    query: &RateQuery,
    now: DateTime<Utc>,
) -> Result<Vec<RatePart>, ServiceError> {
    let facts = explain::facts(txn, call.business_id(), &query.taking(), now).await?;
    Ok(rate(&facts, query, &call.stamp(now))?)
}

/// The units that have no package rate.
fn rest(parts: &[RatePart], units: credits::Credits) -> Result<credits::Credits, Refusal> {
    let rest = parts
        .iter()
        .try_fold(units, |rest, part| rest.checked_sub(part.units));
    rest.ok_or(Refusal::AmountTooLarge)
}

/// Prices those of the `built` lines that ask for package rates, and does what is to be done to the credits on
/// lines until now first, since that may free units.
pub(super) async fn price(
    credits: &mut Credits<'_>,
    customer_id: CustomerId,
    new: &[NewInvoiceLine],
    built: Vec<InvoiceLine>,
) -> Result<Vec<InvoiceLine>, ServiceError> {
    let mut queries: Vec<(InvoiceLineId, RateQuery)> = Vec::new();
    for (new, line) in new.iter().zip(&built) {
        let Some(item_id) = line.item_id().filter(|_| asks(new, line)) else {
            continue;
        };
        let query = RateQuery {
            customer_id,
            item: credits.item(item_id).await?,
            units: line.quantity,
            at: line.delivered_at,
            past_expiry: past_expiry(credits.call, line.delivered_at),
        };
        queries.push((line.id, query));
    }
    let takings = queries.iter().map(|(id, query)| (*id, query.taking()));
    credits.lock(takings).await?;
    credits.flush().await?;
    let mut priced = Vec::with_capacity(built.len());
    for line in built {
        match queries.iter().find(|(id, _)| *id == line.id) {
            Some((_, query)) => priced.extend(split(credits, query, line).await?),
            None => priced.push(line),
        }
    }
    Ok(priced)
}

/// Whether a line is to be priced by package rates, and is not yet.
fn asks(new: &NewInvoiceLine, line: &InvoiceLine) -> bool {
    let at_rate =
        matches!(&new.of, NewLineOf::Item(item) if item.pricing == LinePricing::PackageRate);
    at_rate && line.credits.is_none()
}

/// The line as one for each package rate, whose units are held, and one for the rest.
async fn split(
    credits: &mut Credits<'_>,
    query: &RateQuery,
    line: InvoiceLine,
) -> Result<Vec<InvoiceLine>, ServiceError> {
    let parts = quote(credits.txn, credits.call, query, credits.now).await?;
    let rest = rest(&parts, line.quantity)?;
    let mut lines = Vec::with_capacity(parts.len().saturating_add(1));
    for part in &parts {
        let mut applied = credits.to_draft(part.units);
        applied.package_ids = vec![part.package_id];
        applied.rate_line_id = Some(part.line_id);
        lines.push(InvoiceLine {
            quantity: part.units,
            unit_price_minor: part.rate_minor,
            credits: Some(applied),
            ..line.clone()
        });
    }
    if rest > credits::Credits::ZERO {
        lines.push(InvoiceLine {
            quantity: rest,
            ..line.clone()
        });
    }
    // The first keeps the id of the line that they were.
    for other in lines.iter_mut().skip(1) {
        other.id = InvoiceLineId::generate(credits.now);
    }
    for made in &lines {
        credits.take(made, query.customer_id).await?;
    }
    credits.flush().await?;
    Ok(lines)
}
