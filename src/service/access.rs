//! Who calls: tokens, the members of staff who hold them, and the businesses that they belong to.
//!
//! A token's text carries its business and its id, so that it is found by key in a database that is
//! distributed by business, and a secret of which only a hash is kept.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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

/// What every token's text begins with, so that scanners for leaked secrets can know it.
const TOKEN_PREFIX: &str = "carnet_";
/// The bytes of a token's secret.
const SECRET_BYTES: usize = 32;

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
    let id = TokenId::generate(now);
    let secret = new_secret(business_id, id);
    let token = Token {
        id,
        name: name.to_owned(),
        secret_hash: secret.hash,
        previous: None,
        permissions,
        user_id,
        customer_id: None,
        created_at: now,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    };
    NewToken {
        token,
        text: secret.text,
    }
}

/// A secret that nobody has seen yet.
pub(super) struct NewSecret {
    /// What is kept of it.
    pub(super) hash: Hash,
    /// The text of the token with it.
    pub(super) text: String,
}

/// Makes a secret for a token.
pub(super) fn new_secret(business_id: BusinessId, token_id: TokenId) -> NewSecret {
    let mut secret = [0_u8; SECRET_BYTES];
    rand::rng().fill_bytes(&mut secret);
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(business_id.uuid().as_bytes());
    bytes.extend_from_slice(token_id.uuid().as_bytes());
    bytes.extend_from_slice(&secret);
    NewSecret {
        hash: Sha256::digest(secret).into(),
        text: format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)),
    }
}

/// Who a token's text stands for.
#[derive(Clone, Debug)]
pub enum Found {
    /// Somebody who may call.
    Caller(Caller),
    /// Nobody, or nobody any more; where the text names a token that there is, this one.
    Nobody(Option<(BusinessId, TokenId)>),
}

/// Who a token's text stands for: nobody if there is no such token, or it was revoked or has ended, or its user
/// is no longer active.
pub async fn authenticate(ctx: &Context, text: &str) -> Result<Found, ServiceError> {
    let Some((business_id, token_id, secret_hash)) = parse(text) else {
        return Ok(Found::Nobody(None));
    };
    let Some(known) = ctx.token(business_id, token_id).await? else {
        return Ok(Found::Nobody(None));
    };
    let Some(business) = known.business.clone() else {
        return Ok(Found::Nobody(None));
    };
    let now = ctx.clock.now();
    let held = &known.held;
    let token = &held.token;
    let is_known = |known: &Hash| bool::from(known.ct_eq(&secret_hash));
    let permissions = held.permissions.as_ref();
    let Some(permissions) = permissions.filter(|_| token.secrets(now).any(is_known)) else {
        return Ok(Found::Nobody(Some((business_id, token_id))));
    };
    ctx.token_uses.note(business_id, token_id, now);
    Ok(Found::Caller(Caller {
        business,
        token_id,
        actor: token.user_id.map_or(Actor::Token(token_id), Actor::User),
        customer_id: token.customer_id,
        permissions: Arc::clone(permissions),
        called_at: now,
    }))
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
