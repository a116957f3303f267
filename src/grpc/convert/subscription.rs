//! Subscriptions and their periods as messages.

use chrono::{DateTime, Utc};

use crate::domain::money::Currency;
use crate::domain::subscription::{PeriodState, SubscriptionPeriod};
use crate::grpc::convert::common::{etag, optional_etag, to_money, to_period, to_timestamp};
use crate::grpc::convert::package::Detail;
use crate::grpc::convert::payment::payment;
use crate::grpc::convert::pricing::{optional_units, to_carry_over};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::SubscriptionId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::renewals::RenewalEntry;
use crate::service::subscriptions::{
    Cancellation, NewSubscription, SubscriptionList, SubscriptionView,
};

/// What is to be subscribed to.
pub fn new_subscription(
    request: &v1::CreateSubscriptionRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewSubscription> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let template = faults.reference("template_id", &request.template_id);
    let external_id = faults.external_id("external_id", &request.external_id);
    let quantity = optional_units(faults, "quantity", request.quantity);
    let starts_on = faults.optional_date("start_date", &request.start_date);
    Some(NewSubscription {
        customer: customer?,
        template: template?,
        external_id: external_id?,
        quantity: quantity?,
        starts_on: starts_on?,
    })
}

/// A page of subscriptions.
pub fn subscription_list(
    request: &v1::ListSubscriptionsRequest,
    page: &Page<SubscriptionId>,
    faults: &mut Faults,
) -> Option<SubscriptionList> {
    let customer = faults.optional_reference("customer_id", &request.customer_id);
    let is_cancelled = match request.state {
        0 => Some(None),
        state => faults
            .choice::<v1::SubscriptionState>("state", state)
            .map(|state| Some(state == v1::SubscriptionState::Cancelled)),
    };
    Some(SubscriptionList {
        customer: customer?,
        is_cancelled: is_cancelled?,
        before: page.after,
        limit: page.limit(),
    })
}

/// A subscription to be cancelled.
pub fn cancellation(
    request: &v1::CancelSubscriptionRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Cancellation> {
    Some(Cancellation {
        subscription: faults.reference("subscription_id", &request.subscription_id)?,
        etag: optional_etag(&request.etag),
    })
}

/// A period that was paid.
pub fn renewal(
    request: &v1::RecordRenewalRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<RenewalEntry> {
    let subscription = faults.reference("subscription_id", &request.subscription_id);
    let starts_on = faults.date("period_start_date", &request.period_start_date);
    let payment = match &request.payment {
        None => Some(None),
        Some(recorded) => faults
            .within("payment", |faults| payment(recorded, caller, faults))
            .map(Some),
    };
    Some(RenewalEntry {
        subscription: subscription?,
        starts_on: starts_on?,
        payment: payment?,
    })
}

/// A subscription as a message.
pub fn to_subscription(
    view: SubscriptionView,
    currency: Currency,
    detail: Detail,
) -> v1::Subscription {
    let SubscriptionView {
        subscription,
        next_starts_on,
    } = view;
    let (template_id, template_version) = subscription.template;
    let state = if subscription.cancelled_at.is_some() {
        v1::SubscriptionState::Cancelled
    } else {
        v1::SubscriptionState::Active
    };
    let (carry_over, carry_over_max) = to_carry_over(subscription.carry_over);
    v1::Subscription {
        id: if detail == Detail::Unkept {
            String::new()
        } else {
            subscription.id.to_string()
        },
        external_id: subscription.external_id.unwrap_or_default(),
        customer_id: subscription.customer_id.to_string(),
        template_id: template_id.to_string(),
        template_version,
        quantity: i32::try_from(subscription.quantity).unwrap_or(i32::MAX),
        price: Some(to_money(subscription.price_minor, currency)),
        every: Some(to_period(subscription.rhythm.every)),
        start_date: subscription.rhythm.starts_on.to_string(),
        state: state.into(),
        cancelled_at: to_timestamp(subscription.cancelled_at),
        next_period_start_date: next_starts_on.map_or_else(String::new, |day| day.to_string()),
        created_at: Some(timestamp(subscription.created_at)),
        etag: etag(subscription.version),
        carry_over: carry_over.into(),
        carry_over_max,
    }
}

/// A period as it is at `now`, as a message.
pub fn to_subscription_period(
    period: &SubscriptionPeriod,
    now: DateTime<Utc>,
    detail: Detail,
) -> v1::SubscriptionPeriod {
    let state = match period.state(now) {
        PeriodState::Due => v1::SubscriptionPeriodState::Due,
        PeriodState::Paid => v1::SubscriptionPeriodState::Paid,
        PeriodState::Missed => v1::SubscriptionPeriodState::Missed,
    };
    let span = &period.span;
    let kept = period.renewal.filter(|_| detail != Detail::Unkept);
    v1::SubscriptionPeriod {
        start_date: span.starts_on.to_string(),
        next_start_date: span.next_starts_on.to_string(),
        due_at: Some(timestamp(span.starts_at)),
        state: state.into(),
        package_id: kept.map_or_else(String::new, |it| it.package_id.to_string()),
        sale_id: kept.map_or_else(String::new, |it| it.sale_id.to_string()),
        paid_at: to_timestamp(period.renewal.map(|it| it.paid_at)),
        carried_over_package_id: period
            .carried_over
            .filter(|_| detail != Detail::Unkept)
            .map_or_else(String::new, |id| id.to_string()),
    }
}
