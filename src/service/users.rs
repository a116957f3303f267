//! The members of staff, in whose name calls are recorded: added, listed, changed; never deleted, since history
//! names them.

use sea_orm::ConnectionTrait;

use crate::domain::role::RoleKey;
use crate::domain::user::User;
use crate::ids::{BusinessId, Reference, UserId};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{resolve, roles};
use crate::store::users;

/// What the things of this file are called.
const KIND: &str = "user";

/// What a new user is.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The caller's own id of the user.
    pub external_id: Option<String>,
    /// What the user is called.
    pub name: String,
    /// What the user's tokens may do at most.
    pub role: Option<RoleKey>,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// Which one.
    pub id: Reference<UserId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of the user.
    pub external_id: Option<Option<String>>,
    /// What the user is called.
    pub name: Option<String>,
    /// What the user's tokens may do at most.
    pub role: Option<Option<RoleKey>>,
    /// Whether the user still belongs to the staff.
    pub active: Option<bool>,
}

/// Which page of users.
#[derive(Clone, Debug)]
pub struct UserList {
    /// Without those who are not active.
    pub hide_inactive: bool,
    /// Below this one.
    pub before: Option<UserId>,
    /// How many at most.
    pub limit: u64,
}

/// Adds a user, who is active.
///
/// # Errors
/// `EXTERNAL_ID_TAKEN`, `NOT_FOUND` for the role, `PERMISSIONS_EXCEED_CALLER` if it allows more than the caller's
/// own token.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewUser,
) -> Result<Answer<User>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    require_role(&txn, call, business_id, input.role).await?;
    let user = User {
        id: UserId::generate(now),
        external_id: input.external_id.clone(),
        name: input.name.clone(),
        role: input.role,
        active: true,
        created_at: now,
        version: 1,
    };
    users::insert(&txn, business_id, &user)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, user.external_id.as_deref()))?;
    call.remember(&txn, &user).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(user))
}

/// A page of users, newest first.
pub async fn list(ctx: &Context, call: &Call, input: &UserList) -> Result<Vec<User>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let hide_inactive = input.hide_inactive;
    Ok(users::list(
        reader,
        business_id,
        hide_inactive,
        input.before,
        input.limit,
    )
    .await?)
}

/// Changes a user. The tokens of one who is no longer active are refused from the next call on, and are good
/// again if the user is active again.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `EXTERNAL_ID_TAKEN`; `PERMISSIONS_EXCEED_CALLER` if the role or the activity
/// changes of a user whose role allows more than the caller's own token, before or afterwards.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &UserUpdate,
) -> Result<Answer<User>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::user(&txn, business_id, &input.id).await?;
    let old = users::lock(&txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    resolve::check_etag(KIND, id, old.version, input.etag.as_deref())?;
    let change = input.clone();
    let mut user = User {
        external_id: change.external_id.unwrap_or(old.external_id),
        name: change.name.unwrap_or(old.name),
        role: change.role.unwrap_or(old.role),
        active: change.active.unwrap_or(old.active),
        ..old
    };
    if (user.role, user.active) != (old.role, old.active) {
        require_role(&txn, call, business_id, old.role).await?;
        require_role(&txn, call, business_id, user.role).await?;
    }
    let external_id = user.external_id.clone();
    users::update(&txn, business_id, &mut user)
        .await
        .map_err(|error| ServiceError::taken(error, KIND, external_id.as_deref()))?;
    call.remember(&txn, &user).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(user))
}

/// Refuses a caller who holds less than a role.
async fn require_role(
    db: &impl ConnectionTrait,
    call: &Call,
    business_id: BusinessId,
    role: Option<RoleKey>,
) -> Result<(), ServiceError> {
    if let Some(role) = role {
        let permissions = roles::permissions(db, business_id, role).await?;
        call.require_all(&permissions)?;
    }
    Ok(())
}
