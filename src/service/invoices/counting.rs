//! How an invoice begins to count, and how it ends to: issued and voided.

use super::crediting::Credits;
use super::view::{self, InvoiceView};
use super::{InvoiceTarget, lock};
use crate::domain::invoice::InvoiceState;
use crate::domain::refusal::{InvoiceRefusal, Refusal};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{invoice_numbers, invoices};

/// Issues a draft: it gets the next number, and keeps its credits. With nothing due it is paid at once.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`InvoiceRefusal::Empty`], those of
/// [`InvoiceState::issued`], and the rules of use for credits that it holds no more.
pub async fn issue(
    ctx: &Context,
    call: &Call,
    input: &InvoiceTarget,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, input).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    invoice.state = invoice
        .state
        .issued(invoice.owed()?)
        .map_err(Refusal::from)?;
    if invoice.lines.is_empty() {
        return Err(Refusal::from(InvoiceRefusal::Empty).into());
    }
    let mut credits = Credits::new(ctx, &txn, call, now);
    credits.secure(invoice).await?;
    if invoice.state == InvoiceState::Paid {
        credits.use_up(invoice);
    }
    credits.carry_out().await?;
    invoice.issued_at = Some(now);
    invoice.number = Some(invoice_numbers::next(&txn, call.business_id()).await?);
    invoices::update(&txn, invoice).await?;
    let issued = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &issued).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(issued))
}

/// Voids an invoice: its credits are given back, once; its number stays, and what was paid is for
/// [`refund`](super::paying::refund).
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], those of [`InvoiceState::voided`].
pub async fn void(
    ctx: &Context,
    call: &Call,
    input: &InvoiceTarget,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, input).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    invoice.state = invoice.state.voided().map_err(Refusal::from)?;
    invoice.voided_at = Some(now);
    let mut credits = Credits::new(ctx, &txn, call, now);
    credits.give_back(invoice).await?;
    credits.carry_out().await?;
    invoices::update(&txn, invoice).await?;
    let voided = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &voided).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(voided))
}
