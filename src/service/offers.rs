//! Reading what an offer is made of: template, lines, rates and default validities.

use std::sync::Arc;

use sea_orm::DatabaseTransaction;

use crate::domain::catalog::{Definition, Template, TemplateState};
use crate::domain::line::{Line, Subject};
use crate::domain::offer::Offer;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{LineWeight, Price};
use crate::domain::validity::Validity;
use crate::ids::{BusinessId, CustomerId, Reference, TemplateId};
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{credit_types, items, template_versions, templates};

/// A template that can be sold, held against changes until the transaction ends.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::TemplateNotActive`].
pub(super) async fn template(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    reference: &Reference<TemplateId>,
) -> Result<Template, ServiceError> {
    let id = resolve::template(txn, business_id, reference).await?;
    let template = templates::share(txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("template", reference))?;
    check_active(&template)?;
    Ok(template)
}

/// A template as it was agreed on, in that version, whatever became of it since.
///
/// # Errors
/// [`Refusal::NotFound`].
pub(super) async fn agreed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    reference: &Reference<TemplateId>,
    version: i32,
) -> Result<Template, ServiceError> {
    let id = resolve::template(txn, business_id, reference).await?;
    let mut template = templates::share(txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("template", reference))?;
    if template.definition.number != version {
        template.definition = template_versions::get(txn, business_id, id, version)
            .await?
            .ok_or_else(|| StoreError::corrupt("template_versions", id))?;
    }
    Ok(template)
}

/// Refuses a template that cannot be sold.
///
/// # Errors
/// [`Refusal::TemplateNotActive`].
pub(super) fn check_active(template: &Template) -> Result<(), Refusal> {
    if template.state == TemplateState::Active {
        return Ok(());
    }
    Err(Refusal::TemplateNotActive {
        template_id: template.id,
        state: template.state.as_str(),
    })
}

/// The offer of a template as it stands: everything that a sale may override is the template's.
pub(super) async fn of_template(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    template: &Template,
    customer_id: CustomerId,
) -> Result<Offer, ServiceError> {
    let Definition {
        number,
        name,
        price_minor,
        priority,
        quarantine_days,
        use_limit,
        booking_rules,
        validity,
        lines,
        selling,
        ..
    } = &template.definition;
    Ok(Offer {
        customer_id,
        group_id: None,
        share_max: i32::try_from(selling.share_max).unwrap_or(i32::MAX),
        external_id: None,
        sale_id: None,
        template: Some((template.id, *number)),
        name: name.clone(),
        list_price_minor: *price_minor,
        price_minor: *price_minor,
        price: Price::default(),
        priority: *priority,
        quarantine_days: *quarantine_days,
        use_limit: *use_limit,
        booking_rules: *booking_rules,
        lines: weighed(txn, business_id, lines).await?,
        validity: *validity,
        defaults: defaults(txn, business_id, lines).await?,
        validity_override: None,
        start_date: None,
        is_paid: false,
    })
}

/// Each line with the standard rate of its dearest item; a category's items are those of now.
pub(super) async fn weighed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    lines: &[Arc<Line>],
) -> Result<Vec<(Arc<Line>, LineWeight)>, ServiceError> {
    let mut weighed = Vec::with_capacity(lines.len());
    for line in lines {
        let mut dearest = None;
        for coverage in &line.covers {
            let rate = match &coverage.subject {
                Subject::Item(id) => items::get(txn, business_id, *id)
                    .await?
                    .and_then(|item| item.standard_rate_minor),
                Subject::Category(category) => {
                    items::dearest_rate(txn, business_id, category).await?
                }
            };
            let found = rate.map(|rate| (rate, coverage.credits_per_unit));
            dearest = dearest.max(found);
        }
        let weight = LineWeight {
            quantity: line.quantity,
            dearest,
        };
        weighed.push((Arc::clone(line), weight));
    }
    Ok(weighed)
}

/// The default validity of each line's credit type.
pub(super) async fn defaults(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    lines: &[Arc<Line>],
) -> Result<Vec<Option<Validity>>, ServiceError> {
    let ids = lines.iter().map(|line| line.credit_type_id);
    let found = credit_types::by_ids(txn, business_id, ids).await?;
    Ok(found
        .into_iter()
        .map(|credit_type| credit_type.default_validity)
        .collect())
}
