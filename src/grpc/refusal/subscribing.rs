//! The numbers and names of refusals that are about subscriptions and their renewals.

use super::rfc3339;
use crate::domain::refusal::SubscribingRefusal;
use crate::grpc::status::Failure;

/// An error with the numbers and names of the refusal.
pub(super) fn with(failure: Failure, refusal: &SubscribingRefusal) -> Failure {
    match refusal {
        SubscribingRefusal::NotSoldBySubscription { template_id } => {
            failure.with("template_id", template_id)
        }
        SubscribingRefusal::StartsInPast { start_date, today } => {
            failure.with("start_date", start_date).with("today", today)
        }
        SubscribingRefusal::Cancelled {
            subscription_id,
            cancelled_at,
        } => failure
            .with("subscription_id", subscription_id)
            .with("cancelled_at", &rfc3339(*cancelled_at)),
        SubscribingRefusal::PeriodUnknown {
            subscription_id,
            starts_on,
        } => failure
            .with("subscription_id", subscription_id)
            .with("period_start_date", starts_on),
        SubscribingRefusal::PeriodTooEarly {
            subscription_id,
            starts_on,
            payable_from,
        } => failure
            .with("subscription_id", subscription_id)
            .with("period_start_date", starts_on)
            .with("payable_from", &rfc3339(*payable_from)),
        SubscribingRefusal::PeriodOver {
            subscription_id,
            starts_on,
            ended_at,
        } => failure
            .with("subscription_id", subscription_id)
            .with("period_start_date", starts_on)
            .with("ended_at", &rfc3339(*ended_at)),
        SubscribingRefusal::PeriodPaid {
            subscription_id,
            starts_on,
            package_id,
        } => failure
            .with("subscription_id", subscription_id)
            .with("period_start_date", starts_on)
            .with("package_id", package_id),
        SubscribingRefusal::NotPaidInFull {
            paid_minor,
            total_minor,
        } => failure
            .with("paid_minor_units", paid_minor)
            .with("total_minor_units", total_minor),
    }
}
