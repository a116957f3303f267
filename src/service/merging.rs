//! Merging two customers (B4, semantics 25): what one owns and shares goes to the other, entries stay.
//!
//! Locks are taken in the order that holds everywhere: groups, customers, packages, lots, each by id. The
//! merged customer is kept, inactive, with the name of the one that took its place.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, DbErr};

use crate::domain::change::{ChangeKind, Value};
use crate::domain::customer::Customer;
use crate::domain::group::Group;
use crate::domain::lot::Stamp;
use crate::domain::package::Package;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, GroupId, LotId, PackageId, Reference};
use crate::service::buyers::{check, check_merged};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{resolve, sharing};
use crate::store::error::StoreError;
use crate::store::{
    bookings, charge_requests, customers, group_members, groups, holds, invoices, lots,
    package_members, packages, sales, subscriptions,
};

/// Two customers who are one.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Who is given up.
    pub customer: Reference<CustomerId>,
    /// Who takes its place.
    pub into: Reference<CustomerId>,
    /// The version of the customer who is given up that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// What a merge works on.
struct Merging<'a> {
    txn: &'a DatabaseTransaction,
    business_id: BusinessId,
    merged: CustomerId,
    survivor: CustomerId,
    stamp: Stamp,
}

/// Merges a customer into another one, who is answered.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CUSTOMER_MERGED`, `CUSTOMER_INACTIVE` for the one that stays,
/// `MERGED_INTO_ITSELF`.
pub async fn merge(
    ctx: &Context,
    call: &Call,
    input: &Merge,
) -> Result<Answer<Customer>, ServiceError> {
    let (business_id, txn) = (call.business_id(), ctx.db.begin().await?);
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let merged = resolve::customer(&txn, business_id, &input.customer).await?;
    let survivor = resolve::customer(&txn, business_id, &input.into).await?;
    if merged == survivor {
        let customer_id = merged;
        return Err(Refusal::from(HolderRefusal::MergedIntoItself { customer_id }).into());
    }
    let groups = lock_groups(&txn, business_id, merged).await?;
    let found = customers::lock_all(&txn, business_id, [merged, survivor]).await?;
    let find = |id| found.iter().find(|customer| customer.id == id).cloned();
    let mut given_up =
        find(merged).ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    let mut kept = find(survivor).ok_or_else(|| resolve::not_found("customer", &input.into))?;
    check_merged(&given_up)?;
    check(&kept)?;
    resolve::check_etag("customer", merged, given_up.version, input.etag.as_deref())?;
    if group_members::groups_of(&txn, business_id, merged).await? != ids_of(&groups) {
        // It joined or left a group meanwhile: tried again, with that group locked first.
        let changed = DbErr::Custom("the groups of a customer changed".to_owned());
        return Err(StoreError::Contention(changed).into());
    }
    let now = ctx.clock.now();
    let merging = Merging {
        txn: &txn,
        business_id,
        merged,
        survivor,
        stamp: call.stamp(now),
    };
    merging.move_packages(now).await?;
    merging.move_groups(groups, now).await?;
    sales::rename(&txn, business_id, merged, survivor).await?;
    subscriptions::rename(&txn, business_id, merged, survivor).await?;
    bookings::rename(&txn, business_id, merged, survivor).await?;
    charge_requests::rename(&txn, business_id, merged, survivor).await?;
    invoices::rename(&txn, business_id, merged, survivor).await?;
    if kept.unsubscribed_at.is_none() && given_up.unsubscribed_at.is_some() {
        // Who asked for no more e-mails gets none because of a merge.
        kept.unsubscribed_at = given_up.unsubscribed_at;
        customers::update(&txn, business_id, &mut kept).await?;
    }
    given_up.active = false;
    given_up.merged_into = Some(survivor);
    customers::update(&txn, business_id, &mut given_up).await?;
    customers::follow(&txn, business_id, merged, survivor).await?;
    call.remember(&txn, &kept).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(kept))
}

/// The groups of a customer, locked.
async fn lock_groups(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<Vec<Group>, ServiceError> {
    let ids = group_members::groups_of(txn, business_id, customer_id).await?;
    Ok(groups::lock_all(txn, business_id, ids).await?)
}

fn ids_of(groups: &[Group]) -> Vec<GroupId> {
    groups.iter().map(|group| group.id).collect()
}

impl Merging<'_> {
    /// What the merged customer owns and shares is the survivor's now, open holds included.
    async fn move_packages(&self, now: DateTime<Utc>) -> Result<(), ServiceError> {
        let (txn, business_id) = (self.txn, self.business_id);
        let owned = packages::ids_of_customer(txn, business_id, self.merged).await?;
        let shared = package_members::shared_with(txn, business_id, self.merged).await?;
        let ids: BTreeSet<PackageId> = owned.into_iter().chain(shared).collect();
        let ids: Vec<PackageId> = ids.into_iter().collect();
        let locked = sharing::lock_packages(txn, business_id, &ids).await?;
        let (mut owned, mut shared): (Vec<Package>, Vec<Package>) = locked
            .into_iter()
            .partition(|package| package.customer_id == self.merged);
        sharing::hand_over(txn, business_id, &mut owned, self.survivor, &self.stamp).await?;
        sharing::dismiss(txn, business_id, &shared, self.merged, now).await?;
        shared.retain(|package| package.customer_id != self.survivor);
        sharing::admit(txn, business_id, &shared, self.survivor, now).await?;
        for package in shared.iter_mut().filter(|it| it.group_id.is_none()) {
            let values = (Value::Customer(self.merged), Value::Customer(self.survivor));
            let kind = ChangeKind::MemberAdded;
            sharing::record(txn, &self.stamp, package, kind, values).await?;
        }
        let lots = lots::of_packages(txn, business_id, &ids).await?;
        let lot_ids: Vec<LotId> = lots.iter().map(|lot| lot.id).collect();
        let mut open = holds::open_in(txn, business_id, &lot_ids).await?;
        open.retain(|hold| hold.customer_id == self.merged);
        let open: Vec<_> = open.into_iter().map(|hold| hold.id).collect();
        Ok(holds::rename(txn, business_id, &open, self.survivor).await?)
    }

    /// The survivor takes the place of the merged customer in its groups.
    async fn move_groups(
        &self,
        groups: Vec<Group>,
        now: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        let (txn, business_id) = (self.txn, self.business_id);
        let joined = group_members::groups_of(txn, business_id, self.survivor).await?;
        for mut group in groups {
            group_members::remove(txn, business_id, group.id, self.merged).await?;
            if !joined.contains(&group.id) {
                group_members::insert(txn, business_id, group.id, self.survivor, now).await?;
            }
            if group.contact_id == self.merged {
                group.contact_id = self.survivor;
            }
            groups::update(txn, business_id, &mut group).await?;
        }
        Ok(())
    }
}
