//! The packages of a subscription's ending period, locked, and what of them goes on (C6).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::amend::Amendment;
use crate::domain::carry::carry_over;
use crate::domain::change::NewChange;
use crate::domain::extend::{self, NewLot};
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::pricing::CarryOver;
use crate::domain::refusal::Refusal;
use crate::domain::subscription::{Span, Subscription};
use crate::ids::{LotId, PackageId};
use crate::ledger::{post, queue, whole};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{holds, lots, subscription_periods};

/// What a period that ends has, locked.
#[derive(Debug, Default)]
pub(super) struct Ending {
    packages: Vec<Package>,
    lots: Vec<Lot>,
    holds: Vec<Hold>,
}

/// What a renewal posts.
#[derive(Debug)]
pub(super) struct Carried {
    /// The posting, with the new package's lots.
    pub(super) posting: Posting,
    /// What went on; none: nothing did.
    pub(super) package: Option<Package>,
    /// The packages of the period that ends, and what time alone has changed on them.
    ending: Vec<(Package, Vec<NewChange>)>,
    unmoved: Vec<Lot>,
}

/// Locks the packages of the paid period that ends at `ends_at`, and what is in them.
pub(super) async fn lock(
    ctx: &Context,
    txn: &DatabaseTransaction,
    subscription: &Subscription,
    ends_at: DateTime<Utc>,
) -> Result<Ending, ServiceError> {
    let business_id = subscription.business_id;
    if subscription.carry_over == CarryOver::None {
        return Ok(Ending::default());
    }
    let found = subscription_periods::ending_at(txn, business_id, subscription.id, ends_at).await?;
    let Some(period) = found else {
        return Ok(Ending::default());
    };
    let renewed = period.renewal.map(|renewal| renewal.package_id);
    let ids: Vec<PackageId> = period.carried_over.into_iter().chain(renewed).collect();
    let ending = whole::lock(txn, &ctx.clock, business_id, &ids).await?;
    let lot_ids: Vec<LotId> = ending.lots.iter().map(|lot| lot.id).collect();
    Ok(Ending {
        packages: ending.packages,
        holds: holds::open_in(txn, business_id, &lot_ids).await?,
        lots: ending.lots,
    })
}

/// One posting that carries over what goes on into the period `into`, and issues what is new in it.
pub(super) fn post(
    stamp: &Stamp,
    ending: Ending,
    (subscription, into): (&Subscription, &Span),
    (package, new): (&Package, &[NewLot]),
) -> Result<Carried, Refusal> {
    let mut draft = Draft::with_holds(stamp, ending.lots, ending.holds);
    let mut settled = Vec::with_capacity(ending.packages.len());
    for package in &ending.packages {
        let (package, changes, rest) = Amendment::begin(package, draft)?.hand_on();
        settled.push((package, changes));
        draft = rest;
    }
    let sources: Vec<Package> = settled.iter().map(|(package, _)| package.clone()).collect();
    let agreed = subscription.carry_over;
    let customer_id = subscription.customer_id;
    let carried = carry_over(&mut draft, agreed, &sources, customer_id, into)?;
    for lot in new {
        extend::issue(&mut draft, package, lot.clone())?;
    }
    let (posting, mut unmoved) = draft.close_with_rest();
    let is_changed = |lot: &Lot| {
        let mut changed = settled.iter().filter(|(_, changes)| !changes.is_empty());
        changed.any(|(package, _)| package.id == lot.package_id)
    };
    unmoved.retain(is_changed);
    Ok(Carried {
        posting,
        package: carried,
        ending: settled,
        unmoved,
    })
}

impl Carried {
    /// Writes the posting, what time alone has changed on the packages of the period that ends, and what
    /// waits for these.
    pub(super) async fn write(
        &mut self,
        txn: &DatabaseTransaction,
        call: &Call,
        stamp: &Stamp,
    ) -> Result<(), ServiceError> {
        for (package, changes) in &mut self.ending {
            if !changes.is_empty() {
                post::record_changes(txn, stamp, package, std::mem::take(changes)).await?;
            }
        }
        lots::update(txn, &self.unmoved).await?;
        call.post(txn, &self.posting, "").await?;
        let ending = self.ending.iter().map(|(package, _)| package);
        queue::move_on(txn, stamp, ending).await?;
        Ok(())
    }
}
