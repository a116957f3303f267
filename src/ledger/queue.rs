//! Queued packages move with the one that they wait for (semantics 29), in the transaction that changes
//! that one. Locks are taken down the queue: a package, its lots, then what waits for it.

use sea_orm::DatabaseTransaction;

use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::queue;
use crate::ledger::{post, reach};
use crate::store::error::StoreError;
use crate::store::{lots, packages};

/// Moves what waits for packages that were just written with their lots, and what waits for that.
pub async fn move_on<'a>(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    written: impl IntoIterator<Item = &'a Package>,
) -> Result<(), StoreError> {
    let followed = written.into_iter().filter(|package| package.is_followed);
    let mut earlier: Vec<Package> = followed.cloned().collect();
    while let Some(package) = earlier.pop() {
        let settled = settled(txn, &package, stamp).await?;
        let waiting = packages::queue::lock_behind(txn, package.business_id, package.id).await?;
        for mut next in waiting {
            let moved = queue::follow(&mut next, (&package, &settled), stamp.now);
            let Some(change) = moved else { continue };
            post::record_changes(txn, stamp, &mut next, vec![change]).await?;
            retell(txn, &next).await?;
            // As it was before it moves nothing any more.
            earlier.retain(|package| package.id != next.id);
            if next.is_followed {
                earlier.push(next);
            }
        }
    }
    Ok(())
}

/// Says of a locked package that another one waits for it; `lots` are all of its lots, as they are written.
pub async fn put_behind(
    txn: &DatabaseTransaction,
    earlier: &mut Package,
    mut lots: Vec<Lot>,
) -> Result<(), StoreError> {
    if earlier.is_followed {
        return Ok(());
    }
    earlier.is_followed = true;
    packages::queue::follow(txn, earlier.business_id, earlier.id).await?;
    for lot in &mut lots {
        lot.terms.is_followed = true;
    }
    lots::update(txn, &lots).await
}

async fn settled(
    txn: &DatabaseTransaction,
    package: &Package,
    stamp: &Stamp,
) -> Result<Vec<Lot>, StoreError> {
    let business_id = package.business_id;
    let lots = lots::of_packages(txn, business_id, &[package.id]).await?;
    reach::settled(txn, business_id, lots, stamp.now).await
}

/// Gives the lots of a package what they copy from it.
async fn retell(txn: &DatabaseTransaction, package: &Package) -> Result<(), StoreError> {
    let mut lots = lots::lock_of_packages(txn, package.business_id, &[package.id]).await?;
    for lot in &mut lots {
        lot.terms = package.terms();
    }
    lots::update(txn, &lots).await
}
