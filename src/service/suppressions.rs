//! The addresses that nothing is sent to any more (G10): listed, added, removed, and condemned by bounces.
//!
//! Whoever delivers looks here right before each attempt, so a change counts for all that waits.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use crate::domain::email::{StatusCode, Suppression, folded};
use crate::domain::refusal::{EmailingRefusal, Refusal};
use crate::ids::BusinessId;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::suppressions;

/// The reason of an address that somebody added.
const BY_HAND: &str = "by_hand";
/// The reason of an address from which an e-mail came back.
const BOUNCED: &str = "bounced";

/// Which page of them.
#[derive(Clone, Debug)]
pub struct SuppressionList {
    /// Behind this address.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u64,
}

/// An address, as a caller names it.
#[derive(Clone, Debug)]
pub struct AddressEntry {
    /// The address.
    pub address: String,
}

/// An e-mail that came back.
#[derive(Clone, Debug)]
pub struct Bounce {
    /// From which address.
    pub address: String,
    /// What the report says.
    pub status: StatusCode,
}

/// What is kept of an answer: all but the address, which is in any repeat of the request and must not outlive
/// the customer whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    reason: String,
    created_at: DateTime<Utc>,
}

impl From<&Suppression> for Kept {
    fn from(suppression: &Suppression) -> Self {
        Self {
            reason: suppression.reason.clone(),
            created_at: suppression.created_at,
        }
    }
}

impl Kept {
    fn of(self, address: &str) -> Suppression {
        Suppression {
            address: folded(address),
            reason: self.reason,
            created_at: self.created_at,
        }
    }
}

/// Refuses an address that nothing is sent to.
///
/// # Errors
/// [`EmailingRefusal::AddressSuppressed`].
pub(super) async fn check(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    address: &str,
) -> Result<(), ServiceError> {
    match suppressions::get(db, business_id, address).await? {
        Some(suppression) => Err(Refusal::from(EmailingRefusal::AddressSuppressed {
            reason: suppression.reason,
        })
        .into()),
        None => Ok(()),
    }
}

/// A page of addresses.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &SuppressionList,
) -> Result<Vec<Suppression>, ServiceError> {
    let (reader, after) = (ctx.db.reader(), input.after.as_deref());
    Ok(suppressions::list(reader, call.business_id(), after, input.limit).await?)
}

/// Sends nothing to an address any more.
pub async fn add(
    ctx: &Context,
    call: &Call,
    input: &AddressEntry,
) -> Result<Answer<Suppression>, ServiceError> {
    let answer = suppress(ctx, call, &input.address, Some(BY_HAND)).await?;
    let missing = || StoreError::corrupt("suppressions", call.business_id());
    Ok(Answer {
        value: answer.value.ok_or_else(missing)?,
        replayed: answer.replayed,
    })
}

/// Sends nothing any more to an address that does not exist; answers with what is known of it.
pub async fn report_bounce(
    ctx: &Context,
    call: &Call,
    input: &Bounce,
) -> Result<Answer<Option<Suppression>>, ServiceError> {
    let reason = input.status.condemns_address().then_some(BOUNCED);
    suppress(ctx, call, &input.address, reason).await
}

async fn suppress(
    ctx: &Context,
    call: &Call,
    address: &str,
    reason: Option<&str>,
) -> Result<Answer<Option<Suppression>>, ServiceError> {
    let (business_id, now) = (call.business_id(), ctx.clock.now());
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim::<Option<Kept>>(&txn, now).await? {
        return Ok(Answer {
            value: earlier.value.map(|kept| kept.of(address)),
            replayed: earlier.replayed,
        });
    }
    if let Some(reason) = reason {
        suppressions::insert(&txn, business_id, address, reason, now).await?;
    }
    let known = suppressions::get(&txn, business_id, address).await?;
    call.remember(&txn, &known.as_ref().map(Kept::from)).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(known))
}

/// Sends to an address again.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn remove(
    ctx: &Context,
    call: &Call,
    input: &AddressEntry,
) -> Result<Answer<Suppression>, ServiceError> {
    let (business_id, address) = (call.business_id(), &input.address);
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim::<Kept>(&txn, ctx.clock.now()).await? {
        return Ok(Answer {
            value: earlier.value.of(address),
            replayed: earlier.replayed,
        });
    }
    let known = suppressions::get(&txn, business_id, address).await?;
    let known = known.ok_or_else(|| -> Refusal { resolve::not_found("suppression", address) })?;
    suppressions::remove(&txn, business_id, address).await?;
    call.remember(&txn, &Kept::from(&known)).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(known))
}
