//! What customers used lately of packages whose use is limited, read from the ends of their lots' chains.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::lot::Lot;
use crate::domain::use_limit::{Use, uses, walk_from};
use crate::ids::{BusinessId, CustomerId};
use crate::store::entries;
use crate::store::error::StoreError;

/// How many entries are read at once.
const ENTRIES_PER_READ: u64 = 200;

/// What the customer used of the limited ones of these lots, as far as it counts beside a service at `at`.
/// An entry is not written before it is true, so a chain is read back to where those lie.
pub async fn around(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
    lots: &[Lot],
    at: DateTime<Utc>,
) -> Result<Vec<Use>, StoreError> {
    let from = walk_from(at);
    let mut found = Vec::new();
    for lot in lots.iter().filter(|lot| lot.terms.is_limited) {
        let mut chain = Vec::new();
        let mut next = lot.tail.last;
        while let Some(key) = next {
            let page = entries::chain(db, business_id, key, ENTRIES_PER_READ).await?;
            let oldest = page.last().filter(|entry| entry.recorded_at >= from);
            next = oldest.and_then(|entry| entry.previous);
            chain.extend(page);
        }
        found.extend(uses(&chain, lot.package_id, customer_id));
    }
    Ok(found)
}
