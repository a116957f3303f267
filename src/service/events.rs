//! Events: raised where something happens, in the same transaction, and only if a trigger waits for it (C7).
//!
//! That nobody waits costs one look at an index at a sale or a new customer, and nothing at all where
//! credits are used: what happened to those is read from the ledger afterwards, by the job.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::invoice::Invoice;
use crate::domain::package::Package;
use crate::domain::refusal::{Refusal, TriggeringRefusal};
use crate::domain::trigger::{Event, EventKind};
use crate::ids::{BusinessId, CustomerId, EventId, Reference};
use crate::service::buyers;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{customers, events, triggers};

/// Something that a client says has happened.
#[derive(Clone, Debug)]
pub struct Firing {
    /// What it is called.
    pub name: String,
    /// The client's id of it.
    pub event_id: String,
    /// To whom it happened.
    pub customer: Reference<CustomerId>,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The event; none if no trigger waits for it, and nothing is kept then.
    pub event: Option<Event>,
    /// How many triggers will act on it, or have.
    pub triggers: usize,
    /// Whether it was known already.
    pub is_known: bool,
}

/// Raises that a customer was added.
pub(super) async fn customer_created(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let kind = EventKind::CustomerCreated;
    if triggers::waiting(txn, business_id, &[kind])
        .await?
        .is_empty()
    {
        return Ok(());
    }
    let event = Event {
        id: EventId::generate(now),
        business_id,
        kind,
        name: String::new(),
        subject: customer_id.to_string(),
        customer_id,
        package_id: None,
        item_id: None,
        occurred_at: now,
    };
    events::insert(txn, &event).await?;
    Ok(())
}

/// Raises that packages were sold.
pub(super) async fn sold(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    packages: &[&Package],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let kind = EventKind::PackageSold;
    if triggers::waiting(txn, business_id, &[kind])
        .await?
        .is_empty()
    {
        return Ok(());
    }
    for package in packages {
        events::insert(txn, &of_package(package, kind, now)).await?;
    }
    Ok(())
}

/// Raises that an invoice was paid: once for each of its lines with an item, however often it is paid again after a
/// payment bounced.
pub(super) async fn invoice_paid(
    txn: &DatabaseTransaction,
    invoice: &Invoice,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (business_id, kind) = (invoice.business_id, EventKind::InvoicePaid);
    if triggers::waiting(txn, business_id, &[kind])
        .await?
        .is_empty()
    {
        return Ok(());
    }
    let delivered = invoice.lines.iter().filter(|it| it.kept_minor.is_none());
    for line in delivered.filter(|line| line.item_id().is_some()) {
        let event = Event {
            id: EventId::generate(now),
            business_id,
            kind,
            name: String::new(),
            subject: line.id.to_string(),
            customer_id: invoice.customer_id,
            package_id: None,
            item_id: line.item_id(),
            occurred_at: now,
        };
        events::insert(txn, &event).await?;
    }
    Ok(())
}

/// What happened to a package; it happens to each of them once.
pub fn of_package(package: &Package, kind: EventKind, occurred_at: DateTime<Utc>) -> Event {
    Event {
        id: EventId::generate(occurred_at),
        business_id: package.business_id,
        kind,
        name: String::new(),
        subject: package.id.to_string(),
        customer_id: package.customer_id,
        package_id: Some(package.id),
        item_id: None,
        occurred_at,
    }
}

/// Keeps what a client says has happened, once for each name and id of it.
///
/// # Errors
/// [`Refusal::NotFound`], those of a buyer who may not buy, [`TriggeringRefusal::EventIdReused`].
pub async fn fire(
    ctx: &Context,
    call: &Call,
    input: &Firing,
) -> Result<Answer<Fired>, ServiceError> {
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
    let now = ctx.clock.now();
    let event = Event {
        id: EventId::generate(now),
        business_id,
        kind: EventKind::Fired,
        name: input.name.clone(),
        subject: input.event_id.clone(),
        customer_id,
        package_id: None,
        item_id: None,
        occurred_at: now,
    };
    let fired = keep(&txn, event).await?;
    call.remember(&txn, &fired).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(fired))
}

/// Keeps the event unless it is known, or nobody waits for it.
async fn keep(txn: &DatabaseTransaction, event: Event) -> Result<Fired, ServiceError> {
    let (business_id, kind) = (event.business_id, event.kind);
    let key = (event.name.as_str(), event.subject.as_str());
    let mut known = events::find(txn, business_id, kind, key).await?;
    let is_waited_for = async |event: &Event| {
        let all = triggers::of_kind(txn, business_id, kind).await?;
        Ok::<_, StoreError>(all.iter().filter(|it| it.acts_on(event, None)).count())
    };
    if known.is_none() {
        let triggers = is_waited_for(&event).await?;
        if triggers == 0 || events::insert(txn, &event).await? {
            return Ok(Fired {
                event: Some(event).filter(|_| triggers > 0),
                triggers,
                is_known: false,
            });
        }
        known = events::find(txn, business_id, kind, key).await?;
    }
    let known = known.ok_or_else(|| StoreError::corrupt("events", event.id))?;
    if known.customer_id != event.customer_id {
        return Err(Refusal::from(TriggeringRefusal::EventIdReused {
            name: event.name,
            event_id: event.subject,
            customer_id: known.customer_id,
        })
        .into());
    }
    Ok(Fired {
        triggers: is_waited_for(&known).await?,
        event: Some(known),
        is_known: true,
    })
}
