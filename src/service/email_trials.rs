//! Trying e-mails out: shown with a sample or with the data of a customer, or sent to an address (G8).
//!
//! What is shown is what would go out now, but for the links to unsubscribe and to the customer's page: whoever
//! tries an e-mail out must not unsubscribe a customer by a click, nor see what only the customer should. A trial that is sent is an e-mail like others but for its mark:
//! it waits, is tried again and is on record; there are only so many an hour, so that nobody can send what
//! he likes to whom he likes.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::calendar;
use crate::domain::customer::Customer;
use crate::domain::email::{Email, Text};
use crate::domain::email_template::TemplateText;
use crate::domain::notice::NoticeKind;
use crate::domain::package::Package;
use crate::domain::permission::Permission;
use crate::domain::refusal::{EmailingRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, EmailId, PackageId, Reference};
use crate::ledger::reach::settled;
use crate::mail::content::EmailContent;
use crate::mail::sample;
use crate::mail::templates::{RenderError, Rendered, TemplateSet};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::customer_page;
use crate::service::email_content::{self, Facts, email_kind, envelope, look, message_id};
use crate::service::email_rendering::{OwnTemplates, faults, source};
use crate::service::emails::EmailDetails;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::service::{suppressions, unsubscribing};
use crate::store::error::StoreError;
use crate::store::{businesses, customers, emails, lots, packages};

/// How many trials a business may send within an hour.
pub const TESTS_PER_HOUR_MAX: u64 = 20;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Which e-mail.
    pub kind: NoticeKind,
    /// In which language; none: the customer's, or the business's.
    pub locale: Option<String>,
    /// With which template; none: what counts now.
    pub text: Option<TemplateText>,
    /// To which customer; none: to somebody of a sample.
    pub customer_id: Option<Reference<CustomerId>>,
    /// About which of the customer's packages; none: one of a sample.
    pub package_ids: Vec<Reference<PackageId>>,
}

/// A trial to be sent.
#[derive(Clone, Debug)]
pub struct TestOrder {
    /// What.
    pub trial: Trial,
    /// Where to.
    pub to_address: String,
}

/// What a trial looks like.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The language.
    pub locale: String,
    /// Subject and texts.
    pub rendered: Rendered,
}

/// A trial that was made.
struct Tried {
    customer: Option<Customer>,
    preview: Preview,
}

/// Shows an e-mail.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::PackageOfOtherCustomer`], [`EmailingRefusal::TemplateFaulty`],
/// [`EmailingRefusal::CannotBeTold`], and [`Refusal::PermissionDenied`] for data that the caller may not see.
pub async fn preview(ctx: &Context, call: &Call, input: &Trial) -> Result<Preview, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let tried = try_out(ctx, call, &txn, input).await?;
    txn.commit().await?;
    Ok(tried.preview)
}

/// Sends an e-mail to an address, for a trial.
///
/// # Errors
/// Those of [`preview`], [`EmailingRefusal::AddressSuppressed`], [`EmailingRefusal::TestLimitReached`].
pub async fn send(
    ctx: &Context,
    call: &Call,
    input: &TestOrder,
) -> Result<Answer<EmailDetails>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim::<EmailId>(&txn, ctx.clock.now()).await? {
        let email = emails::get(&txn, business_id, earlier.value).await?;
        let email = email.ok_or_else(|| StoreError::corrupt("emails", earlier.value))?;
        return Ok(Answer {
            value: details(email),
            replayed: true,
        });
    }
    let locked = businesses::lock(&txn, business_id).await?;
    let business = locked.ok_or_else(|| resolve::not_found("business", &business_id))?;
    let now = ctx.clock.now();
    suppressions::check(&txn, business_id, &input.to_address).await?;
    check_limit(&txn, business_id, now).await?;
    let Tried { customer, preview } = try_out(ctx, call, &txn, &input.trial).await?;
    let id = EmailId::generate(now);
    let to_name = customer
        .as_ref()
        .map_or("", |customer| customer.name.as_str());
    let envelope = envelope(&ctx.mailing.operator, &business, to_name);
    let text = Text {
        message_id: message_id(id, &business, &envelope),
        to_address: input.to_address.clone(),
        envelope,
        subject: preview.rendered.subject,
        html: preview.rendered.html,
        plain: preview.rendered.text,
        rendered_at: now,
    };
    let customer_id = customer.map(|customer| customer.id);
    let email = Email::test(business_id, customer_id, input.trial.kind, id, text);
    emails::insert_test(&txn, &email).await?;
    call.remember(&txn, &id).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(details(email)))
}

fn details(email: Email) -> EmailDetails {
    EmailDetails {
        email,
        notices: Vec::new(),
        attempts: Vec::new(),
    }
}

async fn check_limit(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let hour = TimeDelta::hours(1);
    let since = now.checked_sub_signed(hour).unwrap_or(now);
    let limit = TESTS_PER_HOUR_MAX;
    let made = emails::tests_since(db, business_id, since, limit).await?;
    let is_reached = u64::try_from(made.len()).is_ok_and(|made| made >= limit);
    match made.first() {
        Some(oldest) if is_reached => Err(Refusal::from(EmailingRefusal::TestLimitReached {
            limit,
            possible_from: oldest.checked_add_signed(hour).unwrap_or(*oldest),
        })
        .into()),
        _ => Ok(()),
    }
}

async fn try_out(
    ctx: &Context,
    call: &Call,
    db: &impl ConnectionTrait,
    input: &Trial,
) -> Result<Tried, ServiceError> {
    let customer = match &input.customer_id {
        Some(reference) => Some(customer(call, db, reference).await?),
        None => None,
    };
    let mut content = content(ctx, call, db, input, customer.as_ref()).await?;
    if let Some(locale) = &input.locale {
        content.locale.clone_from(locale);
    }
    let business = &call.caller.business;
    let offered = unsubscribing::offered(&ctx.mailing.operator, business, input.kind);
    content.unsubscribe_url = offered.map(unsubscribing::example_url);
    if let Some(public_url) = customer_page::offered(&ctx.mailing.operator, business) {
        content.business.link_base_url = Some(customer_page::example_url(public_url));
    }
    let templates = ctx.mailing.templates.current()?;
    let rendered = render(call, db, &templates, input, &content).await?;
    Ok(Tried {
        customer,
        preview: Preview {
            locale: content.locale,
            rendered: rendered.map_err(|error| {
                let problem = error.reason;
                Refusal::from(EmailingRefusal::CannotBeTold { problem })
            })?,
        },
    })
}

async fn render(
    call: &Call,
    db: &impl ConnectionTrait,
    templates: &TemplateSet,
    input: &Trial,
    content: &EmailContent,
) -> Result<Result<Rendered, RenderError>, ServiceError> {
    let (business_id, kind) = (call.business_id(), input.kind);
    let Some(text) = &input.text else {
        let own = OwnTemplates::read(db, business_id, &[kind], [&*content.locale]).await?;
        return Ok(own.render(templates, kind, content));
    };
    let found = faults(templates, kind, &content.locale, text);
    if !found.is_empty() {
        return Err(Refusal::from(EmailingRefusal::TemplateFaulty(found)).into());
    }
    Ok(templates.render_own(content, &source(text)))
}

async fn customer(
    call: &Call,
    db: &impl ConnectionTrait,
    reference: &Reference<CustomerId>,
) -> Result<Customer, ServiceError> {
    call.require(Permission::CustomersRead)?;
    let id = resolve::customer(db, call.business_id(), reference).await?;
    let found = customers::get(db, call.business_id(), id).await?;
    Ok(found.ok_or_else(|| resolve::not_found("customer", reference))?)
}

async fn content(
    ctx: &Context,
    call: &Call,
    db: &impl ConnectionTrait,
    input: &Trial,
    customer: Option<&Customer>,
) -> Result<EmailContent, ServiceError> {
    let (business, now) = (&call.caller.business, ctx.clock.now());
    if let (Some(contact), false) = (customer, input.package_ids.is_empty()) {
        let packages = packages_of(call, db, contact.id, &input.package_ids).await?;
        let ids: Vec<PackageId> = packages.iter().map(|package| package.id).collect();
        let lots = lots::of_packages(db, business.id, &ids).await?;
        let lots = settled(db, business.id, lots, now).await?;
        let packages: Vec<Package> = packages
            .into_iter()
            .map(|package| package.as_of(&lots))
            .collect();
        let facts = Facts {
            business,
            contact,
            packages: &packages.iter().collect::<Vec<_>>(),
            types: &email_content::types_of(db, business.id, &lots).await?,
            lots: &lots,
            now,
        };
        return Ok(email_content::content(input.kind, &facts)?);
    }
    let name = customer.map_or(sample::CUSTOMER_NAME, |customer| customer.name.as_str());
    Ok(sample::preview(
        email_kind(input.kind),
        &email_content::locale(business, customer),
        look(business),
        name.to_owned(),
        calendar::local_day(now, business.zone),
    ))
}

async fn packages_of(
    call: &Call,
    db: &impl ConnectionTrait,
    customer_id: CustomerId,
    references: &[Reference<PackageId>],
) -> Result<Vec<Package>, ServiceError> {
    call.require(Permission::PackagesRead)?;
    let business_id = call.business_id();
    let mut found = Vec::new();
    for reference in references {
        let package_id = resolve::package(db, business_id, reference).await?;
        let package = packages::get(db, business_id, package_id).await?;
        let package = package.ok_or_else(|| resolve::not_found("package", reference))?;
        if package.customer_id != customer_id {
            return Err(Refusal::PackageOfOtherCustomer {
                package_id,
                customer_id,
            }
            .into());
        }
        found.push(package);
    }
    Ok(found)
}
