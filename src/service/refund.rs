//! What could be paid back for a package that is taken away, in the two ways of semantics 23. Nothing here
//! moves money: whoever pays back chooses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::catalog::Item;
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Entry};
use crate::domain::line::{ItemFacts, Line, LineKind};
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::revoke::LineLoss;
use crate::domain::sale::{LineWeight, Price, Sale};
use crate::domain::value;
use crate::ids::{ItemId, LineId};
use crate::service::error::ServiceError;
use crate::service::freezing::definition;
use crate::service::offers;
use crate::store::{entries, invoices, items, packages};

/// How many entries of a lot are read at a time.
const ENTRIES_PER_PAGE: u64 = 500;

/// What could be paid back, in minor units and with tax: never more than can be recorded as refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "each is money, in minor units")]
pub struct Refund {
    /// What was paid for the package.
    pub paid_minor: i64,
    /// The part of it that falls to the value that is lost.
    pub pro_rata_minor: i64,
    /// What was used, at today's standard rates.
    pub used_minor: i64,
    /// What was paid less that, not below 0.
    pub paid_less_used_minor: i64,
}

/// Credits of a line that were used for an item, or by hand.
type Used = BTreeMap<(LineId, Option<ItemId>), i64>;

/// What could be paid back for a package of which this would be lost.
///
/// `lots` are its lots as they are written, `unwritten` the entries that the preview adds to them.
pub(super) async fn of(
    txn: &DatabaseTransaction,
    package: &Package,
    (lots, unwritten): (&[Lot], &[Entry]),
    sale: Option<&Sale>,
    losses: &[LineLoss],
) -> Result<Refund, ServiceError> {
    let paid_minor = match sale {
        Some(sale) => paid(txn, package, sale).await?,
        None => 0,
    };
    let lost = losses
        .iter()
        .fold(0_i64, |sum, loss| sum.saturating_add(loss.value_minor));
    let pro_rata_minor = value::share(
        paid_minor,
        Credits::from_millionths(lost.min(package.net_price_minor)),
        Credits::from_millionths(package.net_price_minor),
    );
    let used_minor = used(txn, package, lots, unwritten).await?;
    let refundable_minor = refundable(txn, package, sale).await?;
    let pro_rata_minor = if lost == 0 { 0 } else { pro_rata_minor };
    let less_used_minor = paid_minor.saturating_sub(used_minor).max(0);
    Ok(Refund {
        paid_minor,
        pro_rata_minor: pro_rata_minor.min(refundable_minor),
        used_minor,
        paid_less_used_minor: less_used_minor.min(refundable_minor),
    })
}

/// What can be written down as refunded of the sale, or of the invoice that it is a line of.
async fn refundable(
    txn: &DatabaseTransaction,
    package: &Package,
    sale: Option<&Sale>,
) -> Result<i64, ServiceError> {
    let Some(sale) = sale else {
        return Ok(0);
    };
    let Some(invoiced) = sale.invoiced else {
        return Ok(sale.money.refundable());
    };
    let invoice = invoices::get(txn, package.business_id, invoiced.invoice_id).await?;
    Ok(invoice.map_or(0, |invoice| invoice.money.refundable()))
}

/// What was paid for one package of a sale: of its only one what was paid of the sale, of others all of it, or its share of what was paid for those that are not
/// paid in full.
async fn paid(
    txn: &DatabaseTransaction,
    package: &Package,
    sale: &Sale,
) -> Result<i64, ServiceError> {
    if sale.package_ids == [package.id] {
        return Ok(sale.paid_minor());
    }
    let mut left = sale.paid_minor();
    let mut unpaid = Vec::new();
    for other in packages::of_sale(txn, package.business_id, sale.id).await? {
        let total_minor = total(txn, &other).await?;
        if other.paid_at.is_none() {
            unpaid.push((other.id, total_minor));
        } else if other.id == package.id {
            return Ok(total_minor);
        } else {
            left = left.saturating_sub(total_minor).max(0);
        }
    }
    let weights: Vec<i128> = unpaid.iter().map(|(_, total)| i128::from(*total)).collect();
    let shares = value::allocate(left, &weights);
    let own = unpaid
        .iter()
        .zip(shares)
        .find(|((id, _), _)| *id == package.id);
    Ok(own.map_or(0, |((_, total), share)| share.min(*total)))
}

/// The agreed price with tax.
async fn total(txn: &DatabaseTransaction, package: &Package) -> Result<i64, ServiceError> {
    if package.net_price_minor != package.price_minor {
        // The tax is in it.
        return Ok(package.price_minor);
    }
    let tax = tax_basis_points(txn, package).await?;
    let price = Price::of(package.price_minor, tax, false);
    Ok(price.map_or(package.price_minor, |price| price.total_minor))
}

/// The tax of the template in the version that the package was sold with, in hundredths of a percent.
pub(super) async fn tax_basis_points(
    txn: &DatabaseTransaction,
    package: &Package,
) -> Result<i32, ServiceError> {
    let sold_as = definition(txn, package).await?;
    Ok(sold_as.map_or(0, |definition| definition.tax_basis_points))
}

/// What was used and not undone, at the standard rate of each item; what was used by hand, at that of the
/// line's dearest item. Items without a rate count as nothing.
async fn used(
    txn: &DatabaseTransaction,
    package: &Package,
    lots: &[Lot],
    unwritten: &[Entry],
) -> Result<i64, ServiceError> {
    let mut used = Used::new();
    let mut lines: BTreeMap<LineId, Arc<Line>> = BTreeMap::new();
    // What a rate line priced was paid on an invoice.
    for lot in lots.iter().filter(|lot| lot.line.kind == LineKind::Prepaid) {
        lines.insert(lot.line.id, Arc::clone(&lot.line));
        if lot.fold.balances.consumed > Credits::ZERO {
            count(txn, lot, &mut used).await?;
        }
        let unwritten = unwritten.iter();
        for entry in unwritten.filter(|entry| entry.lot_id == lot.id) {
            add(&mut used, lot, entry);
        }
    }
    let item_ids = used.keys().filter_map(|(_, item_id)| *item_id);
    let known = items::by_ids(txn, package.business_id, item_ids).await?;
    let known: HashMap<ItemId, Item> = known.into_iter().map(|item| (item.id, item)).collect();
    let lines: Vec<Arc<Line>> = lines.into_values().collect();
    let weights = offers::weighed(txn, package.business_id, &lines).await?;
    let costs = used.iter().filter_map(|((line_id, item_id), amount)| {
        let (line, weight) = weights.iter().find(|(line, _)| line.id == *line_id)?;
        let item = item_id.and_then(|id| known.get(&id));
        let (rate, per_unit) = rate(line, weight, item)?;
        Some(value::share(
            rate,
            Credits::from_millionths(*amount),
            per_unit,
        ))
    });
    Ok(costs.fold(0, i64::saturating_add))
}

/// What so many credits of a line are worth by the standard rate.
fn rate(line: &Line, weight: &LineWeight, item: Option<&Item>) -> Option<(i64, Credits)> {
    let Some(item) = item else {
        return weight.dearest;
    };
    let facts = ItemFacts {
        id: item.id,
        category: item.category.clone(),
        active: item.active,
    };
    item.standard_rate_minor.zip(line.credits_per_unit(&facts))
}

/// Adds up what the entries of a lot used.
async fn count(txn: &DatabaseTransaction, lot: &Lot, used: &mut Used) -> Result<(), ServiceError> {
    let mut next = lot.tail.last;
    while let Some(key) = next {
        let page = entries::chain(txn, lot.business_id, key, ENTRIES_PER_PAGE).await?;
        for entry in &page {
            add(used, lot, entry);
        }
        next = page.last().and_then(|oldest| oldest.previous);
    }
    Ok(())
}

fn add(used: &mut Used, lot: &Lot, entry: &Entry) {
    let sum = used.entry((lot.line.id, entry.about.item_id));
    let sum = sum.or_default();
    *sum = sum.saturating_add(consumed(entry));
}

/// By how much an entry raises what is used, in millionths.
fn consumed(entry: &Entry) -> i64 {
    let amount = entry.amount.millionths();
    match (entry.from, entry.to) {
        (_, Account::Consumed) => amount,
        (Account::Consumed, _) => amount.saturating_neg(),
        _ => 0,
    }
}
