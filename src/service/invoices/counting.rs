//! How an invoice begins to count, and how it ends to: issued and voided.

use super::crediting::Credits;
use super::view::{self, InvoiceView};
use super::{InvoiceTarget, lock, selling};
use crate::domain::invoice::{InvoiceState, Owed};
use crate::domain::payment::Payable;
use crate::domain::refusal::{InvoiceRefusal, Refusal};
use crate::domain::unsell::UsedPart;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::sales::ChargeEntry;
use crate::service::{charges, resolve};
use crate::store::{businesses, invoice_numbers, invoices};

/// A draft to be issued.
#[derive(Clone, Debug)]
pub struct Issuing {
    /// Which one.
    pub target: InvoiceTarget,
    /// What the payment system is to charge.
    pub charge: Option<ChargeEntry>,
}

/// An invoice to be voided.
#[derive(Clone, Debug)]
pub struct Voiding {
    /// Which one.
    pub target: InvoiceTarget,
    /// What becomes of the packages that it sold and of which something was used.
    pub used: UsedPart,
}

/// Issues a draft: it gets the next number, and keeps its credits. With nothing due it is paid at once. Packages
/// are issued as its lines say, and the payment system is asked to charge what the caller wants of what is due.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`InvoiceRefusal::Empty`], those of
/// [`InvoiceState::issued`], the rules of use for credits that it holds no more, and those of a sale for what it
/// sells.
pub async fn issue(
    ctx: &Context,
    call: &Call,
    input: &Issuing,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    invoice.state = invoice
        .state
        .issued(invoice.owed()?)
        .map_err(Refusal::from)?;
    if invoice.lines.is_empty() {
        return Err(Refusal::from(InvoiceRefusal::Empty).into());
    }
    let business = businesses::get(&txn, call.business_id())
        .await?
        .ok_or_else(|| resolve::not_found("business", &call.business_id()))?;
    selling::check(&txn, call, &business, invoice, now).await?;
    let mut credits = Credits::new(ctx, &txn, call, now);
    credits.secure(invoice).await?;
    if invoice.state == InvoiceState::Paid {
        credits.use_up(invoice);
    }
    credits.carry_out().await?;
    selling::follow(&txn, call, invoice, &[], now).await?;
    if let Some(charge) = input.charge {
        let amount_minor = to_charge(charge, invoice.owed()?)?;
        if amount_minor > 0 {
            let of = (Payable::Invoice(invoice.id), invoice.customer_id);
            charges::request(&txn, &business, of, amount_minor, now).await?;
        }
    }
    invoice.issued_at = Some(now);
    let mut issued = view::view(&txn, locked.invoice, now).await?;
    // From here to the end no other invoice of the business gets a number.
    let number = invoice_numbers::next(&txn, call.business_id()).await?;
    issued.invoice.number = Some(number);
    invoices::update(&txn, &mut issued.invoice).await?;
    call.remember(&txn, &issued).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(issued))
}

/// How much is to be charged, in minor units; nothing if nothing is due.
fn to_charge(charge: ChargeEntry, owed: Owed) -> Result<i64, Refusal> {
    let due_minor = owed.due_minor();
    match charge.amount_minor.filter(|amount| *amount > due_minor) {
        Some(amount_minor) => Err(Refusal::PaymentExceedsPrice {
            paid_minor: owed.paid_minor.saturating_add(amount_minor),
            total_minor: owed.total_minor,
        }),
        None => Ok(charge.amount_minor.unwrap_or(due_minor)),
    }
}

/// Voids an invoice: its credits and the packages that it sold are given back, once; its number stays, and what
/// was paid is for [`refund`](super::paying::refund). Where something of these packages was used and the caller
/// wants that, the invoice goes on and asks for the value of that alone.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], those of [`InvoiceState::voided`] and of
/// [`take_back_unused`](crate::domain::unsell::take_back_unused).
pub async fn void(
    ctx: &Context,
    call: &Call,
    input: &Voiding,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    let used_unpaid = invoice.used_unpaid();
    let voided = invoice.state.voided().map_err(Refusal::from)?;
    let mut credits = Credits::new(ctx, &txn, call, now);
    credits.give_back(invoice).await?;
    credits.carry_out().await?;
    let kept = selling::take_back(ctx, &txn, call, (invoice, input.used)).await?;
    if kept.iter().any(|(_, kept_minor)| *kept_minor > 0) {
        invoice.keep_only(&kept)?;
    } else {
        invoice.state = voided;
        invoice.voided_at = Some(now);
    }
    selling::mark_voided(&txn, invoice, now).await?;
    selling::follow(&txn, call, invoice, &used_unpaid, now).await?;
    invoices::update(&txn, invoice).await?;
    let voided = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &voided).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(voided))
}
