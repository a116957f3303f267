//! Subscriptions: made, found, cancelled (C6). That a period is paid is [`renewals`](super::renewals).
//!
//! What was agreed is kept as a version of the template and a price, so a later change of the template
//! changes no subscription.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::calendar;
use crate::domain::catalog::Template;
use crate::domain::pricing::CarryOver;
use crate::domain::refusal::{Refusal, SubscribingRefusal};
use crate::domain::sale::Price;
use crate::domain::subscription::{Rhythm, Subscription, SubscriptionPeriod};
use crate::domain::validity::Period;
use crate::ids::{CustomerId, Reference, SubscriptionId, TemplateId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{buyers, offers, resolve};
use crate::store::subscriptions::Filter;
use crate::store::{businesses, customers, subscription_periods, subscriptions};

/// What the things of this file are called.
const KIND: &str = "subscription";
/// The most periods that one transaction marks.
const MARKED_MAX: usize = 200;
/// How many periods are shown with a subscription.
const PERIODS_SHOWN_MAX: usize = 100;

/// What a new subscription is.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Who subscribes.
    pub customer: Reference<CustomerId>,
    /// To what.
    pub template: Reference<TemplateId>,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// How many units; none: the least that is offered.
    pub quantity: Option<u32>,
    /// On which local day the first period starts; none: today.
    pub starts_on: Option<NaiveDate>,
}

/// Which page of subscriptions.
#[derive(Clone, Debug)]
pub struct SubscriptionList {
    /// Only those of this customer.
    pub customer: Option<Reference<CustomerId>>,
    /// Only those that were cancelled, or only those that were not.
    pub is_cancelled: Option<bool>,
    /// Below this one.
    pub before: Option<SubscriptionId>,
    /// How many at most.
    pub limit: u64,
}

/// Which subscription is to end.
#[derive(Clone, Debug)]
pub struct Cancellation {
    /// Which one.
    pub subscription: Reference<SubscriptionId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// A subscription as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// The subscription.
    pub subscription: Subscription,
    /// The local day on which its next period starts; none: no further one comes.
    pub next_starts_on: Option<NaiveDate>,
}

/// A subscription with its latest periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionDetail {
    /// The subscription.
    pub view: SubscriptionView,
    /// Those that have begun or were paid, the latest first.
    pub periods: Vec<SubscriptionPeriod>,
    /// The moment.
    pub now: DateTime<Utc>,
}

/// The subscription as it is at `now`.
fn view(subscription: Subscription, now: DateTime<Utc>) -> SubscriptionView {
    SubscriptionView {
        next_starts_on: subscription.next_starts_on(now),
        subscription,
    }
}

/// Subscribes a customer to a template.
///
/// # Errors
/// [`Refusal::NotFound`], those of a buyer who may not buy, [`Refusal::TemplateNotActive`],
/// [`SubscribingRefusal::NotSoldBySubscription`], [`SubscribingRefusal::StartsInPast`],
/// [`Refusal::ExternalIdTaken`], and those of [`Offer::of_quantity`](crate::domain::offer::Offer::of_quantity).
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewSubscription,
) -> Result<Answer<SubscriptionView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    let customer = customers::share(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    buyers::check(&customer)?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let template = offers::template(&txn, business_id, &input.template).await?;
    let now = ctx.clock.now();
    let mut offer = offers::of_template(&txn, business_id, &template, customer_id).await?;
    offer.of_quantity(&template, input.quantity, now)?;
    let agreed = agreed(&template, input.quantity)?;
    let rate = template.definition.tax_basis_points;
    Price::of(agreed.price_minor, rate, business.prices_include_tax)
        .ok_or(Refusal::AmountTooLarge)?;
    let today = calendar::local_day(now, business.zone);
    let starts_on = input.starts_on.unwrap_or(today);
    if starts_on < today {
        let start_date = starts_on;
        let refusal = SubscribingRefusal::StartsInPast { start_date, today };
        return Err(Refusal::from(refusal).into());
    }
    let mut subscription = Subscription {
        id: SubscriptionId::generate(now),
        business_id,
        external_id: input.external_id.clone(),
        customer_id,
        template: (template.id, template.definition.number),
        quantity: agreed.quantity,
        price_minor: agreed.price_minor,
        carry_over: agreed.carry_over,
        rhythm: Rhythm {
            starts_on,
            every: agreed.every,
            zone: business.zone,
        },
        cancelled_at: None,
        next_number: 0,
        created_at: now,
        version: 1,
    };
    subscriptions::insert(&txn, &subscription)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, input.external_id.as_deref()))?;
    mark_due(&txn, &mut subscription, now).await?;
    subscriptions::update(&txn, &subscription).await?;
    let made = view(subscription, now);
    call.remember(&txn, &made).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(made))
}

/// What a subscription to this template comes to each period.
fn agreed(template: &Template, quantity: Option<u32>) -> Result<AgreedPrice, Refusal> {
    let pricing = &template.definition.pricing;
    let price = pricing
        .subscription
        .ok_or(SubscribingRefusal::NotSoldBySubscription {
            template_id: template.id,
        })?;
    let quantity = quantity.unwrap_or_else(|| pricing.least());
    let price_minor = price.price_minor.checked_mul(i64::from(quantity));
    Ok(AgreedPrice {
        quantity,
        price_minor: price_minor.ok_or(Refusal::AmountTooLarge)?,
        every: price.every,
        carry_over: price.carry_over,
    })
}

/// What was agreed for each period.
struct AgreedPrice {
    quantity: u32,
    price_minor: i64,
    every: Period,
    carry_over: CarryOver,
}

/// One subscription with its latest periods; those that nobody marked yet are there, too.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(
    ctx: &Context,
    call: &Call,
    reference: &Reference<SubscriptionId>,
) -> Result<SubscriptionDetail, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let id = resolve::subscription(&txn, business_id, reference).await?;
    let mut subscription = subscriptions::get(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, reference))?;
    let shown = u64::try_from(PERIODS_SHOWN_MAX).unwrap_or(u64::MAX);
    let mut periods = subscription_periods::latest(&txn, business_id, id, shown).await?;
    txn.commit().await?;
    let now = ctx.clock.now();
    for span in subscription.mark_due(now, usize::MAX) {
        if periods.iter().all(|it| it.span.starts_on != span.starts_on) {
            periods.push(SubscriptionPeriod {
                span,
                renewal: None,
                carried_over: None,
            });
        }
    }
    periods.sort_by_key(|period| std::cmp::Reverse(period.span.starts_on));
    periods.truncate(PERIODS_SHOWN_MAX);
    Ok(SubscriptionDetail {
        view: view(subscription, now),
        periods,
        now,
    })
}

/// A page of subscriptions, newest first.
///
/// # Errors
/// [`Refusal::NotFound`] for the external id of no customer.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &SubscriptionList,
) -> Result<Vec<SubscriptionView>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let customer_id = match &input.customer {
        Some(customer) => Some(resolve::customer(reader, business_id, customer).await?),
        None => None,
    };
    let filter = Filter {
        customer_id,
        is_cancelled: input.is_cancelled,
    };
    let found = subscriptions::list(reader, business_id, filter, input.before, input.limit).await?;
    let now = ctx.clock.now();
    Ok(found.into_iter().map(|it| view(it, now)).collect())
}

/// Ends a subscription: what has begun is due, nothing further comes.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`SubscribingRefusal::Cancelled`].
pub async fn cancel(
    ctx: &Context,
    call: &Call,
    input: &Cancellation,
) -> Result<Answer<SubscriptionView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::subscription(&txn, business_id, &input.subscription).await?;
    let mut subscription = subscriptions::lock(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.subscription))?;
    resolve::check_etag(KIND, id, subscription.version, input.etag.as_deref())?;
    let now = ctx.clock.now();
    subscription.cancel(now).map_err(Refusal::from)?;
    subscription.version = subscription.version.saturating_add(1);
    mark_due(&txn, &mut subscription, now).await?;
    subscriptions::update(&txn, &subscription).await?;
    let ended = view(subscription, now);
    call.remember(&txn, &ended).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(ended))
}

/// Writes down which periods of a locked subscription have begun, and says how many; the subscription is
/// for the caller to write.
///
/// # Errors
/// The database failed.
pub async fn mark_due(
    txn: &DatabaseTransaction,
    subscription: &mut Subscription,
    now: DateTime<Utc>,
) -> Result<usize, ServiceError> {
    let due = subscription.mark_due(now, MARKED_MAX);
    subscription_periods::mark_due(txn, subscription, &due).await?;
    Ok(due.len())
}
