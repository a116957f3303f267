//! Credit types: made, changed, archived; never deleted, and never archived while a template that is not
//! archived uses them (A1).

use crate::domain::catalog::CreditType;
use crate::domain::refusal::Refusal;
use crate::domain::validity::Validity;
use crate::ids::{CreditTypeId, Reference};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{credit_types, templates};

/// What a new credit type is.
#[derive(Clone, Debug)]
pub struct NewCreditType {
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What one is called.
    pub name: String,
    /// What several are called; empty: the same as one.
    pub name_plural: String,
    /// What the customer reads.
    pub description: String,
    /// How finely a credit divides, 0 to 6.
    pub decimal_places: u32,
    /// The validity of packages that have no other.
    pub default_validity: Option<Validity>,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct CreditTypeUpdate {
    /// Which one.
    pub id: Reference<CreditTypeId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of it.
    pub external_id: Option<Option<String>>,
    /// What one is called.
    pub name: Option<String>,
    /// What several are called; empty: the same as one.
    pub name_plural: Option<String>,
    /// What the customer reads.
    pub description: Option<String>,
    /// The validity of packages that have no other.
    pub default_validity: Option<Option<Validity>>,
}

/// Which page of credit types.
#[derive(Clone, Debug)]
pub struct CreditTypeList {
    /// Archived ones too.
    pub include_archived: bool,
    /// Below this one.
    pub before: Option<CreditTypeId>,
    /// How many at most.
    pub limit: u64,
}

/// Makes a credit type.
///
/// # Errors
/// [`Refusal::ExternalIdTaken`].
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewCreditType,
) -> Result<Answer<CreditType>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let credit_type = CreditType {
        id: CreditTypeId::generate(now),
        external_id: input.external_id.clone(),
        name: input.name.clone(),
        name_plural: plural_or(&input.name, &input.name_plural),
        description: input.description.clone(),
        decimal_places: input.decimal_places,
        default_validity: input.default_validity,
        archived_at: None,
        created_at: now,
        version: 1,
    };
    credit_types::insert(&txn, call.business_id(), &credit_type)
        .await
        .map_err(|error| taken(error, input.external_id.as_deref()))?;
    call.remember(&txn, &credit_type).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(credit_type))
}

/// One credit type.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(
    ctx: &Context,
    call: &Call,
    id: &Reference<CreditTypeId>,
) -> Result<CreditType, ServiceError> {
    let reader = ctx.db.reader();
    let known = resolve::credit_type(reader, call.business_id(), id).await?;
    let found = credit_types::get(reader, call.business_id(), known).await?;
    found.ok_or_else(|| resolve::not_found("credit type", id).into())
}

/// A page of credit types, newest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &CreditTypeList,
) -> Result<Vec<CreditType>, ServiceError> {
    Ok(credit_types::list(
        ctx.db.reader(),
        call.business_id(),
        input.include_archived,
        input.before,
        input.limit,
    )
    .await?)
}

/// Changes a credit type.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`Refusal::ExternalIdTaken`].
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &CreditTypeUpdate,
) -> Result<Answer<CreditType>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::credit_type(&txn, call.business_id(), &input.id).await?;
    let mut credit_type = credit_types::lock(&txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found("credit type", &input.id))?;
    resolve::check_etag(
        "credit type",
        id,
        credit_type.version,
        input.etag.as_deref(),
    )?;
    let change = input.clone();
    credit_type.external_id = change.external_id.unwrap_or(credit_type.external_id);
    credit_type.name = change.name.unwrap_or(credit_type.name);
    if let Some(name_plural) = change.name_plural {
        credit_type.name_plural = plural_or(&credit_type.name, &name_plural);
    }
    credit_type.description = change.description.unwrap_or(credit_type.description);
    credit_type.default_validity = change
        .default_validity
        .unwrap_or(credit_type.default_validity);
    let external_id = credit_type.external_id.clone();
    credit_types::update(&txn, call.business_id(), &mut credit_type)
        .await
        .map_err(|error| taken(error, external_id.as_deref()))?;
    call.remember(&txn, &credit_type).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(credit_type))
}

/// Which credit type to archive.
#[derive(Clone, Debug)]
pub struct CreditTypeArchiving {
    /// Which one.
    pub id: Reference<CreditTypeId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// Archives a credit type; one that is archived already stays as it is.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::EtagMismatch`], [`Refusal::CreditTypeInUse`].
pub async fn archive(
    ctx: &Context,
    call: &Call,
    input: &CreditTypeArchiving,
) -> Result<Answer<CreditType>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let id = resolve::credit_type(&txn, call.business_id(), &input.id).await?;
    let mut credit_type = credit_types::lock(&txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found("credit type", &input.id))?;
    resolve::check_etag(
        "credit type",
        id,
        credit_type.version,
        input.etag.as_deref(),
    )?;
    if let Some(template_id) = templates::using(&txn, call.business_id(), id).await? {
        return Err(Refusal::CreditTypeInUse {
            credit_type_id: id,
            template_id,
        }
        .into());
    }
    if credit_type.archived_at.is_none() {
        credit_type.archived_at = Some(now);
        credit_types::update(&txn, call.business_id(), &mut credit_type).await?;
    }
    call.remember(&txn, &credit_type).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(credit_type))
}

/// What several are called, if not as one is.
fn plural_or(name: &str, name_plural: &str) -> String {
    if name_plural.is_empty() {
        return name.to_owned();
    }
    name_plural.to_owned()
}

fn taken(error: crate::store::error::StoreError, external_id: Option<&str>) -> ServiceError {
    ServiceError::taken(error, "credit type", external_id)
}
