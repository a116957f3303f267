//! Writing packages that are taken over from another system: all of them at once, since nobody else can hold what
//! does not exist yet.

use sea_orm::DatabaseTransaction;

use crate::domain::lot::Lot;
use crate::domain::opening::Opening;
use crate::domain::package::Package;
use crate::ids::BusinessId;
use crate::store::error::StoreError;
use crate::store::{entries, lots, packages};

/// Appends their entries and writes packages and lots as they are after those, in the caller's transaction. Their sales
/// and the lines that are their own were written before.
///
/// # Errors
/// [`StoreError::Taken`] if one of the postings exists already, or an external id is another package's.
pub async fn write(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    openings: &[Opening],
) -> Result<(), StoreError> {
    let all = openings.iter().flat_map(|opening| &opening.entries);
    entries::append(txn, all.map(|entry| (business_id, entry))).await?;
    let new: Vec<Package> = openings.iter().map(|it| it.package.clone()).collect();
    packages::insert(txn, &new).await?;
    let new: Vec<Lot> = openings.iter().flat_map(|it| it.lots.clone()).collect();
    lots::insert(txn, &new).await
}
