//! Looking up a request id before anything is refused or written.
//!
//! Calls of the ledger keep their request id in their entries only; every other command keeps a row in
//! `requests` as well. Whoever looks up reads both.

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::domain::entry::{Entry, Hash};
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
use crate::ledger::LedgerError;
use crate::store::error::StoreError;
use crate::store::{entries, requests};

/// The method that a posting of this id came from, or `None` if there is none.
pub async fn method_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    posting_id: Uuid,
) -> Result<Option<String>, StoreError> {
    let entries = entries::of_posting(db, business_id, posting_id).await?;
    let has_request_row = requests::earlier(db, business_id, posting_id)
        .await?
        .is_some();
    Ok(entries
        .into_iter()
        .next()
        .filter(|_| !has_request_row)
        .map(|entry| entry.method))
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
            return Err(Refusal::RequestIdReused {
                method: first.method.clone(),
            }
            .into());
        }
        return Ok(Some(
            entries.into_iter().filter(|entry| !entry.by_time).collect(),
        ));
    }
    match requests::earlier(db, business_id, request_id).await? {
        Some(earlier) => Err(Refusal::RequestIdReused {
            method: earlier.method,
        }
        .into()),
        None => Ok(None),
    }
}
