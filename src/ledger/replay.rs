//! Looking up a request id before anything is refused or written.
//!
//! What a call of the ledger did is read from its entries, what another command did from `requests`. Whoever looks up
//! reads both.

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::domain::entry::{Entry, Hash};
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
use crate::ledger::LedgerError;
use crate::store::error::StoreError;
use crate::store::{entries, requests};

/// Whether a posting of this id exists. Where an id that was just claimed has one, no request asked for it: time did.
pub async fn has_entries(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    request_id: Uuid,
) -> Result<bool, StoreError> {
    let entries = entries::of_posting(db, business_id, request_id).await?;
    Ok(!entries.is_empty())
}

/// The entries that this very request wrote earlier, without what time caused in them; `None` if its id
/// is unused.
///
/// # Errors
/// [`Refusal::RequestIdReused`] if the id was used for another request.
pub async fn of_request(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    request_id: Uuid,
    hash: &Hash,
) -> Result<Option<Vec<Entry>>, LedgerError> {
    let entries = entries::of_posting(db, business_id, request_id).await?;
    if let Some(first) = entries.first() {
        if first.request_hash.as_ref() != Some(hash) {
            return Err(Refusal::RequestIdReused { request_id }.into());
        }
        return Ok(Some(
            entries.into_iter().filter(|entry| !entry.by_time).collect(),
        ));
    }
    match requests::earlier(db, business_id, request_id).await? {
        Some(_) => Err(Refusal::RequestIdReused { request_id }.into()),
        None => Ok(None),
    }
}
