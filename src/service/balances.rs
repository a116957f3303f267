//! Balances: sums over lots at one moment. No balance above the lot is stored (semantics 2).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::domain::entry::Balances;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::selection::{Wanted, judge};
use crate::ids::{CreditTypeId, CustomerId, PackageId, Reference};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::sum;
use crate::service::resolve;
use crate::service::settled::settled;
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
    let txn = ctx.db.snapshot().await?;
    let business_id = call.business_id();
    let found = match &input.scope {
        BalanceScope::Customer(reference) => {
            let id = resolve::customer(&txn, business_id, reference).await?;
            customers::get(&txn, business_id, id)
                .await?
                .ok_or_else(|| resolve::not_found("customer", reference))?;
            lots::of_customer(&txn, business_id, id).await?
        }
        BalanceScope::Package(reference) => {
            let id = resolve::package(&txn, business_id, reference).await?;
            packages::get(&txn, business_id, id)
                .await?
                .ok_or_else(|| resolve::not_found("package", reference))?;
            lots::of_packages(&txn, business_id, &[id]).await?
        }
    };
    let only = match &input.credit_type {
        Some(reference) => Some(resolve::credit_type(&txn, business_id, reference).await?),
        None => None,
    };
    let as_of = ctx.clock.now();
    let found = settled(&txn, business_id, found, as_of).await?;
    txn.commit().await?;
    let mut by_type: BTreeMap<CreditTypeId, Vec<Lot>> = BTreeMap::new();
    for lot in found {
        let credit_type_id = lot.line.credit_type_id;
        let is_counted =
            lot.line.kind == LineKind::Prepaid && only.is_none_or(|only| only == credit_type_id);
        if is_counted {
            by_type.entry(credit_type_id).or_default().push(lot);
        }
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
