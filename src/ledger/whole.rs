//! Packages that are locked with all that is in them, and what time has caused in them written.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::clock::Clock;
use crate::domain::decide::Facts;
use crate::domain::entry::Actor;
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::settle;
use crate::ids::{self, BusinessId, PackageId};
use crate::ledger::{LedgerError, post, queue, reach};
use crate::store::holds;

/// What entries that time alone causes say that they come from.
const METHOD: &str = "settle";

/// Packages that are locked to be changed.
#[derive(Debug)]
pub struct Whole {
    /// They, in the order of their ids.
    pub packages: Vec<Package>,
    /// All their lots, and those of other packages to which goes what is held in them.
    pub lots: Vec<Lot>,
    /// The moment at which they are like this.
    pub now: DateTime<Utc>,
}

/// Locks packages, then all their lots. Where credits go on from them to other packages, those are locked as well,
/// and what time has caused in all of them is written first: whatever changes these packages then changes no other.
///
/// # Errors
/// [`Refusal::LotCorrupt`], and failures of the database.
pub async fn lock(
    txn: &DatabaseTransaction,
    clock: &Clock,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<Whole, LedgerError> {
    let lock_all = || reach::lock_packages(txn, business_id, ids, Lot::is_held);
    let mut facts = lock_all().await?;
    let now = clock.now();
    let goes_on = facts.packages.iter().any(|it| !ids.contains(&it.id));
    if goes_on {
        // On the heap, since it is large and most calls do without it.
        let writing = Box::pin(write_settled(txn, now, business_id, facts.clone()));
        let written = writing.await?;
        if written.is_some() {
            facts = lock_all().await?;
        }
    }
    facts.packages.retain(|package| ids.contains(&package.id));
    Ok(Whole {
        packages: facts.packages,
        lots: facts.lots,
        now,
    })
}

/// Locks packages and writes what time has caused in them, in a posting of its own; says in how many lots.
///
/// # Errors
/// [`Refusal::LotCorrupt`], and failures of the database.
pub async fn settle_packages(
    txn: &DatabaseTransaction,
    clock: &Clock,
    business_id: BusinessId,
    ids: &[PackageId],
) -> Result<usize, LedgerError> {
    let facts = reach::lock_packages(txn, business_id, ids, Lot::is_held).await?;
    let written = write_settled(txn, clock.now(), business_id, facts).await?;
    Ok(written.unwrap_or_default())
}

/// Writes what time has caused in locked packages, of which the facts have all lots, and says in how many lots;
/// `None` if there is nothing to write.
async fn write_settled(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    business_id: BusinessId,
    mut facts: Facts,
) -> Result<Option<usize>, LedgerError> {
    let stamp = stamp(now);
    let due = holds::due_in(txn, business_id, &facts.lots, now).await?;
    let mut posting = settled(&stamp, facts.lots.iter().cloned(), due)?;
    if posting.entries.is_empty() && posting.effects.is_empty() {
        return Ok(None);
    }
    post::apply_effects(txn, &stamp, &mut posting, &mut facts).await?;
    post::post_in(txn, business_id, &posting, "").await?;
    queue::move_on(txn, &stamp, &facts.packages).await?;
    Ok(Some(posting.lots.len()))
}

/// What the entries of a posting have in common that time alone causes.
pub fn stamp(now: DateTime<Utc>) -> Stamp {
    Stamp {
        posting_id: ids::new_uuid(now),
        now,
        request_hash: None,
        method: METHOD.to_owned(),
        actor: Actor::System,
        purpose: None,
    }
}

/// What time has caused in these lots, of which these are the open holds that are due.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn settled(
    stamp: &Stamp,
    locked: impl IntoIterator<Item = Lot>,
    due: impl IntoIterator<Item = Hold>,
) -> Result<Posting, Refusal> {
    let mut draft = Draft::with_holds(stamp, locked, due);
    settle::settle(&mut draft)?;
    Ok(draft.close())
}
