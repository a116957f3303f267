//! Money of invoices, which moves elsewhere and is written down here: payments, those that bounce, and refunds.

use super::crediting::Credits;
use super::view::{self, InvoiceView};
use super::{InvoiceTarget, lock, selling};
use crate::domain::invoice::InvoiceState;
use crate::domain::payment::check_method;
use crate::ids::{InvoiceId, PaymentId, Reference};
use crate::service::call::{Answer, Call};
use crate::service::charges;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::payments::MoneyEntry;
use crate::service::resolve;
use crate::store::{businesses, invoices, payments};

/// Money of an invoice.
type Money = MoneyEntry<Reference<InvoiceId>>;

impl Money {
    fn target(&self) -> InvoiceTarget {
        InvoiceTarget {
            invoice: self.of.clone(),
            etag: None,
        }
    }
}

/// Writes a payment of an invoice down. Once all of it is paid its credits are used; packages are issued as its
/// lines say.
///
/// # Errors
/// Those of [`Invoice::pay`](crate::domain::invoice::Invoice::pay) and of [`check_method`], those of a
/// charge request that cannot be answered so, the rules of use for credits that it holds no more, and those of a sale
/// for what it sells.
pub async fn record(
    ctx: &Context,
    call: &Call,
    input: &Money,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target()).await?;
    let business_id = call.business_id();
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    check_method(input.recorded.method, &business, &locked.customer)?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    let used_unpaid = invoice.used_unpaid();
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
    let due_minor = invoice.owed()?.due_minor();
    let payment = input.payment(amount_minor.unwrap_or(due_minor), now);
    let payment_id = payment.id;
    invoice.pay(payment)?;
    if invoice.state == InvoiceState::Paid {
        let mut credits = Credits::new(ctx, &txn, call, now);
        credits.secure(invoice).await?;
        credits.use_up(invoice);
        credits.carry_out().await?;
    }
    payments::add_last_of_invoice(&txn, call.request_id.unwrap_or_default(), invoice).await?;
    charges::paid(&txn, charge, payment_id, now).await?;
    selling::follow(&txn, call, invoice, &used_unpaid, now).await?;
    invoices::update(&txn, invoice).await?;
    let paid = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &paid).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(paid))
}

/// Takes back a payment that bounced. Credits that were used stay used and packages that were issued stay issued,
/// but none of these is complete until it is paid again (semantics 24, 33).
///
/// # Errors
/// Those of [`Invoice::reverse`](crate::domain::invoice::Invoice::reverse).
pub async fn reverse(
    ctx: &Context,
    call: &Call,
    (invoice_id, payment_id): (InvoiceId, PaymentId),
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let business_id = call.business_id();
    let target = InvoiceTarget {
        invoice: Reference::Id(invoice_id),
        etag: None,
    };
    let mut locked = lock(ctx, &txn, call, &target).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    let used_unpaid = invoice.used_unpaid();
    invoice.reverse(payment_id, now)?;
    selling::follow(&txn, call, invoice, &used_unpaid, now).await?;
    payments::mark_reversed(&txn, business_id, payment_id, now).await?;
    invoices::update(&txn, invoice).await?;
    let bounced = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &bounced).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(bounced))
}

/// Writes down that money went back to the customer.
///
/// # Errors
/// Those of [`Invoice::refund`](crate::domain::invoice::Invoice::refund).
pub async fn refund(
    ctx: &Context,
    call: &Call,
    input: &Money,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target()).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    let amount_minor = input
        .recorded
        .amount_minor
        .unwrap_or_else(|| invoice.money.refundable());
    invoice.refund(input.payment(amount_minor, now))?;
    payments::add_last_of_invoice(&txn, call.request_id.unwrap_or_default(), invoice).await?;
    invoices::update(&txn, invoice).await?;
    let refunded = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &refunded).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(refunded))
}
