//! Filling SQLite: the store's own inserts, in one transaction.

use carnet::ids::BusinessId;
use carnet::ledger::post;
use carnet::store::db::Database;
use carnet::store::{customers, packages as package_rows};

use super::make::Maker;
use crate::dataset::{BUYERS, HOLDERS, PACKAGES_PER_CUSTOMER};

/// Writes the customers of the business that sells.
pub(super) async fn buyers(
    db: &Database,
    business_id: BusinessId,
    maker: &Maker,
) -> anyhow::Result<()> {
    let txn = db.begin().await?;
    for index in 0..BUYERS + HOLDERS {
        customers::insert(&txn, business_id, &maker.buyer(index)).await?;
    }
    Ok(txn.commit().await?)
}

/// Writes so many packages, with their customers, lots and entries.
pub(super) async fn packages(db: &Database, maker: &Maker, count: u64) -> anyhow::Result<()> {
    let business_id = maker.business_id();
    let txn = db.begin().await?;
    for customer in 0..count.div_ceil(PACKAGES_PER_CUSTOMER) {
        customers::insert(&txn, business_id, &maker.customer(customer)).await?;
    }
    for index in 0..count {
        let (package, posting) = maker.package(index)?;
        package_rows::insert(&txn, &[package]).await?;
        post::post_in(&txn, business_id, &posting, "").await?;
    }
    Ok(txn.commit().await?)
}
