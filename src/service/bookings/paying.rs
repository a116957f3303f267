//! What a booking does to credits: each command in the booking's transaction, and bound to it.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::domain::booking::{Applied, Booking};
use crate::domain::decide::{Command, Consume, Meanwhile, PlaceHold, Release, Reverse};
use crate::domain::entry::{Account, Purpose};
use crate::domain::hold::OnTimeOut;
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::domain::selection::Wanted;
use crate::domain::watch::Watch;
use crate::ids::{HoldId, PackageId, new_uuid};
use crate::ledger::{Receipt, Submission, within};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::holds;

/// What is to pay, found.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// The best package; none if none can.
    BestIfAny,
    /// These packages; none named: the best one.
    Packages(Vec<PackageId>),
    /// No package.
    Nothing,
}

/// A command of a booking: a posting with an id of its own, since the request's is the booking's.
pub(super) fn submission(
    ctx: &Context,
    call: &Call,
    booking: &Booking,
    command: Command,
) -> Submission {
    Submission {
        business_id: booking.business_id,
        request_id: new_uuid(ctx.clock.now()),
        request_hash: call.hash,
        method: call.method,
        actor: call.caller.actor,
        purpose: Some(Purpose::Booking(booking.id)),
        command,
        watch: Watch::of(&call.caller.business),
        note: String::new(),
        validate_only: call.validate_only,
    }
}

/// Does what the submissions say, all or nothing.
pub(super) async fn carry_out(
    ctx: &Context,
    txn: &DatabaseTransaction,
    submissions: &[Submission],
) -> Result<Vec<Receipt>, ServiceError> {
    Ok(within::carry_out(txn, &ctx.clock, submissions).await?)
}

/// The hold of a booking, of these packages or the best ones.
pub(super) fn holding(booking: &Booking, item: ItemFacts, package_ids: Vec<PackageId>) -> Command {
    Command::Hold(PlaceHold {
        taking: taking(booking, item, package_ids, booking.starts_at),
        times_out_at: None,
        on_time_out: OnTimeOut::Release,
    })
}

/// The use of a booking that took place, of these packages or the best ones, for a service at `at`.
pub(super) fn taking(
    booking: &Booking,
    item: ItemFacts,
    package_ids: Vec<PackageId>,
    at: DateTime<Utc>,
) -> Consume {
    Consume {
        customer_id: booking.customer_id,
        wanted: Wanted::Item {
            item,
            units: booking.units,
        },
        package_ids,
        delivered_at: Some(at),
        consumed_by: None,
        past_expiry: None,
    }
}

/// Frees a hold.
pub(super) fn releasing(hold_id: HoldId) -> Command {
    Command::Release(Release { hold_id })
}

/// Undoes a use, into the lots that it came from.
pub(super) fn reversing(posting_id: Uuid) -> Command {
    Command::Reverse(Reverse {
        posting_id,
        portion: Portion::All,
        meanwhile: Meanwhile::Expire,
    })
}

/// Holds what is to pay a new booking.
pub(super) async fn hold(
    ctx: &Context,
    txn: &DatabaseTransaction,
    call: &Call,
    (booking, item): (&mut Booking, ItemFacts),
    choice: &Choice,
) -> Result<(), ServiceError> {
    let named = match choice {
        Choice::Nothing => return Ok(()),
        Choice::BestIfAny => Vec::new(),
        Choice::Packages(named) => named.clone(),
    };
    let submissions = [submission(
        ctx,
        call,
        booking,
        holding(booking, item, named),
    )];
    match carry_out(ctx, txn, &submissions).await {
        Ok(receipts) => pay(booking, &submissions, &receipts),
        Err(ServiceError::Refused(refusal)) if may_go_without(choice, &refusal) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Whether a booking is made without a package that is refused one like this.
fn may_go_without(choice: &Choice, refusal: &Refusal) -> bool {
    let is_lacking = matches!(
        refusal,
        Refusal::InsufficientCredits { .. } | Refusal::Holder(HolderRefusal::UseLimit { .. })
    );
    is_lacking && matches!(choice, Choice::BestIfAny)
}

/// Writes on the booking that the last of these pays it.
pub(super) fn pay(booking: &mut Booking, submissions: &[Submission], receipts: &[Receipt]) {
    if let Some((last, receipt)) = submissions.last().zip(receipts.last()) {
        booking.status = booking.status.clone().paid_by(last.request_id);
        booking.applied = applied(receipt);
    }
}

/// What a posting held or used.
pub(super) fn applied(receipt: &Receipt) -> Vec<Applied> {
    let taken = receipt
        .entries
        .iter()
        .filter(|entry| entry.to == Account::Held || entry.to == Account::Consumed);
    taken
        .filter_map(|entry| {
            Some(Applied {
                package_id: receipt.lots.get(&entry.lot_id)?.package_id,
                lot_id: entry.lot_id,
                credits: entry.amount,
            })
        })
        .collect()
}

/// The hold if it still holds something: it was freed by itself if its package was taken away.
pub(super) async fn still_open(
    txn: &DatabaseTransaction,
    booking: &Booking,
    hold_id: Option<HoldId>,
) -> Result<Option<HoldId>, ServiceError> {
    let Some(hold_id) = hold_id else {
        return Ok(None);
    };
    let hold = holds::get(txn, booking.business_id, hold_id).await?;
    Ok(hold.filter(|hold| hold.ended.is_none()).map(|hold| hold.id))
}
