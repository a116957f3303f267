//! Balances: sums over lots at one moment. No balance above the lot is stored (semantics 2).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::credits::Credits;
use crate::domain::entry::Balances;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::selection::{Wanted, judge};
use crate::domain::settle;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, PackageId, Reference};
use crate::ledger::reach::{may_be_moved, settled};
use crate::service::buyers::check_there;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::sum;
use crate::service::resolve;
use crate::store::{customers, lots, packages};

/// Whose balance, and of what.
#[derive(Clone, Debug)]
pub struct BalanceQuery {
    /// Whose.
    pub scope: BalanceScope,
    /// Only of this credit type.
    pub credit_type: Option<Reference<CreditTypeId>>,
}

/// Whose balance.
#[derive(Clone, Debug)]
pub enum BalanceScope {
    /// All packages of a customer.
    Customer(Reference<CustomerId>),
    /// One package.
    Package(Reference<PackageId>),
}

/// Balances at one moment.
#[derive(Clone, Debug)]
pub struct BalanceSheet {
    /// One for each credit type, in the order of their ids.
    pub balances: Vec<CreditTypeBalance>,
    /// The moment.
    pub as_of: DateTime<Utc>,
}

/// The credits of one type.
#[derive(Clone, Debug)]
pub struct CreditTypeBalance {
    /// The type.
    pub credit_type_id: CreditTypeId,
    /// All of them, by what became of them.
    pub balances: Balances,
    /// What can be used at that moment.
    pub usable: Credits,
}

/// The balances of a customer or a package.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub async fn get(
    ctx: &Context,
    call: &Call,
    input: &BalanceQuery,
) -> Result<BalanceSheet, ServiceError> {
    let business_id = call.business_id();
    let (found, as_of) = if let Some(found) = at_once(ctx, business_id, input).await? {
        found
    } else {
        let txn = ctx.db.snapshot().await?;
        let found = lots_of(&txn, business_id, input).await?;
        let as_of = ctx.clock.now();
        let found = settled(&txn, business_id, found, as_of).await?;
        txn.commit().await?;
        (found, as_of)
    };
    let mut by_type: BTreeMap<CreditTypeId, Vec<Lot>> = BTreeMap::new();
    for lot in found {
        by_type
            .entry(lot.line.credit_type_id)
            .or_default()
            .push(lot);
    }
    let balances = by_type
        .into_iter()
        .map(|(credit_type_id, lots)| CreditTypeBalance {
            credit_type_id,
            balances: sum(lots.iter().map(|lot| lot.fold.balances)),
            usable: usable(&lots, credit_type_id, as_of),
        })
        .collect();
    Ok(BalanceSheet { balances, as_of })
}

/// The settled lots of a customer by one query, which calls that come at the same time share; none where it
/// takes more than that to tell: there are none, or time has ended a hold, perhaps in a package of somebody else.
async fn at_once(
    ctx: &Context,
    business_id: BusinessId,
    input: &BalanceQuery,
) -> Result<Option<(Vec<Lot>, DateTime<Utc>)>, ServiceError> {
    let BalanceScope::Customer(Reference::Id(customer_id)) = &input.scope else {
        return Ok(None);
    };
    if input.credit_type.is_some() {
        return Ok(None);
    }
    let Some(found) = ctx.lots_of_customer(business_id, *customer_id).await? else {
        return Ok(None);
    };
    let as_of = ctx.clock.now();
    if may_be_moved(&found, as_of) || found.iter().any(|lot| lot.has_timed_out_hold(as_of)) {
        return Ok(None);
    }
    let prepaid = found
        .iter()
        .filter(|lot| lot.line.kind == LineKind::Prepaid);
    let prepaid: Vec<Lot> = prepaid.cloned().collect();
    Ok(Some((settle::as_of(&prepaid, &[], as_of), as_of)))
}

/// The lots that are counted.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub(super) async fn lots_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    input: &BalanceQuery,
) -> Result<Vec<Lot>, ServiceError> {
    let mut found = match &input.scope {
        BalanceScope::Customer(reference) => {
            let id = resolve::customer(db, business_id, reference).await?;
            let customer = customers::get(db, business_id, id)
                .await?
                .ok_or_else(|| resolve::not_found("customer", reference))?;
            check_there(&customer)?;
            lots::shared::usable_by(db, business_id, id).await?
        }
        BalanceScope::Package(reference) => {
            let id = resolve::package(db, business_id, reference).await?;
            packages::get(db, business_id, id)
                .await?
                .ok_or_else(|| resolve::not_found("package", reference))?;
            lots::of_packages(db, business_id, &[id]).await?
        }
    };
    let only = match &input.credit_type {
        Some(reference) => Some(resolve::credit_type(db, business_id, reference).await?),
        None => None,
    };
    found.retain(|lot| {
        lot.line.kind == LineKind::Prepaid
            && only.is_none_or(|only| only == lot.line.credit_type_id)
    });
    Ok(found)
}

fn usable(lots: &[Lot], credit_type_id: CreditTypeId, at: DateTime<Utc>) -> Credits {
    let wanted = Wanted::Credits {
        credit_type_id,
        amount: Credits::UNIT,
    };
    lots.iter()
        .filter(|lot| judge(lot, &wanted, at, at).is_ok())
        .fold(Credits::ZERO, |sum, lot| {
            sum.checked_add(lot.available()).unwrap_or(sum)
        })
}
