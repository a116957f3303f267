//! The templates that a business writes itself in place of those that are shipped: shown, saved and reset
//! (G8). Each is checked before it is kept; one that no longer passes says so wherever it is shown.

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::email_template::{OwnTemplate, TemplateText, TextFault};
use crate::domain::notice::NoticeKind;
use crate::domain::refusal::{EmailingRefusal, Refusal};
use crate::mail::templates::TemplateSet;
use crate::mail::variables::{self, Variable};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::email_content::email_kind;
use crate::service::email_rendering::faults;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{businesses, email_templates};

/// What the things of this file are called.
const KIND: &str = "e-mail template";

/// Which template.
#[derive(Clone, Debug)]
pub struct TemplateKey {
    /// For which e-mails.
    pub kind: NoticeKind,
    /// For which language.
    pub locale: String,
}

/// Which page of the business's own templates.
#[derive(Clone, Debug)]
pub struct TemplateList {
    /// Behind this kind and language.
    pub after: Option<(NoticeKind, String)>,
    /// How many at most.
    pub limit: u64,
}

/// A template to be kept.
#[derive(Clone, Debug)]
pub struct TemplateSaving {
    /// Which one.
    pub key: TemplateKey,
    /// What it says.
    pub text: TemplateText,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// A template that is to be as shipped again.
#[derive(Clone, Debug)]
pub struct TemplateReset {
    /// Which one.
    pub key: TemplateKey,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// A template as it counts for its kind and language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTemplate {
    /// What the business has of its own; without a text, or with version 0, nothing.
    pub own: OwnTemplate,
    /// What counts: the business's own text, or the shipped one.
    pub text: TemplateText,
    /// What is wrong with it; then e-mails go out as shipped.
    pub faults: Vec<TextFault>,
}

/// A template with all that helps to write it.
#[derive(Clone, Debug)]
pub struct TemplateDetails {
    /// The template.
    pub template: ShownTemplate,
    /// What it may print.
    pub variables: Vec<Variable>,
    /// The languages that are shipped.
    pub shipped_locales: Vec<String>,
}

/// A page of what the business wrote itself, by kind and language.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &TemplateList,
) -> Result<Vec<ShownTemplate>, ServiceError> {
    let templates = ctx.mailing.templates.current()?;
    let after = input
        .after
        .as_ref()
        .map(|(kind, locale)| (*kind, locale.as_str()));
    let found = email_templates::list(ctx.db.reader(), call.business_id(), after, input.limit);
    let found = found.await?.into_iter();
    found.map(|own| shown(&templates, own)).collect()
}

/// What counts for a kind and a language.
pub async fn get(
    ctx: &Context,
    call: &Call,
    key: &TemplateKey,
) -> Result<TemplateDetails, ServiceError> {
    let TemplateKey { kind, locale } = key;
    let templates = ctx.mailing.templates.current()?;
    let own = email_templates::get(ctx.db.reader(), call.business_id(), *kind, locale).await?;
    let own = own.unwrap_or_else(|| untouched(ctx, key));
    let variables = variables::of_kind(&templates, email_kind(*kind));
    Ok(TemplateDetails {
        template: shown(&templates, own)?,
        variables: variables.map_err(|error| ServiceError::Templates(error.into()))?,
        shipped_locales: templates
            .locales()
            .iter()
            .map(|locale| locale.tag().to_owned())
            .collect(),
    })
}

/// Keeps a template of the business's own.
///
/// # Errors
/// [`Refusal::EtagMismatch`], [`EmailingRefusal::TemplateFaulty`].
pub async fn save(
    ctx: &Context,
    call: &Call,
    input: &TemplateSaving,
) -> Result<Answer<ShownTemplate>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let templates = ctx.mailing.templates.current()?;
    let TemplateKey { kind, locale } = &input.key;
    let found = faults(&templates, *kind, locale, &input.text);
    if !found.is_empty() {
        return Err(Refusal::from(EmailingRefusal::TemplateFaulty(found)).into());
    }
    let old = lock(ctx, call, &txn, &input.key).await?;
    check_etag(&old, input.etag.as_deref())?;
    let new = changed(ctx, old, Some(input.text.clone()));
    email_templates::put(&txn, call.business_id(), &new).await?;
    let value = shown(&templates, new)?;
    call.remember(&txn, &value).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(value))
}

/// Makes what is shipped count again; where it does, nothing changes.
///
/// # Errors
/// [`Refusal::EtagMismatch`].
pub async fn reset(
    ctx: &Context,
    call: &Call,
    input: &TemplateReset,
) -> Result<Answer<ShownTemplate>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut own = lock(ctx, call, &txn, &input.key).await?;
    check_etag(&own, input.etag.as_deref())?;
    if own.text.is_some() {
        own = changed(ctx, own, None);
        email_templates::put(&txn, call.business_id(), &own).await?;
    }
    let templates = ctx.mailing.templates.current()?;
    let value = shown(&templates, own)?;
    call.remember(&txn, &value).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(value))
}

/// What there is of a template; nobody else of the business changes templates until the transaction ends.
async fn lock(
    ctx: &Context,
    call: &Call,
    txn: &DatabaseTransaction,
    key: &TemplateKey,
) -> Result<OwnTemplate, ServiceError> {
    let business_id = call.business_id();
    let business = businesses::lock(txn, business_id).await?;
    business.ok_or_else(|| resolve::not_found("business", &business_id))?;
    let found = email_templates::get(txn, business_id, key.kind, &key.locale).await?;
    Ok(found.unwrap_or_else(|| untouched(ctx, key)))
}

fn check_etag(own: &OwnTemplate, etag: Option<&str>) -> Result<(), Refusal> {
    let name = format!("{} {}", own.kind.as_str(), own.locale);
    resolve::check_etag(KIND, name, own.version, etag)
}

/// A template that nobody ever changed.
fn untouched(ctx: &Context, key: &TemplateKey) -> OwnTemplate {
    OwnTemplate {
        kind: key.kind,
        locale: key.locale.clone(),
        text: None,
        updated_at: ctx.clock.now(),
        version: 0,
    }
}

fn changed(ctx: &Context, old: OwnTemplate, text: Option<TemplateText>) -> OwnTemplate {
    OwnTemplate {
        text,
        updated_at: ctx.clock.now(),
        version: old.version.saturating_add(1),
        ..old
    }
}

fn shown(templates: &TemplateSet, own: OwnTemplate) -> Result<ShownTemplate, ServiceError> {
    let (text, faults) = match &own.text {
        Some(text) => (text.clone(), faults(templates, own.kind, &own.locale, text)),
        None => (shipped(templates, own.kind)?, Vec::new()),
    };
    Ok(ShownTemplate { own, text, faults })
}

fn shipped(templates: &TemplateSet, kind: NoticeKind) -> Result<TemplateText, StoreError> {
    let source = templates.source(email_kind(kind));
    let source =
        source.ok_or_else(|| StoreError::corrupt("the shipped templates", kind.as_str()))?;
    Ok(TemplateText {
        subject: source.subject.clone(),
        text_body: source.text.clone(),
        html_body: source.html.clone(),
    })
}
