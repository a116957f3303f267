//! Bookings that are made together, one every so many weeks at the same local time; and cancelled together.

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::booking::{Booking, Canceller};
use crate::domain::calendar;
use crate::domain::refusal::Refusal;
use crate::ids::{BookingId, BookingSeriesId};
use crate::ledger::{LedgerError, Submission, within};
use crate::service::bookings::ending::{EndVerb, Step, require};
use crate::service::bookings::paying::{Choice, carry_out, holding, pay, submission};
use crate::service::bookings::view::views;
use crate::service::bookings::{BookingView, NewBooking, choice, planned};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::bookings;

/// Days in a week.
const WEEK_DAYS: i64 = 7;

/// What is to be booked again and again.
#[derive(Clone, Debug)]
pub struct NewSeries {
    /// The first one.
    pub first: NewBooking,
    /// How many.
    pub count: u32,
    /// Every how many weeks.
    pub every_weeks: u32,
}

/// Which series is to end.
#[derive(Clone, Copy, Debug)]
pub struct SeriesCancellation {
    /// Which one.
    pub series_id: BookingSeriesId,
    /// Who cancels.
    pub by: Canceller,
}

/// The bookings of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesView {
    /// The series.
    pub series_id: BookingSeriesId,
    /// Its bookings that the call made or cancelled, in their order.
    pub bookings: Vec<BookingView>,
}

/// Makes a series: each occurrence holds its own credits, all or nothing.
///
/// # Errors
/// Those of [`create`](super::create) for all of it, and [`ServiceError::OccurrencesRefused`] with every refused
/// hold.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewSeries,
) -> Result<Answer<SeriesView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let (first, item) = planned(ctx, &txn, call, &input.first).await?;
    first.check_times().map_err(Refusal::from)?;
    let choice = choice(&txn, call, &input.first.payer).await?;
    let series_id = BookingSeriesId::generate(first.created_at);
    let mut all = occurrences(call, &first, series_id, input)?;
    let named = match choice {
        Choice::Nothing => None,
        Choice::BestIfAny => Some(Vec::new()),
        Choice::Packages(named) => Some(named),
    };
    if let Some(named) = named {
        let submissions: Vec<Submission> = all
            .iter()
            .map(|booking| {
                submission(
                    ctx,
                    call,
                    booking,
                    holding(booking, item.clone(), named.clone()),
                )
            })
            .collect();
        hold_all(ctx, &txn, &mut all, &submissions).await?;
    }
    for booking in &all {
        bookings::insert(&txn, booking).await?;
    }
    let made = SeriesView {
        series_id,
        bookings: views(&txn, call.business_id(), all, ctx.clock.now()).await?,
    };
    call.remember(&txn, &made).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(made))
}

/// The bookings of a series, none of them paid yet.
fn occurrences(
    call: &Call,
    first: &Booking,
    series_id: BookingSeriesId,
    input: &NewSeries,
) -> Result<Vec<Booking>, Refusal> {
    let zone = call.caller.business.zone;
    let impossible = || Refusal::ValidityImpossible {
        problem: "the last occurrence lies beyond the year 9999".to_owned(),
    };
    let mut all = Vec::new();
    for index in 0..input.count {
        let weeks = i64::from(index).saturating_mul(i64::from(input.every_weeks));
        let days = weeks.saturating_mul(WEEK_DAYS);
        let moved = |at| calendar::moved_by_days(at, days, zone).ok_or_else(impossible);
        all.push(Booking {
            id: BookingId::generate(first.created_at),
            starts_at: moved(first.starts_at)?,
            ends_at: first.ends_at.map(moved).transpose()?,
            series: Some((series_id, i32::try_from(index).unwrap_or(i32::MAX))),
            ..first.clone()
        });
    }
    Ok(all)
}

/// Holds credits for each booking, or refuses with all that cannot be held.
async fn hold_all(
    ctx: &Context,
    txn: &DatabaseTransaction,
    all: &mut [Booking],
    submissions: &[Submission],
) -> Result<(), ServiceError> {
    within::lock(txn, &ctx.clock, submissions).await?;
    let mut refusals = Vec::new();
    for (index, (booking, submission)) in all.iter_mut().zip(submissions).enumerate() {
        let alone = std::slice::from_ref(submission);
        match within::carry_out_one(txn, &ctx.clock, submission).await {
            Ok(receipt) => pay(booking, alone, &[receipt]),
            Err(LedgerError::Refused(refusal)) => refusals.push((index, refusal)),
            Err(error) => return Err(error.into()),
        }
    }
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(ServiceError::OccurrencesRefused(refusals))
    }
}

/// Cancels the bookings of a series that are still ahead.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::PermissionDenied`].
pub async fn cancel(
    ctx: &Context,
    call: &Call,
    input: &SeriesCancellation,
) -> Result<Answer<SeriesView>, ServiceError> {
    let verb = EndVerb::Cancel(input.by);
    require(call, verb)?;
    let (business_id, series_id) = (call.business_id(), input.series_id);
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    if !bookings::has_series(&txn, business_id, series_id).await? {
        return Err(resolve::not_found("booking series", &series_id).into());
    }
    let now = ctx.clock.now();
    let mut ahead = bookings::lock_ahead(&txn, business_id, series_id, now).await?;
    let (mut steps, mut submissions) = (Vec::new(), Vec::new());
    for booking in &ahead {
        let step = Step::of(&txn, call, booking, verb, now).await?;
        let command = step.command.clone();
        let place = command.is_some().then_some(submissions.len());
        submissions.extend(command.map(|command| submission(ctx, call, booking, command)));
        steps.push((step, place));
    }
    let receipts = carry_out(ctx, &txn, &submissions).await?;
    for (booking, (step, place)) in ahead.iter_mut().zip(steps) {
        let done = place.and_then(|at| Some((submissions.get(at)?, receipts.get(at)?)));
        let (submission, receipt) = done.unzip();
        let submission = submission.map(std::slice::from_ref).unwrap_or_default();
        let receipt = receipt.map(std::slice::from_ref).unwrap_or_default();
        step.finish(booking, submission, receipt)?;
        bookings::update(&txn, booking).await?;
    }
    let cancelled = SeriesView {
        series_id,
        bookings: views(&txn, business_id, ahead, now).await?,
    };
    call.remember(&txn, &cancelled).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(cancelled))
}
