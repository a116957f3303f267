//! Templates: made as drafts, changed, activated, archived and brought back; never deleted.
//!
//! A change of what a template offers writes a new version beside the old ones, so that what was sold stays
//! as it was sold (A5).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::booking_rules::BookingRules;
use crate::domain::catalog::{Definition, Template, TemplateState};
use crate::domain::freeze::FreezePolicy;
use crate::domain::overlap::SellingRules;
use crate::domain::pricing::Pricing;
use crate::domain::refusal::Refusal;
use crate::domain::template_emails::TemplateEmails;
use crate::domain::use_limit::UseLimit;
use crate::domain::validity::Validity;
use crate::ids::{Reference, TemplateId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::service::template_lines::{self, NewLine};
use crate::store::error::StoreError;
use crate::store::{template_versions, templates};

/// What the things of this file are called.
const KIND: &str = "template";

/// What a new template is.
#[derive(Clone, Debug)]
pub struct NewTemplate {
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What the customer reads.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// What it costs, in minor units.
    pub price_minor: i64,
    /// The tax, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// Its validity; none: that of its credit types.
    pub validity: Option<Validity>,
    /// The lower number pays first; none: the business's.
    pub priority: Option<i32>,
    /// Days after expiry in which a package can be restored; none: the business's.
    pub quarantine_days: Option<i32>,
    /// Days before expiry on which reminders go out; none: the business's.
    pub reminder_leads: Option<Vec<u32>>,
    /// Which other e-mails are sent of its packages.
    pub emails: TemplateEmails,
    /// How often and for how long its packages may be frozen.
    pub freeze: Option<FreezePolicy>,
    /// How much of a package each customer may use on a day or in a week.
    pub use_limit: Option<UseLimit>,
    /// How bookings are judged and cancelled that its packages pay.
    pub booking_rules: Option<BookingRules>,
    /// Whether its packages may be moved to other customers; none: as the business says.
    pub transferable: Option<bool>,
    /// What it consists of.
    pub lines: Vec<NewLine>,
    /// What it asks for how much.
    pub pricing: Pricing,
    /// What selling it depends on.
    pub selling: SellingRules,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct TemplateUpdate {
    /// Which one.
    pub id: Reference<TemplateId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of it.
    pub external_id: Option<Option<String>>,
    /// What the customer reads.
    pub name: Option<String>,
    /// What the customer reads.
    pub description: Option<String>,
    /// What it costs, in minor units.
    pub price_minor: Option<i64>,
    /// The tax, in hundredths of a percent.
    pub tax_basis_points: Option<i32>,
    /// Its validity.
    pub validity: Option<Option<Validity>>,
    /// The lower number pays first.
    pub priority: Option<Option<i32>>,
    /// Days after expiry in which a package can be restored.
    pub quarantine_days: Option<Option<i32>>,
    /// Days before expiry on which reminders go out.
    pub reminder_leads: Option<Option<Vec<u32>>>,
    /// Which other e-mails are sent of its packages: all of it.
    pub emails: Option<TemplateEmails>,
    /// How often and for how long its packages may be frozen.
    pub freeze: Option<Option<FreezePolicy>>,
    /// How much of a package each customer may use on a day or in a week.
    pub use_limit: Option<Option<UseLimit>>,
    /// How bookings are judged and cancelled that its packages pay.
    pub booking_rules: Option<Option<BookingRules>>,
    /// Whether its packages may be moved to other customers.
    pub transferable: Option<Option<bool>>,
    /// What it consists of: all of it.
    pub lines: Option<Vec<NewLine>>,
    /// What it asks for how much: all of it.
    pub pricing: Option<Pricing>,
    /// What selling it depends on: all of it.
    pub selling: Option<SellingRules>,
}

/// Which template to copy.
#[derive(Clone, Debug)]
pub struct TemplateCopy {
    /// Which one.
    pub id: Reference<TemplateId>,
    /// The caller's own id of the copy.
    pub external_id: Option<String>,
    /// What the copy is called; none: the same.
    pub name: Option<String>,
}

/// Which page of templates.
#[derive(Clone, Debug)]
pub struct TemplateList {
    /// Those in one of these states; none: all but the archived ones.
    pub states: Vec<TemplateState>,
    /// Below this one.
    pub before: Option<TemplateId>,
    /// How many at most.
    pub limit: u64,
}

/// Which template to bring into another state.
#[derive(Clone, Debug)]
pub struct TemplateStep {
    /// Which one.
    pub id: Reference<TemplateId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// Makes a template, as a draft.
///
/// # Errors
/// `EXTERNAL_ID_TAKEN`, and those of [`template_lines::build`].
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewTemplate,
) -> Result<Answer<Template>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let lines = (&*input.lines, input.emails.uses);
    let template = Template {
        id: TemplateId::generate(now),
        external_id: input.external_id.clone(),
        state: TemplateState::Draft,
        definition: Definition {
            number: 1,
            name: input.name.clone(),
            description: input.description.clone(),
            price_minor: input.price_minor,
            tax_basis_points: input.tax_basis_points,
            validity: input.validity,
            priority: input.priority,
            quarantine_days: input.quarantine_days,
            reminder_leads: input.reminder_leads.clone(),
            emails: input.emails,
            freeze: input.freeze,
            use_limit: input.use_limit,
            booking_rules: input.booking_rules,
            transferable: input.transferable,
            lines: template_lines::build(&txn, call.business_id(), lines, now).await?,
            pricing: input.pricing.clone(),
            selling: input.selling,
        },
        created_at: now,
        version: 1,
    };
    template.definition.check()?;
    write_new(txn, call, template).await
}

/// Makes a draft that offers the same as another template in its newest version (A3).
///
/// # Errors
/// `NOT_FOUND`, `EXTERNAL_ID_TAKEN`, [`Refusal::CreditTypeArchived`].
pub async fn copy(
    ctx: &Context,
    call: &Call,
    input: &TemplateCopy,
) -> Result<Answer<Template>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let id = resolve::template(&txn, call.business_id(), &input.id).await?;
    let original = templates::get(&txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    let mut definition = original.definition;
    definition.number = 1;
    definition.name = input.name.clone().unwrap_or(definition.name);
    definition.lines = template_lines::copies(&definition.lines, definition.emails.uses, now);
    template_lines::check_credit_types(&txn, call.business_id(), &definition.lines).await?;
    let template = Template {
        id: TemplateId::generate(now),
        external_id: input.external_id.clone(),
        state: TemplateState::Draft,
        definition,
        created_at: now,
        version: 1,
    };
    write_new(txn, call, template).await
}

/// Writes a new template, and commits.
async fn write_new(
    txn: DatabaseTransaction,
    call: &Call,
    template: Template,
) -> Result<Answer<Template>, ServiceError> {
    templates::insert(&txn, call.business_id(), &template)
        .await
        .map_err(|error| taken(error, &template))?;
    call.remember(&txn, &template).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(template))
}

/// One template in its newest version.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(
    ctx: &Context,
    call: &Call,
    id: &Reference<TemplateId>,
) -> Result<Template, ServiceError> {
    let reader = ctx.db.reader();
    let known = resolve::template(reader, call.business_id(), id).await?;
    let found = templates::get(reader, call.business_id(), known).await?;
    found.ok_or_else(|| resolve::not_found(KIND, id).into())
}

/// A page of templates, newest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &TemplateList,
) -> Result<Vec<Template>, ServiceError> {
    let current = [TemplateState::Draft, TemplateState::Active];
    let states = if input.states.is_empty() {
        current.as_slice()
    } else {
        input.states.as_slice()
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(templates::list(reader, business_id, states, input.before, input.limit).await?)
}

/// Changes a template.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `EXTERNAL_ID_TAKEN`, [`Refusal::TemplateArchived`],
/// [`Refusal::TemplateIncomplete`], and those of [`template_lines::build`].
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &TemplateUpdate,
) -> Result<Answer<Template>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let mut template = lock(&txn, call, &input.id, input.etag.as_deref()).await?;
    let template_id = template.id;
    if template.state == TemplateState::Archived {
        return Err(Refusal::TemplateArchived { template_id }.into());
    }
    if let Some(definition) = redefined(&txn, call, &template.definition, input, now).await? {
        if template.state == TemplateState::Active && !definition.covers_something() {
            return Err(Refusal::TemplateIncomplete { template_id }.into());
        }
        template.definition = definition;
        template_versions::insert(&txn, call.business_id(), &template, now).await?;
    }
    if let Some(external_id) = &input.external_id {
        template.external_id.clone_from(external_id);
    }
    let external_id = template.external_id.clone();
    templates::update(&txn, call.business_id(), &mut template)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, external_id.as_deref()))?;
    call.remember(&txn, &template).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(template))
}

/// The next version of a definition, with lines of its own; `None` if nothing of it is to change.
async fn redefined(
    txn: &DatabaseTransaction,
    call: &Call,
    old: &Definition,
    input: &TemplateUpdate,
    now: DateTime<Utc>,
) -> Result<Option<Definition>, ServiceError> {
    let change = input.clone();
    let kept = old.clone();
    let mut new = Definition {
        number: kept.number,
        name: change.name.unwrap_or(kept.name),
        description: change.description.unwrap_or(kept.description),
        price_minor: change.price_minor.unwrap_or(kept.price_minor),
        tax_basis_points: change.tax_basis_points.unwrap_or(kept.tax_basis_points),
        validity: change.validity.unwrap_or(kept.validity),
        priority: change.priority.unwrap_or(kept.priority),
        quarantine_days: change.quarantine_days.unwrap_or(kept.quarantine_days),
        reminder_leads: change.reminder_leads.unwrap_or(kept.reminder_leads),
        emails: change.emails.unwrap_or(kept.emails),
        freeze: change.freeze.unwrap_or(kept.freeze),
        use_limit: change.use_limit.unwrap_or(kept.use_limit),
        booking_rules: change.booking_rules.unwrap_or(kept.booking_rules),
        transferable: change.transferable.unwrap_or(kept.transferable),
        lines: kept.lines,
        pricing: change.pricing.unwrap_or(kept.pricing),
        selling: change.selling.unwrap_or(kept.selling),
    };
    if let Some(lines) = &change.lines {
        let lines = (&**lines, new.emails.uses);
        let lines = template_lines::build(txn, call.business_id(), lines, now).await?;
        if !template_lines::are_alike(&lines, &old.lines) {
            new.lines = lines;
        }
    }
    if new == *old {
        return Ok(None);
    }
    new.check()?;
    if new.lines == old.lines {
        new.lines = template_lines::copies(&old.lines, new.emails.uses, now);
    }
    new.number = old.number.saturating_add(1);
    Ok(Some(new))
}

/// Makes a draft active, so that it can be sold.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, [`Refusal::TemplateArchived`], [`Refusal::TemplateIncomplete`],
/// [`Refusal::CreditTypeArchived`].
pub async fn activate(
    ctx: &Context,
    call: &Call,
    input: &TemplateStep,
) -> Result<Answer<Template>, ServiceError> {
    bring(ctx, call, input, TemplateState::Active).await
}

/// Archives a template: it can be neither sold nor changed.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`.
pub async fn archive(
    ctx: &Context,
    call: &Call,
    input: &TemplateStep,
) -> Result<Answer<Template>, ServiceError> {
    bring(ctx, call, input, TemplateState::Archived).await
}

/// Brings an archived template back, as a draft.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`.
pub async fn unarchive(
    ctx: &Context,
    call: &Call,
    input: &TemplateStep,
) -> Result<Answer<Template>, ServiceError> {
    bring(ctx, call, input, TemplateState::Draft).await
}

/// Brings a template into a state; one that is there already stays as it is.
async fn bring(
    ctx: &Context,
    call: &Call,
    input: &TemplateStep,
    wanted: TemplateState,
) -> Result<Answer<Template>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut template = lock(&txn, call, &input.id, input.etag.as_deref()).await?;
    let old = template.state;
    template.state = next_state(&template, wanted)?;
    if template.state != old {
        if template.state == TemplateState::Active {
            let lines = &template.definition.lines;
            template_lines::check_credit_types(&txn, call.business_id(), lines).await?;
        }
        templates::update(&txn, call.business_id(), &mut template).await?;
    }
    call.remember(&txn, &template).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(template))
}

/// The state in which a template is once it was brought to `wanted`.
fn next_state(template: &Template, wanted: TemplateState) -> Result<TemplateState, Refusal> {
    let template_id = template.id;
    match (template.state, wanted) {
        (TemplateState::Archived, TemplateState::Active) => {
            Err(Refusal::TemplateArchived { template_id })
        }
        (TemplateState::Draft, TemplateState::Active)
            if !template.definition.covers_something() =>
        {
            Err(Refusal::TemplateIncomplete { template_id })
        }
        // Only what is archived is brought back.
        (TemplateState::Active, TemplateState::Draft) => Ok(TemplateState::Active),
        (_, wanted) => Ok(wanted),
    }
}

async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    reference: &Reference<TemplateId>,
    etag: Option<&str>,
) -> Result<Template, ServiceError> {
    let id = resolve::template(txn, call.business_id(), reference).await?;
    let template = templates::lock(txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, reference))?;
    resolve::check_etag(KIND, id, template.version, etag)?;
    Ok(template)
}

fn taken(error: StoreError, template: &Template) -> ServiceError {
    ServiceError::taken(error, KIND, template.external_id.as_deref())
}
