//! Undoing sales that were made by mistake (E4, semantics 23).

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::amend::Amendment;
use crate::domain::change::NewChange;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::sale::Sale;
use crate::domain::unsell::take_back;
use crate::ids::{LotId, SaleId};
use crate::ledger::{post, queue};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, views};
use crate::service::resolve;
use crate::store::{businesses, holds, lots, packages, sales, subscription_periods};

/// Which sale is to be undone.
#[derive(Clone, Debug)]
pub struct UndoEntry {
    /// Which one.
    pub sale_id: SaleId,
    /// Why; for staff.
    pub reason: String,
}

/// A sale that was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The sale after it.
    pub sale: Sale,
    /// Its packages after it.
    pub packages: Vec<PackageView>,
}

/// What undoing a sale comes to.
struct TakenBack {
    posting: Posting,
    unmoved: Vec<Lot>,
    packages: Vec<(Package, Vec<NewChange>)>,
}

/// Undoes a sale.
///
/// # Errors
/// `NOT_FOUND`, [`CannotAmend::SaleUndone`], and those of [`take_back`].
pub async fn undo_sale(
    ctx: &Context,
    call: &Call,
    input: &UndoEntry,
) -> Result<Answer<Undone>, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let sale = sales::lock(&txn, business_id, input.sale_id).await?;
    let mut sale = standing(sale, input.sale_id)?;
    let ids = sale.package_ids.clone();
    let sold = packages::lock(&txn, business_id, &ids).await?;
    let sold_lots = lots::lock_of_packages(&txn, business_id, &ids).await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    let lot_ids: Vec<LotId> = sold_lots.iter().map(|lot| lot.id).collect();
    let open = holds::open_in(&txn, business_id, &lot_ids).await?;
    let stamp = call.stamp(ctx.clock.now());
    let taken_back = take_all_back(&sold, Draft::with_holds(&stamp, sold_lots, open))?;
    let sold = write(&txn, call, &stamp, taken_back, &input.reason).await?;
    sales::mark_undone(&txn, business_id, sale.id, stamp.now).await?;
    subscription_periods::reopen(&txn, business_id, sale.id).await?;
    sale.undone_at = Some(stamp.now);
    let undone = Undone {
        sale,
        packages: views(&txn, &business, sold, stamp.now).await?,
    };
    call.remember(&txn, &undone).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(undone))
}

/// The sale, if there is one that was not undone.
///
/// # Errors
/// [`Refusal::NotFound`], [`CannotAmend::SaleUndone`].
pub(super) fn standing(sale: Option<Sale>, sale_id: SaleId) -> Result<Sale, Refusal> {
    let sale = sale.ok_or_else(|| resolve::not_found("sale", &sale_id))?;
    match sale.undone_at {
        Some(undone_at) => Err(CannotAmend::SaleUndone { sale_id, undone_at }.into()),
        None => Ok(sale),
    }
}

/// Takes all packages of a sale back in one posting.
fn take_all_back(sold: &[Package], mut draft: Draft<'_>) -> Result<TakenBack, Refusal> {
    let mut packages = Vec::with_capacity(sold.len());
    for package in sold {
        let mut amendment = Amendment::begin(package, draft)?;
        take_back(&mut amendment)?;
        let (package, changes, rest) = amendment.hand_on();
        packages.push((package, changes));
        draft = rest;
    }
    let (posting, unmoved) = draft.close_with_rest();
    Ok(TakenBack {
        posting,
        unmoved,
        packages,
    })
}

async fn write(
    txn: &DatabaseTransaction,
    call: &Call,
    stamp: &Stamp,
    taken_back: TakenBack,
    reason: &str,
) -> Result<Vec<Package>, ServiceError> {
    let mut written = Vec::with_capacity(taken_back.packages.len());
    for (mut package, changes) in taken_back.packages {
        post::record_changes(txn, stamp, &mut package, changes).await?;
        written.push(package);
    }
    lots::update(txn, &taken_back.unmoved).await?;
    call.post(txn, &taken_back.posting, reason).await?;
    queue::move_on(txn, stamp, &written).await?;
    Ok(written)
}
