//! Invoices (F1): made, found, changed while they are drafts. What credits pay of them is [`crediting`], what
//! money pays is [`paying`], what package rates ask is [`rates`], what they sell is `selling`, and how they begin
//! and end to count is [`counting`].
//!
//! Order of locks: the customer (its packages may depend on what it has), the invoice, packages, lots, the invoice
//! number. Only one invoice is locked at a time.

pub mod counting;
pub mod crediting;
mod lines;
pub mod paying;
pub mod rates;
mod selling;
mod view;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, DbErr};

use crate::domain::customer::Customer;
use crate::domain::invoice::{Invoice, InvoiceState};
use crate::domain::payment::Takings;
use crate::domain::refusal::Refusal;
use crate::ids::{CustomerId, InvoiceId, Reference};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{buyers, resolve};
use crate::store::error::StoreError;
use crate::store::invoices::Filter;
use crate::store::{businesses, customers, invoices};
use crediting::Credits;

pub use lines::{LinePricing, NewInvoiceLine, NewItem, NewLineOf};
pub use view::{CreditPart, InvoiceView, LineHold};

/// What the things of this file are called.
const KIND: &str = "invoice";

/// What a new invoice is.
#[derive(Clone, Debug)]
pub struct NewInvoice {
    /// Who is to pay.
    pub customer: Reference<CustomerId>,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What is to be paid.
    pub lines: Vec<NewInvoiceLine>,
}

/// An invoice, and the version of it that the caller knows.
#[derive(Clone, Debug)]
pub struct InvoiceTarget {
    /// Which one.
    pub invoice: Reference<InvoiceId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// What is to change on a draft.
#[derive(Clone, Debug)]
pub struct InvoiceEdit {
    /// Which one.
    pub target: InvoiceTarget,
    /// Another id of the caller's; none: as it is.
    pub external_id: Option<Option<String>>,
    /// Other lines than before; none: as they are.
    pub lines: Option<Vec<NewInvoiceLine>>,
}

/// Which page of invoices.
#[derive(Clone, Debug)]
pub struct InvoiceList {
    /// Only those to this customer.
    pub customer: Option<Reference<CustomerId>>,
    /// Only those in this state.
    pub state: Option<InvoiceState>,
    /// Below this one.
    pub before: Option<InvoiceId>,
    /// How many at most.
    pub limit: u64,
}

/// A locked invoice with its customer.
pub(super) struct Locked {
    invoice: Invoice,
    customer: Customer,
    now: DateTime<Utc>,
}

/// Locks an invoice, its customer before it.
pub(super) async fn lock(
    ctx: &Context,
    txn: &DatabaseTransaction,
    call: &Call,
    target: &InvoiceTarget,
) -> Result<Locked, ServiceError> {
    let business_id = call.business_id();
    let missing = || resolve::not_found(KIND, &target.invoice);
    let id = resolve::invoice(txn, business_id, &target.invoice).await?;
    let found = invoices::get(txn, business_id, id)
        .await?
        .ok_or_else(missing)?;
    let customer = customers::lock(txn, business_id, found.customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &found.customer_id))?;
    let invoice = invoices::lock(txn, business_id, id)
        .await?
        .ok_or_else(missing)?;
    if invoice.customer_id != customer.id {
        // Tried again, the call holds whoever took the place of the customer.
        let moved = DbErr::Custom("the invoice has another customer by now".to_owned());
        return Err(ServiceError::Contention(StoreError::Contention(moved)));
    }
    resolve::check_etag(KIND, id, invoice.version, target.etag.as_deref())?;
    Ok(Locked {
        invoice,
        customer,
        now: ctx.clock.now(),
    })
}

/// Makes an invoice, as a draft.
///
/// # Errors
/// [`Refusal::NotFound`], those of a buyer who may not buy, [`Refusal::ExternalIdTaken`], [`Refusal::AmountTooLarge`],
/// [`InvoiceRefusal::PriceMissing`](crate::domain::refusal::InvoiceRefusal::PriceMissing), those of a sale.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewInvoice,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    let customer = customers::lock(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    buyers::check(&customer)?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let now = ctx.clock.now();
    let built = lines::build(&txn, call, (&business, now), &input.lines, &[]).await?;
    let mut credits = Credits::new(ctx, &txn, call, now);
    let invoice = Invoice {
        id: InvoiceId::generate(now),
        business_id,
        external_id: input.external_id.clone(),
        customer_id,
        state: InvoiceState::Draft,
        number: None,
        prices_include_tax: business.prices_include_tax,
        lines: rates::price(&mut credits, customer_id, &input.lines, built).await?,
        money: Takings::default(),
        created_at: now,
        issued_at: None,
        voided_at: None,
        version: 1,
    };
    invoice.price()?;
    selling::check(&txn, call, &business, &invoice, now).await?;
    invoices::insert(&txn, &invoice)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, input.external_id.as_deref()))?;
    let made = view::view(&txn, invoice, now).await?;
    call.remember(&txn, &made).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(made))
}

/// One invoice, with the credits on its lines.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(
    ctx: &Context,
    call: &Call,
    reference: &Reference<InvoiceId>,
) -> Result<InvoiceView, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let id = resolve::invoice(&txn, business_id, reference).await?;
    let invoice = invoices::get(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, reference))?;
    let found = view::view(&txn, invoice, ctx.clock.now()).await?;
    txn.commit().await?;
    Ok(found)
}

/// A page of invoices, newest first.
///
/// # Errors
/// [`Refusal::NotFound`] for the external id of no customer.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &InvoiceList,
) -> Result<Vec<InvoiceView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let customer_id = match &input.customer {
        Some(customer) => Some(resolve::customer(&txn, business_id, customer).await?),
        None => None,
    };
    let filter = Filter {
        customer_id,
        state: input.state,
    };
    let found = invoices::list(&txn, business_id, filter, input.before, input.limit).await?;
    let views = view::views(&txn, business_id, found, ctx.clock.now()).await?;
    txn.commit().await?;
    Ok(views)
}

/// Changes a draft. Credits of lines that are changed or left out are free again.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`Refusal::ExternalIdTaken`], and those of
/// [`InvoiceState::changed`] and of [`create`].
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &InvoiceEdit,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target).await?;
    let now = locked.now;
    let invoice = &mut locked.invoice;
    invoice.state = invoice.state.changed().map_err(Refusal::from)?;
    if let Some(external_id) = &input.external_id {
        invoice.external_id.clone_from(external_id);
    }
    if let Some(new) = &input.lines {
        let business = businesses::get(&txn, business_id)
            .await?
            .ok_or_else(|| resolve::not_found("business", &business_id))?;
        let built = lines::build(&txn, call, (&business, now), new, &invoice.lines).await?;
        let mut credits = Credits::new(ctx, &txn, call, now);
        for line in &invoice.lines {
            let kept = built.iter().find(|it| it.id == line.id);
            if let (Some(applied), None) = (&line.credits, kept.and_then(|it| it.credits.as_ref()))
            {
                credits.free(line.id, applied).await?;
            }
        }
        invoice.lines = rates::price(&mut credits, invoice.customer_id, new, built).await?;
        invoice.price()?;
        selling::check(&txn, call, &business, invoice, now).await?;
    }
    let external_id = invoice.external_id.clone();
    invoices::update(&txn, invoice)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, external_id.as_deref()))?;
    let changed = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &changed).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}
