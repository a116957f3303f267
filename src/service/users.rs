//! The members of staff, in whose name calls are recorded.

use crate::domain::user::User;
use crate::ids::UserId;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::users;

/// What a new user is.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The caller's own id of the user.
    pub external_id: Option<String>,
    /// What the user is called.
    pub name: String,
}

/// Which page of users.
#[derive(Clone, Debug)]
pub struct UserList {
    /// Below this one.
    pub before: Option<UserId>,
    /// How many at most.
    pub limit: u64,
}

/// Adds a user.
///
/// # Errors
/// `EXTERNAL_ID_TAKEN`.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewUser,
) -> Result<Answer<User>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let user = User {
        id: UserId::generate(now),
        external_id: input.external_id.clone(),
        name: input.name.clone(),
        created_at: now,
    };
    users::insert(&txn, call.business_id(), &user)
        .await
        .map_err(|error| ServiceError::taken(error, "user", user.external_id.as_deref()))?;
    call.remember(&txn, &user).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(user))
}

/// A page of users, newest first.
pub async fn list(ctx: &Context, call: &Call, input: &UserList) -> Result<Vec<User>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(users::list(reader, business_id, input.before, input.limit).await?)
}
