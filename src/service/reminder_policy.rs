//! When which reminders go out: read and changed. A change counts for the next run of the day.

use serde::{Deserialize, Serialize};

use crate::domain::business::{LowBalance, ReminderPolicy};
use crate::domain::notice::NoticeKind;
use crate::domain::quiet::QuietHours;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::businesses;

/// The policy and the version that it was read in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionedPolicy {
    /// The policy.
    pub policy: ReminderPolicy,
    /// The version of the business; the caller's etag.
    pub version: i64,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct PolicyUpdate {
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// Days before the last usable day.
    pub lead_days: Option<Vec<u32>>,
    /// The local hour of timed e-mails.
    pub local_hour: Option<u32>,
    /// Whether a notice goes out after expiry.
    pub expired_notice: Option<bool>,
    /// Whether a package is confirmed.
    pub confirmation: Option<bool>,
    /// Whether the package of a subscription's next period is told.
    pub renewed: Option<bool>,
    /// At how little left that is told; none within: never.
    pub low_balance: Option<Option<LowBalance>>,
    /// Whether it is told that a package is used up.
    pub used_up: Option<bool>,
    /// Whether it is told that a package was extended or restored.
    pub extended: Option<bool>,
    /// Whether it is told that held credits are free again because their time was over.
    pub hold_timed_out: Option<bool>,
    /// Which kinds go to customers who have unsubscribed too.
    pub mandatory: Option<Vec<NoticeKind>>,
    /// The hours in which nothing goes out; none within: there are no such.
    pub quiet_hours: Option<Option<QuietHours>>,
    /// Whether nothing is told of a package where a newer one of its template goes on.
    pub skip_if_newer_package: Option<bool>,
}

/// The policy as it is.
pub async fn get(ctx: &Context, call: &Call, (): &()) -> Result<VersionedPolicy, ServiceError> {
    let id = call.business_id();
    let found = businesses::get(ctx.db.reader(), id).await?;
    let business = found.ok_or_else(|| resolve::not_found("business", &id))?;
    Ok(VersionedPolicy {
        policy: business.reminder_policy,
        version: business.version,
    })
}

/// Changes the policy.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::EtagMismatch`].
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &PolicyUpdate,
) -> Result<Answer<VersionedPolicy>, ServiceError> {
    let id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let locked = businesses::lock(&txn, id).await?;
    let mut business = locked.ok_or_else(|| resolve::not_found("business", &id))?;
    resolve::check_etag("business", id, business.version, input.etag.as_deref())?;
    let policy = &mut business.reminder_policy;
    if let Some(lead_days) = &input.lead_days {
        policy.lead_days.clone_from(lead_days);
        policy.lead_days.sort_unstable_by(|a, b| b.cmp(a));
    }
    policy.local_hour = input.local_hour.unwrap_or(policy.local_hour);
    policy.expired_notice = input.expired_notice.unwrap_or(policy.expired_notice);
    policy.confirmation = input.confirmation.unwrap_or(policy.confirmation);
    policy.renewed = input.renewed.unwrap_or(policy.renewed);
    policy.low_balance = input.low_balance.unwrap_or(policy.low_balance);
    policy.used_up = input.used_up.unwrap_or(policy.used_up);
    policy.extended = input.extended.unwrap_or(policy.extended);
    policy.hold_timed_out = input.hold_timed_out.unwrap_or(policy.hold_timed_out);
    if let Some(mandatory) = &input.mandatory {
        policy.mandatory.clone_from(mandatory);
        policy.mandatory.sort_unstable();
        policy.mandatory.dedup();
    }
    policy.quiet_hours = input.quiet_hours.unwrap_or(policy.quiet_hours);
    let skip = input.skip_if_newer_package;
    policy.skip_if_newer_package = skip.unwrap_or(policy.skip_if_newer_package);
    businesses::update(&txn, &mut business).await?;
    let value = VersionedPolicy {
        policy: business.reminder_policy,
        version: business.version,
    };
    call.remember(&txn, &value).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(value))
}
