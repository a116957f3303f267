//! Packages with what is used and unused of each (H3): the valid ones, or all that were valid at some time in
//! a period, those that can still be restored after their end among them.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::package::Status;
use crate::ids::{CustomerId, PackageId};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, views};
use crate::service::packages::Scope;
use crate::service::reports::Period;
use crate::store::customers;
use crate::store::packages::{Filter, list};

/// How often a page is filled up when its rows are others than wanted; then it ends early.
const FILLS_MAX: usize = 10;

/// Which page of a report on packages.
#[derive(Clone, Debug)]
pub struct PackageQuery {
    /// Whose, and of what.
    pub scope: Scope,
    /// Valid at some time in it; none: valid now.
    pub valid_during: Option<Period>,
    /// Of these statuses now; none: all.
    pub statuses: Vec<Status>,
    /// Below this one.
    pub before: Option<PackageId>,
    /// How many at most.
    pub size: u64,
}

/// A page of a report on packages.
#[derive(Clone, Debug)]
pub struct PackagePage {
    /// The moment.
    pub as_of: DateTime<Utc>,
    /// The packages, newest first.
    pub rows: Vec<PackageRow>,
    /// Below which the next page begins; none on the last.
    pub next_before: Option<PackageId>,
}

/// A package in a report.
#[derive(Clone, Debug)]
pub struct PackageRow {
    /// The package.
    pub view: PackageView,
    /// The name of its owner, or of the contact of the group that owns it.
    pub customer_name: String,
    /// What is unused in it is worth, in minor units.
    pub unused_value_minor: i64,
    /// Whether it has ended and can still be restored.
    pub is_restorable: bool,
}

/// A page of packages, newest first. What is valid when is told by their present terms.
///
/// # Errors
/// Those of [`Scope`].
pub async fn get(
    ctx: &Context,
    call: &Call,
    input: &PackageQuery,
) -> Result<PackagePage, ServiceError> {
    let business = &call.caller.business;
    let txn = ctx.db.snapshot().await?;
    let as_of = ctx.clock.now();
    let range = match input.valid_during {
        Some(period) => period.range(business)?,
        None => (as_of, next_instant(as_of)),
    };
    let filter = Filter {
        valid_during: Some(range),
        ..input.scope.find(&txn, business.id).await?
    };
    let wanted = usize::try_from(input.size).unwrap_or(usize::MAX);
    let mut found: Vec<PackageView> = Vec::new();
    let mut next_before = input.before;
    for _ in 0..FILLS_MAX {
        let left = wanted.saturating_sub(found.len());
        let limit = u64::try_from(left).unwrap_or(u64::MAX);
        let stored = list(&txn, business.id, &filter, next_before, limit).await?;
        let is_last = stored.len() < left;
        next_before = stored.last().map(|package| package.id);
        let seen = views(&txn, business, stored, as_of).await?.into_iter();
        found.extend(seen.filter(|view| {
            let is_of_status = input.statuses.is_empty() || input.statuses.contains(&view.status);
            is_of_status && view.package.was_valid_during(range)
        }));
        if is_last {
            next_before = None;
        }
        if is_last || found.len() == wanted {
            break;
        }
    }
    let owners = found.iter().map(|view| view.package.customer_id);
    let owners = customers::by_ids(&txn, business.id, owners).await?;
    txn.commit().await?;
    let names: HashMap<CustomerId, String> = owners
        .into_iter()
        .map(|customer| (customer.id, customer.name))
        .collect();
    let rows = found.into_iter().map(|view| row(view, &names, as_of));
    Ok(PackagePage {
        as_of,
        rows: rows.collect(),
        next_before,
    })
}

fn row(view: PackageView, names: &HashMap<CustomerId, String>, now: DateTime<Utc>) -> PackageRow {
    let lots = view.lines.iter().flat_map(|line| &line.lots);
    PackageRow {
        customer_name: names
            .get(&view.package.customer_id)
            .cloned()
            .unwrap_or_default(),
        unused_value_minor: lots.fold(0, |sum, lot| lot.unused_value_minor.saturating_add(sum)),
        is_restorable: view.status == Status::Expired
            && view.restorable_until.is_some_and(|until| now < until),
        view,
    }
}

fn next_instant(at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_add_signed(TimeDelta::microseconds(1))
        .unwrap_or(at)
}
