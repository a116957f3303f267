//! Groups of customers: added, found, changed, joined and left; never deleted (B2).

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use serde::{Deserialize, Serialize};

use crate::domain::group::Group;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, GroupId, Reference};
use crate::service::buyers;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{resolve, sharing};
use crate::store::customers::{self, Filter};
use crate::store::error::StoreError;
use crate::store::{group_members, groups};

/// What the things of this file are called.
const KIND: &str = "group";

/// A group with its members, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// The group.
    pub group: Group,
    /// Who is in it, its contact included.
    pub members: Vec<CustomerId>,
}

/// What a new group is.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// Who gets its e-mails, and is its first member.
    pub contact: Reference<CustomerId>,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct GroupUpdate {
    /// Which one.
    pub id: Reference<GroupId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of it.
    pub external_id: Option<Option<String>>,
    /// What it is called.
    pub name: Option<String>,
    /// Who gets its e-mails.
    pub contact: Option<Reference<CustomerId>>,
    /// Whether packages can be sold to it.
    pub active: Option<bool>,
}

/// A customer who is to be in a group, or not any more.
#[derive(Clone, Debug)]
pub struct GroupMembership {
    /// Which group.
    pub group: Reference<GroupId>,
    /// Who.
    pub customer: Reference<CustomerId>,
    /// The version of the group that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// Which page of groups.
#[derive(Clone, Debug)]
pub struct GroupList {
    /// Inactive ones too.
    pub include_inactive: bool,
    /// What their name or external id contains; empty: anything.
    pub query: String,
    /// Only those that this customer is in.
    pub member: Option<Reference<CustomerId>>,
    /// Below this one.
    pub before: Option<GroupId>,
    /// How many at most.
    pub limit: u64,
}

/// Adds a group, which is active.
///
/// # Errors
/// `NOT_FOUND`, `CUSTOMER_INACTIVE`, `CUSTOMER_MERGED`, `EXTERNAL_ID_TAKEN`.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewGroup,
) -> Result<Answer<GroupView>, ServiceError> {
    let (business_id, txn) = (call.business_id(), ctx.db.begin().await?);
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let contact_id = active_customer(&txn, business_id, &input.contact).await?;
    let group = Group {
        id: GroupId::generate(now),
        external_id: input.external_id.clone(),
        name: input.name.clone(),
        contact_id,
        active: true,
        created_at: now,
        version: 1,
    };
    groups::insert(&txn, business_id, &group)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, input.external_id.as_deref()))?;
    group_members::insert(&txn, business_id, group.id, contact_id, now).await?;
    keep(call, txn, group).await
}

/// One group with its members.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(
    ctx: &Context,
    call: &Call,
    id: &Reference<GroupId>,
) -> Result<GroupView, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let known = resolve::group(&txn, call.business_id(), id).await?;
    let found = groups::get(&txn, call.business_id(), known).await?;
    let group = found.ok_or_else(|| resolve::not_found(KIND, id))?;
    let view = with_members(&txn, call.business_id(), group).await?;
    txn.commit().await?;
    Ok(view)
}

/// A page of groups, newest first.
///
/// # Errors
/// `NOT_FOUND` for a customer that has no such external id.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &GroupList,
) -> Result<Vec<Group>, ServiceError> {
    let filter = Filter {
        include_inactive: input.include_inactive,
        query: input.query.clone(),
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let only = match &input.member {
        Some(reference) => {
            let id = resolve::customer(reader, business_id, reference).await?;
            Some(group_members::groups_of(reader, business_id, id).await?)
        }
        None => None,
    };
    let (only, limit) = (only.as_deref(), input.limit);
    Ok(groups::list(reader, business_id, &filter, only, input.before, limit).await?)
}

/// Changes a group. A new contact becomes a member, the old one stays one.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `EXTERNAL_ID_TAKEN`, `CUSTOMER_INACTIVE`, `CUSTOMER_MERGED`.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &GroupUpdate,
) -> Result<Answer<GroupView>, ServiceError> {
    let (business_id, txn) = (call.business_id(), ctx.db.begin().await?);
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut group = lock(&txn, business_id, &input.id, input.etag.as_deref()).await?;
    if let Some(reference) = &input.contact {
        let contact_id = active_customer(&txn, business_id, reference).await?;
        change_contact(ctx, call, &txn, &mut group, contact_id).await?;
    }
    if let Some(external_id) = &input.external_id {
        group.external_id.clone_from(external_id);
    }
    group.name = input.name.clone().unwrap_or(group.name);
    group.active = input.active.unwrap_or(group.active);
    let external_id = group.external_id.clone();
    groups::update(&txn, business_id, &mut group)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, external_id.as_deref()))?;
    keep(call, txn, group).await
}

/// Puts a customer into a group, who may use all its packages from now on.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CUSTOMER_INACTIVE`, `CUSTOMER_MERGED`, `ALREADY_MEMBER`.
pub async fn add_member(
    ctx: &Context,
    call: &Call,
    input: &GroupMembership,
) -> Result<Answer<GroupView>, ServiceError> {
    let (business_id, txn) = (call.business_id(), ctx.db.begin().await?);
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut group = lock(&txn, business_id, &input.group, input.etag.as_deref()).await?;
    let customer_id = active_customer(&txn, business_id, &input.customer).await?;
    if is_member(&txn, business_id, group.id, customer_id).await? {
        let of = group.id.to_string();
        return Err(Refusal::from(HolderRefusal::AlreadyMember { of, customer_id }).into());
    }
    let owned = sharing::lock_of_group(&txn, business_id, group.id).await?;
    let now = ctx.clock.now();
    group_members::insert(&txn, business_id, group.id, customer_id, now).await?;
    sharing::admit(&txn, business_id, &owned, customer_id, now).await?;
    groups::update(&txn, business_id, &mut group).await?;
    keep(call, txn, group).await
}

/// Takes a customer out of a group, who can use its packages no more; history stays.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `NOT_A_MEMBER`, `MEMBER_IS_OWNER` for its contact.
pub async fn remove_member(
    ctx: &Context,
    call: &Call,
    input: &GroupMembership,
) -> Result<Answer<GroupView>, ServiceError> {
    let (business_id, txn) = (call.business_id(), ctx.db.begin().await?);
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut group = lock(&txn, business_id, &input.group, input.etag.as_deref()).await?;
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    customers::get(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    let of = group.id.to_string();
    if group.contact_id == customer_id {
        return Err(Refusal::from(HolderRefusal::MemberIsOwner { of, customer_id }).into());
    }
    if !is_member(&txn, business_id, group.id, customer_id).await? {
        return Err(Refusal::from(HolderRefusal::NotAMember { of, customer_id }).into());
    }
    let owned = sharing::lock_of_group(&txn, business_id, group.id).await?;
    group_members::remove(&txn, business_id, group.id, customer_id).await?;
    sharing::dismiss(&txn, business_id, &owned, customer_id, ctx.clock.now()).await?;
    groups::update(&txn, business_id, &mut group).await?;
    keep(call, txn, group).await
}

/// The groups of a customer, locked: before the customer itself.
pub(super) async fn lock_of(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<Group>, ServiceError> {
    let ids = group_members::groups_of(txn, business_id, customer_id).await?;
    Ok(groups::lock_all(txn, business_id, ids).await?)
}

/// Fails, to be tried again, if a customer who is locked by now joined or left a group before it was.
pub(super) async fn check_unchanged(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
    locked: &[Group],
) -> Result<(), ServiceError> {
    let ids = group_members::groups_of(txn, business_id, customer_id).await?;
    if ids.iter().eq(locked.iter().map(|group| &group.id)) {
        return Ok(());
    }
    let changed = DbErr::Custom("the groups of a customer changed".to_owned());
    Err(StoreError::Contention(changed).into())
}

/// Takes a customer out of those of these locked groups whose contact it is not.
pub(super) async fn leave(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    locked: Vec<Group>,
    customer_id: CustomerId,
) -> Result<(), ServiceError> {
    let others = locked.into_iter();
    for mut group in others.filter(|group| group.contact_id != customer_id) {
        group_members::remove(txn, business_id, group.id, customer_id).await?;
        groups::update(txn, business_id, &mut group).await?;
    }
    Ok(())
}

/// Names another contact in a locked group and in its packages.
async fn change_contact(
    ctx: &Context,
    call: &Call,
    txn: &DatabaseTransaction,
    group: &mut Group,
    contact_id: CustomerId,
) -> Result<(), ServiceError> {
    let business_id = call.business_id();
    if group.contact_id == contact_id {
        return Ok(());
    }
    let mut owned = sharing::lock_of_group(txn, business_id, group.id).await?;
    let now = ctx.clock.now();
    if !is_member(txn, business_id, group.id, contact_id).await? {
        group_members::insert(txn, business_id, group.id, contact_id, now).await?;
    }
    let stamp = call.stamp(now);
    sharing::hand_over(txn, business_id, &mut owned, contact_id, &stamp).await?;
    sharing::admit(txn, business_id, &owned, group.contact_id, now).await?;
    group.contact_id = contact_id;
    Ok(())
}

/// Locks a group that the caller knows as it is.
async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    reference: &Reference<GroupId>,
    etag: Option<&str>,
) -> Result<Group, ServiceError> {
    let id = resolve::group(txn, business_id, reference).await?;
    let group = groups::lock(txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, reference))?;
    resolve::check_etag(KIND, id, group.version, etag)?;
    Ok(group)
}

async fn active_customer(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    reference: &Reference<CustomerId>,
) -> Result<CustomerId, ServiceError> {
    let id = resolve::customer(txn, business_id, reference).await?;
    let customer = customers::share(txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", reference))?;
    buyers::check(&customer)?;
    Ok(id)
}

async fn is_member(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    group_id: GroupId,
    customer_id: CustomerId,
) -> Result<bool, ServiceError> {
    let members = group_members::of_groups(db, business_id, [group_id]).await?;
    Ok(members.iter().any(|(_, member)| *member == customer_id))
}

async fn with_members(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    group: Group,
) -> Result<GroupView, ServiceError> {
    let members = group_members::of_groups(db, business_id, [group.id]).await?;
    let members = members.into_iter().map(|(_, customer_id)| customer_id);
    Ok(GroupView {
        group,
        members: members.collect(),
    })
}

/// Remembers the answer and commits.
async fn keep(
    call: &Call,
    txn: DatabaseTransaction,
    group: Group,
) -> Result<Answer<GroupView>, ServiceError> {
    let view = with_members(&txn, call.business_id(), group).await?;
    call.remember(&txn, &view).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(view))
}
