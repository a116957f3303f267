//! Packages that may go on where another one ends, for businesses that tell nothing of that one then (semantics 42).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::business::Business;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::ids::CustomerId;
use crate::store::error::StoreError;
use crate::store::packages;

/// Those of the same customers and templates as these packages that end after `now` or never, in one statement; none
/// where the business does not ask.
pub async fn beside<'a>(
    db: &impl ConnectionTrait,
    business: &Business,
    of: impl IntoIterator<Item = &'a Package>,
    now: DateTime<Utc>,
) -> Result<Vec<Package>, StoreError> {
    if !business.reminder_policy.skip_if_newer_package {
        return Ok(Vec::new());
    }
    let of = of.into_iter();
    let wanted: BTreeSet<_> = of
        .filter_map(|package| Some((package.customer_id, package.template?.0)))
        .collect();
    let owners: BTreeSet<CustomerId> = wanted.iter().map(|(owner, _)| *owner).collect();
    let mut found = packages::lasting(db, business.id, owners, now).await?;
    found.retain(|it| {
        let of = it.template.map(|(id, _)| (it.customer_id, id));
        of.is_some_and(|of| wanted.contains(&of))
    });
    Ok(found)
}

/// Each as its settled lots say, with them.
pub fn with_lots(packages: &[Package], settled: &[Lot]) -> Vec<(Package, Vec<Lot>)> {
    let packages = packages.iter();
    packages
        .map(|package| {
            let own = |lot: &&Lot| lot.package_id == package.id;
            let own: Vec<Lot> = settled.iter().filter(own).cloned().collect();
            (package.as_of(&own), own)
        })
        .collect()
}
