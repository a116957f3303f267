//! Selling packages (C1, C3, C4, C9): all entries of a call, or none.

use std::collections::{BTreeMap, HashMap, HashSet, hash_map};

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::business::Business;
use crate::domain::catalog::Template;
use crate::domain::customer::Customer;
use crate::domain::extend::NewLot;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::offer::{Offer, ValidityOverride};
use crate::domain::package::Package;
use crate::domain::permission::Permission;
use crate::domain::posting::Posting;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{Payment, PaymentMethod, Price, Sale};
use crate::ids::{
    BusinessId, CustomerId, GroupId, PackageId, PaymentId, Reference, SaleId, TemplateId,
};
use crate::ledger::post;
use crate::service::buyers::{Buyers, Party, check_share_max};
use crate::service::call::{Answer, Call};
use crate::service::confirmation::{Occasion, queue_confirmations};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::{offers, resolve};
use crate::store::error::StoreError;
use crate::store::{businesses, package_members, packages, sales};

/// Who buys.
#[derive(Clone, Debug)]
pub enum Buyer {
    /// A customer.
    Customer(Reference<CustomerId>),
    /// A group, for its members.
    Group(Reference<GroupId>),
}

/// One package to sell.
#[derive(Clone, Debug)]
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

/// The templates of a call, each read once, with what is offered of it to whomever.
type Offers = HashMap<Reference<TemplateId>, (Template, Offer)>;

/// An entry that can be sold.
struct Planned {
    package: Package,
    members: Vec<CustomerId>,
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
    let overrides = |entry: &SaleEntry| {
        entry.price_minor.is_some()
            || entry.validity_override.is_some()
            || entry.share_max.is_some()
    };
    if entries.iter().any(overrides) {
        call.require(Permission::PackagesOverridePrice)?;
    }
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
    let planned = plan_all(&txn, &business, entries, &buyers, now).await?;
    let stamp = call.stamp(now);
    let posting = post::issue(&stamp, planned.iter().map(to_issue))?;
    let sales = sales_of(&planned, &stamp, now);
    write(&txn, call, &planned, &sales).await?;
    package_members::add(&txn, business_id, &shared_with(&planned), now).await?;
    call.post(&txn, &posting, &notes(entries)).await?;
    let occasions: Vec<Occasion> = sales.iter().map(|sale| occasion(sale, &planned)).collect();
    queue_confirmations(&txn, &business, &occasions, now).await?;
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

async fn plan_all(
    txn: &DatabaseTransaction,
    business: &Business,
    entries: &[SaleEntry],
    buyers: &Buyers,
    now: DateTime<Utc>,
) -> Result<Vec<Planned>, ServiceError> {
    let mut planned = Vec::with_capacity(entries.len());
    let mut refusals = Vec::new();
    let mut sale_ids: BTreeMap<(CustomerId, Option<GroupId>), SaleId> = BTreeMap::new();
    let mut offers = Offers::new();
    let external_ids = entries
        .iter()
        .filter_map(|entry| entry.external_id.as_deref());
    let taken = packages::taken_external_ids(txn, business.id, external_ids).await?;
    for (index, entry) in entries.iter().enumerate() {
        let result = match buyers.of(entry) {
            Ok(party) => {
                let sale_id = *sale_ids
                    .entry((party.customer.id, party.group_id))
                    .or_insert_with(|| SaleId::generate(now));
                match not_taken(entry, &taken) {
                    Ok(()) => {
                        let offered = offered(txn, business.id, entry, &mut offers).await;
                        offered.and_then(|offered| {
                            Ok(plan(business, entry, (&party, sale_id), offered, now)?)
                        })
                    }
                    Err(refusal) => Err(refusal.into()),
                }
            }
            Err(refusal) => Err(refusal.into()),
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

fn not_taken(entry: &SaleEntry, taken: &HashSet<String>) -> Result<(), Refusal> {
    match &entry.external_id {
        Some(external_id) if taken.contains(external_id) => Err(Refusal::ExternalIdTaken {
            kind: "package",
            external_id: external_id.clone(),
        }),
        _ => Ok(()),
    }
}

/// The template of an entry and what is offered of it, read for the first entry that names it.
async fn offered<'a>(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    entry: &SaleEntry,
    offers: &'a mut Offers,
) -> Result<&'a (Template, Offer), ServiceError> {
    match offers.entry(entry.template.clone()) {
        hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
        hash_map::Entry::Vacant(unknown) => {
            let template = offers::template(txn, business_id, &entry.template).await?;
            // Whose it is each entry says for itself.
            let nobody = CustomerId::from_uuid(Uuid::nil());
            let offer = offers::of_template(txn, business_id, &template, nobody).await?;
            Ok(unknown.insert((template, offer)))
        }
    }
}

fn plan(
    business: &Business,
    entry: &SaleEntry,
    (party, sale_id): (&Party<'_>, SaleId),
    (template, offer): &(Template, Offer),
    now: DateTime<Utc>,
) -> Result<Planned, Refusal> {
    let mut offer = offer.clone();
    offer.customer_id = party.customer.id;
    offer.group_id = party.group_id;
    offer.share_max = entry.share_max.unwrap_or(offer.share_max);
    check_share_max(offer.share_max, entry.members.len().saturating_add(1))?;
    offer.price_minor = entry.price_minor.unwrap_or(offer.price_minor);
    offer.price = Price::of(
        offer.price_minor,
        template.definition.tax_basis_points,
        business.prices_include_tax,
    )
    .ok_or(Refusal::AmountTooLarge)?;
    let price = offer.price;
    let payment = payment(business, party.customer, entry, price, now)?;
    let paid = payment.as_ref().map_or(0, |payment| payment.amount_minor);
    offer.is_paid = paid >= price.total_minor;
    offer.sale_id = Some(sale_id);
    offer.external_id.clone_from(&entry.external_id);
    offer.validity_override.clone_from(&entry.validity_override);
    offer.start_date = entry.start_date;
    let (package, lots) = offer.make(business, now)?;
    Ok(Planned {
        members: party.members.clone(),
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

/// Who may use which package besides the customer in it.
fn shared_with(planned: &[Planned]) -> Vec<(CustomerId, PackageId)> {
    let members = |plan: &Planned| {
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
                payments: Vec::new(),
                sold_by: stamp.actor,
                sold_at: now,
                undone_at: None,
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

/// What a sale tells its customer of.
fn occasion<'a>(sale: &Sale, planned: &'a [Planned]) -> Occasion<'a> {
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
    let packages = planned
        .into_iter()
        .map(|plan| {
            let lots: Vec<Lot> = posting
                .lots
                .iter()
                .filter(|lot| lot.package_id == plan.package.id)
                .cloned()
                .collect();
            PackageView {
                members: plan.members,
                ..view(&plan.package, &lots, business, now)
            }
        })
        .collect();
    Sold { packages, sales }
}
