//! Queues of packages of one template (A10): a new one waits for the last one of its owner that has
//! something to use.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::plan::{Owner, owner};
use crate::domain::business::Business;
use crate::domain::overlap::has_something_to_use;
use crate::domain::package::Package;
use crate::domain::queue::{has_available, start_behind};
use crate::domain::refusal::Refusal;
use crate::ids::{PackageId, TemplateId};
use crate::ledger::queue::put_behind;
use crate::ledger::reach::settled;
use crate::service::error::ServiceError;
use crate::service::package_view;
use crate::store::{lots, packages};

/// The queues of the buyers of a call.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// The last package of each queue that was looked at; none: nobody waits.
    last: HashMap<(Owner, TemplateId), Option<Package>>,
    /// The packages to be sold for which others wait.
    followed: HashSet<PackageId>,
}

impl Queues {
    /// Puts a package that is to be sold at the end of its queue, if there is one.
    ///
    /// # Errors
    /// [`Refusal::ValidityImpossible`] if it has a start date, or an end of its own before it starts.
    pub(super) async fn join(
        &mut self,
        txn: &DatabaseTransaction,
        business: &Business,
        (template_id, package): (TemplateId, &mut Package),
        has_start_date: bool,
        now: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        let key = (owner(package), template_id);
        let last = match self.last.remove(&key) {
            Some(last) => last,
            None => last_stored(txn, business, key, now).await?,
        };
        if let Some(earlier) = last {
            if has_start_date {
                let problem = format!(
                    "it waits for package {} and starts when that ends or is used up, not on a date",
                    earlier.id
                );
                return Err(Refusal::ValidityImpossible { problem }.into());
            }
            package.queue_behind(&earlier, start_behind(&earlier, true, now))?;
            self.followed.insert(earlier.id);
        }
        self.last.insert(key, Some(package.clone()));
        Ok(())
    }

    /// Whether others wait for this package, which is to be sold.
    pub(super) fn follow(&self, package_id: PackageId) -> bool {
        self.followed.contains(&package_id)
    }
}

/// The last package that an owner has of a template with something available in it, locked, with all its
/// lots, and told that another one follows it.
async fn last_stored(
    txn: &DatabaseTransaction,
    business: &Business,
    ((customer_id, group_id), template_id): (Owner, TemplateId),
    now: DateTime<Utc>,
) -> Result<Option<Package>, ServiceError> {
    let mut found = packages::of_template(txn, business.id, template_id, [customer_id]).await?;
    found.retain(|package| package.group_id == group_id);
    let mut views = package_view::views(txn, business, found, now).await?;
    views.retain(|view| has_something_to_use(view.status));
    views.sort_unstable_by_key(|view| (view.package.starts_at, view.package.id));
    while let Some(view) = views.pop() {
        let ids = [view.package.id];
        let locked = packages::lock(txn, business.id, &ids).await?;
        let all = lots::lock_of_packages(txn, business.id, &ids).await?;
        let as_they_are = settled(txn, business.id, all.clone(), now).await?;
        // Somebody may have used the last of it meanwhile.
        for mut earlier in locked {
            if has_available(&earlier, &as_they_are) {
                put_behind(txn, &mut earlier, all).await?;
                return Ok(Some(earlier.as_of(&as_they_are)));
            }
        }
    }
    Ok(None)
}
