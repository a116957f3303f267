//! How bookings end: completed, cancelled, a no-show; and how that is undone (semantics 18, 21, 22).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::booking::{Booking, Canceller, Ended};
use crate::domain::booking_rules::CancellationPolicy;
use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::decide::{Capture, Command};
use crate::domain::hold::Hold;
use crate::domain::part::Portion;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::ids::{BookingId, HoldId, LotId, Reference};
use crate::ledger::{Receipt, Submission};
use crate::service::bookings::paying::{
    applied, carry_out, holding, pay, releasing, reversing, submission,
};
use crate::service::bookings::{BookingView, lock, viewed};
use crate::service::call::{Answer, Call};
use crate::service::consume::item_in;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{bookings, holds, lots, packages};

/// How a booking ends.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Which one.
    pub booking: Reference<BookingId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// How.
    pub verb: EndVerb,
}

/// What is said of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndVerb {
    /// It took place.
    Complete,
    /// It is not to take place.
    Cancel(Canceller),
    /// The customer did not come.
    MarkNoShow,
}

/// A completion or a no-show that is to be undone.
#[derive(Clone, Debug)]
pub struct Reopening {
    /// Which booking.
    pub booking: Reference<BookingId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// Whether no package is to pay it any more.
    pub without_package: bool,
}

/// Ends a booking: what it holds is used or freed.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], those of
/// [`BookingStatus::hold`](crate::domain::booking::BookingStatus::hold) and of [`Booking::check_begun`], and those
/// of a capture.
pub async fn end(
    ctx: &Context,
    call: &Call,
    input: &Ending,
) -> Result<Answer<BookingView>, ServiceError> {
    require(call, input.verb)?;
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut booking = lock(&txn, call, &input.booking, input.etag.as_deref()).await?;
    let now = ctx.clock.now();
    let step = Step::of(&txn, call, &booking, input.verb, now).await?;
    let submissions: Vec<Submission> = match step.command.clone() {
        Some(command) => vec![submission(ctx, call, &booking, command)],
        None => Vec::new(),
    };
    let receipts = carry_out(ctx, &txn, &submissions).await?;
    step.finish(&mut booking, &submissions, &receipts)?;
    bookings::update(&txn, &mut booking).await?;
    let ended = viewed(ctx, &txn, booking).await?;
    call.remember(&txn, &ended).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(ended))
}

/// Refuses a caller who may not cancel for the business.
pub(super) fn require(call: &Call, verb: EndVerb) -> Result<(), Refusal> {
    if verb == EndVerb::Cancel(Canceller::Business) {
        call.require(Permission::BookingsAmend)?;
    }
    Ok(())
}

/// What ending a booking does to its credits, and what becomes of it then.
pub(super) struct Step {
    verb: EndVerb,
    now: DateTime<Utc>,
    pub(super) command: Option<Command>,
}

impl Step {
    /// What a verb does to a locked booking.
    pub(super) async fn of(
        txn: &DatabaseTransaction,
        call: &Call,
        booking: &Booking,
        verb: EndVerb,
        now: DateTime<Utc>,
    ) -> Result<Self, ServiceError> {
        let hold_id = booking.status.hold(booking.id).map_err(Refusal::from)?;
        let command = match verb {
            EndVerb::Complete => {
                let zone = call.caller.business.zone;
                let day = calendar::local_day(booking.starts_at, zone);
                let from = calendar::first_instant_of(day, zone).unwrap_or(booking.starts_at);
                booking.check_begun(from, now).map_err(Refusal::from)?;
                hold_id.map(|hold_id| capturing(hold_id, Portion::All))
            }
            EndVerb::MarkNoShow => {
                let begun = booking.check_begun(booking.starts_at, now);
                begun.map_err(Refusal::from)?;
                hold_id.map(|hold_id| capturing(hold_id, Portion::All))
            }
            EndVerb::Cancel(by) => cancelling(txn, booking, hold_id, (by, now)).await?,
        };
        Ok(Self { verb, now, command })
    }

    /// Writes on the booking what became of it.
    pub(super) fn finish(
        self,
        booking: &mut Booking,
        submissions: &[Submission],
        receipts: &[Receipt],
    ) -> Result<(), Refusal> {
        let done = submissions.last().zip(receipts.last());
        let taken = done
            .map(|(_, receipt)| applied(receipt))
            .unwrap_or_default();
        let used_by = done.map(|(submission, _)| submission.request_id);
        let ended = Ended {
            at: self.now,
            used_by: used_by.filter(|_| !taken.is_empty()),
        };
        let (id, status) = (booking.id, booking.status.clone());
        booking.status = match self.verb {
            EndVerb::Complete => status.complete(id, ended)?,
            EndVerb::MarkNoShow => status.mark_no_show(id, ended)?,
            EndVerb::Cancel(by) => status.cancel(id, ended, by)?,
        };
        booking.applied = taken;
        Ok(())
    }
}

fn capturing(hold_id: HoldId, portion: Portion) -> Command {
    Command::Capture(Capture {
        hold_id,
        portion,
        delivered_at: None,
        excess: None,
    })
}

/// What cancelling does to the hold: nothing if its package was taken away and it was freed then.
async fn cancelling(
    txn: &DatabaseTransaction,
    booking: &Booking,
    hold_id: Option<HoldId>,
    (by, now): (Canceller, DateTime<Utc>),
) -> Result<Option<Command>, ServiceError> {
    let Some(hold_id) = hold_id else {
        return Ok(None);
    };
    let hold = holds::get(txn, booking.business_id, hold_id).await?;
    let Some(hold) = hold.filter(|hold| hold.ended.is_none()) else {
        return Ok(None);
    };
    let policy = match by {
        Canceller::Business => None,
        Canceller::Customer => policy(txn, booking).await?,
    };
    let (taken, whole) = match policy {
        Some(policy) => share(txn, booking, &hold, (policy, now)).await?,
        None => (Credits::ZERO, Credits::UNIT),
    };
    Ok(Some(if taken == Credits::ZERO {
        releasing(hold_id)
    } else if taken == whole {
        capturing(hold_id, Portion::All)
    } else {
        capturing(hold_id, Portion::Credits(taken))
    }))
}

/// The cancellation policy of the package that pays first, as it was sold.
async fn policy(
    txn: &DatabaseTransaction,
    booking: &Booking,
) -> Result<Option<CancellationPolicy>, ServiceError> {
    let Some(first) = booking.applied.first() else {
        return Ok(None);
    };
    let package = packages::get(txn, booking.business_id, first.package_id).await?;
    let rules = package.and_then(|package| package.booking_rules);
    Ok(rules.and_then(|rules| rules.cancellation))
}

/// How much of what is held the policy takes, and how much that is.
async fn share(
    txn: &DatabaseTransaction,
    booking: &Booking,
    hold: &Hold,
    (policy, now): (CancellationPolicy, DateTime<Utc>),
) -> Result<(Credits, Credits), ServiceError> {
    let ids: Vec<LotId> = hold.parts.iter().map(|part| part.lot_id).collect();
    let lots = lots::by_ids(txn, booking.business_id, &ids).await?;
    let places = lots.iter().map(|lot| lot.line.decimal_places).min();
    let mut whole = Credits::ZERO;
    for part in &hold.parts {
        let sum = whole.checked_add(part.left);
        whole = sum.ok_or(Refusal::AmountTooLarge)?;
    }
    let times = (booking.starts_at, now);
    Ok((policy.taken(whole, places.unwrap_or(0), times), whole))
}

/// Undoes a completion or a no-show: the credits go back into their lots and are held again.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], those of
/// [`BookingStatus::reopen`](crate::domain::booking::BookingStatus::reopen), and those of a hold.
pub async fn reopen(
    ctx: &Context,
    call: &Call,
    input: &Reopening,
) -> Result<Answer<BookingView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut booking = lock(&txn, call, &input.booking, input.etag.as_deref()).await?;
    let status = booking.status.clone();
    let (status, used_by) = status.reopen(booking.id).map_err(Refusal::from)?;
    booking.status = status;
    let mut submissions = Vec::new();
    if let Some(posting_id) = used_by {
        submissions.push(submission(ctx, call, &booking, reversing(posting_id)));
        if !input.without_package {
            let item = item_in(&txn, booking.business_id, booking.item_id).await?;
            let again = holding(&booking, item, booking.package_ids());
            submissions.push(submission(ctx, call, &booking, again));
        }
    }
    let receipts = carry_out(ctx, &txn, &submissions).await?;
    booking.applied.clear();
    if used_by.is_some() && !input.without_package {
        pay(&mut booking, &submissions, &receipts);
    }
    bookings::update(&txn, &mut booking).await?;
    let reopened = viewed(ctx, &txn, booking).await?;
    call.remember(&txn, &reopened).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(reopened))
}
