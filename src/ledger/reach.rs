//! Lots that belong together though they are of several packages: credits that are held when the others of
//! their package go on follow once they are free (semantics 22 and 34). What time or a command frees in one of
//! these lots is decided with all of them.
//!
//! Written, they are locked from the old ones to the new ones, which is the order of their ids. What is only
//! looked at is settled in memory with them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::domain::decide::Facts;
use crate::domain::lot::{Lot, Origin};
use crate::domain::returned::missing;
use crate::domain::settle;
use crate::ids::{BusinessId, LotId, PackageId};
use crate::store::error::StoreError;
use crate::store::{holds, lots, packages};

/// Locks packages, then all their lots, and those to which goes what is held in these, whole as well.
pub(super) async fn lock_packages(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[PackageId],
    comes_back: impl Fn(&Lot) -> bool,
) -> Result<Facts, StoreError> {
    let mut facts = Facts {
        packages: packages::lock(txn, business_id, ids).await?,
        lots: lots::lock_of_packages(txn, business_id, ids).await?,
        ..Facts::default()
    };
    loop {
        let ids = missing(&facts.lots, &comes_back);
        if ids.is_empty() {
            return Ok(facts);
        }
        let homes = lots::homes(txn, business_id, ids.iter().copied()).await?;
        let homes: BTreeSet<PackageId> = homes.values().map(|home| home.package_id).collect();
        let homes: Vec<PackageId> = homes.into_iter().collect();
        let more = packages::lock(txn, business_id, &homes).await?;
        facts.packages.extend(more);
        let more = lots::lock_of_packages(txn, business_id, &homes).await?;
        refuse_damaged(&ids, &more)?;
        facts.lots.extend(more);
    }
}

/// Locks lots, and those to which goes what comes back into them: whoever named them read without locks where
/// that is.
pub(super) async fn lock_lots(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[LotId],
    comes_back: impl Fn(&Lot) -> bool,
) -> Result<Facts, StoreError> {
    let mut facts = Facts::of_lots(lots::lock(txn, business_id, ids).await?);
    loop {
        let ids = missing(&facts.lots, &comes_back);
        if ids.is_empty() {
            return Ok(facts);
        }
        let named: Vec<LotId> = ids.iter().copied().collect();
        let more = lots::lock(txn, business_id, &named).await?;
        refuse_damaged(&ids, &more)?;
        facts.lots.extend(more);
    }
}

/// Refuses a lot whose credits went on to one that is not there.
fn refuse_damaged(wanted: &BTreeSet<LotId>, found: &[Lot]) -> Result<(), StoreError> {
    let is_missing = |id: &&LotId| found.iter().all(|lot| lot.id != **id);
    match wanted.iter().find(is_missing) {
        Some(id) => Err(StoreError::corrupt("lots", *id)),
        None => Ok(()),
    }
}

/// The lots, none of these, to which goes what is held in these once it is free.
pub async fn ahead(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    known: &[Lot],
) -> Result<Vec<Lot>, StoreError> {
    let ids = missing(known, Lot::is_held).into_iter().collect();
    let mut found = lots::moved::followed(db, business_id, ids).await?;
    found.retain(|lot| known.iter().all(|it| it.id != lot.id));
    Ok(found)
}

/// The lots, none of these, of packages between which and these time has moved something by `now` that nobody
/// has written yet.
pub async fn beside(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    known: &[Lot],
    now: DateTime<Utc>,
) -> Result<Vec<Lot>, StoreError> {
    if !may_be_moved(known, now) {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<LotId> = known.iter().map(|lot| lot.id).collect();
    let mut touched: BTreeSet<PackageId> = BTreeSet::new();
    for chain in chains(db, business_id, now).await? {
        if chain.iter().any(|lot| ids.contains(&lot.id)) {
            touched.extend(chain.iter().map(|lot| lot.package_id));
        }
    }
    let touched: Vec<PackageId> = touched.into_iter().collect();
    let mut found = lots::of_packages(db, business_id, &touched).await?;
    found.retain(|lot| !ids.contains(&lot.id));
    Ok(found)
}

/// The packages of a business between which time has moved something by `now` that nobody has written yet, in
/// the order of their ids.
pub async fn moved_between(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    now: DateTime<Utc>,
) -> Result<Vec<PackageId>, StoreError> {
    let chains = chains(db, business_id, now).await?;
    let ids: BTreeSet<PackageId> = chains.iter().flatten().map(|lot| lot.package_id).collect();
    Ok(ids.into_iter().collect())
}

/// Lots that were read, as they are at `now`. Exact with all lots of a package; see
/// [`Package::as_of`](crate::domain::package::Package::as_of) for the package itself.
pub async fn settled(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    mut known: Vec<Lot>,
    now: DateTime<Utc>,
) -> Result<Vec<Lot>, StoreError> {
    let count = known.len();
    known.extend(beside(db, business_id, &known, now).await?);
    let due = holds::due_in(db, business_id, &known, now).await?;
    let mut settled = settle::as_of(&known, &due, now);
    settled.truncate(count);
    Ok(settled)
}

/// Whether time may have moved something out of these lots by `now`, or into them from others.
pub fn may_be_moved(known: &[Lot], now: DateTime<Utc>) -> bool {
    let sources: BTreeSet<LotId> = known.iter().filter_map(|lot| lot.transferred_to).collect();
    known.iter().any(|lot| {
        let goes_out = lot.transferred_to.is_some() && lot.has_timed_out_hold(now);
        let comes_in = lot.origin == Origin::Transferred && !sources.contains(&lot.id);
        goes_out || comes_in
    })
}

/// What time has freed by `now` of what was held when the rest went on, as the lots through which it goes.
async fn chains(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    now: DateTime<Utc>,
) -> Result<Vec<Vec<Lot>>, StoreError> {
    let freed = lots::moved::freed(db, business_id, now).await?;
    let ids = freed.iter().filter_map(|lot| lot.transferred_to).collect();
    let ahead = lots::moved::followed(db, business_id, ids).await?;
    let chains = freed.into_iter().map(|first| {
        let mut chain = vec![first];
        // Only a damaged chain goes in a circle.
        while chain.len() <= ahead.len() {
            let to = chain.last().and_then(|lot| lot.transferred_to);
            let Some(next) = ahead.iter().find(|lot| Some(lot.id) == to) else {
                break;
            };
            chain.push(next.clone());
        }
        chain
    });
    Ok(chains.collect())
}
