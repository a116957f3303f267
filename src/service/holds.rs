//! Setting credits aside, and using or freeing what is held (D7).

use chrono::{DateTime, Utc};

use crate::domain::decide::{Capture, Command, Consume, PlaceHold, Release};
use crate::domain::hold::OnTimeOut;
use crate::domain::part::Portion;
use crate::domain::refusal::Refusal;
use crate::ids::HoldId;
use crate::service::call::{Answer, Call};
use crate::service::consume::{self, Use, item_now};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::posted::{self, Posted};
use crate::service::resolve;
use crate::store::holds;

/// Credits to be set aside.
#[derive(Clone, Debug)]
pub struct HoldInput {
    /// What is taken; `delivered_at` is when the service takes place.
    pub taking: Use,
    /// When the hold ends by itself; none: never.
    pub times_out_at: Option<DateTime<Utc>>,
    /// What happens then.
    pub on_time_out: OnTimeOut,
}

/// Held credits to be used.
#[derive(Clone, Debug)]
pub struct CaptureInput {
    /// The hold.
    pub hold_id: HoldId,
    /// How much of it.
    pub portion: Portion,
    /// When the service was delivered; none: when the hold said, at the latest now.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Whether more than is held may be used.
    pub allow_excess: bool,
    /// For staff.
    pub note: String,
}

/// Held credits to be freed.
#[derive(Clone, Debug)]
pub struct ReleaseInput {
    /// The hold.
    pub hold_id: HoldId,
    /// For staff.
    pub note: String,
}

/// Sets credits aside.
///
/// # Errors
/// Those of [`consume`](consume::consume), and [`Refusal::TimeOutNotLater`].
pub async fn hold(
    ctx: &Context,
    call: &Call,
    input: &HoldInput,
) -> Result<Answer<Posted>, ServiceError> {
    let taking = consume::taking(ctx, call, &input.taking).await;
    // Credits are set aside for what is to come; what is over is consumed.
    let taking = taking.map(|taking| Consume {
        past_expiry: None,
        ..taking
    });
    let asked = taking.as_ref().ok().cloned();
    let command = taking.map(|taking| {
        Command::Hold(PlaceHold {
            taking,
            times_out_at: input.times_out_at,
            on_time_out: input.on_time_out,
        })
    });
    let done = posted::submit(ctx, call, command, &input.taking.note).await;
    consume::or_unknown(ctx, call, &input.taking, asked.as_ref(), done).await
}

/// Uses what is held. A hold that was captured before answers as it did then (semantics 18).
///
/// # Errors
/// [`Refusal::HoldAlreadyReleased`], [`Refusal::HoldTimedOut`], [`Refusal::CaptureExceedsHold`], and those of
/// [`consume`](consume::consume) for what exceeds the hold.
pub async fn capture(
    ctx: &Context,
    call: &Call,
    input: &CaptureInput,
) -> Result<Answer<Posted>, ServiceError> {
    let command = capturing(ctx, call, input).await;
    let done = posted::submit(ctx, call, command, &input.note).await;
    match done {
        Err(ServiceError::Refused(refusal @ Refusal::HoldAlreadyCaptured { posting_id, .. })) => {
            posted::done_before(ctx, call, posting_id, refusal).await
        }
        done => done,
    }
}

/// Frees what is held. A hold that was released before answers as it did then (semantics 18).
///
/// # Errors
/// [`Refusal::HoldAlreadyCaptured`], [`Refusal::HoldTimedOut`].
pub async fn release(
    ctx: &Context,
    call: &Call,
    input: &ReleaseInput,
) -> Result<Answer<Posted>, ServiceError> {
    let command = Command::Release(Release {
        hold_id: input.hold_id,
    });
    let done = posted::submit(ctx, call, Ok(command), &input.note).await;
    match done {
        Err(ServiceError::Refused(refusal @ Refusal::HoldAlreadyReleased { posting_id, .. })) => {
            posted::done_before(ctx, call, posting_id, refusal).await
        }
        done => done,
    }
}

async fn capturing(
    ctx: &Context,
    call: &Call,
    input: &CaptureInput,
) -> Result<Command, ServiceError> {
    let excess = if input.allow_excess {
        let hold = holds::get(ctx.db.reader(), call.business_id(), input.hold_id)
            .await?
            .ok_or_else(|| resolve::not_found("hold", &input.hold_id))?;
        Some(match hold.item_id {
            Some(item_id) => Some(item_now(ctx, call, item_id).await?),
            None => None,
        })
    } else {
        None
    };
    Ok(Command::Capture(Capture {
        hold_id: input.hold_id,
        portion: input.portion,
        delivered_at: input.delivered_at,
        excess,
    }))
}
