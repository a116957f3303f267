//! Reading packages and lots as they are, whether or not what time caused was written.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::lot::Lot;
use crate::domain::settle;
use crate::ids::BusinessId;
use crate::store::error::StoreError;
use crate::store::holds;

/// Lots that were read, as they are at `now`. Exact with all lots of a package; see
/// [`Package::as_of`](crate::domain::package::Package::as_of) for the package itself.
pub(super) async fn settled(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lots: Vec<Lot>,
    now: DateTime<Utc>,
) -> Result<Vec<Lot>, StoreError> {
    let due = holds::due_in(db, business_id, &lots, now).await?;
    Ok(settle::as_of(&lots, &due, now))
}
