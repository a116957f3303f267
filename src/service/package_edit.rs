//! Editing packages that were sold (E1).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::change::AgreedPrice;
use crate::domain::credits::Credits;
use crate::domain::edit::{Edit, edit};
use crate::domain::line::{Line, LineKind};
use crate::domain::lot::Lot;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{LineWeight, Price, rated};
use crate::ids::{LineId, LotId};
use crate::service::amending::{self, Changed, Target};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::extension::Until;
use crate::service::offers;
use crate::service::refund::tax_basis_points;

/// What is to change on a package; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct EditEntry {
    /// Which package, and why.
    pub target: Target,
    /// The caller's own id.
    pub external_id: Option<Option<String>>,
    /// What is agreed, in minor units, as the business writes prices.
    pub price_minor: Option<i64>,
    /// The lower number pays first.
    pub priority: Option<i32>,
    /// How many credits lines are to have in all.
    pub quantities: Vec<(LineId, Credits)>,
    /// An earlier end.
    pub until: Option<Until>,
}

/// Edits a package.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `EXTERNAL_ID_TAKEN`, and those of [`edit`]. [`Refusal::PermissionDenied`]
/// where [`Permission::PackagesOverridePrice`], [`Permission::CreditsAdjust`] or
/// [`Permission::PackagesShorten`] is wanted besides.
pub async fn update_package(
    ctx: &Context,
    call: &Call,
    input: &EditEntry,
) -> Result<Answer<Changed>, ServiceError> {
    if input.price_minor.is_some() {
        call.require(Permission::PackagesOverridePrice)?;
    }
    if !input.quantities.is_empty() {
        call.require(Permission::CreditsAdjust)?;
    }
    if input.until.is_some() {
        call.require(Permission::PackagesShorten)?;
    }
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let locked = amending::lock(ctx, &txn, call, &input.target).await?;
    let tax = tax_basis_points(&txn, &locked.package).await?;
    let lines: BTreeMap<LineId, Arc<Line>> = locked
        .lots
        .iter()
        .filter(|lot| lot.line.kind == LineKind::Prepaid)
        .map(|lot| (lot.line.id, Arc::clone(&lot.line)))
        .collect();
    let lines: Vec<Arc<Line>> = lines.into_values().collect();
    let weights = offers::weighed(&txn, call.business_id(), &lines).await?;
    let changed = amending::finish(&txn, call, &locked, &input.target, |amendment, business| {
        let price = |minor: i64| Price::of(minor, tax, business.prices_include_tax);
        let price = match input.price_minor {
            Some(price_minor) => Some(AgreedPrice {
                price_minor,
                net_minor: price(price_minor).ok_or(Refusal::AmountTooLarge)?.net_minor,
            }),
            None => None,
        };
        let now = amendment.now();
        let until = input
            .until
            .map(|until| until.for_package(&amendment.package));
        let quantities = input.quantities.iter();
        let change = Edit {
            external_id: input.external_id.clone(),
            priority: input.priority,
            quantities: quantities
                .map(|(line_id, quantity)| (*line_id, *quantity, LotId::generate(now)))
                .collect(),
            price,
            expires_at: until.transpose()?,
        };
        edit(amendment, &change, |lot| weight(lot, &weights))?;
        Ok(Vec::new())
    })
    .await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// By what a price is spread over lots that are worth nothing (semantics 26): the standard rate of the line's
/// dearest item and the units that are unused; by quantity if any line has no rate.
fn weight(lot: &Lot, weights: &[(Arc<Line>, LineWeight)]) -> i128 {
    let unused = lot.fold.unused().unwrap_or(Credits::ZERO);
    let by_quantity = i128::from(unused.millionths());
    if weights.iter().any(|(_, weight)| weight.dearest.is_none()) {
        return by_quantity;
    }
    let own = weights.iter().find(|(line, _)| line.id == lot.line.id);
    let weight = own.and_then(|(_, weight)| {
        rated(&LineWeight {
            quantity: unused,
            dearest: weight.dearest,
        })
    });
    weight.unwrap_or(by_quantity)
}
