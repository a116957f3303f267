//! Which lots each call of a batch is decided on, read without locks.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use crate::domain::lot::Lot;
use crate::domain::posting::Posting;
use crate::domain::selection::Turn;
use crate::ids::{LotId, PackageId};
use crate::ledger::submit::Submission;
use crate::store::error::StoreError;
use crate::store::lines::LineCache;
use crate::store::lots;
use crate::store::package_members;

/// The lots that one call is decided on.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// These.
    pub(super) lot_ids: Vec<LotId>,
    /// The packages of others among them that the customer may use.
    pub(super) shared_with: BTreeSet<PackageId>,
    /// All lots that could pay and whose turn comes before this one are among them; none: all are.
    pub(super) ends_at: Option<Turn>,
}

impl Scope {
    /// Whether nothing that was not looked at could have paid instead of these lots.
    pub(super) fn decides(&self, posting: &Posting, lots: &[Lot]) -> bool {
        let Some(end) = self.ends_at else {
            return true;
        };
        let comes_before = |lot: &Lot| Turn::of(lot) < end;
        let mut paid = posting.entries.iter().filter(|entry| !entry.by_time);
        paid.all(|entry| {
            let lot = lots.iter().find(|lot| lot.id == entry.lot_id);
            lot.is_some_and(comes_before)
        })
    }
}

/// What a batch is decided on.
#[derive(Debug)]
pub(super) struct Read {
    /// The scope of each call, in their order.
    pub(super) scopes: Vec<Scope>,
    /// The lots of all scopes.
    pub(super) lots: Vec<Lot>,
}

/// The lots of these calls, by one statement and without locks.
pub(super) async fn read<'a>(
    db: &impl ConnectionTrait,
    submissions: impl Iterator<Item = &'a Submission> + Clone,
    lines: &LineCache,
) -> Result<Read, StoreError> {
    let asked = submissions.map(|it| (it.business_id, it.shareable()));
    let (mut customers, mut packages, mut everyone) = (Vec::new(), Vec::new(), Vec::new());
    for (business_id, shareable) in asked.clone() {
        let Some(shareable) = shareable else { continue };
        everyone.push((business_id, shareable.customer_id));
        if shareable.package_ids.is_empty() {
            customers.push((business_id, shareable.customer_id));
        } else {
            let ids = shareable.package_ids.iter();
            packages.extend(ids.map(|id| (business_id, *id)));
        }
    }
    let (customers, packages) = (once_each(&mut customers), once_each(&mut packages));
    let everyone = once_each(&mut everyone);
    let found = lots::batch::payers(db, customers, packages, everyone, lines).await?;
    let scopes = asked.map(|(business_id, shareable)| {
        let mut lot_ids = Vec::new();
        let mut shared_with = BTreeSet::new();
        let mut ends_at = None;
        if let Some(shareable) = shareable {
            let customer = (business_id, shareable.customer_id);
            shared_with.extend(found.shared_with.get(&customer).into_iter().flatten());
            for id in shareable.package_ids {
                let package = (business_id, *id);
                lot_ids.extend(found.of_packages.get(&package).into_iter().flatten());
            }
            if shareable.package_ids.is_empty() {
                lot_ids.extend(found.of_customers.get(&customer).into_iter().flatten());
                ends_at = found.ends.get(&customer).copied();
            }
        }
        Scope {
            lot_ids,
            shared_with,
            ends_at,
        }
    });
    Ok(Read {
        scopes: scopes.collect(),
        lots: found.lots,
    })
}

/// Reads again what is shared, now that its lots are locked: nobody changes it any more.
pub(super) async fn share_again<'a>(
    db: &impl ConnectionTrait,
    submissions: impl Iterator<Item = &'a Submission>,
    scopes: &mut [Scope],
) -> Result<(), StoreError> {
    for (submission, scope) in submissions.zip(scopes) {
        if let Some(shareable) = submission.shareable()
            && !scope.shared_with.is_empty()
        {
            let (business_id, customer_id) = (submission.business_id, shareable.customer_id);
            let usable = package_members::usable_by(db, business_id, customer_id).await?;
            scope.shared_with.retain(|id| usable.contains(id));
        }
    }
    Ok(())
}

fn once_each<T: Ord>(asked: &mut Vec<T>) -> &[T] {
    asked.sort_unstable();
    asked.dedup();
    asked
}
