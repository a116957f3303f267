//! Who may use a package besides its owner: members of shared packages (C5), and what groups and merged
//! customers change of many packages at once.
//!
//! Locks are taken in the order that holds everywhere: customers, packages, lots. All lots of a package are
//! locked and their versions go up, since uses are decided on them alone.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::change::{Change, ChangeKind, NewChange, Value};
use crate::domain::lot::Stamp;
use crate::domain::package::Package;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, GroupId, PackageId, Reference};
use crate::ledger::post;
use crate::service::buyers::{check, check_share_max};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, full_view};
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::packages::Filter;
use crate::store::{customers, lots, package_members, packages};

/// A customer who is to share a package, or to share it no more.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Which package.
    pub package: Reference<PackageId>,
    /// Who.
    pub customer: Reference<CustomerId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// A package whose members changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The package after it.
    pub package: PackageView,
    /// The change that was written.
    pub change: Change,
}

/// Lets a customer use a package.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CUSTOMER_INACTIVE`, `CUSTOMER_MERGED`, `PACKAGE_OF_GROUP`,
/// `ALREADY_MEMBER`, `SHARE_LIMIT_EXCEEDED`.
pub async fn add_member(
    ctx: &Context,
    call: &Call,
    input: &Membership,
) -> Result<Answer<Shared>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    let customer = customers::share(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    check(&customer)?;
    let (mut package, members) = lock_shared(&txn, call, input).await?;
    if package.customer_id == customer_id || members.contains(&customer_id) {
        let of = package.id.to_string();
        return Err(Refusal::from(HolderRefusal::AlreadyMember { of, customer_id }).into());
    }
    check_share_max(package.share_max, members.len().saturating_add(2))?;
    let now = ctx.clock.now();
    package_members::add(&txn, business_id, &[(customer_id, package.id)], now).await?;
    let stamp = call.stamp(now);
    let (old, new) = (Value::Nothing, Value::Customer(customer_id));
    let kind = ChangeKind::MemberAdded;
    let change = record(&txn, &stamp, &mut package, kind, (old, new)).await?;
    keep(ctx, call, txn, package, change).await
}

/// Lets a customer who shares a package use it no more; history stays (semantics 30).
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `PACKAGE_OF_GROUP`, `NOT_A_MEMBER`, `MEMBER_IS_OWNER`.
pub async fn remove_member(
    ctx: &Context,
    call: &Call,
    input: &Membership,
) -> Result<Answer<Shared>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    customers::share(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    let (mut package, members) = lock_shared(&txn, call, input).await?;
    let of = package.id.to_string();
    if package.customer_id == customer_id {
        return Err(Refusal::from(HolderRefusal::MemberIsOwner { of, customer_id }).into());
    }
    if !members.contains(&customer_id) {
        return Err(Refusal::from(HolderRefusal::NotAMember { of, customer_id }).into());
    }
    let now = ctx.clock.now();
    package_members::remove(&txn, business_id, customer_id, &[package.id], now).await?;
    let stamp = call.stamp(now);
    let (old, new) = (Value::Customer(customer_id), Value::Nothing);
    let kind = ChangeKind::MemberRemoved;
    let change = record(&txn, &stamp, &mut package, kind, (old, new)).await?;
    keep(ctx, call, txn, package, change).await
}

/// Raises the versions of the lots, remembers the answer and commits.
async fn keep(
    ctx: &Context,
    call: &Call,
    txn: DatabaseTransaction,
    package: Package,
    change: Change,
) -> Result<Answer<Shared>, ServiceError> {
    lots::shared::touch(&txn, call.business_id(), &[package.id]).await?;
    let now = ctx.clock.now();
    let shared = Shared {
        package: full_view(&txn, &call.caller.business, package, now).await?,
        change,
    };
    call.remember(&txn, &shared).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(shared))
}

/// Locks a package that is no group's, with its lots, and reads who shares it.
async fn lock_shared(
    txn: &DatabaseTransaction,
    call: &Call,
    input: &Membership,
) -> Result<(Package, Vec<CustomerId>), ServiceError> {
    let business_id = call.business_id();
    let id = resolve::package(txn, business_id, &input.package).await?;
    let package = lock_packages(txn, business_id, &[id])
        .await?
        .pop()
        .ok_or_else(|| resolve::not_found("package", &input.package))?;
    resolve::check_etag("package", id, package.version, input.etag.as_deref())?;
    if let Some(group_id) = package.group_id {
        let package_id = package.id;
        return Err(Refusal::from(HolderRefusal::PackageOfGroup {
            package_id,
            group_id,
        })
        .into());
    }
    let members = package_members::of_packages(txn, business_id, &[id]).await?;
    let members = members.into_iter().map(|(customer_id, _)| customer_id);
    Ok((package, members.collect()))
}

/// Locks packages and then all their lots, each in the order of their ids.
pub(super) async fn lock_packages(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<Vec<Package>, ServiceError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = packages::lock(txn, business_id, ids).await?;
    lots::lock_of_packages(txn, business_id, ids).await?;
    Ok(found)
}

/// Writes a changed package, and the change of its owner or members.
pub(super) async fn record(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    package: &mut Package,
    kind: ChangeKind,
    (old, new): (Value, Value),
) -> Result<Change, ServiceError> {
    let new = NewChange {
        kind,
        old,
        new,
        effective_at: stamp.now,
        by_time: false,
    };
    let mut written = post::record_changes(txn, stamp, package, vec![new]).await?;
    let corrupt = || StoreError::corrupt("changes", package.id);
    Ok(written.pop().ok_or_else(corrupt)?)
}

/// The packages of a group, locked with their lots: its own lock keeps others from being sold to it.
pub(super) async fn lock_of_group(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    group_id: GroupId,
) -> Result<Vec<Package>, ServiceError> {
    let filter = Filter {
        group_id: Some(group_id),
        ..Filter::default()
    };
    let limit = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let found = packages::list(txn, business_id, &filter, None, limit).await?;
    let ids: Vec<PackageId> = found.iter().map(|package| package.id).collect();
    lock_packages(txn, business_id, &ids).await
}

/// Lets a customer use these locked packages, whose lots are locked, or not any more.
pub(super) async fn admit(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    packages: &[Package],
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let ids: Vec<PackageId> = packages.iter().map(|package| package.id).collect();
    let rows: Vec<(CustomerId, PackageId)> = ids.iter().map(|id| (customer_id, *id)).collect();
    package_members::add(txn, business_id, &rows, now).await?;
    Ok(lots::shared::touch(txn, business_id, &ids).await?)
}

/// Lets a customer use these locked packages, whose lots are locked, no more.
pub(super) async fn dismiss(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    packages: &[Package],
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let ids: Vec<PackageId> = packages.iter().map(|package| package.id).collect();
    package_members::remove(txn, business_id, customer_id, &ids, now).await?;
    Ok(lots::shared::touch(txn, business_id, &ids).await?)
}

/// Names another customer in locked packages, whose lots are locked; what that customer shared of them is
/// its own now.
pub(super) async fn hand_over(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    packages: &mut [Package],
    customer_id: CustomerId,
    stamp: &Stamp,
) -> Result<(), ServiceError> {
    let ids: Vec<PackageId> = packages.iter().map(|package| package.id).collect();
    for package in packages {
        let old = Value::Customer(package.customer_id);
        package.customer_id = customer_id;
        let new = Value::Customer(customer_id);
        record(txn, stamp, package, ChangeKind::OwnerChanged, (old, new)).await?;
    }
    package_members::remove(txn, business_id, customer_id, &ids, stamp.now).await?;
    Ok(lots::shared::rename(txn, business_id, &ids, customer_id).await?)
}
