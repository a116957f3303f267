//! Writing a posting into a transaction.

use sea_orm::DatabaseTransaction;

use crate::domain::change::{Change, ChangeKind, Expiry, Value};
use crate::domain::decide::Facts;
use crate::domain::extend::{self, NewLot};
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Effect, Posting};
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
use crate::store::error::StoreError;
use crate::store::{changes, entries, holds, lots, packages, posting_notes};

/// Appends the posting's entries and writes its packages, lots and holds, in the caller's transaction.
/// Effects are the caller's to write. The lots were locked by the caller, or are new.
pub async fn post_in(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    posting: &Posting,
    note: &str,
) -> Result<(), StoreError> {
    let (new, changed): (Vec<Lot>, Vec<Lot>) = posting
        .lots
        .iter()
        .cloned()
        .partition(|lot| lot.version == 0);
    let entries = posting.entries.iter().map(|entry| (business_id, entry));
    entries::append(txn, entries).await?;
    packages::insert(txn, &posting.packages).await?;
    lots::insert(txn, &new).await?;
    lots::update(txn, &changed).await?;
    holds::write(txn, business_id, posting.id, &posting.holds).await?;
    posting_notes::insert(txn, [(business_id, posting.id, note)]).await
}

/// The posting that issues new lots of packages that are made in the same transaction.
///
/// # Errors
/// [`Refusal::AmountTooLarge`] if a number leaves its range.
pub fn issue(
    stamp: &Stamp,
    issues: impl IntoIterator<Item = (Package, Vec<NewLot>)>,
) -> Result<Posting, Refusal> {
    let mut draft = Draft::open(stamp, []);
    for (package, new_lots) in issues {
        for new_lot in new_lots {
            extend::issue(&mut draft, &package, new_lot)?;
        }
    }
    Ok(draft.close())
}

/// Writes what a posting changes on packages that are locked, with all their lots; lots that the posting
/// moved are brought up to date in it, the others are written here.
pub async fn apply_effects(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    posting: &mut Posting,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    for effect in posting.effects.clone() {
        let package_id = effect.package_id();
        let package = facts
            .packages
            .iter_mut()
            .find(|package| package.id == package_id)
            .ok_or_else(|| StoreError::corrupt("packages", package_id))?;
        let old = expiry(package);
        effect.apply(package);
        let kind = match effect {
            Effect::StartClock { .. } => ChangeKind::ClockStarted,
            Effect::StopClock { .. } => ChangeKind::ClockStopped,
        };
        record_change(txn, stamp, package, kind, old).await?;
        let terms = package.terms();
        for lot in facts.lots.iter_mut().chain(&mut posting.lots) {
            if lot.package_id == package_id {
                lot.terms = terms.clone();
            }
        }
    }
    let retold: Vec<Lot> = facts
        .lots
        .iter()
        .filter(|lot| {
            posting
                .effects
                .iter()
                .any(|effect| effect.package_id() == lot.package_id)
        })
        .filter(|lot| posting.lots.iter().all(|moved| moved.id != lot.id))
        .cloned()
        .collect();
    lots::update(txn, &retold).await
}

/// The package's expiry as a change tells it.
pub fn expiry(package: &Package) -> Expiry {
    Expiry {
        expires_at: package.expires_at,
        expiry_epoch: package.expiry_epoch,
    }
}

/// Writes a changed package, and the change that says how.
pub async fn record_change(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    package: &mut Package,
    kind: ChangeKind,
    old: Expiry,
) -> Result<Change, StoreError> {
    package.change_seq = package.change_seq.saturating_add(1);
    let change = Change {
        package_id: package.id,
        seq: package.change_seq,
        kind,
        old: Value::Expiry(old),
        new: Value::Expiry(expiry(package)),
        request_id: stamp.posting_id,
        actor: stamp.actor,
        recorded_at: stamp.now,
    };
    changes::append(txn, package.business_id, &change).await?;
    packages::update(txn, package).await?;
    Ok(change)
}
