//! API tokens: made, listed, rotated, revoked; never deleted.
//!
//! A token's text is shown by the call that makes its secret and never again: what is remembered under the
//! request id is the token's id.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::access::{PreviousSecret, Token};
use crate::domain::permission::Permissions;
use crate::domain::refusal::{AccessRefusal, Refusal};
use crate::ids::{BusinessId, Reference, TokenId, UserId};
use crate::service::access::{self, NewToken};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{businesses, tokens, users};

/// What the things of this file are called.
const KIND: &str = "token";

/// What a new token may do, and for whom.
#[derive(Clone, Debug)]
pub struct TokenOrder {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// The member of staff that it belongs to.
    pub user_id: Option<Reference<UserId>>,
    /// From when on it is good for nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token that is to have a new secret.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Which one.
    pub id: TokenId,
    /// How long the old secret is still taken.
    pub grace: TimeDelta,
    /// From when on the token is good for nothing; none: as before.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token that was made, or has a new secret.
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
/// [`AccessRefusal::PermissionsExceedCaller`], [`AccessRefusal::TokenExpiryNotAhead`]; for the user
/// [`Refusal::NotFound`], [`AccessRefusal::UserInactive`], [`AccessRefusal::UserWithoutRole`].
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &TokenOrder,
) -> Result<Answer<MadeToken>, ServiceError> {
    call.require_all(&input.permissions)?;
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(id) = call.claim::<TokenId>(&txn, now).await? {
        return made_earlier(&txn, business_id, id.value).await;
    }
    check_ahead(input.expires_at, now)?;
    let user_id = match &input.user_id {
        None => None,
        Some(reference) => Some(holder(&txn, business_id, reference).await?),
    };
    let permissions = input.permissions.clone();
    let NewToken { mut token, text } =
        access::new_token(ctx, business_id, &input.name, permissions, user_id);
    token.expires_at = input.expires_at;
    tokens::insert(&txn, business_id, &token).await?;
    call.remember(&txn, &token.id).await?;
    call.commit(txn).await?;
    let text = (!call.validate_only).then_some(text);
    Ok(Answer::fresh(MadeToken { token, text }))
}

/// The user whom a new token can belong to.
async fn holder(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    reference: &Reference<UserId>,
) -> Result<UserId, ServiceError> {
    let id = resolve::user(txn, business_id, reference).await?;
    let user = users::get(txn, business_id, id).await?;
    let user = user.ok_or_else(|| resolve::not_found("user", reference))?;
    let refusal = if !user.active {
        AccessRefusal::UserInactive { user_id: user.id }
    } else if user.role.is_none() {
        AccessRefusal::UserWithoutRole { user_id: user.id }
    } else {
        return Ok(user.id);
    };
    Err(Refusal::from(refusal).into())
}

fn check_ahead(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Refusal> {
    match expires_at {
        Some(expires_at) if expires_at <= now => {
            Err(AccessRefusal::TokenExpiryNotAhead { expires_at }.into())
        }
        _ => Ok(()),
    }
}

/// Gives a token a new secret; the one before is taken for a while, any earlier one no more. Whoever gets the
/// secret can do what the token may, so the caller must hold all of it.
///
/// # Errors
/// [`Refusal::NotFound`], [`AccessRefusal::PermissionsExceedCaller`], [`AccessRefusal::TokenRevoked`],
/// [`AccessRefusal::TokenExpiryNotAhead`].
pub async fn rotate(
    ctx: &Context,
    call: &Call,
    input: &Rotation,
) -> Result<Answer<MadeToken>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(id) = call.claim::<TokenId>(&txn, now).await? {
        return made_earlier(&txn, business_id, id.value).await;
    }
    let mut token = tokens::lock(&txn, business_id, input.id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    call.require_all(&token.permissions)?;
    if let Some(revoked_at) = token.revoked_at {
        let token_id = token.id;
        return Err(Refusal::from(AccessRefusal::TokenRevoked {
            token_id,
            revoked_at,
        })
        .into());
    }
    token.expires_at = input.expires_at.or(token.expires_at);
    check_ahead(token.expires_at, now)?;
    let secret = access::new_secret(business_id, token.id);
    let hash = std::mem::replace(&mut token.secret_hash, secret.hash);
    let until = now.checked_add_signed(input.grace).unwrap_or(now);
    token.previous = (until > now).then_some(PreviousSecret { hash, until });
    tokens::update(&txn, business_id, &token).await?;
    call.remember(&txn, &token.id).await?;
    call.commit(txn).await?;
    let text = (!call.validate_only).then_some(secret.text);
    Ok(Answer::fresh(MadeToken { token, text }))
}

/// The answer to a repeat, without the text.
async fn made_earlier(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TokenId,
) -> Result<Answer<MadeToken>, ServiceError> {
    let token = known(tokens::get(txn, business_id, id).await?, &id)?;
    Ok(Answer {
        value: MadeToken { token, text: None },
        replayed: true,
    })
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

/// Revokes a token, its old secret included; one that is revoked already stays as it is.
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
    let found = tokens::lock(&txn, business_id, *id).await?;
    let mut token = found.ok_or_else(|| resolve::not_found(KIND, id))?;
    if token.revoked_at.is_none() {
        token.revoked_at = Some(now);
        tokens::update(&txn, business_id, &token).await?;
    }
    call.remember(&txn, id).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(token))
}

/// A token of which an earlier answer tells.
fn known(token: Option<Token>, id: &TokenId) -> Result<Token, ServiceError> {
    token.ok_or_else(|| StoreError::corrupt("tokens", id).into())
}
