//! Undoing uses of credits, and moving them to other packages (D6, D9).

use chrono::NaiveDate;
use uuid::Uuid;

use crate::domain::calendar;
use crate::domain::decide::{Command, Meanwhile, Move, Reverse};
use crate::domain::entry::{Account, Entry};
use crate::domain::part::Portion;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::ids::{PackageId, Reference, new_uuid};
use crate::service::call::{Answer, Call};
use crate::service::consume::{item_now, known_packages};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::posted::{self, Posted};
use crate::service::resolve;
use crate::store::entries;

/// A use to be undone.
#[derive(Clone, Debug)]
pub struct ReverseInput {
    /// The posting that used credits.
    pub posting_id: Uuid,
    /// How much of it.
    pub portion: Portion,
    /// The last usable day of a package of their own for credits that go back into an ended one; none:
    /// those are lost again at once.
    pub restore_through: Option<NaiveDate>,
    /// For staff.
    pub note: String,
}

/// A use to be moved to other packages.
#[derive(Clone, Debug)]
pub struct MoveInput {
    /// The posting that used credits.
    pub posting_id: Uuid,
    /// The packages to use instead, in this order.
    pub packages: Vec<Reference<PackageId>>,
    /// For staff.
    pub note: String,
}

/// Undoes a use.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NothingToReverse`], [`Refusal::ReversalExceedsUse`],
/// [`Refusal::ExpiryNotLater`]; [`Refusal::PermissionDenied`] if credits are to be restored without
/// [`Permission::PackagesExtend`].
pub async fn reverse(
    ctx: &Context,
    call: &Call,
    input: &ReverseInput,
) -> Result<Answer<Posted>, ServiceError> {
    if input.restore_through.is_some() {
        call.require(Permission::PackagesExtend)?;
    }
    let command = reversing(ctx, call, input).await;
    posted::submit(ctx, call, command, &input.note).await
}

/// Undoes all that is left of a use and uses other packages for it.
///
/// # Errors
/// Those of [`reverse`] and of [`consume`](crate::service::consume::consume).
pub async fn relocate(
    ctx: &Context,
    call: &Call,
    input: &MoveInput,
) -> Result<Answer<Posted>, ServiceError> {
    let command = moving(ctx, call, input).await;
    posted::submit(ctx, call, command, &input.note).await
}

async fn reversing(
    ctx: &Context,
    call: &Call,
    input: &ReverseInput,
) -> Result<Command, ServiceError> {
    let meanwhile = match input.restore_through {
        None => Meanwhile::Expire,
        Some(day) => {
            let zone = call.caller.business.zone;
            let expires_at =
                calendar::end_of(day, zone).ok_or_else(|| Refusal::ValidityImpossible {
                    problem: "no calendar reaches restore_through".to_owned(),
                })?;
            let used = used(ctx, call, input.posting_id).await?;
            let now = ctx.clock.now();
            let ids = used.len().saturating_mul(2);
            Meanwhile::Restore {
                expires_at,
                ids: (0..ids).map(|_| new_uuid(now)).collect(),
            }
        }
    };
    Ok(Command::Reverse(Reverse {
        posting_id: input.posting_id,
        portion: input.portion,
        meanwhile,
    }))
}

async fn moving(ctx: &Context, call: &Call, input: &MoveInput) -> Result<Command, ServiceError> {
    let used = used(ctx, call, input.posting_id).await?;
    let item = match used.iter().find_map(|entry| entry.about.item_id) {
        Some(item_id) => Some(item_now(ctx, call, item_id).await?),
        None => None,
    };
    Ok(Command::Move(Move {
        posting_id: input.posting_id,
        package_ids: known_packages(ctx.db.reader(), call.business_id(), &input.packages).await?,
        item,
    }))
}

/// The entries of a posting that used credits or set them aside, without what time caused in it: that is
/// of holds that have nothing to do with it.
async fn used(ctx: &Context, call: &Call, posting_id: Uuid) -> Result<Vec<Entry>, ServiceError> {
    let mut found = entries::of_posting(ctx.db.reader(), call.business_id(), posting_id).await?;
    if found.is_empty() {
        return Err(resolve::not_found("posting", &posting_id).into());
    }
    found.retain(|entry| !entry.by_time && matches!(entry.to, Account::Consumed | Account::Held));
    Ok(found)
}
