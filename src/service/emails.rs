//! Reading e-mails and what became of them (G10).

use std::collections::HashMap;

use crate::domain::business::Business;
use crate::domain::email::{Attempt, Email, EmailState};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, CustomerId, EmailId, PackageId, Reference};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{businesses, customers, email_attempts, emails, notices, packages};

/// Which e-mails to list.
#[derive(Clone, Debug)]
pub struct EmailList {
    /// To this customer.
    pub customer_id: Option<Reference<CustomerId>>,
    /// That tell, or were to tell, of this package.
    pub package_id: Option<Reference<PackageId>>,
    /// In one of these states; empty: in any.
    pub states: Vec<EmailState>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<NoticeKind>,
    /// Only those below this id.
    pub before: Option<EmailId>,
    /// How many at most.
    pub limit: u64,
}

/// An e-mail with its notices, and where it is shown alone its attempts.
#[derive(Clone, Debug)]
pub struct EmailDetails {
    /// The e-mail.
    pub email: Email,
    /// The facts that it tells, or was to tell.
    pub notices: Vec<Notice>,
    /// The attempts to send it, oldest first; empty in lists.
    pub attempts: Vec<Attempt>,
}

/// A page of e-mails, newest first.
///
/// # Errors
/// [`Refusal::NotFound`] if a filter names what is not there.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &EmailList,
) -> Result<Vec<EmailDetails>, ServiceError> {
    let reader = ctx.db.reader();
    let business_id = call.business_id();
    let filter = emails::Filter {
        customer_id: customer_id(ctx, call, input).await?,
        package_id: package_id(ctx, call, input).await?,
        states: input.states.clone(),
        kinds: input.kinds.clone(),
    };
    let found = emails::list(reader, business_id, &filter, input.before, input.limit).await?;
    let ids: Vec<EmailId> = found.iter().map(|email| email.id).collect();
    let mut told = notices::of_emails(reader, business_id, &ids).await?;
    Ok(found
        .into_iter()
        .map(|email| EmailDetails {
            notices: told.remove(&email.id).unwrap_or_default(),
            email,
            attempts: Vec::new(),
        })
        .collect())
}

async fn customer_id(
    ctx: &Context,
    call: &Call,
    input: &EmailList,
) -> Result<Option<CustomerId>, ServiceError> {
    let Some(reference) = &input.customer_id else {
        return Ok(None);
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let id = resolve::customer(reader, business_id, reference).await?;
    let found = customers::get(reader, business_id, id).await?;
    found.ok_or_else(|| resolve::not_found("customer", reference))?;
    Ok(Some(id))
}

async fn package_id(
    ctx: &Context,
    call: &Call,
    input: &EmailList,
) -> Result<Option<PackageId>, ServiceError> {
    let Some(reference) = &input.package_id else {
        return Ok(None);
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let id = resolve::package(reader, business_id, reference).await?;
    let found = packages::get(reader, business_id, id).await?;
    found.ok_or_else(|| resolve::not_found("package", reference))?;
    Ok(Some(id))
}

/// One e-mail with its notices and attempts.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn get(ctx: &Context, call: &Call, id: &EmailId) -> Result<EmailDetails, ServiceError> {
    let reader = ctx.db.reader();
    let found = emails::get(reader, call.business_id(), *id).await?;
    let email = found.ok_or_else(|| resolve::not_found("e-mail", id))?;
    details(ctx, email).await
}

async fn details(ctx: &Context, email: Email) -> Result<EmailDetails, ServiceError> {
    let reader = ctx.db.reader();
    let business_id = email.business_id;
    let mut told = notices::of_emails(reader, business_id, &[email.id]).await?;
    Ok(EmailDetails {
        notices: told.remove(&email.id).unwrap_or_default(),
        attempts: email_attempts::of_email(reader, business_id, email.id).await?,
        email,
    })
}

/// An e-mail as whoever runs the server sees it, of whichever business.
#[derive(Clone, Debug)]
pub struct ShownEmail {
    /// The e-mail.
    pub details: EmailDetails,
    /// Its business.
    pub business: Business,
    /// Whom it is for.
    pub customer_name: String,
}

/// The newest e-mails of all businesses: for trying out, never for tenants.
pub async fn newest(ctx: &Context, limit: u64) -> Result<Vec<ShownEmail>, ServiceError> {
    let reader = ctx.db.reader();
    let all = businesses::all(reader).await?;
    let all: HashMap<BusinessId, Business> = all
        .into_iter()
        .map(|business| (business.id, business))
        .collect();
    let mut shown = Vec::new();
    for email in emails::newest(reader, limit).await? {
        let Some(business) = all.get(&email.business_id) else {
            continue;
        };
        shown.push(ShownEmail {
            business: business.clone(),
            customer_name: customer_name(ctx, &email).await?,
            details: EmailDetails {
                email,
                notices: Vec::new(),
                attempts: Vec::new(),
            },
        });
    }
    Ok(shown)
}

/// Whom an e-mail is for; nothing if it is a trial for nobody.
async fn customer_name(ctx: &Context, email: &Email) -> Result<String, ServiceError> {
    let Some(customer_id) = email.customer_id else {
        return Ok(String::new());
    };
    let contact = customers::get(ctx.db.reader(), email.business_id, customer_id).await?;
    Ok(contact.map(|contact| contact.name).unwrap_or_default())
}

/// One e-mail of whichever business: for trying out, never for tenants.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn shown(ctx: &Context, id: EmailId) -> Result<ShownEmail, ServiceError> {
    let reader = ctx.db.reader();
    let not_found = || -> Refusal { resolve::not_found("e-mail", &id) };
    let found = emails::get_of_any_business(reader, id).await?;
    let email = found.ok_or_else(not_found)?;
    let business = businesses::get(reader, email.business_id).await?;
    Ok(ShownEmail {
        business: business.ok_or_else(not_found)?,
        customer_name: customer_name(ctx, &email).await?,
        details: details(ctx, email).await?,
    })
}
