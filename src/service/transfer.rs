//! Moving packages to other customers (E6, semantics 25).

use sea_orm::{DatabaseTransaction, DbErr};
use serde::{Deserialize, Serialize};

use crate::domain::amend::Amended;
use crate::domain::business::Business;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::notice::NoticeKind;
use crate::domain::transfer::{Consent, hand_over};
use crate::ids::{CustomerId, Reference};
use crate::ledger::tell::{self, Occasion};
use crate::service::amending::{self, Changed, Target};
use crate::service::buyers;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::freezing::definition;
use crate::service::package_view::{PackageView, view};
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{customers, packages};

/// Which package is to be moved to whom.
#[derive(Clone, Debug)]
pub struct TransferEntry {
    /// Which package, and why.
    pub target: Target,
    /// Who gets it.
    pub receiver: Reference<CustomerId>,
}

/// A package that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transferred {
    /// The package that was left.
    pub changed: Changed,
    /// The package that the receiver got.
    pub received: PackageView,
}

/// Moves a package to another customer, and confirms it to them.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CUSTOMER_INACTIVE`, `CUSTOMER_MERGED`, and those of [`hand_over`].
pub async fn transfer_package(
    ctx: &Context,
    call: &Call,
    input: &TransferEntry,
) -> Result<Answer<Transferred>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let target = &input.target;
    let (owner, receiver) = hold_customers(&txn, call, input).await?;
    let locked = amending::lock(ctx, &txn, call, target).await?;
    if locked.package.customer_id != owner {
        // Tried again, the call holds whoever owns it by then.
        let moved = DbErr::Custom("the package has another owner by now".to_owned());
        return Err(ServiceError::Contention(StoreError::Contention(moved)));
    }
    let sold_as = definition(&txn, &locked.package).await?;
    let of_business = locked.business.policies.transferable;
    let consent = match sold_as.and_then(|definition| definition.transferable) {
        Some(true) => Consent::Given,
        None if of_business => Consent::Given,
        Some(false) | None => Consent::Missing,
    };
    let mut amendment = locked.begin()?;
    let by_time = amendment.told();
    hand_over(&mut amendment, receiver, consent)?;
    let amended = amendment.end();
    let about = (&locked.business, &locked.stamp);
    let writing = write(&txn, call, about, amended, (target, by_time));
    let transferred = Box::pin(writing).await?;
    call.remember(&txn, &transferred).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(transferred))
}

/// The owner of the package and the customer who gets it, both locked; only active ones may
/// get packages (B2).
async fn hold_customers(
    txn: &DatabaseTransaction,
    call: &Call,
    input: &TransferEntry,
) -> Result<(CustomerId, CustomerId), ServiceError> {
    let business_id = call.business_id();
    let reference = &input.target.package;
    let id = resolve::package(txn, business_id, reference).await?;
    let owner = packages::get(txn, business_id, id)
        .await?
        .ok_or_else(|| resolve::not_found("package", reference))?
        .customer_id;
    let receiver_id = resolve::customer(txn, business_id, &input.receiver).await?;
    let held = customers::lock_all(txn, business_id, [owner, receiver_id]).await?;
    let receiver = held.iter().find(|customer| customer.id == receiver_id);
    let receiver = receiver.ok_or_else(|| resolve::not_found("customer", &input.receiver))?;
    buyers::check(receiver)?;
    Ok((owner, receiver_id))
}

async fn write(
    txn: &DatabaseTransaction,
    call: &Call,
    (business, stamp): (&Business, &Stamp),
    amended: Amended,
    (target, by_time): (&Target, usize),
) -> Result<Transferred, ServiceError> {
    let package_id = amended.package.id;
    let corrupt = || StoreError::corrupt("packages", package_id);
    let received = amended
        .posting
        .packages
        .first()
        .cloned()
        .ok_or_else(corrupt)?;
    let of_received = |lot: &&Lot| lot.package_id == received.id;
    let lots: Vec<Lot> = amended
        .posting
        .lots
        .iter()
        .filter(of_received)
        .cloned()
        .collect();
    let about = (business, stamp);
    let (package, mut changes) = amending::write(txn, call, about, amended, &target.reason).await?;
    let occasion = Occasion {
        name: received.id.to_string(),
        customer_id: received.customer_id,
        packages: vec![&received],
    };
    tell::queue(
        txn,
        business,
        NoticeKind::Confirmation,
        &[occasion],
        stamp.now,
    )
    .await?;
    Ok(Transferred {
        changed: Changed {
            package,
            changes: changes.split_off(by_time.min(changes.len())),
            holds: Vec::new(),
        },
        received: view(&received, &lots, business, stamp.now),
    })
}
