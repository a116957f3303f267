//! Why something cannot be subscribed to, or a period of a subscription not be renewed.

use chrono::{DateTime, NaiveDate, Utc};

use crate::ids::{PackageId, SubscriptionId, TemplateId};

/// A subscription or a renewal that the rules do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribingRefusal {
    /// The template has no price by subscription.
    #[error("template {template_id} is not sold by subscription")]
    NotSoldBySubscription {
        /// The template.
        template_id: TemplateId,
    },
    /// The subscription would start before today.
    #[error("the subscription would start on {start_date}, before {today}")]
    StartsInPast {
        /// The day that was asked for.
        start_date: NaiveDate,
        /// The local day now.
        today: NaiveDate,
    },
    /// The subscription was cancelled before that.
    #[error("subscription {subscription_id} was cancelled at {cancelled_at}")]
    Cancelled {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// When.
        cancelled_at: DateTime<Utc>,
    },
    /// No period starts on this day.
    #[error("no period of subscription {subscription_id} starts on {starts_on}")]
    PeriodUnknown {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The day that was named.
        starts_on: NaiveDate,
    },
    /// Another period comes before this one.
    #[error("the period of {starts_on} can be paid from {payable_from} on")]
    PeriodTooEarly {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The first day of the period.
        starts_on: NaiveDate,
        /// When the period before it starts.
        payable_from: DateTime<Utc>,
    },
    /// The period is over.
    #[error("the period of {starts_on} ended at {ended_at}")]
    PeriodOver {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The first day of the period.
        starts_on: NaiveDate,
        /// When.
        ended_at: DateTime<Utc>,
    },
    /// The period has its package.
    #[error("the period of {starts_on} was paid and has package {package_id}")]
    PeriodPaid {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The first day of the period.
        starts_on: NaiveDate,
        /// The package.
        package_id: PackageId,
    },
    /// Less was paid than the period costs.
    #[error("{paid_minor} minor units were paid, the period costs {total_minor}")]
    NotPaidInFull {
        /// What was paid, in minor units.
        paid_minor: i64,
        /// What was to pay, in minor units.
        total_minor: i64,
    },
}

impl SubscribingRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotSoldBySubscription { .. } => "NOT_SOLD_BY_SUBSCRIPTION",
            Self::StartsInPast { .. } => "SUBSCRIPTION_STARTS_IN_PAST",
            Self::Cancelled { .. } => "SUBSCRIPTION_CANCELLED",
            Self::PeriodUnknown { .. } => "SUBSCRIPTION_PERIOD_UNKNOWN",
            Self::PeriodTooEarly { .. } => "SUBSCRIPTION_PERIOD_TOO_EARLY",
            Self::PeriodOver { .. } => "SUBSCRIPTION_PERIOD_OVER",
            Self::PeriodPaid { .. } => "SUBSCRIPTION_PERIOD_PAID",
            Self::NotPaidInFull { .. } => "RENEWAL_NOT_PAID_IN_FULL",
        }
    }
}
