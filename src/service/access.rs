//! Who calls: tokens, and the businesses that they belong to.
//!
//! A token's text carries its business and its id, so that it is found by key in a database that is
//! distributed by business, and a secret of which only a hash is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::access::Token;
use crate::domain::entry::{Actor, Hash};
use crate::domain::permission::Permissions;
use crate::ids::{BusinessId, TokenId, UserId};
use crate::service::call::Caller;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::error::StoreError;
use crate::store::tokens;

/// What every token's text begins with, so that scanners for leaked secrets can know it.
const TOKEN_PREFIX: &str = "carnet_";
/// The bytes of a token's secret.
const SECRET_BYTES: usize = 32;
/// How often the last use of a token is noted.
const TOUCH_EVERY: TimeDelta = TimeDelta::hours(1);

/// A new token and its text, which is never to be had again.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token.
    pub token: Token,
    /// Its text.
    pub text: String,
}

/// Makes a token; the caller writes it.
pub fn new_token(
    ctx: &Context,
    business_id: BusinessId,
    name: &str,
    permissions: Permissions,
    user_id: Option<UserId>,
) -> NewToken {
    let now = ctx.clock.now();
    let mut secret = [0_u8; SECRET_BYTES];
    rand::rng().fill_bytes(&mut secret);
    let token = Token {
        id: TokenId::generate(now),
        name: name.to_owned(),
        secret_hash: Sha256::digest(secret).into(),
        permissions,
        user_id,
        created_at: now,
        last_used_at: None,
        revoked_at: None,
    };
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(business_id.uuid().as_bytes());
    bytes.extend_from_slice(token.id.uuid().as_bytes());
    bytes.extend_from_slice(&secret);
    let text = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    NewToken { token, text }
}

/// The caller that a token's text stands for; `None` if there is no such token, or it was revoked.
pub async fn authenticate(ctx: &Context, text: &str) -> Result<Option<Caller>, ServiceError> {
    let Some((business_id, token_id, secret_hash)) = parse(text) else {
        return Ok(None);
    };
    let (token, business) =
        tokio::join!(ctx.token(business_id, token_id), ctx.business(business_id));
    let Some(token) = token? else {
        return Ok(None);
    };
    let is_right = bool::from(token.secret_hash.ct_eq(&secret_hash));
    if !is_right || token.revoked_at.is_some() {
        return Ok(None);
    }
    let Some(business) = business? else {
        return Ok(None);
    };
    note_use(ctx, business_id, &token).await;
    Ok(Some(Caller {
        business,
        token_id,
        actor: token.user_id.map_or(Actor::Token(token_id), Actor::User),
        permissions: token.permissions.clone(),
    }))
}

/// Notes that a token is used, if that was not done lately; in a task of its own, since a client that hangs
/// up must not cut it.
async fn note_use(ctx: &Context, business_id: BusinessId, token: &Token) {
    let now = ctx.clock.now();
    let is_known = token
        .last_used_at
        .is_some_and(|at| now.signed_duration_since(at) < TOUCH_EVERY);
    if is_known {
        return;
    }
    let (db, token_id) = (ctx.db.clone(), token.id);
    let noted = tokio::spawn(async move {
        let txn = db.begin().await?;
        tokens::touch(&txn, business_id, token_id, now).await?;
        Ok::<_, StoreError>(txn.commit().await?)
    });
    if let Ok(Err(error)) = noted.await {
        tracing::warn!(%business_id, %token_id, %error, "the use of {token_id} was not noted: {error}");
    }
}

/// The parts of a token's text: business, token, and the hash of its secret.
fn parse(text: &str) -> Option<(BusinessId, TokenId, Hash)> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text.strip_prefix(TOKEN_PREFIX)?)
        .ok()?;
    let (business, rest) = bytes.split_first_chunk::<16>()?;
    let (token, secret) = rest.split_first_chunk::<16>()?;
    if secret.len() != SECRET_BYTES {
        return None;
    }
    Some((
        BusinessId::from_uuid(Uuid::from_bytes(*business)),
        TokenId::from_uuid(Uuid::from_bytes(*token)),
        Sha256::digest(secret).into(),
    ))
}
