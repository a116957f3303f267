//! Undoing sales that were made by mistake (E4, semantics 23).

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::amend::Amendment;
use crate::domain::change::NewChange;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::payment::Payable;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::sale::Sale;
use crate::domain::unsell::take_back;
use crate::ids::{LotId, PackageId, SaleId};
use crate::ledger::{post, queue, whole};
use crate::service::call::{Answer, Call};
use crate::service::charges;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::package_view::{PackageView, views};
use crate::service::resolve;
use crate::store::{businesses, holds, lots, sales, subscription_periods};

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

/// What taking packages back comes to.
struct Decided<T> {
    posting: Posting,
    unmoved: Vec<Lot>,
    packages: Vec<(Package, Vec<NewChange>)>,
    told: Vec<T>,
}

/// Packages that were taken back.
pub(super) struct TakenBack<T> {
    /// They, after it.
    pub(super) packages: Vec<Package>,
    /// What the rule told of each.
    pub(super) told: Vec<T>,
    /// What was written of it has this in common.
    pub(super) stamp: Stamp,
}

/// Undoes a sale.
///
/// # Errors
/// `NOT_FOUND`, `SALE_ON_INVOICE`, `SALE_ALREADY_UNDONE`, and those of [`take_back`].
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
    sale.refuse_invoiced().map_err(Refusal::from)?;
    let taking = take_all_back(
        ctx,
        &txn,
        call,
        (&sale.package_ids, &input.reason),
        take_back,
    );
    let TakenBack {
        packages: sold,
        stamp,
        ..
    } = taking.await?;
    let business = businesses::get(&txn, business_id)
        .await?
        .ok_or_else(|| resolve::not_found("business", &business_id))?;
    sales::mark_undone(&txn, business_id, sale.id, stamp.now).await?;
    sales::put_waiting(&txn, business_id, sale.id, None).await?;
    charges::withdraw(&txn, call, Payable::Sale(sale.id), stamp.now).await?;
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
/// [`Refusal::NotFound`], `SALE_ALREADY_UNDONE`.
pub(super) fn standing(sale: Option<Sale>, sale_id: SaleId) -> Result<Sale, Refusal> {
    let sale = sale.ok_or_else(|| resolve::not_found("sale", &sale_id))?;
    sale.refuse_undone()?;
    Ok(sale)
}

/// Takes packages back as `rule` says, in one posting, for a reason.
///
/// # Errors
/// Those of the rule.
pub(super) async fn take_all_back<T>(
    ctx: &Context,
    txn: &DatabaseTransaction,
    call: &Call,
    (ids, reason): (&[PackageId], &str),
    rule: impl FnMut(&mut Amendment<'_>) -> Result<T, Refusal>,
) -> Result<TakenBack<T>, ServiceError> {
    let business_id = call.business_id();
    let sold = whole::lock(txn, &ctx.clock, business_id, ids).await?;
    let lot_ids: Vec<LotId> = sold.lots.iter().map(|lot| lot.id).collect();
    let open = holds::open_in(txn, business_id, &lot_ids).await?;
    let stamp = call.stamp(sold.now);
    let draft = Draft::with_holds(&stamp, sold.lots, open);
    let decided = decide(&sold.packages, draft, rule)?;
    let mut packages = Vec::with_capacity(decided.packages.len());
    for (mut package, changes) in decided.packages {
        post::record_changes(txn, &stamp, &mut package, changes).await?;
        packages.push(package);
    }
    lots::update(txn, &decided.unmoved).await?;
    call.post(txn, &decided.posting, reason).await?;
    queue::move_on(txn, &stamp, &packages).await?;
    Ok(TakenBack {
        packages,
        told: decided.told,
        stamp,
    })
}

fn decide<T>(
    sold: &[Package],
    mut draft: Draft<'_>,
    mut rule: impl FnMut(&mut Amendment<'_>) -> Result<T, Refusal>,
) -> Result<Decided<T>, Refusal> {
    let mut packages = Vec::with_capacity(sold.len());
    let mut told = Vec::with_capacity(sold.len());
    for package in sold {
        let mut amendment = Amendment::begin(package, draft)?;
        told.push(rule(&mut amendment)?);
        let (package, changes, rest) = amendment.hand_on();
        packages.push((package, changes));
        draft = rest;
    }
    let (posting, unmoved) = draft.close_with_rest();
    Ok(Decided {
        posting,
        unmoved,
        packages,
        told,
    })
}
