//! What time has caused and nobody has written yet, of a whole business, a part at a time. Packages between which
//! time has moved something are in one part.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::lot::Lot;
use crate::domain::posting::Posting;
use crate::domain::refusal::Refusal;
use crate::domain::settle;
use crate::ids::{BusinessId, PackageId};
use crate::ledger::reach;
use crate::service::error::ServiceError;
use crate::store::{holds, lots};

/// How many packages are settled in memory at once.
const PACKAGES_PER_PART: u64 = 100;

/// Calls `each` for parts of a business's packages, with their lots as they are stored and what time has
/// caused in those by `now`.
pub(super) async fn each_part(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    now: DateTime<Utc>,
    mut each: impl FnMut(&[Lot], &Posting) -> Result<(), Refusal>,
) -> Result<(), ServiceError> {
    // Few, since they are written as soon as it happens; and each package is in one part only.
    let together = reach::moved_between(txn, business_id, now).await?;
    let mut ids = together.clone();
    let mut after: Option<PackageId> = None;
    loop {
        if !ids.is_empty() {
            let stored = lots::of_packages(txn, business_id, &ids).await?;
            let due = holds::due_in(txn, business_id, &stored, now).await?;
            let caused = settle::unwritten(&stored, &due, now)?;
            each(&stored, &caused)?;
        }
        ids = lots::sums::unwritten(txn, business_id, now, after, PACKAGES_PER_PART).await?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = Some(*last);
        ids.retain(|id| !together.contains(id));
    }
}
