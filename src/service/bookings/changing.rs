//! Changes of bookings: another time, another package, none (F5). What was held is freed and held anew, what
//! was used undone and used anew, in one transaction.

use chrono::{DateTime, Utc};

use crate::domain::booking::{BookingState, Paid};
use crate::domain::decide::Command;
use crate::domain::refusal::Refusal;
use crate::ids::{BookingId, Reference};
use crate::ledger::Submission;
use crate::service::bookings::paying::{
    self, Choice, carry_out, holding, pay, releasing, reversing, still_open, submission,
};
use crate::service::bookings::{BookingView, KIND, PayerChoice, choice, lock, viewed};
use crate::service::call::{Answer, Call};
use crate::service::consume::{item_in, past_expiry};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::bookings;

/// What is new of a booking; none: as it is.
#[derive(Clone, Debug)]
pub struct BookingUpdate {
    /// Which one.
    pub booking: Reference<BookingId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of it.
    pub external_id: Option<Option<String>>,
    /// When the service takes place.
    pub starts_at: Option<DateTime<Utc>>,
    /// When it is over.
    pub ends_at: Option<Option<DateTime<Utc>>>,
    /// For staff.
    pub note: Option<String>,
}

/// What is to pay a booking instead.
#[derive(Clone, Debug)]
pub struct PayerChange {
    /// Which one.
    pub booking: Reference<BookingId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// What is to pay it.
    pub payer: PayerChoice,
}

/// Changes a booking.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`Refusal::ExternalIdTaken`], where the time changes those of
/// [`BookingStatus::hold`](crate::domain::booking::BookingStatus::hold) and
/// [`Booking::check_times`](crate::domain::booking::Booking::check_times), and those of a hold.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &BookingUpdate,
) -> Result<Answer<BookingView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut booking = lock(&txn, call, &input.booking, input.etag.as_deref()).await?;
    if let Some(external_id) = &input.external_id {
        booking.external_id.clone_from(external_id);
    }
    if let Some(note) = &input.note {
        booking.note.clone_from(note);
    }
    let is_moved = input.starts_at.is_some_and(|at| at != booking.starts_at);
    if is_moved || input.ends_at.is_some() {
        let hold_id = booking.status.hold(booking.id).map_err(Refusal::from)?;
        let length = booking
            .ends_at
            .map(|at| at.signed_duration_since(booking.starts_at));
        booking.starts_at = input.starts_at.unwrap_or(booking.starts_at);
        booking.ends_at = match input.ends_at {
            Some(ends_at) => ends_at,
            None => length.and_then(|length| booking.starts_at.checked_add_signed(length)),
        };
        booking.check_times().map_err(Refusal::from)?;
        let held = still_open(&txn, &booking, hold_id).await?;
        if let Some(hold_id) = held.filter(|_| is_moved) {
            let item = item_in(&txn, booking.business_id, booking.item_id).await?;
            let again = holding(&booking, item, booking.package_ids());
            let submissions = [
                submission(ctx, call, &booking, releasing(hold_id)),
                submission(ctx, call, &booking, again),
            ];
            let receipts = carry_out(ctx, &txn, &submissions).await?;
            pay(&mut booking, &submissions, &receipts);
        }
    }
    let external_id = booking.external_id.clone();
    bookings::update(&txn, &mut booking)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, external_id.as_deref()))?;
    let changed = viewed(ctx, &txn, booking).await?;
    call.remember(&txn, &changed).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// Has another package pay a booking, or none.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], those of
/// [`BookingStatus::unpay`](crate::domain::booking::BookingStatus::unpay), and those of a hold or a use.
pub async fn change_package(
    ctx: &Context,
    call: &Call,
    input: &PayerChange,
) -> Result<Answer<BookingView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut booking = lock(&txn, call, &input.booking, input.etag.as_deref()).await?;
    let choice = choice(&txn, call, &input.payer).await?;
    let unpaid = booking.status.clone().unpay(booking.id);
    let (status, paid) = unpaid.map_err(Refusal::from)?;
    booking.status = status;
    let undoing = match paid {
        Paid::Held(hold_id) => still_open(&txn, &booking, hold_id).await?.map(releasing),
        Paid::Used(posting_id) => posting_id.map(reversing),
    };
    let mut submissions: Vec<Submission> = Vec::new();
    submissions.extend(undoing.map(|command| submission(ctx, call, &booking, command)));
    booking.applied.clear();
    let named = match choice {
        Choice::BestIfAny => Some(Vec::new()),
        Choice::Packages(named) => Some(named),
        Choice::Nothing => None,
    };
    let is_paid = named.is_some();
    if let Some(named) = named {
        let item = item_in(&txn, booking.business_id, booking.item_id).await?;
        let command = if booking.status.state() == BookingState::Booked {
            holding(&booking, item, named)
        } else {
            let at = booking.starts_at.min(ctx.clock.now());
            let mut taking = paying::taking(&booking, item, named, at);
            taking.past_expiry = past_expiry(call, taking.delivered_at);
            Command::Consume(taking)
        };
        submissions.push(submission(ctx, call, &booking, command));
    }
    let receipts = carry_out(ctx, &txn, &submissions).await?;
    if is_paid {
        pay(&mut booking, &submissions, &receipts);
    }
    bookings::update(&txn, &mut booking).await?;
    let changed = viewed(ctx, &txn, booking).await?;
    call.remember(&txn, &changed).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}
