//! Money of sales, which moves elsewhere and is written down here (E5): payments, those that bounce, and refunds. It
//! moves no credits: that a package is complete follows from its being used up and paid.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::charging;
use crate::domain::customer::Customer;
use crate::domain::payment::{Payable, check_method};
use crate::domain::refusal::Refusal;
use crate::domain::sale::Sale;
use crate::ids::{PaymentId, SaleId};
use crate::service::call::{Answer, Call};
use crate::service::charges;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::payments::MoneyEntry;
use crate::service::resolve;
use crate::store::{businesses, customers, packages, sales};

/// Writes a payment of a sale down. Packages that wait for it are issued; once all of the sale is paid, so are its
/// packages, and nothing more is to be charged.
///
/// # Errors
/// [`Refusal::NotFound`], those of [`Sale::pay`] and of [`check_method`], those of a charge request that cannot be
/// answered so, and those of a sale for what waits.
pub async fn record(
    ctx: &Context,
    call: &Call,
    input: &MoneyEntry<SaleId>,
) -> Result<Answer<Sale>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (mut sale, customer) = lock(&txn, call, input.of).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    check_method(input.recorded.method, &business, &customer)?;
    let now = ctx.clock.now();
    let answering = charges::lock_answered(
        &txn,
        call,
        input.charge_id,
        input.recorded.amount_minor,
        now,
    );
    let charge = answering.await?;
    let asked_minor = charge.as_ref().map(|charge| charge.amount_minor);
    let amount_minor = asked_minor.or(input.recorded.amount_minor);
    let due_minor = sale.owed().due_minor();
    let payment = input.payment(amount_minor.unwrap_or(due_minor), now);
    let payment_id = payment.id;
    sale.pay(payment)?;
    let request_id = call.request_id.unwrap_or_default();
    sales::add_last_payment(&txn, business_id, request_id, &sale).await?;
    charges::paid(&txn, charge, payment_id, now).await?;
    charging::issue_due(&txn, call, &business, &mut sale, now).await?;
    if sale.is_paid() {
        follow(&txn, call, &sale, now).await?;
        charges::withdraw(&txn, call, Payable::Sale(sale.id), now).await?;
    }
    let sale = sales::get(&txn, business_id, sale.id)
        .await?
        .ok_or_else(|| resolve::not_found("sale", &input.of))?
        .as_of(now);
    call.remember(&txn, &sale).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(sale))
}

/// Takes back a payment that bounced: unless all of the sale is paid without it, none of its packages is, however
/// it was paid before, so none of them is complete (semantics 24).
///
/// # Errors
/// Those of [`Takings::reverse`](crate::domain::payment::Takings::reverse).
pub async fn reverse(
    ctx: &Context,
    call: &Call,
    (sale_id, payment_id): (SaleId, PaymentId),
) -> Result<Answer<Sale>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (mut sale, _) = lock(&txn, call, sale_id).await?;
    let now = ctx.clock.now();
    sale.money.reverse(payment_id, now)?;
    let about = (payment_id, now);
    sales::mark_payment_reversed(&txn, call.business_id(), &sale, about).await?;
    follow(&txn, call, &sale, now).await?;
    let sale = sale.as_of(now);
    call.remember(&txn, &sale).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(sale))
}

/// Writes down that money of a sale went back to the customer, also of one that was undone; nothing is due again
/// for that.
///
/// # Errors
/// [`Refusal::NotFound`], `SALE_ON_INVOICE`, those of [`Takings::refund`](crate::domain::payment::Takings::refund).
pub async fn refund(
    ctx: &Context,
    call: &Call,
    input: &MoneyEntry<SaleId>,
) -> Result<Answer<Sale>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (mut sale, _) = lock(&txn, call, input.of).await?;
    sale.refuse_invoiced().map_err(Refusal::from)?;
    let now = ctx.clock.now();
    let amount_minor = input
        .recorded
        .amount_minor
        .unwrap_or_else(|| sale.money.refundable());
    let refunded = sale.money.refund(input.payment(amount_minor, now));
    refunded.map_err(Refusal::from)?;
    let request_id = call.request_id.unwrap_or_default();
    sales::add_last_payment(&txn, call.business_id(), request_id, &sale).await?;
    let sale = sale.as_of(now);
    call.remember(&txn, &sale).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(sale))
}

/// The sale, locked. Its customer is held first, in the order of locks.
async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    sale_id: SaleId,
) -> Result<(Sale, Customer), ServiceError> {
    let business_id = call.business_id();
    let missing = || resolve::not_found("sale", &sale_id);
    let found = sales::get(txn, business_id, sale_id).await?;
    let customer_id = found.ok_or_else(missing)?.customer_id;
    let customer = customers::lock(txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &customer_id))?;
    let locked = sales::lock(txn, business_id, sale_id).await?;
    Ok((locked.ok_or_else(missing)?, customer))
}

/// Brings the packages of a locked sale up to date: they are paid when it is. One that costs nothing always is.
async fn follow(
    txn: &DatabaseTransaction,
    call: &Call,
    sale: &Sale,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    for mut package in packages::lock(txn, call.business_id(), &sale.package_ids).await? {
        let paid_at = if sale.is_paid() {
            package.paid_at.or(Some(now))
        } else {
            package.paid_at.filter(|_| package.price_minor == 0)
        };
        if package.paid_at != paid_at {
            package.paid_at = paid_at;
            packages::update(txn, &mut package).await?;
        }
    }
    Ok(())
}
