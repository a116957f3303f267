//! Payments that took place elsewhere and are written down here (E5). Whatever is due of a sale, a payment of it
//! moves no credits: that a package is complete follows from its being used up and paid. Those of invoices are
//! `invoices::paying`.

use sea_orm::DatabaseTransaction;

use crate::domain::refusal::{Refusal, SellingRefusal};
use crate::domain::sale::{Payment, PaymentMethod, Sale, check_method};
use crate::ids::{PaymentId, SaleId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::invoices::InvoiceView;
use crate::service::invoices::paying::{self, MoneyEntry};
use crate::service::resolve;
use crate::service::undo_sale::standing;
use crate::store::{businesses, customers, packages, sales};

/// What was paid of a sale.
#[derive(Clone, Debug)]
pub struct SalePayment {
    /// Which sale.
    pub sale_id: SaleId,
    /// How.
    pub method: PaymentMethod,
    /// How much, in minor units; none: all that is due.
    pub amount_minor: Option<i64>,
    /// The receipt's or transfer's number.
    pub reference: String,
}

/// A payment of what there is to pay.
#[derive(Clone, Debug)]
pub enum PaymentOf {
    /// Of a sale.
    Sale(SalePayment),
    /// Of an invoice.
    Invoice(MoneyEntry),
}

/// What was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paid {
    /// A sale.
    Sale(Sale),
    /// An invoice.
    Invoice(Box<InvoiceView>),
}

/// Writes a payment down.
///
/// # Errors
/// Those of [`of_sale`] and of [`paying::record`].
pub async fn record(
    ctx: &Context,
    call: &Call,
    input: &PaymentOf,
) -> Result<Answer<Paid>, ServiceError> {
    match input {
        PaymentOf::Sale(payment) => {
            let answer = of_sale(ctx, call, payment).await?;
            Ok(Answer {
                value: Paid::Sale(answer.value),
                replayed: answer.replayed,
            })
        }
        PaymentOf::Invoice(payment) => {
            let answer = paying::record(ctx, call, payment).await?;
            Ok(Answer {
                value: Paid::Invoice(Box::new(answer.value)),
                replayed: answer.replayed,
            })
        }
    }
}

/// Writes a payment of a sale down. Once all of the sale is paid, so are its packages.
///
/// # Errors
/// [`Refusal::NotFound`], `SALE_ALREADY_UNDONE`, `SALE_ON_INVOICE`, [`SellingRefusal::SaleAlreadyPaid`], [`Refusal::PaymentExceedsPrice`],
/// [`Refusal::AccountPaymentsInactive`], [`Refusal::CustomerMayNotPurchaseOnAccount`].
pub async fn of_sale(
    ctx: &Context,
    call: &Call,
    input: &SalePayment,
) -> Result<Answer<Sale>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut sale = lock(&txn, call, input).await?;
    let now = ctx.clock.now();
    let payment = Payment {
        id: PaymentId::generate(now),
        method: input.method,
        amount_minor: due(&sale, input.amount_minor)?,
        reference: input.reference.clone(),
        recorded_at: now,
    };
    sale.payments.push(payment);
    let request_id = call.request_id.unwrap_or_default();
    sales::add_last_payment(&txn, business_id, request_id, &sale).await?;
    if sale.paid_minor() >= sale.price.total_minor {
        for mut package in packages::lock(&txn, business_id, &sale.package_ids).await? {
            if package.paid_at.is_none() {
                package.paid_at = Some(now);
                packages::update(&txn, &mut package).await?;
            }
        }
    }
    call.remember(&txn, &sale).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(sale))
}

/// The sale, locked, once it is clear that it may be paid like this. Its customer is held first, in the
/// order of locks.
async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    input: &SalePayment,
) -> Result<Sale, ServiceError> {
    let business_id = call.business_id();
    let missing = || resolve::not_found("sale", &input.sale_id);
    let found = sales::get(txn, business_id, input.sale_id).await?;
    let customer_id = found.ok_or_else(missing)?.customer_id;
    let customer = customers::share(txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &customer_id))?;
    let business = businesses::get(txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    check_method(input.method, &business, &customer)?;
    let locked = sales::lock(txn, business_id, input.sale_id).await?;
    let sale = standing(locked, input.sale_id)?;
    sale.refuse_invoiced().map_err(Refusal::from)?;
    Ok(sale)
}

/// What is paid, in minor units: so much, or all that is due.
fn due(sale: &Sale, amount_minor: Option<i64>) -> Result<i64, Refusal> {
    let (paid, total_minor) = (sale.paid_minor(), sale.price.total_minor);
    let due = total_minor.saturating_sub(paid);
    if due <= 0 {
        return Err(SellingRefusal::SaleAlreadyPaid {
            sale_id: sale.id,
            total_minor,
        }
        .into());
    }
    let amount = amount_minor.unwrap_or(due);
    if amount > due {
        return Err(Refusal::PaymentExceedsPrice {
            paid_minor: paid.saturating_add(amount),
            total_minor,
        });
    }
    Ok(amount)
}
