//! Charge requests (J6): made where something is sold or invoiced, polled by the payment system, and answered by it
//! with a payment or a failure. One that is not answered in time is free of consequences: what it was to pay
//! stays due, and can be paid in another way.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::charge::{ChargeRequest, ChargeState, ChargeStatus};
use crate::domain::payment::Payable;
use crate::domain::refusal::Refusal;
use crate::ids::{
    BusinessId, ChargeRequestId, CustomerId, InvoiceId, PaymentId, Reference, SaleId,
};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::charge_requests::{self, Filter, Position};

/// What the things of this file are called.
const KIND: &str = "charge request";

/// That something was not charged.
#[derive(Clone, Debug)]
pub struct ChargeFailure {
    /// What was to be charged.
    pub id: ChargeRequestId,
    /// Why not.
    pub cause: String,
}

/// Which page of charge requests.
#[derive(Clone, Debug)]
pub struct ChargeList {
    /// Only those in this state.
    pub state: Option<ChargeState>,
    /// Only those of this sale.
    pub sale_id: Option<SaleId>,
    /// Only those of this invoice.
    pub invoice: Option<Reference<InvoiceId>>,
    /// Behind this one.
    pub after: Option<Position>,
    /// How many at most.
    pub limit: u64,
}

/// A charge request as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The request as it is now.
    pub request: ChargeRequest,
    /// Where the list goes on behind it.
    pub position: Position,
}

/// Asks the payment system to charge so much.
pub(super) async fn request(
    txn: &DatabaseTransaction,
    business: &Business,
    (of, customer_id): (Payable, CustomerId),
    amount_minor: i64,
    now: DateTime<Utc>,
) -> Result<ChargeRequest, ServiceError> {
    let hours = TimeDelta::hours(business.invoicing.charge_timeout_hours.into());
    let request = ChargeRequest {
        id: ChargeRequestId::generate(now),
        business_id: business.id,
        of,
        customer_id,
        amount_minor,
        currency: business.currency,
        status: ChargeStatus::Pending,
        times_out_at: now.checked_add_signed(hours).unwrap_or(now),
        recorded_at: now,
    };
    charge_requests::insert(txn, &request).await?;
    Ok(request)
}

/// The request that a payment answers, if it answers one: locked, and one that can be answered with so much. What
/// it is to pay is locked already.
///
/// # Errors
/// [`Refusal::NotFound`], those of [`ChargeRequest::refuse_answered`] and of [`ChargeRequest::refuse_amount`].
pub(super) async fn lock_answered(
    txn: &DatabaseTransaction,
    call: &Call,
    id: Option<ChargeRequestId>,
    amount_minor: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Option<ChargeRequest>, ServiceError> {
    let Some(id) = id else {
        return Ok(None);
    };
    let found = charge_requests::lock(txn, call.business_id(), id).await?;
    let request = found.ok_or_else(|| resolve::not_found(KIND, &id))?;
    request.refuse_answered(now).map_err(Refusal::from)?;
    request.refuse_amount(amount_minor).map_err(Refusal::from)?;
    Ok(Some(request))
}

/// Writes that a locked request was answered with a payment.
///
/// # Errors
/// Those of [`ChargeRequest::paid`].
pub(super) async fn paid(
    txn: &DatabaseTransaction,
    request: Option<ChargeRequest>,
    payment_id: PaymentId,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    if let Some(mut request) = request {
        request.paid(payment_id, now).map_err(Refusal::from)?;
        charge_requests::update(txn, &request).await?;
    }
    Ok(())
}

/// Withdraws what waits for an answer and is not to be charged any more: nothing is due.
pub(super) async fn withdraw(
    txn: &DatabaseTransaction,
    call: &Call,
    of: Payable,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    for mut request in charge_requests::lock_pending_of(txn, call.business_id(), of).await? {
        if request.failed(String::new(), now).is_ok() {
            charge_requests::update(txn, &request).await?;
        }
    }
    Ok(())
}

/// Writes down that something was not charged. What it was to pay stays due.
///
/// # Errors
/// [`Refusal::NotFound`], those of [`ChargeRequest::failed`].
pub async fn fail(
    ctx: &Context,
    call: &Call,
    input: &ChargeFailure,
) -> Result<Answer<ChargeRequest>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut request = charge_requests::lock(&txn, call.business_id(), input.id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    let failed = request.failed(input.cause.clone(), ctx.clock.now());
    failed.map_err(Refusal::from)?;
    charge_requests::update(&txn, &request).await?;
    call.remember(&txn, &request).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(request))
}

/// A page of charge requests: those that wait first, each state oldest first.
///
/// # Errors
/// [`Refusal::NotFound`] for the external id of no invoice.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &ChargeList,
) -> Result<Vec<Listed>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let of = match (&input.sale_id, &input.invoice) {
        (Some(id), _) => Some(Payable::Sale(*id)),
        (None, Some(invoice)) => {
            let id = resolve::invoice(&txn, business_id, invoice).await?;
            Some(Payable::Invoice(id))
        }
        (None, None) => None,
    };
    let now = ctx.clock.now();
    let filter = Filter {
        state: input.state,
        of,
        now,
    };
    let found = charge_requests::list(&txn, business_id, filter, input.after, input.limit).await?;
    txn.commit().await?;
    let listed = found.into_iter().map(|request| Listed {
        position: (request.status.state().code(), request.id),
        request: request.as_of(now),
    });
    Ok(listed.collect())
}

/// Writes that the time of a request is over, if it is.
///
/// # Errors
/// Failures of the database.
pub async fn time_out(
    ctx: &Context,
    (business_id, id): (BusinessId, ChargeRequestId),
) -> Result<bool, ServiceError> {
    let txn = ctx.db.begin().await?;
    let Some(known) = charge_requests::lock(&txn, business_id, id).await? else {
        txn.rollback().await?;
        return Ok(false);
    };
    let request = known.clone().as_of(ctx.clock.now());
    if request == known {
        txn.rollback().await?;
        return Ok(false);
    }
    charge_requests::update(&txn, &request).await?;
    txn.commit().await?;
    Ok(true)
}
