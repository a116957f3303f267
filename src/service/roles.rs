//! Roles: made, listed, changed; never deleted (F6).
//!
//! Nobody gives what they do not hold: a role is made, changed and given only by callers whose own token holds
//! all of it, so that no chain of calls ends with more than it began with.

use sea_orm::ConnectionTrait;

use crate::domain::permission::Permissions;
use crate::domain::refusal::{AccessRefusal, Refusal};
use crate::domain::role::{BuiltInRole, Role, RoleKey};
use crate::ids::{BusinessId, RoleId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::roles;

/// What the things of this file are called.
const KIND: &str = "role";

/// What a new role is.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// What people call it.
    pub name: String,
    /// What its holders may do.
    pub permissions: Permissions,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct RoleUpdate {
    /// Which one.
    pub id: RoleKey,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// What its holders may do.
    pub permissions: Option<Permissions>,
}

/// Which page of roles.
#[derive(Clone, Debug)]
pub struct RoleList {
    /// Below this one.
    pub before: Option<RoleId>,
    /// How many at most.
    pub limit: u64,
}

/// Makes a role.
///
/// # Errors
/// [`AccessRefusal::PermissionsExceedCaller`], [`AccessRefusal::RoleNameTaken`].
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewRole,
) -> Result<Answer<Role>, ServiceError> {
    call.require_all(&input.permissions)?;
    check_name(&input.name)?;
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let role = Role {
        id: RoleId::generate(now),
        name: input.name.clone(),
        permissions: input.permissions.clone(),
        created_at: now,
        version: 1,
    };
    let written = roles::insert(&txn, call.business_id(), &role).await;
    written.map_err(|error| taken(error, &role.name))?;
    call.remember(&txn, &role).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(role))
}

/// A page of the roles that the business made, newest first.
pub async fn list(ctx: &Context, call: &Call, input: &RoleList) -> Result<Vec<Role>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(roles::list(reader, business_id, input.before, input.limit).await?)
}

/// Changes a role; its holders' tokens may do the new from their next call on.
///
/// # Errors
/// [`AccessRefusal::RoleBuiltIn`], [`Refusal::NotFound`], [`Refusal::EtagMismatch`], and those of [`create`]; the
/// caller must hold what the role allowed as well.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &RoleUpdate,
) -> Result<Answer<Role>, ServiceError> {
    let id = match input.id {
        RoleKey::Own(id) => id,
        RoleKey::BuiltIn(role) => {
            return Err(Refusal::from(AccessRefusal::RoleBuiltIn { role }).into());
        }
    };
    if let Some(name) = &input.name {
        check_name(name)?;
    }
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut role = roles::lock(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &id))?;
    resolve::check_etag(KIND, id, role.version, input.etag.as_deref())?;
    if let Some(permissions) = &input.permissions {
        call.require_all(&(&role.permissions | permissions))?;
        role.permissions.clone_from(permissions);
    }
    role.name = input.name.clone().unwrap_or(role.name);
    let name = role.name.clone();
    let written = roles::update(&txn, business_id, &mut role).await;
    written.map_err(|error| taken(error, &name))?;
    call.remember(&txn, &role).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(role))
}

/// What a role allows.
///
/// # Errors
/// [`Refusal::NotFound`].
pub(super) async fn permissions(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    key: RoleKey,
) -> Result<Permissions, ServiceError> {
    match key {
        RoleKey::BuiltIn(role) => Ok(role.permissions()),
        RoleKey::Own(id) => {
            let found = roles::get(db, business_id, id).await?;
            let role = found.ok_or_else(|| resolve::not_found(KIND, &id))?;
            Ok(role.permissions)
        }
    }
}

/// Refuses the name of a built-in role, in any case of letters.
fn check_name(name: &str) -> Result<(), Refusal> {
    let is_built_in = |role: BuiltInRole| {
        [role.title(), role.as_str()]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    if BuiltInRole::ALL.into_iter().any(is_built_in) {
        let name = name.to_owned();
        return Err(AccessRefusal::RoleNameTaken { name }.into());
    }
    Ok(())
}

fn taken(error: StoreError, name: &str) -> ServiceError {
    match error {
        StoreError::Taken(_) => {
            let name = name.to_owned();
            Refusal::from(AccessRefusal::RoleNameTaken { name }).into()
        }
        other @ (StoreError::Unavailable(_)
        | StoreError::Full(_)
        | StoreError::Contention(_)
        | StoreError::TooSlow(_)
        | StoreError::TooLarge(_)
        | StoreError::Corrupt { .. }
        | StoreError::Database(_)) => other.into(),
    }
}
