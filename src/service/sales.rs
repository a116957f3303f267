//! Selling packages (C1, C3, C4, C9): all entries of a call, or none. What the payment system is to charge, and what
//! waits for that, is `charging`.

mod charging;
pub mod paying;
mod plan;
mod queueing;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::business::Business;
use crate::domain::extend::NewLot;
use crate::domain::invoice::LineSale;
use crate::domain::line::Line;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::notice::NoticeKind;
use crate::domain::offer::ValidityOverride;
use crate::domain::package::Package;
use crate::domain::payment::{MoneyKind, PaymentMethod, Takings};
use crate::domain::posting::Posting;
use crate::domain::sale::{Invoiced, Price, Sale};
use crate::ids::{
    CustomerId, GroupId, InvoiceId, InvoiceLineId, PackageId, Reference, SaleId, TemplateId,
};
use crate::ledger::post;
use crate::ledger::tell::{self, Occasion};
use crate::service::buyers::Buyers;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::template_lines::NewLine;
use crate::service::{events, resolve};
use crate::store::error::StoreError;
use crate::store::{businesses, lines, package_members, packages, sales};
use plan::Planned;

/// Who buys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Buyer {
    /// A customer.
    Customer(Reference<CustomerId>),
    /// A group, for its members.
    Group(Reference<GroupId>),
}

/// One package to sell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SaleEntry {
    /// Who buys.
    pub buyer: Buyer,
    /// Who shares the package with the customer who buys it.
    pub members: Vec<Reference<CustomerId>>,
    /// Another number of customers who may share it than the template's.
    pub share_max: Option<i32>,
    /// What is sold.
    pub template: Reference<TemplateId>,
    /// The caller's own id of the package.
    pub external_id: Option<String>,
    /// From which local day on it can be used; none: from now on.
    pub start_date: Option<NaiveDate>,
    /// Another validity than the template's.
    pub validity_override: Option<ValidityOverride>,
    /// Another price than the template's, in minor units.
    pub price_minor: Option<i64>,
    /// How many units; none: the least that is offered.
    pub quantity: Option<u32>,
    /// Other lines than the template's; none: those.
    pub lines: Vec<NewLine>,
    /// What was paid.
    pub payment: Option<PaymentEntry>,
    /// What the payment system is to charge.
    pub charge: Option<ChargeEntry>,
    /// For staff.
    pub note: String,
    /// What was agreed on before; none: it is agreed on now.
    pub agreed: Option<Agreed>,
}

/// What was agreed on before a package is issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agreed {
    /// The template's version.
    pub version: i32,
    /// The price in its parts.
    pub price: Price,
    /// The sale that it is to be.
    pub sale_id: SaleId,
    /// The line of an invoice that it is sold by, if it is.
    pub invoice_line_id: Option<InvoiceLineId>,
    /// Whether all of it is paid.
    pub is_paid: bool,
}

/// What was paid for one package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentEntry {
    /// How.
    pub method: PaymentMethod,
    /// How much, in minor units; none: all of it.
    pub amount_minor: Option<i64>,
    /// The receipt's or transfer's number.
    pub reference: String,
}

/// What the payment system is to charge for one package.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ChargeEntry {
    /// How much, in minor units; none: all of it.
    pub amount_minor: Option<i64>,
}

/// What was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// What became of each entry, in their order.
    pub entries: Vec<SoldEntry>,
    /// One sale for each customer.
    pub sales: Vec<Sale>,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoldEntry {
    /// The sale that it became a part of.
    pub sale_id: Option<SaleId>,
    /// The package; none: it waits to be paid.
    pub package: Option<PackageView>,
}

/// Sells packages.
///
/// # Errors
/// [`ServiceError::EntriesRefused`] with every refused entry; nothing is sold then. A lack of
/// [`Permission::PackagesOverridePrice`](crate::domain::permission::Permission::PackagesOverridePrice) refuses the whole call.
pub async fn sell(
    ctx: &Context,
    call: &Call,
    entries: &[SaleEntry],
) -> Result<Answer<Sold>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let buyers = Buyers::lock(&txn, business_id, entries).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let now = ctx.clock.now();
    let planned = plan::plan_all(&txn, call, &business, entries, &buyers, now).await?;
    let stamp = call.stamp(now);
    let mut sales = sales_of(&planned, &stamp, now);
    let request_id = call.request_id.unwrap_or_default();
    sales::insert(&txn, business_id, request_id, &sales).await?;
    charging::request(&txn, (&business, now), entries, &planned, &mut sales).await?;
    let issuing = issue(&txn, call, (&business, &stamp), (&planned, &sales));
    let posting = issuing.await?;
    call.post(&txn, &posting, &notes(entries)).await?;
    let sold = sold(planned, sales, &posting, &business, now);
    call.remember(&txn, &sold).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(sold))
}

/// Whether what was agreed on could be sold now.
///
/// # Errors
/// Those of a sale of the first entry that could not.
pub(super) async fn check(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    entries: &[SaleEntry],
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    if entries.is_empty() {
        return Ok(());
    }
    let buyers = Buyers::lock(txn, business.id, entries).await?;
    plan::check(txn, call, business, entries, &buyers, now).await
}

/// Sells what was agreed on by the lines of an invoice, each as a sale of its own, and says what became of
/// each line.
///
/// # Errors
/// Those of a sale of the first entry that cannot be sold.
pub(super) async fn sell_invoiced(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    (invoice_id, entries): (InvoiceId, &[SaleEntry]),
    now: DateTime<Utc>,
) -> Result<Vec<(InvoiceLineId, LineSale)>, ServiceError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let buyers = Buyers::lock(txn, business.id, entries).await?;
    let planned = plan::plan_agreed(txn, call, business, entries, &buyers, now).await?;
    let stamp = call.stamp(now);
    let mut sales = sales_of(&planned, &stamp, now);
    let mut sold = Vec::with_capacity(planned.len());
    for (plan, sale) in planned.iter().zip(&mut sales) {
        let Some(line_id) = plan.package.invoice_line_id else {
            continue;
        };
        sale.invoiced = Some(Invoiced {
            invoice_id,
            line_id,
            paid_minor: 0,
        });
        let (sale_id, package_id) = (sale.id, plan.package.id);
        let line_sale = LineSale {
            sale_id,
            package_id,
        };
        sold.push((line_id, line_sale));
    }
    let request_id = call.request_id.unwrap_or_default();
    sales::insert(txn, business.id, request_id, &sales).await?;
    let issuing = issue(txn, call, (business, &stamp), (&planned, &sales));
    let posting = issuing.await?;
    call.post(txn, &posting, "").await?;
    Ok(sold)
}

/// Writes what was planned of sales that are written, and tells of it; the posting that issues it comes back, to be
/// written. What waits to be paid is left.
async fn issue(
    txn: &DatabaseTransaction,
    call: &Call,
    (business, stamp): (&Business, &Stamp),
    (planned, sales): (&[Planned], &[Sale]),
) -> Result<Posting, ServiceError> {
    let now = stamp.now;
    let planned: Vec<&Planned> = planned.iter().filter(|it| it.waits.is_none()).collect();
    let posting = post::issue(stamp, planned.iter().copied().map(to_issue))?;
    write(txn, call, &planned).await?;
    package_members::add(txn, business.id, &shared_with(&planned), now).await?;
    let occasions: Vec<Occasion> = sales.iter().map(|sale| occasion(sale, &planned)).collect();
    tell::queue(txn, business, NoticeKind::Confirmation, &occasions, now).await?;
    let packages: Vec<&Package> = planned.iter().map(|plan| &plan.package).collect();
    events::sold(txn, business.id, &packages, now).await?;
    Ok(posting)
}

/// One sale.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub async fn get(ctx: &Context, call: &Call, id: &SaleId) -> Result<Sale, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let found = sales::get(&txn, call.business_id(), *id).await?;
    txn.commit().await?;
    let sale = found.ok_or_else(|| resolve::not_found("sale", id))?;
    Ok(sale.as_of(ctx.clock.now()))
}

/// Who may use which package besides the customer in it.
fn shared_with(planned: &[&Planned]) -> Vec<(CustomerId, PackageId)> {
    let members = |plan: &&Planned| {
        let package_id = plan.package.id;
        plan.members
            .clone()
            .into_iter()
            .map(move |id| (id, package_id))
    };
    planned.iter().flat_map(members).collect()
}

fn to_issue(planned: &Planned) -> (Package, Vec<NewLot>) {
    (planned.package.clone(), planned.lots.clone())
}

/// The sales of a call: one for each customer, in the order of their first entries.
fn sales_of(planned: &[Planned], stamp: &Stamp, now: DateTime<Utc>) -> Vec<Sale> {
    let mut sales: Vec<Sale> = Vec::new();
    for plan in planned {
        let Some(sale_id) = plan.package.sale_id else {
            continue;
        };
        if sales.iter().all(|sale| sale.id != sale_id) {
            sales.push(Sale {
                id: sale_id,
                customer_id: plan.package.customer_id,
                group_id: plan.package.group_id,
                package_ids: Vec::new(),
                list_price_minor: 0,
                price: Price::default(),
                money: Takings::default(),
                sold_by: stamp.actor,
                sold_at: now,
                undone_at: None,
                charges: Vec::new(),
                invoiced: None,
            });
        }
        if let Some(sale) = sales.iter_mut().find(|sale| sale.id == sale_id) {
            if plan.waits.is_none() {
                sale.package_ids.push(plan.package.id);
            }
            sale.list_price_minor = sale
                .list_price_minor
                .saturating_add(plan.package.list_price_minor);
            sale.price = sale.price.checked_add(plan.price).unwrap_or(sale.price);
            if let Some(payment) = &plan.payment {
                sale.money.add(MoneyKind::Payment, payment.clone());
            }
        }
    }
    sales
}

async fn write(
    txn: &DatabaseTransaction,
    call: &Call,
    planned: &[&Planned],
) -> Result<(), ServiceError> {
    let business_id = call.business_id();
    let own: Vec<Arc<Line>> = planned
        .iter()
        .flat_map(|plan| plan.own_lines.iter().cloned())
        .collect();
    lines::insert(txn, business_id, None, &own).await?;
    let new: Vec<Package> = planned.iter().map(|plan| plan.package.clone()).collect();
    packages::insert(txn, &new).await.map_err(|error| {
        if matches!(error, StoreError::Taken(_)) {
            // Another call was faster with an external id: tried again, this one finds out whose entry
            // is refused for it.
            ServiceError::Contention(error)
        } else {
            error.into()
        }
    })
}

/// The notes of all entries, as the one note of their posting.
fn notes(entries: &[SaleEntry]) -> String {
    match entries {
        [only] => only.note.clone(),
        _ => entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.note.is_empty())
            .map(|(index, entry)| format!("[{index}] {}", entry.note))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// What a sale tells its customer of.
fn occasion<'a>(sale: &Sale, planned: &[&'a Planned]) -> Occasion<'a> {
    let packages = planned.iter().map(|plan| &plan.package);
    Occasion {
        name: sale.id.to_string(),
        customer_id: sale.customer_id,
        packages: packages
            .filter(|package| package.sale_id == Some(sale.id))
            .collect(),
    }
}

fn sold(
    planned: Vec<Planned>,
    sales: Vec<Sale>,
    posting: &Posting,
    business: &Business,
    now: DateTime<Utc>,
) -> Sold {
    let entries = planned.into_iter().map(|plan| {
        let sale_id = plan.package.sale_id;
        if plan.waits.is_some() {
            let package = None;
            return SoldEntry { sale_id, package };
        }
        let lots: Vec<Lot> = posting
            .lots
            .iter()
            .filter(|lot| lot.package_id == plan.package.id)
            .cloned()
            .collect();
        let package = PackageView {
            members: plan.members,
            ..view(&plan.package, &lots, business, now)
        };
        SoldEntry {
            sale_id,
            package: Some(package),
        }
    });
    Sold {
        entries: entries.collect(),
        sales,
    }
}
