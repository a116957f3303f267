//! Bookings: made, found (F4). How they end is [`ending`], how they change [`changing`], and several at once
//! [`series`].
//!
//! A booking is locked before the packages that pay it, and its row is written in the transaction that moves
//! their credits.

pub mod changing;
pub mod ending;
mod paying;
pub mod series;
mod view;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::booking::{Booking, BookingState, BookingStatus};
use crate::domain::credits::Credits;
use crate::domain::line::ItemFacts;
use crate::domain::refusal::Refusal;
use crate::ids::{BookingId, BookingSeriesId, CustomerId, ItemId, PackageId, Reference};
use crate::service::buyers::check_there;
use crate::service::call::{Answer, Call};
use crate::service::consume::{item_in, known_packages};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::bookings::Filter;
use crate::store::{bookings, customers};

use paying::Choice;
use view::views;
pub use view::{BookingView, PackageUse};

/// What the things of this file are called.
const KIND: &str = "booking";

/// What is to be booked.
#[derive(Clone, Debug)]
pub struct NewBooking {
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// For whom.
    pub customer: Reference<CustomerId>,
    /// What.
    pub item: Reference<ItemId>,
    /// How many units.
    pub units: Credits,
    /// When the service takes place.
    pub starts_at: DateTime<Utc>,
    /// When it is over.
    pub ends_at: Option<DateTime<Utc>>,
    /// For staff.
    pub note: String,
    /// What is to pay it.
    pub payer: PayerChoice,
}

/// What is to pay a booking.
#[derive(Clone, Debug)]
pub enum PayerChoice {
    /// The best package; none if none can.
    BestIfAny,
    /// The best package.
    Best,
    /// These packages, in this order.
    Named(Vec<Reference<PackageId>>),
    /// No package.
    Nothing,
}

/// Which page of bookings.
#[derive(Clone, Debug)]
pub struct BookingList {
    /// Only those of this customer.
    pub customer: Option<Reference<CustomerId>>,
    /// Only those in this state.
    pub state: Option<BookingState>,
    /// Only those that start at this instant or later.
    pub starts_from: Option<DateTime<Utc>>,
    /// Only those that start earlier than this.
    pub starts_before: Option<DateTime<Utc>>,
    /// Only those of this series.
    pub series_id: Option<BookingSeriesId>,
    /// Behind this start, in microseconds, and id.
    pub after: Option<(i64, BookingId)>,
    /// How many at most.
    pub limit: u64,
}

/// Books an item for a customer.
///
/// # Errors
/// [`Refusal::NotFound`], those of a merged customer, [`Refusal::ItemInactive`],
/// [`BookingRefusal::EndsBeforeStart`](crate::domain::refusal::BookingRefusal::EndsBeforeStart),
/// [`Refusal::ExternalIdTaken`], and those of a hold.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewBooking,
) -> Result<Answer<BookingView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (mut booking, item) = planned(ctx, &txn, call, input).await?;
    booking.check_times().map_err(Refusal::from)?;
    let choice = choice(&txn, call, &input.payer).await?;
    paying::hold(ctx, &txn, call, (&mut booking, item), &choice).await?;
    bookings::insert(&txn, &booking)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, input.external_id.as_deref()))?;
    let made = viewed(ctx, &txn, booking).await?;
    call.remember(&txn, &made).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(made))
}

/// What is to be booked, which nothing pays yet, and the item as it is now.
async fn planned(
    ctx: &Context,
    txn: &DatabaseTransaction,
    call: &Call,
    input: &NewBooking,
) -> Result<(Booking, ItemFacts), ServiceError> {
    let business_id = call.business_id();
    let customer_id = resolve::customer(txn, business_id, &input.customer).await?;
    let customer = customers::share(txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    check_there(&customer)?;
    let item_id = resolve::item(txn, business_id, &input.item).await?;
    let item = item_in(txn, business_id, item_id).await?;
    if !item.active {
        return Err(Refusal::ItemInactive { item_id: item.id }.into());
    }
    let now = ctx.clock.now();
    let booking = Booking {
        id: BookingId::generate(now),
        business_id,
        external_id: input.external_id.clone(),
        customer_id,
        item_id: item.id,
        units: input.units,
        starts_at: input.starts_at,
        ends_at: input.ends_at,
        note: input.note.clone(),
        series: None,
        status: BookingStatus::Booked { hold_id: None },
        applied: Vec::new(),
        created_at: now,
        version: 1,
    };
    Ok((booking, item))
}

/// What is to pay, with the packages that the caller names.
async fn choice(
    txn: &DatabaseTransaction,
    call: &Call,
    payer: &PayerChoice,
) -> Result<Choice, ServiceError> {
    Ok(match payer {
        PayerChoice::BestIfAny => Choice::BestIfAny,
        PayerChoice::Best => Choice::Packages(Vec::new()),
        PayerChoice::Named(packages) => {
            Choice::Packages(known_packages(txn, call.business_id(), packages).await?)
        }
        PayerChoice::Nothing => Choice::Nothing,
    })
}

/// One booking.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(
    ctx: &Context,
    call: &Call,
    reference: &Reference<BookingId>,
) -> Result<BookingView, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let id = resolve::booking(&txn, business_id, reference).await?;
    let booking = bookings::get(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, reference))?;
    let found = viewed(ctx, &txn, booking).await?;
    txn.commit().await?;
    Ok(found)
}

/// A page of bookings, the latest start first.
///
/// # Errors
/// [`Refusal::NotFound`] for the external id of no customer.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &BookingList,
) -> Result<Vec<BookingView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let customer_id = match &input.customer {
        Some(customer) => Some(resolve::customer(&txn, business_id, customer).await?),
        None => None,
    };
    let filter = Filter {
        customer_id,
        state: input.state,
        starts_from: input.starts_from,
        starts_before: input.starts_before,
        series_id: input.series_id,
    };
    let found = bookings::list(&txn, business_id, filter, input.after, input.limit).await?;
    let found = views(&txn, business_id, found, ctx.clock.now()).await?;
    txn.commit().await?;
    Ok(found)
}

/// Locks the booking that a caller names.
async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    reference: &Reference<BookingId>,
    etag: Option<&str>,
) -> Result<Booking, ServiceError> {
    let business_id = call.business_id();
    let id = resolve::booking(txn, business_id, reference).await?;
    let booking = bookings::lock(txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, reference))?;
    resolve::check_etag(KIND, id, booking.version, etag)?;
    Ok(booking)
}

/// One booking as the caller sees it.
async fn viewed(
    ctx: &Context,
    txn: &DatabaseTransaction,
    booking: Booking,
) -> Result<BookingView, ServiceError> {
    let business_id = booking.business_id;
    let packages = Vec::new();
    let fallback = BookingView {
        booking: booking.clone(),
        packages,
    };
    let found = views(txn, business_id, vec![booking], ctx.clock.now()).await?;
    Ok(found.into_iter().next().unwrap_or(fallback))
}
