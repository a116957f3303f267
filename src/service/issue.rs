//! Giving credits by hand, with a reason (C8): a template, or a credit type and an amount.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::catalog::CreditType;
use crate::domain::credits::Credits;
use crate::domain::extend::NewLot;
use crate::domain::line::{Coverage, Line, LineKind, Subject};
use crate::domain::notice::NoticeKind;
use crate::domain::offer::{Offer, ValidityOverride};
use crate::domain::package::Package;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{LineWeight, Price};
use crate::domain::template_emails::UseEmails;
use crate::domain::validity::Validity;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, ItemId, LineId, Reference, TemplateId};
use crate::ledger::post;
use crate::ledger::tell::{self, Occasion};
use crate::service::buyers;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, view};
use crate::service::{offers, resolve};
use crate::store::{businesses, credit_types, customers, items, lines, packages};

/// What is given.
#[derive(Clone, Debug)]
pub struct Gift {
    /// Who gets it.
    pub customer: Reference<CustomerId>,
    /// A template, or credits.
    pub what: GiftOf,
    /// What the customer reads; none: the name of the template or credit type.
    pub name: Option<String>,
    /// The caller's own id of the package.
    pub external_id: Option<String>,
    /// From which local day on it can be used; none: from now on.
    pub start_date: Option<NaiveDate>,
    /// How long it is valid; none: as the template says, else the credit type.
    pub validity: Option<Validity>,
    /// Why; for staff.
    pub reason: String,
}

/// A template, or credits of one type.
#[derive(Clone, Debug)]
pub enum GiftOf {
    /// A package of this template.
    Template {
        /// Which one.
        template: Reference<TemplateId>,
        /// How many units; none: the least that is offered.
        quantity: Option<u32>,
    },
    /// Credits.
    Credits {
        /// Of this type.
        credit_type: Reference<CreditTypeId>,
        /// So many.
        amount: Credits,
        /// For these; none: for all that this credit type pays for.
        covers: Vec<GiftCoverage>,
    },
}

/// What given credits pay for.
#[derive(Clone, Debug)]
pub struct GiftCoverage {
    /// The item or category.
    pub subject: GiftSubject,
    /// The credits that one unit takes.
    pub credits_per_unit: Credits,
}

/// An item or a category, as the caller names it.
#[derive(Clone, Debug)]
pub enum GiftSubject {
    /// One item.
    Item(Reference<ItemId>),
    /// A category.
    Category(String),
}

/// Gives a package.
///
/// # Errors
/// [`Refusal::CustomerInactive`], [`Refusal::TemplateNotActive`], [`Refusal::CreditTypeArchived`],
/// [`Refusal::AmountTooFine`], [`Refusal::CoverageAmbiguous`], [`Refusal::CoverageRepeated`],
/// [`Refusal::ExternalIdTaken`], or a validity that cannot be.
pub async fn issue(
    ctx: &Context,
    call: &Call,
    input: &Gift,
) -> Result<Answer<PackageView>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let customer_id = active_customer(&txn, call, &input.customer).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let now = ctx.clock.now();
    let (package, lots) = make(&txn, &business, input, customer_id, now).await?;
    let posting = post::issue(&call.stamp(now), [(package.clone(), lots)])?;
    call.post(&txn, &posting, &input.reason).await?;
    let occasion = Occasion {
        name: package.id.to_string(),
        customer_id,
        packages: vec![&package],
    };
    tell::queue(&txn, &business, NoticeKind::Confirmation, &[occasion], now).await?;
    let view = view(&package, &posting.lots, &business, now);
    call.remember(&txn, &view).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(view))
}

/// Makes the package of a gift, and writes it and its own lines; its lots are the caller's to post.
pub(super) async fn make(
    txn: &DatabaseTransaction,
    business: &Business,
    input: &Gift,
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<(Package, Vec<NewLot>), ServiceError> {
    let mut offer = match &input.what {
        GiftOf::Template { template, quantity } => {
            let template = offers::template(txn, business.id, template).await?;
            let mut offer = offers::of_template(txn, business.id, &template, customer_id).await?;
            let own_lines = offer.of_quantity(&template, *quantity, now)?;
            lines::insert(txn, business.id, None, &own_lines).await?;
            offer
        }
        GiftOf::Credits { .. } => credits(txn, business, input, customer_id, now).await?,
    };
    offer.price_minor = 0;
    offer.price = Price::default();
    offer.is_paid = true;
    offer.external_id.clone_from(&input.external_id);
    offer.start_date = input.start_date;
    offer.validity_override = input.validity.map(ValidityOverride::Rule);
    offer.name = input.name.clone().unwrap_or(offer.name);
    let (package, lots) = offer.make(business, now)?;
    packages::insert(txn, std::slice::from_ref(&package))
        .await
        .map_err(|error| ServiceError::taken(error, "package", input.external_id.as_deref()))?;
    Ok((package, lots))
}

async fn active_customer(
    txn: &DatabaseTransaction,
    call: &Call,
    reference: &Reference<CustomerId>,
) -> Result<CustomerId, ServiceError> {
    let id = resolve::customer(txn, call.business_id(), reference).await?;
    let customer = customers::share(txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", reference))?;
    buyers::check(&customer)?;
    Ok(id)
}

/// The offer of credits without a template, on a line of its own.
async fn credits(
    txn: &DatabaseTransaction,
    business: &Business,
    input: &Gift,
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<Offer, ServiceError> {
    let GiftOf::Credits {
        credit_type,
        amount,
        covers,
    } = &input.what
    else {
        return Err(Refusal::AmountTooLarge.into());
    };
    let credit_type = usable_credit_type(txn, business, credit_type).await?;
    let covers = if covers.is_empty() {
        everything_it_pays_for(txn, business.id, credit_type.id).await?
    } else {
        named(txn, business, covers).await?
    };
    let line = Line {
        id: LineId::generate(now),
        position: 1,
        kind: LineKind::Prepaid,
        credit_type_id: credit_type.id,
        decimal_places: credit_type.decimal_places,
        quantity: *amount,
        covers,
        emails: UseEmails::default(),
    };
    line.check()?;
    let line = Arc::new(line);
    lines::insert(txn, business.id, None, &[Arc::clone(&line)]).await?;
    let weight = LineWeight {
        quantity: *amount,
        dearest: None,
    };
    let defaults = vec![credit_type.default_validity];
    Ok(without_template(
        customer_id,
        credit_type.name_plural,
        vec![(line, weight)],
        defaults,
    ))
}

/// The offer of lines that no template has, with the default validities of their credit types: for nothing.
pub(super) fn without_template(
    customer_id: CustomerId,
    name: String,
    lines: Vec<(Arc<Line>, LineWeight)>,
    defaults: Vec<Option<Validity>>,
) -> Offer {
    Offer {
        customer_id,
        group_id: None,
        share_max: 1,
        external_id: None,
        sale_id: None,
        template: None,
        name,
        list_price_minor: 0,
        price_minor: 0,
        price: Price::default(),
        priority: None,
        quarantine_days: None,
        use_limit: None,
        booking_rules: None,
        lines,
        validity: None,
        defaults,
        validity_override: None,
        start_date: None,
        is_paid: true,
    }
}

/// A credit type that is not archived.
pub(super) async fn usable_credit_type(
    txn: &DatabaseTransaction,
    business: &Business,
    reference: &Reference<CreditTypeId>,
) -> Result<CreditType, ServiceError> {
    let id = resolve::credit_type(txn, business.id, reference).await?;
    let credit_type = credit_types::get(txn, business.id, id)
        .await?
        .ok_or_else(|| resolve::not_found("credit type", reference))?;
    if credit_type.archived_at.is_some() {
        return Err(Refusal::CreditTypeArchived { credit_type_id: id }.into());
    }
    Ok(credit_type)
}

async fn named(
    txn: &DatabaseTransaction,
    business: &Business,
    covers: &[GiftCoverage],
) -> Result<Vec<Coverage>, ServiceError> {
    let mut named = Vec::with_capacity(covers.len());
    for coverage in covers {
        let subject = match &coverage.subject {
            GiftSubject::Category(category) => Subject::Category(category.clone()),
            GiftSubject::Item(reference) => {
                let id = resolve::item(txn, business.id, reference).await?;
                items::get(txn, business.id, id)
                    .await?
                    .ok_or_else(|| resolve::not_found("item", reference))?;
                Subject::Item(id)
            }
        };
        named.push(Coverage {
            subject,
            credits_per_unit: coverage.credits_per_unit,
        });
    }
    Ok(named)
}

/// What the lines of current templates with this credit type cover, as they are now.
///
/// # Errors
/// [`Refusal::CoverageAmbiguous`].
pub(super) async fn everything_it_pays_for(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    credit_type_id: CreditTypeId,
) -> Result<Vec<Coverage>, ServiceError> {
    let mut all: Vec<Coverage> = Vec::new();
    for line in lines::of_credit_type(txn, business_id, credit_type_id).await? {
        for coverage in &line.covers {
            match all.iter().find(|known| known.subject == coverage.subject) {
                None => all.push(coverage.clone()),
                Some(known) if known.credits_per_unit == coverage.credits_per_unit => {}
                Some(_) => {
                    let target = match &coverage.subject {
                        Subject::Item(id) => id.to_string(),
                        Subject::Category(category) => category.clone(),
                    };
                    return Err(Refusal::CoverageAmbiguous {
                        credit_type_id,
                        target,
                    }
                    .into());
                }
            }
        }
    }
    Ok(all)
}
