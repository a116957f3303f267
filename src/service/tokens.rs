//! API tokens: made, listed, revoked; never deleted.
//!
//! A token's text is shown by the call that makes it and never again: what is remembered under the request
//! id is the token's id.

use crate::domain::access::Token;
use crate::domain::permission::Permissions;
use crate::ids::{BusinessId, Reference, TokenId, UserId};
use crate::service::access::{self, NewToken};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{businesses, tokens, users};

/// What a new token may do, and for whom.
#[derive(Clone, Debug)]
pub struct TokenOrder {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// The member of staff that it belongs to.
    pub user_id: Option<Reference<UserId>>,
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct MadeToken {
    /// The token.
    pub token: Token,
    /// Its text; only in the first answer, and only if the token was kept.
    pub text: Option<String>,
}

/// Which page of tokens.
#[derive(Clone, Debug)]
pub struct TokenList {
    /// Without the revoked ones.
    pub hide_revoked: bool,
    /// Below this one.
    pub before: Option<TokenId>,
    /// How many at most.
    pub limit: u64,
}

/// Makes a token, which can do no more than the caller's.
///
/// # Errors
/// `PERMISSION_DENIED`, `NOT_FOUND` for the user.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &TokenOrder,
) -> Result<Answer<MadeToken>, ServiceError> {
    for permission in &input.permissions {
        call.require(*permission)?;
    }
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim::<TokenId>(&txn, ctx.clock.now()).await? {
        return Ok(Answer {
            value: MadeToken {
                token: known(
                    tokens::get(&txn, business_id, earlier.value).await?,
                    &earlier.value,
                )?,
                text: None,
            },
            replayed: true,
        });
    }
    let user_id = match &input.user_id {
        None => None,
        Some(reference) => {
            let id = resolve::user(&txn, business_id, reference).await?;
            let user = users::get(&txn, business_id, id).await?;
            Some(
                user.ok_or_else(|| resolve::not_found("user", reference))?
                    .id,
            )
        }
    };
    let permissions = input.permissions.clone();
    let NewToken { token, text } =
        access::new_token(ctx, business_id, &input.name, permissions, user_id);
    tokens::insert(&txn, business_id, &token).await?;
    call.remember(&txn, &token.id).await?;
    call.commit(txn).await?;
    let text = (!call.validate_only).then_some(text);
    Ok(Answer::fresh(MadeToken { token, text }))
}

/// Makes a token for the operator of the server, who needs none to ask for it.
///
/// # Errors
/// `NOT_FOUND` for the business.
pub async fn create_for_operator(
    ctx: &Context,
    business_id: BusinessId,
    name: &str,
    permissions: Permissions,
) -> Result<NewToken, ServiceError> {
    let txn = ctx.db.begin().await?;
    businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let new = access::new_token(ctx, business_id, name, permissions, None);
    tokens::insert(&txn, business_id, &new.token).await?;
    txn.commit().await?;
    Ok(new)
}

/// A page of tokens, newest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &TokenList,
) -> Result<Vec<Token>, ServiceError> {
    Ok(tokens::list(
        ctx.db.reader(),
        call.business_id(),
        input.hide_revoked,
        input.before,
        input.limit,
    )
    .await?)
}

/// Revokes a token; one that is revoked already stays as it is.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn revoke(
    ctx: &Context,
    call: &Call,
    id: &TokenId,
) -> Result<Answer<Token>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim::<TokenId>(&txn, now).await? {
        return Ok(Answer {
            value: known(
                tokens::get(&txn, business_id, earlier.value).await?,
                &earlier.value,
            )?,
            replayed: true,
        });
    }
    tokens::revoke(&txn, business_id, *id, now).await?;
    let found = tokens::get(&txn, business_id, *id).await?;
    let token = found.ok_or_else(|| resolve::not_found("token", id))?;
    call.remember(&txn, id).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(token))
}

/// A token of which an earlier answer tells.
fn known(token: Option<Token>, id: &TokenId) -> Result<Token, ServiceError> {
    token.ok_or_else(|| StoreError::corrupt("tokens", id).into())
}
