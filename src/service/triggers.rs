//! Triggers: made, found, changed, archived (C7).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::credits::Credits;
use crate::domain::refusal::{Refusal, TriggeringRefusal};
use crate::domain::trigger::{Award, EventKind, Occasion, Outcome, Trigger};
use crate::ids::{BusinessId, CreditTypeId, ItemId, Reference, TemplateId, TriggerId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{issue, offers, resolve};
use crate::store::triggers::Filter;
use crate::store::{businesses, events, items, templates, triggers};

/// What the things of this file are called.
const KIND: &str = "trigger";
/// How many of the things that a trigger did are shown with it.
const OUTCOMES_SHOWN_MAX: u64 = 100;

/// What a trigger is to wait for, as the caller names it.
#[derive(Clone, Debug)]
pub struct NewOccasion {
    /// What happens.
    pub kind: EventKind,
    /// What a client calls it; empty unless a client says so.
    pub name: String,
    /// Only for packages of this template.
    pub template: Option<Reference<TemplateId>>,
    /// Only for packages with a line that covers this item, or for lines of invoices with it.
    pub item: Option<Reference<ItemId>>,
}

/// What a trigger is to issue, as the caller names it.
#[derive(Clone, Debug)]
pub enum NewAward {
    /// A package of a template, so many units of it; none: the least that is offered.
    Template(Reference<TemplateId>, Option<u32>),
    /// So many credits of a type.
    Credits(Reference<CreditTypeId>, Credits),
}

/// What a new trigger is.
#[derive(Clone, Debug)]
pub struct NewTrigger {
    /// What staff calls it.
    pub name: String,
    /// What it waits for.
    pub occasion: NewOccasion,
    /// What it issues.
    pub award: NewAward,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct TriggerUpdate {
    /// Which one.
    pub id: TriggerId,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// What staff calls it.
    pub name: Option<String>,
    /// What it issues.
    pub award: Option<NewAward>,
}

/// Which trigger to archive.
#[derive(Clone, Debug)]
pub struct TriggerArchiving {
    /// Which one.
    pub id: TriggerId,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// Which page of triggers.
#[derive(Clone, Debug)]
pub struct TriggerList {
    /// Archived ones too.
    pub include_archived: bool,
    /// Only those that wait for this.
    pub kind: Option<EventKind>,
    /// Below this one.
    pub before: Option<TriggerId>,
    /// How many at most.
    pub limit: u64,
}

/// A trigger with the latest things that it did.
#[derive(Clone, Debug)]
pub struct TriggerDetail {
    /// The trigger.
    pub trigger: Trigger,
    /// What it did, the latest first.
    pub outcomes: Vec<Outcome>,
}

/// Makes a trigger, which acts on what happens from now on.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::TemplateNotActive`], [`Refusal::CreditTypeArchived`],
/// [`Refusal::AmountTooFine`], and those of [`Pricing::check`](crate::domain::pricing::Pricing::check).
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewTrigger,
) -> Result<Answer<Trigger>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let trigger = Trigger {
        id: TriggerId::generate(now),
        business_id,
        name: input.name.clone(),
        occasion: occasion(&txn, business_id, &input.occasion).await?,
        award: award(&txn, business_id, &input.award).await?,
        archived_at: None,
        created_at: now,
        version: 1,
    };
    triggers::insert(&txn, &trigger).await?;
    call.remember(&txn, &trigger).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(trigger))
}

async fn occasion(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    input: &NewOccasion,
) -> Result<Occasion, ServiceError> {
    let template_id = match &input.template {
        None => None,
        Some(reference) => {
            let id = resolve::template(txn, business_id, reference).await?;
            let found = templates::get(txn, business_id, id).await?;
            found.ok_or_else(|| resolve::not_found("template", reference))?;
            Some(id)
        }
    };
    let item_id = match &input.item {
        None => None,
        Some(reference) => {
            let id = resolve::item(txn, business_id, reference).await?;
            let found = items::get(txn, business_id, id).await?;
            found.ok_or_else(|| resolve::not_found("item", reference))?;
            Some(id)
        }
    };
    Ok(Occasion {
        kind: input.kind,
        name: input.name.clone(),
        template_id,
        item_id,
    })
}

/// What is to be issued, if it could be now.
async fn award(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    input: &NewAward,
) -> Result<Award, ServiceError> {
    match input {
        NewAward::Template(reference, quantity) => {
            let template = offers::template(txn, business_id, reference).await?;
            let pricing = &template.definition.pricing;
            if let Some(units) = quantity.filter(|_| !template.definition.selling.is_freestyle) {
                pricing.check(template.id, units)?;
            }
            Ok(Award::Template {
                template_id: template.id,
                quantity: *quantity,
            })
        }
        NewAward::Credits(reference, amount) => {
            let business = businesses::get(txn, business_id)
                .await?
                .ok_or_else(|| resolve::not_found("business", &business_id))?;
            let credit_type = issue::usable_credit_type(txn, &business, reference).await?;
            if amount.is_finer_than(credit_type.decimal_places) {
                return Err(Refusal::AmountTooFine {
                    credit_type_id: credit_type.id,
                    decimal_places: credit_type.decimal_places,
                    amount: *amount,
                }
                .into());
            }
            Ok(Award::Credits {
                credit_type_id: credit_type.id,
                amount: *amount,
            })
        }
    }
}

/// One trigger with the latest things that it did.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(
    ctx: &Context,
    call: &Call,
    id: &TriggerId,
) -> Result<TriggerDetail, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let trigger = triggers::get(&txn, business_id, *id).await?;
    let outcomes = events::outcomes(&txn, business_id, *id, OUTCOMES_SHOWN_MAX).await?;
    txn.commit().await?;
    Ok(TriggerDetail {
        trigger: trigger.ok_or_else(|| resolve::not_found(KIND, id))?,
        outcomes,
    })
}

/// A page of triggers, newest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &TriggerList,
) -> Result<Vec<Trigger>, ServiceError> {
    let filter = Filter {
        include_archived: input.include_archived,
        kind: input.kind,
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(triggers::list(reader, business_id, filter, input.before, input.limit).await?)
}

/// Changes what a trigger is called or issues. What it waits for stays: that would be another trigger.
///
/// # Errors
/// [`Refusal::EtagMismatch`], [`TriggeringRefusal::TriggerArchived`], and those of [`create`].
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &TriggerUpdate,
) -> Result<Answer<Trigger>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut trigger = triggers::lock(&txn, business_id, input.id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    resolve::check_etag(KIND, trigger.id, trigger.version, input.etag.as_deref())?;
    if let Some(archived_at) = trigger.archived_at {
        return Err(archived(trigger.id, archived_at).into());
    }
    trigger.name = input.name.clone().unwrap_or(trigger.name);
    if let Some(new) = &input.award {
        trigger.award = award(&txn, business_id, new).await?;
    }
    triggers::update(&txn, &mut trigger).await?;
    call.remember(&txn, &trigger).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(trigger))
}

fn archived(trigger_id: TriggerId, archived_at: DateTime<Utc>) -> Refusal {
    TriggeringRefusal::TriggerArchived {
        trigger_id,
        archived_at,
    }
    .into()
}

/// Archives a trigger: it acts on nothing that happens from now on. One that is archived stays as it is.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`].
pub async fn archive(
    ctx: &Context,
    call: &Call,
    input: &TriggerArchiving,
) -> Result<Answer<Trigger>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut trigger = triggers::lock(&txn, business_id, input.id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    resolve::check_etag(KIND, trigger.id, trigger.version, input.etag.as_deref())?;
    if trigger.archived_at.is_none() {
        trigger.archived_at = Some(ctx.clock.now());
        triggers::update(&txn, &mut trigger).await?;
    }
    call.remember(&txn, &trigger).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(trigger))
}
