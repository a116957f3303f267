//! Money that moved elsewhere and is written down here, for whatever it was paid of. Sales are
//! [`sales::paying`](crate::service::sales::paying), invoices [`invoices::paying`](crate::service::invoices::paying).

use chrono::{DateTime, Utc};

use crate::domain::payment::{Payable, Payment, PaymentMethod};
use crate::domain::sale::Sale;
use crate::ids::{ChargeRequestId, InvoiceId, PaymentId, Reference, SaleId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::invoices::InvoiceView;
use crate::service::invoices::paying as of_invoice;
use crate::service::resolve;
use crate::service::sales::PaymentEntry;
use crate::service::sales::paying as of_sale;
use crate::store::{charge_requests, payments};

/// Money that came in or went back, and what it is of.
#[derive(Clone, Debug)]
pub struct MoneyEntry<T> {
    /// A sale or an invoice.
    pub of: T,
    /// How and how much; none: all that is due, or all that was paid and not refunded.
    pub recorded: PaymentEntry,
    /// The charge request that it answers.
    pub charge_id: Option<ChargeRequestId>,
}

impl<T> MoneyEntry<T> {
    /// It as it is written down.
    pub(super) fn payment(&self, amount_minor: i64, now: DateTime<Utc>) -> Payment {
        Payment {
            id: PaymentId::generate(now),
            method: self.recorded.method,
            amount_minor,
            reference: self.recorded.reference.clone(),
            recorded_at: now,
        }
    }
}

/// A payment of what there is to pay.
#[derive(Clone, Debug)]
pub enum PaymentOf {
    /// Of a sale.
    Sale(MoneyEntry<SaleId>),
    /// Of an invoice.
    Invoice(MoneyEntry<Reference<InvoiceId>>),
    /// Of what a charge request asks for.
    Charge(Charged),
}

/// Money that went back.
#[derive(Clone, Debug)]
pub enum RefundOf {
    /// Of a sale.
    Sale(MoneyEntry<SaleId>),
    /// Of an invoice.
    Invoice(MoneyEntry<Reference<InvoiceId>>),
}

/// What the payment system charged.
#[derive(Clone, Debug)]
pub struct Charged {
    /// The request that it answers.
    pub id: ChargeRequestId,
    /// How much, in minor units; none: what was asked for.
    pub amount_minor: Option<i64>,
    /// The payment system's number.
    pub reference: String,
}

impl Charged {
    fn money_of<T>(&self, of: T) -> MoneyEntry<T> {
        MoneyEntry {
            of,
            recorded: PaymentEntry {
                method: PaymentMethod::Charged,
                amount_minor: self.amount_minor,
                reference: self.reference.clone(),
            },
            charge_id: Some(self.id),
        }
    }
}

/// What the money was of, after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paid {
    /// A sale.
    Sale(Box<Sale>),
    /// An invoice.
    Invoice(Box<InvoiceView>),
}

/// Writes a payment down.
///
/// # Errors
/// Those of [`of_sale::record`] and of [`of_invoice::record`].
pub async fn record(
    ctx: &Context,
    call: &Call,
    input: &PaymentOf,
) -> Result<Answer<Paid>, ServiceError> {
    match input {
        PaymentOf::Sale(money) => Ok(sale(of_sale::record(ctx, call, money).await?)),
        PaymentOf::Invoice(money) => Ok(invoice(
            Box::pin(of_invoice::record(ctx, call, money)).await?,
        )),
        PaymentOf::Charge(charged) => Box::pin(record_charged(ctx, call, charged)).await,
    }
}

async fn record_charged(
    ctx: &Context,
    call: &Call,
    charged: &Charged,
) -> Result<Answer<Paid>, ServiceError> {
    let id = charged.id;
    let found = charge_requests::get(ctx.db.reader(), call.business_id(), id).await?;
    let request = found.ok_or_else(|| resolve::not_found("charge request", &id))?;
    match request.of {
        Payable::Sale(sale_id) => {
            let money = charged.money_of(sale_id);
            Ok(sale(of_sale::record(ctx, call, &money).await?))
        }
        Payable::Invoice(invoice_id) => {
            let money = charged.money_of(Reference::Id(invoice_id));
            Ok(invoice(of_invoice::record(ctx, call, &money).await?))
        }
    }
}

/// Takes back a payment that bounced.
///
/// # Errors
/// [`Refusal::NotFound`](crate::domain::refusal::Refusal::NotFound), those of [`of_sale::reverse`] and of
/// [`of_invoice::reverse`].
pub async fn reverse(
    ctx: &Context,
    call: &Call,
    id: &PaymentId,
) -> Result<Answer<Paid>, ServiceError> {
    let found = payments::paid_of(ctx.db.reader(), call.business_id(), *id).await?;
    match found.ok_or_else(|| resolve::not_found("payment", id))? {
        Payable::Sale(sale_id) => {
            let reversed = of_sale::reverse(ctx, call, (sale_id, *id)).await?;
            Ok(sale(reversed))
        }
        Payable::Invoice(invoice_id) => {
            let reversed = of_invoice::reverse(ctx, call, (invoice_id, *id)).await?;
            Ok(invoice(reversed))
        }
    }
}

/// Writes down that money went back to the customer.
///
/// # Errors
/// Those of [`of_sale::refund`] and of [`of_invoice::refund`].
pub async fn refund(
    ctx: &Context,
    call: &Call,
    input: &RefundOf,
) -> Result<Answer<Paid>, ServiceError> {
    match input {
        RefundOf::Sale(money) => Ok(sale(of_sale::refund(ctx, call, money).await?)),
        RefundOf::Invoice(money) => Ok(invoice(of_invoice::refund(ctx, call, money).await?)),
    }
}

fn sale(answer: Answer<Sale>) -> Answer<Paid> {
    Answer {
        value: Paid::Sale(Box::new(answer.value)),
        replayed: answer.replayed,
    }
}

fn invoice(answer: Answer<InvoiceView>) -> Answer<Paid> {
    Answer {
        value: Paid::Invoice(Box::new(answer.value)),
        replayed: answer.replayed,
    }
}
