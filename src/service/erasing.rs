//! Erasing a customer (B5): what is known of the person goes, every sum and hash of the ledger stays.
//!
//! It is refused while something is open: credits that nobody could be told to own any more would be owed to
//! nobody. Staff settles first: revokes, cancels, voids. There is no way around that. The row is kept, inactive
//! and nameless, since entries, sales and invoices name its id. Those who were merged into the customer are
//! erased with it. Its tokens are good for nothing any more.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::change::{ChangeKind, Value};
use crate::domain::customer::Customer;
use crate::domain::lot::Stamp;
use crate::domain::package::Package;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, PackageId, Reference};
use crate::service::buyers::check_there;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{groups, resolve, sharing};
use crate::store::{customers, package_members, packages, personal, tokens};

/// Who is to be erased.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// Who.
    pub customer: Reference<CustomerId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// Erases a customer, who is answered as it is now; one that was erased before stays as it is.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CUSTOMER_MERGED`, `CUSTOMER_HAS_OPEN`.
pub async fn erase(
    ctx: &Context,
    call: &Call,
    input: &Erasure,
) -> Result<Answer<Customer>, ServiceError> {
    let (business_id, txn) = (call.business_id(), ctx.db.begin().await?);
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::customer(&txn, business_id, &input.customer).await?;
    let left = groups::lock_of(&txn, business_id, id).await?;
    let mut ids = customers::merged_into(&txn, business_id, id).await?;
    ids.push(id);
    let mut locked = customers::lock_all(&txn, business_id, ids).await?;
    groups::check_unchanged(&txn, business_id, id, &left).await?;
    let place = locked.iter().position(|customer| customer.id == id);
    let found = place.map(|place| locked.swap_remove(place));
    let mut customer = found.ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    if customer.erased_at.is_none() {
        check_there(&customer)?;
        resolve::check_etag("customer", id, customer.version, input.etag.as_deref())?;
        let owned = packages::ids_of_customer(&txn, business_id, id).await?;
        let shared = package_members::shared_with(&txn, business_id, id).await?;
        let touched: BTreeSet<PackageId> = owned.into_iter().chain(shared).collect();
        let touched: Vec<PackageId> = touched.into_iter().collect();
        let mut held = sharing::lock_packages(&txn, business_id, &touched).await?;
        let now = ctx.clock.now();
        let open = personal::open(&txn, business_id, id, now).await?;
        if !open.is_nothing() {
            let customer_id = id;
            return Err(Refusal::from(HolderRefusal::CustomerHasOpen { customer_id, open }).into());
        }
        held.retain(|package| package.customer_id != id);
        leave(&txn, &call.stamp(now), (business_id, id), &mut held).await?;
        groups::leave(&txn, business_id, left, id).await?;
        for merged in &mut locked {
            forget(&txn, business_id, merged, now).await?;
        }
        forget(&txn, business_id, &mut customer, now).await?;
    }
    call.remember(&txn, &customer).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(customer))
}

/// Takes a customer out of locked packages that others share with it, whose lots are locked.
async fn leave(
    txn: &DatabaseTransaction,
    stamp: &Stamp,
    (business_id, id): (BusinessId, CustomerId),
    shared: &mut [Package],
) -> Result<(), ServiceError> {
    sharing::dismiss(txn, business_id, shared, id, stamp.now).await?;
    for package in shared.iter_mut().filter(|it| it.group_id.is_none()) {
        let values = (Value::Customer(id), Value::Nothing);
        sharing::record(txn, stamp, package, ChangeKind::MemberRemoved, values).await?;
    }
    Ok(())
}

async fn forget(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer: &mut Customer,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    tokens::revoke_of_customer(txn, business_id, customer.id, now).await?;
    personal::clear(txn, business_id, customer.id, now).await?;
    customer.erase(now);
    Ok(customers::update(txn, business_id, customer).await?)
}
