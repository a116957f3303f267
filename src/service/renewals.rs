//! Renewals: a period of a subscription is paid, and so its package comes (C6, semantics 34).
//!
//! One package for each (subscription, period start): the subscription is locked, and the period's row
//! has that key. The package is that of the version that was agreed on, whatever became of the template,
//! and is not judged beside earlier ones: the packages of a subscription follow each other.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{DatabaseTransaction, DbErr};
use serde::{Deserialize, Serialize};

use crate::domain::business::Business;
use crate::domain::customer::Customer;
use crate::domain::extend::NewLot;
use crate::domain::line::Line;
use crate::domain::lot::Lot;
use crate::domain::notice::NoticeKind;
use crate::domain::offer::ValidityOverride;
use crate::domain::package::Package;
use crate::domain::payment::{MoneyKind, Payment, Takings, check_method};
use crate::domain::refusal::{Refusal, SubscribingRefusal};
use crate::domain::sale::{Price, Sale};
use crate::domain::subscription::{Renewal, Span, Subscription, SubscriptionPeriod};
use crate::ids::{PaymentId, Reference, SaleId, SubscriptionId};
use crate::ledger::tell::{self, Occasion};
use crate::service::call::{Answer, Call};
use crate::service::carrying::{Carried, Ending};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::sales::PaymentEntry;
use crate::service::{buyers, carrying, events, offers, resolve};
use crate::store::error::StoreError;
use crate::store::{
    businesses, customers, lines, packages, sales, subscription_periods, subscriptions,
    template_versions, templates,
};

/// Which period was paid, and how.
#[derive(Clone, Debug)]
pub struct RenewalEntry {
    /// Of which subscription.
    pub subscription: Reference<SubscriptionId>,
    /// The local day on which the period starts.
    pub starts_on: NaiveDate,
    /// What was paid; none: nothing.
    pub payment: Option<PaymentEntry>,
}

/// What a renewal made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// The period.
    pub period: SubscriptionPeriod,
    /// Its package.
    pub package: PackageView,
    /// What went on from the period before, as a package of its own; none: nothing did.
    pub carried_over: Option<PackageView>,
    /// The sale that it is a part of.
    pub sale: Sale,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a renewal writes.
struct Planned {
    package: Package,
    lots: Vec<NewLot>,
    own_lines: Vec<Arc<Line>>,
    sale: Sale,
}

/// Writes the payment of a period down, issues its package, and carries over what goes on into it.
///
/// # Errors
/// [`Refusal::NotFound`], those of a buyer who may not buy, [`SubscribingRefusal::PeriodPaid`],
/// [`SubscribingRefusal::NotPaidInFull`], [`Refusal::PaymentExceedsPrice`], those of
/// [`Subscription::payable`] and of [`check_method`].
pub async fn record(
    ctx: &Context,
    call: &Call,
    input: &RenewalEntry,
) -> Result<Answer<Renewed>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (customer, subscription) = lock(&txn, call, &input.subscription).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let starts_on = input.starts_on;
    let known = subscription_periods::get(&txn, business_id, subscription.id, starts_on).await?;
    let carried_before = known.as_ref().and_then(|period| period.carried_over);
    let ending = match subscription.rhythm.span_of(starts_on) {
        Some(span) if carried_before.is_none() => {
            carrying::lock(ctx, &txn, &subscription, span.starts_at).await?
        }
        _ => Ending::default(),
    };
    let now = ctx.clock.now();
    let span = payable(&subscription, known.as_ref(), starts_on, now)?;
    let facts = Facts {
        business: &business,
        customer: &customer,
        subscription: &subscription,
        span,
    };
    let planned = plan(&txn, call, input, &facts, now).await?;
    let stamp = call.stamp(now);
    let new = (&planned.package, planned.lots.as_slice());
    let mut carried = carrying::post(&stamp, ending, (&subscription, &span), new)?;
    let period = SubscriptionPeriod {
        span,
        renewal: Some(Renewal {
            package_id: planned.package.id,
            sale_id: planned.sale.id,
            paid_at: now,
        }),
        carried_over: carried_before.or(carried.package.as_ref().map(|package| package.id)),
    };
    write(&txn, call, &planned).await?;
    carried.write(&txn, call, &stamp).await?;
    subscription_periods::renew(&txn, &subscription, &period, known.is_some())
        .await
        .map_err(contended)?;
    let occasion = Occasion {
        name: planned.sale.id.to_string(),
        customer_id: customer.id,
        packages: carried.package.iter().chain([&planned.package]).collect(),
    };
    tell::queue(&txn, &business, NoticeKind::Renewed, &[occasion], now).await?;
    events::sold(&txn, business_id, &[&planned.package], now).await?;
    let renewed = renewed(planned, &carried, &business, (period, now));
    call.remember(&txn, &renewed).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(renewed))
}

/// The subscription, locked, with its customer, who is locked first, in the order of locks.
async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    reference: &Reference<SubscriptionId>,
) -> Result<(Customer, Subscription), ServiceError> {
    let business_id = call.business_id();
    let missing = || resolve::not_found("subscription", reference);
    let id = resolve::subscription(txn, business_id, reference).await?;
    let found = subscriptions::get(txn, business_id, id).await?;
    let customer_id = found.ok_or_else(missing)?.customer_id;
    let customer = customers::lock(txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &customer_id))?;
    buyers::check(&customer)?;
    let locked = subscriptions::lock(txn, business_id, id).await?;
    let locked = locked.ok_or_else(missing)?;
    if locked.customer_id != customer_id {
        // Tried again, the call holds whoever took the place of the customer.
        let moved = DbErr::Custom("the subscription has another customer by now".to_owned());
        return Err(ServiceError::Contention(StoreError::Contention(moved)));
    }
    Ok((customer, locked))
}

/// The period, if it can be paid. That it was paid before is said first, whatever it is now.
fn payable(
    subscription: &Subscription,
    known: Option<&SubscriptionPeriod>,
    starts_on: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Span, Refusal> {
    if let Some(renewal) = known.and_then(|period| period.renewal) {
        return Err(SubscribingRefusal::PeriodPaid {
            subscription_id: subscription.id,
            starts_on,
            package_id: renewal.package_id,
        }
        .into());
    }
    Ok(subscription.payable(starts_on, now)?)
}

/// What a renewal is made of.
struct Facts<'a> {
    business: &'a Business,
    customer: &'a Customer,
    subscription: &'a Subscription,
    span: Span,
}

/// The package and the sale of a period, at the version and price that were agreed on.
async fn plan(
    txn: &DatabaseTransaction,
    call: &Call,
    input: &RenewalEntry,
    facts: &Facts<'_>,
    now: DateTime<Utc>,
) -> Result<Planned, ServiceError> {
    let Facts {
        business,
        customer,
        subscription,
        span,
    } = *facts;
    let (template_id, number) = subscription.template;
    let missing = || StoreError::corrupt("subscriptions", subscription.id);
    let mut template = templates::get(txn, business.id, template_id)
        .await?
        .ok_or_else(missing)?;
    template.definition = template_versions::get(txn, business.id, template_id, number)
        .await?
        .ok_or_else(missing)?;
    let mut offer = offers::of_template(txn, business.id, &template, customer.id).await?;
    let own_lines = offer.of_quantity(&template, Some(subscription.quantity), now)?;
    let rate = template.definition.tax_basis_points;
    let price = Price::of(subscription.price_minor, rate, business.prices_include_tax)
        .ok_or(Refusal::AmountTooLarge)?;
    let payment = payment(business, customer, input.payment.as_ref(), price, now)?;
    offer.list_price_minor = subscription.price_minor;
    offer.price_minor = subscription.price_minor;
    offer.price = price;
    offer.is_paid = true;
    offer.sale_id = Some(SaleId::generate(now));
    offer.start_date = Some(span.starts_on);
    offer.validity_override = Some(ValidityOverride::ExpiresAt(span.ends_at));
    // The days of its packages are those of its periods, even if the business has moved since.
    let there = Business {
        zone: subscription.rhythm.zone,
        ..business.clone()
    };
    let (package, lots) = offer.make(&there, now)?;
    let mut money = Takings::default();
    if let Some(payment) = payment {
        money.add(MoneyKind::Payment, payment);
    }
    let sale = Sale {
        id: package.sale_id.ok_or_else(missing)?,
        customer_id: customer.id,
        group_id: None,
        package_ids: vec![package.id],
        list_price_minor: package.list_price_minor,
        price,
        money,
        sold_by: call.caller.actor,
        sold_at: now,
        undone_at: None,
        charges: Vec::new(),
        invoiced: None,
    };
    Ok(Planned {
        package,
        lots,
        own_lines,
        sale,
    })
}

/// The payment of a period, which must be of all of its price; none if that is nothing.
fn payment(
    business: &Business,
    customer: &Customer,
    entry: Option<&PaymentEntry>,
    price: Price,
    now: DateTime<Utc>,
) -> Result<Option<Payment>, Refusal> {
    let total_minor = price.total_minor;
    let paid_minor = entry.map_or(0, |entry| entry.amount_minor.unwrap_or(total_minor));
    if paid_minor < total_minor {
        return Err(SubscribingRefusal::NotPaidInFull {
            paid_minor,
            total_minor,
        }
        .into());
    }
    if paid_minor > total_minor {
        return Err(Refusal::PaymentExceedsPrice {
            paid_minor,
            total_minor,
        });
    }
    let Some(entry) = entry else {
        return Ok(None);
    };
    check_method(entry.method, business, customer)?;
    Ok((paid_minor > 0).then(|| Payment {
        id: PaymentId::generate(now),
        method: entry.method,
        amount_minor: paid_minor,
        reference: entry.reference.clone(),
        recorded_at: now,
    }))
}

async fn write(
    txn: &DatabaseTransaction,
    call: &Call,
    planned: &Planned,
) -> Result<(), ServiceError> {
    let business_id = call.business_id();
    let request_id = call.request_id.unwrap_or_default();
    let sale = std::slice::from_ref(&planned.sale);
    sales::insert(txn, business_id, request_id, sale).await?;
    lines::insert(txn, business_id, None, &planned.own_lines).await?;
    packages::insert(txn, std::slice::from_ref(&planned.package)).await?;
    Ok(())
}

/// A row that another call was faster with: tried again, this one finds out what it says.
fn contended(error: StoreError) -> ServiceError {
    if matches!(error, StoreError::Taken(_)) {
        ServiceError::Contention(error)
    } else {
        error.into()
    }
}

fn renewed(
    planned: Planned,
    carried: &Carried,
    business: &Business,
    (period, now): (SubscriptionPeriod, DateTime<Utc>),
) -> Renewed {
    let seen = |package: &Package| {
        let lots = carried.posting.lots.iter();
        let lots: Vec<Lot> = lots
            .filter(|lot| lot.package_id == package.id)
            .cloned()
            .collect();
        view(package, &lots, business, now)
    };
    Renewed {
        period,
        package: seen(&planned.package),
        carried_over: carried.package.as_ref().map(seen),
        sale: planned.sale,
        at: now,
    }
}
