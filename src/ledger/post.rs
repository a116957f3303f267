//! Writing a posting into a transaction.

use sea_orm::DatabaseTransaction;

use crate::domain::amend::Amended;
use crate::domain::change::{Change, NewChange};
use crate::domain::decide::Facts;
use crate::domain::entry::Actor;
use crate::domain::extend::{self, NewLot};
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
use crate::ledger::tell;
use crate::store::error::StoreError;
use crate::store::{changes, entries, holds, lots, package_members, packages, posting_notes};

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
    share_alike(txn, business_id, &posting.packages).await?;
    lots::insert(txn, &new).await?;
    lots::update(txn, &changed).await?;
    holds::write(txn, business_id, posting.id, &posting.holds).await?;
    tell::of_time_outs(txn, business_id, posting).await?;
    posting_notes::insert(txn, [(business_id, posting.id, note)]).await
}

/// Those who share a package share the one to which its credits were moved.
async fn share_alike(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    new: &[Package],
) -> Result<(), StoreError> {
    let is_shared = |it: &&Package| it.share_max > 1 || it.group_id.is_some();
    for package in new.iter().filter(is_shared) {
        let Some(came_from) = package.came_from else {
            continue;
        };
        let members = package_members::of_packages(txn, business_id, &[came_from]).await?;
        let members: Vec<_> = members
            .into_iter()
            .map(|(id, _)| (id, package.id))
            .collect();
        package_members::add(txn, business_id, &members, package.created_at).await?;
    }
    Ok(())
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
        let change = effect.change(package, stamp.now);
        record_changes(txn, stamp, package, vec![change]).await?;
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

/// Writes a changed package, and the changes that say how.
pub async fn record_changes(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    package: &mut Package,
    new: Vec<NewChange>,
) -> Result<Vec<Change>, StoreError> {
    let mut written = Vec::with_capacity(new.len());
    for change in new {
        package.change_seq = package.change_seq.saturating_add(1);
        let change = Change {
            package_id: package.id,
            seq: package.change_seq,
            kind: change.kind,
            old: change.old,
            new: change.new,
            request_id: stamp.posting_id,
            actor: if change.by_time {
                Actor::System
            } else {
                stamp.actor
            },
            effective_at: change.effective_at,
            recorded_at: stamp.now,
        };
        changes::append(txn, package.business_id, &change).await?;
        written.push(change);
    }
    packages::update(txn, package).await?;
    Ok(written)
}

/// Writes a package that was changed by a command, its changes and the lots that did not move; its posting
/// is the caller's to write.
pub async fn amend(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    amended: &mut Amended,
) -> Result<Vec<Change>, StoreError> {
    let changes = std::mem::take(&mut amended.changes);
    let written = record_changes(txn, stamp, &mut amended.package, changes).await?;
    lots::update(txn, &amended.unmoved).await?;
    tell::of_changes(txn, &amended.package, &written, stamp.now).await?;
    Ok(written)
}
