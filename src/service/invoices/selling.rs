//! Packages that lines of invoices sell (C2): checked while the invoice is a draft, issued when each line says so,
//! paid when the invoice is, and taken back when it is voided.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::view;
use crate::domain::amend::Amendment;
use crate::domain::business::Business;
use crate::domain::credits::Credits;
use crate::domain::invoice::{Invoice, InvoiceLine, InvoiceState, PackageLine};
use crate::domain::package::Package;
use crate::domain::payment::Payable;
use crate::domain::refusal::Refusal;
use crate::domain::unsell::{UsedPart, take_back_unused};
use crate::ids::{HoldId, InvoiceLineId, PackageId, Reference, SaleId};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::sales::{self as selling, Agreed, Buyer, SaleEntry};
use crate::service::{charges, events, resolve, undo_sale};
use crate::store::{businesses, packages, sales};

/// Refuses an invoice whose packages could not be sold now.
///
/// # Errors
/// Those of a sale.
pub(super) async fn check(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    invoice: &Invoice,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let unsold = invoice.lines.iter();
    let unsold = unsold.filter(|line| line.package().is_some_and(|it| it.sold.is_none()));
    let entries = entries(invoice, unsold, now)?;
    selling::check(txn, call, business, &entries, now).await
}

/// Issues the packages that are due by what the invoice is now, and brings its sales and the packages that it
/// sold or used up to date; once it is paid, triggers hear of it, and nothing more is to be charged. `used_unpaid`
/// is what it had used and not paid before.
///
/// # Errors
/// Those of a sale.
pub(super) async fn follow(
    txn: &DatabaseTransaction,
    call: &Call,
    invoice: &mut Invoice,
    used_unpaid: &[HoldId],
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    issue_due(txn, call, invoice, now).await?;
    if invoice.state != InvoiceState::Void {
        for (sale_id, paid_minor) in invoice.paid_of_sales() {
            sales::put_paid(txn, invoice.business_id, sale_id, paid_minor).await?;
        }
    }
    let debts = debts(txn, invoice, used_unpaid).await?;
    let sold: BTreeSet<PackageId> = invoice.sold().map(|(_, it)| it.package_id).collect();
    let ids: BTreeSet<PackageId> = sold.iter().chain(debts.keys()).copied().collect();
    let ids: Vec<PackageId> = ids.into_iter().collect();
    for known in packages::lock(txn, invoice.business_id, &ids).await? {
        let debt = debts.get(&known.id).copied().unwrap_or_default();
        let mut package = Package {
            unpaid_uses: known.unpaid_uses.saturating_add(debt).max(0),
            ..known.clone()
        };
        if sold.contains(&package.id) {
            package.paid_at = paid_at(&package, invoice.state, now);
        }
        if package != known {
            packages::update(txn, &mut package).await?;
        }
    }
    if invoice.state == InvoiceState::Paid {
        events::invoice_paid(txn, invoice, now).await?;
    }
    if matches!(invoice.state, InvoiceState::Paid | InvoiceState::Void) {
        charges::withdraw(txn, call, Payable::Invoice(invoice.id), now).await?;
    }
    Ok(())
}

/// Takes back what is unused of the packages that the invoice sold, marks their sales as undone, and says what
/// stays charged for each line, in minor units without tax.
///
/// # Errors
/// Those of [`take_back_unused`].
pub(super) async fn take_back(
    ctx: &Context,
    txn: &DatabaseTransaction,
    call: &Call,
    (invoice, used): (&Invoice, UsedPart),
) -> Result<Vec<(InvoiceLineId, i64)>, ServiceError> {
    let mut ids: Vec<PackageId> = invoice.sold().map(|(_, it)| it.package_id).collect();
    ids.sort_unstable();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rule = |amendment: &mut Amendment<'_>| take_back_unused(amendment, used);
    let taking = undo_sale::take_all_back(ctx, txn, call, (&ids, ""), rule);
    let taken = taking.await?;
    let packages = taken.packages.iter().zip(taken.told);
    let kept = packages.filter_map(|(package, kept_minor)| {
        let line_id = package.invoice_line_id?;
        Some((line_id, kept_minor))
    });
    Ok(kept.collect())
}

/// Marks the sales of a voided invoice as undone, with what stays charged as their price.
pub(super) async fn mark_voided(
    txn: &DatabaseTransaction,
    invoice: &Invoice,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    for (line, sold) in invoice.sold() {
        let kept = match line.kept_minor {
            Some(_) => line.price(invoice.prices_include_tax),
            None => None,
        };
        let kept = kept.unwrap_or_default();
        sales::mark_undone_keeping(txn, invoice.business_id, sold.sale_id, kept, now).await?;
    }
    Ok(())
}

async fn issue_due(
    txn: &DatabaseTransaction,
    call: &Call,
    invoice: &mut Invoice,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let due = invoice.packages_due()?;
    if due.is_empty() {
        return Ok(());
    }
    let business_id = invoice.business_id;
    let business = businesses::get(txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let entries = entries(invoice, &due, now)?;
    let what = (invoice.id, entries.as_slice());
    for (line_id, sold) in selling::sell_invoiced(txn, call, &business, what, now).await? {
        invoice.issued_for(line_id, sold)?;
    }
    Ok(())
}

/// When a package that the invoice sold was paid.
fn paid_at(package: &Package, state: InvoiceState, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match state {
        InvoiceState::Paid => package.paid_at.or(Some(now)),
        InvoiceState::Draft | InvoiceState::Issued | InvoiceState::PartlyPaid => None,
        InvoiceState::Void => package.paid_at,
    }
}

/// By how much the uses that the invoice has not paid have become more, by packages.
async fn debts(
    txn: &DatabaseTransaction,
    invoice: &Invoice,
    before: &[HoldId],
) -> Result<BTreeMap<PackageId, i32>, ServiceError> {
    let after = invoice.used_unpaid();
    let mut debts = BTreeMap::new();
    for (ids, others, change) in [(after.as_slice(), before, 1), (before, &after, -1)] {
        let changed = ids.iter().filter(|id| !others.contains(id));
        let changed: Vec<HoldId> = changed.copied().collect();
        for package_id in view::packages_of(txn, invoice.business_id, &changed).await? {
            let debt: &mut i32 = debts.entry(package_id).or_default();
            *debt = debt.saturating_add(change);
        }
    }
    Ok(debts)
}

/// What lines sell, as entries of sales.
fn entries<'a>(
    invoice: &Invoice,
    lines: impl IntoIterator<Item = &'a InvoiceLine>,
    now: DateTime<Utc>,
) -> Result<Vec<SaleEntry>, Refusal> {
    let sells = lines
        .into_iter()
        .filter_map(|line| Some((line, line.package()?)));
    sells
        .map(|(line, package)| entry(invoice, line, package, now).ok_or(Refusal::AmountTooLarge))
        .collect()
}

/// What a line sells; `None` if a number leaves its range.
fn entry(
    invoice: &Invoice,
    line: &InvoiceLine,
    package: &PackageLine,
    now: DateTime<Utc>,
) -> Option<SaleEntry> {
    let (template_id, version) = package.template;
    let units = line.quantity.millionths();
    let units = units.checked_div(Credits::UNIT.millionths())?;
    let price = line.price(invoice.prices_include_tax)?;
    let price_minor = if invoice.prices_include_tax {
        price.total_minor
    } else {
        price.net_minor
    };
    Some(SaleEntry {
        buyer: Buyer::Customer(Reference::Id(invoice.customer_id)),
        members: Vec::new(),
        share_max: None,
        template: Reference::Id(template_id),
        external_id: None,
        start_date: None,
        validity_override: None,
        price_minor: Some(price_minor),
        quantity: Some(u32::try_from(units).ok()?),
        lines: Vec::new(),
        payment: None,
        charge: None,
        note: String::new(),
        agreed: Some(Agreed {
            version,
            price,
            sale_id: SaleId::generate(now),
            invoice_line_id: Some(line.id),
            is_paid: invoice.state == InvoiceState::Paid,
        }),
    })
}
