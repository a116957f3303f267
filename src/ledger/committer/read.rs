//! Which lots each call of a batch is decided on, read without locks.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;

use crate::ids::LotId;
use crate::ledger::submit::Submission;
use crate::store::error::StoreError;
use crate::store::lots::{self, CANDIDATES_MAX};

/// The lots that one call is decided on.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// These.
    pub(super) lot_ids: Vec<LotId>,
    /// Whether there are no others that could pay.
    pub(super) is_complete: bool,
}

/// The lots of each of these calls, by at most two statements.
pub(super) async fn scopes<'a>(
    db: &impl ConnectionTrait,
    submissions: impl Iterator<Item = &'a Submission> + Clone,
) -> Result<Vec<Scope>, StoreError> {
    let asked = submissions.map(|it| (it.business_id, it.shareable()));
    let (mut customers, mut packages) = (Vec::new(), Vec::new());
    for (business_id, shareable) in asked.clone() {
        let Some(shareable) = shareable else { continue };
        if shareable.package_ids.is_empty() {
            customers.push((business_id, shareable.customer_id));
        } else {
            let ids = shareable.package_ids.iter();
            packages.extend(ids.map(|id| (business_id, *id)));
        }
    }
    let by_customer = match once_each(&mut customers) {
        [] => HashMap::default(),
        customers => lots::batch::candidates(db, customers.iter().copied()).await?,
    };
    let by_package = match once_each(&mut packages) {
        [] => HashMap::default(),
        packages => lots::batch::of_packages(db, packages.iter().copied()).await?,
    };
    let scopes = asked.map(|(business_id, shareable)| {
        let mut lot_ids = Vec::new();
        let mut is_complete = false;
        if let Some(shareable) = shareable {
            let customer = (business_id, shareable.customer_id);
            for id in shareable.package_ids {
                lot_ids.extend(by_package.get(&(business_id, *id)).into_iter().flatten());
            }
            if shareable.package_ids.is_empty() {
                lot_ids.extend(by_customer.get(&customer).into_iter().flatten());
            }
            is_complete = !shareable.package_ids.is_empty() || lot_ids.len() < CANDIDATES_MAX;
        }
        Scope {
            lot_ids,
            is_complete,
        }
    });
    Ok(scopes.collect())
}

fn once_each<T: Ord>(asked: &mut Vec<T>) -> &[T] {
    asked.sort_unstable();
    asked.dedup();
    asked
}
