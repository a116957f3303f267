//! Selling packages (C1, C3, C4, C9): all entries of a call, or none.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::business::Business;
use crate::domain::customer::Customer;
use crate::domain::extend::NewLot;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::offer::ValidityOverride;
use crate::domain::package::Package;
use crate::domain::permission::Permission;
use crate::domain::posting::Posting;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{Payment, PaymentMethod, Price, Sale};
use crate::ids::{CustomerId, PaymentId, Reference, SaleId, TemplateId};
use crate::ledger::post;
use crate::service::call::{Answer, Call};
use crate::service::confirmation::queue_confirmation;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::{offers, resolve};
use crate::store::error::StoreError;
use crate::store::{businesses, customers, packages, sales};

/// One package to sell.
#[derive(Clone, Debug)]
pub struct SaleEntry {
    /// Who buys.
    pub customer: Reference<CustomerId>,
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
    /// What was paid.
    pub payment: Option<PaymentEntry>,
    /// For staff.
    pub note: String,
}

/// What was paid for one package.
#[derive(Clone, Debug)]
pub struct PaymentEntry {
    /// How.
    pub method: PaymentMethod,
    /// How much, in minor units; none: all of it.
    pub amount_minor: Option<i64>,
    /// The receipt's or transfer's number.
    pub reference: String,
}

/// What was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// One package for each entry, in their order.
    pub packages: Vec<PackageView>,
    /// One sale for each customer.
    pub sales: Vec<Sale>,
}

/// An entry that can be sold.
struct Planned {
    package: Package,
    lots: Vec<NewLot>,
    price: Price,
    payment: Option<Payment>,
}

/// Sells packages.
///
/// # Errors
/// [`ServiceError::EntriesRefused`] with every refused entry; nothing is sold then. A lack of
/// [`Permission::PackagesOverridePrice`] refuses the whole call.
pub async fn sell(
    ctx: &Context,
    call: &Call,
    entries: &[SaleEntry],
) -> Result<Answer<Sold>, ServiceError> {
    let overrides =
        |entry: &SaleEntry| entry.price_minor.is_some() || entry.validity_override.is_some();
    if entries.iter().any(overrides) {
        call.require(Permission::PackagesOverridePrice)?;
    }
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let buyers = lock_buyers(&txn, call, entries).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let now = ctx.clock.now();
    let planned = plan_all(&txn, &business, entries, &buyers, now).await?;
    let stamp = call.stamp(now);
    let posting = post::issue(&stamp, planned.iter().map(to_issue))?;
    let sales = sales_of(&planned, &stamp, now);
    write(&txn, call, &planned, &sales).await?;
    call.post(&txn, &posting, &notes(entries)).await?;
    for sale in &sales {
        let bought: Vec<Package> = of_sale(&planned, sale.id);
        let occasion = sale.id.to_string();
        let customer_id = sale.customer_id;
        queue_confirmation(&txn, &business, customer_id, &bought, &occasion, now).await?;
    }
    let sold = sold(planned, sales, &posting, &business, now);
    call.remember(&txn, &sold).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(sold))
}

/// One sale.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(ctx: &Context, call: &Call, id: &SaleId) -> Result<Sale, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let found = sales::get(&txn, call.business_id(), *id).await?;
    txn.commit().await?;
    found.ok_or_else(|| resolve::not_found("sale", id).into())
}

/// The customers of all entries, held against changes, in the order of their ids; one that does not
/// exist is found out entry by entry.
async fn lock_buyers(
    txn: &DatabaseTransaction,
    call: &Call,
    entries: &[SaleEntry],
) -> Result<BTreeMap<CustomerId, Customer>, ServiceError> {
    let mut ids = Vec::with_capacity(entries.len());
    for entry in entries {
        match resolve::customer(txn, call.business_id(), &entry.customer).await {
            Ok(id) => ids.push(id),
            Err(ServiceError::Refused(Refusal::NotFound { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let mut buyers = BTreeMap::new();
    for id in ids {
        if let Some(customer) = customers::share(txn, call.business_id(), id).await? {
            buyers.insert(id, customer);
        }
    }
    Ok(buyers)
}

async fn plan_all(
    txn: &DatabaseTransaction,
    business: &Business,
    entries: &[SaleEntry],
    buyers: &BTreeMap<CustomerId, Customer>,
    now: DateTime<Utc>,
) -> Result<Vec<Planned>, ServiceError> {
    let mut planned = Vec::with_capacity(entries.len());
    let mut refusals = Vec::new();
    let mut sale_ids: BTreeMap<CustomerId, SaleId> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let result = match buyer(txn, business, &entry.customer, buyers).await {
            Ok(customer) => {
                let sale_id = *sale_ids
                    .entry(customer.id)
                    .or_insert_with(|| SaleId::generate(now));
                plan(txn, business, entry, (customer, sale_id), now).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(plan) => planned.push(plan),
            Err(ServiceError::Refused(refusal)) => refusals.push((index, refusal)),
            Err(error) => return Err(error),
        }
    }
    match ServiceError::of_entries(refusals) {
        Some(refused) => Err(refused),
        None => Ok(planned),
    }
}

/// A customer who may get a package: only active ones may (B2).
async fn buyer<'a>(
    txn: &DatabaseTransaction,
    business: &Business,
    reference: &Reference<CustomerId>,
    buyers: &'a BTreeMap<CustomerId, Customer>,
) -> Result<&'a Customer, ServiceError> {
    let id = resolve::customer(txn, business.id, reference).await?;
    let customer = buyers
        .get(&id)
        .ok_or_else(|| resolve::not_found("customer", reference))?;
    if !customer.active {
        return Err(Refusal::CustomerInactive { customer_id: id }.into());
    }
    Ok(customer)
}

async fn plan(
    txn: &DatabaseTransaction,
    business: &Business,
    entry: &SaleEntry,
    (customer, sale_id): (&Customer, SaleId),
    now: DateTime<Utc>,
) -> Result<Planned, ServiceError> {
    if let Some(external_id) = &entry.external_id
        && packages::by_external_id(txn, business.id, external_id)
            .await?
            .is_some()
    {
        return Err(Refusal::ExternalIdTaken {
            kind: "package",
            external_id: external_id.clone(),
        }
        .into());
    }
    let template = offers::template(txn, business.id, &entry.template).await?;
    let mut offer = offers::of_template(txn, business.id, &template, customer.id).await?;
    offer.price_minor = entry.price_minor.unwrap_or(offer.price_minor);
    offer.price = Price::of(
        offer.price_minor,
        template.definition.tax_basis_points,
        business.prices_include_tax,
    )
    .ok_or(Refusal::AmountTooLarge)?;
    let price = offer.price;
    let payment = payment(business, customer, entry, price, now)?;
    let paid = payment.as_ref().map_or(0, |payment| payment.amount_minor);
    offer.is_paid = paid >= price.total_minor;
    offer.sale_id = Some(sale_id);
    offer.external_id.clone_from(&entry.external_id);
    offer.validity_override.clone_from(&entry.validity_override);
    offer.start_date = entry.start_date;
    let (package, lots) = offer.make(business, now)?;
    Ok(Planned {
        package,
        lots,
        price,
        payment,
    })
}

/// The payment of an entry, if there is one; on account only where both sides allow it (B3).
fn payment(
    business: &Business,
    customer: &Customer,
    entry: &SaleEntry,
    price: Price,
    now: DateTime<Utc>,
) -> Result<Option<Payment>, Refusal> {
    let Some(paid) = &entry.payment else {
        return Ok(None);
    };
    if paid.method == PaymentMethod::OnAccount {
        if !business.account_payments_active {
            return Err(Refusal::AccountPaymentsInactive);
        }
        if !customer.may_purchase_on_account {
            return Err(Refusal::CustomerMayNotPurchaseOnAccount {
                customer_id: customer.id,
            });
        }
    }
    let amount_minor = paid.amount_minor.unwrap_or(price.total_minor);
    if amount_minor > price.total_minor {
        return Err(Refusal::PaymentExceedsPrice {
            paid_minor: amount_minor,
            total_minor: price.total_minor,
        });
    }
    Ok((amount_minor > 0).then(|| Payment {
        id: PaymentId::generate(now),
        method: paid.method,
        amount_minor,
        reference: paid.reference.clone(),
        recorded_at: now,
    }))
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
                package_ids: Vec::new(),
                list_price_minor: 0,
                price: Price::default(),
                payments: Vec::new(),
                sold_by: stamp.actor,
                sold_at: now,
            });
        }
        if let Some(sale) = sales.iter_mut().find(|sale| sale.id == sale_id) {
            sale.package_ids.push(plan.package.id);
            sale.list_price_minor = sale
                .list_price_minor
                .saturating_add(plan.package.list_price_minor);
            sale.price = sale.price.checked_add(plan.price).unwrap_or(sale.price);
            sale.payments.extend(plan.payment.clone());
        }
    }
    sales
}

async fn write(
    txn: &DatabaseTransaction,
    call: &Call,
    planned: &[Planned],
    sales: &[Sale],
) -> Result<(), ServiceError> {
    let business_id = call.business_id();
    let request_id = call.request_id.unwrap_or_default();
    sales::insert(txn, business_id, request_id, sales).await?;
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

fn of_sale(planned: &[Planned], sale_id: SaleId) -> Vec<Package> {
    planned
        .iter()
        .map(|plan| &plan.package)
        .filter(|package| package.sale_id == Some(sale_id))
        .cloned()
        .collect()
}

fn sold(
    planned: Vec<Planned>,
    sales: Vec<Sale>,
    posting: &Posting,
    business: &Business,
    now: DateTime<Utc>,
) -> Sold {
    let packages = planned
        .into_iter()
        .map(|plan| {
            let lots: Vec<Lot> = posting
                .lots
                .iter()
                .filter(|lot| lot.package_id == plan.package.id)
                .cloned()
                .collect();
            view(&plan.package, &lots, business, now)
        })
        .collect();
    Sold { packages, sales }
}
