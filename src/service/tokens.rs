//! API tokens: made, listed, rotated, revoked; never deleted.
//!
//! A token's text is shown by the call that makes its secret and never again: what is remembered under the
//! request id is the token's id.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::access::{PreviousSecret, Token};
use crate::domain::permission::{Permissions, needed_to_give};
use crate::domain::refusal::{AccessRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, Reference, TokenId, UserId};
use crate::service::access::{self, NewToken};
use crate::service::buyers::check_there;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{businesses, customers, tokens, users};

/// What the things of this file are called.
const KIND: &str = "token";
/// For how long the token of a customer is good at most: whoever loses it should not lose it for good.
const OF_CUSTOMER_MAX: TimeDelta = TimeDelta::days(366);

/// What a new token may do, and for whom.
#[derive(Clone, Debug)]
pub struct TokenOrder {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// Who it belongs to; none: it stands alone.
    pub holder: Option<HolderName>,
    /// From when on it is good for nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Who a token is made for.
#[derive(Clone, Debug)]
pub enum HolderName {
    /// A member of staff.
    User(Reference<UserId>),
    /// A customer.
    Customer(Reference<CustomerId>),
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
    /// Of this customer.
    pub customer: Option<Reference<CustomerId>>,
    /// Below this one.
    pub before: Option<TokenId>,
    /// How many at most.
    pub limit: u64,
}

/// Makes a token, which can do no more than the caller's.
///
/// # Errors
/// [`AccessRefusal::PermissionsExceedCaller`], [`AccessRefusal::TokenExpiryNotAhead`],
/// [`AccessRefusal::TokenExpiryTooLate`]; for the user [`Refusal::NotFound`], [`AccessRefusal::UserInactive`],
/// [`AccessRefusal::UserWithoutRole`]; for the customer [`Refusal::NotFound`],
/// `CUSTOMER_MERGED`, `CUSTOMER_ERASED`.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &TokenOrder,
) -> Result<Answer<MadeToken>, ServiceError> {
    call.require_all(&needed_to_give(&input.permissions))?;
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(id) = call.claim::<TokenId>(&txn, now).await? {
        return made_earlier(&txn, business_id, id.value).await;
    }
    let permissions = input.permissions.clone();
    let NewToken { mut token, text } =
        access::new_token(ctx, business_id, &input.name, permissions, None);
    match &input.holder {
        None => {}
        Some(HolderName::User(reference)) => {
            token.user_id = Some(user(&txn, business_id, reference).await?);
        }
        Some(HolderName::Customer(reference)) => {
            token.customer_id = Some(customer(&txn, business_id, reference).await?);
        }
    }
    token.expires_at = input.expires_at;
    check_end(&token, now)?;
    tokens::insert(&txn, business_id, &token).await?;
    call.remember(&txn, &token.id).await?;
    call.commit(txn).await?;
    let text = (!call.validate_only).then_some(text);
    Ok(Answer::fresh(MadeToken { token, text }))
}

/// The user whom a new token can belong to.
async fn user(
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

/// The customer whom a new token can belong to.
async fn customer(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    reference: &Reference<CustomerId>,
) -> Result<CustomerId, ServiceError> {
    let id = resolve::customer(txn, business_id, reference).await?;
    // Held, so that an erasure sees the token or the token sees the erasure.
    let found = customers::share(txn, business_id, id).await?;
    let customer = found.ok_or_else(|| resolve::not_found("customer", reference))?;
    check_there(&customer)?;
    Ok(customer.id)
}

/// Refuses a token that has ended, and one of a customer that ends too late.
fn check_end(token: &Token, now: DateTime<Utc>) -> Result<(), Refusal> {
    if let Some(expires_at) = token.expires_at.filter(|at| *at <= now) {
        return Err(AccessRefusal::TokenExpiryNotAhead { expires_at }.into());
    }
    let latest = now.checked_add_signed(OF_CUSTOMER_MAX).unwrap_or(now);
    if token.customer_id.is_some() && token.expires_at.is_none_or(|at| at > latest) {
        return Err(AccessRefusal::TokenExpiryTooLate { latest }.into());
    }
    Ok(())
}

/// Gives a token a new secret; the one before is taken for a while, any earlier one no more. Whoever gets the
/// secret can do what the token may, so the caller must hold all of it.
///
/// # Errors
/// [`Refusal::NotFound`], [`AccessRefusal::PermissionsExceedCaller`], [`AccessRefusal::TokenRevoked`],
/// [`AccessRefusal::TokenExpiryNotAhead`], [`AccessRefusal::TokenExpiryTooLate`].
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
    call.require_all(&needed_to_give(&token.permissions))?;
    if let Some(revoked_at) = token.revoked_at {
        let token_id = token.id;
        return Err(Refusal::from(AccessRefusal::TokenRevoked {
            token_id,
            revoked_at,
        })
        .into());
    }
    token.expires_at = input.expires_at.or(token.expires_at);
    check_end(&token, now)?;
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
///
/// # Errors
/// `NOT_FOUND` for the customer.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &TokenList,
) -> Result<Vec<Token>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let customer_id = match &input.customer {
        None => None,
        Some(reference) => {
            let id = resolve::customer(reader, business_id, reference).await?;
            let found = customers::get(reader, business_id, id).await?;
            Some(
                found
                    .ok_or_else(|| resolve::not_found("customer", reference))?
                    .id,
            )
        }
    };
    let filter = tokens::Filter {
        customer_id,
        hide_revoked: input.hide_revoked,
    };
    Ok(tokens::list(reader, business_id, filter, input.before, input.limit).await?)
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
