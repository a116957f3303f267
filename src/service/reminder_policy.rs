//! When which reminders go out: a part of the business's settings, with the same etag.

use serde::{Deserialize, Serialize};

use crate::domain::business::{Business, ReminderPolicy};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::businesses;

/// What the things of this file are called.
const KIND: &str = "business";

/// The policy of a business as it is at one version of its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionedPolicy {
    /// The policy.
    pub policy: ReminderPolicy,
    /// How often the business's settings changed; the caller's etag.
    pub version: i64,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct ReminderPolicyUpdate {
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// Days before the last usable day, largest first, without repeats.
    pub lead_days: Option<Vec<u32>>,
    /// The local hour at which timed e-mails become due, 0 to 23.
    pub local_hour: Option<u32>,
    /// Whether a notice goes out after expiry.
    pub expired_notice: Option<bool>,
    /// Whether a package is confirmed.
    pub confirmation: Option<bool>,
}

/// The policy in force.
///
/// # Errors
/// `NOT_FOUND` if the business has left meanwhile.
pub async fn get(ctx: &Context, call: &Call, (): &()) -> Result<VersionedPolicy, ServiceError> {
    let id = call.business_id();
    let found = businesses::get(ctx.db.reader(), id).await?;
    let business = found.ok_or_else(|| resolve::not_found(KIND, &id))?;
    Ok(of(business))
}

/// Changes the policy.
///
/// # Errors
/// `ETAG_MISMATCH`.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &ReminderPolicyUpdate,
) -> Result<Answer<VersionedPolicy>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = call.business_id();
    let mut business = businesses::lock(&txn, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &id))?;
    resolve::check_etag(KIND, id, business.version, input.etag.as_deref())?;
    let (change, old) = (input.clone(), business.reminder_policy);
    business.reminder_policy = ReminderPolicy {
        lead_days: change.lead_days.unwrap_or(old.lead_days),
        local_hour: change.local_hour.unwrap_or(old.local_hour),
        expired_notice: change.expired_notice.unwrap_or(old.expired_notice),
        confirmation: change.confirmation.unwrap_or(old.confirmation),
    };
    businesses::update(&txn, &mut business).await?;
    let answer = of(business);
    call.remember(&txn, &answer).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(answer))
}

fn of(business: Business) -> VersionedPolicy {
    VersionedPolicy {
        policy: business.reminder_policy,
        version: business.version,
    }
}
