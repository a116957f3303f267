//! Reading packages: one, a page of them, and what changed on one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::domain::change::Change;
use crate::domain::package::Status;
use crate::ids::{BusinessId, CustomerId, GroupId, PackageId, Reference, TemplateId};
use crate::service::buyers::check_there;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, full_view, views};
use crate::service::resolve;
use crate::store::packages::Filter;
use crate::store::{changes, customers, groups, packages, posting_notes, templates};

/// How often a page is filled up when its rows are of other statuses than wanted; then it ends early.
const FILLS_MAX: usize = 10;

/// Whose packages, and of what; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Of this customer.
    pub customer: Option<Reference<CustomerId>>,
    /// Of this group.
    pub group: Option<Reference<GroupId>>,
    /// Of this template, in any version.
    pub template: Option<Reference<TemplateId>>,
}

/// Which page of packages.
#[derive(Clone, Debug)]
pub struct PackageList {
    /// Whose.
    pub scope: Scope,
    /// Of these statuses now; none: all.
    pub statuses: Vec<Status>,
    /// Ending at this instant or later.
    pub expires_from: Option<DateTime<Utc>>,
    /// Ending before this instant.
    pub expires_before: Option<DateTime<Utc>>,
    /// Below this one.
    pub before: Option<PackageId>,
    /// How many at most.
    pub size: u64,
}

/// A page of packages.
#[derive(Clone, Debug)]
pub struct PackagePage {
    /// The packages, newest first.
    pub packages: Vec<PackageView>,
    /// Below which the next page begins; none on the last.
    pub next_before: Option<PackageId>,
}

/// One package.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub async fn get(
    ctx: &Context,
    call: &Call,
    reference: &Reference<PackageId>,
) -> Result<PackageView, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let id = resolve::package(&txn, call.business_id(), reference).await?;
    let found = packages::get(&txn, call.business_id(), id).await?;
    let package = found.ok_or_else(|| resolve::not_found("package", reference))?;
    let now = ctx.clock.now();
    let view = full_view(&txn, &call.caller.business, package, now).await?;
    txn.commit().await?;
    Ok(view)
}

impl Scope {
    /// The packages that it stands for.
    ///
    /// # Errors
    /// [`NotFound`](crate::domain::refusal::Refusal::NotFound) and
    /// [`CustomerMerged`](crate::domain::refusal::HolderRefusal::CustomerMerged): an empty answer would hide the
    /// mistake.
    pub(super) async fn find(
        &self,
        db: &impl ConnectionTrait,
        business_id: BusinessId,
    ) -> Result<Filter, ServiceError> {
        let mut filter = Filter::default();
        if let Some(reference) = &self.customer {
            let id = resolve::customer(db, business_id, reference).await?;
            let found = customers::get(db, business_id, id).await?;
            check_there(&found.ok_or_else(|| resolve::not_found("customer", reference))?)?;
            filter.customer_id = Some(id);
        }
        if let Some(reference) = &self.group {
            let id = resolve::group(db, business_id, reference).await?;
            let found = groups::get(db, business_id, id).await?;
            found.ok_or_else(|| resolve::not_found("group", reference))?;
            filter.group_id = Some(id);
        }
        if let Some(reference) = &self.template {
            let id = resolve::template(db, business_id, reference).await?;
            let found = templates::get(db, business_id, id).await?;
            found.ok_or_else(|| resolve::not_found("template", reference))?;
            filter.template_id = Some(id);
        }
        Ok(filter)
    }
}

/// A page of packages, newest first. The status is derived, so a page may hold fewer than asked for
/// and not be the last.
///
/// # Errors
/// Those of [`Scope`].
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &PackageList,
) -> Result<PackagePage, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let business_id = call.business_id();
    let filter = Filter {
        expires_from: input.expires_from,
        expires_before: input.expires_before,
        ..input.scope.find(&txn, business_id).await?
    };
    let now = ctx.clock.now();
    let wanted = usize::try_from(input.size).unwrap_or(usize::MAX);
    let mut page = PackagePage {
        packages: Vec::new(),
        next_before: input.before,
    };
    for _ in 0..FILLS_MAX {
        let limit = input.size.saturating_add(1);
        let mut rows = packages::list(&txn, business_id, &filter, page.next_before, limit).await?;
        let is_last = rows.len() <= wanted;
        rows.truncate(wanted);
        let last_id = rows.last().map(|package| package.id);
        for view in views(&txn, &call.caller.business, rows, now).await? {
            if input.statuses.is_empty() || input.statuses.contains(&view.status) {
                page.packages.push(view);
            }
            if page.packages.len() == wanted {
                break;
            }
        }
        let is_full = page.packages.len() == wanted;
        page.next_before = match page.packages.last() {
            Some(last) if is_full && Some(last.package.id) != last_id => Some(last.package.id),
            _ if is_last => None,
            _ => last_id,
        };
        if is_full || page.next_before.is_none() {
            break;
        }
    }
    txn.commit().await?;
    Ok(page)
}

/// Which page of a package's changes.
#[derive(Clone, Debug)]
pub struct ChangeList {
    /// Which package.
    pub package: Reference<PackageId>,
    /// Before this number.
    pub before: Option<i32>,
    /// How many at most.
    pub limit: u64,
}

/// A page of a package's changes, newest first, each with its reason if there is one.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub async fn list_changes(
    ctx: &Context,
    call: &Call,
    input: &ChangeList,
) -> Result<Vec<(Change, String)>, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let business_id = call.business_id();
    let id = resolve::package(&txn, business_id, &input.package).await?;
    packages::get(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("package", &input.package))?;
    let found = changes::of_package(&txn, business_id, id, input.before, input.limit).await?;
    let requests = found.iter().map(|change| change.request_id);
    let mut notes: HashMap<Uuid, String> =
        posting_notes::of_postings(&txn, business_id, requests).await?;
    txn.commit().await?;
    Ok(found
        .into_iter()
        .map(|change| {
            let note = notes.remove(&change.request_id).unwrap_or_default();
            (change, note)
        })
        .collect())
}
